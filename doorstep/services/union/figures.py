"""The union's figures of the newspaper page, computed from its records; nothing of them is stored.

Here are those of the federation (10 and 14). A module with further figures has the same two tables, ``FIGURES`` and
``EVIDENCE``, and is named in ``PARTS``.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.clock import at_local, local, now
from doorstep.kernel.common.errors import NotFound
from doorstep.kernel.common.rooms import Figure, FigureRows
from doorstep.kernel.organisations.models import Organisation
from doorstep.services.union import figures_stations
from doorstep.services.union.actions.organising import LEVELS
from doorstep.services.union.actions.parts import FOUR_LEVEL
from doorstep.services.union.models import Occupation
from doorstep.services.union.queries import levels

MAX_ROWS = 100
LEAST_MERCHANTS, LEAST_MEMBERS, MOST_MEMBERS = 100, 900, 1000


def _rows(statement: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _federation() -> tuple[Organisation, datetime] | None:
    """The first federation and the end of the day on which it was founded: the day the page speaks of."""
    first = (
        Organisation.objects.filter(kind="federation", founded_on__isnull=False).order_by("founded_on", "pk").first()
    )
    if first is None or first.founded_on is None:
        return None
    return first, at_local(first.founded_on, 24)


def joined() -> Figure:
    """Merchants and workers who belonged to the federation when its founding day was over."""
    found = _federation()
    sums = levels.rollup(found[1], [found[0].pk]).get(found[0].pk) if found else None
    merchants, members = (sums.total.get(code, 0) if sums else 0 for code in ("merchants", "members"))
    good = merchants >= LEAST_MERCHANTS and LEAST_MEMBERS <= members < MOST_MEMBERS
    computed = str(_("{merchants} 家商户,{members} 人")).format(merchants=merchants, members=members)
    values = {
        "merchants": f"{merchants:,}",
        "members": f"{members:,}",
        "name": found[0].name if found else "",
        "day": found[0].founded_on.isoformat() if found and found[0].founded_on else "",
    }
    label, page = _("加入联合会的商户和劳动者"), str(_("100 多家商户,近 1,000 人"))
    return Figure(10, "joined", label, page, computed, merchants + members, good, values, _by_occupation())


_MEMBERS_THEN = """
FROM union_belonging b JOIN organisations_organisation o ON o.id = b.organisation_id
JOIN union_membership m ON m.id = b.membership_id
WHERE o.path @> ARRAY[%s::uuid] AND b.valid_from < %s AND (b.valid_until IS NULL OR b.valid_until > %s)
"""


def _by_occupation() -> tuple[tuple[str, int], ...]:
    """What the members of that day do, most first."""
    found = _federation()
    if found is None:
        return ()
    federation, then = found
    rows = _rows(
        f"SELECT m.occupation, count(*) {_MEMBERS_THEN} GROUP BY 1 ORDER BY 2 DESC, 1", [federation.pk, then, then]
    )
    return tuple((str(Occupation(occupation).label), count) for occupation, count in rows)


def _chains() -> list[tuple[Any, ...]]:
    """Committee, federation, association, alliance and since when each is tied to the one before; open links only."""
    return _rows(
        """SELECT p.name, f.name, a.name, l.name, f_p.since, a_f.since, l_a.since
           FROM organisations_link f_p
           JOIN organisations_link a_f ON a_f.target_id = f_p.source_id AND a_f.kind = f_p.kind AND a_f.until IS NULL
           JOIN organisations_link l_a ON l_a.target_id = a_f.source_id AND l_a.kind = f_p.kind AND l_a.until IS NULL
           JOIN organisations_organisation p ON p.id = f_p.target_id JOIN organisations_organisation f ON f.id = f_p.source_id
           JOIN organisations_organisation a ON a.id = a_f.source_id JOIN organisations_organisation l ON l.id = l_a.source_id
           WHERE f_p.kind = %s AND f_p.until IS NULL AND ARRAY[p.kind, f.kind, a.kind, l.kind] = %s::text[]
           ORDER BY p.name, f.name, a.name, l.name""",
        [FOUR_LEVEL, list(LEVELS)],
    )


def linkage() -> Figure:
    """The four levels tied to each other, from the street down to the shops, and adding up."""
    chains = _chains()
    counts = [len({chain[: place + 1] for chain in chains}) for place in range(len(LEVELS))]
    titles = [str(levels.LEVEL_TITLES[level]) for level in LEVELS]
    computed = " + ".join(f"{title} {count}" for title, count in zip(titles, counts, strict=True)) if chains else "—"
    links = sum(len({chain[place : place + 2] for chain in chains}) for place in range(len(LEVELS) - 1))
    good = bool(chains) and levels.adds_up(now())
    values = dict(zip(LEVELS, map(str, counts), strict=True)) | {"links": str(links)}
    return Figure(14, "linkage", _("四级联动"), " + ".join(titles), computed, links, good, values)


FIGURES: dict[str, Callable[[], Figure]] = {"joined": joined, "linkage": linkage}


def _joined_rows() -> FigureRows:
    found = _federation()
    columns = (_("会员号"), _("单位"), _("职业"), _("从何时起"))
    if found is None:
        return FigureRows(columns, (), 0)
    federation, then = found
    parameters = [federation.pk, then, then]
    rows = _rows(
        f"SELECT m.number, o.name, m.occupation, b.valid_from {_MEMBERS_THEN} ORDER BY m.number LIMIT %s",
        [*parameters, MAX_ROWS],
    )
    ((total,),) = _rows(f"SELECT count(*) {_MEMBERS_THEN}", parameters)
    return FigureRows(
        columns,
        tuple(
            (str(number), unit, str(Occupation(occupation).label), f"{local(since):%Y-%m-%d %H:%M}")
            for number, unit, occupation, since in rows
        ),
        total,
    )


def _linkage_rows() -> FigureRows:
    chains = _chains()
    columns = tuple(levels.LEVEL_TITLES[level] for level in LEVELS)
    rows = tuple(
        (party, f"{federation}({since_1})", f"{association}({since_2})", f"{alliance}({since_3})")
        for party, federation, association, alliance, since_1, since_2, since_3 in chains[:MAX_ROWS]
    )
    return FigureRows(columns, rows, len(chains))


EVIDENCE: dict[str, Callable[[], FigureRows]] = {"joined": _joined_rows, "linkage": _linkage_rows}

# (figures, evidence) of every module that has some.
PARTS: list[tuple[dict[str, Callable[[], Figure]], dict[str, Callable[[], FigureRows]]]] = [
    (FIGURES, EVIDENCE),
    (figures_stations.FIGURES, figures_stations.EVIDENCE),
]


def figures() -> list[Figure]:
    """All of the union's figures, in the page's order."""
    found = [compute() for computed, _evidence in PARTS for compute in computed.values()]
    return sorted(found, key=lambda figure: figure.number)


def figure_rows(key: str) -> FigureRows:
    """The records behind one figure. Raises: NotFound."""
    for _computed, evidence in PARTS:
        if key in evidence:
            return evidence[key]()
    raise NotFound
