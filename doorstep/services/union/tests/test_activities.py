"""Games: stalls outside the peaks, teams, tries, a table that comes out again, one prize a person and stall."""

from datetime import time, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound, WrongState
from doorstep.kernel.passes.codes import PassKind, issue
from doorstep.kernel.testing.cast import Cast
from doorstep.services.union.actions import activities
from doorstep.services.union.actions.activities import (
    EventClosed,
    InATeam,
    InPeak,
    NotAmongBest,
    NotPlayedYet,
    OnePrizeAStall,
    PrizeGone,
    ScoreThere,
    TeamFull,
)
from doorstep.services.union.models import Event, Prize, PrizeClaim, Score, Stall, Team, TeamMember
from doorstep.services.union.queries.activities import event_page, my_prize, results_of, wallet
from doorstep.services.union.rules.games import Try, clear_of_peaks, stall_results, table, table_digest
from doorstep.services.union.tests.stations_world import StationsWorld, key


@pytest.fixture
def world(cast: Cast) -> StationsWorld:
    return StationsWorld(cast)


@pytest.mark.parametrize(
    ("opens", "closes", "clear"),
    [
        (time(19, 30), time(21), True), (time(13, 30), time(17), True), (time(8), time(11), True),
        (time(10), time(11, 1), False), (time(19, 29), time(21), False), (time(8), time(21), False),
    ],
)  # fmt: skip
def test_stalls_keep_out_of_the_peaks(opens: time, closes: time, clear: bool) -> None:
    assert clear_of_peaks(opens, closes) is clear


def test_a_stall_in_the_dinner_rush_is_refused(world: StationsWorld) -> None:
    with pytest.raises(InPeak):
        activities.add_stall(
            actor=world.officer, at=world.at, key=key(), event_id=world.event, name="投篮", unit="个", better="high",
            opens=time(18), closes=time(19),
        )  # fmt: skip
    assert Stall.objects.count() == 0


def test_equal_values_share_a_rank_and_the_best_try_counts() -> None:
    stall, a, b, c = uuid4(), uuid4(), uuid4(), uuid4()
    tries = [
        Try(stall, a, 1, 0, Decimal(40)), Try(stall, a, 2, 0, Decimal(35)), Try(stall, b, 1, 0, Decimal(35)),
        Try(stall, c, 1, 0, Decimal(30)), Try(stall, c, 1, 1, Decimal(50)),  # mistyped, put right
        Try(stall, c, 2, 0, Decimal(10)), Try(stall, c, 2, 1, None),  # struck out
    ]  # fmt: skip
    lines = {line.team_id: (line.rank, line.best, line.points) for line in stall_results(tries, {stall: "low"})[stall]}
    assert lines == {a: (1, Decimal(35), 10), b: (1, Decimal(35), 10), c: (3, Decimal(50), 6)}
    names = {a: "甲", b: "乙", c: "丙"}
    standings = table(stall_results(tries, {stall: "low"}), names)
    assert [(row.rank, row.name, row.points, row.places) for row in standings] == [
        (1, "乙", 10, (1, 0, 0)), (1, "甲", 10, (1, 0, 0)), (3, "丙", 6, (0, 0, 1)),
    ]  # fmt: skip
    again = table(stall_results(list(reversed(tries)), {stall: "low"}), names)
    assert table_digest(again) == table_digest(standings)


def test_the_table_of_a_closed_event_comes_out_again_and_a_changed_score_shows(world: StationsWorld) -> None:
    first, second = world.team("风火轮", [world.rider]), world.team("顺手到", [world.courier])
    world.score(first, "41.2")
    world.score(second, "38.5")
    digest = activities.close_event(actor=world.officer, at=world.at, event_id=world.event)
    assert activities.close_event(actor=world.officer, at=world.at, event_id=world.event) == digest
    assert results_of(world.event).digest == digest
    assert [(row.rank, row.name) for row in results_of(world.event).standings] == [(1, "顺手到"), (2, "风火轮")]
    assert event_page(world.event, None).as_closed is True
    with pytest.raises(EventClosed):
        world.score(first, "30", attempt=2)
    Score.objects.filter(team=first).update(value=Decimal("38.4"))
    assert event_page(world.event, None).as_closed is False


def test_a_try_is_written_once_and_corrected_openly(world: StationsWorld) -> None:
    team = world.team("风火轮", [world.rider])
    world.score(team, "41.2")
    with pytest.raises(ScoreThere):
        world.score(team, "40")
    with pytest.raises(Invalid):
        world.score(team, "40", attempt=4)
    with pytest.raises(NotAllowed):
        activities.record_score(
            actor=world.rider, at=world.at, key=key(), stall_id=world.stall, team_id=team, attempt=2, value=Decimal(1)
        )
    assert Score.objects.count() == 1
    activities.correct_score(
        actor=world.officer,
        at=world.at,
        key=key(),
        stall_id=world.stall,
        team_id=team,
        attempt=1,
        value=Decimal("42.1"),
    )
    assert list(Score.objects.order_by("revision").values_list("revision", "value")) == [
        (0, Decimal("41.20")), (1, Decimal("42.10")),
    ]  # fmt: skip
    assert results_of(world.event).stalls[world.stall][0].best == Decimal("42.10")


