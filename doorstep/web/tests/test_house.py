"""The house's own pages: they render for everybody, cost a bounded number of statements and speak both languages."""

import re
from datetime import date, datetime, timedelta
from gettext import GNUTranslations
from io import BytesIO
from uuid import UUID

import polib
import pytest
from django.conf import settings as project
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.translation import trans_real

from doorstep.kernel.common import rooms
from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.clock import at_local, now, travel
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.common.rooms import ConsentKind, Room, WalletItem
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.people.actions import attest_standing, check_real_name, reveal, revoke_standing
from doorstep.kernel.people.identity import check_character
from doorstep.kernel.people.models import AccessEntry, Consent, Person
from doorstep.kernel.testing.cast import SYSTEM

pytestmark = pytest.mark.django_db
NOON = at_local(date(2025, 5, 7), 12, 15)
RESIDENT_PAGES = ("home", "services", "wallet", "me", "real-name", "access-log", "notices")
MOST_STATEMENTS = {"home": 7, "services": 3, "wallet": 3, "me": 8, "real-name": 3, "access-log": 7, "notices": 4}
IDENTITY = "43021119900307" + "123" + check_character("43021119900307123")


@pytest.fixture
def register(monkeypatch):
    """Rooms of a test alone, forgotten after it."""
    monkeypatch.setattr(rooms, "_rooms", {})
    return rooms.register


def sign_in(client, person_id):
    client.force_login(Person.objects.get(pk=person_id))
    return client


def held(title: str, until: datetime) -> WalletItem:
    return WalletItem("sample", uuid7(), title, "", until, "/wallet", "web/components/badge.html", {"label": title})


def sample_room(*items: WalletItem, code: str = "sample", consents: tuple[ConsentKind, ...] = ()) -> Room:
    return Room(code, f"Room {code}", "bowl", "Summary", "services", wallet=lambda _who, _at: items, consents=consents)


def main_of(response) -> str:
    return re.search(r"<main.*</main>", response.content.decode(), re.S)[0]


# Everybody -----------------------------------------------------------------------------------------------------------


def test_a_visitor_sees_what_this_is_and_how_to_come_in(client):
    page = main_of(client.get(reverse("home")))
    assert "家门口就能办" in page
    assert client.get(reverse("services")).status_code == 200
    assert f'href="{reverse("sign-in")}"' in client.get(reverse("home")).content.decode()


@pytest.mark.parametrize("name", ["wallet", "me", "real-name", "access-log", "notices", "desk"])
def test_a_visitor_is_led_to_sign_in_and_back(client, name):
    assert client.get(reverse(name))["Location"] == f"{reverse('sign-in')}?next={reverse(name)}"


@pytest.mark.parametrize("name", RESIDENT_PAGES)
def test_pages_render_for_residents_and_staff(client, cast, name):
    for person_id in (cast.stranger(), cast.rider(), cast.officer().id):
        assert sign_in(client, person_id).get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", RESIDENT_PAGES)
def test_pages_cost_the_same_few_statements_with_much_as_with_little(client, cast, register, name):
    rider, officer = cast.rider(), cast.officer()
    register(sample_room())
    sign_in(client, rider)
    client.get(reverse(name))
    costs = []
    for rows in (1, 25):
        for number in range(rows):
            notify(person_ids=[rider], template="t", title=f"{number}", body="b", at=NOON)
            attest_standing(
                actor=SYSTEM, at=cast.at, person_id=rider, kind=f"k{rows}-{number}", organisation_id=cast.union()
            )
            reveal(actor=officer, at=NOON, person_id=rider, field="phone", purpose=f"{number}")
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert client.get(reverse(name)).status_code == 200
        costs.append(len(asked))
    assert costs[0] == costs[1] <= MOST_STATEMENTS[name]


@pytest.mark.parametrize("page", ["0", "51", "-1", "x", "²", "9" * 5000])
def test_a_page_number_out_of_bounds_is_not_found(client, cast, page):
    assert sign_in(client, cast.rider()).get(reverse("notices"), {"page": page}).status_code == 404


