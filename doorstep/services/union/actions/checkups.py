"""Health check-ups: a clinic's times with so many places; what it finds goes to the person, and to nobody at the union.

Places are bookings of the kernel. Handing a result over through here needs the person's consent.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.bookings.actions import attend, cancel_booking, open_session
from doorstep.kernel.bookings.models import Booking
from doorstep.kernel.bookings.seating import BookingReceipt, locked_booking, take_place
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Conflict, Invalid, NotAllowed, NotFound, Problem
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.common.vault import Sealed
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.organisations.models import Organisation
from doorstep.kernel.people.actions import give_consent
from doorstep.kernel.people.models import Consent
from doorstep.kernel.places.models import Place
from doorstep.services.union.models import CheckupResult, CheckupRound, CheckupSlot

KIND = "union.checkup"
CONSENT = "union.checkup_result"
CANCEL_BEFORE = timedelta(hours=12)
MAX_RESULT = 4_000


class NoConsent(Problem):
    code = "checkup_no_consent"
    status = 409
    text = _("本人没有同意在这里收体检结果。")
    remedy = _("请把纸质结果直接交给本人。")


class ResultThere(Conflict):
    code = "checkup_result_there"
    text = _("这次体检的结果已经交给本人。")
    remedy = _("要补充的请直接联系本人。")


def _round(round_id: UUID) -> CheckupRound:
    found = CheckupRound.objects.filter(pk=round_id).first()
    if found is None:
        raise NotFound
    return found


def _note(actor: Actor, verb: str, one: CheckupRound, at: datetime, **data: object) -> None:
    record(
        actor=actor, action=f"union.{verb}", subject_kind="checkup_round", subject_id=one.pk,
        organisation_id=one.organisation_id, at=at, data=data,
    )  # fmt: skip


@action
def open_checkup(
    *, actor: Actor, at: datetime, key: str, organisation_id: UUID, clinic_id: UUID, title: str, items: str
) -> UUID:
    """Offer check-ups at a clinic. Raises: NotAllowed, NotFound (no such clinic), Invalid."""
    access.require(actor, "union.activities", organisation_id, at)
    if not title.strip() or not items.strip():
        raise Invalid("items", text=_("请填写名称和体检项目。"))
    if not Organisation.objects.filter(pk=clinic_id).exists():
        raise NotFound
    made = CheckupRound.objects.create(
        id=uuid7(), organisation_id=organisation_id, clinic_id=clinic_id, title=title.strip(), items=items.strip(),
        opened_at=at,
    )  # fmt: skip
    _note(actor, "open_checkup", made, at, title=made.title, clinic_id=clinic_id)
    return made.pk


@action
def add_slot(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    round_id: UUID,
    starts_at: datetime,
    ends_at: datetime,
    capacity: int,
    place_id: UUID | None = None,
) -> UUID:
    """One time with so many places; who comes late in line waits for one given back.

    Raises: NotFound, NotAllowed, Invalid.
    """
    one = _round(round_id)
    access.require(actor, "union.activities", one.organisation_id, at)
    if place_id is not None and not Place.objects.filter(pk=place_id).exists():
        raise NotFound
    session_id = open_session(
        actor=actor, at=at, key=f"slot:{key}", organisation_id=one.organisation_id, kind=KIND, title=one.title,
        starts_at=starts_at, ends_at=ends_at, capacity=capacity, place_id=place_id, waitlist=True,
        cancel_until=max(at, starts_at - CANCEL_BEFORE),
    )  # fmt: skip
    CheckupSlot.objects.create(id=uuid7(), round=one, session_id=session_id)
    _note(actor, "add_slot", one, at, session_id=session_id, starts_at=starts_at, capacity=capacity)
    return session_id


@action
def book_checkup(*, actor: Actor, at: datetime, key: str, session_id: UUID, consent: bool) -> BookingReceipt:
    """Take a place, once a round. ``consent``: the clinic may hand the result over here, to nobody but me.

    Raises: NotFound, NotAllowed, Invalid (booked in this round before), SessionCancelled, BookingNotOpen, AlreadyBooked.
    """
    if actor.kind != "person" or actor.id is None:
        raise NotAllowed
    slot = CheckupSlot.objects.select_related("round").filter(session_id=session_id).first()
    if slot is None:
        raise NotFound
    # The round's row: two presses for two times are one after the other.
    CheckupRound.objects.select_for_update(no_key=True).get(pk=slot.round_id)
    others = Booking.objects.filter(person_id=actor.id, session__union_checkup__round=slot.round)
    if others.exclude(state=Booking.State.CANCELLED).exclude(session_id=session_id).exists():
        raise Invalid("session_id", text=_("这一轮您已经约了别的时间。"), remedy=_("要改时间请先取消原来的预约。"))
    if consent:
        give_consent(actor=actor, at=at, person_id=actor.id, purpose=CONSENT)
    return take_place(actor=actor, at=at, session_id=session_id, person_id=actor.id)


def _own(actor: Actor, booking_id: UUID) -> None:
    """Raises: NotFound for what is no check-up of this person."""
    if actor.kind != "person" or actor.id is None:
        raise NotFound
    mine = Booking.objects.filter(pk=booking_id, person_id=actor.id, session__union_checkup__isnull=False)
    if not mine.exists():
        raise NotFound


@action
def cancel_checkup(*, actor: Actor, at: datetime, booking_id: UUID) -> int:
    """Give one's place back; whoever waits gets it. Raises: NotFound, AlreadyCancelled, CancelTooLate, WrongState."""
    _own(actor, booking_id)
    return cancel_booking(actor=actor, at=at, booking_id=booking_id, reason=gettext("本人取消"))


