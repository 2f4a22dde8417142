"""What the watch counts (one statement a rule, whatever the day held) and what its desk shows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from doorstep.kernel.common.clock import day_bounds, local
from doorstep.kernel.common.errors import Invalid, NotFound, TooMany
from doorstep.kernel.places.hours import open_periods
from doorstep.kernel.places.queries import calendar_overrides
from doorstep.services.canteen.models import Alert, Hold, Venue
from doorstep.services.canteen.refusals import REFUSALS
from doorstep.services.canteen.rules import watch
from doorstep.services.canteen.rules.watch import AtTill, AtVenue, Burst, Finding, Pair, Thresholds

MAX_EVIDENCE = 20
MAX_FACTS = 1000
DEFAULT_LIMIT, MAX_LIMIT = 20, 100


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding with whom it is about and the first rows behind it."""

    finding: Finding
    venue_id: UUID
    device_id: UUID | None
    person_id: UUID | None
    at: datetime
    rows: tuple[str, ...]


def _rows(statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {**parameters, "facts": MAX_FACTS, "shown": MAX_EVIDENCE})
        return list(cursor.fetchall())


_VENUE_USES = """
  SELECT u.*, v.id AS venue_id, p.name AS venue FROM entitlements_use u
  JOIN canteen_venue v ON v.place_id = u.place_id JOIN places_place p ON p.id = v.place_id
  WHERE u.reversed_at IS NULL
"""

_BURST = f"""
WITH stretches AS (
  SELECT u.device_id, u.venue_id, u.at AS last,
    count(*) OVER recent AS count, min(u.at) OVER recent AS first
  FROM ({_VENUE_USES} AND u.day = %(day)s AND u.device_id IS NOT NULL AND u.source = 'online') u
  WINDOW recent AS (PARTITION BY u.device_id ORDER BY u.at RANGE BETWEEN %(window)s PRECEDING AND CURRENT ROW)
),
fullest AS (SELECT DISTINCT ON (device_id) * FROM stretches ORDER BY device_id, count DESC, last)
SELECT f.device_id, d.name, f.venue_id, f.count::int, f.first, f.last,
  (SELECT array_agg(x.id::text ORDER BY x.at, x.id) FROM (
     SELECT id, at FROM entitlements_use WHERE device_id = f.device_id AND at BETWEEN f.first AND f.last
       AND day = %(day)s AND reversed_at IS NULL ORDER BY at, id LIMIT %(shown)s) x)
FROM fullest f JOIN organisations_device d ON d.id = f.device_id
WHERE f.count >= %(least)s ORDER BY f.count DESC, f.device_id LIMIT %(facts)s
"""  # noqa: S608  (constants only)


def bursts(day: date, limits: Thresholds) -> list[Seen]:
    """Each till's fullest stretch. Uses synchronised later are left out: their times are the till's own."""
    parameters = {"day": day, "window": timedelta(minutes=limits.burst_minutes), "least": limits.burst_uses}
    seen = []
    for device_id, till, venue_id, count, first, last, uses in _rows(_BURST, parameters):
        fact = Burst(str(device_id), till, day, count, local(first), local(last))
        seen.append((watch.judge_burst(fact, limits), venue_id, device_id, None, last, uses))
    return _seen(seen)


def _seen(
    judged: Sequence[tuple[Finding | None, UUID, UUID | None, UUID | None, datetime, list[str] | None]],
) -> list[Seen]:
    return [
        Seen(finding, venue_id, device_id, person_id, at, tuple(uses or ()))
        for finding, venue_id, device_id, person_id, at, uses in judged
        if finding is not None
    ]


_PAIR = f"""
WITH recent AS ({_VENUE_USES} AND u.day > %(after)s AND u.day <= %(day)s),
totals AS (SELECT venue_id, count(*) AS total FROM recent GROUP BY venue_id)
SELECT r.venue_id, r.venue, r.person_id, left(person.name, 1), count(*)::int, t.total::int, max(r.at),
  (array_agg(r.id::text ORDER BY r.at DESC))[1:%(shown)s]
FROM recent r JOIN totals t ON t.venue_id = r.venue_id JOIN people_person person ON person.id = r.person_id
GROUP BY r.venue_id, r.venue, r.person_id, person.name, t.total
HAVING count(*) >= %(least)s AND bool_or(r.day = %(day)s)
ORDER BY count(*) DESC, r.venue_id, r.person_id LIMIT %(facts)s
"""  # noqa: S608  (constants only)


