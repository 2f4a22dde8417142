"""Rivals for places and resources: what the race tests and the benchmark throw at bookings, and what they count after."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from doorstep.kernel.bookings import actions, reserving
from doorstep.kernel.bookings.models import Resource
from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.errors import Problem
from doorstep.kernel.common.ids import uuid7

CLIENTS = 16
QUARTER = timedelta(minutes=15)


@dataclass
class Load:
    """How the calls ended: ``done``, a refusal's code, or an exception's name; ``took`` seconds each."""

    seconds: float
    ends: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.took) / self.seconds

    @property
    def worst_seconds(self) -> float:
        return max(self.took)

    @property
    def unhandled(self) -> int:
        """Calls that ended in something else than success or a refusal with a name."""
        return sum(count for end, count in self.ends.items() if end.startswith("!"))


def timed(call: Callable[[], Any]) -> tuple[str, float]:
    began = time.perf_counter()
    try:
        call()
        end = "done"
    except Problem as refusal:
        end = refusal.code
    except Exception as error:  # it is counted, and a test looks at the count
        end = f"!{type(error).__name__}: {error}"
    return end, time.perf_counter() - began


def run(crew: Any, plans: Sequence[Sequence[Callable[[], Any]]]) -> Load:
    """Each client of the crew goes through its own calls, all starting at once."""
    began = time.perf_counter()
    results = crew.at_once([lambda plan=plan: [timed(call) for call in plan] for plan in plans])
    load = Load(time.perf_counter() - began)
    for result in results:
        if isinstance(result, Exception):
            raise result
        for end, took in result:
            load.ends[end] += 1
            load.took.append(took)
    return load


def booking_plans(
    people: Sequence[UUID], sessions: Sequence[UUID], at: datetime, tries: int, seed: int
) -> list[list[Callable[[], Any]]]:
    """Each client books random sessions for random people; now and then one of the bookings it got is cancelled."""

    def plan(chance: random.Random) -> Iterator[Callable[[], Any]]:
        mine: list[tuple[UUID, UUID]] = []

        def book() -> None:
            who = chance.choice(people)
            session = chance.choice(sessions)
            receipt = actions.book(actor=person_actor(who), at=at, key=str(uuid7()), session_id=session)
            mine.append((who, receipt.booking_id))

        def cancel() -> None:
            if not mine:
                return book()
            who, booking = mine.pop(chance.randrange(len(mine)))
            return actions.cancel_booking(actor=person_actor(who), at=at, booking_id=booking, reason="有事") and None

        for _try in range(tries):
            yield cancel if chance.random() < 0.15 else book

    return [list(plan(random.Random(seed * 1000 + number))) for number in range(CLIENTS)]


def reserving_plans(
    people: Sequence[UUID], resources: Sequence[UUID], start: datetime, at: datetime, tries: int, seed: int, rush: bool = False,
) -> list[list[Callable[[], Any]]]:  # fmt: skip
    """Each client asks for one or two resources in any order, for a quarter to two hours of one day.

    In a rush all of them want all resources, in any order, for the same next half hour, try after try, as when booking opens.
    """

    def plan(chance: random.Random) -> Iterator[Callable[[], Any]]:
        def reserve(number: int) -> None:
            begins = start + 2 * QUARTER * number if rush else start + QUARTER * chance.randrange(96)
            wanted = chance.sample(list(resources), len(resources) if rush else chance.randint(1, 2))
            reserving.reserve(
                actor=person_actor(chance.choice(people)),
                at=at,
                key=str(uuid7()),
                wanted=[reserving.Wanted(one) for one in wanted],
                starts_at=begins,
                ends_at=begins + QUARTER * (2 if rush else chance.randint(1, 8)),
            )

        for number in range(tries):
            yield lambda number=number: reserve(number)

    return [list(plan(random.Random(seed * 1000 + number))) for number in range(CLIENTS)]


def count(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def overbooked() -> int:
    """Sessions with more people in them than places."""
    return count(
        """SELECT count(*) FROM (SELECT 1 FROM bookings_session s JOIN bookings_booking b ON b.session_id = s.id
           AND b.state NOT IN ('cancelled', 'waitlisted') GROUP BY s.id HAVING count(*) > s.capacity) AS over"""
    )


def double_booked(schema: str = "public") -> int:
    """Pairs of active reservations of one resource that overlap."""
    return count(
        f"""SELECT count(*) FROM {schema}.bookings_reservation a JOIN {schema}.bookings_reservation b
            ON a.resource_id = b.resource_id AND a.id < b.id AND a.period && b.period
            WHERE NOT a.pooled AND a.state <> 'cancelled' AND b.state <> 'cancelled'"""
    )


def without_lock(resource_ids: Sequence[UUID]) -> dict[UUID, Resource]:
    """``lock_resources`` without the lock."""
    return Resource.objects.in_bulk(resource_ids)


@contextmanager
def constraint_only() -> Iterator[None]:
    """The yardstick: insert, and let the exclusion constraint say no."""

    def unlocked(wanted: Sequence[reserving.Wanted], *_given: Any, **_more: Any) -> dict[UUID, Resource]:
        return without_lock([one.resource_id for one in wanted])

    kept, reserving._lock_free = reserving._lock_free, unlocked
    try:
        yield
    finally:
        reserving._lock_free = kept
