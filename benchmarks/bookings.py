"""Sixteen clients after the same places and rooms: what is given twice, who runs into an error, and how long the unluckiest waits.

Rooms are reserved with the row locks (ours) and with the exclusion constraint alone (the yardstick), in rounds that alternate, so
that what the machine does meanwhile falls on both alike. The constraint alone does less work and is fast while nobody crosses;
when clients do, PostgreSQL needs ``deadlock_timeout`` to notice, so its ratios swing. A third run looks before it inserts, in a
copy of the table without the constraint, and shows what the guards are for.
"""

import statistics
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

from benchmarks import harness
from benchmarks.harness import Figure, figure, percentile

TRIES, CAPACITY, ROOMS = 200, 20, 6
WORST_WAIT_SECONDS_TARGET = 0.5
SEED = 20250510


def make_people(count: int) -> list[Any]:
    from doorstep.kernel.common.ids import uuid7
    from doorstep.kernel.people.models import Person

    rows = [Person(id=uuid7(), name=f"学员{one}", username=f"student-{one}") for one in range(count)]
    return [row.pk for row in Person.objects.bulk_create(rows)]


def book_sessions(studio: Any, crew: Any, people: list[Any], rounds: int, tries: int) -> list[Any]:
    """Random people, random sessions of twenty, full long before the end; one call in seven gives a place back."""
    from doorstep.kernel.bookings.tests import load

    loads = []
    for number in range(rounds):
        sessions = [studio.session(capacity=CAPACITY, waitlist=bool(number % 2)) for _ in range(max(1, tries // 20))]
        loads.append(load.run(crew, load.booking_plans(people, sessions, studio.at, tries, SEED + number)))
    return loads


def reserve_rooms(
    studio: Any, crew: Any, people: list[Any], rounds: int, tries: int, rush: bool
) -> tuple[list[Any], list[Any]]:
    """Rounds of ours and of the constraint alone, in turn."""
    from doorstep.kernel.bookings.tests import load
    from doorstep.kernel.bookings.tests.conftest import NOON

    ours, alone = [], []
    for number in range(rounds):
        for found, guard in ((ours, nullcontext), (alone, load.constraint_only)):
            rooms = [studio.resource(f"{rush}-{number}-{len(alone)}-{one}") for one in range(2 if rush else ROOMS)]
            plans = load.reserving_plans(people, rooms, NOON, studio.at, tries, SEED + number, rush)
            with guard():
                found.append(load.run(crew, plans))
    return ours, alone


def look_then_insert(studio: Any, people: list[Any]) -> int:
    """Overlapping pairs made by a few seconds of looking first, without lock and without constraint."""
    from django.conf import settings
    from django.db import connection

    from doorstep.kernel.bookings import reserving
    from doorstep.kernel.bookings.tests import load
    from doorstep.kernel.bookings.tests.conftest import NOON
    from doorstep.project.migrating import as_owner
    from tests.crew import Crew

    with as_owner(), connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA scratch")
        cursor.execute(
            "CREATE TABLE scratch.bookings_reservation (LIKE public.bookings_reservation INCLUDING DEFAULTS)"
        )
        cursor.execute(f"GRANT USAGE ON SCHEMA scratch TO {settings.APP_ROLE}")
        cursor.execute(f"GRANT ALL ON scratch.bookings_reservation TO {settings.APP_ROLE}")
    kept, reserving.lock_resources = reserving.lock_resources, load.without_lock
    try:
        with Crew(load.CLIENTS, "scratch, public") as crew:
            for number in range(10):
                rooms = [studio.resource(f"scratch-{number}-{one}") for one in range(ROOMS)]
                load.run(
                    crew, load.reserving_plans(people, rooms, NOON + timedelta(days=number), studio.at, 20, number)
                )
    finally:
        reserving.lock_resources = kept
    return load.double_booked("scratch")


def run(quick: bool) -> list[Figure]:
    rounds, tries = (2, 20) if quick else (2, TRIES)
    harness.start()
    from django.db import connection

    from doorstep.kernel.bookings import queries
    from doorstep.kernel.bookings.tests import load
    from doorstep.kernel.bookings.tests.conftest import Studio
    from doorstep.kernel.testing.cast import Cast
    from tests import crew as crews

    crews.WAIT_SECONDS = 600  # a deadlock storm takes its time
    studio, people = Studio(Cast()), make_people(400)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('deadlock_timeout')")
        patience = cursor.fetchone()[0]
    with crews.Crew(load.CLIENTS) as crew:
        booked = book_sessions(studio, crew, people, 2 * rounds, tries)
        spread = reserve_rooms(studio, crew, people, rounds, tries, rush=False)
        rush = reserve_rooms(studio, crew, people, rounds, tries, rush=True)
    twice = (load.overbooked(), load.double_booked(), len(queries.verify()))
    return figures(booked, spread, rush, twice, look_then_insert(studio, people), f"found after {patience}")


def waits(title: str, loads: list[Any], target: float | None) -> list[Figure]:
    took = [one for load in loads for one in load.took]
    return [
        figure(f"{title}, 16 clients", statistics.median(load.per_second for load in loads), "/s"),
        figure(f"{title}, p50", percentile(took, 50) * 1000, "ms"),
        figure(f"{title}, p99", percentile(took, 99) * 1000, "ms"),
        figure(f"{title}, worst wait", max(took), "s", target, "lower"),
        figure(f"{title}, done of {len(took)}", sum(load.ends["done"] for load in loads), ""),
    ]


def figures(
    booked: list[Any],
    spread: tuple[list[Any], list[Any]],
    rush: tuple[list[Any], list[Any]],
    twice: tuple[int, int, int],
    control: int,
    patience: str,
) -> list[Figure]:
    """What was given twice, who failed, and how long people waited; ratios against the constraint alone."""
    mine = booked + spread[0] + rush[0]
    table = [
        figure("sessions overbooked", twice[0], "", 0, "lower"),
        figure("resources double-booked", twice[1], "", 0, "lower"),
        figure("findings of verify", twice[2], "", 0, "lower"),
        figure("unhandled errors", sum(one.unhandled for one in mine), "", 0, "lower"),
        figure("deadlocks", sum(one.ends["busy"] for one in mine), "", 0, "lower"),
        figure("double-booked by looking before inserting (control)", control, "pairs", 1),
        *waits("book a session", booked[::2], WORST_WAIT_SECONDS_TARGET),
        *waits("book a session with a queue", booked[1::2], WORST_WAIT_SECONDS_TARGET),
    ]
    for title, (ours, alone) in (("reserve rooms", spread), ("rush for two rooms", rush)):
        table += waits(title, ours, WORST_WAIT_SECONDS_TARGET)
        table += waits(f"{title}, constraint alone", alone, None)
        pairs = list(zip(ours, alone, strict=True))
        speed = statistics.median(one.per_second / other.per_second for one, other in pairs)
        wait = statistics.median(one.worst_seconds / other.worst_seconds for one, other in pairs)
        table += [
            figure(f"{title}, constraint alone, deadlocks ({patience})", sum(load.ends["busy"] for load in alone), ""),
            figure(f"{title}, calls a second ÷ constraint alone", speed, "×"),
            figure(f"{title}, worst wait ÷ constraint alone", wait, "×"),
        ]
    return table


if __name__ == "__main__":
    harness.main("bookings", run)
