"""What may be asked about stations: one with everything known of it, the desk's list, a keeper's own, visits in numbers."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, OuterRef, Q, Subquery

from doorstep.kernel.common.clock import day_bounds, local_day
from doorstep.kernel.common.errors import NotFound
from doorstep.kernel.places.hours import closes_at, next_opening
from doorstep.kernel.places.queries import calendar_overrides
from doorstep.services.union.models import (
    Defect,
    Facility,
    Have,
    HaveCheck,
    Inspection,
    Occupation,
    Station,
    Supply,
    Visit,
)
from doorstep.services.union.rules.stations import FACILITIES

MAX_ROWS = 100


@dataclass(frozen=True, slots=True)
class HaveLine:
    """One of the six as it was last seen."""

    code: str
    title: str
    check: HaveCheck | None

    @property
    def met(self) -> bool:
        return self.check is not None and self.check.met


@dataclass(frozen=True, slots=True)
class FacilityView:
    """A facility in words."""

    facility: Facility
    title: str
    expired: bool
    soon: bool


@dataclass(frozen=True, slots=True)
class StationPage:
    """A station with everything known of it. ``open_until`` None: closed; then ``opens_at`` says when it opens."""

    station: Station
    haves: list[HaveLine]
    facilities: list[FacilityView]
    defects: list[Defect]
    inspections: list[Inspection]
    supplies: list[Supply]
    visits_today: int
    visits: int
    open_until: datetime | None
    opens_at: datetime | None

    @property
    def working(self) -> list[FacilityView]:
        return [line for line in self.facilities if line.facility.state == Facility.State.WORKING and not line.expired]


def newest_haves(station_ids: list[UUID]) -> dict[UUID, dict[str, HaveCheck]]:
    """Station → which of the six → its newest check. One statement."""
    rows = HaveCheck.objects.filter(station_id__in=station_ids)
    found: dict[UUID, dict[str, HaveCheck]] = {}
    for row in rows.order_by("station_id", "have", "-checked_on", "-pk").distinct("station_id", "have"):
        found.setdefault(row.station_id, {})[row.have] = row
    return found


def station_page(station_id: UUID, at: datetime) -> StationPage:
    """Nine statements. Raises: NotFound."""
    rows = Station.objects.select_related("place", "organisation", "keeper")
    station = rows.filter(pk=station_id).first()
    if station is None:
        raise NotFound
    today = local_day(at)
    overrides = calendar_overrides(today)
    hours = station.place.opening_hours
    checks = newest_haves([station.pk]).get(station.pk, {})
    known = {row.code: row for row in Facility.objects.filter(station=station).exclude(state=Facility.State.REMOVED)}
    until = closes_at(hours, at, overrides)
    counts = Visit.objects.filter(station=station).aggregate(
        all=Count("pk"), today=Count("pk", filter=Q(at__gte=day_bounds(today)[0]))
    )
    defects = Defect.objects.filter(station=station).select_related("facility", "reported_by", "fixed_by")
    return StationPage(
        station=station,
        haves=[HaveLine(have.value, str(have.label), checks.get(have.value)) for have in Have],
        facilities=[_view(known[code], today) for code in FACILITIES if code in known],
        defects=list(defects.order_by(F("fixed_at").desc(nulls_first=True), "-reported_at")[:20]),
        inspections=list(station.inspections.select_related("inspector").order_by("-visited_at")[:20]),
        supplies=list(station.supplies.filter(quantity__gt=0).order_by("name", "expires_on")[:MAX_ROWS]),
        visits_today=counts["today"],
        visits=counts["all"],
        open_until=until,
        opens_at=None if until else next_opening(hours, at, overrides),
    )


def _view(facility: Facility, today: date) -> FacilityView:
    expires = facility.expires_on
    expired = expires is not None and expires < today
    soon = expires is not None and not expired and expires <= today + timedelta(days=30)
    return FacilityView(facility, str(FACILITIES[facility.code]), expired, soon)


@dataclass(frozen=True, slots=True)
class DeskLine:
    """A station as the desk lists it."""

    station: Station
    haves_met: int
    defects_open: int
    last_points: int | None
    visits: int


def desk_stations(organisation_ids: list[UUID], limit: int = MAX_ROWS) -> list[DeskLine]:
    """A union's stations, those that need somebody first. Two statements."""
    open_defects = Defect.objects.filter(station=OuterRef("pk"), fixed_at=None).order_by()
    last = Inspection.objects.filter(station=OuterRef("pk")).order_by("-visited_at")
    points = F("open_as_posted") + F("working") + F("tidy") + F("records")
    visits = Visit.objects.filter(station=OuterRef("pk")).order_by()
    rows = Station.objects.filter(organisation__path__overlap=organisation_ids).select_related("place", "keeper")
    rows = rows.annotate(
        defects_open=Subquery(open_defects.values("station").annotate(n=Count("pk")).values("n")),
        last_points=Subquery(last.annotate(total=points).values("total")[:1]),
        visit_count=Subquery(visits.values("station").annotate(n=Count("pk")).values("n")),
    )
    found = list(rows.order_by(F("defects_open").desc(nulls_last=True), "place__name", "pk")[:limit])
    haves = newest_haves([row.pk for row in found])
    return [
        DeskLine(
            row,
            sum(check.met for check in haves.get(row.pk, {}).values()),
            row.defects_open or 0,
            row.last_points,
            row.visit_count or 0,
        )
        for row in found
    ]


