"""What a diner holds and has eaten: the vouchers in the wallet, a code to show, offers to claim, the history."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Sum
from django.urls import reverse
from django.utils.translation import gettext as _

from doorstep.kernel.common.clock import at_local, day_bounds, local, local_day
from doorstep.kernel.common.errors import Invalid, NotFound, TooMany
from doorstep.kernel.common.rooms import WalletItem
from doorstep.kernel.entitlements.models import Entitlement, Grant, TermsVersion, Use
from doorstep.kernel.passes.codes import DEAD_SECONDS, PassKind, issue
from doorstep.kernel.passes.short_codes import short_code
from doorstep.kernel.people.models import Standing
from doorstep.kernel.places.models import Place
from doorstep.services.canteen.models import VoucherKind
from doorstep.services.canteen.rules.printed import venue_group

MAX_ROWS = 100
TEMPLATE = "canteen/diner/ticket.html"
FULL_DAY_SECONDS = 24 * 3600


def versions_at(terms_ids: list[UUID], at: datetime) -> dict[UUID, TermsVersion]:
    """The version in force of each of these terms. One statement."""
    found = TermsVersion.objects.filter(terms_id__in=terms_ids, effective_from__lte=at)
    newest = found.order_by("terms_id", "-effective_from").distinct("terms_id")
    return {version.terms_id: version for version in newest}


def _usable(person_id: UUID, at: datetime) -> list[Entitlement]:
    found = Entitlement.objects.select_related("terms__canteen_kind", "terms__payer").filter(
        person_id=person_id, terms__service="canteen", state=Entitlement.State.OPEN, valid_until__gt=at
    )
    return [one for one in found.order_by("valid_until", "number")[:MAX_ROWS] if one.used < one.units]


def _place_names(versions: dict[UUID, TermsVersion]) -> dict[UUID, str]:
    """Terms → "堂客们私房菜" or "堂客们私房菜等 3 家". One statement."""
    wanted = {place_id for version in versions.values() for place_id in version.place_ids}
    names = dict(Place.objects.filter(pk__in=wanted).order_by("pk").values_list("pk", "name")[:MAX_ROWS])
    named = {}
    for terms_id, version in versions.items():
        here = [names[place_id] for place_id in version.place_ids if place_id in names]
        if not here:
            named[terms_id] = _("所有合作餐厅")
        elif len(here) == 1:
            named[terms_id] = here[0]
        else:
            named[terms_id] = _("%(name)s等 %(count)s 家") % {"name": here[0], "count": len(here)}
    return named


def _hours_text(version: TermsVersion | None) -> str:
    """午餐 10:30–15:00 · 晚餐 17:00–21:00."""
    windows = version.windows if version else []
    return " · ".join(f"{_(window['title'])} {window['start']}–{window['end']}" for window in windows)


def code_of(entitlement: Entitlement, at: datetime) -> dict[str, Any]:
    """A fresh code to show: good for a minute, so that a picture of it cannot be sold."""
    return {
        "code": issue(PassKind.ENTITLEMENT, entitlement.pk, at, DEAD_SECONDS),
        "short_code": short_code(entitlement.number, at),
        "code_url": reverse("canteen:ticket-code", args=[entitlement.pk]),
        "dead_seconds": DEAD_SECONDS,
    }


def ticket_context(
    entitlement: Entitlement, version: TermsVersion | None, place: str, at: datetime, *, more: int = 0
) -> dict[str, Any]:
    """What the ticket shows. A voucher whose time has not come has no code yet."""
    terms = entitlement.terms
    free = terms.canteen_kind.kind == VoucherKind.Kind.FREE
    context: dict[str, Any] = {
        "entitlement_id": entitlement.pk,
        "kind": _("共享食堂 · %(payer)s") % {"payer": terms.payer.name},
        "icon": "heart" if free else "bowl",
        "tone": "jade" if free else "door",
        "title": terms.title,
        "list_fen": version.list_price_fen if version else None,
        "union_fen": entitlement.unit_fen,
        "worker_fen": version.list_price_fen - entitlement.unit_fen if version else None,
        "place": place,
        "hours": _hours_text(version),
        "until": entitlement.valid_until,
        "begins": entitlement.valid_from if entitlement.valid_from > at else None,
        "more": more,
        "url": reverse("canteen:ticket", args=[entitlement.pk]),
        "print_url": reverse("canteen:ticket-print", args=[entitlement.pk]),
    }
    return context


def wallet(person_id: UUID, at: datetime) -> list[WalletItem]:
    """Vouchers as the wallet piles them, soonest first; equal ones are one ticket with a count. Three statements.

    The first that can be used now shows its code at once; the others are one tap away.
    """
    held = _usable(person_id, at)
    versions = versions_at(sorted({one.terms_id for one in held}), at)
    places = _place_names(versions)
    piles: dict[tuple[UUID, datetime, datetime], list[Entitlement]] = {}
    for one in held:
        piles.setdefault((one.terms_id, one.valid_from, one.valid_until), []).append(one)
    items: list[WalletItem] = []
    shown = False
    for (terms_id, begins, until), pile in piles.items():
        first = pile[0]
        context = ticket_context(first, versions.get(terms_id), places.get(terms_id, ""), at, more=len(pile) - 1)
        if not shown and begins <= at:
            context |= code_of(first, at)
            shown = True
        items.append(
            WalletItem(
                "canteen", first.pk, first.terms.title, context["hours"], until, context["url"], TEMPLATE, context
            )
        )
    return items


@dataclass(frozen=True, slots=True)
class Ticket:
    """One voucher of one person with its latest use, if it was used up."""

    entitlement: Entitlement
    context: dict[str, Any]
    use: Use | None
    usable: bool


def ticket(person_id: UUID, entitlement_id: UUID, at: datetime) -> Ticket:
    """A person's own voucher. Raises: NotFound for anybody else's."""
    entitlement = (
        Entitlement.objects.select_related("terms__canteen_kind", "terms__payer")
        .filter(pk=entitlement_id, person_id=person_id, terms__service="canteen")
        .first()
    )
    if entitlement is None:
        raise NotFound
    versions = versions_at([entitlement.terms_id], at)
    version = versions.get(entitlement.terms_id)
    context = ticket_context(entitlement, version, _place_names(versions).get(entitlement.terms_id, ""), at)
    spent = entitlement.used >= entitlement.units
    use = None
    if spent:
        uses = Use.objects.select_related("place").filter(entitlement=entitlement, reversed_at=None)
        use = uses.order_by("-at").first()
    usable = (
        not spent
        and entitlement.state == Entitlement.State.OPEN
        and entitlement.valid_from <= at < entitlement.valid_until
    )
    if usable:
        context |= code_of(entitlement, at)
    return Ticket(entitlement, context, use, usable)


@dataclass(frozen=True, slots=True)
class PrintedVoucher:
    """A voucher on paper, for one person, one day and the venues of its conditions on that day."""

    entitlement: Entitlement
    person_name: str
    day: date
    code: str
    short_code: str
    version: TermsVersion
    venues: list[Place]


def printed_voucher(entitlement_id: UUID, day: date, at: datetime) -> PrintedVoucher:
    """Whose it is must have been checked. Raises: NotFound, Invalid (a day outside its validity, or used up)."""
    entitlement = (
        Entitlement.objects.select_related("terms__canteen_kind", "terms__payer", "person")
        .filter(pk=entitlement_id, terms__service="canteen")
        .first()
    )
    if entitlement is None:
        raise NotFound
    begins, ends = day_bounds(day)
    open_still = entitlement.state == Entitlement.State.OPEN and entitlement.used < entitlement.units
    if not open_still:
        raise Invalid("day", text=_("这张券已经用过或作废,不能再打印。"))
    if day < local_day(at) or entitlement.valid_until <= begins or entitlement.valid_from >= ends:
        raise Invalid("day", text=_("这一天不在券的有效期内。"))
    version = versions_at([entitlement.terms_id], at_local(day, 12)).get(entitlement.terms_id)
    if version is None:
        raise NotFound
    return PrintedVoucher(
        entitlement,
        entitlement.person.name,
        day,
        issue(PassKind.ENTITLEMENT_PRINTED, entitlement.pk, begins, FULL_DAY_SECONDS, venue_group(version.place_ids)),
        short_code(entitlement.number, at_local(day, 12), PassKind.ENTITLEMENT_PRINTED),
        version,
        list(Place.objects.filter(pk__in=version.place_ids).order_by("name")[:MAX_ROWS]),
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """Vouchers to claim. ``state``: open, soon, taken (by this person), gone, no (not eligible)."""

    grant: Grant
    version: TermsVersion | None
    left: int
    state: str


def offers(person_id: UUID | None, at: datetime, limit: int = 20) -> list[Offer]:
    """Offers that are open or open soon, with what this person can do about each. Four statements."""
    if limit > MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    grants = list(
        Grant.objects.select_related("terms__payer", "terms__canteen_kind")
        .filter(source=Grant.Source.CLAIM, terms__service="canteen", closed_at=None, closes_at__gt=at)
        .order_by("opens_at", "pk")[:limit]
    )
    versions = versions_at(sorted({grant.terms_id for grant in grants}), at)
    taken: set[UUID] = set()
    held: set[str] = set()
    if person_id is not None:
        mine = Entitlement.objects.filter(person_id=person_id, grant_id__in=[grant.pk for grant in grants])
        taken = set(mine.values_list("grant_id", flat=True))
        held = _held_standings(person_id, versions, at)
    return [
        Offer(
            grant, versions.get(grant.terms_id), grant.offered - grant.taken, _state(grant, versions, taken, held, at)
        )
        for grant in grants
    ]


def _held_standings(person_id: UUID, versions: dict[UUID, TermsVersion], at: datetime) -> set[str]:
    wanted = {kind for version in versions.values() for kind in version.standings}
    return set(Standing.objects.valid(at).filter(person_id=person_id, kind__in=wanted).values_list("kind", flat=True))


def _state(grant: Grant, versions: dict[UUID, TermsVersion], taken: set[UUID], held: set[str], at: datetime) -> str:
    version = versions.get(grant.terms_id)
    if grant.pk in taken:
        return "taken"
    if version is not None and version.standings and not held & set(version.standings):
        return "no"
    if grant.taken >= grant.offered:
        return "gone"
    return "soon" if grant.opens_at > at else "open"


def history(person_id: UUID, page: int = 1, limit: int = 20) -> tuple[list[Use], bool]:
    """A person's meals, newest first, and whether there are more. One statement."""
    if limit > MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    found = Use.objects.select_related("place__canteen_venue", "entitlement__terms").filter(
        person_id=person_id, entitlement__terms__service="canteen"
    )
    rows = list(found.order_by("-at", "-pk")[(page - 1) * limit : page * limit + 1])
    return rows[:limit], len(rows) > limit


@dataclass(frozen=True, slots=True)
class MonthSum:
    """This month in a person's own words: meals, what they paid, what the union paid for them."""

    meals: int
    paid_fen: int
    saved_fen: int


def this_month(person_id: UUID, at: datetime) -> MonthSum:
    """One statement."""
    first = local(at).date().replace(day=1)
    sums = Use.objects.filter(
        person_id=person_id, day__gte=first, reversed_at=None, entitlement__terms__service="canteen"
    ).aggregate(meals=Count("pk"), paid=Sum("person_fen"), saved=Sum("payer_fen"))
    return MonthSum(sums["meals"], sums["paid"] or 0, sums["saved"] or 0)