def test_the_greeting_follows_the_clock(client, cast):
    sign_in(client, cast.rider())
    for hour, words in (
        (3, "夜深了"),
        (7, "早上好"),
        (10, "上午好"),
        (12, "中午好"),
        (15, "下午好"),
        (20, "晚上好"),
        (23, "夜深了"),
    ):
        with travel(at_local(date(2025, 5, 7), hour)):
            assert f"{words},凌涛" in main_of(client.get(reverse("home")))


# The wallet ----------------------------------------------------------------------------------------------------------


def test_the_wallet_is_one_pile_of_all_rooms_soonest_first(client, cast, register):
    hours = {"late": 48, "soon": 1, "next": 5, "last": 400}
    items = {title: held(title, NOON + timedelta(hours=ahead)) for title, ahead in hours.items()}
    register(sample_room(items["late"], items["soon"], code="canteen"))
    register(sample_room(items["last"], items["next"], code="studio"))
    with travel(NOON):
        page = main_of(sign_in(client, cast.rider()).get(reverse("wallet")))
        home = main_of(client.get(reverse("home")))
    assert re.findall(r'class="badge">(\w+)<', page) == ["soon", "next", "late", "last"]
    assert re.findall(r'list-row__title">(\w+)<', home)[:3] == ["soon", "next", "late"]
    assert "全部 4 件" in home


def test_each_room_is_asked_for_the_person_who_looks(client, cast, register):
    asked: list[tuple[UUID, datetime]] = []
    register(Room("r", "R", "bowl", "S", "services", wallet=lambda who, at: asked.append((who, at)) or []))
    with travel(NOON):
        sign_in(client, cast.rider()).get(reverse("wallet"))
    assert asked == [(cast.rider(), NOON)]


def test_an_empty_wallet_says_what_to_do_next(client, cast, register):
    page = main_of(sign_in(client, cast.rider()).get(reverse("wallet")))
    assert "卡包还是空的" in page
    assert f'href="{reverse("services")}"' in page


# Me ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("4302", "身份证号应为 18 位,最后一位可以是 X。"),
        ("99" + IDENTITY[2:], "身份证号开头的地区码不存在,请核对前两位。"),
        (IDENTITY[:6] + "19901345" + IDENTITY[14:], "身份证号里的出生日期不对,请核对第 7–14 位。"),
        (IDENTITY[:17] + ("0" if IDENTITY[17] != "0" else "1"), "身份证号的校验位不对,请逐位核对。"),
    ],
)
def test_each_wrong_identity_number_is_explained_at_its_field(client, cast, number, words):
    sign_in(client, cast.rider())
    response = client.post(reverse("real-name"), {"name": "凌涛", "identity_number": number})
    assert response.status_code == 422
    field = re.search(r'<div class="field[^"]*field--error.*?</div>', response.content.decode(), re.S)[0]
    assert "身份证号" in field
    assert list(response.context["form"].errors) == ["identity_number"]
    assert words in response.context["form"].errors["identity_number"][0]
    assert words in response.content.decode()
    assert Person.objects.get(pk=cast.rider()).real_name_checked_at is None


def test_a_right_identity_number_is_kept_and_shown_masked(client, cast):
    sign_in(client, cast.rider())
    response = client.post(reverse("real-name"), {"name": "凌涛", "identity_number": IDENTITY.lower()})
    assert response["Location"] == reverse("me")
    page = client.get(reverse("me")).content.decode()
    assert f"{IDENTITY[:4]}**********{IDENTITY[-4:]}" in page
    assert IDENTITY not in page
    assert Person.objects.get(pk=cast.rider()).born == date(1990, 3, 7)


def test_an_identity_number_of_somebody_else_is_refused_above_the_form(client, cast):
    check_real_name(actor=SYSTEM, at=NOON, person_id=cast.stranger(), name="路人甲", identity_number=IDENTITY)
    sign_in(client, cast.rider())
    response = client.post(reverse("real-name"), {"name": "凌涛", "identity_number": IDENTITY})
    assert response.status_code == 422
    assert "这个身份证号已经登记在另一个账号上。" in response.context["form"].non_field_errors()[0]
    assert "这个身份证号已经登记在另一个账号上。" in main_of(response)


