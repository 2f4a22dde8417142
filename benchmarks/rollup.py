"""The four-level roll-up over 1,000,000 members: one set-based statement against counting each organisation by itself.

The facts are dated: a tenth of the members moved once, a twentieth left. Ten districts, 100 federations each with its street's party
committee, 500 associations, 2,500 alliances, 20,000 merchants; members belong to merchants, alliances and federations.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from benchmarks import harness
from benchmarks.harness import Figure, figure

MEMBERS = 1_000_000
ROUNDS = 5
SECONDS_TARGET = 1.0

# Kind, how many below each organisation of the kind before; the first line counts all districts.
TREE = (("union", 10), ("federation", 10), ("association", 5), ("alliance", 5), ("merchant", 8))


def organisations() -> None:
    """The tree, with every federation, association and alliance linked upwards."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO organisations_organisation (id, parent_id, path, kind, name)
               SELECT id, NULL, ARRAY[id], 'union', 'union ' || n FROM (SELECT uuidv7() AS id, n FROM generate_series(1, %s) n) x""",
            [TREE[0][1]],
        )
        for (above, _count), (kind, count) in pairwise(TREE):
            cursor.execute(
                """INSERT INTO organisations_organisation (id, parent_id, path, kind, name)
                   SELECT id, parent_id, path || id, %s, %s || n FROM (
                     SELECT uuidv7() AS id, p.id AS parent_id, p.path, n
                     FROM organisations_organisation p, generate_series(1, %s) n WHERE p.kind = %s) x""",
                [kind, f"{kind} ", count, above],
            )
        cursor.execute(
            """WITH made AS (
                 INSERT INTO organisations_organisation (id, parent_id, path, kind, name)
                 SELECT id, NULL, ARRAY[id], 'party_committee', 'committee ' || n
                 FROM (SELECT uuidv7() AS id, n FROM generate_series(1, %s) n) x RETURNING id, name)
               INSERT INTO organisations_link (id, source_id, target_id, kind, since)
               SELECT uuidv7(), f.id, m.id, 'four_level', '2024-01-01'
               FROM made m JOIN (SELECT id, row_number() OVER (ORDER BY id) AS n FROM organisations_organisation
                 WHERE kind = 'federation') f ON m.name = 'committee ' || f.n""",
            [TREE[0][1] * TREE[1][1]],
        )
        cursor.execute(
            """INSERT INTO organisations_link (id, source_id, target_id, kind, since)
               SELECT uuidv7(), id, parent_id, 'four_level', '2024-01-01' FROM organisations_organisation
               WHERE kind IN ('association', 'alliance')"""
        )


def members(count: int) -> None:
    """People with memberships and dated belongings, straight into the tables: nobody waits for a million actions."""
    from django.db import connection

    from doorstep.project.migrating import as_owner

    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO people_person (id, password, is_superuser, name) SELECT uuidv7(), '!', false, 'm' || n"
            " FROM generate_series(1, %s) n",
            [count],
        )
        cursor.execute(
            """CREATE TEMPORARY TABLE spot AS SELECT id, row_number() OVER (ORDER BY id) - 1 AS n
               FROM organisations_organisation WHERE kind IN ('merchant', 'alliance', 'federation')"""
        )
        cursor.execute("SELECT count(*) FROM spot")
        spots = cursor.fetchone()[0]
        cursor.execute("CREATE INDEX ON spot (n)")
        cursor.execute(
            """INSERT INTO union_membership (id, person_id, organisation_id, state, source, occupation, applied_at,
                 verified_until, attempts)
               SELECT uuidv7(), p.id, s.id, 'approved', 'list', 'rider', '2024-06-01', '2028-01-01', 1
               FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM people_person WHERE password = '!') p
               JOIN spot s ON s.n = p.n %% %s""",
            [spots],
        )
        # The exclusion constraint is put back over the loaded rows, and so proves them.
        cursor.execute("ALTER TABLE union_belonging DROP CONSTRAINT union_belonging_one_at_a_time")
        cursor.execute(
            """INSERT INTO union_belonging (id, membership_id, member_number, organisation_id, valid_from, valid_until, why)
               SELECT uuidv7(), m.id, m.number, m.organisation_id,
                 '2024-01-01'::timestamptz + (m.number % 300) * interval '1 day',
                 CASE WHEN m.number % 20 = 1 OR m.number % 10 = 0
                   THEN '2025-01-01'::timestamptz + (m.number % 90) * interval '1 day' END, 'joined'
               FROM union_membership m"""
        )
        cursor.execute(
            """INSERT INTO union_belonging (id, membership_id, member_number, organisation_id, valid_from, why)
               SELECT uuidv7(), b.membership_id, b.member_number, s.id, b.valid_until, 'transfer'
               FROM union_belonging b JOIN spot s ON s.n = (b.member_number * 7) %% %s WHERE b.member_number %% 10 = 0""",
            [spots],
        )
        cursor.execute(
            """ALTER TABLE union_belonging ADD CONSTRAINT union_belonging_one_at_a_time EXCLUDE USING gist (
                 int8range(member_number, member_number, '[]') WITH &&, tstzrange(valid_from, valid_until) WITH &&)"""
        )
        cursor.execute("VACUUM (ANALYZE) union_belonging")
        cursor.execute("ANALYZE")


def seconds_of(call: Callable[[], Any], rounds: int) -> float:
    """The median of some rounds."""
    times = []
    for _round in range(rounds):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


# What one would write for one organisation: walk down from it, by the indexes, and count who belongs to anybody there.
ONE = """
WITH RECURSIVE below AS (
  SELECT %(node)s::uuid AS id
  UNION SELECT w.id FROM below b CROSS JOIN LATERAL (
    SELECT o.id FROM organisations_organisation o WHERE o.parent_id = b.id
    UNION ALL SELECT l.source_id FROM organisations_link l
      WHERE l.target_id = b.id AND l.kind = 'four_level' AND l.since <= %(day)s
        AND (l.until IS NULL OR l.until > %(day)s)) w)
