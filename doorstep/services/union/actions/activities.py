"""Games around a holiday: an event, its stalls, teams, tries, the results table, and prizes that never run below nothing."""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from uuid import UUID

from django.db.models import F, Max
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import at_local, local_day
from doorstep.kernel.common.errors import Conflict, Invalid, NotAllowed, NotFound, Problem, WrongState
from doorstep.kernel.common.explaining import explained
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.passes.codes import PassKind, read
from doorstep.kernel.people.models import Person
from doorstep.services.union.models import Event, Occupation, Prize, PrizeClaim, Score, Stall, Team, TeamMember
from doorstep.services.union.queries.activities import results_of
from doorstep.services.union.rules import games

MAX_TEAM, MAX_TEAMS, MAX_STALLS = 6, 100, 20
MAX_STOCK = 10_000


class InPeak(Invalid):
    code = "stall_in_peak"
    text = _("这个时间在午高峰或晚高峰,骑手走不开。")
    remedy = _("请避开 11:00–13:30 和 17:00–19:30。")


class EventClosed(WrongState):
    code = "event_closed"
    text = _("这次活动已经结束。")
    remedy = _("请看看成绩,下次再来。")


class NotPlayedYet(Problem):
    code = "stall_not_played"
    status = 409
    text = _("您的队还没有玩过这个摊位。")
    remedy = _("先去玩一次,记了成绩就能领。")


class NotAmongBest(Problem):
    code = "not_among_best"
    status = 409
    text = _("这份奖品给前 {best} 名的队。")
    remedy = _("看看这个摊位别的奖品。")


class PrizeGone(Conflict):
    code = "prize_gone"
    text = _("这份奖品领完了。")
    remedy = _("看看这个摊位别的奖品。")


class OnePrizeAStall(Conflict):
    code = "one_prize_a_stall"
    text = _("这个摊位您已经领过奖品。")
    remedy = _("每人每个摊位一份,可以去别的摊位。")


class InATeam(Conflict):
    code = "in_a_team"
    text = _("您已经在一个队里。")
    remedy = _("每次活动只能参加一个队。")


class TeamFull(Conflict):
    code = "team_full"
    text = _("这个队已经满 {limit} 人。")
    remedy = _("请参加别的队,或自己建一个。")


class NameTaken(Conflict):
    code = "name_taken"
    text = _("这个名字已经有了。")
    remedy = _("请换一个名字。")


class ScoreThere(Conflict):
    code = "score_there"
    text = _("这一次的成绩已经记过。")
    remedy = _("记错了请用「更正」。")


@dataclass(frozen=True, slots=True)
class TeamReceipt:
    team_id: UUID
    event_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class PrizeReceipt:
    """A prize as it was claimed; show it at the stall before ``valid_until``."""

    claim_id: UUID
    prize: str
    stall: str
    valid_until: datetime


def _event(event_id: UUID, *, lock: bool = False) -> Event:
    rows = Event.objects.select_for_update(no_key=True) if lock else Event.objects
    event = rows.filter(pk=event_id).first()
    if event is None:
        raise NotFound
    return event


def _require_running(event: Event) -> None:
    if event.state != Event.State.OPEN:
        raise EventClosed


def _note(actor: Actor, verb: str, event: Event, at: datetime, **data: object) -> None:
    record(
        actor=actor, action=f"union.{verb}", subject_kind="event", subject_id=event.pk,
        organisation_id=event.organisation_id, at=at, data=data,
    )  # fmt: skip


@action
def open_event(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    organisation_id: UUID,
    title: str,
    starts_on: date,
    ends_on: date,
    holiday: str = "",
    where: str = "",
) -> UUID:
    """Announce games around a holiday. Raises: NotAllowed, Invalid, NameTaken."""
    access.require(actor, "union.activities", organisation_id, at)
    if not 0 < len(title.strip()) <= 60:
        raise Invalid("title", text=_("请填写活动名称,最多 60 个字。"))
    if not starts_on <= ends_on <= date.fromordinal(starts_on.toordinal() + 60):
        raise Invalid("ends_on", text=_("结束不能早于开始,最长 60 天。"))
    with explained(union_event_once=NameTaken):
        event = Event.objects.create(
            id=uuid7(), organisation_id=organisation_id, title=title.strip(), holiday=holiday.strip(), where=where.strip(),
            starts_on=starts_on, ends_on=ends_on, opened_by_id=actor.id if actor.kind == "person" else None, opened_at=at,
        )  # fmt: skip
    _note(actor, "open_event", event, at, title=event.title, starts_on=starts_on, ends_on=ends_on)
    return event.pk


