"""What may be asked about places: the calendar's overrides, and the nearest open now with these facilities."""

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from heapq import heappush, heappushpop
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import TooMany
from doorstep.kernel.places.geo import degrees_around, metres_between
from doorstep.kernel.places.hours import LOOK_AHEAD_DAYS, closes_at, next_opening
from doorstep.kernel.places.models import CalendarDay

MAX_ROWS = 100
FIRST_BATCH, LARGEST_BATCH = 128, 4096  # rows read at a time while looking for open ones; each batch doubles
SLACK_DEGREES = 1e-9  # a tenth of a millimetre: more than floating point can err by


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
    kind: str | Sequence[str],
    facilities: Sequence[str] = (),
    open_now: bool = True,
    limit: int = 20,
) -> list[NearPlace]:
    """Places of a kind (or of several), nearest first on the ground, by default only those open at this instant.

    The index hands rows out in the order of plane degrees. They are read in growing batches until enough open ones are
    found *and* every row not yet read is certainly farther than the last of them: the answer is exact.

    Raises: TooMany when more than 100 are asked for.
    """
    if not 1 <= limit <= MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    overrides = calendar_overrides(local_day(at))
    kinds = [kind] if isinstance(kind, str) else list(kind)
    with (
        transaction.atomic(savepoint=False),
        closing(_outwards(longitude, latitude, kinds, facilities, local_day(at))) as rows,
    ):
        found, until = _nearest(rows, longitude, latitude, at, overrides, open_now=open_now, limit=limit)
    return [_near(row, metres, until[row[6]], at, overrides) for metres, row in found]


def _nearest(
    rows: Iterator[tuple[Any, ...]],
    longitude: float,
    latitude: float,
    at: datetime,
    overrides: dict[date, str],
    *,
    open_now: bool,
    limit: int,
) -> tuple[list[tuple[float, tuple[Any, ...]]], dict[str, datetime | None]]:
    """The ``limit`` nearest rows with their metres, and until when each opening expression keeps a place open."""
    until: dict[str, datetime | None] = {}  # few expressions, many places: each is asked once
    nearest: list[tuple[float, int, tuple[Any, ...]]] = []  # a heap with the farthest on top
    frontier = math.inf
    for row in rows:
        hours, degrees = row[6], row[7]
        if degrees > frontier:
            break
        if hours not in until:
            until[hours] = closes_at(hours, at, overrides)
        if open_now and until[hours] is None:
            continue
        # Equal distances go by id, smallest first: a negative number on this heap of negatives.
        entry = (-metres_between(longitude, latitude, row[3], row[4]), -row[0].int, row)
        if len(nearest) < limit:
            heappush(nearest, entry)
        else:
            heappushpop(nearest, entry)
        if len(nearest) == limit:
            frontier = degrees_around(latitude, -nearest[0][0]) + SLACK_DEGREES
    return [(-metres, row) for metres, _id, row in sorted(nearest, reverse=True)], until


def _near(
    row: tuple[Any, ...], metres: float, until: datetime | None, at: datetime, overrides: dict[date, str]
) -> NearPlace:
    place_id, name, address, longitude, latitude, facilities, hours, _degrees = row
    opens = None if until else next_opening(hours, at, overrides)
    return NearPlace(place_id, name, address, longitude, latitude, round(metres), tuple(facilities), until, opens)


_OUTWARDS = """DECLARE outwards NO SCROLL CURSOR FOR
SELECT id, name, address, longitude, latitude, facilities, opening_hours,
       point(longitude, latitude) <-> point(%s, %s) AS degrees
FROM places_place
WHERE kind = ANY(%s::text[]) AND facilities @> %s::text[] AND (closed_on IS NULL OR closed_on > %s)
ORDER BY point(longitude, latitude) <-> point(%s, %s)"""


def _outwards(
    longitude: float, latitude: float, kinds: Sequence[str], facilities: Sequence[str], day: date
) -> Generator[tuple[Any, ...]]:
    """Matching rows in the order of plane degrees, read as far as the caller goes."""
    here = [longitude, latitude]
    with connection.cursor() as cursor:
        cursor.execute(_OUTWARDS, [*here, list(kinds), list(facilities), day, *here])
        try:
            size = FIRST_BATCH
            while True:
                cursor.execute(f"FETCH FORWARD {size} FROM outwards")
                rows = cursor.fetchall()
                yield from rows
                if len(rows) < size:
                    return
                size = min(2 * size, LARGEST_BATCH)
        finally:
            cursor.execute("CLOSE outwards")