def test_standings_show_by_whose_word_and_until_when(client, cast):
    rider = cast.rider()
    day = at_local(date(2025, 6, 1))
    attest_standing(
        actor=SYSTEM, at=cast.at, person_id=rider, kind="student", organisation_id=cast.union(), valid_until=day
    )
    mother = attest_standing(actor=SYSTEM, at=cast.at, person_id=rider, kind="mother", organisation_id=cast.union())
    revoke_standing(actor=SYSTEM, at=NOON, standing_id=mother, reason="error")
    with travel(at_local(date(2025, 7, 1))):
        page = main_of(sign_in(client, rider).get(reverse("me")))
    lines = {row[0]: row[1:] for row in re.findall(
        r'list-row__title">([^<]+)</span><span class="list-row__note">([^<]*)</span></span><span class="badge[^>]*>([^<]+)<', page
    )}  # fmt: skip
    assert lines["外卖骑手"] == ("天元区总工会认定 · 到 2035年3月30日", "有效")
    assert lines["学生"] == ("天元区总工会认定 · 到 6月1日", "已过期")
    assert lines["妈妈"] == ("天元区总工会认定 · 长期", "已取消")


def test_consent_is_given_and_withdrawn(client, cast, register):
    register(sample_room(consents=(ConsentKind("doctor.share", "Share results", "With my doctor only."),)))
    rider = cast.rider()
    page = main_of(sign_in(client, rider).get(reverse("me")))
    assert "Share results" in page
    assert client.post(reverse("consent"), {"purpose": "doctor.share", "wish": "give"}).status_code == 302
    assert Consent.objects.get().withdrawn_at is None
    assert "收回" in main_of(client.get(reverse("me")))
    client.post(reverse("consent"), {"purpose": "doctor.share", "wish": "withdraw"})
    assert Consent.objects.get().withdrawn_at is not None
    assert client.post(reverse("consent"), {"purpose": "made.up", "wish": "give"}).status_code == 404
    assert Consent.objects.count() == 1


# Who read about me ---------------------------------------------------------------------------------------------------


def test_a_reading_of_staff_shows_in_the_persons_log(client, cast):
    rider, officer = cast.rider(), cast.officer()
    sign_in(client, officer.id)
    page = main_of(client.get(reverse("reveal", args=[rider])))
    phone = Person.objects.get(pk=rider).phone
    assert str(phone) in page
    assert phone.reveal() not in page
    response = client.post(reverse("reveal", args=[rider]), {"field": "phone", "purpose": "核对退款"})
    assert phone.reveal() in main_of(response)
    assert "no-store" in response["Cache-Control"]

    sign_in(client, rider)
    log = main_of(client.get(reverse("access-log")))
    assert "易经办 看了您的手机号" in log
    assert "天元区总工会 · 用途:核对退款" in log
    assert "没有人看过" in main_of(sign_in(client, cast.stranger()).get(reverse("access-log")))


def test_nothing_is_read_without_a_purpose_or_without_the_capability(client, cast):
    rider = cast.rider()
    sign_in(client, cast.officer().id)
    response = client.post(reverse("reveal", args=[rider]), {"field": "phone", "purpose": "  "})
    assert response.status_code == 422
    assert Person.objects.get(pk=rider).phone.reveal() not in response.content.decode()
    assert client.get(reverse("reveal", args=[uuid7()])).status_code == 404
    for person_id in (rider, cast.auditor().id):
        response = sign_in(client, person_id).post(reverse("reveal", args=[rider]), {"field": "phone", "purpose": "x"})
        assert response.status_code == 403
    assert AccessEntry.objects.count() == 0


# Notices -------------------------------------------------------------------------------------------------------------


def test_opening_a_message_marks_it_read_and_leads_on(client, cast):
    rider = cast.rider()
    notify(person_ids=[rider], template="t", title="新到 5 张券", body="五月内有效", at=NOON, url="/wallet")
    notice = Notice.objects.get()
    assert "1 条新消息" in main_of(sign_in(client, rider).get(reverse("home")))
    assert client.post(reverse("notice-open", args=[notice.pk]))["Location"] == "/wallet"
    notice.refresh_from_db()
    assert notice.read_at is not None
    assert "新消息" not in main_of(client.get(reverse("home")))