def pairs(day: date, limits: Thresholds) -> list[Seen]:
    """People who ate at a venue on this day and often before."""
    parameters = {"day": day, "after": day - timedelta(days=limits.pair_days), "least": limits.pair_uses}
    seen = []
    for venue_id, venue, person_id, first, count, total, at, uses in _rows(_PAIR, parameters):
        fact = Pair(str(venue_id), str(person_id), venue, f"{first}*" if first else "*", day, count, total)
        seen.append((watch.judge_pair(fact, limits), venue_id, None, person_id, at, uses))
    return _seen(seen)


_CLOSED = f"""
WITH open AS (
  SELECT * FROM unnest(%(places)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
    AS o(place_id, since, until)
)
SELECT u.venue_id, u.venue, count(*)::int, min(u.at), (array_agg(u.id::text ORDER BY u.at))[1:%(shown)s]
FROM ({_VENUE_USES} AND u.day = %(day)s) u
WHERE NOT EXISTS (SELECT 1 FROM open o WHERE o.place_id = u.place_id AND u.at >= o.since AND u.at < o.until)
  OR (SELECT c.after FROM canteen_venuestatechange c WHERE c.venue_id = u.venue_id AND c.at <= u.at
      ORDER BY c.at DESC, c.id DESC LIMIT 1) IN ('suspended', 'closed')
GROUP BY u.venue_id, u.venue ORDER BY u.venue_id LIMIT %(facts)s
"""  # noqa: S608  (constants only)


def closed(day: date, limits: Thresholds) -> list[Seen]:
    """Uses outside the venue's hours of that day (country's calendar) or while it was suspended. Three statements."""
    overrides = calendar_overrides(day)
    places: list[UUID] = []
    starts: list[datetime] = []
    ends: list[datetime] = []
    for place_id, hours in Venue.objects.values_list("place_id", "place__opening_hours"):
        for period in open_periods(hours, day, overrides):
            places.append(place_id)
            starts.append(period.start)
            ends.append(period.end)
    seen = []
    rows = _rows(_CLOSED, {"day": day, "places": places, "starts": starts, "ends": ends})
    for venue_id, venue, count, first, uses in rows:
        fact = AtVenue(str(venue_id), venue, day, count, local(first))
        seen.append((watch.judge_closed(fact, limits), venue_id, None, None, first, uses))
    return _seen(seen)


_DISTANCE = f"""
SELECT u.venue_id, u.venue, count(*)::int, min(u.at), ceil(max((u.evidence ->> 'distance_m')::numeric))::int,
  (array_agg(u.id::text ORDER BY (u.evidence ->> 'distance_m')::numeric DESC, u.at))[1:%(shown)s]
FROM ({_VENUE_USES} AND u.day = %(day)s AND jsonb_typeof(u.evidence -> 'distance_m') = 'number') u
WHERE (u.evidence ->> 'distance_m')::numeric > %(limit)s
GROUP BY u.venue_id, u.venue ORDER BY u.venue_id LIMIT %(facts)s
"""  # noqa: S608  (constants only)


def distances(day: date, limits: Thresholds) -> list[Seen]:
    """Uses whose phone was too far from the venue."""
    seen = []
    for venue_id, venue, count, first, farthest, uses in _rows(_DISTANCE, {"day": day, "limit": limits.distance_m}):
        fact = AtVenue(str(venue_id), venue, day, count, local(first), farthest)
        seen.append((watch.judge_distance(fact, limits), venue_id, None, None, first, uses))
    return _seen(seen)


_NEW_DEVICE = f"""
SELECT d.id, d.name, u.venue_id, count(*)::int, max(u.at), (array_agg(u.id::text ORDER BY u.at))[1:%(shown)s]
FROM ({_VENUE_USES} AND u.day = %(day)s) u JOIN organisations_device d ON d.id = u.device_id
WHERE u.at >= d.paired_at AND u.at < d.paired_at + %(young)s
GROUP BY d.id, d.name, u.venue_id HAVING count(*) >= %(least)s ORDER BY d.id LIMIT %(facts)s
"""  # noqa: S608  (constants only)


