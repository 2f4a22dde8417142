"""What may be asked of restaurants: the list with what each lacks, one case in full, and where to eat near here now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from doorstep.kernel.common.clock import local, local_day
from doorstep.kernel.common.errors import TooMany
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.places.hours import closes_at, next_opening
from doorstep.kernel.places.queries import calendar_overrides, nearest_places
from doorstep.services.canteen.actions.venues import PLACE_KIND
from doorstep.services.canteen.models import Agreement, Call, Meal, MenuItem, Paper, Venue
from doorstep.services.canteen.rules import vetting

MAX_ROWS = 100
LUNCH_ENDS_HOUR = 15


@dataclass(frozen=True, slots=True)
class VenueRow:
    """A restaurant in the officer's list. ``paper_ends`` is the last day on which all three kinds are good."""

    id: UUID
    name: str
    address: str
    state: str
    kinds: int
    paper_ends: date | None
    visits: int
    scores: int
    points: float | None
    meals_today: int

    @property
    def state_label(self) -> str:
        return str(Venue.State(self.state).label)


_VENUES = """
SELECT v.id, p.name, p.address, v.state, coalesce(papers.kinds, 0), papers.ends,
  (SELECT count(*) FROM canteen_sitevisit x WHERE x.venue_id = v.id), coalesce(scores.count, 0), scores.points,
  (SELECT count(*) FROM entitlements_use u WHERE u.payee_id = v.payee_id AND u.day = %(today)s AND u.reversed_at IS NULL)
FROM canteen_venue v JOIN places_place p ON p.id = v.place_id JOIN organisations_organisation o ON o.id = v.organisation_id
LEFT JOIN LATERAL (
  SELECT count(*) AS kinds, min(ends) AS ends FROM (
    SELECT kind, max(expires_on) AS ends FROM canteen_paper r WHERE r.venue_id = v.id AND r.replaced_at IS NULL
    GROUP BY kind HAVING max(expires_on) >= %(today)s) good) papers ON true
LEFT JOIN LATERAL (
  SELECT count(*) AS count, round(avg(kitchen + dishes + price + hours), 1)::float AS points
  FROM canteen_score s WHERE s.venue_id = v.id) scores ON true
WHERE o.path && %(organisations)s::uuid[] AND (%(states)s::text[] IS NULL OR v.state = ANY(%(states)s))
ORDER BY array_position(ARRAY['visited', 'applied', 'approved', 'suspended', 'open', 'rejected', 'closed'], v.state),
  v.applied_at DESC, v.id LIMIT %(limit)s
"""


def venues(
    organisation_ids: Sequence[UUID], at: datetime, states: Sequence[str] | None = None, limit: int = MAX_ROWS
) -> list[VenueRow]:
    """Restaurants of these organisations, those that wait for somebody first. One statement. Raises: TooMany."""
    if limit > MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    with connection.cursor() as cursor:
        cursor.execute(
            _VENUES,
            {
                "today": local_day(at),
                "organisations": list(organisation_ids),
                "states": list(states) if states is not None else None,
                "limit": limit,
            },
        )
        return [VenueRow(*row) for row in cursor.fetchall()]


def venue_case(venue_id: UUID) -> Venue | None:
    """A restaurant with everything that was collected about it. Nine statements."""
    return (
        Venue.objects.select_related("place", "organisation", "call", "decision__decided_by", "payee")
        .prefetch_related("papers__file", "visits__visitor", "scores__scorer", "agreements__signed_by", "changes")
        .filter(pk=venue_id)
        .first()
    )


def missing_papers(papers: Sequence[Paper], day: date) -> list[str]:
    """Names of the kinds without a good paper on this day."""
    current = [(paper.kind, paper.expires_on) for paper in papers if paper.replaced_at is None]
    return [str(Paper.Kind(kind).label) for kind in vetting.kinds_missing(current, day)]


