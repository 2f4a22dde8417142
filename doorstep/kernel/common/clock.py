"""The one place that knows what time it is.

Faces read the clock once and hand ``at`` down; actions and rules never ask. Stories and tests travel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

CITY_ZONE = ZoneInfo("Asia/Shanghai")

_travelled: ContextVar[datetime | None] = ContextVar("doorstep_now", default=None)


def now() -> datetime:
    """This instant, aware, in UTC; the travelled-to instant inside :func:`travel`."""
    return _travelled.get() or datetime.now(UTC)


@contextmanager
def travel(to: datetime) -> Iterator[None]:
    """Let :func:`now` say ``to`` inside the block."""
    if to.tzinfo is None:
        raise ValueError("travel() needs an aware datetime")
    token = _travelled.set(to.astimezone(UTC))
    try:
        yield
    finally:
        _travelled.reset(token)


def local(at: datetime) -> datetime:
    """The instant as the city's wall clock shows it."""
    return at.astimezone(CITY_ZONE)


def local_day(at: datetime) -> date:
    return at.astimezone(CITY_ZONE).date()


def at_local(day: date, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """The instant at which the city's clock shows this; hour 24 is the next midnight."""
    if hour == 24:
        return datetime.combine(day + timedelta(days=1), time(0, minute, second), CITY_ZONE).astimezone(UTC)
    return datetime.combine(day, time(hour, minute, second), CITY_ZONE).astimezone(UTC)


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """Half-open UTC bounds of a local day."""
    return at_local(day), at_local(day, 24)
