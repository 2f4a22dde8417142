"""What the watch looks for: pure judgements on counted facts, with thresholds that hold from one date to another.

Each judgement gets what the records say of one till, one pair or one venue and answers with a :class:`Finding` or
nothing. The thresholds are the union's own; a day is judged by those of its date, however long ago it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

INFORM, ATTEND, URGENT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Limits in force from ``since`` up to and including ``until`` (None: until further notice)."""

    since: date
    until: date | None
    burst_uses: int
    burst_minutes: int
    pair_uses: int
    pair_days: int
    pair_share_percent: int
    distance_m: int
    new_device_hours: int
    new_device_uses: int
    refused_count: int
    refused_minutes: int
    exposure_percent: int

    def holds_on(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day <= self.until)


# The first months were a trial with few meals: the limits were lower, so that the officers saw how the watch behaves.
# A cashier who scans, reads the amount aloud and takes the money needs about ten seconds a meal.
THRESHOLDS = (
    Thresholds(
        since=date(2025, 1, 1),
        until=date(2025, 6, 30),
        burst_uses=12,
        burst_minutes=1,
        pair_uses=10,
        pair_days=14,
        pair_share_percent=5,
        distance_m=150,
        new_device_hours=24,
        new_device_uses=30,
        refused_count=8,
        refused_minutes=5,
        exposure_percent=90,
    ),
    Thresholds(
        since=date(2025, 7, 1),
        until=None,
        burst_uses=15,
        burst_minutes=1,
        pair_uses=12,
        pair_days=14,
        pair_share_percent=5,
        distance_m=150,
        new_device_hours=24,
        new_device_uses=60,
        refused_count=10,
        refused_minutes=5,
        exposure_percent=90,
    ),
)


class NoThresholds(LookupError):
    """The day is before the watch began."""


def thresholds_on(day: date) -> Thresholds:
    """Raises: NoThresholds."""
    found = next((row for row in THRESHOLDS if row.holds_on(day)), None)
    if found is None:
        raise NoThresholds(day)
    return found


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to be looked at. ``subject`` and ``period`` make it the same finding when the rule runs again."""

    rule: str
    severity: int
    subject: str
    period: str
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return f"{self.rule}/{self.subject}/{self.period}"


TITLES: dict[str, Promise] = {
    "burst": _("一台收银台短时间核销太多"),
    "pair": _("同一个人总在同一家"),
    "closed": _("餐厅不营业时有核销"),
    "distance": _("手机离餐厅太远"),
    "new_device": _("新配对的收银台用量大"),
    "refused": _("被拒绝的扫码集中"),
    "exposure": _("离线承担额将满"),
    "conflicts": _("离线补传有冲突"),
}
TEXTS: dict[str, Promise] = {
    "burst": _(
        "「{till}」在 {minutes} 分钟内核销了 {count} 笔({first}–{last}),门槛是 {limit} 笔。"
        "一个人扫码、报价、收钱大约要 10 秒,请核对当时是否真有这么多人用餐。"
    ),
    "pair": _(
        "{person} 最近 {days} 天在「{venue}」用了 {count} 次,占这家店 {total} 人次的 {share}%,"
        "门槛是 {limit} 次且 {limit_share}%。可能只是住得近,也可能是券在别人手里。"
    ),
    "closed": _(
        "「{venue}」不营业的时候有 {count} 笔核销,第一笔在 {first}。请核对营业时间是否登记正确,或当时谁在收银。"
    ),
    "distance": _(
        "「{venue}」有 {count} 笔核销,当时用餐人的手机离餐厅超过 {limit} 米,最远 {farthest} 米。"
        "定位会漂移;若集中在几个人,请问清是否代扫。"
    ),
    "new_device": _(
        "「{till}」配对不到 {hours} 小时就核销了 {count} 笔,门槛是 {limit} 笔。请确认这台设备在店里,是店家自己配对的。"
    ),
    "refused": _(
        "「{till}」在 {minutes} 分钟内有 {count} 次扫码被拒绝,门槛是 {limit} 次,最多的原因是「{reason}」。"
        "可能有人在试码。"
    ),
    "exposure": _(
        "「{till}」的离线冲突工会已承担 {amount} 元,是一天上限 {cap} 元的 {percent}%,再有就由餐厅承担。请问店家网络情况。"
    ),
    "conflicts": _("「{till}」补传时有 {count} 笔与账上冲突,共 {amount} 元,已记入专户。请逐笔核对后结案。"),
}


def explain(rule: str, figures: Mapping[str, Any]) -> str:
    """The finding in words, in the reader's language."""
    return str(TEXTS[rule]).format(**figures)


def _clock(at: datetime) -> str:
    """Instants come in the city's time already."""
    return f"{at:%H:%M:%S}"


@dataclass(frozen=True, slots=True)
class Burst:
    """The fullest stretch of one till on one day: ``count`` uses from ``first`` to ``last``."""

    device_id: str
    till: str
    day: date
    count: int
    first: datetime
    last: datetime


