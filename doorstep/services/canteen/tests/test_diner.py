"""The pages: each opens for whom it is meant, shows what is so, and costs the same for one row and for twenty."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
import zxingcpp
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.clock import travel
from doorstep.kernel.common.errors import Invalid
from doorstep.kernel.entitlements.models import Entitlement
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.passes import codes, short_codes
from doorstep.kernel.passes.codes import PassKind
from doorstep.kernel.people.models import Person
from doorstep.services.canteen.actions import issuing, venues
from doorstep.services.canteen.models import MenuItem, Venue, VoucherKind
from doorstep.services.canteen.queries import programmes as programme_queries
from doorstep.services.canteen.queries import venues as venue_queries
from doorstep.services.canteen.queries import wallet
from doorstep.services.canteen.rules.printed import venue_group
from doorstep.services.canteen.tests.world import DAY, CanteenWorld, key

pytestmark = pytest.mark.django_db


def as_person(person_id) -> Client:
    client = Client()
    client.force_login(Person.objects.get(pk=person_id), backend="django.contrib.auth.backends.ModelBackend")
    return client


def get(world: CanteenWorld, client: Client, name: str, *arguments, status: int = 200, at=None, **query) -> str:
    with travel(at or world.at):
        answer = client.get(reverse(f"canteen:{name}", args=arguments), query)
    assert answer.status_code == status, answer.content.decode()[:400]
    return answer.content.decode()


def post(world: CanteenWorld, client: Client, page: str, /, *arguments, **data):
    with travel(world.at):
        return client.post(reverse(f"canteen:{page}", args=arguments), {"key": key(), **data})


def statements(call) -> int:
    with CaptureQueriesContext(connection) as captured:
        call()
    return len(captured)


# The wallet -----------------------------------------------------------------------------------------------------------


def test_the_wallet_shows_a_code_the_till_can_read(world: CanteenWorld):
    voucher = world.give_voucher(world.rider)
    (item,) = wallet.wallet(world.rider, world.at)
    shown = codes.read(item.context["code"], world.at + timedelta(seconds=59))
    assert (shown.kind, shown.subject) == (PassKind.ENTITLEMENT, voucher.pk)
    typed = short_codes.read_short_code(item.context["short_code"], world.at)
    assert (typed.number, typed.kind) == (voucher.number, PassKind.ENTITLEMENT)
    assert (item.context["list_fen"], item.context["union_fen"], item.context["worker_fen"]) == (1300, 400, 900)
    assert item.context["place"] == "堂客们私房菜"


def test_a_picture_of_the_code_is_dead_after_a_minute(world: CanteenWorld):
    world.give_voucher(world.rider)
    (item,) = wallet.wallet(world.rider, world.at)
    with pytest.raises(Exception, match="pass_expired"):
        codes.read(item.context["code"], world.at + timedelta(seconds=60))


def test_equal_vouchers_are_one_ticket_and_only_the_first_pile_has_its_code_drawn(world: CanteenWorld):
    world.give_vouchers(world.rider, count=4)
    world.give_voucher(world.rider, world.free, days=60)
    first, second = wallet.wallet(world.rider, world.at)
    assert (first.context["more"], second.context["more"]) == (3, 0)
    assert "code" in first.context
    assert "code" not in second.context


def test_a_voucher_that_is_over_or_void_or_to_come_has_no_code(world: CanteenWorld):
    void = world.give_voucher(world.rider)
    issuing.void_voucher(actor=world.officer, at=world.at, key=key(), entitlement_id=void.pk, reason="发重了")
    world.give_voucher(world.rider, days=1)
    assert wallet.wallet(world.rider, world.at + timedelta(days=1)) == []
    issuing.issue_single(
        actor=world.officer, at=world.at, key=key(), kind_id=world.off.kind_id, phone=world.phone(world.courier),
        valid_from=world.at + timedelta(days=1), valid_until=world.at + timedelta(days=2),
    )  # fmt: skip
    (coming,) = wallet.wallet(world.courier, world.at)
    assert "code" not in coming.context
    assert coming.context["begins"] == world.at + timedelta(days=1)


def test_the_wallet_costs_the_same_for_one_voucher_and_for_twenty(world: CanteenWorld):
    world.give_voucher(world.rider)
    one = statements(lambda: wallet.wallet(world.rider, world.at))
    for days in range(31, 50):
        world.give_voucher(world.rider, world.free if days % 2 else world.off, days=days)
    assert len(wallet.wallet(world.rider, world.at)) == 20
    assert statements(lambda: wallet.wallet(world.rider, world.at)) == one == 3


def test_the_wallet_page_draws_the_ticket_with_its_code(world: CanteenWorld):
    voucher = world.give_voucher(world.rider)
    client = as_person(world.rider)
    with travel(world.at):
        page = client.get("/wallet").content.decode()
    assert f'id="code-{voucher.pk}"' in page
    assert re.search(r'<div class="qr"[^>]*>\s*<svg', page)
    assert "4元减免券" in page


def qr_text(page: str) -> str:
    """Read the drawn code back, as a scanner would."""
    from PIL import Image, ImageDraw

    svg = re.search(r"<svg.*?</svg>", page[page.index('class="qr"') :], re.S)[0]
    size = int(re.search(r'viewBox="0 0 (\d+) ', svg)[1])
    path = re.findall(r'd="([^"]+)"', svg)[-1]
    image = Image.new("L", (size, size), 255)
    draw = ImageDraw.Draw(image)
    x = y = 0.0
    for letter, numbers in re.findall(r"([Mmhvz])([^Mmhvz]*)", path):
        values = [float(one) for one in re.findall(r"-?\d*\.?\d+", numbers)]
        if letter == "M":
            x, y = values
        elif letter == "m":
            x, y = x + values[0], y + values[1]
        elif letter == "h":
            draw.line([(x, int(y)), (x + values[0] - 1, int(y))], fill=0)
            x += values[0]
    found = zxingcpp.read_barcode(image.resize((size * 6, size * 6), Image.Resampling.NEAREST))
    assert found is not None
    return found.text


def test_the_drawn_code_can_be_scanned_and_each_look_gives_a_fresh_one(world: CanteenWorld):
    voucher = world.give_voucher(world.rider)
    client = as_person(world.rider)
    first = qr_text(get(world, client, "ticket-code", voucher.pk))
    later = world.at + timedelta(seconds=30)
    second = qr_text(get(world, client, "ticket-code", voucher.pk, at=later))
    assert first != second
    assert codes.read(second, later).subject == voucher.pk
    assert 'hx-trigger="every 30s, renew"' in get(world, client, "ticket-code", voucher.pk)


def test_nobody_sees_the_code_of_somebody_else(world: CanteenWorld):
    voucher = world.give_voucher(world.rider)
    for name in ("ticket", "ticket-code", "ticket-print"):
        page = get(world, as_person(world.courier), name, voucher.pk, status=404)
        assert "DS1" not in page
        with travel(world.at):
            assert Client().get(reverse(f"canteen:{name}", args=[voucher.pk])).status_code == 302


def test_a_used_voucher_shows_where_it_went(world: CanteenWorld):
    voucher = world.give_voucher(world.rider)
    Entitlement.objects.filter(pk=voucher.pk).update(used=1)
    page = get(world, as_person(world.rider), "ticket-code", voucher.pk)
    assert "hx-get" not in page
    assert "DS1" not in page


# On paper --------------------------------------------------------------------------------------------------------------


def test_a_printed_voucher_is_bound_to_its_day_and_its_venues(world: CanteenWorld):
    voucher = world.give_voucher(world.rider)
    printed = wallet.printed_voucher(voucher.pk, DAY, world.at)
    assert printed.person_name == "凌涛"
    shown = codes.read(printed.code, world.at_clock(23, 59, 59))
    assert (shown.kind, shown.subject) == (PassKind.ENTITLEMENT_PRINTED, voucher.pk)
    assert shown.scope == venue_group([world.venue.place_id])
    typed = short_codes.read_short_code(printed.short_code, world.at_clock(20))
    assert (typed.number, typed.kind) == (voucher.number, PassKind.ENTITLEMENT_PRINTED)
    with pytest.raises(Exception, match="pass_expired"):
        codes.read(printed.code, world.at_clock(24))
    with pytest.raises(Exception, match="pass_not_yet_valid"):
        codes.read(printed.code, world.at_clock(0) - timedelta(minutes=1))


def test_no_paper_for_a_day_outside_the_voucher(world: CanteenWorld):
    voucher = world.give_voucher(world.rider, days=3)
    for day in (DAY - timedelta(days=1), DAY + timedelta(days=4)):
        with pytest.raises(Invalid):
            wallet.printed_voucher(voucher.pk, day, world.at)


def test_an_officer_prints_for_somebody_without_a_smartphone(world: CanteenWorld):
    voucher = world.give_voucher(world.rider)
    page = get(world, as_person(world.officer.id), "ticket-print", voucher.pk)
    assert "凌涛" in page
    assert codes.read(qr_text(page), world.at).kind is PassKind.ENTITLEMENT_PRINTED


# Near, menus, offers, history --------------------------------------------------------------------------------------------


def test_near_lists_serving_restaurants_with_distance_and_todays_menu(world: CanteenWorld):
    world.menu()
    far = world.opened("泰山路湘味小馆", longitude=113.1021, latitude=27.8305)
    page = get(world, Client(), "near", lat="27.8123", lon="113.0816")
    assert page.index("堂客们私房菜") < page.index("泰山路湘味小馆")
    assert "辣椒炒肉" in page
    assert "现在 2 家开着" in page
    venues.suspend_venue(actor=world.officer, at=world.at, key=key(), venue_id=far.pk, reason="后厨整改")
    assert "泰山路湘味小馆" not in get(world, Client(), "near")


def test_at_three_the_restaurant_is_closed_and_says_when_it_opens(world: CanteenWorld):
    assert world.venue.state == "open"
    (at_last_second,) = venue_queries.near_venues(longitude=113.08, latitude=27.81, at=world.at_clock(14, 59, 59))
    assert at_last_second.open_until == world.at_clock(15)
    (closed,) = venue_queries.near_venues(longitude=113.08, latitude=27.81, at=world.at_clock(15))
    assert (closed.open_until, closed.opens_at) == (None, world.at_clock(17))
    assert "今天 17:00 开" in get(world, Client(), "near", at=world.at_clock(15))


def test_a_restaurant_with_an_expired_paper_is_not_offered(world: CanteenWorld):
    assert world.venue.state == "open"
    after = world.at + timedelta(days=330)
    assert venue_queries.near_venues(longitude=113.08, latitude=27.81, at=after) == []


@pytest.mark.parametrize(
    "query", [{"lat": "x", "lon": "1"}, {"lat": "113.08", "lon": "27.81"}, {"lat": "nan", "lon": "nan"}]
)
def test_nonsense_coordinates_fall_back_to_the_middle(world: CanteenWorld, query: dict[str, str]):
    assert world.venue.state == "open"
    assert "距离从天元区中心算起" in get(world, Client(), "near", **query)


def test_the_venue_page_shows_menu_and_hours(world: CanteenWorld):
    world.menu()
    page = get(world, Client(), "venue", world.venue.pk)
    assert "每天 10:00–15:00、17:00–21:00" in page
    assert "紫菜蛋花汤" in page
    assert "微波炉" in page
    get(world, Client(), "venue", uuid4(), status=404)


def test_near_costs_the_same_for_one_restaurant_and_for_twenty(world: CanteenWorld):
    assert world.venue.state == "open"
    ask = lambda: venue_queries.near_venues(longitude=113.08, latitude=27.81, at=world.at)  # noqa: E731
    ask()
    one = statements(ask)
    for number in range(19):
        world.opened(f"小店{number}", longitude=113.08 + number / 1000)
    assert len(ask()) == 20
    assert statements(ask) == one == 5
    desk = lambda: venue_queries.venues([world.union], world.at)  # noqa: E731
    assert len(desk()) == 20
    assert statements(desk) == 1


def test_claiming_puts_the_voucher_into_the_wallet(world: CanteenWorld):
    offer = issuing.open_claim(
        actor=world.officer, at=world.at, key=key(), kind_id=world.off.kind_id, quota=1, opens_at=world.at,
        closes_at=world.at + timedelta(hours=1), valid_from=world.at, valid_until=world.at + timedelta(days=1),
    )  # fmt: skip
    rider, courier, stranger = (as_person(one) for one in (world.rider, world.courier, world.stranger))
    assert "领一张" in get(world, rider, "claims")
    assert "去认证身份" in get(world, stranger, "claims")
    answer = post(world, rider, "claim", offer.grant_id)
    voucher = Entitlement.objects.get()
    assert (answer.status_code, answer.url) == (302, reverse("canteen:ticket", args=[voucher.pk]))
    assert voucher.person_id == world.rider
    assert "领过了" in get(world, rider, "claims")
    assert post(world, courier, "claim", offer.grant_id).url == reverse("canteen:claims")
    assert "已领完" in get(world, courier, "claims")
    assert Entitlement.objects.count() == 1


def test_an_empty_history_says_what_to_do(world: CanteenWorld):
    assert "还没有用餐记录" in get(world, as_person(world.rider), "history")
    get(world, as_person(world.rider), "history", status=404, page="x")


# The desk ----------------------------------------------------------------------------------------------------------------


def test_every_desk_page_opens_for_the_officer_and_not_for_the_rider(world: CanteenWorld):
    assert world.off.kind_id
    officer, rider = as_person(world.officer.id), as_person(world.rider)
    for name in ("programmes", "programme-new", "issue", "issue-sample", "vouchers", "venues", "call-new"):
        get(world, officer, name)
        get(world, rider, name, status=403)
    for way in ("push", "claim", "list", "single"):
        get(world, officer, "issue", way=way)
    for name, subject in (
        ("programme", world.programme.programme_id), ("kind-new", world.programme.programme_id),
        ("kind-terms", world.off.kind_id), ("venue-case", world.venue.pk), ("counter-of", world.venue.pk),
    ):  # fmt: skip
        get(world, officer, name, subject)
        get(world, rider, name, subject, status=403)


def test_a_new_programme_is_opened_funded_and_given_a_kind_on_the_pages(world: CanteenWorld):
    assert world.venue.state == "open"
    officer, leader = as_person(world.officer.id), as_person(world.leader.id)
    answer = post(
        world, officer, "programme-new", organisation=str(world.union), name="夏送清凉", starts_on="2025-05-07",
        exposure_cap="200",
    )  # fmt: skip
    assert answer.status_code == 302
    programme_id = answer.url.rsplit("/", 1)[-1]
    assert post(world, officer, "programme-fund", programme_id, amount="100").status_code == 403
    assert post(world, leader, "programme-fund", programme_id, amount="1,000.50").status_code == 302
    row = programme_queries.programme(programme_id)
    assert (row.available_fen, row.exposure_cap_fen) == (100_050, 20_000)
    kind = {
        "kind": "off", "name": "4元减免券", "list_price": "13.00", "standings": ["rider"], "lunch_start": "10:30",
        "lunch_end": "15:00", "dinner_start": "", "dinner_end": "", "effective_on": "2025-05-07",
    }  # fmt: skip
    refused = post(world, officer, "kind-new", programme_id, **kind, union_share="3.99")
    assert refused.status_code == 422
    assert "最多付 9.00 元" in refused.content.decode()
    assert VoucherKind.objects.count() == 0
    assert post(world, officer, "kind-new", programme_id, **kind, union_share="4.00").status_code == 302
    version = VoucherKind.objects.get().terms.versions.get()
    assert [window["code"] for window in version.windows] == ["lunch"]
    assert "现行" in get(world, officer, "programme", programme_id)


def test_the_same_form_with_other_words_is_not_taken_twice_silently(world: CanteenWorld):
    """Back, change, send again: the form says so, keeps what was ticked, and carries a new key."""
    officer, once = as_person(world.officer.id), key()
    kind = {
        "kind": "off", "list_price": "13.00", "union_share": "4.00", "standings": ["rider", "driver"],
        "lunch_start": "10:30", "lunch_end": "15:00", "effective_on": "2025-05-07", "key": once,
    }  # fmt: skip
    programme_id = world.programme.programme_id
    assert post(world, officer, "kind-new", programme_id, name="甲券", **kind).status_code == 302
    again = post(world, officer, "kind-new", programme_id, name="乙券", **kind)
    page = again.content.decode()
    assert (again.status_code, VoucherKind.objects.count()) == (422, 1)
    assert "这张表刚才已经提交过" in page
    assert once not in page
    assert len(re.findall(r'name="standings"[^>]* checked', page)) == 2


def test_a_list_is_answered_row_by_row_on_the_page(world: CanteenWorld):
    from django.core.files.uploadedfile import SimpleUploadedFile

    content = f"姓名,手机号\n凌涛,{world.phone(world.rider)}\n无名,13900000000\n".encode()
    answer = post(
        world, as_person(world.officer.id), "issue", way="list", kind=str(world.off.kind_id),
        file=SimpleUploadedFile("名单.csv", content), valid_from="2025-05-07", valid_until="2025-05-31",
    )  # fmt: skip
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "1 人,1 张发出" in page
    assert "这个手机号还没有登记,请本人先登录一次。" in page
    assert "无名 139****0000" in page
    voucher = Entitlement.objects.get()
    assert (voucher.valid_from, voucher.valid_until) == (world.at_clock(0), world.at_clock(24) + timedelta(days=24))


def test_a_list_that_cannot_be_read_is_said_at_the_file(world: CanteenWorld):
    from django.core.files.uploadedfile import SimpleUploadedFile

    answer = post(
        world, as_person(world.officer.id), "issue", way="list", kind=str(world.off.kind_id),
        file=SimpleUploadedFile("x.csv", b"a,b\n1,2\n"), valid_from="2025-05-07", valid_until="2025-05-31",
    )  # fmt: skip
    assert answer.status_code == 422
    assert "第一行没有找到「姓名」和「手机号」两列。" in answer.content.decode()
    assert Entitlement.objects.count() == 0


def test_a_restaurant_goes_from_the_call_to_open_on_the_pages(world: CanteenWorld):
    officer, leader, manager = (as_person(one.id) for one in (world.officer, world.leader, world.manager))
    application = {
        "name": "一碗好饭", "address": "天元区泰山路 8 号", "latitude": "27.83", "longitude": "113.10",
        "contact_name": "唐姐",
    }  # fmt: skip
    assert "我要报名" in get(world, Client(), "join") if world.call else False
    answer = post(world, manager, "apply", world.call, **application)
    venue = Venue.objects.get()
    assert answer.url == reverse("canteen:counter-of", args=[venue.pk])
    papers = [("business_licence", ""), ("food_permit", ""), ("health_certificate", "唐师傅")]
    for kind, holder in papers:
        paper = {"kind": kind, "number": f"证-{kind}", "holder": holder, "expires_on": "2026-05-07"}
        assert post(world, manager, "counter-paper", venue.pk, **paper).status_code == 302
    step = lambda client, name, /, **data: post(world, client, "venue-step", venue.pk, name, **data)  # noqa: E731
    assert step(officer, "visit", visited_on="2025-05-07", notes="干净").status_code == 302
    points = {"kitchen": 20, "dishes": 20, "price": 20, "hours": 20}
    for scorer in world.scorers:
        assert step(as_person(scorer.id), "score", **points).status_code == 302
    assert step(as_person(world.scorers[0].id), "score", **points).status_code == 422
    assert step(officer, "decide", approved="yes", reason="好").status_code == 403
    assert step(leader, "decide", approved="yes", reason="好").status_code == 302
    terms = {
        "list_price": "13", "dishes": 8, "soups": 1, "opening_hours": "Mo-Su 10:30-15:00", "valid_from": "2025-05-07",
        "valid_until": "2026-05-06",
    }  # fmt: skip
    wrong = step(officer, "agree", **{**terms, "opening_hours": "十点半"})
    assert wrong.status_code == 422
    assert "营业时间看不懂" in wrong.content.decode()
    assert step(officer, "agree", **terms).status_code == 302
    assert step(officer, "open").status_code == 302
    venue.refresh_from_db()
    assert venue.state == "open"
    assert "一碗好饭" in get(world, Client(), "near")


def test_scorers_and_leaders_see_what_waits_for_them(world: CanteenWorld):
    venue_id = world.applied("一碗好饭")
    scorer = as_person(world.scorers[0].id)
    assert "一碗好饭" not in get(world, scorer, "scoring")
    world.visit(venue_id)
    assert "一碗好饭" in get(world, scorer, "scoring")
    assert "一碗好饭" in get(world, as_person(world.leader.id), "deciding")
    get(world, scorer, "venue-case", venue_id)
    get(world, scorer, "venue-step", venue_id, "visit", status=403)


def test_the_manager_puts_up_a_menu_and_adds_a_till(world: CanteenWorld):
    manager = as_person(world.manager.id)
    assert "今天的午餐还没挂菜单" in get(world, manager, "counter") if world.venue else False
    data = {"day": "2025-05-07", "meal": "lunch", "dishes": "辣椒炒肉、外婆菜\n白菜", "soups": "蛋汤"}
    assert post(world, manager, "counter-menu", world.venue.pk, **data).status_code == 302
    assert MenuItem.objects.filter(venue=world.venue).count() == 4
    assert "辣椒炒肉" in get(world, manager, "counter-menu", world.venue.pk, day="2025-05-08", meal="lunch")
    answer = post(world, manager, "till-add", world.venue.pk, name="后门")
    device = Device.objects.get(name="后门")
    assert answer.url == reverse("canteen:till-pairing", args=[device.pk])
    address = qr_text(get(world, manager, "till-pairing", device.pk))
    assert address.startswith("http://testserver/canteen/till/pair?code=DS1")
    assert codes.read(address.split("code=")[1], world.at).subject == device.pk
    get(world, as_person(world.rider), "till-pairing", device.pk, status=403)


def test_an_officer_voids_a_voucher_on_the_page(world: CanteenWorld):
    voucher = world.give_voucher(world.rider)
    officer = as_person(world.officer.id)
    assert "作废" in get(world, officer, "vouchers", phone=world.phone(world.rider))
    assert "还没有登记" in get(world, officer, "vouchers", phone="13999999999", status=422)
    assert post(world, officer, "voucher-void", voucher.pk, reason="").status_code == 422
    assert post(world, officer, "voucher-void", voucher.pk, reason="发重了").status_code == 302
    voucher.refresh_from_db()
    assert voucher.state == "void"


def test_the_programme_queries_cost_the_same_for_one_and_for_twenty(world: CanteenWorld):
    assert world.off.kind_id
    lists = {
        "programmes": lambda: programme_queries.programmes([world.union]),
        "kinds": lambda: programme_queries.kinds(world.programme.programme_id, world.at),
        "grants": lambda: programme_queries.grants([world.union]),
        "vouchers": lambda: programme_queries.vouchers_of(world.rider, [world.union]),
        "offers": lambda: wallet.offers(world.rider, world.at),
        "history": lambda: wallet.history(world.rider),
    }
    world.give_voucher(world.rider)
    issuing.open_claim(
        actor=world.officer, at=world.at, key=key(), kind_id=world.off.kind_id, quota=1, opens_at=world.at,
        closes_at=world.at + timedelta(hours=1), valid_from=world.at, valid_until=world.at + timedelta(days=1),
    )  # fmt: skip
    before = {name: statements(ask) for name, ask in lists.items()}
    for number in range(19):
        world._kind("off", f"券{number}", 400)
        world.give_voucher(world.rider)
        issuing.open_claim(
            actor=world.officer, at=world.at, key=key(), kind_id=world.off.kind_id, quota=1, opens_at=world.at,
            closes_at=world.at + timedelta(hours=1), valid_from=world.at, valid_until=world.at + timedelta(days=1),
        )  # fmt: skip
    assert len(lists["kinds"]()) == len(lists["vouchers"]()) == len(lists["offers"]()) == 20
    assert {name: statements(ask) for name, ask in lists.items()} == before


def test_the_stranger_who_is_appointed_nowhere_opens_no_desk(world: CanteenWorld):
    assert person_actor(world.stranger)
    stranger = as_person(world.stranger)
    for name in ("counter", "funding", "scoring", "deciding", "programmes", "venues"):
        get(world, stranger, name, status=403)
