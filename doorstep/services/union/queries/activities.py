"""What may be asked about games and check-ups: events, results, teams, prizes, times with places."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from django.urls import reverse
from django.utils.translation import gettext as _

from doorstep.kernel.bookings.models import Booking
from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import NotFound
from doorstep.kernel.common.rooms import WalletItem
from doorstep.kernel.passes.codes import DEAD_SECONDS, PassKind, issue
from doorstep.services.union.models import (
    CheckupResult,
    CheckupRound,
    CheckupSlot,
    Event,
    Prize,
    PrizeClaim,
    Score,
    Stall,
    Team,
    TeamMember,
)
from doorstep.services.union.rules import games

MAX_ROWS = 100
PRIZE_TEMPLATE = "union/activities/prize_ticket.html"


@dataclass(frozen=True, slots=True)
class Results:
    """An event's results, computed from its tries: the table, each stall's lines, and the table's digest."""

    standings: list[games.Standing]
    stalls: dict[UUID, list[games.Line]]
    digest: str


def results_of(event_id: UUID) -> Results:
    """Compute them anew. Three statements; an event has at most 100 teams, 20 stalls and 10 tries."""
    better = dict(Stall.objects.filter(event_id=event_id).values_list("pk", "better"))
    names = dict(Team.objects.filter(event_id=event_id).values_list("pk", "name"))
    rows = Score.objects.filter(stall__event_id=event_id)
    tries = [games.Try(*row) for row in rows.values_list("stall_id", "team_id", "attempt", "revision", "value")]
    stalls = games.stall_results(tries, better)
    standings = games.table(stalls, names)
    return Results(standings, stalls, games.table_digest(standings))


def events(at: datetime, limit: int = 20) -> list[Event]:
    """Newest first, with how many teams, players and stalls. One statement."""
    return list(
        Event.objects.select_related("organisation")
        .annotate(
            team_count=Count("teams", distinct=True), stall_count=Count("stalls", distinct=True),
            player_count=Count("teams__members", distinct=True),
        )
        .order_by("state", "-starts_on", "-pk")[:limit]
    )  # fmt: skip


def my_team(event_id: UUID, person_id: UUID | None) -> Team | None:
    if person_id is None:
        return None
    member = TeamMember.objects.select_related("team").filter(event_id=event_id, person_id=person_id).first()
    return member.team if member else None


@dataclass(frozen=True, slots=True)
class StallPage:
    """A stall with its results in words and its prizes."""

    stall: Stall
    lines: list[dict[str, Any]]
    prizes: list[Prize]
    claimed: PrizeClaim | None
    tries_left: int


@dataclass(frozen=True, slots=True)
class EventPage:
    """Everything an event's page shows; seven statements however big the event is."""

    event: Event
    stalls: list[StallPage]
    standings: list[games.Standing]
    teams: list[Team]
    team: Team | None
    digest: str
    as_closed: bool


def event_page(event_id: UUID, person_id: UUID | None) -> EventPage:
    """Raises: NotFound."""
    event = Event.objects.select_related("organisation").filter(pk=event_id).first()
    if event is None:
        raise NotFound
    results = results_of(event_id)
    stalls = list(Stall.objects.filter(event=event).order_by("position"))
    prizes = list(Prize.objects.filter(stall__event=event).order_by("best", "name"))
    teams = list(Team.objects.filter(event=event).order_by("founded_at", "pk")[:MAX_ROWS])
    names = {team.pk: team for team in teams}
    mine = PrizeClaim.objects.select_related("prize").filter(stall__event=event)
    claims = {claim.stall_id: claim for claim in mine.filter(person_id=person_id)} if person_id else {}
    pages = [
        StallPage(
            stall,
            [
                {"team": names[line.team_id], "line": line}
                for line in results.stalls.get(stall.pk, [])
                if line.team_id in names
            ],
            [prize for prize in prizes if prize.stall_id == stall.pk],
            claims.get(stall.pk),
            stall.tries,
        )
        for stall in stalls
    ]
    same = event.state == Event.State.OPEN or event.results_digest == results.digest
    return EventPage(event, pages, results.standings, teams, my_team(event_id, person_id), results.digest, same)


# Prizes ------------------------------------------------------------------------------------------------------------


def prize_context(claim: PrizeClaim, at: datetime) -> dict[str, Any]:
    """What a prize's ticket shows."""
    return {
        "kind": _("奖品 · %(event)s") % {"event": claim.stall.event.title},
        "icon": "star",
        "tone": "amber",
        "title": claim.prize.name,
        "place": claim.stall.name,
        "until": claim.prize.valid_until,
        "url": reverse("union:prize", args=[claim.pk]),
    }


