"""Bookings: a place in a session of limited capacity, or a resource for a half-open period."""

from datetime import datetime

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now

from doorstep.kernel.common.ids import Identified


def numbered(sequence: str) -> Func:
    """The next value of a sequence, taken by the database."""
    return Func(Value(sequence), function="nextval", output_field=models.BigIntegerField())


class Session(Identified):
    """A class, an interview slot, a clinic hour, a lecture, a shift: ``capacity`` places from one instant to another.

    ``booked`` counts the places taken (everybody but those who wait or cancelled); only conditional updates change it.
    Booking is open in [``opens_at``, ``closes_at`` or the start); a person may cancel until ``cancel_until`` (or the start).
    With ``hold_minutes`` a place is held that long and must be confirmed. ``sequence`` is iCalendar's: it grows with
    every change that matters to a calendar.
    """

    class State(models.TextChoices):
        OPEN = "open"
        CANCELLED = "cancelled"

    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="sessions")
    place = models.ForeignKey("places.Place", models.PROTECT, null=True, related_name="sessions")
    kind = models.TextField()
    title = models.TextField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    capacity = models.IntegerField()
    booked = models.IntegerField(default=0)
    waitlist = models.BooleanField(default=False)
    hold_minutes = models.IntegerField(default=0)
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField(null=True)
    cancel_until = models.DateTimeField(null=True)
    state = models.TextField(choices=State, default=State.OPEN)
    cancelled_reason = models.TextField(blank=True, db_default="")
    sequence = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(booked__gte=0, booked__lte=F("capacity")), name="session_within_capacity"
            ),
            models.CheckConstraint(condition=Q(capacity__gt=0, hold_minutes__gte=0), name="session_capacity"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="session_period"),
            models.CheckConstraint(
                condition=Q(closes_at__isnull=True) | Q(closes_at__gt=F("opens_at")), name="session_booking_window"
            ),
            models.CheckConstraint(condition=Q(state="open") | Q(booked=0), name="session_cancelled_is_empty"),
        ]
        indexes = [
            models.Index(fields=["organisation", "starts_at", "id"], name="session_organisation"),
            models.Index(fields=["place", "starts_at", "id"], name="session_place"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def booking_ends(self) -> datetime:
        return self.closes_at or self.starts_at

    @property
    def cancelling_ends(self) -> datetime:
        return self.cancel_until or self.starts_at


class Booking(Identified):
    """One person's place in a session, or their turn in its queue. ``number`` is taken from a sequence under the session's
    lock by those who wait, so that it is the order of the queue.
    """

    class State(models.TextChoices):
        HELD = "held", "待确认"
        CONFIRMED = "confirmed", "已预约"
        WAITLISTED = "waitlisted", "候补中"
        ATTENDED = "attended", "已到场"
        NO_SHOW = "no_show", "未到场"
        CANCELLED = "cancelled", "已取消"

    number = models.BigIntegerField(unique=True, db_default=numbered("bookings_number"), editable=False)
    session = models.ForeignKey(Session, models.PROTECT, related_name="bookings")
    person = models.ForeignKey("people.Person", models.PROTECT, related_name="bookings")
    state = models.TextField(choices=State)
    held_until = models.DateTimeField(null=True)
    promoted_at = models.DateTimeField(null=True)
    attended_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_reason = models.TextField(blank=True, db_default="")
    sequence = models.IntegerField(default=0)
    at = models.DateTimeField()
    changed_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["session", "person"], condition=~Q(state="cancelled"), name="booking_once_a_session"
            ),
            models.CheckConstraint(
                condition=Q(state="held", held_until__isnull=False) | ~Q(state="held"), name="booking_held_until"
            ),
            models.CheckConstraint(
                condition=Q(state="cancelled", cancelled_at__isnull=False)
                | ~Q(state="cancelled") & Q(cancelled_at__isnull=True),
                name="booking_cancelled_at",
            ),
        ]
        indexes = [
            models.Index(fields=["session", "state", "number"], name="booking_session_state"),
            models.Index(fields=["person"], name="booking_person"),
            models.Index(fields=["held_until"], condition=Q(state="held"), name="booking_expiring"),
        ]


