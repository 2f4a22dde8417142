"""A meal at the counter, in a real browser: pair the till, type or scan the code, confirm, see it in today's list."""

from datetime import UTC, datetime
from typing import Any

import pytest

from doorstep.kernel.entitlements.models import Use
from doorstep.kernel.organisations.models import Device
from tests.browser.conftest import PHONE, TABLET

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def scan(page: Any, code: str) -> None:
    """What a USB scanner does: type everything at once, then Enter, wherever the focus is."""
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def confirmed(page: Any) -> None:
    page.wait_for_selector("#stage-preview:not([hidden])")
    page.keyboard.press("Enter")
    page.wait_for_selector(".till-result--ok")


def now() -> datetime:
    return datetime.now(UTC)


def test_a_browser_becomes_a_till_by_its_pairing_code_with_a_key_that_cannot_leave_it(canteen, pair_page):
    page = pair_page()
    device = Device.objects.get(name="前台")
    assert len(bytes(device.public_key)) == 32
    kept = page.evaluate(
        """async () => {
          const store = await import('/static/canteen/till/store.js');
          const [pair] = await store.all('keys');
          const failed = await crypto.subtle.exportKey('pkcs8', pair.privateKey).then(() => '', (e) => e.name);
          return [pair.publicKey, pair.privateKey.extractable, failed];
        }"""
    )
    import base64

    assert base64.b64decode(kept[0]) == bytes(device.public_key)
    assert kept[1:] == [False, "InvalidAccessError"]
    assert page.evaluate("document.cookie").find("doorstep_device") == -1


@pytest.mark.parametrize("viewport", [PHONE, TABLET], ids=["phone", "tablet"])
def test_scan_confirm_green_and_in_the_list(canteen, pair_page, viewport):
    page = pair_page(viewport)
    scan(page, canteen.code(canteen.voucher(), now()))
    page.wait_for_selector("#stage-preview:not([hidden])")
    assert page.locator("[data-part=person]").inner_text() == "凌*"
    assert [page.locator(f"#stage-preview [data-part={part}]").inner_text() for part in ("list", "union", "worker")] == [
        "13.00", "4.00", "9.00",
    ]  # fmt: skip
    confirmed(page)
    assert page.locator(".till-result__word").inner_text() == "成功"
    assert page.locator(".till-result__amount").inner_text() == "请收 9.00 元"
    page.wait_for_selector(".till-result", state="detached", timeout=8000)
    assert page.locator("[data-part=meals]").inner_text() == "1"
    assert page.evaluate("document.activeElement.id") == "code"
    page.get_by_role("link", name="今天的记录").click()
    assert "凌* · 4元减免券" in page.locator(".record").first.inner_text()
    assert Use.objects.count() == 1


def test_the_short_code_is_typed_on_the_keypad(canteen, pair_page):
    page = pair_page()
    for digit in canteen.typed(canteen.voucher(), now()).replace(" ", ""):
        page.locator(f"[data-digit='{digit}']").click()
    page.get_by_role("button", name="查看").click()
    confirmed(page)


def test_a_refusal_is_red_with_words_and_what_to_do(canteen, pair_page):
    page = pair_page()
    voucher = canteen.voucher()
    scan(page, canteen.code(voucher, now()))
    confirmed(page)
    scan(page, canteen.code(voucher, now()))  # while the green one is still on the screen
    page.wait_for_selector(".till-result--no")
    assert page.locator(".till-result__word").inner_text() == "这张券已经用过了。"
    assert "看看卡包里还有没有别的券" in page.locator(".till-result").inner_text()
    assert Use.objects.count() == 1


def test_scanning_the_next_customer_does_not_confirm_the_one_before(canteen, pair_page):
    page = pair_page()
    scan(page, canteen.code(canteen.voucher(), now()))
    page.wait_for_selector("#stage-preview:not([hidden])")
    scan(page, canteen.code(canteen.voucher(canteen.rider("周小满"), canteen.free), now()))
    page.locator("[data-part=person]", has_text="周*").wait_for()
    assert page.locator("#stage-preview [data-part=collect]").inner_text() == "不收钱"
    assert Use.objects.count() == 0


def test_an_answer_that_is_lost_is_asked_for_again_with_the_same_key(canteen, pair_page):
    page = pair_page()
    keys: list[str] = []

    def lose_the_first_answer(route: Any) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/api/canteen/redeem", lose_the_first_answer)
    scan(page, canteen.code(canteen.voucher(), now()))
    confirmed(page)
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert Use.objects.count() == 1


def test_taking_back_from_the_list(canteen, pair_page):
    page = pair_page()
    scan(page, canteen.code(canteen.voucher(), now()))
    confirmed(page)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="今天的记录").click()
    page.get_by_role("link", name="撤销").click()
    page.get_by_text("没有用餐").click()
    page.get_by_role("button", name="撤销这一笔").click()
    page.wait_for_url("**/till/today")
    assert "请退给顾客 9.00 元" in page.locator(".toasts").inner_text()
    assert "已撤销:没有用餐" in page.locator(".record").first.inner_text()


def test_without_scripts_the_till_still_serves(canteen, live_server, open_page):
    from tests.browser.conftest import device_cookie

    page = open_page(cookies=device_cookie(canteen.tokens["1 号收银台"], live_server.url), java_script_enabled=False)
    page.goto(f"{live_server.url}/canteen/till/")
    page.locator("#code").fill(canteen.typed(canteen.voucher(), now()))
    page.get_by_role("button", name="查看").click()
    page.get_by_role("button", name="确认用餐").click()
    assert page.locator(".till-result__word").inner_text() == "成功"
    assert Use.objects.count() == 1
