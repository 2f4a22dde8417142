"""From tries to a results table that anybody can compute again. Pure.

The best try of a team at a stall counts; equal values share a rank and the next rank is left out (1, 2, 2, 4). A rank brings
points; the table orders by points, then by firsts, seconds and thirds, then by name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from uuid import UUID

from doorstep.kernel.common.canonical import digest

POINTS = (10, 8, 6, 5, 4, 3, 2, 1)
# When orders pour in nobody can leave the road.
PEAKS = ((time(11), time(13, 30)), (time(17), time(19, 30)))


def clear_of_peaks(opens: time, closes: time) -> bool:
    """Does a stall keep out of the lunch and dinner rush? Half-open: opening at 19:30 is fine."""
    return all(closes <= start or opens >= end for start, end in PEAKS)


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt; the highest revision of it counts, one without a value is struck out."""

    stall_id: UUID
    team_id: UUID
    attempt: int
    revision: int
    value: Decimal | None


@dataclass(frozen=True, slots=True)
class Line:
    """A team at one stall."""

    team_id: UUID
    best: Decimal
    rank: int
    points: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A team over the whole event. ``places`` counts its firsts, seconds and thirds."""

    rank: int
    team_id: UUID
    name: str
    points: int
    places: tuple[int, int, int]
    played: int


def counting(tries: Iterable[Try]) -> list[Try]:
    """The newest revision of every attempt that was not struck out."""
    newest: dict[tuple[UUID, UUID, int], Try] = {}
    for one in tries:
        known = newest.get((one.stall_id, one.team_id, one.attempt))
        if known is None or one.revision > known.revision:
            newest[one.stall_id, one.team_id, one.attempt] = one
    return [one for one in newest.values() if one.value is not None]


def stall_results(tries: Iterable[Try], better: Mapping[UUID, str]) -> dict[UUID, list[Line]]:
    """Stall → teams by rank. ``better``: stall → ``high`` or ``low``."""
    best: dict[UUID, dict[UUID, Decimal]] = {stall_id: {} for stall_id in better}
    for one in counting(tries):
        assert one.value is not None
        teams = best[one.stall_id]
        known = teams.get(one.team_id)
        wins = known is None or (one.value > known if better[one.stall_id] == "high" else one.value < known)
        if wins:
            teams[one.team_id] = one.value
    return {stall_id: _ranked(teams, better[stall_id] == "high") for stall_id, teams in best.items()}


def _ranked(teams: Mapping[UUID, Decimal], high: bool) -> list[Line]:
    ordered = sorted(teams.items(), key=lambda pair: (-pair[1] if high else pair[1], str(pair[0])))
    lines: list[Line] = []
    for position, (team_id, value) in enumerate(ordered, start=1):
        rank = lines[-1].rank if lines and lines[-1].best == value else position
        lines.append(Line(team_id, value, rank, POINTS[rank - 1] if rank <= len(POINTS) else 0))
    return lines


def table(results: Mapping[UUID, list[Line]], names: Mapping[UUID, str]) -> list[Standing]:
    """All teams of the event, best first; those who never played come last without points."""
    points = dict.fromkeys(names, 0)
    played = dict.fromkeys(names, 0)
    places: dict[UUID, list[int]] = {team_id: [0, 0, 0] for team_id in names}
    for lines in results.values():
        for line in lines:
            points[line.team_id] += line.points
            played[line.team_id] += 1
            if line.rank <= 3:
                places[line.team_id][line.rank - 1] += 1

    def worth(team_id: UUID) -> tuple[int, ...]:
        return (-points[team_id], *(-count for count in places[team_id]))

    ordered = sorted(names, key=lambda team_id: (worth(team_id), names[team_id], str(team_id)))
    found: list[Standing] = []
    for position, team_id in enumerate(ordered, start=1):
        same = bool(found) and worth(found[-1].team_id) == worth(team_id)
        first, second, third = places[team_id]
        rank = found[-1].rank if same else position
        found.append(Standing(rank, team_id, names[team_id], points[team_id], (first, second, third), played[team_id]))
    return found


def table_digest(standings: Iterable[Standing]) -> str:
    """SHA-256 (hex) of the table, so that a printed one can be compared with the records."""
    return digest(list(standings)).hex()
