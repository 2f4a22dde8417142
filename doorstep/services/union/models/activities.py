"""Holiday games, their teams, scores and prizes; health check-ups."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.ids import Identified
from doorstep.kernel.common.vault import EncryptedField
from doorstep.services.union.models.membership import Occupation


class Event(Identified):
    """Games around a holiday. ``results_digest`` is of the table as it was closed: anybody can compute it again."""

    class State(models.TextChoices):
        OPEN = "open", _("进行中")
        CLOSED = "closed", _("已结束")

    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="union_events")
    title = models.TextField()
    holiday = models.TextField(blank=True, db_default="")
    where = models.TextField(blank=True, db_default="")
    starts_on = models.DateField()
    ends_on = models.DateField()
    state = models.TextField(choices=State, default=State.OPEN)
    results_digest = models.TextField(blank=True, db_default="")
    opened_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="union_event_period"),
            models.UniqueConstraint(fields=["organisation", "title"], name="union_event_once"),
        ]


class Stall(Identified):
    """One game of an event. The hours keep clear of the delivery peaks. ``better``: is more good, or less (seconds)?"""

    class Better(models.TextChoices):
        HIGH = "high", _("越多越好")
        LOW = "low", _("越少越好")

    event = models.ForeignKey(Event, models.PROTECT, related_name="stalls")
    name = models.TextField()
    rules = models.TextField(blank=True, db_default="")
    unit = models.TextField()
    better = models.TextField(choices=Better)
    tries = models.SmallIntegerField(default=3)
    opens = models.TimeField()
    closes = models.TimeField()
    position = models.SmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "name"], name="union_stall_once"),
            models.CheckConstraint(condition=Q(closes__gt=F("opens")), name="union_stall_hours"),
            models.CheckConstraint(condition=Q(tries__range=(1, 10)), name="union_stall_tries"),
        ]


class Team(Identified):
    """Some people who play together in one event."""

    event = models.ForeignKey(Event, models.PROTECT, related_name="teams")
    name = models.TextField()
    occupation = models.TextField(choices=Occupation)
    founded_by = models.ForeignKey("people.Person", models.PROTECT, related_name="+")
    size = models.SmallIntegerField(default=0)
    founded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "name"], name="union_team_name_once"),
            models.CheckConstraint(condition=Q(size__range=(0, 6)), name="union_team_size"),
        ]


class TeamMember(Identified):
    """A person in a team; in one team of an event only."""

    event = models.ForeignKey(Event, models.PROTECT, related_name="+")
    team = models.ForeignKey(Team, models.PROTECT, related_name="members")
    person = models.ForeignKey("people.Person", models.PROTECT, related_name="union_teams")
    joined_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["event", "person"], name="union_one_team_an_event")]


class Score(Identified):
    """What a team reached in one try at a stall; the best try counts. A wrong one is struck out by a newer row."""

    append_only = True

    stall = models.ForeignKey(Stall, models.PROTECT, related_name="scores")
    team = models.ForeignKey(Team, models.PROTECT, related_name="scores")
    attempt = models.SmallIntegerField()
    revision = models.SmallIntegerField(default=0)
    value = models.DecimalField(max_digits=9, decimal_places=2, null=True)
    by_id = models.UUIDField(null=True)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stall", "team", "attempt", "revision"], name="union_score_once"),
            models.CheckConstraint(condition=Q(value__isnull=True) | Q(value__gte=0), name="union_score_not_negative"),
        ]


class Prize(Identified):
    """So many of a thing for those who played a stall (``best`` empty) or came among its first ``best`` teams."""

    stall = models.ForeignKey(Stall, models.PROTECT, related_name="prizes")
    name = models.TextField()
    best = models.SmallIntegerField(null=True)
    stock = models.IntegerField()
    taken = models.IntegerField(default=0)
    valid_until = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(taken__gte=0, taken__lte=F("stock")), name="union_prize_within_stock"),
            models.UniqueConstraint(fields=["stall", "name"], name="union_prize_once"),
        ]


class PrizeClaim(Identified):
    """A person's one prize at a stall, held until it is handed over."""

    stall = models.ForeignKey(Stall, models.PROTECT, related_name="claims")
    prize = models.ForeignKey(Prize, models.PROTECT, related_name="claims")
    person = models.ForeignKey("people.Person", models.PROTECT, related_name="union_prizes")
    claimed_at = models.DateTimeField()
    handed_over_at = models.DateTimeField(null=True)
    handed_over_by_id = models.UUIDField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stall", "person"], name="union_prize_one_a_stall")]
        indexes = [
            models.Index(fields=["person"], condition=Q(handed_over_at__isnull=True), name="union_prize_waiting")
        ]


class CheckupRound(Identified):
    """A union's offer of health check-ups, done by a clinic. Slots are sessions of bookings."""

    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="union_checkups")
    clinic = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="+")
    title = models.TextField()
    items = models.TextField()
    opened_at = models.DateTimeField()


class CheckupSlot(Identified):
    """One time with so many places."""

    round = models.ForeignKey(CheckupRound, models.PROTECT, related_name="slots")
    session = models.OneToOneField("bookings.Session", models.PROTECT, related_name="union_checkup")


class CheckupResult(Identified):
    """What the clinic found, for the person alone: encrypted, and read by nobody at the union."""

    booking = models.OneToOneField("bookings.Booking", models.PROTECT, related_name="union_result")
    person = models.ForeignKey("people.Person", models.PROTECT, related_name="union_checkup_results")
    text = EncryptedField()
    by_id = models.UUIDField(null=True)
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
