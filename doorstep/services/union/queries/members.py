"""What the union's desk and the members themselves ask about memberships, merchants, foundings and uploaded lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from doorstep.kernel.audit.models import Entry
from doorstep.kernel.audit.queries import entries
from doorstep.kernel.common.errors import Invalid, NotFound, TooMany
from doorstep.kernel.common.rooms import WalletItem
from doorstep.kernel.organisations.models import Organisation
from doorstep.kernel.passes.codes import DEAD_SECONDS, PassKind, issue
from doorstep.kernel.people.actions import index_identity, index_phone
from doorstep.kernel.people.identity import parse_phone
from doorstep.services.union.actions.parts import JOINABLE, POOL
from doorstep.services.union.models import (
    Belonging,
    Committee,
    Founding,
    Membership,
    Merchant,
    Transfer,
    UploadedList,
)

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
CARD = "union/home/card_ticket.html"


def _bounded(limit: int) -> int:
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    return limit


# The desk ------------------------------------------------------------------------------------------------------------


def _within(organisation_ids: Sequence[UUID]) -> Q:
    return Q(organisation__path__overlap=list(organisation_ids))


def _sought(text: str) -> Q:
    """A phone, an identity number, a card number or the beginning of a name."""
    digits = text.replace(" ", "").upper()
    if len(digits) == 18 and digits[:17].isdigit():
        return Q(person__identity_index=index_identity(digits))
    try:
        return Q(person__phone_index=index_phone(parse_phone(text)))
    except ValueError:
        pass
    if digits.isascii() and digits.isdigit():
        return Q(number=int(digits[:12]))
    return Q(person__name__startswith=text.strip())


@dataclass(frozen=True, slots=True)
class MemberPage:
    rows: list[Membership]
    page: int
    more: bool
    counts: dict[str, int]


def members(
    organisation_ids: Sequence[UUID],
    *,
    state: str = "",
    text: str = "",
    organisation_id: UUID | None = None,
    page: int = 1,
    limit: int = DEFAULT_LIMIT,
) -> MemberPage:
    """Cases at or below these organisations, newest first. Two statements. Raises: TooMany, Invalid (unknown state)."""
    limit = _bounded(limit)
    if state and state not in Membership.State.values:
        raise Invalid("state", text=_("没有这种状态。"))
    mine = Membership.objects.filter(_within(organisation_ids))
    if organisation_id is not None:
        mine = mine.filter(organisation__path__contains=[organisation_id])
    if text.strip():
        mine = mine.filter(_sought(text))
    counts = dict(mine.order_by().values_list("state").annotate(n=Count("pk")))
    chosen = mine.filter(state=state) if state else mine
    first = (page - 1) * limit
    rows = chosen.select_related("person", "organisation").order_by("-applied_at", "-pk")[first : first + limit + 1]
    kept = list(rows)
    return MemberPage(kept[:limit], page, len(kept) > limit, counts)


@dataclass(frozen=True, slots=True)
class MemberCase:
    """Everything of one case: where the person belonged when, transfers, what was done by whom."""

    membership: Membership
    belongings: list[Belonging]
    transfers: list[Transfer]
    entries: list[Entry]


def case(membership_id: UUID) -> MemberCase:
    """Four statements. Raises: NotFound."""
    membership = (
        Membership.objects.select_related("person", "organisation", "decided_by").filter(pk=membership_id).first()
    )
    if membership is None:
        raise NotFound
    return MemberCase(
        membership,
        list(membership.belongings.select_related("organisation").order_by("-valid_from")[:MAX_LIMIT]),
        list(membership.transfers.select_related("source", "target").order_by("-asked_at")[:DEFAULT_LIMIT]),
        entries(subject_kind="membership", subject_id=membership_id, limit=50),
    )


def open_transfers(organisation_ids: Sequence[UUID], limit: int = DEFAULT_LIMIT) -> list[Transfer]:
    """Transfers from or to these organisations that still want a word."""
    ids = list(organisation_ids)
    mine = Transfer.objects.filter(Q(source__path__overlap=ids) | Q(target__path__overlap=ids))
    waiting = mine.filter(state=Transfer.State.OPEN).select_related("membership__person", "source", "target")
    return list(waiting.order_by("-asked_at")[: _bounded(limit)])


def units(organisation_ids: Sequence[UUID], limit: int = MAX_LIMIT) -> list[Organisation]:
    """Organisations at or below these that people may belong to; without shops, of which there are many."""
    kinds = [kind for kind in JOINABLE if kind != "merchant"]
    mine = Organisation.objects.filter(path__overlap=list(organisation_ids), kind__in=kinds, closed_on__isnull=True)
    return list(mine.order_by("path")[: _bounded(limit)])


def targets(text: str, limit: int = DEFAULT_LIMIT) -> list[Organisation]:
    """Where somebody could be transferred to: units whose name contains the text."""
    if not text.strip():
        return []
    found = Organisation.objects.filter(name__icontains=text.strip(), kind__in=JOINABLE, closed_on__isnull=True)
    return list(found.order_by("name", "pk")[: _bounded(limit)])


def _paged[Row: Any](rows: QuerySet[Row], page: int, limit: int) -> tuple[list[Row], bool]:
    first = (page - 1) * limit
    kept = list(rows[first : first + limit + 1])
    return kept[:limit], len(kept) > limit


def merchants(
    organisation_ids: Sequence[UUID], *, text: str = "", page: int = 1, limit: int = DEFAULT_LIMIT
) -> tuple[list[Merchant], bool]:
    """Merchants at or below these organisations with their staff counted (``staff``), and whether more follow."""
    mine = Merchant.objects.filter(_within(organisation_ids)).select_related("organisation__parent")
    if text.strip():
        mine = mine.filter(organisation__name__icontains=text.strip())
    approved = Q(organisation__union_memberships__state=Membership.State.APPROVED)
    counted = mine.annotate(staff=Count("organisation__union_memberships", filter=approved))
    return _paged(counted.order_by("state", "organisation__name", "pk"), page, _bounded(limit))


def foundings(organisation_ids: Sequence[UUID], limit: int = DEFAULT_LIMIT) -> list[Founding]:
    """Waiting ones first, then the latest decided."""
    mine = Founding.objects.filter(parent__path__overlap=list(organisation_ids))
    rows = mine.select_related("parent", "proposed_by", "decided_by", "organisation")
    return list(rows.order_by("-state", "-proposed_at")[: _bounded(limit)])


def committees(organisation_ids: Sequence[UUID], limit: int = DEFAULT_LIMIT) -> list[Committee]:
    """Sitting committees, those whose term ends first on top."""
    newest = Committee.objects.filter(_within(organisation_ids)).order_by("organisation_id", "-elected_on")
    sitting = newest.distinct("organisation_id").values("pk")
    return list(
        Committee.objects.filter(pk__in=sitting).select_related("organisation").order_by("ends_on")[: _bounded(limit)]
    )


def lists(organisation_ids: Sequence[UUID], limit: int = DEFAULT_LIMIT) -> list[UploadedList]:
    rows = UploadedList.objects.filter(_within(organisation_ids)).select_related("organisation", "reviewer")
    return list(rows.order_by("-at", "-pk")[: _bounded(limit)])


# The member ----------------------------------------------------------------------------------------------------------


def membership_of(person_id: UUID) -> Membership | None:
    """A person's case that is not over. One statement."""
    cases = Membership.objects.select_related("organisation", "person").exclude(state=Membership.State.LEFT)
    return cases.filter(person_id=person_id).first()


