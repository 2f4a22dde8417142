"""Nearest 20 open now with two facilities, over as many stations as the country has; against reading the table through.

The stations are spread like people: thick around 340 cities, thin between, with 40 kinds of opening hours. Every answer is
compared with the plain one; a difference ends the run.
"""

import random
import time
from datetime import UTC, datetime
from typing import Any

from benchmarks.harness import Figure, figure, main, percentile, start

STATIONS = 186_100  # what the national federation counts
CITIES = 340
TARGET_MS = 50.0
FACILITIES = ("microwave", "seats", "first_aid", "wifi", "charging", "fridge", "water", "toilet")
WANTED = ("microwave", "charging")
# A weekday noon, and one at night, when most are shut and the search goes far.
MOMENTS = {"noon": datetime(2025, 5, 7, 4, 30, tzinfo=UTC), "night": datetime(2025, 5, 7, 18, 30, tzinfo=UTC)}

_PLAIN = """
SELECT id, 2 * 6371008.8 * asin(least(1, sqrt(sin(radians(latitude - %(lat)s) / 2) ^ 2
       + cos(radians(%(lat)s)) * cos(radians(latitude)) * sin(radians(longitude - %(lon)s) / 2) ^ 2))) AS metres
FROM places_place
WHERE kind = ANY(%(kinds)s) AND facilities @> %(facilities)s::text[] AND (closed_on IS NULL OR closed_on > %(day)s)
  AND opening_hours = ANY(%(open)s)
ORDER BY metres, id LIMIT 20
"""


def expressions() -> list[str]:
    """One in ten never closes; the others keep forty kinds of hours."""
    hours = [
        f"Mo-Su {opens:02d}:{minute:02d}-{closes:02d}:00"
        for opens in range(7, 11)
        for minute in (0, 30)
        for closes in range(18, 23)
    ]
    return hours + ["24/7"] * 4


def fill(count: int) -> list[tuple[float, float]]:
    """The stations, through the table's own columns. Returns the cities."""
    from django.db import connection

    from doorstep.kernel.common.actor import system_actor
    from doorstep.kernel.common.ids import uuid7
    from doorstep.kernel.organisations.actions import found_organisation
    from doorstep.kernel.places.models import Place
    from doorstep.project.migrating import as_owner

    chosen = random.Random(186_100)
    owner = found_organisation(actor=system_actor("bench"), at=MOMENTS["noon"], kind="union", name="全国")
    cities = [(chosen.uniform(98, 122), chosen.uniform(22, 43)) for _ in range(CITIES)]
    hours = expressions()

    def one(number: int) -> Place:
        lon, lat = chosen.choice(cities)
        return Place(
            id=uuid7(), organisation_id=owner, kind=chosen.choice(("union_home", "union_station")), name=f"驿站{number}",
            longitude=lon + chosen.gauss(0, 0.15), latitude=lat + chosen.gauss(0, 0.12), opening_hours=chosen.choice(hours),
            facilities=[name for name in FACILITIES if chosen.random() < 0.6],
        )  # fmt: skip

    Place.objects.bulk_create((one(number) for number in range(count)), batch_size=5000)
    # What autovacuum does a minute after so many rows came in; only the owner may.
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("ANALYZE places_place")
    return cities


def plain(here: tuple[float, float], at: datetime) -> list[Any]:
    """The same question without an index: every row is read and measured."""
    from django.db import connection

    from doorstep.kernel.common.clock import local_day
    from doorstep.kernel.places.hours import is_open

    with connection.cursor() as cursor:
        cursor.execute(
            _PLAIN,
            {
                "lon": here[0], "lat": here[1], "kinds": ["union_home", "union_station"], "facilities": list(WANTED),
                "day": local_day(at), "open": [text for text in set(expressions()) if is_open(text, at, {})],
            },
        )  # fmt: skip
        return [row[0] for row in cursor.fetchall()]


def indexed(here: tuple[float, float], at: datetime) -> list[Any]:
    from doorstep.kernel.places.queries import nearest_places

    found = nearest_places(
        longitude=here[0], latitude=here[1], at=at, kind=("union_home", "union_station"), facilities=WANTED
    )
    return [place.place_id for place in found]


def timed(ask: Any, points: list[tuple[float, float]], at: datetime) -> tuple[list[float], list[Any]]:
    """Milliseconds of each question, and the answers."""
    took, answers = [], []
    for point in points:
        began = time.perf_counter()
        answers.append(ask(point, at))
        took.append((time.perf_counter() - began) * 1000)
    return took, answers


def run(quick: bool) -> list[Figure]:
    start()
    count = STATIONS // 10 if quick else STATIONS
    cities = fill(count)
    chosen = random.Random(1)
    points = [(lon + chosen.gauss(0, 0.1), lat + chosen.gauss(0, 0.1)) for lon, lat in chosen.sample(cities, 100)]
    found: list[Figure] = [figure("stations", count, "places")]
    for name, at in MOMENTS.items():
        timed(indexed, points[:5], at)  # connections and parsers are warm in a running server
        quickly, answers = timed(indexed, points, at)
        slowly, right = timed(plain, points[:15], at)
        if answers[:15] != right:
            raise AssertionError(f"{name}: the index gives other places than reading them all")
        found += [
            figure(f"nearest 20 open with two facilities, {name}, p50", percentile(quickly, 50), "ms"),
            figure(
                f"nearest 20 open with two facilities, {name}, p95", percentile(quickly, 95), "ms", TARGET_MS, "lower"
            ),
            figure(f"reading every place, {name}, p50", percentile(slowly, 50), "ms"),
            figure(f"ratio at {name}", percentile(slowly, 50) / percentile(quickly, 50), "times", 1.0),
        ]
    return found


if __name__ == "__main__":
    main("stations", run)
