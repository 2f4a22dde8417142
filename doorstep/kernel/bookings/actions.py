"""What may be done with sessions and bookings: open, change and cancel a session; book, confirm, cancel, check in.

Resources are in :mod:`reserving`. A room with rules of its own (who may come, what it costs) makes its own action and calls
:func:`seating.take_place` inside.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.bookings import errors, reserving, seating
from doorstep.kernel.bookings.models import Booking, Reservation, Session
from doorstep.kernel.bookings.seating import BookingReceipt
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.people.models import Person
from doorstep.kernel.places.models import Place

MAX_CAPACITY = 10_000
MAX_HOLD_MINUTES = 7 * 24 * 60
MAX_TITLE_LENGTH = 100
MAX_REASON_LENGTH = 200
LONGEST_SESSION = timedelta(days=31)
CHECK_IN_BEFORE = timedelta(minutes=120)


@action
def open_session(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    organisation_id: UUID,
    kind: str,
    title: str,
    starts_at: datetime,
    ends_at: datetime,
    capacity: int,
    place_id: UUID | None = None,
    waitlist: bool = False,
    hold_minutes: int = 0,
    opens_at: datetime | None = None,
    closes_at: datetime | None = None,
    cancel_until: datetime | None = None,
) -> UUID:
    """Offer a session from ``starts_at`` to (not including) ``ends_at``; booking opens now unless ``opens_at`` says when.

    Raises: NotAllowed, NotFound (no such place), Invalid.
    """
    access.require(actor, "bookings.manage", organisation_id, at)
    _check_session(title, starts_at, ends_at, capacity, hold_minutes)
    if closes_at is not None and closes_at <= (opens_at or at):
        raise Invalid("closes_at", text=_("预约的截止时间要晚于开始时间。"))
    if place_id is not None and not Place.objects.filter(pk=place_id).exists():
        raise NotFound
    session = Session.objects.create(
        id=uuid7(),
        organisation_id=organisation_id,
        place_id=place_id,
        kind=kind,
        title=title.strip(),
        starts_at=starts_at,
        ends_at=ends_at,
        capacity=capacity,
        waitlist=waitlist,
        hold_minutes=hold_minutes,
        opens_at=opens_at or at,
        closes_at=closes_at,
        cancel_until=cancel_until,
        created_at=at,
        changed_at=at,
    )
    _record(actor, "open_session", session, at, kind=kind, title=session.title, starts_at=starts_at, capacity=capacity)
    return session.pk


def _check_session(title: str, starts_at: datetime, ends_at: datetime, capacity: int, hold_minutes: int) -> None:
    if not 0 < len(title.strip()) <= MAX_TITLE_LENGTH:
        raise Invalid("title", text=_("请填写名称,最多 100 个字。"))
    if not timedelta(0) < ends_at - starts_at <= LONGEST_SESSION:
        raise Invalid("ends_at", text=_("结束要晚于开始,最长 31 天。"))
    if not 1 <= capacity <= MAX_CAPACITY:
        raise Invalid("capacity", text=_("名额应在 1 到 10000 之间。"))
    if not 0 <= hold_minutes <= MAX_HOLD_MINUTES:
        raise Invalid("hold_minutes", text=_("保留时间最长 7 天。"))


def _record(actor: Actor, verb: str, session: Session, at: datetime, **data: object) -> None:
    record(
        actor=actor,
        action=f"bookings.{verb}",
        subject_kind="session",
        subject_id=session.pk,
        organisation_id=session.organisation_id,
        at=at,
        data=data,
    )


def _record_booking(actor: Actor, verb: str, booking: Booking, at: datetime, **data: object) -> None:
    record(
        actor=actor,
        action=f"bookings.{verb}",
        subject_kind="booking",
        subject_id=booking.pk,
        organisation_id=booking.session.organisation_id,
        at=at,
        data={"session_id": booking.session_id, **data},
    )


@action
def change_session(
    *,
    actor: Actor,
    at: datetime,
    session_id: UUID,
    title: str | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    capacity: int | None = None,
) -> int:
    """Rename, move or resize a session that has not begun; what is None stays. Returns how many of the queue got a place.

    A moved session takes its reserved resources along and tells everybody who booked; more places go to those who wait.

    Raises: NotFound, NotAllowed, SessionCancelled, SessionBegun, CapacityTooSmall, Invalid, Taken, PoolShort.
    """
    session = seating.locked_session(session_id)
    access.require(actor, "bookings.manage", session.organisation_id, at)
    if session.state == Session.State.CANCELLED:
        raise errors.SessionCancelled
    if at >= session.starts_at:
        raise errors.SessionBegun
    before = (session.starts_at, session.ends_at)
    session.title = (title if title is not None else session.title).strip()
    session.starts_at, session.ends_at = starts_at or session.starts_at, ends_at or session.ends_at
    session.capacity = capacity if capacity is not None else session.capacity
    _check_session(session.title, session.starts_at, session.ends_at, session.capacity, session.hold_minutes)
    if session.starts_at <= at:
        raise Invalid("starts_at", text=_("新的开始时间已经过去。"))
    if session.capacity < session.booked:
        raise errors.CapacityTooSmall("capacity", booked=session.booked)
    session.sequence, session.changed_at = session.sequence + 1, at
    session.save(update_fields=["title", "starts_at", "ends_at", "capacity", "sequence", "changed_at"])
    moved = before != (session.starts_at, session.ends_at)
    if moved:
        reserving.move_reservations(session=session, at=at)
        _tell(session, at, "bookings.moved", _now("预约改时间了"), _now("《{title}》改到 {start},请看看还能不能来。"))
    _record(
        actor, "change_session", session, at,
        title=session.title, starts_at=session.starts_at, ends_at=session.ends_at, capacity=session.capacity,
    )  # fmt: skip
    return seating.fill(session, at)


def _tell(session: Session, at: datetime, template: str, title: str, body: str, **data: str) -> None:
    """Tell everybody who booked or waits."""
    notify(
        person_ids=list(
            Booking.objects.filter(session=session, state__in=seating.OPEN_STATES).values_list("person_id", flat=True)
        ),
        template=template,
        title=title,
        body=body.format(title=session.title, start=seating.readable(session.starts_at), **data),
        at=at,
        channels=seating.CHANNELS,
    )


@action
def cancel_session(*, actor: Actor, at: datetime, session_id: UUID, reason: str) -> int:
    """Call a session off: every open booking is cancelled and told why, its resources are free. Returns how many bookings.

    Raises: NotFound, NotAllowed, SessionCancelled, SessionBegun, Invalid (no reason).
    """
    why = _reason(reason)
    session = seating.locked_session(session_id)
    access.require(actor, "bookings.manage", session.organisation_id, at)
    if session.state == Session.State.CANCELLED:
        raise errors.SessionCancelled
    if at >= session.starts_at:
        raise errors.SessionBegun
    body = _now("《{title}》({start})取消了,原因:{reason}。")
    _tell(session, at, "bookings.session_cancelled", _now("预约的场次取消了"), body, reason=why)
    gone: dict[str, object] = {
        "state": Booking.State.CANCELLED,
        "held_until": None,
        "cancelled_at": at,
        "cancelled_reason": why,
        "sequence": F("sequence") + 1,
        "changed_at": at,
    }
    cancelled = Booking.objects.filter(session=session).exclude(state=Booking.State.CANCELLED).update(**gone)
    Reservation.objects.filter(session=session).exclude(state=Reservation.State.CANCELLED).update(**gone)
    Session.objects.filter(pk=session_id).update(
        state=Session.State.CANCELLED,
        booked=0,
        cancelled_reason=why,
        sequence=session.sequence + 1,
        changed_at=at,
    )
    _record(actor, "cancel_session", session, at, reason=why, bookings=cancelled)
    return cancelled


def _reason(text: str) -> str:
    if not 0 < len(text.strip()) <= MAX_REASON_LENGTH:
        raise Invalid("reason", text=_("请写明原因,最多 200 个字。"))
    return text.strip()


def whom(actor: Actor, person_id: UUID | None, organisation_id: UUID, at: datetime) -> UUID:
    """For whom an actor books: themselves, or with the capability for somebody else. Raises: NotAllowed, NotFound."""
    if actor.kind == "person" and actor.id is not None and person_id in (None, actor.id):
        return actor.id
    if person_id is None:
        raise NotAllowed
    access.require(actor, "bookings.manage", organisation_id, at)
    if not Person.objects.filter(pk=person_id).exists():
        raise NotFound
    return person_id


@action
def book(*, actor: Actor, at: datetime, key: str, session_id: UUID, person_id: UUID | None = None) -> BookingReceipt:
    """Take a place in a session for oneself (staff: for ``person_id``), or join its queue when it is full and has one.

    Raises: NotFound, NotAllowed, SessionCancelled, BookingNotOpen, AlreadyBooked, SessionFull.
    """
    organisation_id = Session.objects.filter(pk=session_id).values_list("organisation_id", flat=True).first()
    if organisation_id is None:
        raise NotFound
    who = whom(actor, person_id, organisation_id, at)
    return seating.take_place(actor=actor, at=at, session_id=session_id, person_id=who)


def _own_or_manage(actor: Actor, person_id: UUID | None, organisation_id: UUID, at: datetime) -> bool:
    """True when it is the actor's own; otherwise the capability is asked for. Raises: NotAllowed."""
    if actor.kind == "person" and actor.id == person_id:
        return True
    access.require(actor, "bookings.manage", organisation_id, at)
    return False


