"""The redemption rules on plain values: boundary seconds, make-up workdays, the order of the refusals, the price."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from doorstep.kernel.common.clock import at_local
from doorstep.services.canteen.rules.redemption import Allowed, Refused, Situation, Window, decide

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)
LUNCH = Window("lunch", "午餐", 10 * 60 + 30, 15 * 60)
DINNER = Window("dinner", "晚餐", 17 * 60, 21 * 60)
DAY = date(2025, 5, 7)


def situation(at: datetime, **changes: object) -> Situation:
    """A rider with a four-off voucher at the venue of the page; everything right unless changed."""
    base = Situation(
        at=at,
        venue_state="open",
        papers_in_date=frozenset({"business_licence", "food_permit", "health_certificate"}),
        agreed_price_fen=1300,
        opening_hours="Mo-Su 10:30-15:00,17:00-21:00",
        calendar={},
        service="canteen",
        state="open",
        used=0,
        units=1,
        valid_from=at_local(date(2025, 5, 1)),
        valid_until=at_local(date(2025, 5, 31), 24),
        unit_fen=400,
        starts_on=date(2025, 5, 1),
        ends_on=None,
        list_price_fen=1300,
        windows=(LUNCH, DINNER),
        per_window=1,
        per_month=None,
        standings=frozenset({"rider", "courier"}),
        place_ids=frozenset({HERE}),
        place_id=HERE,
        revoked=False,
        printed_elsewhere=False,
        held_standings=frozenset({"rider"}),
        slots_taken=frozenset(),
        slot_prefix="canteen:p",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def code_of(at: datetime, **changes: object) -> str:
    decision = decide(situation(at, **changes))
    return decision.code if isinstance(decision, Refused) else "allowed"


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ((10, 29, 59), "outside_window"),
        ((10, 30, 0), "allowed"),
        ((14, 59, 59), "allowed"),
        ((15, 0, 0), "outside_window"),
        ((16, 59, 59), "outside_window"),
        ((17, 0, 0), "allowed"),
        ((20, 59, 59), "allowed"),
        ((21, 0, 0), "outside_window"),
    ],
)
def test_the_first_second_of_a_window_is_in_and_the_last_is_out(clock, expected):
    assert code_of(at_local(DAY, *clock)) == expected


def test_after_lunch_the_refusal_says_when_dinner_begins():
    decision = decide(situation(at_local(DAY, 15)))
    assert decision == Refused("outside_window", {"next": at_local(DAY, 17).isoformat(), "next_text": "今天 17:00"})


def test_after_dinner_the_refusal_says_tomorrow():
    decision = decide(situation(at_local(DAY, 21)))
    assert isinstance(decision, Refused)
    assert decision.data["next_text"] == "明天 10:30"


WORKDAYS_ONLY = "Mo-Fr 10:30-15:00,17:00-21:00; PH off"


def test_a_make_up_sunday_is_a_workday():
    assert date(2025, 9, 28).weekday() == 6
    year = {"valid_until": at_local(date(2026, 1, 1)), "opening_hours": WORKDAYS_ONLY}
    assert code_of(at_local(date(2025, 9, 28), 12), **year) == "allowed"


def test_an_ordinary_sunday_is_not():
    assert code_of(
        at_local(date(2025, 9, 21), 12), valid_until=at_local(date(2026, 1, 1)), opening_hours=WORKDAYS_ONLY
    ) == ("venue_closed")


def test_the_eighth_of_october_2025_is_a_holiday():
    assert date(2025, 10, 8).weekday() == 2
    year = {"valid_until": at_local(date(2026, 1, 1)), "opening_hours": WORKDAYS_ONLY}
    assert code_of(at_local(date(2025, 10, 8), 12), **year) == "venue_closed"
    assert code_of(at_local(date(2025, 10, 9), 12), **year) == "allowed"


def test_a_year_the_library_does_not_know_is_loaded_as_data():
    at = at_local(date(2027, 1, 1), 12)
    year = {"valid_until": at_local(date(2028, 1, 1)), "opening_hours": WORKDAYS_ONLY}
    assert code_of(at, **year) == "allowed"  # a Friday nobody has told us anything about
    assert code_of(at, calendar={date(2027, 1, 1): "holiday"}, **year) == "venue_closed"


def test_the_worker_pays_nine_of_thirteen():
    decision = decide(situation(at_local(DAY, 12)))
    assert isinstance(decision, Allowed)
    assert (decision.list_price_fen, decision.union_fen, decision.worker_fen) == (1300, 400, 900)
    assert (decision.window.code, decision.slot) == ("lunch", "canteen:p:2025-05-07:lunch")


def test_a_free_meal_costs_the_worker_nothing():
    decision = decide(situation(at_local(DAY, 18), unit_fen=1300))
    assert isinstance(decision, Allowed)
    assert (decision.union_fen, decision.worker_fen) == (1300, 0)


def test_the_voucher_keeps_its_four_yuan_when_the_price_falls():
    decision = decide(situation(at_local(DAY, 12), list_price_fen=1200, agreed_price_fen=1200))
    assert isinstance(decision, Allowed)
    assert (decision.union_fen, decision.worker_fen) == (400, 800)


REFUSED_AT_NOON = [
    ({"venue_state": "suspended"}, "venue_suspended"),
    ({"venue_state": "approved"}, "venue_not_open"),
    ({"papers_in_date": frozenset({"business_licence", "food_permit"})}, "papers_expired"),
    ({"agreed_price_fen": None}, "no_agreement"),
    ({"service": "union"}, "foreign_code"),
    ({"starts_on": date(2025, 5, 8)}, "programme_over"),
    ({"ends_on": date(2025, 5, 6)}, "programme_over"),
    ({"state": "void"}, "voided"),
    ({"used": 1}, "already_used"),
    ({"valid_from": at_local(date(2025, 5, 8))}, "not_yet_valid"),
    ({"valid_until": at_local(DAY, 12)}, "expired"),
    ({"state": "expired"}, "expired"),
    ({"revoked": True}, "pass_revoked"),
    ({"printed_elsewhere": True}, "printed_elsewhere"),
    ({"place_ids": frozenset({ELSEWHERE})}, "other_venue"),
    ({"held_standings": frozenset({"student"})}, "standing_ended"),
    ({"slots_taken": frozenset({"canteen:p:2025-05-07:lunch"})}, "already_this_window"),
    ({"per_month": 2, "month_numbers_taken": frozenset({0, 1})}, "monthly_limit"),
    ({"agreed_price_fen": 1200}, "price_differs"),
]


@pytest.mark.parametrize(("changes", "expected"), REFUSED_AT_NOON, ids=[row[1] for row in REFUSED_AT_NOON])
def test_each_reason_has_its_own_name(changes, expected):
    assert code_of(at_local(DAY, 12), **changes) == expected


def test_of_several_reasons_the_earliest_in_the_order_is_named():
    everything = {key: value for changes, _code in reversed(REFUSED_AT_NOON) for key, value in changes.items()}
    assert code_of(at_local(DAY, 3), **everything) == "venue_suspended"


def test_the_smallest_free_number_of_the_month_is_taken():
    decision = decide(situation(at_local(DAY, 12), per_month=3, month_numbers_taken=frozenset({0, 2})))
    assert isinstance(decision, Allowed)
    assert decision.month_number == 1


def test_one_meal_at_lunch_leaves_dinner():
    taken = frozenset({"canteen:p:2025-05-07:lunch"})
    assert code_of(at_local(DAY, 18), slots_taken=taken) == "allowed"


def test_midnight_starts_a_new_day_for_papers_and_vouchers():
    last = at_local(date(2025, 5, 31), 24)
    assert (
        code_of(last - timedelta(seconds=1), opening_hours="24/7", windows=(Window("all", "全天", 0, 1440),))
        == "allowed"
    )
    assert code_of(last, opening_hours="24/7", windows=(Window("all", "全天", 0, 1440),)) == "expired"
    assert last.astimezone(UTC).hour == 16
