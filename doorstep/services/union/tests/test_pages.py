"""The pages of members: each opens for whom it is meant, shows what is so, and costs the same for one row and for twenty."""

import re
from datetime import timedelta
from io import BytesIO

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver, reverse

from doorstep.kernel.common.clock import travel
from doorstep.kernel.passes import codes
from doorstep.kernel.people.models import Person
from doorstep.services.union.actions import board as board_actions
from doorstep.services.union.actions import joining
from doorstep.services.union.models import Belonging, Founding, Membership, Post, Transfer, UploadedList
from doorstep.services.union.queries import members as queries
from doorstep.services.union.tests.test_organising import staffed
from doorstep.services.union.tests.world import (
    MEMBER_HEADER,
    MERCHANT_HEADER,
    UnionWorld,
    as_csv,
    identity,
    key,
    registration,
)

pytestmark = pytest.mark.django_db


def browser(actor=None) -> Client:
    client = Client()
    if actor is not None:
        person = Person.objects.get(pk=actor.id)
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def get(world: UnionWorld, actor, page: str, /, *arguments, status: int = 200, at=None, **query) -> str:
    with travel(at or world.at):
        answer = browser(actor).get(reverse(f"union:{page}", args=arguments), query)
    assert answer.status_code == status, answer.content.decode()[:600]
    return answer.content.decode()


def post(world: UnionWorld, actor, page: str, /, *arguments, status: int = 302, at=None, **data):
    with travel(at or world.at):
        answer = browser(actor).post(reverse(f"union:{page}", args=arguments), {"key": key(), **data})
    assert answer.status_code == status, answer.content.decode()[:600]
    return answer


def test_every_page_of_the_room_says_whom_it_is_for():
    patterns = get_resolver("doorstep.services.union.urls").url_patterns
    assert patterns
    for pattern in patterns:
        assert pattern.callback.face.who in {"public", "person", "capability", "device"}, pattern.name


# Residents -----------------------------------------------------------------------------------------------------------


def test_a_visitor_at_the_poster_signs_in_and_comes_back(union_world: UnionWorld):
    page = get(union_world, None, "join", union_world.federation)
    address = reverse("union:join", args=[union_world.federation])
    assert f"{reverse('sign-in')}?next={address}" in page
    assert "identity_number" not in page
    post(union_world, None, "join", union_world.federation, status=200, name="x")
    assert not Membership.objects.exists()
    get(union_world, None, "join", union_world.party, status=404)
    get(union_world, None, "join", union_world.officer.id, status=404)


def test_joining_asks_five_things_and_ends_at_home(union_world: UnionWorld):
    rider = union_world.person("何骁")
    page = get(union_world, rider, "join", union_world.federation)
    asked = re.findall(
        r'<(?:input|select|textarea)[^>]*name="(\w+)"', page.split('id="join-form"')[1].split("</form>")[0]
    )
    assert [name for name in asked if name not in ("csrfmiddlewaretoken", "key")] == [
        "name", "phone", "identity_number", "occupation", "employer",
    ]  # fmt: skip
    given = {"name": "何骁", "identity_number": identity(1), "occupation": "rider", "employer": "美团"}
    wrong = post(union_world, rider, "join", union_world.federation, status=422, **{**given, "identity_number": "123"})
    assert "身份证号应为 18 位" in wrong.content.decode()
    assert post(union_world, rider, "join", union_world.federation, **given).url == reverse("union:home")
    assert "入会申请在审核" in get(union_world, rider, "home")
    assert "您的申请在审核" in get(union_world, rider, "join", union_world.federation)


def test_a_refused_person_reads_why_and_asks_again(union_world: UnionWorld):
    asked = union_world.apply("何骁")
    joining.reject_membership(
        actor=union_world.officer, at=union_world.at, key=key(), membership_id=asked.membership_id, reason="站点写全称"
    )
    rider = union_world.person("何骁")
    assert "站点写全称" in get(union_world, rider, "home")
    assert "站点写全称" in get(union_world, rider, "join", union_world.federation)


def test_home_shows_a_visitor_where_to_join_and_a_member_the_card(union_world: UnionWorld):
    pool = union_world.pool
    assert reverse("union:join", args=[pool]) in get(union_world, None, "home")
    case = union_world.member("何骁")
    page = get(union_world, union_world.person("何骁"), "home")
    assert case.organisation.name in page
    assert reverse("union:join", args=[pool]) not in page


