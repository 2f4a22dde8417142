"""The till over HTTP: every way it says no, exactly-once, taking back, pairing, photographs, the counter's day."""

import base64
import io
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from PIL import Image

from doorstep.kernel.common import clock
from doorstep.kernel.common.access import DEVICE_COOKIE
from doorstep.kernel.common.clock import at_local, local_day
from doorstep.kernel.entitlements import queries as entitlement_queries
from doorstep.kernel.entitlements.actions import set_terms, void_entitlement
from doorstep.kernel.entitlements.models import Entitlement, Refusal, Use
from doorstep.kernel.ledger import queries as ledger_queries
from doorstep.kernel.ledger.models import Transfer
from doorstep.kernel.organisations.actions import pair_device, revoke_device
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.passes.actions import revoke
from doorstep.kernel.passes.codes import PassKind, issue
from doorstep.kernel.passes.short_codes import short_code
from doorstep.kernel.people.models import Standing
from doorstep.kernel.testing.cast import SYSTEM
from doorstep.services.canteen import photos
from doorstep.services.canteen.actions.redeeming import SCAN_SECONDS
from doorstep.services.canteen.models import Agreement, Paper, Venue
from doorstep.services.canteen.queries.till import counter_today
from doorstep.services.canteen.rules.printed import venue_group
from doorstep.services.canteen.rules.redemption import VOID_WITHIN
from doorstep.services.canteen.tests.till_world import TillWorld


@pytest.fixture
def world(cast: Any) -> TillWorld:
    return TillWorld(cast)


