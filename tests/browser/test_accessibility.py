"""axe-core on the pages people and staff use most: no violation of WCAG A or AA, light and dark, and in large type."""

from typing import Any

import pytest
from django.urls import NoReverseMatch, reverse

from tests.browser.conftest import PHONE, TABLET, device_cookie

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}

# Who opens it ("" is a visitor, "till" the paired device, else a role of the small canteen) and the page's name.
PAGES = [
    ("", "home"),
    ("", "sign-in"),
    ("", "live"),
    ("", "design"),
    ("", "canteen:till-pair"),
    ("rider", "home"),
    ("rider", "wallet"),
    ("rider", "canteen:near"),
    ("till", "canteen:till"),
    ("till", "canteen:till-today"),
    ("officer", "canteen:programmes"),
    ("officer", "canteen:issue"),
    ("officer", "canteen:venues"),
    ("officer", "canteen:settlements"),
    ("officer", "canteen:watch"),
    ("officer", "canteen:feedback-desk"),
]


def address(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        pytest.skip(f"there is no page {name} yet")


def session_cookie(person_id: Any, url: str) -> list[dict[str, str]]:
    from django.test import Client

    from doorstep.kernel.people.models import Person

    client = Client()
    client.force_login(Person.objects.get(pk=person_id), backend="allauth.account.auth_backends.AuthenticationBackend")
    return [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}]


def cookies_of(who: str, canteen: Any, url: str) -> list[dict[str, str]]:
    if who == "till":
        return device_cookie(canteen.tokens["1 号收银台"], url)
    if who == "rider":
        canteen.voucher()
        return session_cookie(canteen.rider("凌涛"), url)
    if who == "officer":
        return session_cookie(canteen.cast.officer().id, url)
    return []


def violations(page: Any) -> list[tuple[str, str]]:
    from axe_playwright_python.sync_playwright import Axe

    response = Axe().run(page, options=RULES).response
    # A run that looked at nothing would find nothing.
    assert "color-contrast" in {rule["id"] for rule in response["passes"] + response["violations"]}
    return [(found["id"], found["nodes"][0]["html"][:160]) for found in response["violations"]]


@pytest.mark.parametrize("look", ["light", "dark", "large"])
@pytest.mark.parametrize(("who", "name"), PAGES, ids=[f"{who or 'visitor'} {name}" for who, name in PAGES])
def test_the_page_has_no_violation_and_fits_the_phone(canteen, live_server, open_page, who, name, look):
    path = address(name)
    cookies = cookies_of(who, canteen, live_server.url)
    if look == "large":
        cookies.append({"name": "large_type", "value": "1", "url": live_server.url})
    page = open_page(PHONE, cookies, color_scheme="dark" if look == "dark" else "light", reduced_motion="reduce")
    answer = page.goto(live_server.url + path)
    assert answer.status == 200
    page.wait_for_load_state("networkidle")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("viewport", [PHONE, TABLET], ids=["phone", "tablet"])
def test_every_state_of_the_till_has_no_violation(canteen, pair_page, viewport):
    from tests.browser.test_canteen_flow import confirmed, now, scan
    from tests.browser.test_offline_till import next_customer, pick

    page = pair_page(viewport)
    page.emulate_media(reduced_motion="reduce")
    voucher = canteen.voucher()
    found = {"idle": violations(page)}
    scan(page, canteen.code(voucher, now()))
    page.wait_for_selector("#stage-preview:not([hidden])")
    found["preview"] = violations(page)
    confirmed(page)
    found["green"] = violations(page)
    scan(page, canteen.code(voucher, now()))
    page.wait_for_selector(".till-result--no")
    found["red"] = violations(page)
    next_customer(page)
    page.context.set_offline(True)
    scan(page, canteen.code(canteen.voucher(canteen.rider("周小满")), now()))
    page.wait_for_selector("#stage-offline:not([hidden])")
    found["offline"] = violations(page)
    pick(page, "4元减免券")
    found["amber"] = violations(page)
    assert found == {state: [] for state in found}


def test_large_type_on_the_smallest_phone_leaves_nothing_too_small(canteen, live_server, open_page):
    cookies = cookies_of("rider", canteen, live_server.url)
    cookies.append({"name": "large_type", "value": "1", "url": live_server.url})
    page = open_page(PHONE, cookies)
    page.goto(live_server.url + address("home"))
    page.wait_for_load_state("networkidle")
    small = page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() &&
          [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) &&
          parseFloat(getComputedStyle(e).fontSize) < 18).map(e => e.outerHTML.slice(0, 90))"""
    )
    headings = page.evaluate(
        """() => [...document.querySelectorAll('h1')].filter(e => e.checkVisibility() &&
          parseFloat(getComputedStyle(e).fontSize) < 30).map(e => e.outerHTML.slice(0, 90))"""
    )
    assert (small, headings) == ([], [])