def agreement_on(agreements: Sequence[Agreement], day: date) -> Agreement | None:
    """The newest agreement good on a day."""
    good = [agreement for agreement in agreements if agreement.valid_from <= day <= agreement.valid_until]
    return max(good, key=lambda agreement: agreement.signed_at, default=None)


def tills(place_id: UUID, limit: int = 20) -> list[Device]:
    return list(Device.objects.filter(place_id=place_id, kind="till").order_by("-created_at", "-pk")[:limit])


def calls(organisation_ids: Sequence[UUID] | None, at: datetime, limit: int = 20) -> list[Call]:
    """Calls of these organisations, or (None) all that take applications today. One statement."""
    found = Call.objects.select_related("organisation")
    if organisation_ids is None:
        today = local_day(at)
        found = found.filter(opens_on__lte=today, closes_on__gte=today)
    else:
        found = found.filter(organisation__path__overlap=list(organisation_ids))
    return list(found.order_by("-opens_on", "-pk")[:limit])


def managed_venues(organisation_ids: Sequence[UUID], limit: int = 20) -> list[Venue]:
    """Restaurants whose organisation one runs. One statement."""
    found = Venue.objects.select_related("place", "organisation").filter(organisation_id__in=list(organisation_ids))
    return list(found.order_by("place__name", "pk")[:limit])


def meal_now(at: datetime) -> str:
    """The meal people ask about at this time: lunch until three, then dinner."""
    return str(Meal.LUNCH if local(at).hour < LUNCH_ENDS_HOUR else Meal.DINNER)


@dataclass(frozen=True, slots=True)
class NearVenue:
    """A restaurant where a voucher is taken. ``open_until`` is None while it is closed; then ``opens_at`` says when."""

    id: UUID
    name: str
    address: str
    latitude: float
    longitude: float
    distance_m: int
    open_until: datetime | None
    opens_at: datetime | None
    dishes: tuple[str, ...]
    stars: float | None
    ratings: int
    facilities: tuple[str, ...]


_SERVING = """
SELECT v.place_id, v.id,
  (SELECT coalesce(json_agg(m.name ORDER BY m.position), '[]') FROM canteen_menuitem m
   WHERE m.venue_id = v.id AND m.day = %(today)s AND m.meal = %(meal)s),
  f.stars, f.count
FROM canteen_venue v
LEFT JOIN LATERAL (SELECT round(avg(stars), 1)::float AS stars, count(*) AS count FROM canteen_feedback f
  WHERE f.venue_id = v.id AND f.kind = 'rating' AND f.stars IS NOT NULL) f ON true
WHERE v.place_id = ANY(%(places)s) AND v.state = 'open' AND (
  SELECT count(DISTINCT kind) FROM canteen_paper r
  WHERE r.venue_id = v.id AND r.replaced_at IS NULL AND r.expires_on >= %(today)s) = 3
"""


def near_venues(*, longitude: float, latitude: float, at: datetime, limit: int = 20) -> list[NearVenue]:
    """Serving restaurants, those open now first, each group nearest first. Three statements. Raises: TooMany."""
    if limit > MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    places = nearest_places(
        longitude=longitude, latitude=latitude, at=at, kind=PLACE_KIND, open_now=False, limit=MAX_ROWS
    )
    parameters: dict[str, Any] = {
        "places": [place.place_id for place in places], "today": local_day(at), "meal": meal_now(at)
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_SERVING, parameters)
        serving = {row[0]: row[1:] for row in cursor.fetchall()}
    found = []
    for place in places:
        if place.place_id not in serving:
            continue
        venue_id, dishes, stars, ratings = serving[place.place_id]
        found.append(
            NearVenue(
                venue_id,
                place.name,
                place.address,
                place.latitude,
                place.longitude,
                place.distance_m,
                place.open_until,
                place.opens_at,
                tuple(dishes),
                stars,
                ratings,
                place.facilities,
            )
        )
    return sorted(found, key=lambda venue: (venue.open_until is None, venue.distance_m, str(venue.id)))[:limit]