class Till:
    """A till as the API sees it: its token, and the moment at which it asks."""

    def __init__(self, world: TillWorld, name: str = "1 号收银台") -> None:
        self.world, self.client, self.token = world, Client(), world.tokens[name]

    def post(self, path: str, body: Any, key: str | None = None, at: Any = None) -> Any:
        headers = {"Authorization": f"Device {self.token}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        raw = body if isinstance(body, str) else json.dumps(body)
        with clock.travel(at or self.world.noon):
            return self.client.post(f"/api/canteen/{path}", raw, content_type="application/json", headers=headers)

    def redeem(self, code: str, key: str | None = "k1", at: Any = None) -> Any:
        return self.post("redeem", {"code": code}, key=key, at=at)


@pytest.fixture
def till(world: TillWorld) -> Till:
    return Till(world)


def books() -> tuple[Any, ...]:
    """Everything a refusal must leave as it was."""
    return (
        Use.objects.count(),
        Transfer.objects.count(),
        list(Entitlement.objects.order_by("pk").values_list("used", "state")),
    )


# Scan and confirm ----------------------------------------------------------------------------------------------------


def test_scan_then_confirm_moves_four_yuan_of_the_union_and_nine_of_the_worker(world, till):
    voucher = world.voucher()
    seen = till.post("preview", {"code": world.code(voucher)}).json()
    assert seen == {
        "scan": seen["scan"], "person": "凌*", "kind": "4元减免券", "meal": "午餐",
        "list_price_fen": 1300, "union_fen": 400, "worker_fen": 900,
    }  # fmt: skip
    answer = till.redeem(seen["scan"], at=world.noon + timedelta(seconds=90))
    assert answer.status_code == 200
    assert answer.json()["worker_fen"] == 900
    assert ledger_queries.balance(world.venue.payee_id).net_credit_fen == 400
    assert ledger_queries.balance(world.venue.takings_id).net_credit_fen == 900
    assert (ledger_queries.verify(), entitlement_queries.verify()) == ([], [])


def test_a_typed_short_code_works_like_the_scanned_one(world, till):
    assert till.redeem(world.typed(world.voucher())).status_code == 200


def _used(w: TillWorld) -> str:
    voucher = w.voucher()
    assert Till(w).redeem(w.code(voucher), key="first").status_code == 200
    return w.code(voucher)


def _second_voucher_of_the_meal(w: TillWorld) -> str:
    _used(w)
    return w.code(w.voucher())


def _voided(w: TillWorld) -> str:
    voucher = w.voucher()
    void_entitlement(actor=SYSTEM, at=w.noon, entitlement_id=voucher.pk, reason="发错了")
    return w.code(voucher)


def _expired(w: TillWorld) -> str:
    return w.code(w.voucher(days=(-5, -1)))


def _not_yet(w: TillWorld) -> str:
    return w.code(w.voucher(days=(1, 10)))


def _suspended(w: TillWorld) -> str:
    Venue.objects.update(state="suspended")
    return w.code(w.voucher())


def _not_open(w: TillWorld) -> str:
    Venue.objects.update(state="approved")
    return w.code(w.voucher())


def _papers(w: TillWorld) -> str:
    Paper.objects.filter(kind="food_permit").update(expires_on=local_day(w.noon) - timedelta(days=1))
    return w.code(w.voucher())


def _agreement(w: TillWorld) -> str:
    Agreement.objects.update(valid_until=local_day(w.noon) - timedelta(days=1))
    return w.code(w.voucher())


def _price(w: TillWorld) -> str:
    Agreement.objects.update(list_price_fen=1200)
    return w.code(w.voucher())


def _programme(w: TillWorld) -> str:
    w.programme.ends_on = local_day(w.noon) - timedelta(days=1)
    w.programme.save()
    return w.code(w.voucher())


def _other_venue(w: TillWorld) -> str:
    return w.code(w.voucher(kind=w.kind("off", "只在别家用", 400, place_ids=(uuid4(),))))


def _standing(w: TillWorld) -> str:
    voucher = w.voucher()
    Standing.objects.update(valid_until=w.noon - timedelta(hours=1))
    return w.code(voucher)


def _monthly(w: TillWorld) -> str:
    kind = w.kind("off", "每月一次", 400, per_month=1)
    day_before = w.noon - timedelta(days=1)
    first = w.voucher(kind=kind, days=(-2, 10))
    assert Till(w).redeem(w.code(first, day_before), key="first", at=day_before).status_code == 200
    return w.code(w.voucher(kind=kind))


def _revoked(w: TillWorld) -> str:
    voucher = w.voucher()
    text = issue(PassKind.ENTITLEMENT_PRINTED, voucher.pk, w.noon - timedelta(hours=2), 86_400)
    revoke(actor=SYSTEM, at=w.noon, kind=PassKind.ENTITLEMENT_PRINTED, subject=voucher.pk, reason="丢了")
    return text


def _printed_elsewhere(w: TillWorld) -> str:
    return issue(PassKind.ENTITLEMENT_PRINTED, w.voucher().pk, w.noon, 86_400, scope=venue_group([uuid4()]))


def _mistyped(w: TillWorld) -> str:
    digits = w.typed(w.voucher()).replace(" ", "")
    return digits[:-1] + str((int(digits[-1]) + 1) % 10)


def _forged(w: TillWorld) -> str:
    text = w.code(w.voucher())
    return text[:80] + ("A" if text[80] != "A" else "B") + text[81:]


def _other_tills_scan(w: TillWorld) -> str:
    w.pair("天台小厨", "2 号收银台")
    return Till(w, "2 号收银台").post("preview", {"code": w.code(w.voucher())}).json()["scan"]


def _old_scan(w: TillWorld) -> str:
    early = w.noon - timedelta(seconds=SCAN_SECONDS)
    return Till(w).post("preview", {"code": w.code(w.voucher(), early)}, at=early).json()["scan"]


def _foreign_kind(w: TillWorld) -> str:
    return issue(PassKind.CHECK_IN, w.voucher().pk, w.noon)


REFUSED = {
    "unknown_code": (404, lambda w: issue(PassKind.ENTITLEMENT, UUID(int=7), w.noon)),
    "pass_unreadable": (422, lambda w: "https://example.org/menu"),
    "pass_forged": (422, _forged),
    "pass_forged other till": (422, _other_tills_scan),
    "pass_expired": (409, lambda w: w.code(w.voucher(), w.noon - timedelta(seconds=60))),
    "pass_not_yet_valid": (409, lambda w: w.code(w.voucher(), w.noon + timedelta(seconds=31))),
    "pass_revoked": (409, _revoked),
    "short_code_mistyped": (422, _mistyped),
    "short_code_expired": (409, lambda w: w.typed(w.voucher(), w.noon - timedelta(minutes=5))),
    "short_code_expired unknown": (409, lambda w: short_code(999_999, w.noon - timedelta(hours=1))),
    "scan_expired": (409, _old_scan),
    "foreign_code": (409, _foreign_kind),
    "voided": (409, _voided),
    "expired": (409, _expired),
    "not_yet_valid": (409, _not_yet),
    "already_used": (409, _used),
    "already_this_window": (409, _second_voucher_of_the_meal),
    "monthly_limit": (409, _monthly),
    "venue_suspended": (409, _suspended),
    "venue_not_open": (409, _not_open),
    "papers_expired": (409, _papers),
    "no_agreement": (409, _agreement),
    "other_venue": (409, _other_venue),
    "printed_elsewhere": (409, _printed_elsewhere),
    "standing_ended": (409, _standing),
    "price_differs": (409, _price),
    "programme_over": (409, _programme),
}


@pytest.mark.parametrize("path", ["redeem", "preview"])
@pytest.mark.parametrize("name", REFUSED)
def test_each_refusal_has_its_code_changes_nothing_and_is_kept(world, till, name, path):
    status, make = REFUSED[name]
    code = make(world)
    before, kept = books(), Refusal.objects.count()
    answer = till.post(path, {"code": code}, key="asked" if path == "redeem" else None)
    assert (answer.status_code, answer.json()["code"]) == (status, name.split()[0])
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["title"]
    assert answer.json()["detail"]
    assert "{" not in answer.json()["title"] + answer.json()["detail"]
    assert books() == before
    assert Refusal.objects.count() == kept + 1
    row = Refusal.objects.order_by("-recorded_at", "-id").first()
    assert (row.code, row.place_id, row.device_id, row.source) == (
        name.split()[0], world.till.place_id, world.till.id, "online",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wall", "status", "code", "next_text"),
    [
        ((14, 59, 59), 200, None, None),
        ((15, 0, 0), 409, "outside_window", "今天 17:00"),
        ((20, 59, 59), 200, None, None),
        ((21, 0, 0), 409, "outside_window", "明天 10:30"),
    ],
)
def test_the_last_second_of_a_meal_is_in_and_the_next_is_out(world, till, wall, status, code, next_text):
    at = at_local(local_day(world.noon), *wall)
    answer = till.redeem(world.code(world.voucher(), at), at=at)
    assert answer.status_code == status
    if code:
        assert answer.json()["code"] == code
        assert next_text in answer.json()["detail"]


def test_closed_for_the_day_says_when_it_opens(world, till):
    place = world.venue.place
    place.opening_hours = "Mo-Su 10:00-12:00,17:00-21:00"
    place.save()
    answer = till.redeem(world.code(world.voucher())).json()
    assert answer["code"] == "venue_closed"
    assert "今天 17:00" in answer["detail"]


# Exactly once


def test_without_a_key_nothing_is_redeemed(world, till):
    code = world.code(world.voucher())
    before = books()
    answer = till.redeem(code, key=None)
    assert (answer.status_code, answer.json()["code"]) == (400, "key_missing")
    assert books() == before


def test_the_same_key_and_code_get_the_same_bytes_even_after_the_code_died(world, till):
    code = world.code(world.voucher())
    first = till.redeem(code)
    again = till.redeem(code, at=world.noon + timedelta(minutes=30))
    assert (again.status_code, again.content) == (200, first.content)
    assert Use.objects.count() == 1
    assert Refusal.objects.count() == 0


def test_the_same_key_on_another_code_is_refused(world, till):
    till.redeem(world.code(world.voucher()))
    other = world.voucher(world.rider("周小满"))
    before = books()
    answer = till.redeem(world.code(other))
    assert (answer.status_code, answer.json()["code"]) == (409, "key_reused")
    assert books() == before


def test_two_tills_may_use_the_same_key(world, till):
    world.pair("天台小厨", "2 号收银台")
    assert till.redeem(world.code(world.voucher())).status_code == 200
    other = world.voucher(world.rider("周小满"))
    assert Till(world, "2 号收银台").redeem(world.code(other)).status_code == 200


# What is not a request


@pytest.mark.parametrize("body", ["{", "[]", '"x"', "{}", '{"code": 5}', '{"code": ""}', '{"code": "x", "price": 1}'])
def test_a_malformed_body_is_refused_as_such(world, till, body):
    answer = till.post("redeem", body, key="k")
    assert answer.status_code in (400, 422)
    assert answer["Content-Type"] == "application/problem+json"
    assert books()[0] == 0


def test_a_code_longer_than_any_code_is_refused(till):
    assert till.redeem("9" * 401).status_code == 422


def test_an_oversized_body_is_refused(till):
    answer = till.post("redeem", json.dumps({"code": "9" * 3_000_000}), key="k")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_big")


def test_more_than_two_hundred_records_are_refused(till):
    row = {"key": "k", "code": "c", "at": "2025-05-07T04:06:00.000Z", "signature": ""}
    assert till.post("sync", {"records": [row] * 201}).status_code == 422


# Who may --------------------------------------------------------------------------------------------------------------


def test_nobody_and_a_wrong_secret_are_not_let_in(world, till):
    body = json.dumps({"code": world.code(world.voucher())})
    for headers in ({}, {"Authorization": f"Device {till.token[:-1]}x"}, {"Authorization": "Device x"}):
        answer = Client().post("/api/canteen/preview", body, content_type="application/json", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


def test_a_revoked_till_is_out_at_once(world, till):
    code = world.code(world.voucher())
    revoke_device(actor=SYSTEM, at=world.noon, device_id=world.till.id, reason="丢了")
    assert till.redeem(code).status_code == 401
    assert Use.objects.count() == 0


def test_a_device_of_another_kind_is_not_a_till(world):
    world.pair("天台小厨", "大门", kind="door")
    answer = Till(world, "大门").redeem("123")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def test_the_cookie_alone_is_not_enough_because_another_site_could_send_it(world, till):
    code = world.code(world.voucher())
    browser = Client()
    browser.cookies[DEVICE_COOKIE] = till.token
    body = json.dumps({"code": code})

    def ask(**headers: str) -> Any:
        with clock.travel(world.noon):
            return browser.post(
                "/api/canteen/redeem", body, content_type="application/json",
                headers={"Idempotency-Key": "k", **headers},
            )  # fmt: skip

    for headers in ({}, {"X-Requested-With": "XMLHttpRequest"}):
        answer = ask(**headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_from_till_page")
    assert Use.objects.count() == 0
    assert ask(**{"X-Requested-With": "doorstep-till"}).status_code == 200


# Taking back


def void(till: Till, use_id: str, key: str = "v1", minutes: float = 5, reason: str = "扫错了人") -> Any:
    at = till.world.noon + timedelta(minutes=minutes)
    return till.post("void", {"use_id": use_id, "reason": reason}, key=key, at=at)


def test_within_ten_minutes_a_redemption_is_taken_back_and_the_voucher_works_again(world, till):
    voucher = world.voucher()
    use_id = till.redeem(world.code(voucher)).json()["use_id"]
    answer = void(till, use_id, minutes=10)
    assert (answer.status_code, answer.json()["payer_fen"], answer.json()["person_fen"]) == (200, 400, 900)
    assert void(till, use_id, minutes=30).content == answer.content
    assert ledger_queries.balance(world.venue.payee_id).net_credit_fen == 0
    later = world.noon + timedelta(minutes=11)
    assert till.redeem(world.code(voucher, later), key="again", at=later).status_code == 200
    assert (ledger_queries.verify(), entitlement_queries.verify()) == ([], [])


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"minutes": 10.02}, 409, "reversal_too_late"),
        ({"reason": " "}, 422, "invalid"),
        ({"key": None}, 400, "key_missing"),
    ],
)
def test_what_cannot_be_taken_back_stays(world, till, given, status, code):
    use_id = till.redeem(world.code(world.voucher())).json()["use_id"]
    before = books()
    answer = void(till, use_id, **given)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert books() == before


