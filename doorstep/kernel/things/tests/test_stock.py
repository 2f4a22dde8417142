"""Stock: the sum of its movements, never below zero."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.utils import ProgrammingError

from doorstep.kernel.common.errors import Invalid, KeyReused, NotAllowed, NotFound, TooMany
from doorstep.kernel.things import errors, queries, stock
from doorstep.kernel.things.models import StockItem, StockMovement
from doorstep.kernel.things.tests.conftest import Station, key

pytestmark = pytest.mark.django_db


def left(station: Station) -> int:
    return sum(one.quantity for one in queries.stock_at(station.place))


def test_what_is_put_in_can_be_taken_out_and_no_more(station: Station) -> None:
    station.put(3)
    receipt = station.take(2)
    assert (receipt.change, receipt.left, receipt.name) == (-2, 1, "保温杯")
    with pytest.raises(errors.OutOfStock) as refused:
        station.take(2)
    assert refused.value.data == {"left": 1}
    assert left(station) == 1
    assert station.put(4).left == 5
    assert list(StockMovement.objects.order_by("ordinal").values_list("change", "after")) == [(3, 3), (-2, 1), (4, 5)]
    assert queries.verify() == []


def test_the_same_key_takes_once(station: Station) -> None:
    station.put(3)
    given = {"actor": station.keeper(), "at": station.at, "key": key(), "place_id": station.place, "kind": "prize"}
    assert stock.take_stock(**given) == stock.take_stock(**given)
    with pytest.raises(KeyReused):
        stock.take_stock(**given, quantity=2)
    assert left(station) == 2


def test_counting_leaves_the_difference_as_a_movement(station: Station) -> None:
    station.put(10)
    given = {"actor": station.keeper(), "at": station.at, "place_id": station.place, "kind": "prize"}
    receipt = stock.count_stock(**given, key=key(), counted=8, note="少两个")
    assert receipt is not None
    assert (receipt.change, receipt.left) == (-2, 8)
    assert stock.count_stock(**given, key=key(), counted=8, note="复盘") is None
    assert StockMovement.objects.count() == 2
    with pytest.raises(Invalid):
        stock.count_stock(**given, key=key(), counted=-1, note="x")
    with pytest.raises(Invalid):
        stock.count_stock(**given, key=key(), counted=1, note=" ")
    assert queries.verify() == []


def test_strangers_take_nothing_and_what_is_not_kept_is_not_found(station: Station) -> None:
    station.put(1)
    with pytest.raises(NotAllowed):
        station.take(actor=station.person("路人甲"))
    with pytest.raises(NotFound):
        station.take(kind="cup")
    for wrong in (0, -1, 1_000_001):
        with pytest.raises(Invalid):
            station.take(wrong)
        with pytest.raises(Invalid):
            station.put(wrong)
    assert left(station) == 1


def test_a_rooms_own_action_says_for_what_it_draws(station: Station) -> None:
    station.put(1)
    receipt = stock.draw_stock(
        actor=station.person(), at=station.at, place_id=station.place, kind="prize", subject_kind="entitlement",
        subject_id=station.organisation,
    )  # fmt: skip
    movement = StockMovement.objects.get(pk=receipt.movement_id)
    assert (movement.subject_kind, movement.subject_id) == ("entitlement", station.organisation)
    assert queries.verify() == []


def test_the_database_itself_refuses_less_than_nothing_and_changed_movements(
    station: Station, as_application: None
) -> None:
    station.put(1)
    with pytest.raises(IntegrityError, match="stock_not_negative"), transaction.atomic():
        StockItem.objects.update(quantity=-1)
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        StockMovement.objects.update(note="x")


def test_a_places_stock_is_bounded(station: Station) -> None:
    for kind in ("a", "b", "c"):
        station.put(1, kind)
    assert [one.kind for one in queries.stock_at(station.place, limit=2)] == ["a", "b"]
    assert [one.kind for one in queries.stock_at(station.place, after="b")] == ["c"]
    with pytest.raises(TooMany):
        queries.stock_at(station.place, limit=0)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ("UPDATE things_stockitem SET quantity = 5", {"stock_differs"}),
        (
            "UPDATE things_stockmovement SET change = 4, after = 4 WHERE ordinal = 1",
            {"stock_differs", "stock_broken", "stock_movement_differs"},
        ),
        ("UPDATE things_stockmovement SET note = 'x' WHERE ordinal = 2", {"stock_movement_differs"}),
        ("DELETE FROM things_stockmovement WHERE ordinal = 2", {"stock_differs", "stock_movement_missing"}),
    ],
)
def test_what_was_changed_behind_the_actions_is_found(station: Station, change: str, codes: set[str]) -> None:
    station.put(3)
    station.take(1)
    assert queries.verify() == []
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert {finding.code for finding in queries.verify()} == codes
