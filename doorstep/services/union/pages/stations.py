"""Finding stations, coming in by the door's code, and the desk that keeps them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import at_local, local_day, now
from doorstep.kernel.common.errors import NotFound, Problem
from doorstep.kernel.common.forms import attempt
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.people.actions import find_by_phone, phone_or_refuse
from doorstep.kernel.places.geo import Position, distance_m
from doorstep.kernel.places.words import hours_in_words
from doorstep.services.union.actions import stations, visits
from doorstep.services.union.forms import stations as forms_of
from doorstep.services.union.models import Station, StationKind
from doorstep.services.union.pages.station_parts import FORM, answer, complain, complain_of, here, mine, named
from doorstep.services.union.queries import stations as queries
from doorstep.services.union.queries.finder import Found, near_stations
from doorstep.services.union.rules.stations import FACILITIES

SCANNED = "union_door"
FILTERS = ("microwave", "charging", "water", "first_aid", "wifi", "fridge", "seats", "aircon", "toilet")


# Finding -----------------------------------------------------------------------------------------------------------


def _row(found: Found, query: str) -> dict[str, Any]:
    place = found.place
    return {
        "name": place.name, "lat": place.latitude, "lon": place.longitude, "distance_m": place.distance_m,
        "note": "、".join(found.facility_titles[:4]) or place.address, "open": place.open_until is not None,
        "url": reverse("union:station", args=[found.station_id]) + query,
    }  # fmt: skip


@access.public
@require_safe
def finder(request: HttpRequest) -> HttpResponse:
    """Open now, near me, with these facilities: a list with distances, and a map where there is one."""
    at = now()
    longitude, latitude, told = here(request)
    chosen = [code for code in FILTERS if code in request.GET.getlist("f")]
    everything = request.GET.get("all") == "1"
    kinds = [kind for kind in request.GET.getlist("kind") if kind in StationKind.values]
    found = near_stations(
        longitude=longitude, latitude=latitude, at=at, facilities=chosen, open_now=not everything, kinds=kinds
    )
    query = "?" + urlencode({"lon": str(longitude), "lat": str(latitude)}) if told else ""
    context = {
        "found": found,
        "places": [_row(one, query) for one in found],
        "centre": {"lat": latitude, "lon": longitude},
        "told": told,
        "everything": everything,
        "kinds": [{"value": kind.value, "title": kind.label, "checked": kind.value in kinds} for kind in StationKind],
        "filters": [{"value": code, "title": FACILITIES[code], "checked": code in chosen} for code in FILTERS],
        "filtered": bool(chosen or kinds),
    }
    return render(request, "union/stations/finder.html", context)


@access.public
@require_safe
def station(request: HttpRequest, station_id: UUID) -> HttpResponse:
    """One station: open until when, what is there, how to get there."""
    page = queries.station_page(station_id, now())
    place = page.station.place
    longitude, latitude, told = here(request)
    away = distance_m(longitude, latitude, place.longitude, place.latitude) if told else None
    # Chinese map apps draw on the shifted grid; this is the edge at which it is entered.
    shown = Position(place.longitude, place.latitude).as_gcj02()
    to = f"{shown.longitude:.6f},{shown.latitude:.6f}"
    context = {
        "page": page,
        "station": page.station,
        "place": place,
        "hours": hours_in_words(place.opening_hours),
        "away": away,
        "map_places": [
            {"name": place.name, "note": page.station.gate or place.address, "lat": place.latitude, "lon": place.longitude,
             "open": page.open_until is not None, "distance_m": away}
        ],
        "centre": {"lat": latitude, "lon": longitude} if told else None,
        "directions": "https://uri.amap.com/navigation?" + urlencode({"to": f"{to},{place.name}", "mode": "walk"}),
        "datum": shown.datum,
        "met": sum(have.met for have in page.haves),
    }  # fmt: skip
    return render(request, "union/stations/station.html", context)


# Coming in ---------------------------------------------------------------------------------------------------------


@access.public
@never_cache
@require_safe
def door(request: HttpRequest, code: str) -> HttpResponse:
    """What the door's code opens. The moment of the scan is kept, so that signing in may take a while."""
    at = now()
    visits.read_door(code, at)
    request.session[SCANNED] = [code, at.isoformat()]
    return redirect("union:visit")


def _scanned(request: HttpRequest) -> tuple[str, datetime]:
    """Raises: NotFound when nothing was scanned in this browser."""
    kept = request.session.get(SCANNED)
    if not kept:
        raise NotFound(text=_("还没有扫门口的码。"), remedy=_("请用手机相机扫站点门口屏幕上的码。"))
    return kept[0], datetime.fromisoformat(kept[1])


