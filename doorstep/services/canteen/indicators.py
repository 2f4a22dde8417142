"""The canteen's figures: uses are person-times 人次, persons are people 人数, and the two are never mixed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection

from doorstep.kernel.common.errors import Invalid

MAX_DAYS = 366


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day of one venue and meal."""

    day: date
    venue_id: UUID
    venue_name: str
    window: str
    uses: int
    persons: int
    payer_fen: int
    person_fen: int
    offline: int


@dataclass(frozen=True, slots=True)
class Totals:
    """A period taken together; ``persons`` counts everybody once over the whole period."""

    uses: int
    persons: int
    payer_fen: int
    person_fen: int
    list_fen: int
    refused: int

    @property
    def refused_percent(self) -> str:
        asked = self.uses + self.refused
        return f"{100 * self.refused / asked:.1f}" if asked else "0.0"


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a till takes from one diner to the next while there is a queue (gaps under two minutes), in seconds."""

    median_s: int
    gaps: int


_SCOPE = """
  FROM entitlements_use u JOIN canteen_venue v ON v.place_id = u.place_id JOIN places_place p ON p.id = v.place_id
  JOIN organisations_organisation o ON o.id = v.organisation_id
  WHERE u.reversed_at IS NULL AND u.day BETWEEN %(first)s AND %(last)s AND o.path && %(within)s
"""


def _parameters(organisation_ids: Sequence[UUID], first: date, last: date) -> dict[str, Any]:
    if not 0 <= (last - first).days < MAX_DAYS:
        raise Invalid("last")
    return {"within": list(organisation_ids), "first": first, "last": last}


def by_day_venue_meal(organisation_ids: Sequence[UUID], first: date, last: date) -> list[DayFigures]:
    """Each day, venue and meal of a period, oldest first. One statement. Raises: Invalid (more than 366 days)."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT u.day, v.id, p.name, u."window", count(*)::int, count(DISTINCT u.person_id)::int,
              sum(u.payer_fen)::bigint, sum(u.person_fen)::bigint, (count(*) FILTER (WHERE u.source = 'offline'))::int
              {_SCOPE} GROUP BY u.day, v.id, p.name, u."window" ORDER BY u.day, p.name, v.id, min(u.at)""",
            _parameters(organisation_ids, first, last),
        )
        return [DayFigures(*row) for row in cursor.fetchall()]


def by_day(organisation_ids: Sequence[UUID], first: date, last: date) -> list[tuple[date, int, int, int]]:
    """Each day with its person-times, people and union share; a day without meals has zeros. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT d::date, coalesce(x.uses, 0)::int, coalesce(x.persons, 0)::int, coalesce(x.fen, 0)::bigint
              FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') d LEFT JOIN (
                SELECT u.day, count(*) AS uses, count(DISTINCT u.person_id) AS persons, sum(u.payer_fen) AS fen
                {_SCOPE} GROUP BY u.day) x ON x.day = d::date ORDER BY d""",  # noqa: S608
            _parameters(organisation_ids, first, last),
        )
        return [(day, uses, persons, fen) for day, uses, persons, fen in cursor.fetchall()]


def totals(organisation_ids: Sequence[UUID], first: date, last: date) -> Totals:
    """The period as a whole, with the scans that were refused. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT count(*)::int, count(DISTINCT u.person_id)::int, coalesce(sum(u.payer_fen), 0)::bigint,
              coalesce(sum(u.person_fen), 0)::bigint, coalesce(sum(u.list_price_fen), 0)::bigint,
              (SELECT count(*)::int FROM entitlements_refusal r JOIN canteen_venue v ON v.place_id = r.place_id
               JOIN organisations_organisation o ON o.id = v.organisation_id WHERE o.path && %(within)s
               AND (r.at AT TIME ZONE 'Asia/Shanghai')::date BETWEEN %(first)s AND %(last)s) {_SCOPE}""",  # noqa: S608
            _parameters(organisation_ids, first, last),
        )
        return Totals(*cursor.fetchone())


def waiting(organisation_ids: Sequence[UUID], first: date, last: date) -> Waiting:
    """The median gap between two diners at a till with a queue. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY gap), 0)::int, count(gap)::int FROM (
              SELECT extract(epoch FROM u.at - lag(u.at) OVER (PARTITION BY u.device_id, u.day ORDER BY u.at)) AS gap
              {_SCOPE} AND u.device_id IS NOT NULL AND u.source = 'online') g WHERE gap < 120""",  # noqa: S608
            _parameters(organisation_ids, first, last),
        )
        return Waiting(*cursor.fetchone())
