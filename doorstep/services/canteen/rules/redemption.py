"""May this voucher be redeemed, here and now? A pure decision on plain values.

The checks run in a fixed order, from what the cashier can least change to what the worker can do next; the first that fails
names the refusal:

1. the till's venue: open, papers in date, agreement in force
2. the voucher: ours, its programme running, not void, its period, units left
3. the code: not revoked; a printed one: this venue group
4. the place: among those the voucher is good for
5. the time: inside a meal window, the venue open
6. the person: still holds one of the standings
7. how often: this meal, this month
8. the price: agreed with this venue
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from doorstep.kernel.common.clock import CITY_ZONE, at_local, local
from doorstep.kernel.places.hours import is_open, next_opening

PAPERS_NEEDED = frozenset({"business_licence", "food_permit", "health_certificate"})
OFFLINE_HOURS = 4
CLOCK_SKEW = timedelta(minutes=2)
VOID_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Window:
    """A named time of the day, ``start`` ≤ clock < ``end``, in minutes from midnight; 1440 is 24:00."""

    code: str
    title: str
    start: int
    end: int

    @classmethod
    def from_terms(cls, data: Mapping[str, Any]) -> "Window":
        return cls(str(data["code"]), str(data["title"]), minutes(str(data["start"])), minutes(str(data["end"])))


def minutes(text: str) -> int:
    """``"15:00"`` → 900. Raises: ValueError."""
    hours, _, rest = text.partition(":")
    value = int(hours) * 60 + int(rest)
    if not 0 <= value <= 1440:
        raise ValueError(f"no time of the day: {text}")
    return value


def clock_text(value: int) -> str:
    return f"{value // 60}:{value % 60:02d}"


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything the decision looks at, as one statement loaded it."""

    at: datetime
    # the till's venue
    venue_state: str
    papers_in_date: frozenset[str]
    agreed_price_fen: int | None
    opening_hours: str
    calendar: Mapping[date, str]
    # the voucher
    service: str
    state: str
    used: int
    units: int
    valid_from: datetime
    valid_until: datetime
    unit_fen: int
    starts_on: date | None
    ends_on: date | None
    # its terms in force at this time
    list_price_fen: int | None
    windows: tuple[Window, ...]
    per_window: int
    per_month: int | None
    standings: frozenset[str]
    place_ids: frozenset[UUID]
    # the code, the place and the person
    place_id: UUID
    revoked: bool
    printed_elsewhere: bool
    held_standings: frozenset[str]
    slots_taken: frozenset[str]
    month_numbers_taken: frozenset[int] = field(default_factory=frozenset)
    slot_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The meal this is and what each side pays, in fen."""

    window: Window
    slot: str
    month_number: int | None
    list_price_fen: int
    union_fen: int
    worker_fen: int


@dataclass(frozen=True, slots=True)
class Refused:
    """``code`` names the reason; ``data`` fills its text."""

    code: str
    data: dict[str, Any] = field(default_factory=dict)


def decide(s: Situation) -> Allowed | Refused:
    """The decision. See the module's text for the order of the checks."""
    refusal = _venue(s) or _voucher(s) or _code_and_place(s)
    if refusal:
        return refusal
    window = current_window(s.windows, s.at)
    if window is None or not is_open(s.opening_hours, s.at, s.calendar):
        return outside(s, window)
    if s.standings and not (s.standings & s.held_standings):
        return Refused("standing_ended")
    slot = f"{s.slot_prefix}:{local(s.at).date().isoformat()}:{window.code}"
    if s.per_window and slot in s.slots_taken:
        return Refused("already_this_window", {"meal": window.title})
    number = None
    if s.per_month is not None:
        number = next((n for n in range(s.per_month) if n not in s.month_numbers_taken), None)
        if number is None:
            return Refused("monthly_limit", {"limit": s.per_month})
    if s.list_price_fen is None or s.agreed_price_fen != s.list_price_fen:
        return Refused("price_differs")
    return Allowed(window, slot, number, s.list_price_fen, s.unit_fen, s.list_price_fen - s.unit_fen)


def _venue(s: Situation) -> Refused | None:
    if s.venue_state == "suspended":
        return Refused("venue_suspended")
    if s.venue_state != "open":
        return Refused("venue_not_open")
    missing = PAPERS_NEEDED - s.papers_in_date
    if missing:
        return Refused("papers_expired", {"papers": sorted(missing)})
    if s.agreed_price_fen is None:
        return Refused("no_agreement")
    return None


def _voucher(s: Situation) -> Refused | None:
    if s.service != "canteen":
        return Refused("foreign_code")
    today = local(s.at).date()
    if s.starts_on is None or today < s.starts_on or (s.ends_on is not None and today > s.ends_on):
        return Refused("programme_over")
    if s.state == "void":
        return Refused("voided")
    if s.used >= s.units:
        return Refused("already_used")
    if s.at < s.valid_from:
        return Refused("not_yet_valid", {"day": local(s.valid_from).date().isoformat()})
    if s.state == "expired" or s.at >= s.valid_until:
        return Refused("expired")
    return None


def _code_and_place(s: Situation) -> Refused | None:
    if s.revoked:
        return Refused("pass_revoked")
    if s.printed_elsewhere:
        return Refused("printed_elsewhere")
    if s.place_ids and s.place_id not in s.place_ids:
        return Refused("other_venue")
    return None


def current_window(windows: tuple[Window, ...], at: datetime) -> Window | None:
    """The meal whose window this instant is in: the first second in, the last out."""
    wall = local(at)
    now = wall.hour * 60 + wall.minute
    return next((window for window in windows if window.start <= now < window.end), None)


def next_meal(
    windows: tuple[Window, ...], opening_hours: str, calendar: Mapping[date, str], at: datetime
) -> datetime | None:
    """When one can eat here next: the next instant that is inside a window and inside opening hours."""
    opening = next_opening(opening_hours, at, calendar)
    for _ in range(40):
        if opening is None:
            return None
        if current_window(windows, opening) is not None:
            return opening
        day = local(opening).date()
        starts = [at_local(day, window.start // 60, window.start % 60) for window in windows]
        later = min((start for start in starts if start > opening), default=at_local(day, 24))
        opening = next_opening(opening_hours, later, calendar)
    return None


def outside(s: Situation, window: Window | None) -> Refused:
    """Not a mealtime, or the venue is closed: say when it opens next."""
    code = "outside_window" if window is None else "venue_closed"
    opening = next_meal(s.windows, s.opening_hours, s.calendar, s.at)
    if opening is None:
        return Refused(code, {"next": None, "next_text": ""})
    wall = opening.astimezone(CITY_ZONE)
    days = (wall.date() - local(s.at).date()).days
    word = {0: "今天", 1: "明天"}.get(days, f"{wall.month}月{wall.day}日")
    return Refused(code, {"next": opening.isoformat(), "next_text": f"{word} {wall.hour}:{wall.minute:02d}"})