def _clinic_booking(actor: Actor, booking_id: UUID, at: datetime) -> tuple[Booking, CheckupRound]:
    """For those who examine. Raises: NotFound, NotAllowed."""
    slot = CheckupSlot.objects.select_related("round").filter(session__bookings__pk=booking_id).first()
    if slot is None:
        raise NotFound
    access.require(actor, "union.checkups", slot.round.clinic_id, at)
    return locked_booking(booking_id), slot.round


@action
def attend_checkup(*, actor: Actor, at: datetime, booking_id: UUID) -> datetime:
    """The person has come. Raises: NotFound, NotAllowed, NotConfirmed, AlreadyCancelled, CheckInTooEarly."""
    booking, one = _clinic_booking(actor, booking_id, at)
    receipt = attend(actor=actor, at=at, booking=booking)
    _note(actor, "attend_checkup", one, at, booking_id=booking_id)
    return receipt.attended_at


@action
def give_result(*, actor: Actor, at: datetime, key: str, booking_id: UUID, text: str) -> UUID:
    """The clinic hands a result to the person, who alone can read it.

    Raises: NotFound, NotAllowed, Invalid, NoConsent, ResultThere.
    """
    booking, one = _clinic_booking(actor, booking_id, at)
    if booking.state != Booking.State.ATTENDED:
        raise Invalid("text", text=_("这个人还没有来体检。"))
    if not 0 < len(text.strip()) <= MAX_RESULT:
        raise Invalid("text", text=_("请写结果,最多 4000 个字。"))
    if not Consent.objects.filter(person_id=booking.person_id, purpose=CONSENT, withdrawn_at=None).exists():
        raise NoConsent
    if CheckupResult.objects.filter(booking=booking).exists():
        raise ResultThere
    result = CheckupResult.objects.create(
        id=uuid7(), booking=booking, person_id=booking.person_id, text=text.strip(), by_id=actor.id, at=at
    )
    _note(actor, "give_result", one, at, booking_id=booking_id)
    notify(
        person_ids=[booking.person_id], template="union.checkup_result", title=gettext("体检结果出来了"),
        body=gettext("只有您自己能看。"), at=at, url=reverse("union:checkup-result", args=[result.pk]),
    )  # fmt: skip
    return result.pk


@action
def read_result(*, actor: Actor, at: datetime, result_id: UUID) -> str:
    """One's own result in words. Raises: NotFound for anybody else's, whoever asks."""
    if actor.kind != "person" or actor.id is None:
        raise NotFound
    result = CheckupResult.objects.filter(pk=result_id, person_id=actor.id).first()
    if result is None:
        raise NotFound
    if result.read_at is None:
        CheckupResult.objects.filter(pk=result_id).update(read_at=at)
    sealed: Sealed = result.text
    return sealed.reveal()