def test_a_message_of_another_person_cannot_be_opened_nor_lead_off_the_site(client, cast):
    notify(person_ids=[cast.rider()], template="t", title="t", body="b", at=NOON, url="https://elsewhere.example/")
    notice = Notice.objects.get()
    assert sign_in(client, cast.stranger()).post(reverse("notice-open", args=[notice.pk])).status_code == 404
    notice.refresh_from_db()
    assert notice.read_at is None
    assert sign_in(client, cast.rider()).post(reverse("notice-open", args=[notice.pk]))["Location"] == reverse(
        "notices"
    )


# Staff ---------------------------------------------------------------------------------------------------------------


def test_the_desk_shows_the_pages_one_may_open_and_no_others(client, cast, register):
    pages = (
        rooms.DeskPage("services", "Vetting page", "shop", "canteen.vet"),
        rooms.DeskPage("wallet", "Audit page", "search", "canteen.audit"),
        rooms.DeskPage("not-built", "Nowhere", "search", "canteen.vet"),
    )
    register(Room("canteen", "Canteen", "bowl", "S", "services", desk=pages))
    page = main_of(sign_in(client, cast.officer().id).get(reverse("desk")))
    assert "Vetting page" in page
    assert "Audit page" not in page
    assert "Nowhere" not in page
    assert "工会经办 · 天元区总工会" in page
    assert reverse("desk") in main_of(client.get(reverse("home")))
    assert sign_in(client, cast.rider()).get(reverse("desk")).status_code == 403
    assert reverse("desk") not in main_of(client.get(reverse("home")))


# English -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def english(client, monkeypatch, settings):
    """The English there is in the parts, whether or not it has been merged into the catalogue yet."""
    settings.CITY = "Zhuzhou"
    merged = polib.POFile()
    merged.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Plural-Forms": "nplurals=2; plural=(n != 1);"}
    for path in sorted((project.LOCALE_PATHS[0] / "en" / "parts").glob("*.po")):
        merged.extend(polib.pofile(str(path)))
    catalogue = trans_real.DjangoTranslation("en")
    catalogue.merge(GNUTranslations(BytesIO(merged.to_binary())))
    monkeypatch.setitem(trans_real._translations, "en", catalogue)
    client.cookies[project.LANGUAGE_COOKIE_NAME] = "en"
    return client


def chinese_in(response) -> list[str]:
    """Chinese words in the page's own part, apart from the name of the other language."""
    return [word for word in re.findall(r"[\u4e00-\u9fff]+", main_of(response)) if word != "中文"]


@pytest.mark.parametrize("name", ["home", "services", "sign-in", "sign-in-staff", "demo-sign-in"])
def test_english_pages_of_visitors_have_no_chinese_left(english, register, settings, name):
    settings.DEMO = True
    response = english.get(reverse(name))
    assert response.status_code == 200
    assert '<html lang="en"' in response.content.decode()
    assert chinese_in(response) == []


def test_english_pages_of_residents_and_staff_have_no_chinese_left(english, cast, register):
    union = cast.organisation("Tianyuan Union")
    rider, officer = cast.person("Ling Tao"), cast.appointed("Yi", "union_officer", union)
    register(sample_room(held("Voucher", now() + timedelta(hours=5))))
    attest_standing(actor=SYSTEM, at=cast.at, person_id=rider, kind="rider", organisation_id=union)
    notify(person_ids=[rider], template="t", title="Title", body="Body", at=NOON)
    reveal(actor=person_actor(officer.id), at=NOON, person_id=rider, field="phone", purpose="Refund")
    sign_in(english, rider)
    english.cookies[project.LANGUAGE_COOKIE_NAME] = "en"
    for name in RESIDENT_PAGES:
        assert (name, chinese_in(english.get(reverse(name)))) == (name, [])
    refused = english.post(reverse("real-name"), {"name": "Ling Tao", "identity_number": "1"})
    assert chinese_in(refused) == []
    sign_in(english, officer.id)
    english.cookies[project.LANGUAGE_COOKIE_NAME] = "en"
    assert chinese_in(english.get(reverse("desk"))) == []
    assert chinese_in(english.get(reverse("reveal", args=[rider]))) == []
    answered = english.post(reverse("reveal", args=[rider]), {"field": "phone", "purpose": "Refund"})
    assert chinese_in(answered) == []
