"""The restaurant's own desk: today at the counter, the menu, papers and tills; and how a restaurant applies."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import local_day, now
from doorstep.kernel.common.errors import NotAllowed, NotFound
from doorstep.services.canteen.actions import venues
from doorstep.services.canteen.forms.parts import attempt
from doorstep.services.canteen.forms.union import TillForm
from doorstep.services.canteen.forms.venue import ApplyForm, MenuForm, PaperForm
from doorstep.services.canteen.models import Call, Meal, Venue
from doorstep.services.canteen.pages.parts import answer, mine
from doorstep.services.canteen.queries import venues as queries

FORM = ("GET", "HEAD", "POST")
MENU_DAYS = 7


@access.needs("canteen.venue")
@require_safe
def counter(request: HttpRequest) -> HttpResponse:
    """My restaurant; with several, which one."""
    actor, at = access.actor_of(request), now()
    found = queries.managed_venues(mine(actor, "canteen.venue", at))
    if len(found) == 1:
        return _counter(request, actor, found[0])
    return render(request, "canteen/venue/choose.html", {"nav": "canteen:counter", "venues": found})


def _managed(actor: Actor, venue_id: UUID, at: Any) -> Venue:
    """Raises: NotFound, NotAllowed."""
    venue = Venue.objects.select_related("place", "organisation").filter(pk=venue_id).first()
    if venue is None:
        raise NotFound
    if not any(access.can(actor, one, venue.organisation_id, at) for one in ("canteen.venue", "canteen.vet")):
        raise NotAllowed
    return venue


@access.signed_in
@require_safe
def counter_of(request: HttpRequest, venue_id: UUID) -> HttpResponse:
    """One restaurant's counter."""
    actor = access.actor_of(request)
    return _counter(request, actor, _managed(actor, venue_id, now()))


def _counter(request: HttpRequest, actor: Actor, venue: Venue) -> HttpResponse:
    at = now()
    today = local_day(at)
    papers = sorted(
        venue.papers.filter(replaced_at=None).select_related("file"), key=lambda one: (one.expires_on, str(one.pk))
    )
    with_menu = queries.menus_from(venue.pk, today, MENU_DAYS)
    days = [today + timedelta(days=offset) for offset in range(MENU_DAYS)]
    context = {
        "nav": "canteen:counter",
        "venue": venue,
        "sums": queries.counter_today(venue, at),
        "papers": papers,
        "missing": queries.missing_papers(papers, today),
        "tills": queries.tills(venue.place_id),
        "till_form": TillForm(),
        "menu_days": [
            {
                "day": day,
                "meals": [
                    {
                        "title": meal.label,
                        "there": (day, meal.value) in with_menu,
                        "url": f"{reverse('canteen:counter-menu', args=[venue.pk])}?day={day}&meal={meal.value}",
                    }
                    for meal in Meal
                ],
            }
            for day in days
        ],
        "no_lunch_today": (today, Meal.LUNCH.value) not in with_menu,
        "today": today,
        "soon": today + timedelta(days=30),
        "at": at,
    }
    return render(request, "canteen/venue/counter.html", context)


def _asked_day(request: HttpRequest, today: date) -> date:
    try:
        return date.fromisoformat(request.GET.get("day", ""))
    except ValueError:
        return today


@access.signed_in
@require_http_methods(FORM)
def counter_menu(request: HttpRequest, venue_id: UUID) -> HttpResponse:
    """Put up the set of one meal; yesterday's same meal is the suggestion."""
    actor, at = access.actor_of(request), now()
    venue = _managed(actor, venue_id, at)
    today = local_day(at)
    day, meal = _asked_day(request, today), request.GET.get("meal", queries.meal_now(at))
    items = queries.menu_of(venue_id, day, meal) or queries.menu_of(venue_id, day - timedelta(days=1), meal)
    lines = {kind: "\n".join(item.name for item in items if item.kind == kind) for kind in ("dish", "soup")}
    form = MenuForm(
        request.POST or None, initial={"day": day, "meal": meal, "dishes": lines["dish"], "soups": lines["soup"]}
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        put_up = attempt(
            form,
            lambda: venues.add_menu(
                actor=actor, at=at, venue_id=venue_id, day=given["day"], meal=given["meal"],
                dishes=form.lines("dishes"), soups=form.lines("soups"),
            ),
        )  # fmt: skip
        if put_up:
            messages.success(request, _("菜单挂出来了,%(count)s 道。") % {"count": put_up})
            return redirect("canteen:counter-of", venue_id)
    context = {
        "nav": "canteen:counter", "form": form, "heading": _("挂菜单"), "sub": venue.place.name, "label": _("挂出来"),
        "back": reverse("canteen:counter-of", args=[venue_id]),
    }  # fmt: skip
    return answer(request, "canteen/union/form.html", context, form)


@access.signed_in
@require_http_methods(FORM)
def counter_paper(request: HttpRequest, venue_id: UUID) -> HttpResponse:
    """Register a licence."""
    actor, at = access.actor_of(request), now()
    venue = _managed(actor, venue_id, at)
    form = PaperForm(request.POST or None, request.FILES or None, initial={"kind": request.GET.get("kind", "")})
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        file = given["file"]
        added = attempt(
            form,
            lambda: venues.add_paper(
                actor=actor, at=at, key=given["key"], venue_id=venue_id, kind=given["kind"], number=given["number"],
                holder=given["holder"], expires_on=given["expires_on"], file_name=file.name if file else "",
                file_content=file.read() if file else b"",
            ),
        )  # fmt: skip
        if added:
            messages.success(request, _("证照登记好了,到期前会提醒您。"))
            return redirect("canteen:counter-of", venue_id)
    context = {
        "nav": "canteen:counter", "form": form, "heading": _("登记证照"), "sub": venue.place.name, "label": _("登记"),
        "back": reverse("canteen:counter-of", args=[venue_id]), "files": True,
    }  # fmt: skip
    return answer(request, "canteen/union/form.html", context, form)


@access.public
@require_safe
def join(request: HttpRequest) -> HttpResponse:
    """Calls that take applications today."""
    return render(request, "canteen/venue/join.html", {"calls": queries.calls(None, now())})


@access.signed_in
@require_http_methods(FORM)
def apply(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """Apply with one's restaurant."""
    actor, at = access.actor_of(request), now()
    call = Call.objects.select_related("organisation").filter(pk=call_id).first()
    if call is None:
        raise NotFound
    form = ApplyForm(request.POST or None, initial={"contact_name": actor.label})
    if request.method == "POST" and form.is_valid():
        given = {name: value for name, value in form.cleaned_data.items() if name != "key"}
        receipt = attempt(
            form,
            lambda: venues.apply_venue(actor=actor, at=at, key=form.cleaned_data["key"], call_id=call_id, **given),
        )
        if receipt:
            messages.success(request, _("报名收到了。下一步:把三种证照登记上来。"))
            return redirect("canteen:counter-of", receipt.venue_id)
    return answer(request, "canteen/venue/apply.html", {"call": call, "form": form}, form)
