"""The four levels, re-added from dated facts: for any instant, what every organisation and all below it come to.

One statement over all counters. A counter is SQL that gives ``organisation_id, n`` as of ``%(at)s``; other modules of the
room add theirs (visits, meals, money) with :func:`register_counter`. What stands over an organisation is its path in the
tree and, from there, the four-level links in force on the day. Parents are sums of the same rows as their children, so
that they add up exactly; :func:`verify` proves it by counting every organisation anew, one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import NotFound, Text
from doorstep.kernel.common.findings import Finding
from doorstep.kernel.organisations.models import Link, Organisation
from doorstep.services.union.actions.organising import LEVELS
from doorstep.services.union.actions.parts import FOUR_LEVEL

MAX_CHILDREN = 100
MONTHS = 12

LEVEL_TITLES: dict[str, Text] = {
    "party_committee": _("街道党工委"),
    "federation": _("工会联合会"),
    "association": _("行业协会"),
    "alliance": _("商户联盟"),
}
KIND_TITLES: dict[str, Text] = {
    **LEVEL_TITLES,
    "union": _("总工会"),
    "merchant": _("商户"),
    "unit": _("基层工会"),
    "holding_pool": _("待转入名册"),
}


@dataclass(frozen=True, slots=True)
class Counter:
    """Something counted by organisation. ``sql`` selects ``organisation_id, n`` as of ``%(at)s``; ``money``: n is fen."""

    code: str
    title: Text
    unit: Text
    sql: str
    money: bool = False


_counters: dict[str, Counter] = {}


def register_counter(counter: Counter) -> None:
    """Add a counter to every roll-up. Codes are plain names: they become part of a statement."""
    if not counter.code.isidentifier():
        raise ValueError(f"{counter.code!r} is no name for a counter")
    _counters[counter.code] = counter


def counters() -> list[Counter]:
    return list(_counters.values())


MEMBERS = Counter(
    "members",
    _("会员"),
    _("人"),
    """SELECT organisation_id, count(*) AS n FROM union_belonging
       WHERE valid_from <= %(at)s AND (valid_until IS NULL OR valid_until > %(at)s) GROUP BY organisation_id""",
)
MERCHANTS = Counter(
    "merchants",
    _("商户"),
    _("家"),
    """SELECT organisation_id, 1 AS n FROM union_merchant
       WHERE joined_at <= %(at)s AND (left_at IS NULL OR left_at > %(at)s)""",
)
register_counter(MEMBERS)
register_counter(MERCHANTS)


# Organisation → everything that stands over it, itself included; each pair once, however many ways lead there.
_OVER = f"""
links AS (
  SELECT source_id, target_id FROM organisations_link
  WHERE kind = '{FOUR_LEVEL}' AND since <= %(day)s AND (until IS NULL OR until > %(day)s)),
above AS (
  SELECT id, unnest(path) AS over_id FROM organisations_organisation
  WHERE id IN (SELECT organisation_id FROM direct)
  UNION SELECT a.id, l.target_id FROM above a JOIN links l ON l.source_id = a.over_id)
"""  # noqa: S608 (constants only)


def rollup_sql() -> str:
    """The statement. Parameters: ``at``, ``day``, ``ids`` (or NULL for all organisations)."""
    direct = " UNION ALL ".join(
        f"SELECT '{one.code}' AS counter, x.organisation_id, x.n::bigint AS n FROM ({one.sql}) x"  # noqa: S608
        for one in counters()
    )
    return f"""
WITH RECURSIVE direct AS MATERIALIZED ({direct}), {_OVER}
SELECT a.over_id, d.counter, sum(d.n)::bigint, coalesce(sum(d.n) FILTER (WHERE d.organisation_id = a.over_id), 0)::bigint
FROM direct d JOIN above a ON a.id = d.organisation_id
WHERE %(ids)s::uuid[] IS NULL OR a.over_id = ANY(%(ids)s::uuid[])
GROUP BY a.over_id, d.counter"""  # noqa: S608 (registered constants only)


@dataclass(frozen=True, slots=True)
class Sums:
    """What an organisation and all below it come to, by counter; ``own`` is what hangs on the organisation itself."""

    total: dict[str, int] = field(default_factory=dict)
    own: dict[str, int] = field(default_factory=dict)


def rollup(at: datetime, ids: Sequence[UUID] | None = None) -> dict[UUID, Sums]:
    """Sums of the given organisations, or of all that have any. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(rollup_sql(), {"at": at, "day": local_day(at), "ids": list(ids) if ids is not None else None})
        found: dict[UUID, Sums] = {}
        for over_id, counter, total, own in cursor.fetchall():
            sums = found.setdefault(over_id, Sums())
            sums.total[counter] = total
            sums.own[counter] = own
    return found


