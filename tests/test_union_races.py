"""Joining under real concurrency: threads, committed transactions, the application's own role; the guard on and off."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.errors import Problem
from doorstep.kernel.people.actions import check_real_name
from doorstep.kernel.testing.cast import SYSTEM
from doorstep.services.union.actions import joining
from doorstep.services.union.models import Belonging, Membership
from doorstep.services.union.tests.world import UnionWorld, identity, key
from tests.crew import Crew

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]
ROUNDS, CONTROL_ROUNDS = 20, 40


@pytest.fixture
def world(cast: Any) -> UnionWorld:
    return UnionWorld(cast)


@pytest.fixture
def scratch() -> Iterator[Callable[..., str]]:
    """Copies of tables with their columns only: no CHECK, no UNIQUE, no foreign key. Returns the search path."""

    def make(*tables: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA scratch")
            cursor.execute(f"GRANT USAGE ON SCHEMA scratch TO {settings.APP_ROLE}")
            for table in tables:
                cursor.execute(f"CREATE TABLE scratch.{table} (LIKE public.{table} INCLUDING DEFAULTS)")
                cursor.execute(f"GRANT ALL ON scratch.{table} TO {settings.APP_ROLE}")
        return "scratch, public"

    yield make
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS scratch CASCADE")


def known(world: UnionWorld, name: str, number: int) -> Any:
    """Somebody whose real name was checked before, so that no lock on the person orders the shots."""
    person_id = world.cast.person(name)
    check_real_name(actor=SYSTEM, at=world.at, person_id=person_id, name=name, identity_number=identity(number))
    return person_actor(person_id, name)


def ask(world: UnionWorld, actor: Any, number: int) -> Callable[[], joining.JoinReceipt]:
    """One client's POST with a key of its own."""
    own = key()
    return lambda: joining.apply_membership(
        actor=actor, at=world.at, key=own, organisation_id=world.federation, name=actor.label,
        identity_number=identity(number), occupation="rider",
    )  # fmt: skip


def test_8_clients_of_one_person_make_one_membership(world: UnionWorld):
    people = [known(world, f"骑手{number}", number) for number in range(ROUNDS)]
    world.federation  # noqa: B018
    with Crew(8) as crew:
        for number, actor in enumerate(people):
            ends = crew.at_once([ask(world, actor, number) for _ in range(8)])
            assert {end.membership_id for end in ends} == set(
                Membership.objects.filter(person_id=actor.id).values_list("pk", flat=True)
            )
            assert Counter(end.created for end in ends) == {True: 1, False: 7}
    assert Membership.objects.count() == ROUNDS


def test_control_without_the_constraint_one_person_has_several(world: UnionWorld, scratch: Callable[..., str]):
    people = [known(world, f"骑手{number}", number) for number in range(CONTROL_ROUNDS)]
    world.federation  # noqa: B018
    path = scratch("union_membership")
    most = 0
    with Crew(8, path) as crew:
        for number, actor in enumerate(people):
            crew.at_once([ask(world, actor, number) for _ in range(8)])
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM scratch.union_membership WHERE person_id = %s", [actor.id])
                most = max(most, cursor.fetchone()[0])
            if most > 1:
                break
    assert most > 1


def test_8_accounts_with_one_identity_number_are_one_person(world: UnionWorld):
    world.federation  # noqa: B018
    with Crew(8) as crew:
        for number in range(5):
            accounts = [person_actor(world.cast.person(f"账号{number}-{n}"), "同一个人") for n in range(8)]
            ends = crew.at_once([ask(world, actor, 300 + number) for actor in accounts])
            codes = Counter(end.code if isinstance(end, Problem) else "joined" for end in ends)
            assert codes == {"joined": 1, "identity_elsewhere": 7}, ends
    assert Membership.objects.count() == 5


def test_8_officers_approving_one_person_make_one_belonging(world: UnionWorld):
    officers = [world.cast.appointed(f"经办{number}", "union_officer", world.union) for number in range(8)]

    def approve(officer: Any, case: Any) -> Callable[[], Any]:
        own = key()
        return lambda: joining.approve_memberships(actor=officer, at=world.at, key=own, membership_ids=[case])

    with Crew(8) as crew:
        for number in range(10):
            case = world.apply(f"骑手{number}").membership_id
            ends = crew.at_once([approve(officer, case) for officer in officers])
            codes = Counter(end.code if isinstance(end, Problem) else "approved" for end in ends)
            assert codes == {"approved": 1, "wrong_state": 7}, ends
            assert Belonging.objects.filter(membership_id=case).count() == 1