def pools(limit: int = DEFAULT_LIMIT) -> list[Organisation]:
    """The holding pools of all districts: where somebody without a unit joins."""
    found = Organisation.objects.filter(kind=POOL, closed_on__isnull=True).select_related("parent")
    return list(found.order_by("name", "pk")[: _bounded(limit)])


def card_context(membership: Membership, at: datetime) -> dict[str, Any]:
    """The member card with a fresh code: good for a minute, so that a picture of it cannot be lent."""
    return {
        "membership_id": membership.pk,
        "name": membership.person.name,
        "unit": membership.organisation.name,
        "number": membership.number,
        "occupation": membership.get_occupation_display(),
        "until": membership.verified_until,
        "expired": membership.verified_until is not None and membership.verified_until <= at,
        "code": issue(PassKind.PERSON, membership.person_id, at, DEAD_SECONDS),
        "code_url": reverse("union:card-code"),
        "url": reverse("union:card"),
        "dead_seconds": DEAD_SECONDS,
    }


def wallet(person_id: UUID, at: datetime) -> list[WalletItem]:
    """The member card, while the person is a member. One statement."""
    membership = membership_of(person_id)
    if membership is None or membership.state != Membership.State.APPROVED or membership.verified_until is None:
        return []
    context = card_context(membership, at)
    return [
        WalletItem(
            "union", membership.pk, _("工会会员卡"), membership.organisation.name, membership.verified_until,
            context["url"], CARD, context,
        )
    ]  # fmt: skip
