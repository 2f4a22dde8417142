"""The keeper's page: count who comes in, the door's code, what is broken, what is used up; and the door's own screen."""

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
from doorstep.kernel.common.access import DEVICE_COOKIE, DevicePrincipal
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import now
from doorstep.kernel.common.errors import NotFound, Problem
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.passes.codes import ROTATE_SECONDS
from doorstep.services.union.actions import doors, stations, visits
from doorstep.services.union.forms import stations as forms_of
from doorstep.services.union.models import Occupation, Station, Supply
from doorstep.services.union.pages.station_parts import complain, complain_of, mine
from doorstep.services.union.queries import stations as queries

YEAR_SECONDS = 60 * 60 * 24 * 365


def _kept(request: HttpRequest, station_id: UUID, at: datetime) -> Station:
    """A station this person keeps. Raises: NotFound."""
    found = Station.objects.select_related("place").filter(pk=station_id).first()
    if found is None or not stations.may_keep(access.actor_of(request), found, at):
        raise NotFound
    return found


@access.needs("union.station")
@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """The keeper's stations; with one only, that one."""
    actor, at = access.actor_of(request), now()
    assert actor.id is not None  # the face has seen to it
    found = queries.kept_by(actor.id, mine(actor, "union.station", at))
    if len(found) == 1:
        return redirect("union:keeper", found[0].pk)
    return render(request, "union/keeper/choose.html", {"stations": found})


@access.needs("union.station")
@never_cache
@require_safe
def keeper(request: HttpRequest, station_id: UUID) -> HttpResponse:
    """Everything a keeper does in a day, on one page."""
    at = now()
    _kept(request, station_id, at)
    page = queries.station_page(station_id, at)
    working = [(line.facility.code, line.title) for line in page.working]
    context = {
        "nav": "union:station-keeper",
        "page": page,
        "station": page.station,
        "place": page.station.place,
        "occupations": [{"value": one.value, "title": one.label, "key": uuid7()} for one in Occupation],
        "last": queries.last_visits(station_id),
        "card_key": uuid7(),
        "defect_form": forms_of.DefectForm(facilities=working),
        "supply_form": forms_of.SupplyForm(),
    }
    return render(request, "union/keeper/keeper.html", context)


def _tap(actor: Actor, at: datetime, station_id: UUID, given: dict[str, Any]) -> str:
    receipt = visits.record_tap(actor=actor, at=at, station_id=station_id, **given)
    return _("记一次:%(who)s(工作人员登记)") % {"who": Occupation(receipt.occupation).label}


class CardForm(forms.Form):
    """A member card, scanned or typed."""

    key = forms.CharField(max_length=80)
    card = forms.CharField(max_length=400)


def _card(actor: Actor, at: datetime, station_id: UUID, given: dict[str, Any]) -> str:
    receipt = visits.record_card(actor=actor, at=at, station_id=station_id, **given)
    if not receipt.first:
        return _("半小时内已经记过这个人,不重复算。")
    return _("记一次:%(who)s(会员卡)") % {"who": Occupation(receipt.occupation).label}


def _defect(actor: Actor, at: datetime, station_id: UUID, given: dict[str, Any]) -> str:
    stations.report_defect(actor=actor, at=at, station_id=station_id, **given)
    return _("报修了,修好前附近的人搜不到这项设施。")


def _supply(actor: Actor, at: datetime, station_id: UUID, given: dict[str, Any]) -> str:
    left = stations.move_supply(actor=actor, at=at, station_id=station_id, **given)
    return _("记好了,还剩 %(left)s 件。") % {"left": left}


Step = Callable[[Actor, datetime, UUID, dict[str, Any]], str]
STEPS: dict[str, Step] = {"tap": _tap, "card": _card, "defect": _defect, "supply": _supply}


def _form(step: str, request: HttpRequest, station: Station) -> forms.Form:
    if step == "defect":
        codes = [(code, code) for code in station.place.facilities]
        return forms_of.DefectForm(request.POST, facilities=codes)
    return {"tap": forms_of.TapForm, "card": CardForm, "supply": forms_of.SupplyForm}[step](request.POST)


@access.needs("union.station")
@require_POST
def keeper_step(request: HttpRequest, station_id: UUID, step: str) -> HttpResponse:
    """One of the keeper's small forms."""
    at = now()
    station = _kept(request, station_id, at)
    if step not in STEPS:
        raise NotFound
    form = _form(step, request, station)
    if form.is_valid():
        try:
            messages.success(request, STEPS[step](access.actor_of(request), at, station_id, form.cleaned_data))
        except Problem as problem:
            complain(request, problem)
    else:
        complain_of(request, form)
    return redirect("union:keeper", station_id)


