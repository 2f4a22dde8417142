"""Merchants, new unions, committees: what joins, who decides, where members go."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from doorstep.kernel.common.errors import Conflict, FourEyes, Invalid, NotAllowed, NotFound, WrongState
from doorstep.kernel.organisations.models import Link, Organisation
from doorstep.services.union import refusals
from doorstep.services.union.actions import organising
from doorstep.services.union.models import Belonging, Committee, Founding, Membership, Merchant, UploadedList
from doorstep.services.union.tests.world import UnionWorld, identity, key, registration

pytestmark = pytest.mark.django_db


def kept() -> tuple[object, ...]:
    return (
        Organisation.objects.count(),
        sorted(Merchant.objects.values_list("pk", "state")),
        sorted(Founding.objects.values_list("pk", "state")),
        sorted(Belonging.objects.values_list("pk", "valid_until")),
        UploadedList.objects.count(),
        Committee.objects.count(),
        Link.objects.count(),
    )


def refused(problem, call):
    before = kept()
    with pytest.raises(problem) as caught:
        call()
    assert caught.type is problem
    assert kept() == before
    return caught.value


def test_a_list_of_merchants_joins_good_rows_and_names_bad_ones(union_world: UnionWorld):
    union_world.alliance  # noqa: B018
    union_world.merchant("先来的店", 9)
    Organisation.objects.create(kind="company", name="别处公司", registration_number=registration(8))
    report = union_world.upload_merchants(
        ("湘味小炒", registration(1), "唐姐", "13707320001", "101 铺", "美食街商户联盟"),
        ("小满奶茶", registration(2), "小满", "13707320002", "", ""),
        ("", registration(3), "x", "13707320003", "", ""),
        ("短号", "9243", "x", "13707320003", "", ""),
        ("怪字", registration(3)[:16] + "I" + registration(3)[17], "x", "13707320003", "", ""),
        ("错位", registration(3)[:17] + ("0" if registration(3)[17] != "0" else "1"), "x", "13707320003", "", ""),
        ("没人", registration(4), "", "13707320003", "", ""),
        ("没电话", registration(5), "x", "0731", "", ""),
        ("湘味小炒", registration(6), "x", "13707320003", "", ""),
        ("再来", registration(1), "x", "13707320003", "", ""),
        ("无联盟", registration(7), "x", "13707320003", "", "没有的联盟"),
        ("先来", registration(9), "x", "13707320003", "", ""),
        ("别处", registration(8), "x", "13707320003", "", ""),
        ("先来的店", registration(11), "x", "13707320003", "", ""),
    )
    assert [(row.number, row.code) for row in report.bad] == [
        (4, "name_missing"), (5, "registration_length"), (6, "registration_characters"), (7, "registration_check"),
        (8, "contact_missing"), (9, "phone_wrong"), (10, "duplicate"), (11, "duplicate"), (12, "parent_unknown"),
        (13, "already_joined"), (14, "registered_elsewhere"), (15, "name_taken"),
    ]  # fmt: skip
    assert (report.rows, report.accepted) == (14, 2)
    shop = Merchant.objects.select_related("organisation").get(organisation__name="湘味小炒")
    assert shop.organisation.parent_id == union_world.alliance
    assert shop.organisation.path[:3] == [union_world.union, union_world.federation, union_world.association]
    assert str(shop.contact_phone) == "137****0001"
    assert Organisation.objects.get(name="小满奶茶").parent_id == union_world.federation


def test_merchants_cost_the_same_statements_for_1_row_and_for_40(union_world: UnionWorld):
    union_world.alliance  # noqa: B018
    costs = []
    for start, count in ((100, 1), (200, 40)):
        lines = [
            (f"店{n}", registration(n), "x", "13707320003", "", "美食街商户联盟") for n in range(start, start + count)
        ]
        with CaptureQueriesContext(connection) as captured:
            assert union_world.upload_merchants(*lines).accepted == count
        costs.append(len(captured))
    assert costs[0] == costs[1]


def test_only_the_federations_officers_take_merchants_in(union_world: UnionWorld):
    union_world.federation  # noqa: B018
    row = ("湘味小炒", registration(1), "唐姐", "13707320001", "", "")
    refused(NotAllowed, lambda: union_world.upload_merchants(row, actor=union_world.stranger))
    refused(NotAllowed, lambda: union_world.upload_merchants(row, actor=union_world.secretary))
    assert union_world.upload_merchants(row, actor=union_world.steward).accepted == 1


def test_staff_of_a_merchant_that_leaves_go_to_the_districts_pool(union_world: UnionWorld):
    shop = union_world.merchant("湘味小炒")
    union_world.upload(*[(f"店员{n}", f"1380000{n:04d}", identity(n), "店员", "湘味小炒") for n in range(3)])
    merchant = Merchant.objects.get()
    later = union_world.at + timedelta(days=30)

    def leave(reason="关店", actor=union_world.officer):
        return organising.leave_federation(actor=actor, at=later, key=key(), merchant_id=merchant.pk, reason=reason)

    refused(refusals.NoHoldingPool, leave)
    pool = union_world.pool
    refused(NotAllowed, lambda: leave(actor=union_world.stranger))
    refused(Invalid, lambda: leave(" "))
    assert leave() == 3
    assert set(Membership.objects.values_list("organisation_id", "state")) == {(pool, "approved")}
    assert Belonging.objects.filter(organisation_id=shop, valid_until=later).count() == 3
    assert Belonging.objects.filter(organisation_id=pool, valid_from=later, why="merchant_left").count() == 3
    refused(refusals.MerchantGone, leave)


def staffed(world: UnionWorld, *counts: int) -> list:
    """Shops below the alliance with so many members each."""
    world.alliance  # noqa: B018
    shops = []
    for place, count in enumerate(counts):
        shops.append(world.merchant(f"店{place}", 100 + place, "美食街商户联盟"))
        world.upload(*[
            (f"店员{n}", f"138{place:04d}{n:04d}", identity(100 * place + n), "店员", f"店{place}") for n in range(count)
        ]) if count else None  # fmt: skip
    return shops


def propose(world: UnionWorld, units, name="联合工会", years=3, actor=None):
    return organising.propose_union(
        actor=actor or world.officer, at=world.at + timedelta(days=1), key=key(), parent_id=world.alliance, name=name,
        unit_ids=units, term_years=years,
    )  # fmt: skip


def decide(world: UnionWorld, founding_id, approved=True, actor=None, reason="同意"):
    return organising.decide_union(
        actor=actor or world.leader, at=world.at + timedelta(days=2), key=key(), founding_id=founding_id,
        approved=approved, reason=reason,
    )  # fmt: skip


def test_one_shop_needs_25_members_and_two_may_join_together(union_world: UnionWorld):
    union_world.pool  # noqa: B018
    big, small, other = staffed(union_world, 25, 24, 0)
    problem = refused(refusals.TooFewMembers, lambda: propose(union_world, [small]))
    assert "24" in problem.message
    assert propose(union_world, [big], "大店工会").form == "committee"
    joint = propose(union_world, [small, other], "小店联合工会", 5)
    assert (joint.form, joint.members, joint.state) == ("joint", 24, "pending")
    refused(Conflict, lambda: propose(union_world, [small, other], "小店联合工会"))
    refused(Invalid, lambda: propose(union_world, [big], "四年", 4))
    refused(Invalid, lambda: propose(union_world, [], "没有单位"))
    refused(NotFound, lambda: propose(union_world, [union_world.pool], "别处"))
    refused(NotAllowed, lambda: propose(union_world, [big], "外人", actor=union_world.stranger))


def test_the_level_above_founds_the_union_and_its_members_move(union_world: UnionWorld):
    shops = staffed(union_world, 2, 3)
    asked = propose(union_world, shops)
    refused(NotAllowed, lambda: decide(union_world, asked.founding_id, actor=union_world.officer))
    refused(Invalid, lambda: decide(union_world, asked.founding_id, approved=False, reason=""))
    done = decide(union_world, asked.founding_id)
    made = Organisation.objects.get(pk=done.organisation_id)
    assert (made.kind, made.parent_id, made.founded_on) == ("unit", union_world.alliance, date(2025, 5, 14))
    seated = Committee.objects.get(organisation=made)
    assert (seated.form, seated.term_years, seated.elected_on, seated.ends_on) == (
        "joint", 3, date(2025, 5, 14), date(2028, 5, 14),
    )  # fmt: skip
    assert Belonging.objects.filter(organisation=made, valid_until=None, why="founded").count() == 5
    refused(WrongState, lambda: decide(union_world, asked.founding_id))


def test_who_asked_does_not_decide_and_a_no_leaves_everything(union_world: UnionWorld):
    both = union_world.cast.appointed("两头", "union_leader", union_world.union)
    union_world.cast.appointed("两头", "union_officer", union_world.union)
    asked = propose(union_world, staffed(union_world, 1, 1), actor=both)
    refused(FourEyes, lambda: decide(union_world, asked.founding_id, actor=both))
    no = decide(union_world, asked.founding_id, approved=False, reason="材料不全")
    assert (no.state, no.organisation_id) == ("rejected", None)
    assert Committee.objects.filter(organisation__kind="unit").count() == 0


def test_the_next_term_follows_the_last(union_world: UnionWorld):
    def elect(day, years=5, form="committee", actor=union_world.leader):
        return organising.elect_committee(
            actor=actor, at=union_world.at, key=key(), organisation_id=union_world.federation, form=form,
            term_years=years, elected_on=day,
        )  # fmt: skip

    union_world.federation  # noqa: B018
    first = Committee.objects.get()
    assert (first.term_years, first.ends_on) == (3, date(2028, 4, 1))
    refused(Invalid, lambda: elect(first.elected_on))
    refused(Invalid, lambda: elect(union_world.at.date() + timedelta(days=1)))
    refused(Invalid, lambda: elect(date(2025, 5, 1), years=2))
    refused(NotAllowed, lambda: elect(date(2025, 5, 1), actor=union_world.officer))
    elect(date(2025, 5, 1))
    assert Committee.objects.latest("elected_on").ends_on == date(2030, 5, 1)


def test_links_go_one_level_at_a_time_and_to_one_place(union_world: UnionWorld):
    alliance, association = union_world.alliance, union_world.association
    other = union_world.cast.organisation("别的街道党工委", "party_committee")
    second = union_world.below("零售行业协会", "association", union_world.federation)
    before = Link.objects.filter(kind="four_level").count()
    assert before == 3
    union_world.link(union_world.federation, union_world.party)
    refused(refusals.NotTheLevelAbove, lambda: union_world.link(alliance, union_world.federation))
    refused(refusals.NotTheLevelAbove, lambda: union_world.link(union_world.party, union_world.federation))
    refused(refusals.LinkedElsewhere, lambda: union_world.link(union_world.federation, other))
    refused(refusals.LinkedElsewhere, lambda: union_world.link(alliance, second))
    assert Link.objects.filter(kind="four_level", source_id=association).count() == 1
    assert Link.objects.filter(kind="four_level").count() == before


def test_the_database_knows_the_laws_numbers(union_world: UnionWorld):
    staffed(union_world, 1, 1)
    given = {
        "parent_id": union_world.alliance,
        "name": "x",
        "unit_ids": [],
        "members": 24,
        "proposed_at": union_world.at,
    }
    for name, other in (
        ("union_founding_committee_of_25", {"form": "committee", "term_years": 3}),
        ("union_founding_term", {"form": "joint", "term_years": 4}),
    ):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Founding.objects.create(**given, **other)
