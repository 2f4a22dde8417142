"""Places in a session: taking one, giving it back, and handing it on to whoever waits.

Called by actions inside their transaction; permission and idempotency belong to the outermost one. Taking a place is one
conditional update. Whoever finds no place, and whoever gives one back, holds the session's row lock: so nobody can start to
wait while a place becomes free, and nobody waits beside a free place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.utils.translation import gettext as _

from doorstep.kernel.audit.log import entry_cte, entry_row, record
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


_INSERT = f"""
booked AS (
  INSERT INTO bookings_booking (id, session_id, person_id, state, held_until, sequence, at, changed_at)
  SELECT %s, id, %s, %s, %s::timestamptz, 0, %s, %s FROM seat RETURNING id, number
), {entry_cte(only_if="booked")}
"""  # noqa: S608  (constants only)
# The last place goes to one, whoever else asks: the row lock makes rivals wait, then the condition is looked at again. The
# booking and its audit entry hang on the place that was really taken, so that the row is locked for this one round trip.
_SEAT = f"""
WITH seat AS (
  UPDATE bookings_session SET booked = booked + 1
  WHERE id = %s AND state = 'open' AND starts_at > %s AND booked < capacity RETURNING id
), {_INSERT} SELECT number, 0 FROM booked
"""  # noqa: S608  (constants only)
# A turn in the queue of a locked session, and how many were there before.
_QUEUE = f"""
WITH seat AS (SELECT id FROM bookings_session WHERE id = %s AND starts_at > %s), {_INSERT}
SELECT number, (SELECT count(*) FROM bookings_booking b JOIN seat ON b.session_id = seat.id WHERE b.state = 'waitlisted')
FROM booked
"""  # noqa: S608  (constants only)


def _seat(actor: Actor, booking: Booking, session: Session) -> BookingReceipt | None:
    """Take a place for the booking if there is one. Raises: AlreadyBooked."""
    booking.held_until = _hold_end(session, booking.at)
    booking.state = Booking.State.HELD if booking.held_until else Booking.State.CONFIRMED
    return _insert(_SEAT, actor, booking, session)


def _queue(actor: Actor, booking: Booking, session: Session) -> BookingReceipt | None:
    """Put the booking at the end of a locked session's queue. Raises: AlreadyBooked."""
    booking.state, booking.held_until = Booking.State.WAITLISTED, None
    return _insert(_QUEUE, actor, booking, session)


def _insert(statement: str, actor: Actor, booking: Booking, session: Session) -> BookingReceipt | None:
    at = booking.at
    columns = (booking.pk, booking.person_id, booking.state, booking.held_until, at, at)
    entry = entry_row(
        actor=actor,
        action="bookings.take_place",
        subject_kind="booking",
        subject_id=booking.pk,
        organisation_id=session.organisation_id,
        at=at,
        data={
            "session_id": session.pk,
            "person_id": booking.person_id,
            "state": booking.state,
            "held_until": booking.held_until,
        },
    )
    with errors.translated(), connection.cursor() as cursor:
        cursor.execute(statement, (session.pk, at, *columns, *entry.values))
        row = cursor.fetchone()
    if row is None:
        return None
    booking.number = row[0]
    return _receipt(booking, session, row[1])


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
    booking = Booking(id=uuid7(), session=session, person_id=person_id, at=at, changed_at=at)
    return _seat(actor, booking, session) or _seat_or_queue(actor, booking, session)


def _seat_or_queue(actor: Actor, booking: Booking, session: Session) -> BookingReceipt:
    """Full at first sight: under the lock, end holds that are over and look again; then join the queue, if there is one.

    Raises: SessionFull (without a queue), SessionCancelled, BookingNotOpen, AlreadyBooked.
    """
    if not session.waitlist and not session.hold_minutes:  # nothing to look for: refused without making others wait
        raise errors.SessionFull
    locked = locked_session(session.pk)
    if locked.state == Session.State.CANCELLED:
        raise errors.SessionCancelled
    if locked.hold_minutes and end_holds(locked, booking.at):
        fill(locked, booking.at)
        locked.refresh_from_db(fields=["booked"])
    receipt = _seat(actor, booking, locked) if locked.booked < locked.capacity else None
    if receipt is None and not locked.waitlist:
        raise errors.SessionFull
    receipt = receipt or _queue(actor, booking, locked)
    if receipt is None:  # it was moved to a time that is past
        raise errors.BookingNotOpen
    return receipt


def receipt_of(booking: Booking, session: Session) -> BookingReceipt:
    ahead = 0
    if booking.state == Booking.State.WAITLISTED:
        waiting = Booking.objects.filter(session=session, state=Booking.State.WAITLISTED)
        ahead = waiting.filter(number__lt=booking.number).count()
    return _receipt(booking, session, ahead)


def _receipt(booking: Booking, session: Session, ahead: int) -> BookingReceipt:
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