def test_the_card_shows_a_code_that_a_door_can_read(union_world: UnionWorld):
    case = union_world.member("何骁")
    rider = union_world.person("何骁")
    page = get(union_world, rider, "card")
    assert f"第 {case.number} 号" in page
    (item,) = queries.wallet(rider.id, union_world.at)
    assert (item.title, item.subtitle, item.valid_until) == ("工会会员卡", case.organisation.name, case.verified_until)
    shown = codes.read(item.context["code"], union_world.at + timedelta(seconds=59))
    assert (shown.kind, shown.subject) == (codes.PassKind.PERSON, rider.id)
    with pytest.raises(Exception, match="pass_expired"):
        codes.read(item.context["code"], union_world.at + timedelta(seconds=60))
    drawn = get(union_world, rider, "card-code")
    assert drawn != get(union_world, rider, "card-code", at=union_world.at + timedelta(seconds=1))
    assert "data-card-code" in page
    get(union_world, union_world.stranger, "card", status=404)
    assert queries.wallet(union_world.stranger.id, union_world.at) == []


def test_a_member_at_another_poster_asks_for_a_transfer_and_can_leave(union_world: UnionWorld):
    union_world.member("何骁", union_world.pool)
    rider = union_world.person("何骁")
    assert "申请转到这里" in get(union_world, rider, "join", union_world.federation)
    post(union_world, rider, "move", union_world.federation)
    assert Transfer.objects.get().target_id == union_world.federation
    assert "转会申请在办" in get(union_world, rider, "join", union_world.federation)
    later = union_world.at + timedelta(days=1)
    post(union_world, rider, "leave", at=later)
    assert (Membership.objects.get().state, Belonging.objects.get().valid_until) == ("left", later)


# The desk ------------------------------------------------------------------------------------------------------------

DESK = [("members", ()), ("merchants", ()), ("foundings", ()), ("founding-new", ()), ("upload", ("members",)),
        ("upload", ("merchants",)), ("upload-sample", ("members",)), ("board-desk", ()), ("overview", ())]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), DESK)
def test_desks_open_for_officers_only(union_world: UnionWorld, name, arguments):
    union_world.federation  # noqa: B018
    get(union_world, union_world.officer, name, *arguments)
    get(union_world, union_world.stranger, name, *arguments, status=403)
    get(union_world, None, name, *arguments, status=302)


def test_the_desk_lists_filters_and_approves_many(union_world: UnionWorld):
    waiting = [union_world.apply(f"工友{number}").membership_id for number in range(3)]
    union_world.member("何骁")
    page = get(union_world, union_world.officer, "members", state="pending")
    assert "3 人等您审核" in page
    assert "何骁" not in page
    for text in (
        "何骁",
        union_world.phone("何骁"),
        identity(union_world.number("何骁")),
        str(Membership.objects.get(state="approved").number),
    ):
        page = get(union_world, union_world.officer, "members", q=text)
        assert "何骁" in page
        assert "工友0" not in page
    assert union_world.phone("何骁") not in page
    post(union_world, union_world.officer, "members-approve", member=[str(pk) for pk in waiting[:2]])
    assert Membership.objects.filter(state="approved").count() == 3
    post(union_world, union_world.officer, "members-approve")
    assert Membership.objects.filter(state="approved").count() == 3
    get(union_world, union_world.officer, "members", page="0", status=404)
    get(union_world, union_world.officer, "members", state="nonsense", status=422)


def test_a_case_is_decided_on_its_page(union_world: UnionWorld):
    asked = union_world.apply("何骁").membership_id
    assert "申请入会" in get(union_world, union_world.officer, "member", asked)
    post(union_world, union_world.officer, "member-step", asked, "reject", reason="写全称")
    assert Membership.objects.get().state == "rejected"
    union_world.apply("何骁")
    post(union_world, union_world.officer, "member-step", asked, "approve")
    assert Membership.objects.get().state == "approved"
    page = get(union_world, union_world.officer, "member", asked, to="待转入")
    assert "没有这个名字的单位" in page
    union_world.pool  # noqa: B018
    union_world.steward  # noqa: B018
    later = union_world.at + timedelta(hours=1)
    post(union_world, union_world.officer, "member-step", asked, "transfer", target=str(union_world.pool), at=later)
    transfer = Transfer.objects.get()
    assert (transfer.released_at, transfer.accepted_at) == (later, None)
    post(union_world, union_world.steward, "transfer-step", transfer.pk, "consent", status=403)
    second = union_world.cast.appointed("第二经办", "union_officer", union_world.union)
    post(union_world, second, "transfer-step", transfer.pk, "consent", at=later)
    assert Membership.objects.get().organisation_id == union_world.pool
    post(union_world, union_world.officer, "member-step", asked, "leave", reason="重复", at=later + timedelta(hours=1))
    assert Membership.objects.get().state == "left"
    post(union_world, union_world.officer, "member-step", asked, "fly", status=404)
    get(union_world, union_world.stranger, "member", asked, status=403)