@action
def confirm_booking(*, actor: Actor, at: datetime, booking_id: UUID) -> BookingReceipt:
    """Make a held place certain. Confirming again changes nothing.

    Raises: NotFound, NotAllowed, HoldOver, AlreadyCancelled, WrongState.
    """
    booking = seating.locked_booking(booking_id)
    _own_or_manage(actor, booking.person_id, booking.session.organisation_id, at)
    if booking.state == Booking.State.CONFIRMED:
        return seating.receipt_of(booking, booking.session)
    if booking.state == Booking.State.CANCELLED:
        raise errors.HoldOver if booking.cancelled_reason == seating.HOLD_EXPIRED else errors.AlreadyCancelled
    if booking.state != Booking.State.HELD or booking.held_until is None:
        raise WrongState
    if at >= booking.held_until:
        raise errors.HoldOver
    booking.state, booking.held_until = Booking.State.CONFIRMED, None
    seating.touch(booking, at, "state", "held_until")
    _record_booking(actor, "confirm_booking", booking, at)
    return seating.receipt_of(booking, booking.session)


@action
def cancel_booking(*, actor: Actor, at: datetime, booking_id: UUID, reason: str) -> int:
    """Give a place or a turn back; it goes to whoever waits. Returns how many were called in for it (0 or 1).

    A person may until the session's cut-off, staff until its start and after.

    Raises: NotFound, NotAllowed, AlreadyCancelled, CancelTooLate, WrongState (already attended or missed), Invalid.
    """
    why = _reason(reason)
    booking = seating.locked_booking(booking_id)
    session = booking.session
    own = _own_or_manage(actor, booking.person_id, session.organisation_id, at)
    if booking.state == Booking.State.CANCELLED:
        raise errors.AlreadyCancelled
    if booking.state not in seating.OPEN_STATES:
        raise WrongState
    # Leaving the queue or a place not yet confirmed is always in time.
    if own and booking.state == Booking.State.CONFIRMED and at >= session.cancelling_ends:
        raise errors.CancelTooLate
    before = booking.state
    seating.cancel(booking, at, why)
    _record_booking(actor, "cancel_booking", booking, at, reason=why, before=before)
    return seating.fill(session, at)