def _coordinate(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


@access.signed_in
@never_cache
@require_http_methods(FORM)
def visit(request: HttpRequest) -> HttpResponse:
    """Say that one has come in."""
    actor, at = access.actor_of(request), now()
    code, scanned_at = _scanned(request)
    if request.method == "POST":
        receipt = visits.check_in_at_door(
            actor=actor, at=at, key=request.POST.get("key", ""), code=code, scanned_at=scanned_at,
            longitude=_coordinate(request.POST.get("lon", "")), latitude=_coordinate(request.POST.get("lat", "")),
        )  # fmt: skip
        del request.session[SCANNED]
        page = queries.station_page(receipt.station_id, at)
        return render(request, "union/stations/came_in.html", {"receipt": receipt, "page": page})
    found = visits.read_door(code, scanned_at)
    return render(request, "union/stations/visit.html", {"station": found, "key": uuid7()})


@access.signed_in
@require_http_methods(FORM)
def defect(request: HttpRequest, station_id: UUID) -> HttpResponse:
    """Anybody says what is broken."""
    at = now()
    page = queries.station_page(station_id, at)
    working = [(line.facility.code, line.title) for line in page.working]
    form = forms_of.DefectForm(request.POST or None, facilities=working)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = attempt(
            form, lambda: stations.report_defect(actor=access.actor_of(request), at=at, station_id=station_id, **given)
        )
        if made:
            messages.success(request, _("报修了,负责人已收到。"))
            return redirect("union:station", station_id)
    context = {
        "form": form, "heading": _("报修"), "sub": page.station.place.name, "label": _("报修"),
        "back": reverse("union:station", args=[station_id]), "tab": "services",
    }  # fmt: skip
    return answer(request, "union/stations/phone_form.html", context, form)


# The desk ----------------------------------------------------------------------------------------------------------


@access.needs("union.stations")
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    """All stations, those that need somebody first; visits by what people work as."""
    actor, at = access.actor_of(request), now()
    within = mine(actor, "union.stations", at)
    lines = queries.desk_stations(within)
    shares = queries.visits_by_occupation(at_local(datetime(2000, 1, 1).date()), at, organisation_ids=within)  # noqa: DTZ001
    alive = [line for line in lines if line.station.state != Station.State.EXITED]
    context = {
        "lines": lines,
        "shares": shares,
        "visits": sum(count for _title, count in shares),
        "homes": sum(line.station.kind == StationKind.HOME for line in alive),
        "posts": sum(line.station.kind == StationKind.STATION for line in alive),
        "defects": sum(line.defects_open for line in lines),
        "fix_minutes": queries.median_fix_minutes(within),
    }
    return render(request, "union/stations/desk.html", context)


@access.needs("union.stations")
@require_http_methods(FORM)
def station_new(request: HttpRequest) -> HttpResponse:
    """Put a home or a station on the map."""
    actor, at = access.actor_of(request), now()
    form = forms_of.StationForm(request.POST or None, organisations=named(mine(actor, "union.stations", at)))
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        organisation_id = UUID(given.pop("organisation"))
        given.pop("medicine_until")
        given["facilities"] = form.wanted()
        made = attempt(
            form,
            lambda: stations.add_station(actor=actor, at=at, organisation_id=organisation_id, **given),
            {"expires_on": "medicine_until"},
        )
        if made:
            messages.success(request, _("站点加好了,下一步拍六有、定负责人。"))
            return redirect("union:station-case", made.station_id)
    context = {
        "nav": "union:stations-desk", "form": form, "heading": _("新增站点"), "label": _("加到地图"),
        "back": reverse("union:stations-desk"),
    }  # fmt: skip
    return answer(request, "union/stations/desk_form.html", context, form)


@access.needs("union.stations")
@require_http_methods(FORM)
def station_edit(request: HttpRequest, station_id: UUID) -> HttpResponse:
    """Correct name, point, hours, gate, area."""
    actor, at = access.actor_of(request), now()
    found = _mine(actor, station_id, at)
    place = found.place
    fields = ("name", "address", "longitude", "latitude", "opening_hours", "area_m2")
    form = forms_of.PlaceFields(
        request.POST or None, initial={"gate": found.gate, **{field: getattr(place, field) for field in fields}}
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        if attempt(form, lambda: stations.change_station(actor=actor, at=at, station_id=station_id, **given)):
            messages.success(request, _("改好了。"))
            return redirect("union:station-case", station_id)
    context = {
        "nav": "union:stations-desk", "form": form, "heading": _("修改站点"), "sub": place.name, "label": _("保存"),
        "back": reverse("union:station-case", args=[station_id]),
    }  # fmt: skip
    return answer(request, "union/stations/desk_form.html", context, form)


def _mine(actor: Actor, station_id: UUID, at: datetime) -> Station:
    """A station of the reader's unions. Raises: NotFound."""
    found = Station.objects.select_related("place", "organisation").filter(pk=station_id).first()
    if found is None or not access.can(actor, "union.stations", found.organisation_id, at):
        raise NotFound
    return found


@access.needs("union.stations")
@require_safe
def station_case(request: HttpRequest, station_id: UUID) -> HttpResponse:
    """One station at the desk: the six, facilities, defects, unannounced visits, who came."""
    actor, at = access.actor_of(request), now()
    _mine(actor, station_id, at)
    page = queries.station_page(station_id, at)
    shares = queries.visits_by_occupation(page.station.added_at, at, station_id=station_id)
    methods = queries.visits_by_method(station_id)
    context = {
        "nav": "union:stations-desk",
        "page": page,
        "station": page.station,
        "place": page.station.place,
        "hours": hours_in_words(page.station.place.opening_hours),
        "met": sum(have.met for have in page.haves),
        "shares": shares,
        "taps": methods.get("tap", 0),
        "have_form": forms_of.HaveForm(prefix=None),
        "facility_form": forms_of.FacilityForm(),
        "inspection_form": forms_of.InspectionForm(),
        "keeper_form": forms_of.KeeperForm(),
        "today": local_day(at),
    }
    return render(request, "union/stations/case.html", context)


def _inspect(actor: Actor, at: datetime, station_id: UUID, given: dict[str, Any]) -> str:
    receipt = stations.inspect_station(actor=actor, at=at, station_id=station_id, **given)
    words = {
        "keep": _("记下了。"), "warn": _("低于 60 分,已警告,30 天内整改。"), "restore": _("整改合格,警告解除。"),
        "exit": _("已退出,从地图上拿下。"),
    }  # fmt: skip
    return words[receipt.verdict]


def _name_keeper(actor: Actor, at: datetime, station_id: UUID, given: dict[str, Any]) -> str:
    person = find_by_phone(phone_or_refuse(given["phone"]))
    if person is None:
        raise NotFound(text=_("这个手机号还没有登记。"), remedy=_("请本人先登录一次。"))
    stations.put_keeper(actor=actor, at=at, station_id=station_id, person_id=person.pk)
    return _("负责人定了。")


def _put_facility(actor: Actor, at: datetime, station_id: UUID, given: dict[str, Any]) -> str:
    given.pop("key")
    stations.put_facility(actor=actor, at=at, station_id=station_id, **given)
    return _("设施记好了。")


def _check_have(actor: Actor, at: datetime, station_id: UUID, given: dict[str, Any]) -> str:
    photo = given.pop("photo")
    stations.check_have(
        actor=actor, at=at, key=given["key"], station_id=station_id, have=given["have"], met=given["met"] == "yes",
        note_text=given["note_text"], photo_name=photo.name if photo else "", photo=photo.read() if photo else b"",
    )  # fmt: skip
    return _("记下了。")


Step = Callable[[Actor, datetime, UUID, dict[str, Any]], str]
STEPS: dict[str, tuple[type[forms.Form], Step]] = {
    "have": (forms_of.HaveForm, _check_have),
    "facility": (forms_of.FacilityForm, _put_facility),
    "inspection": (forms_of.InspectionForm, _inspect),
    "keeper": (forms_of.KeeperForm, _name_keeper),
}


@access.needs("union.stations")
@require_POST
def station_step(request: HttpRequest, station_id: UUID, step: str) -> HttpResponse:
    """One of the small forms of a station's case."""
    if step not in STEPS:
        raise NotFound
    form_class, take = STEPS[step]
    form = form_class(request.POST, request.FILES)
    if form.is_valid():
        try:
            messages.success(request, take(access.actor_of(request), now(), station_id, dict(form.cleaned_data)))
        except Problem as problem:
            complain(request, problem)
    else:
        complain_of(request, form)
    return redirect("union:station-case", station_id)


@access.needs("union.stations")
@require_POST
def station_exit(request: HttpRequest, station_id: UUID) -> HttpResponse:
    """Take it off the map."""
    try:
        stations.exit_station(
            actor=access.actor_of(request), at=now(), station_id=station_id, reason=request.POST.get("reason", "")
        )
        messages.success(request, _("已退出,从地图上拿下。"))
    except Problem as problem:
        complain(request, problem)
    return redirect("union:station-case", station_id)