def test_another_districts_officer_sees_nothing_of_this_one(union_world: UnionWorld):
    asked = union_world.apply("何骁").membership_id
    elsewhere = union_world.cast.appointed("别处经办", "union_officer", union_world.cast.organisation("荷塘区总工会"))
    assert "何骁" not in get(union_world, elsewhere, "members")
    get(union_world, elsewhere, "member", asked, status=403)
    get(union_world, elsewhere, "overview", node=str(union_world.federation), status=403)
    get(union_world, elsewhere, "poster", union_world.federation, status=403)


def test_lists_are_uploaded_and_answered_row_by_row(union_world: UnionWorld):
    def upload(kind: str, content: bytes, status: int = 302, **other):
        file = BytesIO(content)
        file.name = "list.csv"
        return post(union_world, union_world.officer, "upload", kind, status=status, organisation=str(union_world.federation),
                    file=file, **other)  # fmt: skip

    rows = as_csv(
        MERCHANT_HEADER, ("湘味小炒", registration(1), "唐姐", "13707320001", "", ""), ("坏", "1", "x", "1", "", "")
    )
    answer = upload("merchants", rows)
    page = get(union_world, union_world.officer, "list", UploadedList.objects.get().pk)
    assert answer.url == reverse("union:list", args=[UploadedList.objects.get().pk])
    assert "统一社会信用代码应为 18 位" in page
    people = as_csv(MEMBER_HEADER, ("张一", "13600000001", identity(101), "店员", "湘味小炒"))
    photo = BytesIO(b"\x89PNG\r\n\x1a\n" + b"0" * 20)
    photo.name = "badge.png"
    upload("members", people, employer="湘味小炒", verified_until="2026-05-12", badge=photo)
    kept = UploadedList.objects.get(kind="members")
    assert (kept.accepted, kept.badge.media_type) == (1, "image/png")
    assert "湘味小炒" in get(union_world, union_world.officer, "merchants")
    wrong = upload("members", b"a,b\n1,2\n", status=422, employer="x", verified_until="2026-05-12")
    assert "第一行缺少这些列" in wrong.content.decode()
    assert get(union_world, union_world.officer, "upload-sample", "merchants").startswith(
        "\ufeff商户名称,统一社会信用代码"
    )
    get(union_world, union_world.officer, "upload", "nonsense", status=404)


def test_new_unions_go_through_two_people(union_world: UnionWorld):
    staffed(union_world, 1, 1)
    post(union_world, union_world.officer, "founding-new", parent=str(union_world.alliance), name="联合工会",
         units="店0\n店1", term_years="3")  # fmt: skip
    wrong = post(union_world, union_world.officer, "founding-new", status=422, parent=str(union_world.alliance), name="别的",
                 units="没有的店", term_years="3")  # fmt: skip
    assert "没有的店" in wrong.content.decode()
    asked = Founding.objects.get()
    assert "联合工会" in get(union_world, union_world.leader, "foundings")
    post(union_world, union_world.officer, "founding-decide", asked.pk, status=403, wish="approve")
    later = union_world.at + timedelta(hours=1)
    post(union_world, union_world.leader, "founding-decide", asked.pk, wish="approve", at=later)
    asked.refresh_from_db()
    assert asked.state == "approved"
    post(union_world, union_world.leader, "committee-new", organisation=str(asked.organisation_id), form="committee",
         term_years="5", elected_on="2025-05-20", at=union_world.at + timedelta(days=30))  # fmt: skip
    get(union_world, union_world.stranger, "foundings", status=403)