SELECT count(*) FROM union_belonging WHERE organisation_id IN (SELECT id FROM below)
  AND valid_from <= %(at)s AND (valid_until IS NULL OR valid_until > %(at)s)"""


def one_by_one(at: datetime) -> dict[Any, int]:
    """Every organisation of the four levels counted by itself."""
    from django.db import connection

    from doorstep.kernel.organisations.models import Organisation
    from doorstep.services.union.actions.organising import LEVELS

    found = {}
    with connection.cursor() as cursor:
        for node in Organisation.objects.filter(kind__in=LEVELS).order_by("pk").values_list("pk", flat=True):
            cursor.execute(ONE, {"node": node, "day": at.date(), "at": at})
            found[node] = cursor.fetchone()[0]
    return found


def run(quick: bool) -> list[Figure]:
    harness.start()
    from doorstep.kernel.common.clock import CITY_ZONE
    from doorstep.kernel.organisations.models import Organisation
    from doorstep.services.union.queries import levels

    count = 50_000 if quick else MEMBERS
    organisations()
    members(count)
    now, past = datetime(2025, 5, 9, 12, tzinfo=CITY_ZONE), datetime(2025, 2, 1, tzinfo=CITY_ZONE)
    sums = levels.rollup(now)
    began = time.perf_counter()
    plain = one_by_one(now)
    plain_seconds = time.perf_counter() - began
    wrong = sum(sums.get(node, levels.Sums()).total.get("members", 0) != counted for node, counted in plain.items())
    added = all(levels.adds_up(at) for at in (now, past, past - timedelta(days=300)))
    whole = seconds_of(lambda: levels.rollup(now), ROUNDS)
    federation = Organisation.objects.filter(kind="federation").order_by("pk")[0]
    return [
        figure("four levels, all organisations, today", whole, "s", SECONDS_TARGET, "lower"),
        figure("four levels, all organisations, a past day", seconds_of(lambda: levels.rollup(past), ROUNDS), "s",
               SECONDS_TARGET, "lower"),
        figure("the board of one federation", seconds_of(lambda: levels.board(federation.pk, now), ROUNDS), "s",
               SECONDS_TARGET, "lower"),
        figure("its members over a year", seconds_of(lambda: levels.monthly_members(federation.pk, now), ROUNDS), "s",
               SECONDS_TARGET, "lower"),
        figure("each organisation counted by itself", plain_seconds, "s"),
        figure("times faster than one by one", plain_seconds / whole, "×"),
        figure("organisations whose sum differs from their count", wrong, "", 0, "lower"),
        figure("levels that do not add up", 0 if added else 1, "", 0, "lower"),
        figure("organisations counted", len(plain), ""),
    ]  # fmt: skip


if __name__ == "__main__":
    harness.main("rollup", run)
