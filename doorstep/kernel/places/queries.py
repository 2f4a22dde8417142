"""What may be asked about places: the calendar's overrides, and the nearest open now with these facilities."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection

from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import TooMany
from doorstep.kernel.places.geo import distance_m
from doorstep.kernel.places.hours import LOOK_AHEAD_DAYS, closes_at, next_opening
from doorstep.kernel.places.models import CalendarDay

MAX_ROWS = 100
CANDIDATES = 400  # how many of the nearest are looked at for being open


def calendar_overrides(day: date) -> dict[date, str]:
    """Loaded holidays and make-up workdays around a day."""
    span = (day - timedelta(days=1), day + timedelta(days=LOOK_AHEAD_DAYS + 1))
    return dict(CalendarDay.objects.filter(day__range=span).values_list("day", "kind"))


@dataclass(frozen=True, slots=True)
class NearPlace:
    """A place as the finder lists it. ``open_until`` is None when closed; then ``opens_at`` says when it opens."""

    place_id: UUID
    name: str
    address: str
    longitude: float
    latitude: float
    distance_m: int
    facilities: tuple[str, ...]
    open_until: datetime | None
    opens_at: datetime | None


def nearest_places(
    *,
    longitude: float,
    latitude: float,
    at: datetime,
    kind: str,
    facilities: Sequence[str] = (),
    open_now: bool = True,
    limit: int = 20,
) -> list[NearPlace]:
    """Places of a kind, nearest first, by default only those open at this instant. Two statements.

    Raises: TooMany when more than 100 are asked for.
    """
    if limit > MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    overrides = calendar_overrides(local_day(at))
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, name, address, longitude, latitude, facilities, opening_hours FROM places_place
               WHERE kind = %s AND facilities @> %s::text[] AND (closed_on IS NULL OR closed_on > %s)
               ORDER BY point(longitude, latitude) <-> point(%s, %s), id LIMIT %s""",
            [kind, list(facilities), local_day(at), longitude, latitude, CANDIDATES],
        )
        rows = cursor.fetchall()
    found: list[NearPlace] = []
    for place_id, name, address, lon, lat, has, hours in rows:
        until = closes_at(hours, at, overrides)
        if open_now and until is None:
            continue
        opens = None if until else next_opening(hours, at, overrides)
        away = distance_m(longitude, latitude, lon, lat)
        found.append(NearPlace(place_id, name, address, lon, lat, away, tuple(has), until, opens))
        if len(found) >= limit:
            break
    # Degrees of longitude are shorter than degrees of latitude: the index's order is close, this one is right.
    return sorted(found, key=lambda place: (place.distance_m, str(place.place_id)))