def kept_by(person_id: UUID, organisation_ids: list[UUID], limit: int = MAX_ROWS) -> list[Station]:
    """Stations a keeper may act in: their own first, then others of their union. One statement."""
    rows = Station.objects.select_related("place").exclude(state=Station.State.EXITED)
    mine = Q(keeper_id=person_id)
    found = rows.filter(mine | Q(organisation__path__overlap=organisation_ids))
    return list(found.annotate(own=Count("pk", filter=mine)).order_by("-own", "place__name", "pk")[:limit])


_SHARES = """
SELECT v.occupation, count(*) FROM union_visit v JOIN union_station s ON s.id = v.station_id
JOIN organisations_organisation o ON o.id = s.organisation_id
WHERE v.at >= %(start)s AND v.at < %(end)s AND (%(within)s::uuid[] IS NULL OR o.path && %(within)s::uuid[])
  AND (%(station)s::uuid IS NULL OR v.station_id = %(station)s::uuid)
GROUP BY 1 ORDER BY 2 DESC, 1
"""


def visits_by_occupation(
    start: datetime, end: datetime, *, organisation_ids: list[UUID] | None = None, station_id: UUID | None = None
) -> list[tuple[str, int]]:
    """Title of an occupation and its visits, most first. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_SHARES, {"start": start, "end": end, "within": organisation_ids, "station": station_id})
        return [(str(Occupation(code).label), count) for code, count in cursor.fetchall()]


def visits_by_method(station_id: UUID | None = None) -> dict[str, int]:
    rows = Visit.objects.all() if station_id is None else Visit.objects.filter(station_id=station_id)
    return dict(rows.order_by().values_list("method").annotate(n=Count("pk")))


def last_visits(station_id: UUID, limit: int = 10) -> list[Visit]:
    return list(Visit.objects.filter(station_id=station_id).select_related("person").order_by("-at", "-pk")[:limit])


def median_fix_minutes(organisation_ids: list[UUID]) -> int | None:
    """How long a repair takes, half of the time. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.fixed_at - d.reported_at) / 60)
               FROM union_defect d JOIN union_station s ON s.id = d.station_id
               JOIN organisations_organisation o ON o.id = s.organisation_id
               WHERE d.fixed_at IS NOT NULL AND o.path && %s::uuid[]""",
            [organisation_ids],
        )
        (minutes,) = cursor.fetchone()
        return None if minutes is None else round(minutes)
