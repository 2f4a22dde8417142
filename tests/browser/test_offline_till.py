"""The network goes, lunch goes on: two meals are kept, signed, shown as unconfirmed, and handed in when it is back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from doorstep.kernel.entitlements import queries as entitlement_queries
from doorstep.kernel.entitlements.models import OfflineConflict, Use
from doorstep.kernel.ledger import queries as ledger_queries
from doorstep.services.canteen.actions.redeeming import redeem_voucher
from tests.browser.test_canteen_flow import confirmed, scan

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def now() -> datetime:
    return datetime.now(UTC)


def pick(page: Any, title: str) -> None:
    page.wait_for_selector("#stage-offline:not([hidden])")
    page.get_by_role("button", name=title).click()
    page.wait_for_selector(".till-result--wait")


def next_customer(page: Any) -> None:
    page.locator(".till-result button").click()
    page.wait_for_selector(".till-result", state="detached")


def banner(page: Any) -> str:
    return str(page.locator(".banner[data-offline]").inner_text())


def records(page: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(
        "async () => (await import('/static/canteen/till/store.js')).all('records')"
    )
    return sorted(found, key=lambda record: record["at"])


def refused(page: Any, words: str) -> None:
    page.wait_for_selector(".till-result--no")
    assert words in page.locator(".till-result").inner_text()
    next_customer(page)


def test_two_meals_are_served_without_network_and_confirmed_when_it_is_back(canteen, pair_page):
    page = pair_page()
    one, two = canteen.voucher(), canteen.voucher(canteen.rider("周小满"), canteen.free)
    page.context.set_offline(True)
    scan(page, canteen.code(one, now()))
    pick(page, "4元减免券")
    assert page.locator(".till-result__word").inner_text() == "尚未确认"
    assert page.locator(".till-result__amount").inner_text() == "请收 9.00 元"
    next_customer(page)
    assert banner(page) == "离线,已存 1 笔 · 上限 200 元,已用 4 元"
    scan(page, canteen.code(two, now()))
    pick(page, "免费餐券")
    assert page.locator(".till-result__amount").inner_text() == "不收钱"
    next_customer(page)
    assert banner(page) == "离线,已存 2 笔 · 上限 200 元,已用 17 元"
    assert Use.objects.count() == 0
    page.context.set_offline(False)
    page.wait_for_selector(".banner[data-offline]", state="hidden")
    assert [(r["status"], r["receipt"]["worker_fen"]) for r in records(page)] == [("recorded", 900), ("recorded", 0)]
    assert list(Use.objects.order_by("at").values_list("entitlement_id", "source")) == [
        (one.pk, "offline"), (two.pk, "offline"),
    ]  # fmt: skip
    assert (ledger_queries.verify(), entitlement_queries.verify()) == ([], [])


def test_the_till_opens_without_network_and_still_has_what_it_kept(canteen, pair_page):
    page = pair_page()
    page.context.set_offline(True)
    scan(page, canteen.code(canteen.voucher(), now()))
    pick(page, "看不清")
    assert page.locator(".till-result__amount").inner_text() == "先不收钱,联网后再看"
    page.reload()
    page.wait_for_selector("#till[data-scripts]")
    page.locator(".banner[data-offline]", has_text="离线,已存 1 笔 · 上限 200 元,已用 13 元").wait_for()
    assert records(page)[0]["status"] == "pending"
    page.context.set_offline(False)
    page.wait_for_selector(".banner[data-offline]", state="hidden")
    assert Use.objects.get().payer_fen == 400


def test_what_can_be_seen_without_network_is_refused_at_once(canteen, pair_page):
    page = pair_page()
    voucher = canteen.voucher()
    code = canteen.code(voucher, now())
    old = canteen.code(voucher, now() - timedelta(seconds=61))
    page.context.set_offline(True)
    scan(page, old)
    refused(page, "这个码过了 60 秒,截图不能用。")
    scan(page, code[:60] + ("A" if code[60] != "A" else "B") + code[61:])
    refused(page, "这个码不是我们发的,不能用。")
    scan(page, canteen.typed(voucher, now()))
    refused(page, "离线时不能用短码。")
    scan(page, code)
    pick(page, "4元减免券")
    next_customer(page)
    scan(page, canteen.code(voucher, now()))
    refused(page, "这张券刚刚在这台设备上收过。")
    assert len(records(page)) == 1


def test_above_the_declared_exposure_the_till_serves_no_more(transactional_db, canteen, pair_page):
    canteen.programme.exposure_cap_fen = 1000
    canteen.programme.save()
    page = pair_page()
    page.context.set_offline(True)
    for name in ("赵师傅", "钱师傅"):
        scan(page, canteen.code(canteen.voucher(canteen.rider(name)), now()))
        page.wait_for_selector("#stage-offline:not([hidden])")
        assert page.locator(".counter__choice").count() == 1  # a free meal would be above it
        pick(page, "4元减免券")
        next_customer(page)
    scan(page, canteen.code(canteen.voucher(canteen.rider("孙师傅")), now()))
    refused(page, "离线额度用完了。")
    assert banner(page) == "离线,已存 2 笔 · 上限 10 元,已用 8 元"


def test_a_voucher_used_elsewhere_meanwhile_comes_back_as_a_conflict_with_who_bears_it(canteen, pair_page):
    page = pair_page()
    voucher = canteen.voucher()
    page.context.set_offline(True)
    scan(page, canteen.code(voucher, now()))
    pick(page, "4元减免券")
    next_customer(page)
    redeem_voucher(device=canteen.till, at=now(), key="elsewhere", code=canteen.code(voucher, now()))
    page.get_by_role("button", name="离线记录").click()
    page.locator(".record", has_text="等待确认").wait_for()
    page.context.set_offline(False)
    row = page.locator(".record", has_text="有冲突")
    row.wait_for()
    assert "由工会承担" in row.inner_text()
    assert OfflineConflict.objects.get().bearer_id == canteen.losses.pk
    assert ledger_queries.verify() == []


def test_a_difference_between_what_was_taken_and_what_was_right_is_shown(canteen, pair_page):
    page = pair_page()
    page.context.set_offline(True)
    scan(page, canteen.code(canteen.voucher(kind=canteen.free), now()))
    pick(page, "4元减免券")
    next_customer(page)
    page.context.set_offline(False)
    page.wait_for_selector(".banner[data-offline]", state="hidden")
    page.get_by_role("button", name="离线记录").click()
    assert "应收 0.00 元,当时收了 9.00 元" in page.locator(".record").inner_text()


def test_no_answer_at_all_becomes_a_kept_record_with_the_same_key_and_is_used_once(canteen, pair_page):
    page = pair_page()
    answers: list[str] = []

    def swallow(route: Any) -> None:
        answers.append(route.request.headers["idempotency-key"])
        route.fetch()  # the server takes it every time
        route.abort()

    page.route("**/api/canteen/redeem", swallow)
    scan(page, canteen.code(canteen.voucher(), now()))
    page.wait_for_selector("#stage-preview:not([hidden])")
    page.keyboard.press("Enter")
    page.wait_for_selector(".till-result--wait")
    assert page.locator(".till-result__word").inner_text() == "尚未确认"
    page.context.set_offline(True)
    page.context.set_offline(False)
    page.wait_for_selector(".banner[data-offline]", state="hidden")
    [record] = records(page)
    assert (record["status"], record["key"], len(set(answers))) == ("repeated", answers[0], 1)
    assert Use.objects.count() == 1
    assert OfflineConflict.objects.count() == 0


def test_without_what_it_needs_the_till_serves_nobody_offline(canteen, pair_page):
    page = pair_page()
    page.evaluate(
        """async () => {
          const store = await import('/static/canteen/till/store.js');
          const kept = await store.get('kept', 'config');
          kept.config.valid_until = new Date(Date.now() - 1000).toISOString();
          await store.put('kept', kept);
        }"""
    )
    page.context.set_offline(True)
    scan(page, canteen.code(canteen.voucher(), now()))
    refused(page, "离线资料已过期,现在不能收券。")
    assert records(page) == []


def test_after_the_offline_hours_it_is_an_ordinary_till_again(canteen, pair_page):
    page = pair_page()
    page.context.set_offline(True)
    scan(page, canteen.code(canteen.voucher(), now()))
    pick(page, "4元减免券")
    next_customer(page)
    page.context.set_offline(False)
    page.wait_for_selector(".banner[data-offline]", state="hidden")
    scan(page, canteen.code(canteen.voucher(canteen.rider("周小满")), now()))
    confirmed(page)
    assert list(Use.objects.order_by("at").values_list("source", flat=True)) == ["offline", "online"]