@action
def add_stall(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    event_id: UUID,
    name: str,
    unit: str,
    better: str,
    opens: time,
    closes: time,
    rules: str = "",
    tries: int = 3,
) -> UUID:
    """Add a game, outside the delivery peaks. Raises: NotFound, NotAllowed, EventClosed, Invalid, InPeak, NameTaken."""
    event = _event(event_id, lock=True)
    access.require(actor, "union.activities", event.organisation_id, at)
    _require_running(event)
    if not name.strip() or not unit.strip():
        raise Invalid("name", text=_("请填写摊位名称和计分单位。"))
    if better not in Stall.Better.values:
        raise Invalid("better", text=_("请选择越多越好还是越少越好。"))
    if closes <= opens:
        raise Invalid("closes", text=_("结束要晚于开始。"))
    if not games.clear_of_peaks(opens, closes):
        raise InPeak("opens")
    if not 1 <= tries <= 10:
        raise Invalid("tries", text=_("每队 1 到 10 次。"))
    position = Stall.objects.filter(event=event).count() + 1
    if position > MAX_STALLS:
        raise Invalid("name", text=_("一次活动最多 20 个摊位。"))
    with explained(union_stall_once=NameTaken):
        stall = Stall.objects.create(
            id=uuid7(), event=event, name=name.strip(), rules=rules.strip(), unit=unit.strip(), better=better, tries=tries,
            opens=opens, closes=closes, position=position,
        )  # fmt: skip
    _note(actor, "add_stall", event, at, stall_id=stall.pk, name=stall.name, better=better, opens=opens, closes=closes)
    return stall.pk


@action
def add_prize(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    stall_id: UUID,
    name: str,
    stock: int,
    best: int | None = None,
    days: int = 30,
) -> UUID:
    """Put so many of a prize behind a stall, for everybody who plays or for its best teams; good until ``days`` after the event.

    Raises: NotFound, NotAllowed, Invalid, NameTaken.
    """
    stall = Stall.objects.select_related("event").filter(pk=stall_id).first()
    if stall is None:
        raise NotFound
    access.require(actor, "union.activities", stall.event.organisation_id, at)
    if not name.strip() or not 1 <= stock <= MAX_STOCK:
        raise Invalid("stock", text=_("请填写奖品名称,数量 1 到 10000。"))
    if best is not None and not 1 <= best <= 10:
        raise Invalid("best", text=_("名次 1 到 10;不填就是玩过都有。"))
    until = at_local(date.fromordinal(stall.event.ends_on.toordinal() + days), 24)
    with explained(union_prize_once=NameTaken):
        prize = Prize.objects.create(
            id=uuid7(), stall=stall, name=name.strip(), stock=stock, best=best, valid_until=until
        )
    _note(actor, "add_prize", stall.event, at, prize_id=prize.pk, name=prize.name, stock=stock, best=best)
    return prize.pk


# Teams -------------------------------------------------------------------------------------------------------------


@action
def found_team(
    *, actor: Actor, at: datetime, key: str, event_id: UUID, name: str, occupation: str, person_id: UUID | None = None
) -> TeamReceipt:
    """Make a team with oneself in it (staff: with ``person_id``).

    Raises: NotFound, NotAllowed, EventClosed, Invalid, NameTaken, InATeam.
    """
    event = _event(event_id)
    who = _whom(actor, person_id, event, at)
    _require_running(event)
    if not 0 < len(name.strip()) <= 20:
        raise Invalid("name", text=_("队名 1 到 20 个字。"))
    if occupation not in Occupation.values:
        raise Invalid("occupation", text=_("请选择职业。"))
    if Team.objects.filter(event=event).count() >= MAX_TEAMS:
        raise Invalid("name", text=_("报名的队已经满了。"))
    with explained(union_team_name_once=NameTaken):
        team = Team.objects.create(
            id=uuid7(), event=event, name=name.strip(), occupation=occupation, founded_by_id=who, founded_at=at
        )
    _take_seat(team, who, at)
    _note(actor, "found_team", event, at, team_id=team.pk, name=team.name)
    return TeamReceipt(team.pk, event.pk, team.name)


def _whom(actor: Actor, person_id: UUID | None, event: Event, at: datetime) -> UUID:
    """Oneself, or with the capability somebody else. Raises: NotAllowed, NotFound."""
    if actor.kind == "person" and actor.id is not None and person_id in (None, actor.id):
        return actor.id
    if person_id is None:
        raise NotAllowed
    access.require(actor, "union.activities", event.organisation_id, at)
    if not Person.objects.filter(pk=person_id).exists():
        raise NotFound
    return person_id


