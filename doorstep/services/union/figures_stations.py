"""Figures of stations and activities (6, 11, 12, 13), computed from their records; nothing of them is stored."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Min, Q, Sum
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.bookings.models import Booking
from doorstep.kernel.common.clock import local
from doorstep.kernel.common.rooms import Figure, FigureRows
from doorstep.kernel.places.hours import DayKind, day_kind
from doorstep.services.union.models import (
    Event,
    Facility,
    Occupation,
    Prize,
    PrizeClaim,
    Score,
    Station,
    StationKind,
    Team,
    Visit,
)
from doorstep.services.union.queries.activities import results_of
from doorstep.services.union.rules.stations import FACILITIES

MAX_ROWS = 100
PAGE_DAY = date(2025, 5, 9)
HOLIDAY_NEAR = timedelta(days=3)
SIX = {"microwave", "seats", "first_aid", "wifi", "charging", "fridge"}
PAGE_OCCUPATIONS = {"courier", "rider", "ride_driver"}
LEAST_VISITS = 8_000


def _around_a_holiday(event: Event) -> bool:
    """Does an event touch a public holiday or the days next to one?"""
    first, last = event.starts_on - HOLIDAY_NEAR, event.ends_on + HOLIDAY_NEAR
    days = (last - first).days + 1
    return any(day_kind(first + timedelta(days=number), {}) is DayKind.HOLIDAY for number in range(days))


def games() -> Figure:
    """Every closed event lies around a holiday, its table comes out again, its teams and prizes add up; check-ups booked."""
    events = list(Event.objects.order_by("starts_on", "pk")[:MAX_ROWS])
    held = [event for event in events if event.state == Event.State.CLOSED]
    reproduced = all(results_of(event.pk).digest == event.results_digest for event in held)
    teams = Team.objects.filter(event__in=held)
    occupations = set(teams.values_list("occupation", flat=True).distinct())
    smallest = teams.annotate(people=Count("members")).aggregate(least=Min("people"))["least"] or 0
    claims = PrizeClaim.objects.count()
    taken = Prize.objects.aggregate(taken=Sum("taken"))["taken"] or 0
    scores = Score.objects.count()
    booked = Booking.objects.filter(session__union_checkup__isnull=False).exclude(state=Booking.State.CANCELLED).count()
    good = (
        bool(held)
        and all(_around_a_holiday(event) for event in events)
        and reproduced
        and occupations >= PAGE_OCCUPATIONS
        and smallest >= 2
        and 0 < claims == taken
        and booked > 0
    )
    team_count = teams.count()
    computed = str(_("{events} 场节日活动,{teams} 个队,{prizes} 份奖品,{booked} 人约体检")).format(
        events=len(held), teams=team_count, prizes=claims, booked=booked
    )
    values = {"events": str(len(held)), "teams": str(team_count), "prizes": f"{claims:,}", "checkups": f"{booked:,}"}
    label, page = _("节日游艺活动和体检"), str(_("节假日前后组队游戏、领奖品、体检"))
    return Figure(6, "games", label, page, computed, scores + claims + booked, good, values, _teams_by_occupation())


def _teams_by_occupation() -> tuple[tuple[str, int], ...]:
    rows = Team.objects.order_by().values_list("occupation").annotate(n=Count("members")).order_by("-n", "occupation")
    return tuple((str(Occupation(code).label), count) for code, count in rows)


def _there_then() -> Any:
    """Stations that were open on the page's day."""
    closed = Q(place__closed_on__isnull=True) | Q(place__closed_on__gt=PAGE_DAY)
    return Station.objects.filter(closed, place__opened_on__lte=PAGE_DAY)


def _first_home() -> Station | None:
    """The home the page tells of: the one opened on its day."""
    found: Station | None = (
        _there_then()
        .filter(kind=StationKind.HOME, place__opened_on=PAGE_DAY)
        .select_related("place", "organisation")
        .order_by("added_at", "pk")
        .first()
    )
    return found


def home() -> Figure:
    """Area, gate and equipment of the home that opened on the page's day."""
    station = _first_home()
    codes = [] if station is None else _equipment(station)
    area = station.place.area_m2 if station else None
    gate = station.gate if station else ""
    titles = "、".join(str(FACILITIES[code]) for code in codes)
    good = area is not None and 38 <= area <= 42 and "1 号门" in gate and set(codes) == SIX
    computed = str(_("{area} 平方米,{gate},{n} 项设施")).format(area=f"{area or 0:.0f}", gate=gate or "—", n=len(codes))
    values = {
        "name": station.place.name if station else "", "area": f"{area or 0:.0f}", "gate": gate,
        "count": str(len(codes)), "facilities": titles,
    }  # fmt: skip
    label, page = _("劳动者之家:面积、门、设施"), str(_("约 40 平方米,1 号门旁,6 项设施"))
    return Figure(11, "home", label, page, computed, len(codes), good, values)