def new_devices(day: date, limits: Thresholds) -> list[Seen]:
    """Tills with many uses in their first hours."""
    young = timedelta(hours=limits.new_device_hours)
    seen = []
    for device_id, till, venue_id, count, at, uses in _rows(
        _NEW_DEVICE, {"day": day, "young": young, "least": limits.new_device_uses}
    ):
        fact = AtTill(str(device_id), till, day, count)
        seen.append((watch.judge_new_device(fact, limits), venue_id, device_id, None, at, uses))
    return _seen(seen)


_REFUSED = """
WITH stretches AS (
  SELECT r.device_id, v.id AS venue_id, r.at AS last, count(*) OVER recent AS count, min(r.at) OVER recent AS first
  FROM entitlements_refusal r JOIN canteen_venue v ON v.place_id = r.place_id
  WHERE r.at >= %(start)s AND r.at < %(end)s AND r.device_id IS NOT NULL
  WINDOW recent AS (PARTITION BY r.device_id ORDER BY r.at RANGE BETWEEN %(window)s PRECEDING AND CURRENT ROW)
),
fullest AS (SELECT DISTINCT ON (device_id) * FROM stretches ORDER BY device_id, count DESC, last)
SELECT f.device_id, d.name, f.venue_id, f.count::int, f.last, x.reason, x.ids
FROM fullest f JOIN organisations_device d ON d.id = f.device_id
CROSS JOIN LATERAL (
  SELECT mode() WITHIN GROUP (ORDER BY code) AS reason, (array_agg(id::text ORDER BY at))[1:%(shown)s] AS ids
  FROM entitlements_refusal WHERE device_id = f.device_id AND at BETWEEN f.first AND f.last) x
WHERE f.count >= %(least)s ORDER BY f.count DESC, f.device_id LIMIT %(facts)s
"""


def refusals(day: date, limits: Thresholds) -> list[Seen]:
    """Each till's fullest stretch of refusals."""
    start, end = day_bounds(day)
    window = timedelta(minutes=limits.refused_minutes)
    seen = []
    for device_id, till, venue_id, count, at, reason, ids in _rows(
        _REFUSED, {"start": start, "end": end, "window": window, "least": limits.refused_count}
    ):
        fact = AtTill(str(device_id), till, day, count, reason=reason)
        seen.append((watch.judge_refused(fact, limits), venue_id, device_id, None, at, ids))
    return _seen(seen)


_EXPOSURE = """
SELECT d.id, d.name, v.id, count(*)::int, sum(c.amount_fen)::bigint, max(c.at), min(p.exposure_cap_fen)::bigint,
  (array_agg(c.id::text ORDER BY c.at))[1:%(shown)s]
FROM entitlements_offlineconflict c JOIN organisations_device d ON d.id = c.device_id
JOIN canteen_venue v ON v.place_id = c.place_id JOIN canteen_programme p ON p.offline_losses_id = c.bearer_id
WHERE c.at >= %(start)s AND c.at < %(end)s
GROUP BY d.id, d.name, v.id ORDER BY d.id LIMIT %(facts)s
"""


def exposures(day: date, limits: Thresholds) -> list[Seen]:
    """What the union bears of each till's offline conflicts of this day, beside the cap of the programme."""
    start, end = day_bounds(day)
    seen = []
    for device_id, till, venue_id, count, fen, at, cap_fen, ids in _rows(_EXPOSURE, {"start": start, "end": end}):
        fact = AtTill(str(device_id), till, day, count, amount_fen=fen, cap_fen=cap_fen or 0)
        seen.append((watch.judge_exposure(fact, limits), venue_id, device_id, None, at, ids))
    return _seen(seen)


_CONFLICTS = """
SELECT d.id, d.name, v.id, count(*)::int, sum(c.amount_fen)::bigint, max(c.at),
  (array_agg(c.id::text ORDER BY c.at))[1:%(shown)s]
FROM entitlements_offlineconflict c JOIN organisations_device d ON d.id = c.device_id
JOIN canteen_venue v ON v.place_id = c.place_id
WHERE c.at >= %(start)s AND c.at < %(end)s AND c.resolved_at IS NULL
GROUP BY d.id, d.name, v.id ORDER BY d.id LIMIT %(facts)s
"""