def test_taking_back_twice_is_refused(world, till):
    use_id = till.redeem(world.code(world.voucher())).json()["use_id"]
    void(till, use_id)
    answer = void(till, use_id, key="v2")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_reversed")


def test_another_venues_till_cannot_take_it_back(world, till):
    use_id = till.redeem(world.code(world.voucher())).json()["use_id"]
    world.open_venue("湘江食府")
    world.pair("湘江食府", "湘江 1 号")
    before = books()
    answer = void(Till(world, "湘江 1 号"), use_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert books() == before


# Pairing --------------------------------------------------------------------------------------------------------------


def pair(world: TillWorld, code: str, at: Any = None, key: bytes | None = None) -> Any:
    public = base64.b64encode(key).decode() if key else ""
    with clock.travel(at or world.noon):
        return Client().post(reverse("canteen:till-pair"), {"code": code, "public_key": public})


def test_pairing_makes_the_browser_a_till_with_its_own_key(world):
    device_id = world.device("天台小厨", "新收银台")
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    answer = pair(world, world.pairing_code(device_id), key=key)
    assert (answer.status_code, answer["Location"]) == (302, reverse("canteen:till"))
    cookie = answer.cookies[DEVICE_COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Strict", 31_536_000)
    assert bytes(Device.objects.get(pk=device_id).public_key) == key
    browser = Client()
    browser.cookies[DEVICE_COOKIE] = cookie.value
    with clock.travel(world.noon):
        assert "新收银台" in browser.get(reverse("canteen:till")).content.decode()


def test_the_pairing_page_says_what_it_will_do_and_does_nothing_yet(world):
    device_id = world.device("天台小厨", "新收银台")
    with clock.travel(world.noon):
        page = Client().get(reverse("canteen:till-pair"), {"code": world.pairing_code(device_id)})
    assert "把这台设备设为「天台小厨」的「新收银台」?" in page.content.decode()
    assert Device.objects.get(pk=device_id).paired_at is None


def _used_code(w: TillWorld) -> str:
    code = w.pairing_code(w.device("天台小厨", "新收银台"))
    assert pair(w, code).status_code == 302
    return code


def _revoked_device(w: TillWorld) -> str:
    device_id = w.device("天台小厨", "旧收银台")
    revoke_device(actor=SYSTEM, at=w.noon, device_id=device_id, reason="坏了")
    return w.pairing_code(device_id)


PAIRING_REFUSED = {
    "pairing_unreadable": (422, "请对准", lambda w: "DS1"),
    "pairing_forged": (422, "不是我们发的", lambda w: w.pairing_code(UUID(int=9))),
    "pairing_expired": (
        409, "已经过期", lambda w: w.pairing_code(w.device("天台小厨", "新"), w.noon - timedelta(minutes=10)),
    ),
    "pairing_used": (409, "用过了", _used_code),
    "pairing_wrong_kind": (409, "不是收银设备", lambda w: w.pairing_code(w.device("天台小厨", "门", "door"))),
    "pairing_wrong_kind voucher": (409, "不是收银设备", lambda w: w.code(w.voucher())),
    "pairing_revoked": (409, "已经停用", _revoked_device),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRING_REFUSED)
def test_a_pairing_code_that_is_not_good_pairs_nothing(world, name):
    status, words, make = PAIRING_REFUSED[name]
    code = make(world)
    before = list(Device.objects.order_by("pk").values_list("secret_digest", flat=True))
    answer = pair(world, code)
    assert (answer.status_code, answer.context["problem"].code) == (status, name.split()[0])
    assert words in answer.content.decode()
    assert DEVICE_COOKIE not in answer.cookies
    assert list(Device.objects.order_by("pk").values_list("secret_digest", flat=True)) == before


def test_pairing_again_with_a_new_code_puts_the_old_browser_out(world, till):
    later = world.noon + timedelta(minutes=1)
    assert pair(world, world.pairing_code(world.till.id, later), at=later).status_code == 302
    assert till.redeem("1").status_code == 401


@pytest.mark.parametrize("key", [b"short", b"x" * 33])
def test_a_public_key_of_the_wrong_size_pairs_nothing(world, key):
    device_id = world.device("天台小厨", "新收银台")
    answer = pair(world, world.pairing_code(device_id), key=key)
    assert (answer.status_code, answer.context["problem"].code) == (422, "invalid")
    assert Device.objects.get(pk=device_id).paired_at is None


# The pages without scripts


@pytest.fixture
def browser(till: Till) -> Client:
    browser = Client()
    browser.cookies[DEVICE_COOKIE] = till.token
    return browser


@pytest.mark.django_db
def test_a_browser_that_is_no_till_is_told_how_to_become_one():
    for name in ("till", "till-today"):
        answer = Client().get(reverse(f"canteen:{name}"), headers={"Accept": "text/html"})
        assert (answer.status_code, answer["Location"]) == (302, reverse("canteen:till-pair"))


def test_without_scripts_a_meal_is_two_forms(world, browser):
    with clock.travel(world.noon):
        page = browser.post(reverse("canteen:till-preview"), {"code": world.typed(world.voucher())})
        assert 'data-part="worker">9.00<' in page.content.decode()
        fields = {"key": str(page.context["key"]), "scan": page.context["preview"].scan}
        answer = browser.post(reverse("canteen:till-redeem"), fields)
        assert answer.status_code == 302
        again = browser.post(reverse("canteen:till-redeem"), fields)
        assert again["Location"] == answer["Location"]
        done = browser.get(answer["Location"]).content.decode()
    assert "成功" in done
    assert "凌* · 4元减免券 · 午餐" in done
    assert Use.objects.count() == 1


def test_without_scripts_a_refusal_is_words_and_a_remedy(world, browser):
    with clock.travel(world.noon):
        answer = browser.post(reverse("canteen:till-preview"), {"code": _used(world)})
    assert answer.status_code == 409
    assert "这张券已经用过了" in answer.content.decode()
    assert "看看卡包里还有没有别的券" in answer.content.decode()


def test_without_scripts_a_meal_is_taken_back_with_a_reason(world, till, browser):
    use_id = till.redeem(world.code(world.voucher())).json()["use_id"]
    url = reverse("canteen:till-void", args=[use_id])
    with clock.travel(world.noon + timedelta(minutes=2)):
        assert "请退给顾客 9.00 元" in browser.get(url).content.decode()
        refused = browser.post(url, {"key": "v", "reason": ""})
        assert (refused.status_code, "请选择撤销的原因" in refused.content.decode()) == (422, True)
        answer = browser.post(url, {"key": "v", "reason": "没有用餐"}, follow=True)
    assert "没有用餐" in answer.content.decode()
    assert Use.objects.get().reversal_reason == "没有用餐"


def test_the_counters_day_adds_up_and_costs_the_same_however_long_it_was(world, till):
    def statements() -> int:
        with CaptureQueriesContext(connection) as seen:
            counter_today(world.till.place_id, world.noon, VOID_WITHIN)
        return len(seen)

    till.redeem(world.code(world.voucher()), key="one")
    till.redeem(world.code(world.voucher()), key="refused")
    few = statements()
    for number in range(6):
        kind = world.free if number < 2 else world.off
        voucher = world.voucher(world.rider(f"{'赵钱孙李周吴'[number]}师傅"), kind)
        use = till.redeem(world.code(voucher), key=f"more{number}").json()
    void(till, use["use_id"])
    day = counter_today(world.till.place_id, world.noon, VOID_WITHIN)
    assert (day.meals, day.persons, day.voided, day.refused) == (6, 6, 1, 1)
    assert (day.list_price_fen, day.union_fen, day.worker_fen) == (7800, 4 * 400 + 2 * 1300, 4 * 900)
    assert day.refusals[0].text == "这顿午餐已经用过一张券了,一人一餐一张。"
    assert statements() == few == 3


def test_the_counter_shows_only_its_own_place_and_day(world, till):
    till.redeem(world.code(world.voucher()))
    other = world.open_venue("湘江食府")
    assert counter_today(other.place_id, world.noon, VOID_WITHIN).meals == 0
    assert counter_today(world.till.place_id, world.noon + timedelta(days=1), VOID_WITHIN).meals == 0


# Photographs


def picture(*codes: str, form: str = "PNG") -> io.BytesIO:
    sheet = Image.new("L", (700 * max(1, len(codes)), 700), 255)
    for index, text in enumerate(codes):
        raw = io.BytesIO()
        segno.make(text, error="m", micro=False).save(raw, kind="png", scale=8, border=4)
        sheet.paste(Image.open(raw).convert("L"), (700 * index + 20, 20))
    out = io.BytesIO()
    sheet.convert("RGB").save(out, form)
    out.seek(0)
    out.name = f"photo.{form.lower()}"
    return out


def read_photo(till: Till, photo: Any) -> Any:
    return till.client.post(
        "/api/canteen/read-photo", {"photo": photo}, headers={"Authorization": f"Device {till.token}"}
    )


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_photograph_of_the_screen_gives_its_code(world, till, form):
    code = world.code(world.voucher())
    answer = read_photo(till, picture(code, form=form))
    assert (answer.status_code, answer.json()) == (200, {"code": code})


def test_without_scripts_the_photograph_leads_to_the_preview(world, browser):
    with clock.travel(world.noon):
        page = browser.post(reverse("canteen:till-preview"), {"photo": picture(world.code(world.voucher()))})
    assert page.context["preview"].person == "凌*"


def _bomb() -> io.BytesIO:
    """A small file that claims ten thousand times ten thousand pixels."""
    out = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(out, "PNG")
    out.seek(0)
    out.name = "bomb.png"
    return out


def _file(data: bytes) -> io.BytesIO:
    out = io.BytesIO(data)
    out.name = "photo.jpg"
    return out


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (picture, 422, "no_code_found"),
        (lambda: picture("one code here", "another code"), 422, "several_codes_found"),
        (_bomb, 413, "photo_too_big"),
        (lambda: _file(b"\xff\xd8\xff" + b"x" * photos.MAX_PHOTO_BYTES), 413, "photo_too_big"),
        (lambda: _file(b"no picture at all"), 422, "photo_unreadable"),
        (lambda: _file(picture("cut in half").read()[:600]), 422, "photo_unreadable"),
        (lambda: _file(b"GIF89a" + bytes(40)), 422, "photo_unreadable"),
    ],
)
def test_a_photograph_that_cannot_be_used_says_why(till, make, status, code):
    answer = read_photo(till, make())
    assert (answer.status_code, answer.json()["code"]) == (status, code)


