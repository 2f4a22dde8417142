"""Building the union: holding pools, merchants, foundings and committees, the four levels."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from itertools import pairwise
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.canonical import plain
from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import Conflict, FourEyes, Invalid, NotFound, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.files.lists import read_list
from doorstep.kernel.organisations.actions import found_organisation, link_organisations
from doorstep.kernel.organisations.bulk import NewOrganisation, found_organisations
from doorstep.kernel.organisations.models import Link, Organisation
from doorstep.services.union import refusals
from doorstep.services.union.actions.joining import ListReport
from doorstep.services.union.actions.parts import FOUR_LEVEL, POOL, move, note, organisation_or_refuse, scope
from doorstep.services.union.models import Belonging, Committee, Founding, Membership, Merchant, UploadedList
from doorstep.services.union.rules.founding import TERM_YEARS, committee_form, term_end
from doorstep.services.union.rules.rows import MERCHANT_COLUMNS, BadRow, MerchantRow, check_merchant, sort_rows

LEVELS = ("party_committee", "federation", "association", "alliance")
MAX_UNITS = 100


@action
def open_holding_pool(*, actor: Actor, at: datetime, union_id: UUID, name: str) -> UUID:
    """A register below a district union for people without a unit. Repeating it changes nothing. Raises: NotAllowed."""
    scope(actor, "union.members", [organisation_or_refuse(union_id)], at)
    return found_organisation(actor=actor, at=at, kind=POOL, name=name, parent_id=union_id)


# Merchants -----------------------------------------------------------------------------------------------------------


def _parents(organisation: Organisation, rows: Sequence[MerchantRow]) -> dict[str, UUID]:
    """Name of an alliance or association at or below the organisation → its id."""
    wanted = {row.parent for row in rows if row.parent}
    found = Organisation.objects.filter(
        path__contains=[organisation.pk], name__in=wanted, kind__in=LEVELS, closed_on__isnull=True
    )
    return dict(found.values_list("name", "pk"))


def _known_merchants(
    rows: Sequence[MerchantRow], parents: set[UUID]
) -> tuple[dict[str, Organisation], set[tuple[UUID | None, str]]]:
    """Registration number → its organisation; (parent, name) pairs that are taken."""
    numbers = [row.registration_number for row in rows]
    by_number = {
        one.registration_number: one
        for one in Organisation.objects.select_related("union_merchant").filter(registration_number__in=numbers)
        if one.registration_number
    }
    names = Organisation.objects.filter(parent_id__in=parents, name__in=[row.name for row in rows])
    return by_number, set(names.values_list("parent_id", "name"))


def _refuse_merchant(
    row: MerchantRow, parent: UUID | None, by_number: dict[str, Organisation], taken: set[tuple[UUID | None, str]]
) -> str:
    known = by_number.get(row.registration_number)
    if known is not None:
        return "already_joined" if hasattr(known, "union_merchant") else "registered_elsewhere"
    if parent is None:
        return "parent_unknown"
    return "name_taken" if (parent, row.name) in taken else ""


def _add_merchants(actor: Actor, at: datetime, organisation_id: UUID, good: Sequence[tuple[MerchantRow, UUID]]) -> None:
    ids = found_organisations(
        actor=actor, at=at, organisation_id=organisation_id,
        organisations=[NewOrganisation(parent, "merchant", row.name, row.registration_number) for row, parent in good],
    )  # fmt: skip
    Merchant.objects.bulk_create(
        [
            Merchant(
                id=uuid7(), organisation_id=new_id, contact_name=row.contact, contact_phone=row.phone,
                address=row.address, joined_at=at,
            )
            for new_id, (row, _parent) in zip(ids, good, strict=True)
        ],
        batch_size=2000,
    )  # fmt: skip


@action
def upload_merchants(*, actor: Actor, at: datetime, key: str, organisation_id: UUID, content: bytes) -> ListReport:
    """Take a list of merchants into a federation, each below the alliance or association its row names.

    Good rows join, each bad row is named with its reason.

    Raises: NotFound, NotAllowed, ListUnreadable, ListTooLarge, ListTooLong, ListHeaderWrong, ListEmpty, Conflict.
    """
    organisation = organisation_or_refuse(organisation_id)
    scope(actor, "union.members", [organisation], at)
    written = read_list(content, MERCHANT_COLUMNS)
    rows, bad = sort_rows(written, local_day(at), check_merchant)
    parents = _parents(organisation, rows)
    by_number, taken = _known_merchants(rows, {organisation_id, *parents.values()})
    good: list[tuple[MerchantRow, UUID]] = []
    for row in rows:
        parent = parents.get(row.parent) if row.parent else organisation_id
        code = _refuse_merchant(row, parent, by_number, taken)
        if code or parent is None:
            bad.append(row.bad(code))
        else:
            good.append((row, parent))
    try:
        with transaction.atomic():
            _add_merchants(actor, at, organisation_id, good)
    except IntegrityError:  # a colleague uploads the same shop at this very moment
        raise Conflict(text=_("名单里有商户刚刚被别人登记。"), remedy=_("请把名单再传一次。")) from None
    stayed_out: tuple[BadRow, ...] = tuple(sorted(bad, key=lambda row: row.number))
    kept = UploadedList.objects.create(
        id=uuid7(), kind=UploadedList.Kind.MERCHANTS, organisation=organisation, sha256=sha256(content).hexdigest(),
        reviewer_id=actor.id, rows=len(written), accepted=len(good), refused=plain(stayed_out), at=at,
    )  # fmt: skip
    note(actor, "upload_merchants", "union_list", kept.pk, organisation_id, at,
         sha256=kept.sha256, rows=len(written), accepted=len(good), bad=len(stayed_out))  # fmt: skip
    return ListReport(kept.pk, len(written), len(good), len(good), stayed_out)


def pool_of(organisation: Organisation) -> UUID:
    """The holding pool nearest above an organisation. Raises: NoHoldingPool."""
    pools = dict(Organisation.objects.filter(parent_id__in=organisation.path, kind=POOL).values_list("parent_id", "pk"))
    for above in reversed(organisation.path):
        if above in pools:
            return pools[above]
    raise refusals.NoHoldingPool


@action
def leave_federation(*, actor: Actor, at: datetime, key: str, merchant_id: UUID, reason: str) -> int:
    """A merchant leaves; its staff stay in the union, in the district's holding pool. Returns how many.

    Raises: NotFound, NotAllowed, MerchantGone, NoHoldingPool, Invalid (no reason).
    """
    merchant = (
        Merchant.objects.select_for_update(of=("self",)).select_related("organisation").filter(pk=merchant_id).first()
    )
    if merchant is None:
        raise NotFound
    scope(actor, "union.members", [merchant.organisation], at)
    if merchant.state == Merchant.State.LEFT:
        raise refusals.MerchantGone
    if not reason.strip():
        raise Invalid("reason", text=_("请写明退出的原因。"))
    staff = list(
        Membership.objects.select_for_update(of=("self",))
        .filter(organisation_id=merchant.organisation_id, state=Membership.State.APPROVED)
        .order_by("pk")
    )
    if staff:
        move(staff, pool_of(merchant.organisation), Belonging.Why.MERCHANT_LEFT, at)
    Merchant.objects.filter(pk=merchant.pk).update(
        state=Merchant.State.LEFT, left_at=at, left_reason=reason.strip()[:200]
    )
    note(actor, "leave_federation", "merchant", merchant.pk, merchant.organisation_id, at,
         reason=reason.strip()[:200], staff=len(staff))  # fmt: skip
    return len(staff)


# Founding a union ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundingReceipt:
    founding_id: UUID
    form: str
    members: int
    state: str
    organisation_id: UUID | None = None


def _counted(unit_ids: Sequence[UUID], parent: Organisation) -> tuple[dict[str, int], list[UUID]]:
    """Units by name with their members now. Raises: NotFound, when one is not below the parent."""
    units = list(
        Organisation.objects.filter(pk__in=unit_ids, path__contains=[parent.pk]).exclude(pk=parent.pk).order_by("pk")
    )
    if not units or len(units) != len(set(unit_ids)):
        raise NotFound
    held = Membership.objects.filter(organisation__in=units, state=Membership.State.APPROVED)
    counts: dict[UUID, int] = {}
    for organisation_id in held.values_list("organisation_id", flat=True):
        counts[organisation_id] = counts.get(organisation_id, 0) + 1
    return {f"{unit.name}": counts.get(unit.pk, 0) for unit in units}, [unit.pk for unit in units]


@action
def propose_union(
    *, actor: Actor, at: datetime, key: str, parent_id: UUID, name: str, unit_ids: Sequence[UUID], term_years: int
) -> FoundingReceipt:
    """Ask the level above to found a union of one unit or of several together.

    Raises: NotFound, NotAllowed, Invalid (name, term), TooFewMembers, Conflict (asked already).
    """
    parent = organisation_or_refuse(parent_id)
    scope(actor, "union.members", [parent], at)
    if not name.strip() or len(name) > 60:
        raise Invalid("name", text=_("请填写工会名称,不超过 60 个字。"))
    if term_years not in TERM_YEARS:
        raise Invalid("term_years", text=_("委员会任期是 3 年或 5 年。"))
    if not 1 <= len(unit_ids) <= MAX_UNITS:
        raise Invalid("unit_ids", text=_("请选 1 到 100 家单位。"))
    if Organisation.objects.filter(parent=parent, name=name.strip()).exists():
        raise Conflict(text=_("这个名称的单位已经有了。"), remedy=_("请换一个名称。"))
    by_unit, units = _counted(unit_ids, parent)
    members = sum(by_unit.values())
    form = committee_form(by_unit)
    if not form:
        raise refusals.TooFewMembers(unit=next(iter(by_unit)), members=members)
    if Founding.objects.filter(parent=parent, name=name.strip(), state=Founding.State.PENDING).exists():
        raise Conflict(text=_("同名的建会申请正在批复。"), remedy=_("请等结果。"))
    made = Founding.objects.create(
        id=uuid7(), parent=parent, name=name.strip(), form=form, unit_ids=units, members=members,
        term_years=term_years, proposed_by_id=actor.id, proposed_at=at,
    )  # fmt: skip
    note(actor, "propose_union", "founding", made.pk, parent_id, at,
         name=name.strip(), form=form, members=members, units=units)  # fmt: skip
    return FoundingReceipt(made.pk, form, members, made.state)


@action
def decide_union(
    *, actor: Actor, at: datetime, key: str, founding_id: UUID, approved: bool, reason: str
) -> FoundingReceipt:
    """The level above says yes or no, by somebody other than the one who asked. Yes founds the union, seats its committee,
    and the units' members belong to it from this instant on.

    Raises: NotFound, NotAllowed, WrongState, FourEyes, Invalid (no reason for a no).
    """
    asked = Founding.objects.select_for_update(of=("self",)).select_related("parent").filter(pk=founding_id).first()
    if asked is None:
        raise NotFound
    access.require(actor, "union.approve", asked.parent_id, at)
    if asked.state != Founding.State.PENDING:
        raise WrongState
    if actor.id is not None and actor.id == asked.proposed_by_id:
        raise FourEyes
    if not approved and not reason.strip():
        raise Invalid("reason", text=_("不批准请写明原因。"))
    asked.decided_by_id, asked.decided_at, asked.reason = actor.id, at, reason.strip()[:200]
    asked.state = Founding.State.APPROVED if approved else Founding.State.REJECTED
    if approved:
        asked.organisation_id = _found(actor, at, asked)
    asked.save()
    note(actor, "decide_union", "founding", asked.pk, asked.parent_id, at,
         approved=approved, reason=asked.reason, founded_id=asked.organisation_id)  # fmt: skip
    return FoundingReceipt(asked.pk, asked.form, asked.members, asked.state, asked.organisation_id)


def _found(actor: Actor, at: datetime, asked: Founding) -> UUID:
    day = local_day(at)
    new_id = found_organisation(
        actor=actor, at=at, kind="unit", name=asked.name, parent_id=asked.parent_id, founded_on=day
    )
    _seat(new_id, asked.form, asked.term_years, day)
    members = list(
        Membership.objects.select_for_update(of=("self",))
        .filter(organisation_id__in=asked.unit_ids, state=Membership.State.APPROVED)
        .order_by("pk")
    )
    if members:
        move(members, new_id, Belonging.Why.FOUNDED, at)
    return new_id


def _seat(organisation_id: UUID, form: str, term_years: int, elected_on: date) -> Committee:
    return Committee.objects.create(
        id=uuid7(), organisation_id=organisation_id, form=form, term_years=term_years, elected_on=elected_on,
        ends_on=term_end(elected_on, term_years),
    )  # fmt: skip


@action
def charter_federation(
    *, actor: Actor, at: datetime, key: str, parent_id: UUID, name: str, term_years: int
) -> FoundingReceipt:
    """The level above founds a business district's federation and seats its first committee; its units join afterwards.

    Raises: NotFound, NotAllowed, Invalid (name, term), Conflict (there is one of that name).
    """
    parent = organisation_or_refuse(parent_id)
    access.require(actor, "union.approve", parent_id, at)
    if not name.strip() or len(name) > 60:
        raise Invalid("name", text=_("请填写工会名称,不超过 60 个字。"))
    if term_years not in TERM_YEARS:
        raise Invalid("term_years", text=_("委员会任期是 3 年或 5 年。"))
    if Organisation.objects.filter(parent=parent, name=name.strip()).exists():
        raise Conflict(text=_("这个名称的单位已经有了。"), remedy=_("请换一个名称。"))
    day = local_day(at)
    new_id = found_organisation(actor=actor, at=at, kind="federation", name=name, parent_id=parent_id, founded_on=day)
    seated = _seat(new_id, Founding.Form.JOINT, term_years, day)
    note(actor, "charter_federation", "organisation", new_id, parent_id, at,
         name=name.strip(), term_years=term_years, ends_on=seated.ends_on)  # fmt: skip
    return FoundingReceipt(seated.pk, Founding.Form.JOINT, 0, Founding.State.APPROVED, new_id)


@action
def elect_committee(
    *, actor: Actor, at: datetime, key: str, organisation_id: UUID, form: str, term_years: int, elected_on: date
) -> UUID:
    """Record an election: the first one of a union that was there before, or the next term.

    Raises: NotFound, NotAllowed, Invalid (form, term, or a day in the future or within the sitting term).
    """
    organisation = organisation_or_refuse(organisation_id)
    access.require(actor, "union.approve", organisation_id, at)
    if form not in Founding.Form.values:
        raise Invalid("form", text=_("委员会是单独设的,还是联合设的?"))
    if term_years not in TERM_YEARS:
        raise Invalid("term_years", text=_("委员会任期是 3 年或 5 年。"))
    if elected_on > local_day(at):
        raise Invalid("elected_on", text=_("选举日不能在今天之后。"))
    last = Committee.objects.filter(organisation=organisation).order_by("-elected_on").first()
    if last is not None and elected_on <= last.elected_on:
        raise Invalid("elected_on", text=_("选举日要晚于上一届。"))
    made = _seat(organisation_id, form, term_years, elected_on)
    note(actor, "elect_committee", "organisation", organisation_id, organisation_id, at,
         form=form, term_years=term_years, ends_on=made.ends_on)  # fmt: skip
    return made.pk


# Four levels ---------------------------------------------------------------------------------------------------------


@action
def link_levels(*, actor: Actor, at: datetime, lower_id: UUID, upper_id: UUID, since: date) -> UUID:
    """Tie an organisation to the one a level above it in the four-level linkage. Repeating it changes nothing.

    Every organisation hangs on one above it, so that a member is counted once at each level.

    Raises: NotFound, NotAllowed, NotTheLevelAbove, LinkedElsewhere.
    """
    lower, upper = organisation_or_refuse(lower_id), organisation_or_refuse(upper_id)
    kinds = (upper.kind, lower.kind)
    if kinds not in set(pairwise(LEVELS)):
        raise refusals.NotTheLevelAbove("upper")
    other = (
        Link.objects.select_related("target")
        .filter(source=lower, kind=FOUR_LEVEL, until__isnull=True)
        .exclude(target=upper)
        .first()
    )
    if other is not None:
        raise refusals.LinkedElsewhere(upper=other.target.name)
    in_tree = Organisation.objects.filter(pk__in=lower.path, kind=upper.kind).exclude(pk=upper_id).first()
    if in_tree is not None:
        raise refusals.LinkedElsewhere(upper=in_tree.name)
    return link_organisations(actor=actor, at=at, source_id=lower_id, target_id=upper_id, kind=FOUR_LEVEL, since=since)