class Resource(Identified):
    """Something that is reserved for a time: a room, a teacher, a gown (one), or ``quantity`` alike of a pool.

    ``number`` stands for the resource in the exclusion constraint of its reservations. What is pooled stays pooled.
    """

    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="resources")
    place = models.ForeignKey("places.Place", models.PROTECT, null=True, related_name="resources")
    number = models.BigIntegerField(unique=True, db_default=numbered("bookings_resource_number"), editable=False)
    kind = models.TextField()
    name = models.TextField()
    pooled = models.BooleanField(default=False)
    quantity = models.IntegerField(default=1)
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity=1) | Q(pooled=True, quantity__gt=0), name="resource_quantity"),
        ]
        indexes = [models.Index(fields=["organisation", "kind", "id"], name="resource_organisation")]

    def __str__(self) -> str:
        return self.name


class Reservation(Identified):
    """A resource (or ``quantity`` of a pool) for a half-open period, for a person or for a session.

    ``number`` and ``pooled`` are the resource's own. No two active reservations of one unpooled resource overlap: the row
    lock of the resource orders the rivals, the exclusion constraint is the net.
    """

    class State(models.TextChoices):
        HELD = "held", "待确认"
        CONFIRMED = "confirmed", "已预订"
        ATTENDED = "attended", "已到场"
        NO_SHOW = "no_show", "未到场"
        CANCELLED = "cancelled", "已取消"

    resource = models.ForeignKey(Resource, models.PROTECT, related_name="reservations")
    number = models.BigIntegerField()
    pooled = models.BooleanField(default=False)
    person = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="reservations")
    session = models.ForeignKey(Session, models.PROTECT, null=True, related_name="reservations")
    period = DateTimeRangeField()
    quantity = models.IntegerField(default=1)
    state = models.TextField(choices=State)
    held_until = models.DateTimeField(null=True)
    attended_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_reason = models.TextField(blank=True, db_default="")
    sequence = models.IntegerField(default=0)
    at = models.DateTimeField()
    changed_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # int8range(n, n, '[]') overlaps only itself: equality without the btree_gist extension.
            ExclusionConstraint(
                name="reservation_no_overlap",
                expressions=[
                    (Func(F("number"), F("number"), Value("[]"), function="int8range"), RangeOperators.OVERLAPS),
                    ("period", RangeOperators.OVERLAPS),
                ],
                condition=Q(pooled=False) & ~Q(state="cancelled"),
            ),
            models.CheckConstraint(
                condition=Q(
                    period__isempty=False,
                    period__lower_inf=False,
                    period__upper_inf=False,
                    period__lower_inc=True,
                    period__upper_inc=False,
                ),
                name="reservation_period_half_open",
            ),
            models.CheckConstraint(
                condition=Q(pooled=True, quantity__gt=0) | Q(pooled=False, quantity=1), name="reservation_quantity"
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=False, session__isnull=True) | Q(person__isnull=True, session__isnull=False),
                name="reservation_for_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state="held", held_until__isnull=False) | ~Q(state="held"), name="reservation_held_until"
            ),
            models.CheckConstraint(
                condition=Q(state="cancelled", cancelled_at__isnull=False)
                | ~Q(state="cancelled") & Q(cancelled_at__isnull=True),
                name="reservation_cancelled_at",
            ),
        ]
        indexes = [
            models.Index(
                F("resource"),
                Func(F("period"), function="upper"),
                condition=~Q(state="cancelled"),
                name="reservation_resource_until",
            ),
            models.Index(fields=["person"], name="reservation_person"),
            models.Index(fields=["held_until"], condition=Q(state="held"), name="reservation_expiring"),
        ]
