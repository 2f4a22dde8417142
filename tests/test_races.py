"""Scarce things under real concurrency: threads, committed transactions, the application's own role.

Every race comes as a pair. With the guards on, the count is exact in every round; with the guards taken away (in scratch copies
of the tables that carry no constraints, and without the condition in the statement) the same shots do go wrong. The two sealers
of the audit log race in its own tests.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db import connection

from doorstep.kernel.common.access import DevicePrincipal, device_from_token
from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements import actions as entitlement_actions
from doorstep.kernel.entitlements import recording
from doorstep.kernel.entitlements.actions import claim, offer
from doorstep.kernel.entitlements.errors import QuotaGone
from doorstep.kernel.entitlements.models import Entitlement, Grant, Terms, Use
from doorstep.kernel.ledger.actions import NewTransfer, NotEnoughMoney, open_account, post
from doorstep.kernel.ledger.models import Account
from doorstep.kernel.ledger.queries import balance
from doorstep.kernel.passes.codes import PassKind, issue
from doorstep.project.verifying import report
from doorstep.services.canteen.actions.redeeming import redeem_voucher
from doorstep.services.canteen.refusals import RedemptionRefused
from doorstep.services.canteen.tests.world import CanteenWorld
from tests.crew import Crew

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

CONTROL_ROUNDS = 30  # a control may need several shots to go wrong; it stops at the first that does

SINGLE_ROUNDS, MEAL_ROUNDS, CLAIM_ROUNDS, KEY_ROUNDS, BUDGET_ROUNDS = 30, 25, 5, 30, 20


@pytest.fixture
def world(cast: Any) -> CanteenWorld:
    return CanteenWorld(cast)


@pytest.fixture
def scratch() -> Iterator[Callable[..., str]]:
    """Copies of tables with their columns only: no CHECK, no UNIQUE, no foreign key. Returns the search path."""

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


def copied(table: str, where: str = "true") -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM scratch.{table} WHERE {where}")
        return int(cursor.fetchone()[0])


def till_of(world: CanteenWorld) -> DevicePrincipal:
    device = device_from_token(world.till.token)
    assert device is not None
    return device


def outcome(result: Any) -> str:
    """``accepted``, or the refusal's code; anything else was not meant to happen."""
    if isinstance(result, str):
        return "accepted"
    if isinstance(result, RedemptionRefused | QuotaGone | NotEnoughMoney):
        return result.code
    raise AssertionError(f"unexpected: {result!r}") from (result if isinstance(result, Exception) else None)


def scan(device: DevicePrincipal, at: datetime, entitlement_id: UUID, key: str | None = None) -> Callable[[], str]:
    """One till's POST for one voucher."""
    code = issue(PassKind.ENTITLEMENT, entitlement_id, at)
    chosen = key or str(uuid7())
    return lambda: redeem_voucher(device=device, at=at, key=chosen, code=code)


def noons(world: CanteenWorld, rounds: int) -> list[datetime]:
    """One lunch a round, on days in a row, so that every round has the person's meal free."""
    return [world.at_noon(world.at.date() + timedelta(days=number)) for number in range(rounds)]


UNGUARDED = recording._RECORD.replace(
    "e.id = i.entitlement_id AND e.state = 'open' AND e.used < e.units", "e.id = i.entitlement_id"
)


# One voucher -------------------------------------------------------------------------------------------------------


def test_64_scans_of_one_voucher_at_once_are_one_redemption(world: CanteenWorld) -> None:
    days = noons(world, SINGLE_ROUNDS)
    vouchers = world.give_vouchers(world.rider, count=10, days=90)
    vouchers += world.give_vouchers(world.rider, count=10, days=90) + world.give_vouchers(
        world.rider, count=10, days=90
    )
    device = till_of(world)
    with Crew(64) as crew:
        for voucher, at in zip(vouchers, days, strict=True):
            ends = Counter(map(outcome, crew.at_once([scan(device, at, voucher.pk) for _ in range(64)])))
            assert ends["accepted"] == 1
            assert set(ends) <= {"accepted", "already_used", "already_this_window"}
            assert Use.objects.filter(entitlement=voucher).count() == 1
    proof = report()
    assert proof["findings"] == []
    assert proof["entitlements"]["uses"] == SINGLE_ROUNDS
    assert proof["ledger"]["sum_fen"] == 0