# What a till keeps


def config(till: Till, at: Any = None) -> dict[str, Any]:
    with clock.travel(at or till.world.noon):
        answer = till.client.get("/api/canteen/till-config", headers={"Authorization": f"Device {till.token}"})
    assert answer.status_code == 200
    return dict(answer.json())


def test_a_till_is_given_what_it_needs_for_four_hours(world, till):
    used = world.voucher()
    till.redeem(world.code(used))
    revoke(actor=SYSTEM, at=world.noon, kind=PassKind.ENTITLEMENT_PRINTED, subject=used.pk, reason="丢了")
    kept = config(till)
    assert (kept["device"], kept["place"], kept["refusal"]) == ("1 号收银台", "天台小厨", "")
    assert (kept["server_time"], kept["valid_until"]) == ("2025-05-07T04:06:00Z", "2025-05-07T08:06:00Z")
    assert {kind["name"]: (kind["union_fen"], kind["worker_fen"]) for kind in kept["kinds"]} == {
        "4元减免券": (400, 900), "免费餐券": (1300, 0),
    }  # fmt: skip
    assert kept["kinds"][0]["windows"][0] == {"code": "lunch", "title": "午餐", "start": "10:30", "end": "15:00"}
    assert (kept["exposure_cap_fen"], kept["exposure_used_fen"]) == (20_000, 0)
    assert base64.b64decode(kept["public_key"]) == world.till.public_key
    assert kept["used_today"] == [str(used.pk)]
    assert [row["subject"] for row in kept["revocations"]] == [str(used.pk)]
    assert kept["open_periods"][0] == ["2025-05-07T02:00:00Z", "2025-05-07T13:00:00Z"]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(_suspended, "venue_suspended"), (_not_open, "venue_not_open"), (_papers, "papers_expired"),
     (_agreement, "no_agreement")],
)  # fmt: skip
def test_a_till_whose_venue_may_not_serve_is_told_before_it_goes_offline(world, till, spoil, code):
    spoil(world)
    assert config(till)["refusal"] == code


