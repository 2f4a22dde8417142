"""Joining: one person has one case, decided by somebody else, and belongs to one unit at any moment."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from doorstep.kernel.audit.models import Entry
from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import (
    FourEyes,
    Invalid,
    KeyReused,
    NotAllowed,
    NotFound,
    Problem,
    TooMany,
    WrongState,
)
from doorstep.kernel.files.lists import ListEmpty, ListHeaderWrong, ListTooLong, ListUnreadable
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.people.actions import IdentityWrong, register_person
from doorstep.kernel.people.models import Person, Standing
from doorstep.kernel.testing.cast import SYSTEM
from doorstep.services.union import refusals
from doorstep.services.union.actions import joining
from doorstep.services.union.models import Belonging, Membership, Transfer, UploadedList
from doorstep.services.union.tests.world import MEMBER_HEADER, UnionWorld, as_csv, identity, key

pytestmark = pytest.mark.django_db


def state_of_everything() -> tuple[object, ...]:
    """What a refusal must leave as it was."""
    return (
        sorted(Membership.objects.values_list("pk", "state", "organisation_id", "attempts")),
        sorted(Belonging.objects.values_list("pk", "organisation_id", "valid_from", "valid_until")),
        sorted(Transfer.objects.values_list("pk", "state")),
        UploadedList.objects.count(),
        sorted(Standing.objects.values_list("pk", "revoked_at")),
        sorted(Person.objects.values_list("pk", "name", "identity_index")),
        Notice.objects.count(),
        Entry.objects.count(),
    )


def refused(problem: type[Problem], call, code: str | None = None) -> Problem:
    """The call is refused by that name and changes nothing."""
    before = state_of_everything()
    with pytest.raises(problem) as caught:
        call()
    assert caught.type is problem
    if code:
        assert caught.value.code == code
    assert state_of_everything() == before
    return caught.value


def test_asking_makes_a_waiting_case_and_a_real_name(union_world: UnionWorld):
    asked = union_world.apply("何骁")
    case = Membership.objects.get(pk=asked.membership_id)
    assert (asked.state, asked.created) == ("pending", True)
    assert (case.occupation, case.employer, case.source, case.attempts) == ("rider", "美团", "self", 1)
    assert case.person.identity_number.masked == "4302**********" + identity(901)[-4:]
    assert not Belonging.objects.exists()


def test_asking_again_while_waiting_goes_on_with_the_same_case(union_world: UnionWorld):
    first = union_world.apply("何骁")
    second = union_world.apply("何骁")
    assert (second.membership_id, second.created) == (first.membership_id, False)
    assert Membership.objects.count() == 1


def test_the_same_key_gives_the_same_receipt_and_another_question_is_refused(union_world: UnionWorld):
    union_world.person("何骁")
    mine = key()
    first = union_world.apply("何骁", key=mine)
    assert union_world.apply("何骁", key=mine) == first
    refused(KeyReused, lambda: union_world.apply("何骁", key=mine, employer="饿了么"))


def test_approval_makes_a_member_with_standings_until_a_day(union_world: UnionWorld):
    case = union_world.member("何骁")
    belonging = Belonging.objects.get()
    assert (case.state, case.verified_until) == ("approved", union_world.at + timedelta(days=730))
    assert (belonging.organisation_id, belonging.valid_from, belonging.valid_until, belonging.why) == (
        union_world.federation, union_world.at, None, "joined",
    )  # fmt: skip
    held = Standing.objects.filter(person_id=case.person_id).order_by("kind")
    assert [(one.kind, one.attested_by_id, one.valid_until) for one in held] == [
        ("rider", union_world.union, case.verified_until), ("union_member", union_world.union, case.verified_until),
    ]  # fmt: skip
    assert Notice.objects.filter(person_id=case.person_id, template="union.approved").count() == 1


def test_many_are_approved_at_once_with_the_same_number_of_statements(union_world: UnionWorld):
    ids = [union_world.apply(f"工友{number}").membership_id for number in range(25)]
    costs = []
    for chosen in (ids[:1], ids[1:4], ids[4:24]):
        with CaptureQueriesContext(connection) as captured:
            union_world.approve(*chosen)
        costs.append(len(captured))
    assert costs[1] == costs[2] <= costs[0] + 1
    assert Membership.objects.filter(state="approved").count() == Belonging.objects.count() == 24


def test_approving_is_all_or_none(union_world: UnionWorld):
    done, waiting = union_world.member("何骁").pk, union_world.apply("谭丽").membership_id
    refused(WrongState, lambda: union_world.approve(waiting, done))
    refused(NotFound, union_world.approve)
    refused(NotFound, lambda: union_world.approve(waiting, union_world.union))
    refused(TooMany, lambda: union_world.approve(*[uuid4() for _ in range(101)]))


def test_only_the_units_officer_decides_and_never_about_themselves(union_world: UnionWorld):
    waiting = union_world.apply("何骁").membership_id
    elsewhere = union_world.cast.appointed("别处经办", "union_officer", union_world.cast.organisation("荷塘区总工会"))
    for actor in (union_world.stranger, elsewhere, union_world.secretary):
        refused(NotAllowed, lambda actor=actor: union_world.approve(waiting, actor=actor))
        refused(
            NotAllowed,
            lambda actor=actor: joining.reject_membership(
                actor=actor, at=union_world.at, key=key(), membership_id=waiting, reason="不行"
            ),
        )
    own = union_world.apply("文经办").membership_id
    refused(FourEyes, lambda: union_world.approve(waiting, own))


def test_a_refusal_has_a_reason_and_may_be_mended(union_world: UnionWorld):
    asked = union_world.apply("何骁")

    def reject(reason: str):
        return joining.reject_membership(
            actor=union_world.officer, at=union_world.at, key=key(), membership_id=asked.membership_id, reason=reason
        )

    refused(Invalid, lambda: reject(" "))
    reject("站点写全称")
    refused(WrongState, lambda: reject("再来一次"))
    case = Membership.objects.get()
    assert (case.state, case.reason, case.decided_by_id) == ("rejected", "站点写全称", union_world.officer.id)
    again = union_world.apply("何骁", union_world.pool, employer="美团学林站")
    case.refresh_from_db()
    assert (again.membership_id, again.created) == (asked.membership_id, False)
    assert (case.state, case.attempts, case.organisation_id, case.reason, case.employer) == (
        "pending", 2, union_world.pool, "", "美团学林站",
    )  # fmt: skip


def test_a_second_unit_is_refused_by_name(union_world: UnionWorld):
    union_world.apply("何骁")
    pool = union_world.pool
    assert "万达" in refused(refusals.PendingElsewhere, lambda: union_world.apply("何骁", pool)).message
    union_world.approve(Membership.objects.get().pk)
    refused(refusals.AlreadyMember, lambda: union_world.apply("何骁", pool))
    refused(refusals.AlreadyMember, lambda: union_world.apply("何骁"))


def test_duplicates_of_identity_are_told_apart(union_world: UnionWorld):
    union_world.member("何骁")
    number = identity(union_world.number("何骁"))
    # The same name with another phone: very likely the same person, who is told with which phone to sign in.
    twin = register_person(actor=SYSTEM, at=union_world.at, phone="13900000001").person_id
    mine = {"actor": person_actor(twin, "何骁"), "identity_number": number}
    problem = refused(refusals.IdentityElsewhere, lambda: union_world.apply("何骁", **mine))
    assert union_world.phone("何骁")[-4:] in problem.message
    assert union_world.phone("何骁") not in problem.message
    # Another name: somebody else.
    union_world.person("谭丽")
    refused(refusals.IdentityOfAnother, lambda: union_world.apply("谭丽", identity_number=number))
    # One's own account with another name or number.
    refused(refusals.NameDiffers, lambda: union_world.apply("何骁", name="何小"))
    refused(refusals.IdentityDiffers, lambda: union_world.apply("何骁", identity_number=identity(500)))


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("123", "identity_length"),
        ("992204199001010011", "identity_region"),
        (identity(9)[:17] + "Z", "identity_length"),
    ],
)
def test_a_wrong_identity_number_is_named(union_world: UnionWorld, number, code):
    union_world.person("何骁"), union_world.federation
    refused(IdentityWrong, lambda: union_world.apply("何骁", identity_number=number), code)


def test_who_has_no_phone_or_asks_at_a_closed_door_is_sent_on(union_world: UnionWorld):
    nobody = register_person(actor=SYSTEM, at=union_world.at, username="nobody").person_id
    actor = person_actor(nobody)
    union_world.federation, union_world.person("何骁")
    refused(refusals.PhoneNotVerified, lambda: union_world.apply("何骁", actor=actor))
    refused(refusals.NotJoinable, lambda: union_world.apply("何骁", union_world.party))
    refused(NotFound, lambda: union_world.apply("何骁", union_world.officer.id))
    refused(Invalid, lambda: union_world.apply("何骁", occupation="king"))


def test_who_left_belongs_to_the_past_and_may_come_back(union_world: UnionWorld):
    case = union_world.member("何骁")
    later = union_world.at + timedelta(days=10)
    joining.leave_union(actor=union_world.person("何骁"), at=later, key=key(), membership_id=case.pk)
    belonging = Belonging.objects.get()
    assert (belonging.valid_from, belonging.valid_until) == (union_world.at, later)
    assert not Standing.objects.valid(later).filter(person_id=case.person_id, kind="union_member").exists()
    back = union_world.apply("何骁", at=later + timedelta(days=1))
    assert back.created
    assert Membership.objects.count() == 2
    refused(NotAllowed, lambda: joining.leave_union(
        actor=union_world.stranger, at=later, key=key(), membership_id=back.membership_id, reason="玩笑"
    ))  # fmt: skip


# Lists ---------------------------------------------------------------------------------------------------------------


def test_a_list_lets_good_rows_in_and_names_every_bad_one(union_world: UnionWorld):
    shop = union_world.merchant("湘味小炒")
    union_world.member("老会员")
    union_world.apply("在等的", union_world.pool)
    report = union_world.upload(
        ("张一", "13600000001", identity(101), "外卖骑手", ""),
        ("李二", "13600000002", identity(102), "店员", "湘味小炒"),
        ("", "13600000003", identity(103), "快递员", ""),
        ("王三", "1360000000", identity(104), "快递员", ""),
        ("赵四", "13600000005", identity(105)[:17] + "*", "快递员", ""),
        ("钱五", "13600000006", identity(106), "宇航员", ""),
        ("张一", "13600000001", identity(107), "快递员", ""),
        ("孙六", "13600000008", identity(108), "店员", "没有这家店"),
        ("老会员", union_world.phone("老会员"), identity(union_world.number("老会员")), "骑手", ""),
        ("在等的", union_world.phone("在等的"), identity(union_world.number("在等的")), "骑手", ""),
        ("冒名", union_world.phone("老会员"), identity(109), "骑手", ""),
        ("老会员", union_world.phone("老会员"), identity(110), "骑手", ""),
    )
    assert [(row.number, row.code) for row in report.bad] == [
        (4, "name_missing"), (5, "phone_wrong"), (6, "identity_length"), (7, "occupation_unknown"), (8, "duplicate"),
        (9, "merchant_unknown"), (10, "already_member"), (11, "pending_elsewhere"), (12, "duplicate"),
        (13, "duplicate"),
    ]  # fmt: skip
    assert (report.rows, report.accepted, report.registered) == (12, 2, 2)
    places = dict(Belonging.objects.values_list("membership__person__name", "organisation_id"))
    assert places == {"张一": union_world.federation, "李二": shop, "老会员": union_world.federation}
    kept = UploadedList.objects.get(pk=report.list_id)
    assert (kept.rows, kept.accepted, kept.reviewer_id, len(kept.refused)) == (12, 2, union_world.officer.id, 10)
    assert "13600000001" not in str(kept.refused)
    held = Standing.objects.get(person__name="张一", kind="rider")
    assert (held.valid_until, held.evidence) == (union_world.at + timedelta(days=365), "单位名单:美团")


def test_a_list_and_the_register_that_contradict_each_other_are_told(union_world: UnionWorld):
    union_world.member("何骁"), union_world.member("谭丽")
    report = union_world.upload(
        ("冒名", union_world.phone("何骁"), identity(201), "骑手", ""),
        ("何骁", "13600000301", identity(union_world.number("谭丽")), "骑手", ""),
    )
    assert [row.code for row in report.bad] == ["name_differs", "name_differs"]
    other = union_world.upload(
        ("何骁", union_world.phone("何骁"), identity(202), "骑手", ""),
        ("谭丽", union_world.phone("路人甲"), identity(union_world.number("谭丽")), "骑手", ""),
    )
    assert [row.code for row in other.bad] == ["identity_differs", "identity_elsewhere"]
    assert Belonging.objects.count() == 2


def test_a_list_lets_in_who_waits_here_already(union_world: UnionWorld):
    asked = union_world.apply("何骁")
    report = union_world.upload(("何骁", union_world.phone("何骁"), identity(901), "快递员", ""))
    case = Membership.objects.get()
    assert (report.accepted, report.registered, case.pk) == (1, 0, asked.membership_id)
    assert (case.state, case.occupation) == ("approved", "courier")


def test_a_list_costs_the_same_statements_for_2_rows_and_for_60(union_world: UnionWorld):
    union_world.federation  # noqa: B018
    costs = []
    for start, count in ((300, 2), (310, 60)):
        lines = [(f"工友{n}", f"137{n:08d}", identity(n), "骑手", "") for n in range(start, start + count)]
        with CaptureQueriesContext(connection) as captured:
            assert union_world.upload(*lines).accepted == count
        costs.append(len(captured))
    assert costs[0] == costs[1]


def test_a_list_that_cannot_be_read_changes_nothing(union_world: UnionWorld):
    union_world.federation  # noqa: B018
    for problem, content in (
        (ListEmpty, b""),
        (ListEmpty, as_csv(MEMBER_HEADER)),
        (ListHeaderWrong, "姓名,电话\n张一,1\n".encode()),
        (ListUnreadable, b"PK\x03\x04broken"),
        (ListUnreadable, b"a\0b"),
        (ListTooLong, as_csv(MEMBER_HEADER, *[("张一", "1", "2", "骑手", "")] * 5001)),
    ):
        refused(problem, lambda content=content: union_world.upload(content=content))
    good = ("张一", "13600000001", identity(101), "骑手", "")
    refused(Invalid, lambda: union_world.upload(good, employer=" "))
    refused(Invalid, lambda: union_world.upload(good, verified_until=union_world.at))
    refused(NotAllowed, lambda: union_world.upload(good, actor=union_world.stranger))
    refused(NotFound, lambda: union_world.upload(good, badge_id=union_world.union))


# Transfers -----------------------------------------------------------------------------------------------------------


def test_a_member_moves_when_both_units_said_yes(union_world: UnionWorld):
    case = union_world.member("何骁", union_world.pool)
    hour = timedelta(hours=1)
    asked = joining.ask_transfer(
        actor=union_world.person("何骁"), at=union_world.at + hour, key=key(), membership_id=case.pk,
        target_id=union_world.federation,
    )  # fmt: skip
    assert (asked.state, asked.released, asked.accepted) == ("open", False, False)

    def consent(actor, hours: int):
        return joining.consent_transfer(
            actor=actor, at=union_world.at + hours * hour, key=key(), transfer_id=asked.transfer_id
        )

    refused(NotAllowed, lambda: consent(union_world.person("何骁"), 2))
    first = consent(union_world.officer, 2)
    assert (first.state, first.released, first.accepted) == ("open", True, False)
    refused(FourEyes, lambda: consent(union_world.officer, 3))
    assert Membership.objects.get().organisation_id == union_world.pool
    second = consent(union_world.steward, 3)
    assert (second.state, second.released, second.accepted) == ("done", True, True)
    assert list(
        Belonging.objects.order_by("valid_from").values_list("organisation_id", "valid_from", "valid_until", "why")
    ) == [
        (union_world.pool, union_world.at, union_world.at + 3 * hour, "joined"),
        (union_world.federation, union_world.at + 3 * hour, None, "transfer"),
    ]
    assert Membership.objects.get().organisation_id == union_world.federation
    refused(WrongState, lambda: consent(union_world.steward, 4))


def test_a_transfer_is_one_at_a_time_and_can_be_refused(union_world: UnionWorld):
    union_world.steward  # noqa: B018
    case = union_world.member("何骁", union_world.pool)

    def ask(actor=union_world.officer, target=union_world.federation):
        return joining.ask_transfer(
            actor=actor, at=union_world.at + timedelta(hours=1), key=key(), membership_id=case.pk, target_id=target
        )

    refused(NotAllowed, lambda: ask(union_world.stranger))
    refused(Invalid, lambda: ask(target=union_world.pool))
    refused(refusals.NotJoinable, lambda: ask(target=union_world.party))
    asked = ask()
    assert (asked.released, asked.accepted) == (True, False)
    refused(refusals.TransferOpen, ask)

    def refuse(actor, reason):
        return joining.refuse_transfer(
            actor=actor, at=union_world.at + timedelta(hours=2), key=key(), transfer_id=asked.transfer_id, reason=reason
        )

    refused(NotAllowed, lambda: refuse(union_world.stranger, "不要"))
    refused(Invalid, lambda: refuse(union_world.steward, ""))
    assert refuse(union_world.steward, "不在我们这里跑").state == "refused"
    assert Belonging.objects.get().organisation_id == union_world.pool
    assert ask().state == "open"


# What the database holds ---------------------------------------------------------------------------------------------


def test_the_database_keeps_one_case_and_one_place_a_person(union_world: UnionWorld):
    union_world.pool  # noqa: B018
    case = union_world.member("何骁")
    copy = Belonging.objects.get()

    def breaks(name: str, call):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            call()

    breaks("union_membership_once", lambda: Membership.objects.create(
        person_id=case.person_id, organisation_id=union_world.pool, state="pending", source="self", occupation="rider",
        applied_at=union_world.at,
    ))  # fmt: skip
    again = {
        "membership": case,
        "member_number": copy.member_number,
        "organisation_id": union_world.pool,
        "why": "joined",
    }
    breaks("union_belonging_open_once", lambda: Belonging.objects.create(
        **again, valid_from=union_world.at + timedelta(days=1)
    ))  # fmt: skip
    breaks("union_belonging_one_at_a_time", lambda: Belonging.objects.create(
        **again, valid_from=union_world.at + timedelta(days=1), valid_until=union_world.at + timedelta(days=2)
    ))  # fmt: skip
    breaks("union_belonging_period", lambda: Belonging.objects.create(
        **again, valid_from=union_world.at - timedelta(days=1), valid_until=union_world.at - timedelta(days=1)
    ))  # fmt: skip
    breaks("union_membership_verified", lambda: Membership.objects.filter(pk=case.pk).update(verified_until=None))
    # Half-open: a period may end at the instant the next begins.
    Belonging.objects.create(**again, valid_from=at_local(union_world.at.date()), valid_until=union_world.at)


def test_belongings_cannot_be_rewritten_by_the_application(union_world: UnionWorld, as_application: None):
    union_world.member("何骁")
    for statement in ("UPDATE union_belonging SET organisation_id = organisation_id", "DELETE FROM union_belonging"):
        with pytest.raises(Exception, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
