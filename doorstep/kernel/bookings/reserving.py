"""Resources for a time: add one, reserve some, confirm, cancel, expire.

Measured, the exclusion constraint alone falls into deadlock storms under rivalry, and looking before inserting double-books.
So the resources' rows are locked in the order of their keys, then looked at, then reserved; the constraint stays as the net.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.bookings import errors
from doorstep.kernel.bookings.models import Reservation, Resource, Session
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor, system_actor
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound, TooMany, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.people.models import Person
from doorstep.kernel.places.models import Place

MAX_WANTED = 20
MAX_POOL = 100_000
MAX_NAME_LENGTH = 100
MAX_REASON_LENGTH = 200
MAX_HOLD_MINUTES = 7 * 24 * 60
LONGEST_RESERVATION = timedelta(days=400)
HOLD_EXPIRED = "hold_expired"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A resource and how many of it (more than one only of a pool)."""

    resource_id: UUID
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class ReservationReceipt:
    """What was reserved, in the order it was asked for, from ``starts_at`` to (not including) ``ends_at``."""

    reservation_ids: tuple[UUID, ...]
    starts_at: datetime
    ends_at: datetime
    state: str
    held_until: datetime | None


@action
def add_resource(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    organisation_id: UUID,
    kind: str,
    name: str,
    place_id: UUID | None = None,
    pool: int | None = None,
) -> UUID:
    """Make something reservable: one (a room, a teacher), or with ``pool`` that many alike.

    Raises: NotAllowed, NotFound, Invalid.
    """
    access.require(actor, "bookings.manage", organisation_id, at)
    if not 0 < len(name.strip()) <= MAX_NAME_LENGTH:
        raise Invalid("name", text=_("请填写名称,最多 100 个字。"))
    if pool is not None and not 1 <= pool <= MAX_POOL:
        raise Invalid("pool", text=_("数量应在 1 到 100000 之间。"))
    if place_id is not None and not Place.objects.filter(pk=place_id).exists():
        raise NotFound
    resource = Resource.objects.create(
        id=uuid7(),
        organisation_id=organisation_id,
        place_id=place_id,
        kind=kind,
        name=name.strip(),
        pooled=pool is not None,
        quantity=pool or 1,
        created_at=at,
    )
    _record(actor, "add_resource", resource, at, kind=kind, name=resource.name, pool=pool)
    return resource.pk


def _record(actor: Actor, verb: str, resource: Resource, at: datetime, **data: object) -> None:
    record(
        actor=actor,
        action=f"bookings.{verb}",
        subject_kind="resource",
        subject_id=resource.pk,
        organisation_id=resource.organisation_id,
        at=at,
        data=data,
    )


@action
def retire_resource(*, actor: Actor, at: datetime, resource_id: UUID) -> UUID:
    """Take no new reservations of it; those that are there stay. Raises: NotFound, NotAllowed, ResourceRetired."""
    resource = Resource.objects.select_for_update(no_key=True).filter(pk=resource_id).first()
    if resource is None:
        raise NotFound
    access.require(actor, "bookings.manage", resource.organisation_id, at)
    if resource.retired_at is not None:
        raise errors.ResourceRetired
    resource.retired_at = at
    resource.save(update_fields=["retired_at"])
    _record(actor, "retire_resource", resource, at)
    return resource.pk


def _period(starts_at: datetime, ends_at: datetime) -> DateTimeTZRange:
    """Half-open: who ends at noon and who begins at noon do not meet."""
    if not timedelta(0) < ends_at - starts_at <= LONGEST_RESERVATION:
        raise Invalid("ends_at", text=_("结束要晚于开始,最长 400 天。"))
    return DateTimeTZRange(starts_at, ends_at, "[)")


def lock_resources(resource_ids: Sequence[UUID]) -> dict[UUID, Resource]:
    """The resources with their rows locked in the order of their keys, so that rivals queue and never cross. Raises: NotFound."""
    rows = Resource.objects.select_for_update(no_key=True).filter(pk__in=resource_ids).order_by("pk")
    found = {resource.pk: resource for resource in rows}
    if len(found) != len(set(resource_ids)):
        raise NotFound
    return found


