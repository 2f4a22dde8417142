"""When a voucher counts: meal windows and limits as a programme writes them into its terms."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

WINDOWS: tuple[dict[str, str], ...] = (
    {"code": "lunch", "title": "午餐", "start": "10:30", "end": "15:00"},
    {"code": "dinner", "title": "晚餐", "start": "17:00", "end": "21:00"},
)
MAX_PER_MONTH = 62
_CLOCK = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")


def windows_wrong(windows: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with these windows: none, code, clock, order, overlap; or None when they are right."""
    if not windows:
        return "none"
    codes = [window.get("code") for window in windows]
    if len(set(codes)) != len(codes) or not set(codes) <= {"lunch", "dinner"}:
        return "code"
    for window in windows:
        if not _CLOCK.match(str(window.get("start", ""))) or not _CLOCK.match(str(window.get("end", ""))):
            return "clock"
        if window["start"] >= window["end"]:
            return "order"
    ordered = sorted(windows, key=lambda window: str(window["start"]))
    if any(later["start"] < earlier["end"] for earlier, later in pairwise(ordered)):
        return "overlap"
    return None


def limits_of(per_window: int, per_month: int | None) -> dict[str, int]:
    """``{"per_window": 1}`` or with ``per_month``."""
    return {"per_window": per_window} | ({"per_month": per_month} if per_month else {})