def test_kinds_of_other_places_and_ended_programmes_are_not_given(world, till):
    world.kind("off", "只在别家用", 400, place_ids=(uuid4(),))
    assert len(config(till)["kinds"]) == 2
    _programme(world)
    assert config(till)["kinds"] == []


def test_new_terms_are_given_from_the_moment_they_take_effect(world, till):
    set_terms(
        actor=SYSTEM, at=world.noon, terms=world.off.terms, effective_from=world.noon + timedelta(hours=1),
        list_price_fen=1300, payer_share_fen=400, windows=[{"code": "lunch", "title": "午餐", "start": "11:00", "end": "14:00"}],
        limits={}, standings=[], place_ids=[],
    )  # fmt: skip

    def lunch(at: Any) -> str:
        return next(kind for kind in config(till, at)["kinds"] if kind["name"] == "4元减免券")["windows"][0]["end"]

    assert (lunch(world.noon), lunch(world.noon + timedelta(hours=1))) == ("15:00", "14:00")


def test_the_service_worker_names_files_that_exist(client, db):
    answer = client.get(reverse("canteen:till-service-worker"))
    assert answer["Content-Type"].startswith("text/javascript")
    setup = json.loads(answer.content.decode().split("const setup = ")[1].split(";\n")[0])
    assert setup["page"] == reverse("canteen:till")
    from django.contrib.staticfiles import finders

    assert [name for name in setup["files"] if finders.find(name.removeprefix("/static/")) is None] == []


def test_a_re_paired_device_has_another_key_in_its_configuration(world, till):
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    paired = pair_device(actor=SYSTEM, at=world.noon, device_id=world.till.id, public_key=key)
    till.token = paired.token
    assert base64.b64decode(config(till)["public_key"]) == key
