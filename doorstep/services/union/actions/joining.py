"""Becoming a member: ask, be approved or refused, come by a list, move to another unit, leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor, system_actor
from doorstep.kernel.common.canonical import plain
from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import (
    Conflict,
    FourEyes,
    Invalid,
    NotAllowed,
    NotFound,
    NotSignedIn,
    Text,
    TooMany,
    WrongState,
)
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.files.lists import ListRow, read_list
from doorstep.kernel.files.models import StoredFile
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.organisations.models import Organisation
from doorstep.kernel.people.actions import (
    IDENTITY_TEXTS,
    IdentityTaken,
    IdentityWrong,
    check_real_name,
    index_identity,
    revoke_standing,
)
from doorstep.kernel.people.bulk import NewPerson, NewStanding, Registered, attest_standings, register_people
from doorstep.kernel.people.identity import IdentityNumberWrong, parse_identity_number
from doorstep.kernel.people.models import Person, Standing
from doorstep.services.union import refusals
from doorstep.services.union.actions.parts import JOINABLE, end, move, note, organisation_or_refuse, scope, settle
from doorstep.services.union.models import Belonging, Membership, Merchant, Occupation, Transfer, UploadedList
from doorstep.services.union.rules.joining import Case, joining
from doorstep.services.union.rules.rows import MEMBER_COLUMNS, BadRow, MemberRow, check_member, sort_rows

HOME_URL = "/union/"
MAX_AT_ONCE = 100
VERIFIED_FOR = timedelta(days=2 * 365)
MEMBER_STANDING = "union_member"
# Occupations that are a standing others ask for: the canteen's vouchers are for riders, couriers and drivers.
STANDING_OCCUPATIONS = frozenset({"rider", "courier", "driver", "ride_driver", "livestreamer"})
SYSTEM = system_actor("union")


@dataclass(frozen=True, slots=True)
class JoinReceipt:
    """Where the case stands. ``created``: False when it was there already and simply goes on."""

    membership_id: UUID
    organisation_id: UUID
    state: str
    created: bool


def _real_name(actor: Actor, at: datetime, person: Person, name: str, identity_number: str) -> None:
    """The person of the account is the one of the identity card, or a named refusal.

    Raises: IdentityWrong, NameDiffers, IdentityDiffers, IdentityElsewhere, IdentityOfAnother.
    """
    try:
        identity = parse_identity_number(identity_number, local_day(at))
    except IdentityNumberWrong as wrong:
        raise IdentityWrong("identity_number", code=f"identity_{wrong.code}", text=IDENTITY_TEXTS[wrong.code]) from None
    index = index_identity(identity.number)
    if person.identity_index is not None:
        if bytes(person.identity_index) != index:
            raise refusals.IdentityDiffers
        if person.name != name.strip():
            raise refusals.NameDiffers(name=person.name)
        return
    _refuse_taken(index, person.pk, name)
    try:
        with transaction.atomic():
            check_real_name(actor=actor, at=at, person_id=person.pk, name=name.strip(), identity_number=identity.number)
    except (IdentityTaken, IntegrityError):  # somebody else gave this number at this very moment
        _refuse_taken(index, person.pk, name)
        raise


def _refuse_taken(index: bytes, person_id: UUID, name: str) -> None:
    """Raises: IdentityElsewhere (the same name: very likely one's own other phone), IdentityOfAnother."""
    other = Person.objects.filter(identity_index=index).exclude(pk=person_id).first()
    if other is None:
        return
    if other.name == name.strip():
        raise refusals.IdentityElsewhere(phone=str(other.phone) if other.phone else "—")
    raise refusals.IdentityOfAnother


def _open_case(person_id: UUID) -> Membership | None:
    cases = Membership.objects.select_related("organisation").exclude(state=Membership.State.LEFT)
    return cases.filter(person_id=person_id).first()


@action
def apply_membership(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    organisation_id: UUID,
    name: str,
    identity_number: str,
    occupation: str,
    employer: str = "",
) -> JoinReceipt:
    """A signed-in person asks to join a unit, or again after a refusal; asking twice is one case that goes on.

    Raises: NotSignedIn, PhoneNotVerified, NotFound, NotJoinable, Invalid, IdentityWrong, NameDiffers, IdentityDiffers,
    IdentityElsewhere, IdentityOfAnother, AlreadyMember, PendingElsewhere.
    """
    if actor.kind != "person" or actor.id is None:
        raise NotSignedIn
    person = Person.objects.filter(pk=actor.id, is_active=True).first()
    if person is None:
        raise NotSignedIn
    if person.phone is None:
        raise refusals.PhoneNotVerified
    organisation = organisation_or_refuse(organisation_id)
    if organisation.kind not in JOINABLE:
        raise refusals.NotJoinable
    if occupation not in Occupation.values:
        raise Invalid("occupation", text=_("请选一种职业。"))
    if not name.strip():
        raise Invalid("name", text=_("请填写姓名。"))
    _real_name(actor, at, person, name, identity_number)
    case = _open_case(person.pk)
    verdict = joining(Case(case.organisation_id, case.state) if case else None, organisation_id)
    if verdict == "new":
        return _new_case(actor, at, person.pk, organisation, occupation, employer)
    assert case is not None
    if verdict == "again":
        return _again(actor, at, case, organisation, occupation, employer)
    return _goes_on(case, verdict)


def _goes_on(case: Membership, verdict: str) -> JoinReceipt:
    if verdict == "continue":
        return JoinReceipt(case.pk, case.organisation_id, case.state, created=False)
    refused = refusals.AlreadyMember if verdict == "already_member" else refusals.PendingElsewhere
    raise refused(unit=case.organisation.name)


def _new_case(
    actor: Actor, at: datetime, person_id: UUID, organisation: Organisation, occupation: str, employer: str
) -> JoinReceipt:
    made = Membership(
        id=uuid7(), person_id=person_id, organisation=organisation, state=Membership.State.PENDING,
        source=Membership.Source.SELF, occupation=occupation, employer=employer.strip()[:60], applied_at=at,
    )  # fmt: skip
    # Two phones, one thumb: of two insertions at once the database lets one through, the other finds it.
    Membership.objects.bulk_create([made], ignore_conflicts=True)
    case = _open_case(person_id)
    assert case is not None
    if case.pk != made.pk:
        return _goes_on(case, joining(Case(case.organisation_id, case.state), organisation.pk))
    note(actor, "apply_membership", "membership", case.pk, organisation.pk, at, occupation=occupation)
    return JoinReceipt(case.pk, organisation.pk, case.state, created=True)


def _again(
    actor: Actor, at: datetime, case: Membership, organisation: Organisation, occupation: str, employer: str
) -> JoinReceipt:
    changed = Membership.objects.filter(pk=case.pk, state=Membership.State.REJECTED).update(
        organisation=organisation,
        state=Membership.State.PENDING,
        occupation=occupation,
        employer=employer.strip()[:60],
        applied_at=at,
        attempts=case.attempts + 1,
        decided_at=None,
        decided_by=None,
        reason="",
    )
    if not changed:
        raise Conflict
    note(actor, "apply_membership", "membership", case.pk, organisation.pk, at, attempt=case.attempts + 1)
    return JoinReceipt(case.pk, organisation.pk, Membership.State.PENDING, created=False)


# Deciding ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ApprovalReceipt:
    approved: int
    verified_until: datetime


def _locked(membership_ids: Sequence[UUID]) -> list[Membership]:
    """Cases by id, locked in the order of their keys. Raises: NotFound, TooMany."""
    wanted = set(membership_ids)
    if len(wanted) > MAX_AT_ONCE:
        raise TooMany(limit=MAX_AT_ONCE)
    cases = Membership.objects.select_for_update(of=("self",)).select_related("organisation")
    found = list(cases.filter(pk__in=wanted).order_by("pk"))
    if not wanted or len(found) != len(wanted):
        raise NotFound
    return found


def _attest(
    actor: Actor, at: datetime, tops: dict[UUID, UUID], cases: Sequence[Membership], until: datetime, evidence: str
) -> None:
    """Standings of new members: union member, and what they do. On behalf of the unit the officer is appointed in."""
    by_top: dict[UUID, list[NewStanding]] = {}
    for case in cases:
        standings = by_top.setdefault(tops[case.organisation_id], [])
        standings.append(NewStanding(case.person_id, MEMBER_STANDING))
        if case.occupation in STANDING_OCCUPATIONS:
            standings.append(NewStanding(case.person_id, case.occupation))
    for top, standings in sorted(by_top.items()):
        attest_standings(
            actor=actor, at=at, organisation_id=top, standings=standings, valid_until=until, evidence=evidence
        )


@action
def approve_memberships(
    *, actor: Actor, at: datetime, key: str, membership_ids: Sequence[UUID], verified_until: datetime | None = None
) -> ApprovalReceipt:
    """Let waiting people in, one or up to a hundred at once: all of them or none.

    Raises: NotFound, NotAllowed, TooMany, WrongState (one of them is not waiting), FourEyes (one's own case), Invalid.
    """
    until = verified_until or at + VERIFIED_FOR
    if until <= at:
        raise Invalid("verified_until", text=_("认证的到期日要在今天之后。"))
    cases = _locked(membership_ids)
    tops = scope(actor, "union.members", [case.organisation for case in cases], at)
    gone = sum(case.state != Membership.State.PENDING for case in cases)
    if gone:
        raise WrongState(text=_("其中 {count} 人已经处理过,一个也没有批。"), count=gone)
    if any(case.person_id == actor.id for case in cases):
        raise FourEyes
    Membership.objects.filter(pk__in=[case.pk for case in cases]).update(
        state=Membership.State.APPROVED, decided_at=at, decided_by_id=actor.id, verified_until=until, reason=""
    )
    settle([(case, case.organisation_id) for case in cases], Belonging.Why.JOINED, at)
    _attest(actor, at, tops, cases, until, gettext("入会审核"))
    notify(
        person_ids=[case.person_id for case in cases],
        template="union.approved",
        title=gettext("您已经是工会会员了"),
        body=gettext("会员卡在卡包里,进驿站、领福利时出示。"),
        url=HOME_URL,
        at=at,
    )
    for case in cases if len(cases) == 1 else ():
        note(actor, "approve_memberships", "membership", case.pk, case.organisation_id, at, verified_until=until)
    if len(cases) > 1:
        top = tops[cases[0].organisation_id]
        note(actor, "approve_memberships", "organisation", top, top, at,
             members=[case.pk for case in cases], verified_until=until)  # fmt: skip
    return ApprovalReceipt(len(cases), until)


@action
def reject_membership(*, actor: Actor, at: datetime, key: str, membership_id: UUID, reason: str) -> UUID:
    """Refuse with a reason the person reads; they may mend it and ask again.

    Raises: NotFound, NotAllowed, WrongState, Invalid (no reason).
    """
    (case,) = _locked([membership_id])
    scope(actor, "union.members", [case.organisation], at)
    reason = _reason(reason)
    if case.state != Membership.State.PENDING:
        raise WrongState
    Membership.objects.filter(pk=case.pk).update(
        state=Membership.State.REJECTED, decided_at=at, decided_by_id=actor.id, reason=reason
    )
    notify(
        person_ids=[case.person_id], template="union.rejected", title=gettext("入会申请没有通过"), body=reason,
        url=HOME_URL, at=at,
    )  # fmt: skip
    note(actor, "reject_membership", "membership", case.pk, case.organisation_id, at, reason=reason)
    return case.pk


def _reason(text: str) -> str:
    text = text.strip()
    if not text or len(text) > 200:
        raise Invalid("reason", text=_("请写明原因,不超过 200 字。"))
    return text


@action
def leave_union(*, actor: Actor, at: datetime, key: str, membership_id: UUID, reason: str = "") -> UUID:
    """A person leaves, by themselves or by their unit's officer, who gives a reason. The past stays as it was.

    Raises: NotFound, NotAllowed, WrongState, Invalid.
    """
    (case,) = _locked([membership_id])
    if case.person_id != actor.id:
        scope(actor, "union.members", [case.organisation], at)
        reason = _reason(reason)
    if case.state == Membership.State.LEFT:
        raise WrongState
    end([case.pk], at)
    Membership.objects.filter(pk=case.pk).update(state=Membership.State.LEFT, left_at=at, reason=reason.strip()[:200])
    Transfer.objects.filter(membership=case, state=Transfer.State.OPEN).update(
        state=Transfer.State.REFUSED, closed_at=at, reason=gettext("已退会")
    )
    held = Standing.objects.valid(at).filter(person_id=case.person_id, kind=MEMBER_STANDING)
    for standing_id in held.order_by("pk").values_list("pk", flat=True)[:10]:
        revoke_standing(actor=SYSTEM, at=at, standing_id=standing_id, reason=gettext("已退会"))
    note(actor, "leave_union", "membership", case.pk, case.organisation_id, at, reason=reason.strip())
    return case.pk


# By a list -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListReport:
    """What became of an uploaded list: how many rows, how many in, and every row that stayed out with its reason."""

    list_id: UUID
    rows: int
    accepted: int
    registered: int
    bad: tuple[BadRow, ...]

    def reasons(self) -> list[tuple[BadRow, Text]]:
        return [(row, refusals.ROW_TEXTS[row.code]) for row in self.bad]


def _places(organisation: Organisation, rows: Sequence[MemberRow]) -> dict[str, UUID]:
    """What a row calls its merchant (name or registration number) → the merchant's organisation. One statement."""
    wanted = {row.merchant for row in rows if row.merchant}
    joined = Merchant.objects.filter(
        organisation__path__contains=[organisation.pk], state=Merchant.State.JOINED
    ).values_list("organisation_id", "organisation__name", "organisation__registration_number")
    found: dict[str, UUID] = {}
    for organisation_id, name, number in joined.filter(organisation__name__in=wanted).union(
        joined.filter(organisation__registration_number__in=wanted)
    ):
        found[name] = organisation_id
        if number:
            found[number] = organisation_id
    return found


def _place(row: MemberRow, organisation: Organisation, places: dict[str, UUID]) -> UUID | None:
    return places.get(row.merchant) if row.merchant else organisation.pk


def _refuse_case(case: Membership | None, place: UUID) -> str:
    """Why a known case keeps a row out; waiting or refused at the same place, the list lets it in. Pure."""
    if case is None:
        return ""
    if case.state == Membership.State.APPROVED:
        return "already_member" if case.organisation_id == place else "member_elsewhere"
    if case.state == Membership.State.PENDING and case.organisation_id != place:
        return "pending_elsewhere"
    return ""


def _sort_people(
    organisation: Organisation, rows: Sequence[MemberRow], people: Sequence[Registered]
) -> tuple[list[tuple[MemberRow, UUID, UUID, Membership | None]], list[BadRow], int]:
    """Rows to let in (row, person, place, open case), rows that stay out, people registered on the way."""
    ids = [who.person_id for who in people if who.person_id]
    cases = {
        case.person_id: case
        for case in Membership.objects.filter(person_id__in=ids).exclude(state=Membership.State.LEFT)
    }
    places = _places(organisation, rows)
    good, bad = [], []
    for row, who in zip(rows, people, strict=True):
        place = _place(row, organisation, places)
        assert place is not None  # rows of unknown merchants were taken out before anybody was registered
        if who.person_id is None:
            bad.append(row.bad(who.refused))
        elif code := _refuse_case(cases.get(who.person_id), place):
            bad.append(row.bad(code))
        else:
            good.append((row, who.person_id, place, cases.get(who.person_id)))
    return good, bad, sum(who.created for who in people)


def _let_in(
    actor: Actor, at: datetime, good: Sequence[tuple[MemberRow, UUID, UUID, Membership | None]], employer: str,
    until: datetime,
) -> list[Membership]:  # fmt: skip
    """Cases of the rows, approved: new ones made, waiting ones decided. Numbers come from the database."""
    state = {"state": Membership.State.APPROVED, "decided_at": at, "decided_by_id": actor.id, "verified_until": until}
    fresh = [
        Membership(
            id=uuid7(), person_id=person_id, organisation_id=place, source=Membership.Source.LIST,
            occupation=row.occupation, employer=employer, applied_at=at, **state,
        )
        for row, person_id, place, case in good
        if case is None
    ]  # fmt: skip
    Membership.objects.bulk_create(fresh, batch_size=2000)
    waiting = [case for _row, _person, _place, case in good if case is not None]
    for row, _person, place, case in good:
        if case is not None:
            case.organisation_id, case.occupation = place, row.occupation
            case.state, case.decided_at, case.decided_by_id = Membership.State.APPROVED, at, actor.id
            case.verified_until, case.reason = until, ""
    fields = ["organisation", "occupation", "state", "decided_at", "decided_by", "verified_until", "reason"]
    Membership.objects.bulk_update(waiting, fields, batch_size=2000)
    return [*fresh, *waiting]


@action
def upload_members(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    organisation_id: UUID,
    content: bytes,
    employer: str,
    verified_until: datetime,
    badge_id: UUID | None = None,
) -> ListReport:
    """Verify a platform's, employer's or merchant's list and let its people in at once: good rows become members with a
    standing until ``verified_until``, each bad row is named with its reason. ``badge_id`` is a photo of the badges seen.

    Raises: NotFound, NotAllowed, Invalid, ListUnreadable, ListTooLarge, ListTooLong, ListHeaderWrong, ListEmpty, Conflict.
    """
    organisation = organisation_or_refuse(organisation_id)
    tops = scope(actor, "union.members", [organisation], at)
    if verified_until <= at:
        raise Invalid("verified_until", text=_("认证的到期日要在今天之后。"))
    if not employer.strip():
        raise Invalid("employer", text=_("请写明名单是哪个平台或单位给的。"))
    if badge_id is not None and not StoredFile.objects.filter(pk=badge_id).exists():
        raise NotFound
    written: list[ListRow] = read_list(content, MEMBER_COLUMNS)
    rows, bad = sort_rows(written, local_day(at), check_member)
    places = _places(organisation, rows)
    bad += [row.bad("merchant_unknown") for row in rows if _place(row, organisation, places) is None]
    rows = [row for row in rows if _place(row, organisation, places) is not None]
    people = register_people(
        actor=actor, at=at, organisation_id=organisation_id,
        people=[NewPerson(row.name, row.phone, row.identity_number) for row in rows],
    )  # fmt: skip
    good, refused, registered = _sort_people(organisation, rows, people)
    try:
        with transaction.atomic():
            cases = _let_in(actor, at, good, employer.strip()[:60], verified_until)
    except IntegrityError:  # one of them asked to join at this very moment
        raise Conflict(text=_("名单里有人刚刚自己提交了申请。"), remedy=_("请把名单再传一次。")) from None
    settle([(case, case.organisation_id) for case in cases], Belonging.Why.JOINED, at)
    everywhere = {case.organisation_id: tops[organisation_id] for case in cases}
    _attest(actor, at, everywhere, cases, verified_until, gettext("单位名单:%(who)s") % {"who": employer.strip()})
    stayed_out = tuple(sorted([*bad, *refused], key=lambda row: row.number))
    kept = UploadedList.objects.create(
        id=uuid7(), kind=UploadedList.Kind.MEMBERS, organisation=organisation, employer=employer.strip()[:60],
        sha256=sha256(content).hexdigest(), badge_id=badge_id, reviewer_id=actor.id, verified_until=verified_until,
        rows=len(written), accepted=len(cases), refused=plain(stayed_out), at=at,
    )  # fmt: skip
    note(actor, "upload_members", "union_list", kept.pk, organisation_id, at,
         sha256=kept.sha256, rows=len(written), accepted=len(cases), bad=len(stayed_out))  # fmt: skip
    return ListReport(kept.pk, len(written), len(cases), registered, stayed_out)


# Moving to another unit ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TransferReceipt:
    transfer_id: UUID
    state: str
    released: bool
    accepted: bool


def _receipt(transfer: Transfer) -> TransferReceipt:
    return TransferReceipt(
        transfer.pk, transfer.state, transfer.released_at is not None, transfer.accepted_at is not None
    )


@action
def ask_transfer(
    *, actor: Actor, at: datetime, key: str, membership_id: UUID, target_id: UUID, reason: str = ""
) -> TransferReceipt:
    """The member, or an officer of either unit, asks for a move. An officer's asking is that unit's consent.

    Raises: NotFound, NotAllowed, WrongState, NotJoinable, TransferOpen, Invalid (the same unit).
    """
    (case,) = _locked([membership_id])
    target = organisation_or_refuse(target_id)
    if target.kind not in JOINABLE:
        raise refusals.NotJoinable
    if case.state != Membership.State.APPROVED:
        raise WrongState
    if target_id == case.organisation_id:
        raise Invalid("target", text=_("已经在这个单位了。"))
    if Transfer.objects.filter(membership=case, state=Transfer.State.OPEN).exists():
        raise refusals.TransferOpen
    releases = access.can(actor, "union.members", case.organisation_id, at)
    accepts = access.can(actor, "union.members", target_id, at)
    if not (releases or accepts or case.person_id == actor.id):
        raise NotAllowed
    transfer = Transfer(
        id=uuid7(), membership=case, source_id=case.organisation_id, target=target, asked_by_id=actor.id, asked_at=at,
        reason=reason.strip()[:200],
    )  # fmt: skip
    # Who is over both units speaks for the one that gives the member away; the other side needs a second person.
    if releases:
        transfer.released_by_id, transfer.released_at = actor.id, at
    elif accepts:
        transfer.accepted_by_id, transfer.accepted_at = actor.id, at
    transfer.save(force_insert=True)
    note(actor, "ask_transfer", "membership", case.pk, case.organisation_id, at,
         target_id=target_id, released=releases, accepted=accepts and not releases)  # fmt: skip
    return _receipt(transfer)


@action
def consent_transfer(*, actor: Actor, at: datetime, key: str, transfer_id: UUID) -> TransferReceipt:
    """The side that has not spoken says yes; when both have, the member moves at this instant.

    Raises: NotFound, NotAllowed, WrongState, FourEyes (one person for both sides).
    """
    transfer, case = _open_transfer(transfer_id)
    releases = transfer.released_at is None and access.can(actor, "union.members", transfer.source_id, at)
    accepts = transfer.accepted_at is None and access.can(actor, "union.members", transfer.target_id, at)
    if not releases and not accepts:
        raise NotAllowed
    if actor.id is not None and actor.id in (transfer.released_by_id, transfer.accepted_by_id):
        raise FourEyes
    if releases:
        transfer.released_by_id, transfer.released_at = actor.id, at
    else:
        transfer.accepted_by_id, transfer.accepted_at = actor.id, at
    if transfer.released_at is not None and transfer.accepted_at is not None:
        if case.state != Membership.State.APPROVED or case.organisation_id != transfer.source_id:
            raise WrongState
        transfer.state, transfer.closed_at = Transfer.State.DONE, at
        move([case], transfer.target_id, Belonging.Why.TRANSFER, at)
        notify(
            person_ids=[case.person_id], template="union.transferred",
            title=gettext("您的会员关系转到了%(unit)s") % {"unit": transfer.target.name}, body="", url=HOME_URL, at=at,
        )  # fmt: skip
    transfer.save()
    note(actor, "consent_transfer", "membership", case.pk, transfer.target_id if accepts else transfer.source_id, at,
         transfer_id=transfer.pk, done=transfer.state == Transfer.State.DONE)  # fmt: skip
    return _receipt(transfer)


def _open_transfer(transfer_id: UUID) -> tuple[Transfer, Membership]:
    """Raises: NotFound, WrongState."""
    transfer = Transfer.objects.select_related("target").filter(pk=transfer_id).first()
    if transfer is None:
        raise NotFound
    (case,) = _locked([transfer.membership_id])  # first the case, then its transfer: the order every action takes
    transfer = Transfer.objects.select_for_update(of=("self",)).select_related("target").get(pk=transfer_id)
    if transfer.state != Transfer.State.OPEN:
        raise WrongState
    return transfer, case


@action
def refuse_transfer(*, actor: Actor, at: datetime, key: str, transfer_id: UUID, reason: str) -> TransferReceipt:
    """Either unit says no with a reason, or the member takes it back. Raises: NotFound, NotAllowed, WrongState, Invalid."""
    transfer, case = _open_transfer(transfer_id)
    if case.person_id != actor.id:
        sides = (transfer.source_id, transfer.target_id)
        if not any(access.can(actor, "union.members", side, at) for side in sides):
            raise NotAllowed
    reason = _reason(reason)
    transfer.state, transfer.closed_at, transfer.reason = Transfer.State.REFUSED, at, reason
    transfer.save()
    note(actor, "refuse_transfer", "membership", case.pk, transfer.source_id, at,
         transfer_id=transfer.pk, reason=reason)  # fmt: skip
    return _receipt(transfer)
