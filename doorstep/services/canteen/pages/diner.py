"""The diner's pages on the phone: where to eat near here, the voucher's code, offers to claim, what one has eaten."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from doorstep.kernel.common import access
from doorstep.kernel.common.clock import local_day, now
from doorstep.kernel.common.errors import NotAllowed, NotFound, Problem
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.actions import claim as claim_offer
from doorstep.kernel.entitlements.models import Entitlement
from doorstep.kernel.places.geo import in_china
from doorstep.services.canteen.models import Meal
from doorstep.services.canteen.pages.parts import me, page_number
from doorstep.services.canteen.queries import venues as venue_queries
from doorstep.services.canteen.queries import wallet

# The middle of Tianyuan district: where distances are counted from until somebody says where they are.
DEFAULT_CENTRE = (113.0824, 27.8266)
DISHES_SHOWN = 4


def _here(request: HttpRequest) -> tuple[float, float, bool]:
    """Longitude, latitude, and whether the person said so. Nonsense counts as not said."""
    try:
        longitude, latitude = float(request.GET["lon"]), float(request.GET["lat"])
    except (KeyError, ValueError):
        return (*DEFAULT_CENTRE, False)
    return (longitude, latitude, True) if in_china(longitude, latitude) else (*DEFAULT_CENTRE, False)


@access.public
@require_safe
def near(request: HttpRequest) -> HttpResponse:
    """Serving restaurants, open ones first, nearest first, with what is on the table now."""
    at = now()
    longitude, latitude, told = _here(request)
    found = venue_queries.near_venues(longitude=longitude, latitude=latitude, at=at)
    query = f"?lon={longitude}&lat={latitude}" if told else ""
    context = {
        "venues": found,
        "places": [
            {
                "name": venue.name, "lat": venue.latitude, "lon": venue.longitude, "distance_m": venue.distance_m,
                "note": "、".join(venue.dishes[:DISHES_SHOWN]) or venue.address, "open": venue.open_until is not None,
                "url": reverse("canteen:venue", args=[venue.id]) + query,
            }
            for venue in found
        ],
        "centre": {"lat": latitude, "lon": longitude},
        "told": told,
        "meal": Meal(venue_queries.meal_now(at)).label,
        "open_count": sum(venue.open_until is not None for venue in found),
        "at": at,
        "held": wallet.wallet(me(request), at) if request.user.is_authenticated else [],
    }  # fmt: skip
    return render(request, "canteen/diner/near.html", context)


@access.public
@require_safe
def venue(request: HttpRequest, venue_id: UUID) -> HttpResponse:
    """One restaurant: menu, hours, rating, where it is."""
    at = now()
    page = venue_queries.venue_page(venue_id, at)
    if page is None:
        raise NotFound
    longitude, latitude, told = _here(request)
    place = page.venue.place
    context = {
        "page": page,
        "venue": page.venue,
        "place": place,
        "menus": [
            {
                "title": meal.label, "current": meal.value == venue_queries.meal_now(at),
                "items": page.menu.get(meal.value, []),
            }
            for meal in Meal
        ],
        "map_places": [
            {"name": place.name, "note": place.address, "lat": place.latitude, "lon": place.longitude,
             "open": page.open_until is not None}
        ],
        "centre": {"lat": latitude, "lon": longitude} if told else None,
        "at": at,
    }  # fmt: skip
    return render(request, "canteen/diner/venue.html", context)


@access.signed_in
@never_cache
@require_safe
def ticket(request: HttpRequest, entitlement_id: UUID) -> HttpResponse:
    """One voucher, large: the code, what it takes off, where and when it counts."""
    found = wallet.ticket(me(request), entitlement_id, now())
    return render(request, "canteen/diner/ticket_page.html", {"ticket": found, "tab": "wallet", **found.context})


@access.signed_in
@never_cache
@require_safe
def ticket_code(request: HttpRequest, entitlement_id: UUID) -> HttpResponse:
    """The code alone, fresh; when the voucher was used meanwhile, where and when. Only one's own."""
    found = wallet.ticket(me(request), entitlement_id, now())
    return render(request, "canteen/diner/code.html", {"ticket": found, **found.context})


def _may_print(request: HttpRequest, entitlement_id: UUID, at: datetime) -> None:
    """The holder, or an officer who gives these vouchers out. Raises: NotFound."""
    found = Entitlement.objects.select_related("terms").filter(pk=entitlement_id, terms__service="canteen").first()
    if found is None:
        raise NotFound
    if found.person_id != request.user.pk:
        try:
            access.require(access.actor_of(request), "canteen.issue", found.terms.payer_id, at)
        except NotAllowed:
            raise NotFound from None


@access.signed_in
@never_cache
@require_safe
def ticket_print(request: HttpRequest, entitlement_id: UUID) -> HttpResponse:
    """A voucher on paper, for one day."""
    at = now()
    _may_print(request, entitlement_id, at)
    try:
        day = date.fromisoformat(request.GET.get("day", ""))
    except ValueError:
        day = local_day(at)
    voucher = wallet.printed_voucher(entitlement_id, day, at)
    return render(request, "canteen/diner/print.html", {"voucher": voucher, "today": local_day(at)})


@access.signed_in
@never_cache
@require_safe
def claims(request: HttpRequest) -> HttpResponse:
    """Offers: open, coming, taken or gone."""
    at = now()
    context = {"offers": wallet.offers(me(request), at), "key": str(uuid7()), "at": at}
    return render(request, "canteen/diner/claims.html", context)


@access.signed_in
@require_POST
def claim(request: HttpRequest, grant_id: UUID) -> HttpResponse:
    """Take one. A refusal is said on the page of offers, where one can see the others."""
    try:
        receipt = claim_offer(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), grant_id=grant_id
        )
    except NotFound:
        raise
    except Problem as problem:
        messages.error(request, f"{problem.message}{problem.next_step}")
        return redirect("canteen:claims")
    messages.success(request, _("领到了,放进卡包了。"))
    return redirect("canteen:ticket", receipt.entitlement_id)


@access.signed_in
@never_cache
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """What one has eaten, and what it cost."""
    at, page = now(), page_number(request)
    uses, more = wallet.history(me(request), page)
    context: dict[str, Any] = {
        "uses": uses, "more": more, "page": page, "month": wallet.this_month(me(request), at), "at": at,
    }  # fmt: skip
    return render(request, "canteen/diner/history.html", context)
