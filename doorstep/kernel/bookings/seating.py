"""Places in a session: taking one, giving it back, and handing it on to whoever waits.

Called by actions inside their transaction; permission and idempotency belong to the outermost one. Taking a place is one
conditional update. Whoever finds no place, and whoever gives one back, holds the session's row lock: so nobody can start to
wait while a place becomes free, and nobody waits beside a free place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F
from django.utils.translation import gettext as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.bookings import errors
from doorstep.kernel.bookings.models import Booking, Session
from doorstep.kernel.common.actor import Actor, system_actor
from doorstep.kernel.common.clock import local
from doorstep.kernel.common.errors import NotFound
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.notices.models import Notice

SEATED = (Booking.State.HELD, Booking.State.CONFIRMED, Booking.State.ATTENDED, Booking.State.NO_SHOW)
OPEN_STATES = (Booking.State.HELD, Booking.State.CONFIRMED, Booking.State.WAITLISTED)
CHANNELS = (Notice.Channel.IN_APP, Notice.Channel.SMS)
HOLD_EXPIRED = "hold_expired"


@dataclass(frozen=True, slots=True)
class BookingReceipt:
    """A booking as it was answered. ``ahead``: how many wait before this one; ``held_until``: confirm before then."""

    booking_id: UUID
    session_id: UUID
    title: str
    starts_at: datetime
    ends_at: datetime
    place_id: UUID | None
    state: str
    held_until: datetime | None
    ahead: int


def locked_session(session_id: UUID) -> Session:
    """The session with its row locked; new bookings may still refer to it. Raises: NotFound."""
    session = Session.objects.select_for_update(no_key=True).filter(pk=session_id).first()
    if session is None:
        raise NotFound
    return session


def locked_booking(booking_id: UUID) -> Booking:
    """The booking with its session (``booking.session``), the session's row locked first. Raises: NotFound."""
    session_id = Booking.objects.filter(pk=booking_id).values_list("session_id", flat=True).first()
    if session_id is None:
        raise NotFound
    session = locked_session(session_id)
    booking = Booking.objects.select_for_update(no_key=True).get(pk=booking_id)
    booking.session = session
    return booking


def _seat(session_id: UUID, at: datetime) -> bool:
    """The last place goes to one, whoever else asks: the row lock makes rivals wait, then the condition is looked at again."""
    free = Session.objects.filter(pk=session_id, state=Session.State.OPEN, starts_at__gt=at, booked__lt=F("capacity"))
    return bool(free.update(booked=F("booked") + 1))


def _hold_end(session: Session, at: datetime) -> datetime | None:
    """How long a place got now is held; never past the start."""
    return min(at + timedelta(minutes=session.hold_minutes), session.starts_at) if session.hold_minutes else None


def take_place(*, actor: Actor, at: datetime, session_id: UUID, person_id: UUID) -> BookingReceipt:
    """Give a person a place in a session, or the last turn in its queue.

    Raises: NotFound, SessionCancelled, BookingNotOpen, AlreadyBooked, SessionFull.
    """
    session = Session.objects.filter(pk=session_id).first()
    if session is None:
        raise NotFound
    if session.state == Session.State.CANCELLED:
        raise errors.SessionCancelled
    if not session.opens_at <= at < min(session.booking_ends, session.starts_at):
        raise errors.BookingNotOpen
    if Booking.objects.filter(session=session, person_id=person_id).exclude(state=Booking.State.CANCELLED).exists():
        raise errors.AlreadyBooked
    seated = _seat(session_id, at) or _seat_or_queue(session, at)
    held_until = _hold_end(session, at) if seated else None
    state = Booking.State.CONFIRMED if seated else Booking.State.WAITLISTED
    booking = Booking(
        id=uuid7(),
        session=session,
        person_id=person_id,
        state=Booking.State.HELD if held_until else state,
        held_until=held_until,
        at=at,
        changed_at=at,
    )
    with errors.translated():
        booking.save(force_insert=True)
    record(
        actor=actor,
        action="bookings.take_place",
        subject_kind="booking",
        subject_id=booking.pk,
        organisation_id=session.organisation_id,
        at=at,
        data={"session_id": session_id, "person_id": person_id, "state": booking.state, "held_until": held_until},
    )
    return receipt_of(booking, session)


