"""Scarce things under real concurrency: two hand-overs of one thing, many claims of the last pieces.

Each race comes as a pair: exact with the guard on, and shown to go wrong with it off.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from doorstep.kernel.things import actions, queries, stock
from doorstep.kernel.things.actions import Holder
from doorstep.kernel.things.errors import NotTheHolder, OutOfStock
from doorstep.kernel.things.models import CustodyEvent, StockItem, StockMovement, Thing
from doorstep.kernel.things.tests.conftest import Station
from tests.crew import Crew

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

ROUNDS, STOCK_ROUNDS, CONTROL_ROUNDS = 30, 10, 30
CLAIMERS, LAST = 50, 7


def outcome(result: Any) -> str:
    if isinstance(result, NotTheHolder | OutOfStock):
        return result.code
    if isinstance(result, Exception):
        raise AssertionError(f"unexpected: {result!r}") from result
    return "done"


def hand_to(station: Station, thing_id: UUID, receiver: Holder) -> Callable[[], Any]:
    return lambda: station.hand(thing_id, station.house, receiver)


def test_two_hand_overs_of_one_thing_at_once_are_one(station: Station) -> None:
    people = [station.hands("凌涛"), station.hands("何小妹")]
    with Crew(2) as crew:
        for number in range(ROUNDS):
            thing = station.thing(f"R-{number}").thing_id
            results = crew.at_once([hand_to(station, thing, person) for person in people])
            assert Counter(map(outcome, results)) == {"done": 1, "not_the_holder": 1}
            assert CustodyEvent.objects.filter(thing_id=thing).count() == 2
            winner = next(result for result in results if not isinstance(result, Exception))
            assert queries.holder_of(thing) == winner.receiver
    assert queries.verify() == []


def look_then_write(thing: Thing, giver: Holder, receiver: Holder, condition: str | None) -> int:
    """What ``_move`` would be if it looked first and wrote after, without the event's ordinal to stop it."""
    now = Thing.objects.get(pk=thing.pk)
    if (now.holder_kind, now.holder_id) != (giver.kind, giver.id):
        raise NotTheHolder
    Thing.objects.filter(pk=thing.pk).update(holder_kind=receiver.kind, holder_id=receiver.id)
    return CustodyEvent.objects.filter(thing=thing).count() + 1 + receiver.id.int % 1_000_000


def test_control_looking_before_writing_gives_one_thing_to_two(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [station.hands(f"骑手{number}") for number in range(8)]
    monkeypatch.setattr(actions, "_move", look_then_write)
    with Crew(8) as crew:
        for number in range(CONTROL_ROUNDS):
            thing = station.thing(f"R-{number}").thing_id
            ends = Counter(map(outcome, crew.at_once([hand_to(station, thing, person) for person in people])))
            if ends["done"] > 1:
                break
    assert ends["done"] > 1
    assert "custody_broken" in {finding.code for finding in queries.verify()}


def claims(station: Station) -> list[Callable[[], Any]]:
    """Everybody at the counter takes one piece, each with a key of their own."""
    return [lambda: station.take(1)] * CLAIMERS


def test_50_claims_of_the_last_7_at_once_give_7(station: Station) -> None:
    with Crew(CLAIMERS) as crew:
        for _round in range(STOCK_ROUNDS):
            station.put(LAST)
            ends = Counter(map(outcome, crew.at_once(claims(station))))
            assert ends == {"done": LAST, "out_of_stock": CLAIMERS - LAST}
            assert StockItem.objects.get().quantity == 0
    assert StockMovement.objects.count() == STOCK_ROUNDS * (LAST + 1)
    assert queries.verify() == []


# What is left is read first, and what was read is written back less one: rivals have read the same.
LOOK_THEN_TAKE = """
UPDATE things_stockitem s SET quantity = seen.quantity - %(quantity)s, moves = s.moves + 1
FROM (SELECT id, quantity FROM things_stockitem WHERE place_id = %(place)s AND kind = %(kind)s) AS seen
WHERE s.id = seen.id AND seen.quantity >= %(quantity)s
RETURNING s.id, s.name, s.quantity, s.moves
"""


def test_control_reading_before_writing_gives_more_than_there_is(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "_TAKE", LOOK_THEN_TAKE)
    with Crew(CLAIMERS) as crew:
        for _round in range(CONTROL_ROUNDS):
            station.put(LAST)
            ends = Counter(map(outcome, crew.at_once(claims(station))))
            if ends["done"] > LAST:
                break
    assert ends["done"] > LAST
    assert "stock_differs" in {finding.code for finding in queries.verify()}
