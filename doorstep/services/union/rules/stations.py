"""How a station is judged and how a visit counts. Pure.

A station that scores under 60 at an unannounced visit is warned and has 30 days to mend; it leaves when it fails again before
it has passed, or lets the 30 days go by. A passed visit lifts the warning.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.utils.translation import gettext_lazy as _

PASS_POINTS = 60
MEND_DAYS = 30
VISIT_GAP = timedelta(minutes=30)
DOOR_METRES = 300  # a phone's position in a shopping centre is off by a hundred metres or more
SCAN_LASTS = timedelta(minutes=10)  # signing in between the scan and the check-in takes a while
EXPIRY_WARNINGS = (30, 7, 1)
EXPIRED = -1

FACILITIES = {
    "microwave": _("微波炉"),
    "seats": _("休息桌椅"),
    "first_aid": _("急救药箱"),
    "wifi": _("WiFi"),
    "charging": _("手机充电"),
    "fridge": _("电冰箱"),
    "water": _("饮水"),
    "bike_charging": _("充电桩"),
    "aircon": _("空调"),
    "toilet": _("卫生间"),
    "books": _("书报"),
}
PERISHABLE = ("first_aid",)  # must carry a date


class Verdict(StrEnum):
    """What an unannounced visit leads to."""

    KEEP = "keep"
    WARN = "warn"
    RESTORE = "restore"
    EXIT = "exit"


def verdict(*, warned: bool, mend_by: date | None, points: int, day: date) -> Verdict:
    """Failing while warned is the second failure; passing too late is too late."""
    if points >= PASS_POINTS:
        if not warned:
            return Verdict.KEEP
        return Verdict.RESTORE if mend_by is None or day <= mend_by else Verdict.EXIT
    return Verdict.EXIT if warned else Verdict.WARN


def visit_slot(station_id: UUID, person_id: UUID, at: datetime) -> str:
    """Person, station and half hour: unique in the table, so that two doors at once count one visit."""
    return f"{station_id}/{person_id}/{int(at.timestamp()) // int(VISIT_GAP.total_seconds())}"


def same_visit(before: datetime, at: datetime) -> bool:
    """Less than half an hour apart is the same visit."""
    return abs(at - before) < VISIT_GAP


@dataclass(frozen=True, slots=True)
class FacilityLine:
    """What decides whether a facility is shown as there."""

    code: str
    state: str
    expires_on: date | None


def on_offer(lines: Iterable[FacilityLine], day: date) -> list[str]:
    """The facilities one can count on that day, in the house's order. Medicine is good through its last day."""
    there = {
        line.code for line in lines if line.state == "working" and (line.expires_on is None or line.expires_on >= day)
    }
    return [code for code in FACILITIES if code in there]


def expiry_step(expires_on: date, day: date, warned: int | None) -> int | None:
    """Which warning is due: 30, 7 or 1 days before, or that it is over; each once."""
    left = (expires_on - day).days
    if left < 0:
        return EXPIRED if warned != EXPIRED else None
    due = [step for step in EXPIRY_WARNINGS if left <= step]
    if not due:
        return None
    step = min(due)
    return step if warned is None or step < warned else None
