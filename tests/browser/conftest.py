"""A real browser against a live server: Debian's chromium, the committed database, a canteen that serves at any hour."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from doorstep.kernel.common.access import DEVICE_COOKIE
from doorstep.services.canteen.tests.till_world import TillWorld

PHONE = {"width": 360, "height": 740}
TABLET = {"width": 1024, "height": 768}


@pytest.fixture
def canteen(transactional_db: None, live_server: Any) -> TillWorld:
    """One venue with an unpaired-browser till, serving round the clock: a live server cannot travel in time."""
    from doorstep.kernel.testing.cast import Cast

    return TillWorld(Cast(), noon=datetime.now(UTC), all_day=True)


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Pages in contexts of their own; errors of scripts and blocked content fail the test."""
    contexts = []
    complaints: list[str] = []

    def make(viewport: dict[str, int] = PHONE, cookies: list[dict[str, str]] | None = None, **options: Any) -> Any:
        context = chromium.new_context(viewport=viewport, locale="zh-CN", timezone_id="Asia/Shanghai", **options)
        context.add_cookies(cookies or [])
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda m: complaints.append(m.text) if m.type == "error" and "Content Security" in m.text else None,
        )
        return page

    yield make
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def pair_page(canteen: TillWorld, live_server: Any, open_page: Callable[..., Any]) -> Callable[..., Any]:
    """A page of a browser that has just been paired as the venue's till, through the pairing page."""

    def make(viewport: dict[str, int] = PHONE) -> Any:
        page = open_page(viewport)
        device_id = canteen.device("天台小厨", "前台")
        page.goto(f"{live_server.url}/canteen/till/pair?code={canteen.pairing_code(device_id)}")
        page.get_by_role("button", name="配对").click()
        page.wait_for_url("**/canteen/till/")
        page.wait_for_selector("#till[data-kept]")
        return page

    return make


def device_cookie(token: str, url: str) -> list[dict[str, str]]:
    return [{"name": DEVICE_COOKIE, "value": token, "url": url}]