def links_on(day: date) -> list[tuple[UUID, UUID]]:
    """(lower, upper) pairs of the linkage in force on a day."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT source_id, target_id FROM organisations_link
               WHERE kind = %s AND since <= %s AND (until IS NULL OR until > %s) ORDER BY id""",
            [FOUR_LEVEL, day, day],
        )
        return list(cursor.fetchall())


def children(organisation_id: UUID, day: date) -> list[Organisation]:
    """The organisations directly below one: in the tree, and by a link of the linkage. One statement, at most 100."""
    open_then = Q(until__isnull=True) | Q(until__gt=day)
    linked = Link.objects.filter(open_then, target_id=organisation_id, kind=FOUR_LEVEL, since__lte=day)
    both = Organisation.objects.filter(Q(parent_id=organisation_id) | Q(pk__in=linked.values("source_id")))
    return list(both.order_by("kind", "name", "pk")[:MAX_CHILDREN])


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One line of the board; ``organisation`` None: what hangs on the node itself."""

    organisation: Organisation | None
    title: Text
    kind: Text
    values: dict[str, int]


@dataclass(frozen=True, slots=True)
class Board:
    """A node of the linkage with what it comes to, and its children with theirs; they add up."""

    node: Organisation
    total: dict[str, int]
    rows: list[BoardRow]
    more: int


def board(node_id: UUID, at: datetime) -> Board:
    """The board of one node at an instant. Three statements. Raises: NotFound.

    With more than a hundred children the smallest are shown as one line, so that the lines still add up.
    """
    node = Organisation.objects.filter(pk=node_id).first()
    if node is None:
        raise NotFound
    below = children(node_id, local_day(at))
    sums = rollup(at, [node_id, *(one.pk for one in below)])
    empty = Sums()
    mine = sums.get(node_id, empty)
    codes = [one.code for one in counters()]
    rows = [
        BoardRow(
            one, one.name, KIND_TITLES.get(one.kind, one.kind),
            {code: sums.get(one.pk, empty).total.get(code, 0) for code in codes},
        )
        for one in below
    ]  # fmt: skip
    rows.sort(key=lambda row: (-row.values.get("members", 0), str(row.title)))
    total = {code: mine.total.get(code, 0) for code in codes}
    own = {code: mine.own.get(code, 0) for code in codes}
    left = {code: total[code] - own[code] - sum(row.values[code] for row in rows) for code in codes}
    if any(own.values()):
        rows.append(BoardRow(None, _("直属"), KIND_TITLES.get(node.kind, node.kind), own))
    if any(left.values()):
        rows.append(BoardRow(None, _("其余单位"), "", left))
    return Board(node, total, rows, more=len(below) == MAX_CHILDREN)


def level_totals(node_id: UUID, at: datetime) -> list[tuple[str, int, dict[str, int]]]:
    """For each of the four levels: how many organisations at or below the node, and what they come to together."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
WITH RECURSIVE links AS (
  SELECT source_id, target_id FROM organisations_link
  WHERE kind = '{FOUR_LEVEL}' AND since <= %(day)s AND (until IS NULL OR until > %(day)s)),
below AS (
  SELECT id, path FROM organisations_organisation WHERE path @> ARRAY[%(node)s::uuid]
  UNION SELECT o.id, o.path FROM below b JOIN links l ON l.target_id = b.id
    JOIN organisations_organisation o ON o.path @> ARRAY[l.source_id])
SELECT o.id, o.kind FROM below b JOIN organisations_organisation o ON o.id = b.id WHERE o.kind = ANY(%(kinds)s)""",  # noqa: S608
            {"node": node_id, "day": local_day(at), "kinds": list(LEVELS)},
        )
        found = cursor.fetchall()
    sums = rollup(at, [organisation_id for organisation_id, _kind in found])
    totals = []
    for level in LEVELS:
        ids = [organisation_id for organisation_id, kind in found if kind == level]
        together = {
            one.code: sum(sums.get(organisation_id, Sums()).total.get(one.code, 0) for organisation_id in ids)
            for one in counters()
        }
        totals.append((level, len(ids), together))
    return totals


def monthly_members(node_id: UUID, at: datetime) -> list[tuple[date, int]]:
    """Members at the end of each of the last twelve months and now. One statement over the dated facts."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