@dataclass(frozen=True, slots=True)
class CheckInReceipt:
    """``first`` is False when the person had been checked in before, at ``attended_at``."""

    booking_id: UUID
    person_id: UUID
    title: str
    attended_at: datetime
    first: bool


def _may_attend(actor: Actor, session: Session, at: datetime) -> None:
    """Staff with the capability, or a device of the organisation or at the session's place. Raises: NotAllowed."""
    if actor.kind == "device" and actor.id is not None:
        device = Device.objects.filter(pk=actor.id, revoked_at=None).first()
        here = session.place_id is not None and device is not None and device.place_id == session.place_id
        if device is None or not (here or device.organisation_id == session.organisation_id):
            raise NotAllowed
        return
    access.require(actor, "bookings.attend", session.organisation_id, at)


@action
def check_in(*, actor: Actor, at: datetime, booking_id: UUID) -> CheckInReceipt:
    """Record that the person has come; corrects a no-show. Scanning twice answers the first time again.

    Raises: NotFound, NotAllowed, NotConfirmed, AlreadyCancelled, CheckInTooEarly.
    """
    booking = seating.locked_booking(booking_id)
    _may_attend(actor, booking.session, at)
    return attend(actor=actor, at=at, booking=booking)


def attend(*, actor: Actor, at: datetime, booking: Booking) -> CheckInReceipt:
    """Check in a locked booking (:func:`seating.locked_booking`) for a caller that has asked for permission itself.

    Raises: NotConfirmed, AlreadyCancelled, CheckInTooEarly.
    """
    session = booking.session
    first = booking.state != Booking.State.ATTENDED
    if booking.state == Booking.State.CANCELLED:
        raise errors.AlreadyCancelled
    if booking.state not in (Booking.State.CONFIRMED, Booking.State.NO_SHOW, Booking.State.ATTENDED):
        raise errors.NotConfirmed
    if at < session.starts_at - CHECK_IN_BEFORE:
        raise errors.CheckInTooEarly(minutes=int(CHECK_IN_BEFORE.total_seconds() // 60))
    if first:
        booking.state, booking.attended_at = Booking.State.ATTENDED, at
        seating.touch(booking, at, "state", "attended_at")
        _record_booking(actor, "check_in", booking, at)
    return CheckInReceipt(booking.pk, booking.person_id, session.title, booking.attended_at or at, first)


@action
def mark_no_show(*, actor: Actor, at: datetime, booking_id: UUID) -> UUID:
    """Record that the person did not come; the place counts as used. Marking again changes nothing.

    Raises: NotFound, NotAllowed, NotBegun, AlreadyCancelled, WrongState.
    """
    booking = seating.locked_booking(booking_id)
    _may_attend(actor, booking.session, at)
    if booking.state == Booking.State.NO_SHOW:
        return booking.pk
    if booking.state == Booking.State.CANCELLED:
        raise errors.AlreadyCancelled
    if booking.state != Booking.State.CONFIRMED:
        raise WrongState
    if at < booking.session.starts_at:
        raise errors.NotBegun
    booking.state = Booking.State.NO_SHOW
    seating.touch(booking, at, "state")
    _record_booking(actor, "mark_no_show", booking, at)
    return booking.pk


def expire_holds(at: datetime, limit: int = 1000) -> int:
    """End the holds whose time is over, of places and of resources, and hand freed places on; returns how many ended.

    Each session is a transaction of its own, so two workers at once do no harm and one fault stops one session only.
    """
    due = Booking.objects.filter(state=Booking.State.HELD, held_until__lte=at).order_by("held_until", "pk")
    sessions = dict.fromkeys(due.values_list("session_id", flat=True)[:limit])
    ended = 0
    for session_id in sorted(sessions):
        with transaction.atomic():
            session = seating.locked_session(session_id)
            ended += seating.end_holds(session, at)
            seating.fill(session, at)
    return ended + reserving.expire_reservations(at, limit)