def _take_seat(team: Team, person_id: UUID, at: datetime) -> None:
    """One conditional update for the seat, one unique row for the person. Raises: TeamFull, InATeam."""
    if not Team.objects.filter(pk=team.pk, size__lt=MAX_TEAM).update(size=F("size") + 1):
        raise TeamFull(limit=MAX_TEAM)
    with explained(union_one_team_an_event=InATeam):
        TeamMember.objects.create(id=uuid7(), event_id=team.event_id, team=team, person_id=person_id, joined_at=at)


@action
def join_team(*, actor: Actor, at: datetime, key: str, team_id: UUID, person_id: UUID | None = None) -> TeamReceipt:
    """Join a team (staff: somebody else). Raises: NotFound, NotAllowed, EventClosed, TeamFull, InATeam."""
    team = Team.objects.select_related("event").filter(pk=team_id).first()
    if team is None:
        raise NotFound
    who = _whom(actor, person_id, team.event, at)
    _require_running(team.event)
    _take_seat(team, who, at)
    _note(actor, "join_team", team.event, at, team_id=team.pk, person_id=who)
    return TeamReceipt(team.pk, team.event_id, team.name)


# Scores ------------------------------------------------------------------------------------------------------------


@action
def record_score(
    *, actor: Actor, at: datetime, key: str, stall_id: UUID, team_id: UUID, attempt: int, value: Decimal
) -> UUID:
    """Write down one try. Raises: NotFound, NotAllowed, EventClosed, Invalid, ScoreThere."""
    return _write_score(actor, at, stall_id, team_id, attempt, value, correcting=False)


@action
def correct_score(
    *, actor: Actor, at: datetime, key: str, stall_id: UUID, team_id: UUID, attempt: int, value: Decimal | None
) -> UUID:
    """Put another value in a try's place, or strike it out (None). The old row stays.

    Raises: NotFound (nothing to correct), NotAllowed, EventClosed, Invalid.
    """
    return _write_score(actor, at, stall_id, team_id, attempt, value, correcting=True)


def _write_score(
    actor: Actor, at: datetime, stall_id: UUID, team_id: UUID, attempt: int, value: Decimal | None, *, correcting: bool
) -> UUID:
    stall = Stall.objects.select_related("event").filter(pk=stall_id).first()
    team = Team.objects.filter(pk=team_id).first()
    if stall is None or team is None or team.event_id != stall.event_id:
        raise NotFound
    access.require(actor, "union.activities", stall.event.organisation_id, at)
    # Whoever closes the event waits for this try, or this try sees it closed.
    _require_running(_event(stall.event_id, lock=True))
    if not 1 <= attempt <= stall.tries:
        raise Invalid("attempt", text=_("每队最多 {tries} 次。"), tries=stall.tries)
    if value is not None and not 0 <= value < 1_000_000:
        raise Invalid("value", text=_("成绩应是 0 到 999999 之间的数。"))
    newest = Score.objects.filter(stall=stall, team=team, attempt=attempt).aggregate(newest=Max("revision"))["newest"]
    if correcting and newest is None:
        raise NotFound
    if not correcting and newest is not None:
        raise ScoreThere
    score = Score.objects.create(
        id=uuid7(), stall=stall, team=team, attempt=attempt, revision=0 if newest is None else newest + 1,
        value=None if value is None else value.quantize(Decimal("0.01")), by_id=actor.id, at=at,
    )  # fmt: skip
    verb = "correct_score" if correcting else "record_score"
    _note(actor, verb, stall.event, at, stall_id=stall_id, team_id=team_id, attempt=attempt, value=value)
    return score.pk


@action
def close_event(*, actor: Actor, at: datetime, event_id: UUID) -> str:
    """End the games; the digest of the table is kept and returned. Closing again gives it again. Raises: NotFound, NotAllowed."""
    event = _event(event_id, lock=True)
    access.require(actor, "union.activities", event.organisation_id, at)
    if event.state == Event.State.CLOSED:
        return event.results_digest
    results = results_of(event_id)
    event.state, event.closed_at, event.results_digest = Event.State.CLOSED, at, results.digest
    event.save(update_fields=["state", "closed_at", "results_digest"])
    _note(actor, "close_event", event, at, results_digest=results.digest, teams=len(results.standings))
    players = list(TeamMember.objects.filter(event=event).order_by("pk").values_list("person_id", flat=True)[:600])
    notify(
        person_ids=players, template="union.results", title=gettext("「%(title)s」成绩出来了") % {"title": event.title},
        body=gettext("看看你们队第几名,还没领的奖品别忘了。"), at=at, url=reverse("union:activity", args=[event.pk]),
    )  # fmt: skip
    return event.results_digest