def conflicts(day: date, limits: Thresholds) -> list[Seen]:
    """Offline uses of this day that the books could not take."""
    start, end = day_bounds(day)
    seen = []
    for device_id, till, venue_id, count, fen, at, ids in _rows(_CONFLICTS, {"start": start, "end": end}):
        fact = AtTill(str(device_id), till, day, count, amount_fen=fen)
        seen.append((watch.judge_conflicts(fact, limits), venue_id, device_id, None, at, ids))
    return _seen(seen)


RULES = (bursts, pairs, closed, distances, new_devices, refusals, exposures, conflicts)
USES, SCANS, CONFLICTS = "use", "refusal", "conflict"
ROW_KINDS = {"refused": SCANS, "conflicts": CONFLICTS, "exposure": CONFLICTS}


def refusal_words(code: str) -> str:
    """Why a scan was refused, in a few words: the first sentence of what the cashier read, without its placeholders."""
    known = REFUSALS.get(code)
    return re.sub(r"\{[^}]*\}", "…", str(known[1])).split("。", maxsplit=1)[0].rstrip(".") if known else code


def in_words(rule: str, figures: dict[str, Any]) -> str:
    """The explanation in the reader's language; the figures keep a refusal's code, the reader gets its words."""
    if "reason" in figures:
        figures = {**figures, "reason": refusal_words(figures["reason"])}
    return watch.explain(rule, figures)


# The desk


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert as the desk lists and opens it; ``text`` is in the reader's language."""

    id: UUID
    rule: str
    title: str
    text: str
    severity: int
    state: str
    at: datetime
    venue_id: UUID | None
    venue_name: str
    closed_by: str
    closed_at: datetime | None
    closing_note: str
    evidence: dict[str, Any]


def _row(alert: Alert) -> AlertRow:
    figures = alert.evidence.get("figures", {})
    known = alert.rule in watch.TEXTS and figures
    return AlertRow(
        id=alert.pk,
        rule=alert.rule,
        title=str(watch.TITLES.get(alert.rule, alert.rule)),
        text=in_words(alert.rule, figures) if known else alert.explanation,
        severity=alert.severity,
        state=alert.state,
        at=alert.at,
        venue_id=alert.venue_id,
        venue_name=alert.venue.place.name if alert.venue else "",
        closed_by=alert.closed_by.name if alert.closed_by else "",
        closed_at=alert.closed_at,
        closing_note=alert.closing_note,
        evidence=alert.evidence,
    )


def alerts(
    organisation_ids: Sequence[UUID],
    *,
    state: str = "",
    rule: str = "",
    venue_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = DEFAULT_LIMIT,
) -> list[AlertRow]:
    """Alerts about venues of these organisations and those below, newest first. Raises: Invalid, TooMany."""
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    if (state and state not in Alert.State.values) or (rule and rule not in watch.TITLES):
        raise Invalid("filter")
    wanted = {"state": state or None, "rule": rule or None, "venue_id": venue_id, "id__lt": before}
    found = (
        Alert.objects.select_related("venue__place", "closed_by")
        .filter(venue__organisation__path__overlap=list(organisation_ids))
        .filter(**{name: value for name, value in wanted.items() if value is not None})
        .order_by("-pk")[:limit]
    )
    return [_row(alert) for alert in found]