# The most that is reserved at any one instant of a period. At one instant endings come before beginnings: half-open. What meets
# the period is taken whole: stretches that meet one another and the period have an instant of the period in common.
_PEAK = """
WITH active AS (
  SELECT resource_id, period, quantity FROM bookings_reservation
  WHERE resource_id = ANY(%(resources)s) AND state <> 'cancelled' AND upper(period) > %(start)s AND lower(period) < %(end)s
    AND NOT id = ANY(%(without)s)
), edges AS (
  SELECT resource_id, lower(period) AS moment, quantity AS change FROM active
  UNION ALL SELECT resource_id, upper(period), -quantity FROM active
), loads AS (
  SELECT resource_id, sum(change) OVER (PARTITION BY resource_id ORDER BY moment, change ROWS UNBOUNDED PRECEDING) AS load
  FROM edges
)
SELECT resource_id, max(load)::integer FROM loads GROUP BY resource_id
"""


def _peaks(resource_ids: Sequence[UUID], period: DateTimeTZRange, without: Sequence[UUID] = ()) -> dict[UUID, int]:
    """How much of each resource is reserved at the busiest instant of the period. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            _PEAK,
            {
                "resources": list(resource_ids),
                "start": period.lower,
                "end": period.upper,
                "without": list(without),
            },
        )
        return dict(cursor.fetchall())


def _require_free(
    resources: Mapping[UUID, Resource], wanted: Sequence[Wanted], period: DateTimeTZRange, without: Sequence[UUID] = ()
) -> None:
    """Raises: Taken, PoolShort."""
    peaks = _peaks(list(resources), period, without)
    for one in wanted:
        resource = resources[one.resource_id]
        left = resource.quantity - peaks.get(one.resource_id, 0)
        if one.quantity > left:
            raise errors.PoolShort(left=left) if resource.pooled else errors.Taken


def _check_wanted(wanted: Sequence[Wanted]) -> None:
    if not wanted:
        raise Invalid("wanted", text=_("请选择要预订的项目。"))
    if len(wanted) > MAX_WANTED:
        raise TooMany(limit=MAX_WANTED)
    if len({one.resource_id for one in wanted}) != len(wanted) or any(one.quantity < 1 for one in wanted):
        raise Invalid("wanted", text=_("每一项只选一次,数量至少是 1。"))


def take_resources(
    *,
    actor: Actor,
    at: datetime,
    wanted: Sequence[Wanted],
    starts_at: datetime,
    ends_at: datetime,
    person_id: UUID | None = None,
    session_id: UUID | None = None,
    hold_minutes: int = 0,
) -> ReservationReceipt:
    """Reserve all of these for a person or a session, or none. Inside the caller's transaction, which asks for permission.

    Raises: NotFound, ResourceRetired, Taken, PoolShort, Invalid, TooMany, Busy.
    """
    _check_wanted(wanted)
    period = _period(starts_at, ends_at)
    if not 0 <= hold_minutes <= MAX_HOLD_MINUTES:
        raise Invalid("hold_minutes", text=_("保留时间最长 7 天。"))
    held_until = at + timedelta(minutes=hold_minutes) if hold_minutes else None
    state = Reservation.State.HELD if held_until else Reservation.State.CONFIRMED
    with errors.translated():
        resources = lock_resources([one.resource_id for one in wanted])
        for resource in resources.values():
            if resource.retired_at is not None:
                raise errors.ResourceRetired
        _end_holds(at, resource_ids=list(resources))
        _require_free(resources, wanted, period)
        rows = [
            Reservation(
                id=uuid7(),
                resource_id=one.resource_id,
                number=resources[one.resource_id].number,
                pooled=resources[one.resource_id].pooled,
                person_id=person_id,
                session_id=session_id,
                period=period,
                quantity=one.quantity,
                state=state,
                held_until=held_until,
                at=at,
                changed_at=at,
            )
            for one in wanted
        ]
        Reservation.objects.bulk_create(rows)
    for row in rows:
        data = {"reservation_id": row.pk, "starts_at": starts_at, "ends_at": ends_at, "quantity": row.quantity}
        resource = resources[row.resource_id]
        _record(actor, "reserve", resource, at, person_id=person_id, session_id=session_id, state=state, **data)
    return ReservationReceipt(tuple(row.pk for row in rows), starts_at, ends_at, state, held_until)


@action
def reserve(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    wanted: Sequence[Wanted],
    starts_at: datetime,
    ends_at: datetime,
    person_id: UUID | None = None,
    hold_minutes: int = 0,
) -> ReservationReceipt:
    """Reserve resources for oneself (staff: for ``person_id``) from ``starts_at`` to (not including) ``ends_at``: all or none.

    Raises: NotFound, NotAllowed, ResourceRetired, Taken, PoolShort, Invalid, TooMany, Busy.
    """
    who = actor.id if actor.kind == "person" and person_id in (None, actor.id) else person_id
    if who is None:
        raise NotAllowed
    if who != actor.id:
        for organisation_id in _organisations([one.resource_id for one in wanted[: MAX_WANTED + 1]]):
            access.require(actor, "bookings.manage", organisation_id, at)
        if not Person.objects.filter(pk=who).exists():
            raise NotFound
    return take_resources(
        actor=actor,
        at=at,
        wanted=wanted,
        starts_at=starts_at,
        ends_at=ends_at,
        person_id=who,
        hold_minutes=hold_minutes,
    )


def _organisations(resource_ids: Sequence[UUID]) -> list[UUID]:
    found = Resource.objects.filter(pk__in=resource_ids).values_list("organisation_id", flat=True)
    return list(found.distinct().order_by("organisation_id"))


@action
def reserve_for_session(
    *, actor: Actor, at: datetime, key: str, session_id: UUID, wanted: Sequence[Wanted]
) -> ReservationReceipt:
    """Reserve the room, the teacher, … that a session needs, for exactly its time. They move and are cancelled with it.

    Raises: NotFound, NotAllowed, SessionCancelled, ResourceRetired, Taken, PoolShort, Invalid, TooMany, Busy.
    """
    # The session's row first, as everywhere: it can neither be moved nor called off meanwhile.
    session = Session.objects.select_for_update(no_key=True).filter(pk=session_id).first()
    if session is None:
        raise NotFound
    access.require(actor, "bookings.manage", session.organisation_id, at)
    for organisation_id in _organisations([one.resource_id for one in wanted[: MAX_WANTED + 1]]):
        access.require(actor, "bookings.manage", organisation_id, at)
    if session.state == Session.State.CANCELLED:
        raise errors.SessionCancelled
    return take_resources(
        actor=actor,
        at=at,
        wanted=wanted,
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        session_id=session_id,
    )


def move_reservations(*, session: Session, at: datetime) -> int:
    """Bring a locked session's reservations to its new time, all or none; returns how many.

    Raises: Taken, PoolShort, Busy.
    """
    rows = list(Reservation.objects.filter(session=session).exclude(state=Reservation.State.CANCELLED).order_by("pk"))
    if not rows:
        return 0
    period = _period(session.starts_at, session.ends_at)
    with errors.translated():
        resources = lock_resources([row.resource_id for row in rows])
        wanted = [Wanted(row.resource_id, row.quantity) for row in rows]
        _end_holds(at, resource_ids=list(resources))
        _require_free(resources, wanted, period, without=[row.pk for row in rows])
        for row in rows:
            row.period, row.changed_at, row.sequence = period, at, row.sequence + 1
            row.save(update_fields=["period", "changed_at", "sequence"])
    return len(rows)


def _locked(reservation_id: UUID) -> Reservation:
    rows = Reservation.objects.select_for_update(no_key=True, of=("self",)).select_related("resource")
    reservation = rows.filter(pk=reservation_id).first()
    if reservation is None:
        raise NotFound
    return reservation


def _own_or_manage(actor: Actor, reservation: Reservation, at: datetime) -> None:
    """Raises: NotAllowed."""
    if actor.kind != "person" or actor.id is None or actor.id != reservation.person_id:
        access.require(actor, "bookings.manage", reservation.resource.organisation_id, at)


@action
def confirm_reservation(*, actor: Actor, at: datetime, reservation_id: UUID) -> UUID:
    """Make a held reservation certain. Confirming again changes nothing.

    Raises: NotFound, NotAllowed, HoldOver, AlreadyCancelled, WrongState.
    """
    row = _locked(reservation_id)
    _own_or_manage(actor, row, at)
    if row.state == Reservation.State.CONFIRMED:
        return row.pk
    if row.state == Reservation.State.CANCELLED:
        raise errors.HoldOver if row.cancelled_reason == HOLD_EXPIRED else errors.AlreadyCancelled
    if row.state != Reservation.State.HELD or row.held_until is None:
        raise WrongState
    if at >= row.held_until:
        raise errors.HoldOver
    row.state, row.held_until = Reservation.State.CONFIRMED, None
    _save(row, at, "state", "held_until")
    _record(actor, "confirm_reservation", row.resource, at, reservation_id=row.pk)
    return row.pk


def _save(row: Reservation, at: datetime, *fields: str) -> None:
    row.sequence, row.changed_at = row.sequence + 1, at
    row.save(update_fields=[*fields, "sequence", "changed_at"])


@action
def cancel_reservation(
    *, actor: Actor, at: datetime, reservation_id: UUID, reason: str, notice: timedelta = timedelta(0)
) -> UUID:
    """Give a reserved time back. A person may until ``notice`` before it begins, staff until it ends.

    Raises: NotFound, NotAllowed, AlreadyCancelled, CancelTooLate, WrongState (attended, missed or over), Invalid (no reason).
    """
    if not 0 < len(reason.strip()) <= MAX_REASON_LENGTH:
        raise Invalid("reason", text=_("请写明原因,最多 200 个字。"))
    row = _locked(reservation_id)
    _own_or_manage(actor, row, at)
    if row.state == Reservation.State.CANCELLED:
        raise errors.AlreadyCancelled
    if row.state not in (Reservation.State.HELD, Reservation.State.CONFIRMED) or at >= row.period.upper:
        raise WrongState
    if actor.id == row.person_id and row.state == Reservation.State.CONFIRMED and at >= row.period.lower - notice:
        raise errors.CancelTooLate
    row.state, row.held_until = Reservation.State.CANCELLED, None
    row.cancelled_at, row.cancelled_reason = at, reason.strip()
    _save(row, at, "state", "held_until", "cancelled_at", "cancelled_reason")
    _record(actor, "cancel_reservation", row.resource, at, reservation_id=row.pk, reason=reason.strip())
    return row.pk


@action
def mark_reservation(*, actor: Actor, at: datetime, reservation_id: UUID, came: bool) -> UUID:
    """Record that the person came for what they reserved, or did not; staff may correct it. Repeating changes nothing.

    Raises: NotFound, NotAllowed, NotBegun (a no-show before the time), NotConfirmed, AlreadyCancelled.
    """
    row = _locked(reservation_id)
    access.require(actor, "bookings.attend", row.resource.organisation_id, at)
    if row.state == Reservation.State.CANCELLED:
        raise errors.AlreadyCancelled
    if row.state == Reservation.State.HELD:
        raise errors.NotConfirmed
    if not came and at < row.period.lower:
        raise errors.NotBegun
    state = Reservation.State.ATTENDED if came else Reservation.State.NO_SHOW
    if row.state != state:
        row.state, row.attended_at = state, at if came else None
        _save(row, at, "state", "attended_at")
        _record(actor, "mark_reservation", row.resource, at, reservation_id=row.pk, came=came)
    return row.pk


_END_HOLDS = """
WITH due AS (
  SELECT id FROM bookings_reservation WHERE state = 'held' AND held_until <= %(at)s
  AND (%(resources)s::uuid[] IS NULL OR resource_id = ANY(%(resources)s::uuid[])) ORDER BY held_until, id LIMIT %(limit)s
  FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE bookings_reservation r SET state = 'cancelled', held_until = NULL, cancelled_at = %(at)s, cancelled_reason = %(reason)s,
  sequence = r.sequence + 1, changed_at = %(at)s
FROM due WHERE r.id = due.id RETURNING r.id, r.resource_id
"""


def _end_holds(at: datetime, *, resource_ids: Sequence[UUID] | None = None, limit: int = 1000) -> int:
    """Cancel holds whose time is over, of these resources or of all. One statement when there are none."""
    with connection.cursor() as cursor:
        chosen = None if resource_ids is None else list(resource_ids)
        cursor.execute(_END_HOLDS, {"at": at, "limit": limit, "reason": HOLD_EXPIRED, "resources": chosen})
        ended = cursor.fetchall()
    if ended:
        known = Resource.objects.in_bulk({resource_id for _id, resource_id in ended})
        for reservation_id, resource_id in ended:
            _record(system_actor("bookings"), "end_hold", known[resource_id], at, reservation_id=reservation_id)
    return len(ended)


def expire_reservations(at: datetime, limit: int = 1000) -> int:
    """End the holds of resources whose time is over; returns how many. Two workers at once take different rows."""
    with transaction.atomic():
        return _end_holds(at, limit=limit)