def test_one_team_an_event_and_six_in_a_team(world: StationsWorld) -> None:
    team = world.team("风火轮", [world.rider, *(world.worker(f"队友{n}", "rider") for n in range(5))])
    with pytest.raises(TeamFull):
        activities.join_team(actor=world.courier, at=world.at, key=key(), team_id=team)
    other = world.team("顺手到", [world.courier])
    with pytest.raises(InATeam):
        activities.join_team(actor=world.rider, at=world.at, key=key(), team_id=other)
    assert (TeamMember.objects.count(), Team.objects.get(pk=team).size, Team.objects.get(pk=other).size) == (7, 6, 1)


def test_a_prize_needs_a_score_and_is_taken_once_a_stall(world: StationsWorld) -> None:
    team = world.team("风火轮", [world.rider])
    cup, towel = world.prize(), world.prize(name="毛巾")
    with pytest.raises(NotPlayedYet):
        activities.claim_prize(actor=world.rider, at=world.at, key=key(), prize_id=cup)
    world.score(team, "41.2")
    with pytest.raises(NotPlayedYet):
        activities.claim_prize(actor=world.courier, at=world.at, key=key(), prize_id=cup)
    once = key()
    first = activities.claim_prize(actor=world.rider, at=world.at, key=once, prize_id=cup)
    assert activities.claim_prize(actor=world.rider, at=world.at, key=once, prize_id=cup) == first
    for prize in (cup, towel):
        with pytest.raises(OnePrizeAStall):
            activities.claim_prize(actor=world.rider, at=world.at, key=key(), prize_id=prize)
    assert PrizeClaim.objects.count() == 1
    assert list(Prize.objects.order_by("name").values_list("name", "taken")) == [("保温杯", 1), ("毛巾", 0)]


def test_the_last_prize_goes_to_one(world: StationsWorld) -> None:
    world.score(world.team("风火轮", [world.rider, world.courier]), "41.2")
    cup = world.prize(stock=1)
    activities.claim_prize(actor=world.rider, at=world.at, key=key(), prize_id=cup)
    with pytest.raises(PrizeGone):
        activities.claim_prize(actor=world.courier, at=world.at, key=key(), prize_id=cup)
    assert (Prize.objects.get().taken, PrizeClaim.objects.count()) == (1, 1)


def test_rank_prizes_wait_for_the_table(world: StationsWorld) -> None:
    world.score(world.team("风火轮", [world.rider]), "38")
    world.score(world.team("顺手到", [world.courier]), "41")
    helmet = world.prize(best=1)
    with pytest.raises(WrongState):
        activities.claim_prize(actor=world.rider, at=world.at, key=key(), prize_id=helmet)
    activities.close_event(actor=world.officer, at=world.at, event_id=world.event)
    with pytest.raises(NotAmongBest):
        activities.claim_prize(actor=world.courier, at=world.at, key=key(), prize_id=helmet)
    assert PrizeClaim.objects.count() == 0
    assert activities.claim_prize(actor=world.rider, at=world.at, key=key(), prize_id=helmet).prize == "保温杯"


def test_a_prize_lies_in_the_wallet_until_it_is_handed_over_once(world: StationsWorld) -> None:
    world.score(world.team("风火轮", [world.rider]), "41.2")
    claim = activities.claim_prize(actor=world.rider, at=world.at, key=key(), prize_id=world.prize())
    (item,) = wallet(world.rider.id, world.at)
    assert (item.title, item.valid_until) == ("保温杯", claim.valid_until)
    assert wallet(world.courier.id, world.at) == []
    with pytest.raises(NotFound):
        my_prize(world.courier.id, claim.claim_id, world.at)
    code = my_prize(world.rider.id, claim.claim_id, world.at)["code"]
    with pytest.raises(NotAllowed):
        activities.hand_over_prize(actor=world.courier, at=world.at, key=key(), code=code)
    wrong = issue(PassKind.CHECK_IN, claim.claim_id, world.at)
    with pytest.raises(NotFound):
        activities.hand_over_prize(actor=world.officer, at=world.at, key=key(), code=wrong)
    assert PrizeClaim.objects.get().handed_over_at is None
    activities.hand_over_prize(actor=world.officer, at=world.at, key=key(), code=code)
    with pytest.raises(WrongState):
        activities.hand_over_prize(actor=world.officer, at=world.at, key=key(), code=code)
    assert PrizeClaim.objects.get().handed_over_at == world.at
    assert wallet(world.rider.id, world.at) == []


def test_an_event_is_the_unions_to_open(world: StationsWorld) -> None:
    with pytest.raises(NotAllowed):
        activities.open_event(
            actor=world.rider, at=world.at, key=key(), organisation_id=world.union, title="私办",
            starts_on=world.at.date(), ends_on=world.at.date() + timedelta(days=1),
        )  # fmt: skip
    assert Event.objects.count() == 0


def test_statements_of_an_events_page_do_not_grow(world: StationsWorld) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    world.score(world.team("一队", [world.rider]), "40")
    with CaptureQueriesContext(connection) as few:
        event_page(world.event, world.rider.id)
    for number in range(8):
        stall = world.add_stall(f"摊{number}", "high")
        world.score(world.team(f"队{number}", [world.worker(f"队员{number}", "rider")]), "1", stall_id=stall)
    with CaptureQueriesContext(connection) as many:
        event_page(world.event, world.rider.id)
    assert len(few) == len(many)