@dataclass(frozen=True, slots=True)
class VenuePage:
    """What a diner sees of one restaurant."""

    venue: Venue
    open_until: datetime | None
    opens_at: datetime | None
    serving: bool
    menu: dict[str, list[MenuItem]]
    stars: float | None
    ratings: int


def venue_page(venue_id: UUID, at: datetime) -> VenuePage | None:
    """One restaurant with today's menu by meal, hours and rating; closed ones too, so that links stay good."""
    venue = Venue.objects.select_related("place").filter(pk=venue_id).first()
    if venue is None or venue.state in (Venue.State.APPLIED, Venue.State.VISITED, Venue.State.REJECTED):
        return None
    today = local_day(at)
    papers = Paper.objects.filter(venue=venue, replaced_at=None).values_list("kind", "expires_on")
    serving = venue.state == Venue.State.OPEN and not vetting.kinds_missing(papers, today)
    menu: dict[str, list[MenuItem]] = {}
    for item in MenuItem.objects.filter(venue=venue, day=today).order_by("meal", "position"):
        menu.setdefault(item.meal, []).append(item)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT round(avg(stars), 1)::float, count(stars) FROM canteen_feedback
               WHERE venue_id = %s AND kind = 'rating'""",
            [venue_id],
        )
        stars, ratings = cursor.fetchone()
    overrides = calendar_overrides(today)
    hours = venue.place.opening_hours
    until = closes_at(hours, at, overrides) if serving else None
    opens = next_opening(hours, at, overrides) if serving and until is None else None
    return VenuePage(venue, until, opens, serving, menu, stars, ratings)


@dataclass(frozen=True, slots=True)
class CounterToday:
    """Today at one restaurant: meals, people, and what comes from whom, in fen."""

    meals: int
    persons: int
    list_fen: int
    union_fen: int
    worker_fen: int
    by_hour: tuple[tuple[str, int], ...]


def counter_today(venue: Venue, at: datetime) -> CounterToday:
    """Two statements."""
    today = local_day(at)
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*), count(DISTINCT person_id), coalesce(sum(list_price_fen), 0)::bigint,
                 coalesce(sum(payer_fen), 0)::bigint, coalesce(sum(person_fen), 0)::bigint
               FROM entitlements_use WHERE payee_id = %s AND day = %s AND reversed_at IS NULL""",
            [venue.payee_id, today],
        )
        meals, persons, list_fen, union_fen, worker_fen = cursor.fetchone()
        cursor.execute(
            """SELECT extract(hour FROM at AT TIME ZONE 'Asia/Shanghai')::int, count(*) FROM entitlements_use
               WHERE payee_id = %s AND day = %s AND reversed_at IS NULL GROUP BY 1 ORDER BY 1""",
            [venue.payee_id, today],
        )
        hours = tuple((f"{hour}:00", count) for hour, count in cursor.fetchall())
    return CounterToday(meals, persons, list_fen, union_fen, worker_fen, hours)


def menu_of(venue_id: UUID, day: date, meal: str) -> list[MenuItem]:
    return list(MenuItem.objects.filter(venue_id=venue_id, day=day, meal=meal).order_by("position")[:MAX_ROWS])


def menus_from(venue_id: UUID, day: date, days: int = 7) -> set[tuple[date, str]]:
    """Which meals of the coming days have a menu."""
    found = MenuItem.objects.filter(venue_id=venue_id, day__range=(day, day + timedelta(days=days - 1)))
    return set(found.values_list("day", "meal").distinct())


def papers_to_renew(venue_ids: Sequence[UUID], day: date, within_days: int = 30) -> list[Paper]:
    """Current papers that end soon or have ended, soonest first. One statement."""
    found = Paper.objects.select_related("venue__place").filter(
        Q(expires_on__lte=day + timedelta(days=within_days)), venue_id__in=list(venue_ids), replaced_at=None
    )
    return list(found.order_by("expires_on", "pk")[:MAX_ROWS])
