"""People: who somebody is, what they are (standings), what they agreed to, and who read about them."""

from typing import ClassVar, Self

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from doorstep.kernel.common.ids import Identified
from doorstep.kernel.common.vault import EncryptedField


class PersonManager(BaseUserManager["Person"]):
    """Makes people for Django's own commands; the product goes through ``actions``."""

    def create_user(self, username: str, password: str | None = None, **fields: object) -> "Person":
        person = self.model(username=username, **fields)
        person.set_password(password)
        person.save()
        return person

    def create_superuser(self, username: str, password: str | None = None, **fields: object) -> "Person":
        return self.create_user(username, password, **{**fields, "is_staff": True, "is_superuser": True})


class Person(AbstractBaseUser, PermissionsMixin, Identified):
    """A human being. Residents sign in by phone and code, staff by username, password and one-time code.

    ``phone`` and ``identity_number`` are encrypted; the ``*_index`` columns are their keyed blind indexes.
    """

    username = models.TextField(unique=True, null=True, blank=True)
    email = models.EmailField(blank=True, db_default="")
    name = models.TextField(blank=True, db_default="")
    phone = EncryptedField(null=True, blank=True, head=3, tail=4)
    phone_index = models.BinaryField(null=True, editable=False)
    phone_verified_at = models.DateTimeField(null=True, blank=True)
    identity_number = EncryptedField(null=True, blank=True, head=4, tail=4)
    identity_index = models.BinaryField(null=True, editable=False)
    born = models.DateField(null=True, blank=True)
    real_name_checked_at = models.DateTimeField(null=True, blank=True)
    is_active = models.BooleanField(db_default=True, default=True)
    is_staff = models.BooleanField(db_default=False, default=False)
    joined_at = models.DateTimeField(db_default=Now())

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[PersonManager] = PersonManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["phone_index"], name="person_phone_once"),
            models.UniqueConstraint(fields=["identity_index"], name="person_identity_once"),
            models.CheckConstraint(
                condition=(Q(phone__isnull=True) & Q(phone_index__isnull=True))
                | (Q(phone__isnull=False) & Q(phone_index__isnull=False)),
                name="person_phone_indexed",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.username or (str(self.phone) if self.phone else "—")

    @property
    def first_character(self) -> str:
        """What a cashier sees of a name: 凌*."""
        return f"{self.name[0]}*" if self.name else "*"

    def get_full_name(self) -> str:
        return self.name


class StandingQuerySet(models.QuerySet["Standing"]):
    def valid(self, at: object) -> Self:
        """Standings in force at an instant."""
        return self.filter(Q(valid_until__isnull=True) | Q(valid_until__gt=at), valid_from__lte=at, revoked_at=None)


class Standing(Identified):
    """What a person is, who attested it and for how long: rider, courier, driver, mother, student, …

    Eligibility everywhere is a rule over standings.
    """

    person = models.ForeignKey(Person, models.PROTECT, related_name="standings")
    kind = models.TextField()
    attested_by = models.ForeignKey("organisations.Organisation", models.PROTECT, null=True)
    evidence = models.TextField(blank=True, db_default="")
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField(db_default=Now())

    objects = StandingQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["person", "kind"], name="standing_person_kind")]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gt=F("valid_from")), name="standing_period"
            )
        ]


class Household(Identified):
    """People who live together."""

    name = models.TextField(blank=True, db_default="")
    address = models.TextField(blank=True, db_default="")
    members = models.ManyToManyField(Person, through="HouseholdMember", related_name="households")


class HouseholdMember(Identified):
    household = models.ForeignKey(Household, models.CASCADE)
    person = models.ForeignKey(Person, models.PROTECT)
    relation = models.TextField(blank=True, db_default="")
    since = models.DateField()
    until = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person"], condition=Q(until__isnull=True), name="person_lives_in_one_household"
            )
        ]


class Consent(Identified):
    """A person's agreement to one purpose, with its scope; withdrawing closes it, giving again opens a new one."""

    person = models.ForeignKey(Person, models.PROTECT, related_name="consents")
    purpose = models.TextField()
    scope = models.TextField(blank=True, db_default="")
    given_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "purpose", "scope"],
                condition=Q(withdrawn_at__isnull=True),
                name="consent_open_once",
            )
        ]


class AccessEntry(Identified):
    """Somebody read somebody else's sensitive record."""

    append_only = True

    reader_kind = models.TextField()
    reader_id = models.UUIDField(null=True)
    subject = models.ForeignKey(Person, models.PROTECT, related_name="access_entries")
    what = models.TextField()
    purpose = models.TextField()
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["subject", "at"], name="access_subject_at")]