def _claims(person_id: UUID) -> Any:
    return PrizeClaim.objects.select_related("prize", "stall__event").filter(person_id=person_id)


def wallet(person_id: UUID, at: datetime) -> list[WalletItem]:
    """Prizes not handed over yet. One statement."""
    waiting = _claims(person_id).filter(handed_over_at=None, prize__valid_until__gt=at).order_by("prize__valid_until")
    return [
        WalletItem(
            "union", claim.pk, claim.prize.name, claim.stall.event.title, claim.prize.valid_until,
            reverse("union:prize", args=[claim.pk]), PRIZE_TEMPLATE, prize_context(claim, at),
        )
        for claim in waiting[:MAX_ROWS]
    ]  # fmt: skip


def my_prize(person_id: UUID, claim_id: UUID, at: datetime) -> dict[str, Any]:
    """One's own prize with a fresh code. Raises: NotFound."""
    claim = _claims(person_id).filter(pk=claim_id).first()
    if claim is None:
        raise NotFound
    waiting = claim.handed_over_at is None and claim.prize.valid_until > at
    code = issue(PassKind.THING, claim.pk, at, DEAD_SECONDS) if waiting else ""
    return {**prize_context(claim, at), "claim": claim, "code": code}


def waiting_claims(event_id: UUID, limit: int = MAX_ROWS) -> list[PrizeClaim]:
    """Claimed and not handed over, oldest first. One statement."""
    rows = PrizeClaim.objects.select_related("prize", "person", "stall").filter(stall__event_id=event_id)
    return list(rows.filter(handed_over_at=None).order_by("claimed_at", "pk")[:limit])


# Check-ups ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SlotLine:
    """One time as the list shows it. ``mine`` is the reader's booking."""

    slot: CheckupSlot
    free: int
    mine: Booking | None


@dataclass(frozen=True, slots=True)
class RoundPage:
    """A round with its times, and what the reader booked in it."""

    round: CheckupRound
    slots: list[SlotLine]
    mine: Booking | None
    result: CheckupResult | None


def rounds(at: datetime, limit: int = 20) -> list[CheckupRound]:
    """Newest first, with places and bookings counted. One statement."""
    open_slots = Q(slots__session__starts_at__gt=at, slots__session__state="open")
    return list(
        CheckupRound.objects.select_related("clinic", "organisation")
        .annotate(open_slots=Count("slots", filter=open_slots, distinct=True))
        .order_by("-opened_at", "-pk")[:limit]
    )


def round_page(round_id: UUID, person_id: UUID | None, at: datetime, limit: int = MAX_ROWS) -> RoundPage:
    """Four statements. Raises: NotFound."""
    found = CheckupRound.objects.select_related("clinic", "organisation").filter(pk=round_id).first()
    if found is None:
        raise NotFound
    rows = CheckupSlot.objects.select_related("session__place").filter(round=found).order_by("session__starts_at", "pk")
    booked = Booking.objects.filter(session__union_checkup__round=found).exclude(state=Booking.State.CANCELLED)
    mine = {one.session_id: one for one in booked.filter(person_id=person_id)} if person_id else {}
    slots = [SlotLine(row, row.session.capacity - row.session.booked, mine.get(row.session_id)) for row in rows[:limit]]
    results = CheckupResult.objects.filter(booking__session__union_checkup__round=found)
    result = results.filter(person_id=person_id).first() if person_id else None
    return RoundPage(found, slots, next(iter(mine.values()), None), result)


@dataclass(frozen=True, slots=True)
class RoundCounts:
    """What the union may know: numbers."""

    places: int
    booked: int
    attended: int
    results: int


def round_counts(round_id: UUID) -> RoundCounts:
    """Two statements."""
    sessions = CheckupSlot.objects.filter(round_id=round_id).values_list("session__capacity", "session__booked")
    pairs = list(sessions)
    booking = Booking.objects.filter(session__union_checkup__round_id=round_id)
    counts = booking.aggregate(
        attended=Count("pk", filter=Q(state=Booking.State.ATTENDED)), results=Count("union_result")
    )
    return RoundCounts(sum(p for p, _b in pairs), sum(b for _p, b in pairs), counts["attended"], counts["results"])


def running(event: Event, at: datetime) -> bool:
    return event.state == Event.State.OPEN and event.starts_on <= local_day(at)
