"""Opening hours: the very second, the country's calendar, what next year brings, and midnight."""

from datetime import date, datetime

import pytest

from doorstep.kernel.common.clock import CITY_ZONE, at_local
from doorstep.kernel.places.actions import CalendarRow, load_calendar
from doorstep.kernel.places.hours import DayKind, closes_at, day_kind, is_open, next_opening, open_periods, readable
from doorstep.kernel.places.queries import calendar_overrides
from doorstep.kernel.testing.cast import SYSTEM

CANTEEN = "Mo-Su 10:30-15:00,17:00-21:00"
OFFICE = "Mo-Fr 09:00-17:00; PH off"
WEDNESDAY = date(2025, 5, 7)


def clock(hour: int, minute: int = 0, second: int = 0, day: date = WEDNESDAY) -> datetime:
    return at_local(day, hour, minute, second)


@pytest.mark.parametrize(
    ("hour", "minute", "second", "is_it"),
    [
        (10, 29, 59, False), (10, 30, 0, True), (14, 59, 59, True), (15, 0, 0, False),
        (16, 59, 59, False), (17, 0, 0, True), (20, 59, 59, True), (21, 0, 0, False),
    ],
)  # fmt: skip
def test_the_first_second_is_in_and_the_last_is_out(hour: int, minute: int, second: int, is_it: bool):
    assert is_open(CANTEEN, clock(hour, minute, second), {}) is is_it


def test_a_closed_place_says_when_it_opens_next():
    assert next_opening(CANTEEN, clock(15), {}) == clock(17)
    assert next_opening(CANTEEN, clock(21), {}) == clock(10, 30, day=date(2025, 5, 8))
    assert next_opening(CANTEEN, clock(12), {}) == clock(12)
    assert closes_at(CANTEEN, clock(12), {}) == clock(15)
    assert closes_at(CANTEEN, clock(15), {}) is None


@pytest.mark.parametrize(
    ("day", "kind", "office_open"),
    [
        (date(2025, 9, 28), DayKind.MAKE_UP_WORKDAY, True),  # a Sunday that is worked
        (date(2025, 10, 8), DayKind.HOLIDAY, False),  # a Wednesday, last day of the National Day week
        (date(2025, 10, 11), DayKind.MAKE_UP_WORKDAY, True),  # a Saturday that is worked
        (date(2025, 10, 1), DayKind.HOLIDAY, False),
        (date(2025, 10, 9), DayKind.ORDINARY, True),
        (date(2025, 10, 12), DayKind.ORDINARY, False),  # an ordinary Sunday
        (date(2025, 4, 27), DayKind.MAKE_UP_WORKDAY, True),
        (date(2025, 5, 5), DayKind.HOLIDAY, False),
    ],
)
def test_the_countrys_calendar_decides_not_the_weekday(day: date, kind: DayKind, office_open: bool):
    assert day_kind(day, {}) is kind
    assert is_open(OFFICE, at_local(day, 10), {}) is office_open


def test_a_year_nobody_knows_yet_follows_the_weekday_until_it_is_loaded():
    friday, sunday = date(2031, 10, 3), date(2031, 9, 28)
    assert is_open(OFFICE, at_local(friday, 10), {})
    assert not is_open(OFFICE, at_local(sunday, 10), {})
    loaded = {friday: "holiday", sunday: "workday"}
    assert not is_open(OFFICE, at_local(friday, 10), loaded)
    assert is_open(OFFICE, at_local(sunday, 10), loaded)


@pytest.mark.django_db
def test_next_years_calendar_is_loaded_as_data_and_can_be_corrected():
    rows = [CalendarRow(date(2031, 10, 3), "holiday", "国庆节"), CalendarRow(date(2031, 9, 28), "workday", "调休")]
    assert load_calendar(actor=SYSTEM, at=clock(9), rows=rows, source="国办发明电〔2030〕") == 2
    overrides = calendar_overrides(date(2031, 9, 28))
    assert overrides == {date(2031, 10, 3): "holiday", date(2031, 9, 28): "workday"}
    corrected = [CalendarRow(date(2031, 10, 3), "workday", "更正")]
    load_calendar(actor=SYSTEM, at=clock(9), rows=corrected, source="更正")
    assert calendar_overrides(date(2031, 10, 3))[date(2031, 10, 3)] == "workday"


def test_open_past_midnight_belongs_to_both_days():
    bar = "Mo-Su 18:00-02:00"
    assert is_open(bar, clock(1, 59, 59, date(2025, 5, 8)), {})
    assert not is_open(bar, clock(2, day=date(2025, 5, 8)), {})
    assert closes_at(bar, clock(23), {}) == clock(2, day=date(2025, 5, 8))


def test_round_the_clock_is_one_period_of_a_day():
    (period,) = open_periods("24/7", WEDNESDAY, {})
    assert (period.start, period.end) == (clock(0), at_local(WEDNESDAY, 24))
    assert period.end.astimezone(CITY_ZONE).date() == date(2025, 5, 8)


def test_no_hours_means_never_and_nonsense_is_not_readable():
    assert open_periods("", WEDNESDAY, {}) == []
    assert next_opening("", clock(9), {}) is None
    assert readable(CANTEEN)
    assert not readable("whenever we feel like it")