@access.needs("union.station")
@require_POST
def fix(request: HttpRequest, defect_id: UUID) -> HttpResponse:
    """It works again."""
    actor, at = access.actor_of(request), now()
    back = reverse("union:station-keeper")
    try:
        stations.fix_defect(actor=actor, at=at, defect_id=defect_id, fix_note=request.POST.get("reason", ""))
        messages.success(request, _("修好了,已经放回地图。"))
    except Problem as problem:
        complain(request, problem)
    station = Station.objects.filter(defects__pk=defect_id).values_list("pk", flat=True).first()
    return redirect("union:keeper", station) if station else redirect(back)


@access.needs("union.station")
@require_POST
def use_supply(request: HttpRequest, supply_id: UUID) -> HttpResponse:
    """One of these was used."""
    supply = Supply.objects.filter(pk=supply_id).first()
    if supply is None:
        raise NotFound
    try:
        stations.move_supply(
            actor=access.actor_of(request), at=now(), key=request.POST.get("key", ""), station_id=supply.station_id,
            name=supply.name, change=-1, expires_on=supply.expires_on,
        )  # fmt: skip
    except Problem as problem:
        complain(request, problem)
    return redirect("union:keeper", supply.station_id)


# The door ----------------------------------------------------------------------------------------------------------


def _door_context(request: HttpRequest, station: Station, at: datetime) -> dict[str, Any]:
    code = visits.door_code(station.pk, at)
    return {
        "station": station, "place": station.place, "rotate_seconds": ROTATE_SECONDS, "at": at,
        "address": request.build_absolute_uri(reverse("union:door", args=[code])),
        "refresh": request.get_full_path(),
    }  # fmt: skip


def _door(request: HttpRequest, station: Station, at: datetime) -> HttpResponse:
    """The whole screen, or the code alone when htmx asks for it. Without scripts the page reloads itself."""
    context = _door_context(request, station, at)
    fragment = request.headers.get("HX-Request") == "true"
    response = render(request, "union/keeper/door_code.html" if fragment else "union/keeper/door.html", context)
    response["Vary"] = "HX-Request"
    if not fragment:
        response["Refresh"] = str(ROTATE_SECONDS * 20)
    return response


@access.needs("union.station")
@never_cache
@require_safe
def keeper_door(request: HttpRequest, station_id: UUID) -> HttpResponse:
    """The door's code on the keeper's own screen."""
    at = now()
    return _door(request, _kept(request, station_id, at), at)


@access.devices("door")
@never_cache
@require_safe
def door_screen(request: HttpRequest) -> HttpResponse:
    """The door's own screen: a code that changes all the time."""
    device: DevicePrincipal = request.device  # type: ignore[attr-defined]
    station = Station.objects.select_related("place").filter(place_id=device.place_id).first()
    if station is None:
        raise NotFound
    return _door(request, station, now())


@access.public
@never_cache
@require_http_methods(["GET", "POST"])
def door_pair(request: HttpRequest) -> HttpResponse:
    """Make this browser a door's screen with a code from the desk."""
    given = request.POST if request.method == "POST" else request.GET
    code = given.get("code", "").strip()
    context: dict[str, Any] = {"code": code}
    status = 200
    try:
        if request.method == "POST":
            paired = doors.pair_door(at=now(), code=code)
            response = redirect("union:door-screen")
            response.set_cookie(
                DEVICE_COOKIE,
                paired.token,
                max_age=YEAR_SECONDS,
                httponly=True,
                secure=request.is_secure(),
                samesite="Strict",
            )
            return response
        if code:
            context["offer"] = doors.read_pairing(at=now(), code=code)
    except Problem as problem:
        context["problem"], status = problem, problem.status
    return render(request, "union/keeper/pair.html", context, status=status)


@access.needs("union.stations")
@require_POST
def door_add(request: HttpRequest, station_id: UUID) -> HttpResponse:
    """A screen for a station's door: announce it and open its pairing page with a fresh code."""
    actor, at = access.actor_of(request), now()
    code = doors.add_door(actor=actor, at=at, station_id=station_id)
    return redirect(f"{reverse('union:door-pair')}?{urlencode({'code': code})}")