# Prizes ------------------------------------------------------------------------------------------------------------


@action
def claim_prize(*, actor: Actor, at: datetime, key: str, prize_id: UUID) -> PrizeReceipt:
    """Take one prize of a stall one's team has played; one a person and stall, while there are any.

    Raises: NotFound, NotAllowed, WrongState (too late), NotPlayedYet, NotAmongBest, OnePrizeAStall, PrizeGone.
    """
    if actor.kind != "person" or actor.id is None:
        raise NotAllowed
    prize = Prize.objects.select_related("stall__event").filter(pk=prize_id).first()
    if prize is None:
        raise NotFound
    if at >= prize.valid_until:
        raise WrongState(text=_("领奖时间已经过了。"), remedy=_("下次活动见。"))
    stall = prize.stall
    member = TeamMember.objects.filter(event_id=stall.event_id, person_id=actor.id).first()
    lines = results_of(stall.event_id).stalls.get(stall.pk, [])
    line = next((line for line in lines if member is not None and line.team_id == member.team_id), None)
    if line is None:
        raise NotPlayedYet
    if prize.best is not None:
        if stall.event.state == Event.State.OPEN:
            raise WrongState(text=_("名次奖等活动结束后再领。"), remedy=_("成绩定了会通知您。"))
        if line.rank > prize.best:
            raise NotAmongBest(best=prize.best)
    return _take_prize(actor, actor.id, prize, at)


def take_from_stock(prize_id: UUID) -> None:
    """One conditional update: the last one goes to one person, whoever else asks. Raises: PrizeGone."""
    if not Prize.objects.filter(pk=prize_id, taken__lt=F("stock")).update(taken=F("taken") + 1):
        raise PrizeGone


def _take_prize(actor: Actor, person_id: UUID, prize: Prize, at: datetime) -> PrizeReceipt:
    stall = prize.stall
    if PrizeClaim.objects.filter(stall=stall, person_id=person_id).exists():
        raise OnePrizeAStall
    take_from_stock(prize.pk)
    # Two presses at once: the unique (stall, person) lets one through, the other rolls its stock back.
    with explained(union_prize_one_a_stall=OnePrizeAStall):
        claim = PrizeClaim.objects.create(id=uuid7(), stall=stall, prize=prize, person_id=person_id, claimed_at=at)
    _note(actor, "claim_prize", stall.event, at, claim_id=claim.pk, prize_id=prize.pk)
    return PrizeReceipt(claim.pk, prize.name, stall.name, prize.valid_until)


@action
def hand_over_prize(*, actor: Actor, at: datetime, key: str, code: str) -> PrizeReceipt:
    """Give the prize to whoever shows its code; a second time it is refused.

    Raises: NotFound, NotAllowed, WrongState (handed over before, or too late), PassUnreadable, PassForged, PassExpired.
    """
    shown = read(code, at)
    if shown.kind is not PassKind.THING:
        raise NotFound(text=_("这不是奖品码。"))
    return _hand_over(actor, at, shown.subject)


@action
def hand_over_claim(*, actor: Actor, at: datetime, key: str, claim_id: UUID) -> PrizeReceipt:
    """The same for somebody staff knows, without a phone. Raises: NotFound, NotAllowed, WrongState."""
    return _hand_over(actor, at, claim_id)


def _hand_over(actor: Actor, at: datetime, claim_id: UUID) -> PrizeReceipt:
    rows = PrizeClaim.objects.select_for_update(of=("self",)).select_related("prize", "stall__event")
    claim = rows.filter(pk=claim_id).first()
    if claim is None:
        raise NotFound
    event = claim.stall.event
    access.require(actor, "union.activities", event.organisation_id, at)
    if claim.handed_over_at is not None:
        raise WrongState(text=_("这份奖品已经给过了。"), remedy=_("请核对是不是同一个人。"))
    if local_day(at) > local_day(claim.prize.valid_until):
        raise WrongState(text=_("领奖时间已经过了。"), remedy=_("下次活动见。"))
    claim.handed_over_at, claim.handed_over_by_id = at, actor.id
    claim.save(update_fields=["handed_over_at", "handed_over_by_id"])
    _note(actor, "hand_over_prize", event, at, claim_id=claim.pk)
    return PrizeReceipt(claim.pk, claim.prize.name, claim.stall.name, claim.prize.valid_until)