def _seat_or_queue(session: Session, at: datetime) -> bool:
    """Full at first sight: under the lock, end holds that are over and look again. False: there is a queue to join.

    Raises: SessionFull (without a queue), SessionCancelled.
    """
    locked = locked_session(session.pk)
    if locked.state == Session.State.CANCELLED:
        raise errors.SessionCancelled
    if end_holds(locked, at):
        fill(locked, at)
    if _seat(session.pk, at):
        return True
    if not session.waitlist:
        raise errors.SessionFull
    return False


def receipt_of(booking: Booking, session: Session) -> BookingReceipt:
    ahead = 0
    if booking.state == Booking.State.WAITLISTED:
        waiting = Booking.objects.filter(session=session, state=Booking.State.WAITLISTED)
        ahead = waiting.filter(number__lt=booking.number).count()
    return BookingReceipt(
        booking.pk,
        session.pk,
        session.title,
        session.starts_at,
        session.ends_at,
        session.place_id,
        booking.state,
        booking.held_until,
        ahead,
    )


def cancel(booking: Booking, at: datetime, reason: str) -> None:
    """Mark a locked booking cancelled; its place is free, but not handed on yet."""
    seated = booking.state in SEATED
    booking.state, booking.held_until = Booking.State.CANCELLED, None
    booking.cancelled_at, booking.cancelled_reason = at, reason
    touch(booking, at, "state", "held_until", "cancelled_at", "cancelled_reason")
    if seated:
        Session.objects.filter(pk=booking.session_id).update(booked=F("booked") - 1)


def touch(booking: Booking, at: datetime, *fields: str) -> None:
    """Save the named fields and tell calendars that the booking changed."""
    booking.sequence, booking.changed_at = booking.sequence + 1, at
    booking.save(update_fields=[*fields, "sequence", "changed_at"])


def end_holds(session: Session, at: datetime) -> int:
    """Cancel the session's holds whose time is over; its row is locked. Returns how many."""
    over = Booking.objects.filter(session=session, state=Booking.State.HELD, held_until__lte=at).order_by("number")
    ended = list(over.select_for_update(no_key=True))
    for booking in ended:
        booking.session = session
        cancel(booking, at, HOLD_EXPIRED)
        record(
            actor=system_actor("bookings"),
            action="bookings.end_hold",
            subject_kind="booking",
            subject_id=booking.pk,
            organisation_id=session.organisation_id,
            at=at,
            data={"session_id": session.pk},
        )
    return len(ended)


def fill(session: Session, at: datetime) -> int:
    """Hand the free places of a locked session to those who wait, first come first served; returns how many got one.

    After the start nobody is called in any more.
    """
    if at >= session.starts_at or session.state != Session.State.OPEN:
        return 0
    session.refresh_from_db(fields=["booked", "capacity"])
    free = session.capacity - session.booked
    if free <= 0:
        return 0
    waiting = Booking.objects.filter(session=session, state=Booking.State.WAITLISTED).order_by("number")
    promoted = list(waiting.select_for_update(no_key=True)[:free])
    for booking in promoted:
        booking.held_until = _hold_end(session, at)
        booking.state = Booking.State.HELD if booking.held_until else Booking.State.CONFIRMED
        booking.promoted_at = at
        touch(booking, at, "state", "held_until", "promoted_at")
        record(
            actor=system_actor("bookings"),
            action="bookings.promote",
            subject_kind="booking",
            subject_id=booking.pk,
            organisation_id=session.organisation_id,
            at=at,
            data={"session_id": session.pk, "person_id": booking.person_id, "held_until": booking.held_until},
        )
    if promoted:
        Session.objects.filter(pk=session.pk).update(booked=F("booked") + len(promoted))
        _tell_promoted(session, promoted, at)
    return len(promoted)


def _tell_promoted(session: Session, promoted: Sequence[Booking], at: datetime) -> None:
    held_until = promoted[0].held_until
    if held_until is None:
        body = _("《{title}》({start})有空位,已为您约上。不能来请及时取消,让给后面的人。")
    else:
        body = _("《{title}》({start})有空位,为您保留到 {until},请在那之前确认。")
    notify(
        person_ids=[booking.person_id for booking in promoted],
        template="bookings.promoted",
        title=_("候补成功"),
        body=body.format(title=session.title, start=readable(session.starts_at), until=readable(held_until or at)),
        at=at,
        channels=CHANNELS,
    )


def readable(at: datetime) -> str:
    """An instant as a notice shows it: 11-23 18:30."""
    return local(at).strftime("%m-%d %H:%M")