def test_a_merchant_leaves_with_a_reason(union_world: UnionWorld):
    from doorstep.services.union.models import Merchant

    union_world.pool, union_world.merchant("湘味小炒")
    shop = Merchant.objects.get()
    post(union_world, union_world.officer, "merchant-leave", shop.pk, status=422, reason="")
    post(union_world, union_world.officer, "merchant-leave", shop.pk, reason="关店")
    shop.refresh_from_db()
    assert (shop.state, shop.left_reason) == ("left", "关店")


def test_the_poster_leads_to_the_units_own_page(union_world: UnionWorld):
    page = get(union_world, union_world.officer, "poster", union_world.federation)
    assert "扫一扫,一分钟入会" in page


# The board of levels -------------------------------------------------------------------------------------------------


def test_the_overview_adds_up_and_goes_down_and_back_in_time(union_world: UnionWorld):
    staffed(union_world, 2, 3)
    union_world.member("直属")
    page = get(union_world, union_world.officer, "overview", node=str(union_world.federation))
    table = page.split('id="levels"')[1].split("</table>")[0]
    assert re.findall(r"<t[hd][^>]*class=\"num\"[^>]*>\s*([\d,]+)", table) == ["5", "2", "1", "0", "6", "2"]
    assert str(union_world.association) in page
    yesterday = (union_world.at - timedelta(days=1)).date().isoformat()
    before = get(union_world, union_world.officer, "overview", node=str(union_world.federation), on=yesterday)
    assert 'id="levels"' in before
    assert "终了时" in before
    assert "学林街道党工委" in get(union_world, union_world.secretary, "overview")
    get(union_world, union_world.secretary, "overview", node=str(union_world.alliance))
    get(union_world, union_world.secretary, "overview", node=str(union_world.union), status=403)


# Tips ----------------------------------------------------------------------------------------------------------------


def test_a_tip_goes_from_a_member_over_the_desk_to_everybody(union_world: UnionWorld):
    union_world.member("何骁")
    rider = union_world.person("何骁")
    bad = post(union_world, rider, "board-write", status=422, category="gate", text="加微信有单干")
    assert "广告" in bad.content.decode()
    post(union_world, rider, "board-write", category="gate", text="三号门十点关,走一号门。")
    tip = Post.objects.get()
    assert "三号门" not in get(union_world, None, "board")
    assert "三号门" in get(union_world, rider, "board")  # under 我写的
    assert "三号门" in get(union_world, union_world.officer, "board-desk")
    post(union_world, union_world.officer, "board-decide", tip.pk, wish="show")
    page = get(union_world, None, "board", category="gate")
    assert "三号门" in page
    assert "何骁" not in page
    assert "何*" in page
    get(union_world, None, "board", category="ads", status=422)


# Costs ---------------------------------------------------------------------------------------------------------------


def test_pages_cost_the_same_for_one_row_and_for_twenty(union_world: UnionWorld):
    shop = union_world.merchant("湘味小炒")
    union_world.member("何骁")
    rider = union_world.person("何骁")
    pages = [("members", (), union_world.officer), ("merchants", (), union_world.officer), ("board", (), rider),
             ("board-desk", (), union_world.officer), ("foundings", (), union_world.officer)]  # fmt: skip

    def fill(start: int, count: int) -> None:
        for number in range(start, start + count):
            union_world.merchant(f"店{number}", 100 + number)
        union_world.upload(
            *[(f"人{n}", f"1350000{n:04d}", identity(100 + n), "店员", f"店{n}") for n in range(start, start + count)]
        )
        for number in range(start, start + count):
            author = union_world.cast.person(f"作者{number}")
            asked = union_world.apply(f"作者{number}", shop)
            union_world.approve(asked.membership_id)
            tip = board_actions.write_post(
                actor=type(rider)("person", author),
                at=union_world.at,
                key=key(),
                category="gate",
                text=f"第 {number} 条经验在此。",
            )
            if number % 2:
                board_actions.decide_post(
                    actor=union_world.officer, at=union_world.at, key=key(), post_id=tip, shown=True
                )

    def costs() -> list[int]:
        found = []
        for name, arguments, actor in pages:
            with CaptureQueriesContext(connection) as captured:
                get(union_world, actor, name, *arguments)
            found.append(len(captured))
        return found

    fill(1, 2)
    few = costs()
    fill(5, 15)
    assert costs() == few