def alert(alert_id: UUID, organisation_ids: Sequence[UUID]) -> AlertRow:
    """One alert about a venue of these organisations. Raises: NotFound."""
    found = (
        Alert.objects.select_related("venue__place", "closed_by")
        .filter(pk=alert_id, venue__organisation__path__overlap=list(organisation_ids))
        .first()
    )
    if found is None:
        raise NotFound
    return _row(found)


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One record behind an alert. ``person`` is the first character and a star; ``use_id`` leads to the audit view."""

    at: datetime
    till: str
    person: str
    what: str
    amount_fen: int | None
    distance_m: int | None
    use_id: UUID | None


_EVIDENCE = {
    USES: """SELECT u.at, coalesce(d.name, ''), left(p.name, 1), u.source, u.payer_fen,
        CASE WHEN jsonb_typeof(u.evidence -> 'distance_m') = 'number'
          THEN ceil((u.evidence ->> 'distance_m')::numeric)::int END,
        u.id
      FROM entitlements_use u JOIN people_person p ON p.id = u.person_id
      LEFT JOIN organisations_device d ON d.id = u.device_id WHERE u.id = ANY(%s::uuid[]) ORDER BY u.at, u.id""",
    SCANS: """SELECT r.at, coalesce(d.name, ''), left(p.name, 1), r.code, NULL::bigint, NULL::int, NULL::uuid
      FROM entitlements_refusal r LEFT JOIN people_person p ON p.id = r.person_id
      LEFT JOIN organisations_device d ON d.id = r.device_id WHERE r.id = ANY(%s::uuid[]) ORDER BY r.at, r.id""",
    CONFLICTS: """SELECT c.at, coalesce(d.name, ''), left(p.name, 1), c.code, c.amount_fen, NULL::int, NULL::uuid
      FROM entitlements_offlineconflict c LEFT JOIN people_person p ON p.id = c.person_id
      LEFT JOIN organisations_device d ON d.id = c.device_id WHERE c.id = ANY(%s::uuid[]) ORDER BY c.at, c.id""",
}


def evidence(row: AlertRow) -> list[EvidenceRow]:
    """The first records behind an alert. One statement."""
    statement = _EVIDENCE[ROW_KINDS.get(row.rule, USES)]
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(row.evidence.get("rows", []))])
        return [
            EvidenceRow(at, till, f"{first}*" if first else "", what, fen, distance, use_id)
            for at, till, first, what, fen, distance, use_id in cursor.fetchall()
        ]


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A frozen payout and what waits behind it."""

    id: UUID
    venue_id: UUID
    venue_name: str
    reason: str
    placed_by_id: UUID | None
    placed_by: str
    placed_at: datetime
    alert_id: UUID | None
    waiting_fen: int


_HOLDS = """
SELECT h.id, v.id, p.name, h.reason, h.placed_by_id, coalesce(who.name, ''), h.placed_at, h.alert_id,
  coalesce((SELECT sum(s.payer_fen + s.borne_fen + s.adjustment_fen) FROM entitlements_settlement s
    WHERE s.payee_id = v.payee_id AND s.service = 'canteen' AND s.state <> 'paid'), 0)::bigint
FROM canteen_hold h JOIN canteen_venue v ON v.id = h.venue_id JOIN places_place p ON p.id = v.place_id
JOIN organisations_organisation o ON o.id = v.organisation_id LEFT JOIN people_person who ON who.id = h.placed_by_id
WHERE h.released_at IS NULL AND o.path && %s ORDER BY h.placed_at DESC, h.id LIMIT %s
"""


def open_holds(organisation_ids: Sequence[UUID], limit: int = MAX_LIMIT) -> list[HoldRow]:
    """Venues whose payout is frozen. One statement. Raises: TooMany."""
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    with connection.cursor() as cursor:
        cursor.execute(_HOLDS, [list(organisation_ids), limit])
        return [HoldRow(*row) for row in cursor.fetchall()]


def hold_of(venue_id: UUID) -> Hold | None:
    return Hold.objects.select_related("placed_by").filter(venue_id=venue_id, released_at=None).first()


def alert_counts(organisation_ids: Sequence[UUID]) -> dict[str, int]:
    """Alerts by state and, as ``urgent``, the open ones of highest severity. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.state, count(*)::int, (count(*) FILTER (WHERE a.severity = 3))::int FROM canteen_alert a
               JOIN canteen_venue v ON v.id = a.venue_id JOIN organisations_organisation o ON o.id = v.organisation_id
               WHERE o.path && %s GROUP BY a.state""",
            [list(organisation_ids)],
        )
        rows = cursor.fetchall()
    counts = dict.fromkeys(Alert.State.values, 0) | {state: count for state, count, _urgent in rows}
    counts["urgent"] = sum(urgent for state, _count, urgent in rows if state == Alert.State.OPEN)
    return counts
