"""Organisations in one tree, named links between branches, appointments, and devices as principals."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from doorstep.kernel.common.ids import Identified


class Organisation(Identified):
    """A party committee, union, federation, association, alliance, clinic, school, company, trading centre, …

    ``path`` holds the ids from the root down to and including this organisation, so that "here or above" is one test.
    """

    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    path = ArrayField(models.UUIDField(), default=list)
    kind = models.TextField()
    name = models.TextField()
    short_name = models.TextField(blank=True, db_default="")
    registration_number = models.TextField(null=True, blank=True, unique=True)
    contact = models.TextField(blank=True, db_default="")
    founded_on = models.DateField(null=True, blank=True)
    closed_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["parent", "name"], name="organisation_name_once", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return self.short_name or self.name


class Link(Identified):
    """A named tie between two branches of the tree, e.g. an association that works with a federation."""

    source = models.ForeignKey(Organisation, models.PROTECT, related_name="links_out")
    target = models.ForeignKey(Organisation, models.PROTECT, related_name="links_in")
    kind = models.TextField()
    since = models.DateField()
    until = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(source=F("target")), name="link_joins_two"),
            models.UniqueConstraint(
                fields=["source", "target", "kind"], condition=Q(until__isnull=True), name="link_open_once"
            ),
        ]


class Appointment(Identified):
    """A person's role in an organisation for a time. The role's capabilities hold there and below."""

    person = models.ForeignKey("people.Person", models.PROTECT, related_name="appointments")
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="appointments")
    role = models.TextField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "organisation", "role"],
                condition=Q(valid_until__isnull=True),
                name="appointment_open_once",
            )
        ]


class Device(Identified):
    """A till, a scanner, a door: a principal of its own, bound to one place, with keys that can be revoked.

    ``secret_digest`` is SHA-256 of the bearer secret (32 random bytes, so a plain digest is enough);
    ``public_key`` (Ed25519, 32 bytes) checks what the device signed while it was offline.
    """

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="devices")
    place = models.ForeignKey("places.Place", models.PROTECT, related_name="devices")
    kind = models.TextField()
    name = models.TextField()
    secret_digest = models.BinaryField(null=True)
    public_key = models.BinaryField(null=True)
    paired_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_reason = models.TextField(blank=True, db_default="")

    def __str__(self) -> str:
        return self.name
