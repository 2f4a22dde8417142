"""The four levels add up on any day, and a wrong sum would be found."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from doorstep.kernel.common.errors import NotFound
from doorstep.services.union.actions import joining, organising
from doorstep.services.union.queries import levels
from doorstep.services.union.tests.test_organising import decide, propose, staffed
from doorstep.services.union.tests.world import UnionWorld, key

pytestmark = pytest.mark.django_db


def members(world: UnionWorld, node, at) -> int:
    return levels.board(node, at).total["members"]


def adds_up(board: levels.Board) -> None:
    for code, total in board.total.items():
        assert total == sum(row.values[code] for row in board.rows), code


@pytest.fixture
def grown(union_world: UnionWorld) -> UnionWorld:
    """Day 0: 2 + 3 in shops, one directly in the federation, one in the pool. Day 2: the shops found a union. Day 9: the one
    in the pool moves to the federation. Day 20: one leaves."""
    world = union_world
    shops = staffed(world, 2, 3)
    direct = world.member("直属")
    single = world.member("散客", world.pool)
    decide(world, propose(world, shops).founding_id)
    day = timedelta(days=1)
    moving = joining.ask_transfer(
        actor=world.officer, at=world.at + 9 * day, key=key(), membership_id=single.pk, target_id=world.federation
    )
    joining.consent_transfer(actor=world.steward, at=world.at + 9 * day, key=key(), transfer_id=moving.transfer_id)
    joining.leave_union(actor=world.person("直属"), at=world.at + 20 * day, key=key(), membership_id=direct.pk)
    return world


@pytest.mark.parametrize(
    ("days", "union", "federation", "alliance", "pool"),
    [(-1, 0, 0, 0, 0), (0, 7, 6, 5, 1), (3, 7, 6, 5, 1), (9, 7, 7, 5, 0), (20, 6, 6, 5, 0), (400, 6, 6, 5, 0)],
)
def test_members_of_every_level_on_any_day(grown: UnionWorld, days, union, federation, alliance, pool):
    at = grown.at + timedelta(days=days)
    nodes = (grown.union, grown.federation, grown.association, grown.alliance, grown.pool, grown.party)
    assert [members(grown, node, at) for node in nodes] == [union, federation, alliance, alliance, pool, federation]
    for node in nodes:
        adds_up(levels.board(node, at))
    assert levels.verify(at) == []
    assert levels.adds_up(at)


def test_the_instant_itself_belongs_to_the_new_unit(grown: UnionWorld):
    moved = grown.at + timedelta(days=9)
    before = moved - timedelta(microseconds=1)
    assert (members(grown, grown.pool, before), members(grown, grown.federation, before)) == (1, 6)
    assert (members(grown, grown.pool, moved), members(grown, grown.federation, moved)) == (0, 7)


def test_before_it_was_linked_a_committee_counts_nobody(union_world: UnionWorld):
    late = union_world.below("金街联合会", "federation", union_world.union)
    union_world.member("早到", late)
    tomorrow = union_world.at + timedelta(days=1)
    levels_linked = {
        "actor": union_world.officer,
        "at": union_world.at,
        "lower_id": late,
        "upper_id": union_world.party,
    }
    organising.link_levels(**levels_linked, since=tomorrow.date())
    assert members(union_world, union_world.party, union_world.at) == 0
    assert members(union_world, union_world.party, tomorrow) == 1
    assert members(union_world, late, union_world.at) == 1
    assert levels.verify(union_world.at) == levels.verify(tomorrow) == []


def test_totals_by_level(grown: UnionWorld):
    at = grown.at + timedelta(days=3)
    totals = levels.level_totals(grown.party, at)
    assert [(level, count, sums["members"], sums["merchants"]) for level, count, sums in totals] == [
        ("party_committee", 1, 6, 2), ("federation", 1, 6, 2), ("association", 1, 5, 2), ("alliance", 1, 5, 2),
    ]  # fmt: skip


def test_the_year_by_months(grown: UnionWorld):
    months = dict(levels.monthly_members(grown.federation, grown.at + timedelta(days=60)))
    assert len(months) == 12
    assert [months[month] for month in sorted(months)][-4:] == [0, 7, 6, 6]


def test_another_counter_is_rolled_up_with_the_rest(grown: UnionWorld, monkeypatch):
    monkeypatch.setattr(levels, "_counters", dict(levels._counters))
    levels.register_counter(
        levels.Counter(
            "shops",
            "店",
            "家",
            "SELECT id AS organisation_id, 1 AS n FROM organisations_organisation WHERE kind = 'merchant'",
        )
    )
    assert levels.board(grown.party, grown.at).total["shops"] == 2
    assert levels.verify(grown.at) == []
    with pytest.raises(ValueError, match="no name"):
        levels.register_counter(levels.Counter("x; drop", "", "", ""))


def test_a_wrong_sum_is_found(grown: UnionWorld, monkeypatch):
    right = levels.rollup

    def wrong(at, ids=None):
        sums = right(at, ids)
        sums[grown.association].total["members"] += 1
        return sums

    monkeypatch.setattr(levels, "rollup", wrong)
    found = {finding.row_id for finding in levels.verify(grown.at)}
    assert found == {str(grown.association), str(grown.federation)}
    assert not levels.adds_up(grown.at)


def test_a_board_costs_three_statements_however_many_children(grown: UnionWorld):
    costs = []
    for number in (1, 30):
        for place in range(number):
            grown.below(f"联盟{number}-{place}", "alliance", grown.association)
        with CaptureQueriesContext(connection) as captured:
            board = levels.board(grown.association, grown.at)
        costs.append(len(captured))
    assert costs == [3, 3]
    assert len(board.rows) == 32
    with pytest.raises(NotFound):
        levels.board(grown.officer.id, grown.at)
