"""Opening hours in OpenStreetMap syntax on the Chinese calendar: pure functions of text, day and calendar.

The parser knows public holidays but not make-up workdays (a Sunday that is worked), and its list of holidays is its own. So a
day is first classed with the country's calendar and then evaluated on a *stand-in* day of the same class: a make-up workday on
the nearest plain Wednesday, a holiday on a day that the parser too takes for one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache

import chinese_calendar
from opening_hours import OpeningHours, State, validate

from doorstep.kernel.common.clock import at_local, local

LOOK_AHEAD_DAYS = 14
# The first of October is a holiday in the parser's list in every year; these years put it on each weekday once.
NATIONAL_DAYS = {date(year, 10, 1).weekday(): date(year, 10, 1) for year in range(2018, 2026)}


class DayKind(StrEnum):
    """How a day counts for opening hours."""

    ORDINARY = "ordinary"
    HOLIDAY = "holiday"
    MAKE_UP_WORKDAY = "make_up_workday"


def day_kind(day: date, overrides: Mapping[date, str]) -> DayKind:
    """Class a day; ``overrides`` (``holiday``/``workday``) come before the library. Unknown years follow the weekday."""
    weekend = day.weekday() >= 5
    override = overrides.get(day)
    if override is None:
        override = _library_kind(day)
    if override == "holiday":
        return DayKind.HOLIDAY
    if override == "workday" and weekend:
        return DayKind.MAKE_UP_WORKDAY
    return DayKind.ORDINARY


@lru_cache(maxsize=4096)
def _library_kind(day: date) -> str:
    try:
        holiday, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return ""
    if name is None:
        return ""
    return "holiday" if holiday else "workday"


def readable(expression: str) -> bool:
    """Is this text opening hours at all?"""
    return bool(validate(expression))


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> OpeningHours:
    return OpeningHours(expression, country="CN")


def _stand_in(day: date, kind: DayKind) -> date:
    if kind is DayKind.HOLIDAY:
        return NATIONAL_DAYS[day.weekday()]
    if kind is DayKind.MAKE_UP_WORKDAY:
        return _plain_day(day, 2)
    if _library_holiday_in_parser(day):
        return _plain_day(day, day.weekday())
    return day


@lru_cache(maxsize=4096)
def _library_holiday_in_parser(day: date) -> bool:
    return bool(_parsed("PH").is_open(datetime.combine(day, time(12))))


def _plain_day(near: date, weekday: int) -> date:
    """The nearest day of that weekday which the parser does not take for a holiday."""
    base = near + timedelta(days=weekday - near.weekday())
    for weeks in (0, 1, -1, 2, -2, 3, -3):
        candidate = base + timedelta(weeks=weeks)
        if not _library_holiday_in_parser(candidate):
            return candidate
    return base


@lru_cache(maxsize=8192)
def _periods(expression: str, stand_in: date) -> tuple[tuple[int, int], ...]:
    """Open periods of one day as seconds from its midnight; 86400 is 24:00."""
    start = datetime.combine(stand_in, time())
    end = start + timedelta(days=1)
    found: list[tuple[int, int]] = []
    for begin, finish, state, _comment in _parsed(expression).intervals(start, end):
        if state != State.OPEN:
            continue
        first = int((max(begin, start) - start).total_seconds())
        last = int((min(finish or end, end) - start).total_seconds())
        if last > first:
            found.append((first, last))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Period:
    """One half-open period, as instants."""

    start: datetime
    end: datetime


def open_periods(expression: str, day: date, overrides: Mapping[date, str]) -> list[Period]:
    """The open periods of one local day, in order. No hours given means never open."""
    if not expression:
        return []
    midnight = at_local(day)
    stand_in = _stand_in(day, day_kind(day, overrides))
    return [
        Period(midnight + timedelta(seconds=first), midnight + timedelta(seconds=last))
        for first, last in _periods(expression, stand_in)
    ]


def is_open(expression: str, at: datetime, overrides: Mapping[date, str]) -> bool:
    """Open at this instant? The first second is in, the last is out: 14:59:59 yes, 15:00:00 no."""
    return any(period.start <= at < period.end for period in open_periods(expression, local(at).date(), overrides))


def next_opening(expression: str, at: datetime, overrides: Mapping[date, str]) -> datetime | None:
    """When it opens next, looking two weeks ahead; ``at`` itself when it is open."""
    today = local(at).date()
    for offset in range(LOOK_AHEAD_DAYS + 1):
        for period in open_periods(expression, today + timedelta(days=offset), overrides):
            if period.start <= at < period.end:
                return at
            if period.start > at:
                return period.start
    return None


def closes_at(expression: str, at: datetime, overrides: Mapping[date, str]) -> datetime | None:
    """When the present opening ends, or None when it is closed; open past midnight joins the next day's morning."""
    today = local(at).date()
    for period in open_periods(expression, today, overrides):
        if period.start <= at < period.end:
            if period.end == at_local(today, 24):
                following = open_periods(expression, today + timedelta(days=1), overrides)
                if following and following[0].start == period.end:
                    return following[0].end
            return period.end
    return None
