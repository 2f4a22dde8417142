"""How a restaurant gets in: which step may follow which, and what an approval needs."""

from collections.abc import Collection, Iterable
from datetime import date
from uuid import UUID

SCORES_NEEDED = 3
PAPER_KINDS = ("business_licence", "food_permit", "health_certificate")
WARNING_DAYS = (30, 7, 1)
EXPIRED = -1

MOVES: dict[str, frozenset[str]] = {
    "applied": frozenset({"visited", "rejected"}),
    "visited": frozenset({"visited", "approved", "rejected"}),
    "approved": frozenset({"open", "closed"}),
    "open": frozenset({"suspended", "closed"}),
    "suspended": frozenset({"open", "closed"}),
    "rejected": frozenset(),
    "closed": frozenset(),
}


def may_move(before: str, after: str) -> bool:
    return after in MOVES[before]


def kinds_missing(papers: Iterable[tuple[str, date]], day: date) -> list[str]:
    """Which of the three kinds have no paper (kind, last valid day) that is good on this day."""
    good = {kind for kind, expires_on in papers if expires_on >= day}
    return [kind for kind in PAPER_KINDS if kind not in good]


def deciding_twice(decider: UUID, scorers: Collection[UUID], visitors: Collection[UUID]) -> bool:
    """Somebody who scored or visited does not decide too."""
    return decider in scorers or decider in visitors


def warning_due(expires_on: date, day: date, warned_days: int | None) -> int | None:
    """Which warning is due now (30, 7, 1 or EXPIRED), or None. Of steps that were missed only the nearest is given."""
    left = (expires_on - day).days
    step = EXPIRED if left < 0 else min((days for days in WARNING_DAYS if left <= days), default=None)
    if step is None or (warned_days is not None and warned_days <= step):
        return None
    return step
