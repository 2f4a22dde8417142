"""The page's story, replayed through actions: every figure comes out, the books prove it, and a wrong record shows."""

from collections.abc import Callable

import pytest
from django.db import connection

from doorstep.kernel.entitlements.models import OfflineConflict, Settlement, Use
from doorstep.project import demo
from doorstep.project.verifying import report
from doorstep.services.canteen.models import MenuItem, Venue
from doorstep.services.canteen.story import FIRST_DAY

pytestmark = pytest.mark.django_db


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def holding() -> dict[int, bool]:
    return {figure["n"]: figure["ok"] for figure in demo.figures()}


# Each figure with a record that would make it a lie.
PLANTED: dict[int, Callable[[], object]] = {
    1: lambda: execute(
        "UPDATE entitlements_use SET payer_fen = 500, person_fen = 800 WHERE id = "
        "(SELECT id FROM entitlements_use WHERE payer_fen = 400 LIMIT 1)"
    ),
    2: lambda: execute(
        "UPDATE entitlements_use SET payer_fen = 1200, person_fen = 100 WHERE id = "
        "(SELECT id FROM entitlements_use WHERE payer_fen = 1300 LIMIT 1)"
    ),
    3: lambda: MenuItem.objects.filter(day=FIRST_DAY).first().delete(),  # type: ignore[union-attr]
    4: lambda: execute(
        "UPDATE places_place SET opening_hours = 'Mo-Su 10:30-14:30,17:00-21:00' WHERE name LIKE '堂客%'"
    ),
    5: lambda: Venue.objects.filter(opened_at__year=2025, opened_at__month=5).update(
        opened_at="2025-06-06T09:00:00+08:00"
    ),
    6: lambda: execute("DELETE FROM union_prizeclaim WHERE id = (SELECT id FROM union_prizeclaim LIMIT 1)"),
    10: lambda: execute(
        "UPDATE union_belonging SET valid_from = valid_from + interval '1 day' WHERE valid_until IS NULL"
    ),
    11: lambda: execute("UPDATE union_facility SET state = 'removed' WHERE code = 'fridge'"),
    12: lambda: execute("UPDATE places_place SET opened_on = '2025-06-01' WHERE kind = 'union_station'"),
    13: lambda: execute("DELETE FROM union_visit WHERE method = 'tap'"),
    14: lambda: execute("UPDATE organisations_link SET until = since WHERE kind = 'four_level'"),
}


def test_the_story_gives_the_pages_figures_and_a_wrong_record_shows():
    demo.tell(scale="small")

    first = Use.objects.order_by("at").select_related("person").first()
    assert first is not None
    assert (first.person.name, first.list_price_fen, first.payer_fen, first.person_fen) == ("凌涛", 1300, 400, 900)
    assert holding() == dict.fromkeys(PLANTED, True)
    assert all(figure["evidence"] > 0 for figure in demo.figures())
    assert OfflineConflict.objects.count() == 1
    assert set(Settlement.objects.values_list("state", flat=True)) == {"paid", "prepared"}
    assert report()["ok"] is True

    for number, plant in PLANTED.items():
        plant()
        assert holding()[number] is False, f"figure {number} did not notice"
    # The price of a meal cannot be changed without the log knowing either.
    assert "use_differs" in {finding["code"] for finding in report()["findings"]}


def test_an_empty_system_claims_nothing():
    assert not any(holding().values())