WITH RECURSIVE direct AS (SELECT DISTINCT organisation_id FROM union_belonging), {_OVER},
mine AS (SELECT id FROM above WHERE over_id = %(node)s),
events AS (
  SELECT date_trunc('month', b.valid_from AT TIME ZONE 'Asia/Shanghai')::date AS month, count(*) AS n
  FROM union_belonging b WHERE b.organisation_id IN (SELECT id FROM mine) AND b.valid_from <= %(at)s GROUP BY 1
  UNION ALL
  SELECT date_trunc('month', b.valid_until AT TIME ZONE 'Asia/Shanghai')::date, -count(*)
  FROM union_belonging b WHERE b.organisation_id IN (SELECT id FROM mine) AND b.valid_until <= %(at)s GROUP BY 1)
SELECT month, sum(n)::bigint FROM events GROUP BY month ORDER BY month""",  # noqa: S608
            {"node": node_id, "at": at, "day": local_day(at)},
        )
        changes = dict(cursor.fetchall())
    months, last = [], local_day(at).replace(day=1)
    for back in range(MONTHS - 1, -1, -1):
        index = last.year * 12 + last.month - 1 - back
        months.append(date(index // 12, index % 12 + 1, 1))
    return [(month, int(sum(n for then, n in changes.items() if then <= month))) for month in months]


# Proof ---------------------------------------------------------------------------------------------------------------


def count_recursively(node_id: UUID, counter: Counter, at: datetime) -> int:
    """The plain way, independent of paths: walk down from the node, in the tree and by links, and count who is there."""
    statement = f"""
WITH RECURSIVE below AS (
  SELECT %(node)s::uuid AS id
  UNION SELECT w.id FROM below b CROSS JOIN LATERAL (
    SELECT o.id FROM organisations_organisation o WHERE o.parent_id = b.id
    UNION ALL SELECT l.source_id FROM organisations_link l
      WHERE l.target_id = b.id AND l.kind = %(kind)s AND l.since <= %(day)s AND (l.until IS NULL OR l.until > %(day)s)) w)
SELECT coalesce(sum(x.n), 0)::bigint FROM ({counter.sql}) x
WHERE x.organisation_id IN (SELECT id FROM below)"""  # noqa: S608
    parameters: dict[str, Any] = {"node": node_id, "day": local_day(at), "at": at, "kind": FOUR_LEVEL}
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.fetchone()[0])


def adds_up(at: datetime) -> bool:
    """Does every organisation of the four levels equal its own plus its children's sums? Three statements."""
    sums, links = rollup(at), links_on(local_day(at))
    nodes = dict(Organisation.objects.filter(pk__in=list(sums)).values_list("pk", "kind"))
    below: dict[UUID, set[UUID]] = {lower: set() for lower in nodes}
    for child_id, parent_id in Organisation.objects.filter(pk__in=list(sums)).values_list("pk", "parent_id"):
        if parent_id in below:
            below[parent_id].add(child_id)
    for lower, upper in links:
        if lower in below and upper in below:
            below[upper].add(lower)
    return all(
        total == sums[node].own[code] + sum(sums[one].total.get(code, 0) for one in below[node])
        for node, kind in nodes.items()
        if kind in LEVELS
        for code, total in sums[node].total.items()
    )


def verify(at: datetime, limit: int = 1000) -> list[Finding]:
    """Does every organisation of the four levels equal its own count, and its own plus its children's sums?"""
    found = []
    sums = rollup(at)
    levels = Organisation.objects.filter(kind__in=LEVELS).order_by("pk")[:limit]
    for node in levels:
        kept = sums.get(node.pk, Sums())
        below = [sums.get(one.pk, Sums()) for one in children(node.pk, local_day(at))]
        for counter in counters():
            said = kept.total.get(counter.code, 0)
            counted = count_recursively(node.pk, counter, at)
            added = kept.own.get(counter.code, 0) + sum(one.total.get(counter.code, 0) for one in below)
            if not said == counted == added:
                text = f"{counter.code}: said {said}, counted {counted}, own and children {added}"
                found.append(Finding("levels_differ", "organisations_organisation", str(node.pk), text))
    return found
