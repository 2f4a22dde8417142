"""Places and resources under real concurrency: 16 clients, committed transactions, the application's own role.

Each race comes as a pair: exact with the guards on, and shown to go wrong with them off. How long anybody waits depends on the
machine and is judged by ``benchmarks/bookings.py``; here it is printed, and nobody may run into a deadlock.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F

from doorstep.kernel.bookings import actions, queries, reserving, seating
from doorstep.kernel.bookings.models import Booking, Session
from doorstep.kernel.bookings.tests import load
from doorstep.kernel.bookings.tests.conftest import NOON, Studio, booked, key, states
from tests.crew import Crew

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

TRIES, MANY_TRIES, QUEUE_ROUNDS = 30, 200, 40
CONTROL_ROUNDS = 30
SEED = 20250510

long = pytest.mark.long


def students(studio: Studio, number: int) -> list[UUID]:
    return [studio.cast.person(f"学员{one}") for one in range(number)]


def make_people(studio: Studio, number: int) -> list[UUID]:
    """Faster than registering hundreds one by one."""
    from doorstep.kernel.people.models import Person

    rows = Person.objects.bulk_create(
        [Person(id=reserving.uuid7(), name=f"学员{one}", username=f"student-{one}") for one in range(number)]
    )
    return [row.pk for row in rows]


@pytest.fixture
def scratch() -> Iterator[Callable[..., str]]:
    """Copies of tables with their columns only: no CHECK, no UNIQUE, no exclusion. Returns the search path."""

    def make(*tables: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA scratch")
            cursor.execute(f"GRANT USAGE ON SCHEMA scratch TO {settings.APP_ROLE}")
            for table in tables:
                cursor.execute(f"CREATE TABLE scratch.{table} (LIKE public.{table} INCLUDING DEFAULTS)")
                cursor.execute(f"INSERT INTO scratch.{table} SELECT * FROM public.{table}")
                cursor.execute(f"GRANT ALL ON scratch.{table} TO {settings.APP_ROLE}")
        return "scratch, public"

    yield make
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS scratch CASCADE")


# Sessions of 20 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tries", [TRIES, pytest.param(MANY_TRIES, marks=long)])
@pytest.mark.parametrize("waitlist", [False, True])
def test_sessions_of_20_are_never_overbooked(studio: Studio, tries: int, waitlist: bool) -> None:
    sessions = [studio.session(capacity=20, waitlist=waitlist) for _ in range(max(2, tries // 20))]
    people = make_people(studio, 200)
    with Crew(load.CLIENTS) as crew:
        ended = load.run(crew, load.booking_plans(people, sessions, studio.at, tries, SEED))
    print(f"\nsessions, seed {SEED}: {dict(ended.ends)}, worst {ended.worst_seconds:.3f} s, {ended.per_second:.0f}/s")
    assert ended.unhandled == 0
    assert ended.ends["done"] > 20
    assert set(ended.ends) <= {"done", "session_full", "already_booked"}
    assert load.overbooked() == 0
    assert all(session.booked == 20 for session in Session.objects.filter(bookings__state="waitlisted"))
    assert ended.ends["busy"] == 0
    assert queries.verify() == []


# How full it is is read first, and what was read is written back plus one: rivals have read the same.
LOOK_THEN_SEAT = seating._SEAT.replace(
    "UPDATE bookings_session SET booked = booked + 1\n  WHERE id = %s AND state = 'open' AND starts_at > %s"
    " AND booked < capacity RETURNING id",
    "UPDATE bookings_session s SET booked = seen.booked + 1 FROM (SELECT id, booked, capacity FROM bookings_session"
    " WHERE id = %s AND starts_at > %s) AS seen WHERE s.id = seen.id AND seen.booked < seen.capacity RETURNING s.id",
)


def test_control_looking_before_writing_overbooks(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    assert LOOK_THEN_SEAT != seating._SEAT
    monkeypatch.setattr(seating, "_SEAT", LOOK_THEN_SEAT)
    people = make_people(studio, 200)
    with Crew(load.CLIENTS) as crew:
        for seed in range(CONTROL_ROUNDS):
            sessions = [studio.session(capacity=20, waitlist=False)]
            load.run(crew, load.booking_plans(people, sessions, studio.at, TRIES, seed))
            if load.overbooked():
                break
    assert load.overbooked() >= 1
    assert {"overbooked", "places_differ"} <= {finding.code for finding in queries.verify()}


# One person twice --------------------------------------------------------------------------------------------------


def book_as(studio: Studio, session: UUID) -> Callable[[], Any]:
    actor = studio.student(1)
    return lambda: load.timed(lambda: actions.book(actor=actor, at=studio.at, key=key(), session_id=session))[0]


def test_one_person_booking_8_times_at_once_is_in_once(studio: Studio) -> None:
    with Crew(8) as crew:
        for _round in range(10):
            session = studio.session(capacity=20)
            ends = Counter(crew.at_once([book_as(studio, session)] * 8))
            assert ends == {"done": 1, "already_booked": 7}
            assert booked(session) == 1
    assert queries.verify() == []


def test_control_without_the_unique_constraint_one_person_is_in_twice(
    studio: Studio, scratch: Callable[..., str]
) -> None:
    sessions = [studio.session(capacity=20) for _ in range(CONTROL_ROUNDS)]
    path = scratch("bookings_booking", "bookings_session")
    with Crew(8, path) as crew:
        for session in sessions:
            ends = Counter(crew.at_once([book_as(studio, session)] * 8))
            if ends["done"] > 1:
                break
    assert ends["done"] > 1
    assert load.count(f"SELECT count(*) FROM scratch.bookings_booking WHERE session_id = '{session}'") == ends["done"]


# Joining the queue while a place becomes free ----------------------------------------------------------------------


def give_back_and_join(studio: Studio, crew: Crew, people: list[UUID], chance: random.Random) -> UUID:
    """A session of one place: whoever has it gives it back at some moment while three others join. Returns the session."""
    session = studio.session(capacity=1, waitlist=True)
    first, *others = [load.person_actor(one) for one in people]
    mine = actions.book(actor=first, at=studio.at, key=key(), session_id=session).booking_id
    delay = chance.uniform(0, 0.03)

    def give_back() -> Any:
        time.sleep(delay)
        return actions.cancel_booking(actor=first, at=studio.at, booking_id=mine, reason="有事")

    joins = [
        lambda actor=actor: actions.book(actor=actor, at=studio.at, key=key(), session_id=session) for actor in others
    ]
    for result in crew.at_once([give_back, *joins]):
        if isinstance(result, Exception):
            raise result
    return session


def beside_a_free_place() -> int:
    """Sessions in which somebody waits while a place is free."""
    waiting = Session.objects.filter(bookings__state="waitlisted", booked__lt=F("capacity"))
    return waiting.distinct().count()


def test_nobody_waits_beside_a_place_that_became_free(studio: Studio) -> None:
    people, chance = students(studio, 4), random.Random(SEED)
    with Crew(4) as crew:
        for _round in range(QUEUE_ROUNDS):
            session = give_back_and_join(studio, crew, people, chance)
            assert Counter(states(session)) == {"cancelled": 1, "confirmed": 1, "waitlisted": 2}
            assert booked(session) == 1
            assert beside_a_free_place() == 0
    assert queries.verify() == []


def test_control_without_the_sessions_lock_somebody_waits_beside_a_free_place(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, chance = students(studio, 4), random.Random(SEED)
    monkeypatch.setattr(seating, "locked_session", lambda session_id: Session.objects.get(pk=session_id))
    with Crew(4) as crew:
        for _round in range(10 * CONTROL_ROUNDS):
            give_back_and_join(studio, crew, people, chance)
            if beside_a_free_place():
                break
    assert beside_a_free_place() >= 1


# Resources ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tries", [TRIES, pytest.param(MANY_TRIES, marks=long)])
@pytest.mark.parametrize("rush", [False, True])
def test_resources_are_never_double_booked(studio: Studio, tries: int, rush: bool) -> None:
    rooms = [studio.resource(f"{number} 号") for number in range(6)]
    people = make_people(studio, 50)
    with Crew(load.CLIENTS) as crew:
        ended = load.run(crew, load.reserving_plans(people, rooms, NOON, studio.at, tries, SEED, rush))
    print(f"\nresources, seed {SEED}: {dict(ended.ends)}, worst {ended.worst_seconds:.3f} s, {ended.per_second:.0f}/s")
    assert ended.unhandled == 0
    assert set(ended.ends) == {"done", "taken"}
    assert load.double_booked() == 0
    assert ended.ends["busy"] == 0
    assert queries.verify() == []


def test_control_with_the_constraint_alone_clients_deadlock(studio: Studio) -> None:
    people = make_people(studio, 50)
    with Crew(load.CLIENTS) as crew, load.constraint_only():
        for seed in range(CONTROL_ROUNDS):
            rooms = [studio.resource(f"{seed}-{number} 号") for number in range(6)]
            ended = load.run(crew, load.reserving_plans(people, rooms, NOON, studio.at, TRIES, seed, rush=True))
            if ended.ends["busy"]:
                break
    assert ended.ends["busy"] >= 1
    assert ended.unhandled == 0  # the deadlock is a refusal with a name
    assert load.double_booked() == 0  # and the net held


def test_control_looking_without_lock_and_constraint_double_books(
    studio: Studio, scratch: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = make_people(studio, 50)
    rooms = [studio.resource(f"{number} 号") for number in range(2)]
    path = scratch("bookings_reservation")
    monkeypatch.setattr(reserving, "lock_resources", load.without_lock)
    with Crew(load.CLIENTS, path) as crew:
        for number in range(CONTROL_ROUNDS):
            day = NOON + timedelta(days=2 * number)
            load.run(crew, load.reserving_plans(people, rooms, day, studio.at, 5, number))
            if load.double_booked("scratch"):
                break
    assert load.double_booked("scratch") >= 1


# Pools -------------------------------------------------------------------------------------------------------------


def gowns_at_once(studio: Studio, crew: Crew, pool: UUID, people: list[UUID]) -> Counter[str]:
    plans = [
        [
            lambda who=who, number=number: reserving.reserve(
                actor=load.person_actor(who),
                at=studio.at,
                key=key(),
                wanted=[reserving.Wanted(pool)],
                starts_at=NOON + number * timedelta(minutes=1),
                ends_at=NOON + timedelta(hours=1),
            )
        ]
        for number, who in enumerate(people)
    ]
    return load.run(crew, plans).ends


def test_16_at_once_for_a_pool_of_5_get_5(studio: Studio) -> None:
    people = make_people(studio, 16)
    with Crew(16) as crew:
        for number in range(10):
            ends = gowns_at_once(studio, crew, studio.resource(f"学士服{number}", pool=5), people)
            assert ends == {"done": 5, "pool_short": 11}
    assert queries.verify() == []


def test_control_without_the_lock_a_pool_is_given_out_twice(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    people = make_people(studio, 16)
    monkeypatch.setattr(reserving, "lock_resources", load.without_lock)
    with Crew(16) as crew:
        for number in range(CONTROL_ROUNDS):
            ends = gowns_at_once(studio, crew, studio.resource(f"学士服{number}", pool=5), people)
            if ends["done"] > 5:
                break
    assert ends["done"] > 5
    assert "over_reserved" in {finding.code for finding in queries.verify()}


# Holds -------------------------------------------------------------------------------------------------------------


def test_two_sweeps_and_a_confirmation_at_once_agree(studio: Studio) -> None:
    over = studio.at + timedelta(minutes=10)
    with Crew(3) as crew:
        for _round in range(15):
            session = studio.session(capacity=1, hold_minutes=10)
            first = studio.book(session, 1)
            studio.book(session, 2)
            confirm = lambda one=first.pk: load.timed(  # noqa: E731
                lambda: actions.confirm_booking(actor=studio.student(1), at=over - timedelta(seconds=1), booking_id=one)
            )[0]
            *swept, end = crew.at_once([lambda: actions.expire_holds(over)] * 2 + [confirm])
            expected = ["confirmed", "waitlisted"] if end == "done" else ["cancelled", "held"]
            assert (states(session), sum(swept)) == (expected, 0 if end == "done" else 1)
            assert end in ("done", "hold_over")
            assert booked(session) == 1
            Booking.objects.filter(session_id=session, state="held").update(state="confirmed", held_until=None)
    assert queries.verify() == []