def judge_burst(fact: Burst, limits: Thresholds) -> Finding | None:
    """At least so many uses within the minutes, both ends counted."""
    if fact.count < limits.burst_uses or fact.last - fact.first > timedelta(minutes=limits.burst_minutes):
        return None
    severity = URGENT if fact.count >= 2 * limits.burst_uses else ATTEND
    figures = {
        "till": fact.till,
        "count": fact.count,
        "minutes": limits.burst_minutes,
        "first": _clock(fact.first),
        "last": _clock(fact.last),
        "limit": limits.burst_uses,
    }
    return Finding("burst", severity, fact.device_id, fact.day.isoformat(), figures)


@dataclass(frozen=True, slots=True)
class Pair:
    """One person's uses at one venue over the days up to ``day``, beside all uses of the venue."""

    venue_id: str
    person_id: str
    venue: str
    person: str
    day: date
    count: int
    total: int


def judge_pair(fact: Pair, limits: Thresholds) -> Finding | None:
    """Often, and a noticeable part of the venue's trade: a neighbour of a busy place is none. Once a week at most."""
    if fact.count < limits.pair_uses or 100 * fact.count < limits.pair_share_percent * fact.total:
        return None
    year, week, _weekday = fact.day.isocalendar()
    figures = {
        "person": fact.person,
        "venue": fact.venue,
        "days": limits.pair_days,
        "count": fact.count,
        "total": fact.total,
        "share": f"{100 * fact.count / fact.total:.1f}",
        "limit": limits.pair_uses,
        "limit_share": limits.pair_share_percent,
    }
    return Finding("pair", ATTEND, f"{fact.venue_id}/{fact.person_id}", f"{year}-W{week:02d}", figures)


@dataclass(frozen=True, slots=True)
class AtVenue:
    """Uses of one venue on one day that have something in common; ``extreme`` is the largest value, if any."""

    venue_id: str
    venue: str
    day: date
    count: int
    first: datetime
    extreme: int = 0


def judge_closed(fact: AtVenue, limits: Thresholds) -> Finding | None:
    """Any use outside the venue's hours."""
    if fact.count < 1:
        return None
    figures = {"venue": fact.venue, "count": fact.count, "first": _clock(fact.first)}
    return Finding("closed", URGENT, fact.venue_id, fact.day.isoformat(), figures)


def judge_distance(fact: AtVenue, limits: Thresholds) -> Finding | None:
    """Farther than the limit: exactly 150 m is near enough."""
    if fact.count < 1 or fact.extreme <= limits.distance_m:
        return None
    severity = ATTEND if fact.count >= 3 else INFORM
    figures = {"venue": fact.venue, "count": fact.count, "limit": limits.distance_m, "farthest": fact.extreme}
    return Finding("distance", severity, fact.venue_id, fact.day.isoformat(), figures)


@dataclass(frozen=True, slots=True)
class AtTill:
    """Something counted at one till on one day."""

    device_id: str
    till: str
    day: date
    count: int
    amount_fen: int = 0
    cap_fen: int = 0
    reason: str = ""


def judge_new_device(fact: AtTill, limits: Thresholds) -> Finding | None:
    """Uses in the till's first hours."""
    if fact.count < limits.new_device_uses:
        return None
    figures = {
        "till": fact.till,
        "count": fact.count,
        "hours": limits.new_device_hours,
        "limit": limits.new_device_uses,
    }
    return Finding("new_device", ATTEND, fact.device_id, fact.day.isoformat(), figures)


def judge_refused(fact: AtTill, limits: Thresholds) -> Finding | None:
    """The fullest stretch of refusals."""
    if fact.count < limits.refused_count:
        return None
    figures = {
        "till": fact.till,
        "count": fact.count,
        "minutes": limits.refused_minutes,
        "limit": limits.refused_count,
        "reason": fact.reason,
    }
    return Finding("refused", ATTEND, fact.device_id, fact.day.isoformat(), figures)


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def judge_exposure(fact: AtTill, limits: Thresholds) -> Finding | None:
    """What the union bears for a till is so close to its cap that the next meal may not fit below it."""
    if fact.cap_fen <= 0 or 100 * fact.amount_fen < limits.exposure_percent * fact.cap_fen:
        return None
    figures = {
        "till": fact.till,
        "count": fact.count,
        "amount": _yuan(fact.amount_fen),
        "cap": _yuan(fact.cap_fen),
        "percent": 100 * fact.amount_fen // fact.cap_fen,
    }
    return Finding("exposure", ATTEND, fact.device_id, fact.day.isoformat(), figures)


def judge_conflicts(fact: AtTill, limits: Thresholds) -> Finding | None:
    """Every conflict is to be looked at."""
    if fact.count < 1:
        return None
    figures = {"till": fact.till, "count": fact.count, "amount": _yuan(fact.amount_fen)}
    return Finding("conflicts", ATTEND, fact.device_id, fact.day.isoformat(), figures)
