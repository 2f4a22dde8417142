"""Prizes and visits under real concurrency: threads, committed transactions, the application's own role.

As in test_races: with the guards on the count is exact in every round; with them taken away the same shots do go wrong.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection

from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.ids import uuid7
from doorstep.services.union.actions import activities, visits
from doorstep.services.union.actions.activities import OnePrizeAStall, PrizeGone
from doorstep.services.union.models import Prize, PrizeClaim, Team, TeamMember, Visit
from doorstep.services.union.tests.stations_world import StationsWorld
from tests.crew import Crew

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

PEOPLE, STOCK, ROUNDS, CONTROL_ROUNDS = 50, 20, 5, 20


@pytest.fixture
def world(cast: Any) -> StationsWorld:
    return StationsWorld(cast)


@pytest.fixture
def unguarded() -> Iterator[str]:
    """A copy of the prizes without a CHECK and of the claims without a UNIQUE. Returns the search path."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA scratch")
        cursor.execute(f"GRANT USAGE ON SCHEMA scratch TO {settings.APP_ROLE}")
    yield "scratch, public"
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA scratch CASCADE")


def copy(*tables: str) -> None:
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"CREATE TABLE scratch.{table} (LIKE public.{table} INCLUDING DEFAULTS)")
            cursor.execute(f"INSERT INTO scratch.{table} SELECT * FROM public.{table}")
            cursor.execute(f"GRANT ALL ON scratch.{table} TO {settings.APP_ROLE}")


def players(world: StationsWorld) -> list[UUID]:
    """Fifty people in nine teams that have played the stall."""
    people = [world.worker(f"选手{number}", "rider") for number in range(PEOPLE)]
    for start in range(0, PEOPLE, 6):
        world.score(world.team(f"队{start}", people[start : start + 6]), "40")
    assert TeamMember.objects.count() == PEOPLE == sum(Team.objects.values_list("size", flat=True))
    return [person.id for person in people if person.id is not None]


def claim(world: StationsWorld, person_id: UUID, prize_id: UUID) -> Callable[[], Any]:
    key = str(uuid7())
    return lambda: activities.claim_prize(actor=person_actor(person_id), at=world.at, key=key, prize_id=prize_id)


def outcome(result: Any) -> str:
    if isinstance(result, PrizeGone | OnePrizeAStall):
        return result.code
    if isinstance(result, Exception):
        raise AssertionError(f"unexpected: {result!r}") from result
    return "claimed"


def test_fifty_claims_at_once_never_take_more_than_the_stock(world: StationsWorld) -> None:
    people = players(world)
    with Crew(PEOPLE) as crew:
        for number in range(ROUNDS):
            PrizeClaim.objects.all().delete()
            prize = world.prize(stock=STOCK, name=f"奖品{number}")
            ends = Counter(map(outcome, crew.at_once([claim(world, person, prize) for person in people])))
            assert ends == {"claimed": STOCK, "prize_gone": PEOPLE - STOCK}
            assert Prize.objects.get(pk=prize).taken == STOCK == PrizeClaim.objects.filter(prize=prize).count()


def test_one_person_pressing_fifty_times_gets_one_prize(world: StationsWorld) -> None:
    person = players(world)[0]
    with Crew(PEOPLE) as crew:
        for number in range(ROUNDS):
            PrizeClaim.objects.all().delete()
            prize = world.prize(stock=STOCK, name=f"奖品{number}")
            ends = Counter(map(outcome, crew.at_once([claim(world, person, prize) for _ in range(PEOPLE)])))
            assert ends == {"claimed": 1, "one_prize_a_stall": PEOPLE - 1}
            assert (Prize.objects.get(pk=prize).taken, PrizeClaim.objects.count()) == (1, 1)


def test_control_look_first_and_then_take_gives_out_more_than_there_are(
    world: StationsWorld, unguarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = players(world)
    prize = world.prize(stock=1)
    copy("union_prize", "union_prizeclaim")

    def look_then_take(prize_id: UUID) -> None:
        """What the conditional update replaces."""
        row = Prize.objects.get(pk=prize_id)
        if row.taken >= row.stock:
            raise PrizeGone
        time.sleep(0.005)
        row.taken += 1
        row.save(update_fields=["taken"])

    monkeypatch.setattr(activities, "take_from_stock", look_then_take)
    with Crew(PEOPLE, unguarded) as crew:
        for _ in range(CONTROL_ROUNDS):
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM scratch.union_prizeclaim")
                cursor.execute("UPDATE scratch.union_prize SET taken = 0")
            ends = Counter(map(outcome, crew.at_once([claim(world, person, prize) for person in people])))
            if ends["claimed"] > 1:
                break
    assert ends["claimed"] > 1


# One visit ---------------------------------------------------------------------------------------------------------


def scans(world: StationsWorld, count: int) -> list[Callable[[], Any]]:
    """One person's scans around the turn of the half hour, so that the clock's slots differ."""
    turn = world.at + timedelta(minutes=30)
    moments = [turn + timedelta(seconds=number - count // 2) for number in range(count)]
    return [
        lambda at=at: visits.check_in_at_door(  # type: ignore[misc]
            actor=world.rider, at=at, key=str(uuid7()), code=visits.door_code(world.home.pk, at), scanned_at=at
        )
        for at in moments
    ]


def test_scans_at_once_around_the_half_hour_are_one_visit(world: StationsWorld) -> None:
    assert world.home.pk
    with Crew(24) as crew:
        for _ in range(ROUNDS):
            Visit.objects.all().delete()
            results = crew.at_once(scans(world, 24))
            assert Counter(receipt.first for receipt in results) == {True: 1, False: 23}
            assert Visit.objects.count() == 1


def test_control_without_the_stations_lock_they_are_several(
    world: StationsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    from doorstep.services.union.models import Station

    assert world.home.pk
    unlocked = lambda station_id: Station.objects.select_related("place").get(pk=station_id)  # noqa: E731
    monkeypatch.setattr(visits, "locked_station", unlocked)
    with Crew(24) as crew:
        for _ in range(CONTROL_ROUNDS):
            Visit.objects.all().delete()
            results = crew.at_once(scans(world, 24))
            counted = sum(1 for receipt in results if not isinstance(receipt, Exception) and receipt.first)
            if counted > 1:
                break
    assert counted > 1