def _equipment(station: Station) -> list[str]:
    """What the home is equipped with, whether or not it is being mended today."""
    there = set(
        Facility.objects.filter(station=station).exclude(state=Facility.State.REMOVED).values_list("code", flat=True)
    )
    return [code for code in FACILITIES if code in there]


def stations() -> Figure:
    """Homes and stations open on the page's day."""
    kinds = dict(_there_then().order_by().values_list("kind").annotate(n=Count("pk")))
    homes, posts = kinds.get(StationKind.HOME.value, 0), kinds.get(StationKind.STATION.value, 0)
    words = str(_("{homes} 个劳动者之家,{posts} 个工会驿站"))
    computed, page = words.format(homes=homes, posts=posts), words.format(homes=20, posts=7)
    values = {"homes": str(homes), "posts": str(posts)}
    label = _("劳动者之家和工会驿站")
    return Figure(12, "stations", label, page, computed, homes + posts, (homes, posts) == (20, 7), values)


def visits() -> Figure:
    """All visits; the headline may not exceed the distinct evidence rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT slot), count(*) FILTER (WHERE method = 'tap') FROM union_visit")
        headline, distinct, taps = cursor.fetchone()
    computed = str(_("{n} 人次")).format(n=f"{headline:,}")
    values = {"visits": f"{headline:,}", "taps": f"{taps:,}"}
    page = str(_("超过 8,000 人次"))
    good = headline > LEAST_VISITS and headline == distinct
    return Figure(13, "visits", _("服务人次"), page, computed, distinct, good, values, _visits_by_occupation())


def _visits_by_occupation() -> tuple[tuple[str, int], ...]:
    rows = Visit.objects.order_by().values_list("occupation").annotate(n=Count("pk")).order_by("-n", "occupation")
    return tuple((str(Occupation(code).label), count) for code, count in rows)


FIGURES: dict[str, Callable[[], Figure]] = {"games": games, "home": home, "stations": stations, "visits": visits}


def _game_rows() -> FigureRows:
    claims = PrizeClaim.objects.select_related("prize", "stall__event").order_by("-claimed_at", "-pk")
    return FigureRows(
        (_("时间"), _("活动"), _("摊位"), _("奖品"), _("给出")),
        tuple(
            (
                f"{local(claim.claimed_at):%Y-%m-%d %H:%M}", claim.stall.event.title, claim.stall.name, claim.prize.name,
                f"{local(claim.handed_over_at):%Y-%m-%d %H:%M}" if claim.handed_over_at else "—",
            )
            for claim in claims[:MAX_ROWS]
        ),
        claims.count(),
    )  # fmt: skip


def _home_rows() -> FigureRows:
    station = _first_home()
    rows = [] if station is None else list(station.facilities.exclude(state=Facility.State.REMOVED).order_by("code"))
    return FigureRows(
        (_("设施"), _("状态"), _("有效期")),
        tuple(
            (
                str(FACILITIES[row.code]),
                str(row.get_state_display()),
                row.expires_on.isoformat() if row.expires_on else "—",
            )
            for row in rows
        ),
        len(rows),
    )


def _station_rows() -> FigureRows:
    rows = _there_then().select_related("place", "organisation").order_by("kind", "place__name")
    return FigureRows(
        (_("站点"), _("种类"), _("地址"), _("单位")),
        tuple(
            (row.place.name, str(row.get_kind_display()), row.place.address, row.organisation.name)
            for row in rows[:MAX_ROWS]
        ),
        rows.count(),
    )


def _visit_rows() -> FigureRows:
    rows = Visit.objects.select_related("station__place").order_by("-at", "-pk")
    return FigureRows(
        (_("时间"), _("站点"), _("职业"), _("怎么记的")),
        tuple(
            (
                f"{local(row.at):%Y-%m-%d %H:%M}", row.station.place.name, str(row.get_occupation_display()),
                str(row.get_method_display()),
            )
            for row in rows[:MAX_ROWS]
        ),
        rows.count(),
    )  # fmt: skip


EVIDENCE: dict[str, Callable[[], FigureRows]] = {
    "games": _game_rows,
    "home": _home_rows,
    "stations": _station_rows,
    "visits": _visit_rows,
}