def test_control_without_its_guards_one_voucher_is_redeemed_more_than_once(
    world: CanteenWorld, scratch: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    vouchers = [voucher for _ in range(3) for voucher in world.give_vouchers(world.rider, count=10, days=90)]
    device = till_of(world)
    path = scratch("entitlements_entitlement", "entitlements_use")
    assert UNGUARDED != recording._RECORD
    monkeypatch.setattr(recording, "_RECORD", UNGUARDED)
    with Crew(64, path) as crew:
        for voucher, at in zip(vouchers, noons(world, CONTROL_ROUNDS), strict=True):
            ends = Counter(map(outcome, crew.at_once([scan(device, at, voucher.pk) for _ in range(64)])))
            if ends["accepted"] > 1:
                break
    assert ends["accepted"] > 1
    assert copied("entitlements_use", f"entitlement_id = '{voucher.pk}'") == ends["accepted"]


# One meal ----------------------------------------------------------------------------------------------------------


def test_32_scans_of_two_vouchers_in_one_meal_are_one_redemption(world: CanteenWorld) -> None:
    vouchers = [voucher for _ in range(5) for voucher in world.give_vouchers(world.rider, count=10, days=90)]
    device = till_of(world)
    with Crew(32) as crew:
        for number, at in enumerate(noons(world, MEAL_ROUNDS)):
            pair = vouchers[2 * number : 2 * number + 2]
            ends = Counter(map(outcome, crew.at_once([scan(device, at, pair[n % 2].pk) for n in range(32)])))
            assert ends["accepted"] == 1
            assert set(ends) <= {"accepted", "already_used", "already_this_window"}
            assert sum(Entitlement.objects.filter(pk__in=[one.pk for one in pair]).values_list("used", flat=True)) == 1
    proof = report()
    assert proof["findings"] == []
    assert proof["entitlements"]["uses"] == MEAL_ROUNDS


def test_control_without_the_unique_slot_a_person_eats_twice_in_one_meal(
    world: CanteenWorld, scratch: Callable[..., str]
) -> None:
    vouchers = [voucher for _ in range(6) for voucher in world.give_vouchers(world.rider, count=10, days=90)]
    device = till_of(world)
    path = scratch("entitlements_entitlement", "entitlements_use")
    with Crew(32, path) as crew:
        for number, at in enumerate(noons(world, CONTROL_ROUNDS)):
            pair = vouchers[2 * number : 2 * number + 2]
            ends = Counter(map(outcome, crew.at_once([scan(device, at, pair[n % 2].pk) for n in range(32)])))
            if ends["accepted"] > 1:
                break
    assert ends["accepted"] == 2  # each voucher once: the unit's own condition was left on
    assert copied("entitlements_use") == number + 2


# One key -----------------------------------------------------------------------------------------------------------


def test_the_same_key_twice_at_once_is_one_use_and_the_same_answer(world: CanteenWorld) -> None:
    vouchers = [voucher for _ in range(3) for voucher in world.give_vouchers(world.rider, count=10, days=90)]
    device = till_of(world)
    with Crew(8) as crew:
        for voucher, at in zip(vouchers, noons(world, KEY_ROUNDS), strict=True):
            answers = crew.at_once([scan(device, at, voucher.pk, key=f"sale-{voucher.number}")] * 8)
            assert [outcome(answer) for answer in answers] == ["accepted"] * 8
            assert len(set(answers)) == 1
            assert Use.objects.filter(entitlement=voucher).count() == 1
    assert report()["findings"] == []


def test_the_same_key_twice_at_once_on_a_right_of_two_units_takes_one(world: CanteenWorld) -> None:
    vouchers = world.give_vouchers(world.rider, count=10, days=90)
    Entitlement.objects.filter(pk__in=[voucher.pk for voucher in vouchers]).update(units=2)
    device = till_of(world)
    with Crew(8) as crew:
        for voucher, at in zip(vouchers, noons(world, 10), strict=True):
            answers = crew.at_once([scan(device, at, voucher.pk, key=f"sale-{voucher.number}")] * 8)
            assert [outcome(answer) for answer in answers] == ["accepted"] * 8
            assert len(set(answers)) == 1
            assert Use.objects.filter(entitlement=voucher).count() == 1


def test_control_without_the_unique_key_a_retry_is_charged_again(
    world: CanteenWorld, scratch: Callable[..., str]
) -> None:
    vouchers = [voucher for _ in range(3) for voucher in world.give_vouchers(world.rider, count=10, days=90)]
    device = till_of(world)
    path = scratch("entitlements_entitlement", "entitlements_use")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE scratch.entitlements_entitlement SET units = 20")
    with Crew(8, path) as crew:
        for voucher, at in zip(vouchers, noons(world, CONTROL_ROUNDS), strict=True):
            answers = crew.at_once([scan(device, at, voucher.pk, key=f"sale-{voucher.number}")] * 8)
            if len(set(answers)) > 1:
                break
    assert len(set(answers)) > 1
    assert copied("entitlements_use", f"key = 'sale-{voucher.number}'") == len(set(answers))


# The last ten of a quota -------------------------------------------------------------------------------------------


def claimers(world: CanteenWorld, count: int) -> list[UUID]:
    return [world.cast.rider(f"骑手{number}") for number in range(count)]


def open_offer(world: CanteenWorld, quota: int) -> UUID:
    return offer(
        actor=world.officer,
        at=world.at,
        terms=Terms.objects.get(pk=world.off.terms_id),
        quota=quota,
        opens_at=world.at,
        closes_at=world.at + timedelta(hours=1),
        valid_from=world.at,
        valid_until=world.at + timedelta(days=7),
    ).grant_id


def claim_200(crew: Crew, world: CanteenWorld, people: list[UUID], grant_id: UUID) -> list[Any]:
    """200 people, 50 at a time; each of the 50 threads goes through its four."""

    def go(four: list[UUID]) -> list[Any]:
        ends: list[Any] = []
        for person_id in four:
            try:
                claim(actor=person_actor(person_id), at=world.at, key=f"{grant_id}", grant_id=grant_id)
                ends.append("accepted")
            except QuotaGone as gone:
                ends.append(gone)
        return ends

    shares = [people[start::50] for start in range(50)]
    results = crew.at_once([lambda four=four: go(four) for four in shares])
    for result in results:
        if isinstance(result, Exception):
            raise result
    return [end for result in results for end in result]


def test_200_claims_of_the_last_10_give_10(world: CanteenWorld) -> None:
    people = claimers(world, 200)
    with Crew(50) as crew:
        for _round in range(CLAIM_ROUNDS):
            grant_id = open_offer(world, 10)
            ends = Counter(map(outcome, claim_200(crew, world, people, grant_id)))
            assert ends == {"accepted": 10, "quota_gone": 190}
            assert Entitlement.objects.filter(grant_id=grant_id).count() == 10
            assert Grant.objects.get(pk=grant_id).taken == 10
    assert report()["findings"] == []


def read_then_write(grant_id: UUID) -> None:
    """What ``take_from_quota`` would be if it looked first and wrote after."""
    grant = Grant.objects.get(pk=grant_id)
    if grant.taken >= grant.offered:
        raise QuotaGone
    Grant.objects.filter(pk=grant_id).update(taken=grant.taken + 1)


def test_control_reading_the_quota_before_writing_it_gives_more_than_10(
    world: CanteenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = claimers(world, 200)
    monkeypatch.setattr(entitlement_actions, "take_from_quota", read_then_write)
    with Crew(50) as crew:
        for _round in range(CONTROL_ROUNDS):
            grant_id = open_offer(world, 10)
            ends = Counter(map(outcome, claim_200(crew, world, people, grant_id)))
            if ends["accepted"] > 10:
                break
    assert ends["accepted"] > 10
    assert Entitlement.objects.filter(grant_id=grant_id).count() == ends["accepted"]


# A budget ----------------------------------------------------------------------------------------------------------


def budget_of(fen: int, at: datetime) -> tuple[UUID, UUID]:
    """A bounded account with ``fen`` in it, and one to pay to."""
    bound = Account.Bound.DEBITS_WITHIN_CREDITS
    name = uuid7()
    purse = open_account(code=f"budget/{name}", title="经费", at=at, bound=bound)
    outside = open_account(code="outside/bank", title="银行", at=at)
    shop = open_account(code="payee/shop", title="店", at=at)
    post([NewTransfer(outside.pk, purse.pk, fen, "fund", "test", None, at)])
    return purse.pk, shop.pk


def spend(purse: UUID, shop: UUID, at: datetime) -> Callable[[], str]:
    return lambda: str(post([NewTransfer(purse, shop, 100, "spend", "test", None, at)]))


def test_20_spendings_of_a_budget_for_7_are_7(world: CanteenWorld) -> None:
    with Crew(20) as crew:
        for _round in range(BUDGET_ROUNDS):
            purse, shop = budget_of(799, world.at)
            ends = Counter(map(outcome, crew.at_once([spend(purse, shop, world.at)] * 20)))
            assert ends == {"accepted": 7, "not_enough_money": 13}
            assert balance(purse).available_fen == 99
    assert report()["findings"] == []


def test_control_without_its_bound_a_budget_is_overdrawn(world: CanteenWorld, scratch: Callable[..., str]) -> None:
    purse, shop = budget_of(799, world.at)
    path = scratch("ledger_balance")
    with Crew(20, path) as crew:
        ends = Counter(map(outcome, crew.at_once([spend(purse, shop, world.at)] * 20)))
    assert ends == {"accepted": 20}
    assert copied("ledger_balance", f"account_id = '{purse}' AND debits_posted > credits_posted") == 1
