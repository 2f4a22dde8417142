"""The design page in a real browser: accessible, nothing blocked by the content policy, the switches work."""

import pytest
from django.urls import reverse

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LOOKS = {"light": ("light", False), "dark": ("dark", False), "large": ("light", True), "dark large": ("dark", True)}
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


@pytest.fixture(autouse=True)
def _leave_no_window(chromium):
    before = chromium.contexts
    yield
    for context in chromium.contexts:
        if context not in before:
            context.close()


def visit(browser, url, scheme="light", large=False, width=360):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, locale="zh-CN")
    if large:
        context.add_cookies([{"name": "large_type", "value": "1", "url": url}])
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda m: page.complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: page.complaints.append(str(e)))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    return page


def violations(page) -> list[tuple[str, str]]:
    from axe_playwright_python.sync_playwright import Axe

    response = Axe().run(page, options=RULES).response
    # A run that looked at nothing would find nothing.
    assert "color-contrast" in {rule["id"] for rule in response["passes"] + response["violations"]}
    return [(found["id"], found["nodes"][0]["html"][:160]) for found in response["violations"]]


def test_the_accessibility_check_sees_a_fault_when_there_is_one(live_server, chromium):
    page = visit(chromium, live_server.url + reverse("design-shell", args=["phone"]))
    page.evaluate("document.querySelector('h1').style.color = '#e8e0d8'")
    assert [name for name, _ in violations(page)] == ["color-contrast"]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("width", [360, 1280])
def test_the_design_page_has_no_accessibility_violation(live_server, chromium, look, width):
    page = visit(chromium, live_server.url + reverse("design"), *LOOKS[look], width=width)
    assert violations(page) == []
    assert page.complaints == []


@pytest.mark.parametrize("shell", ["phone", "desk", "till", "till-ok", "paper", "proof", "print", "map"])
def test_every_shell_fits_a_small_phone_and_breaks_no_policy(live_server, chromium, shell):
    page = visit(chromium, live_server.url + reverse("design-shell", args=[shell]))
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert violations(page) == []
    assert page.complaints == []


def test_large_type_switches_without_leaving_the_page(live_server, chromium):
    page = visit(chromium, live_server.url + reverse("design-shell", args=["phone"]))
    page.evaluate("window.same = true")
    page.click("[data-large-switch] button")
    assert page.evaluate("[window.same, getComputedStyle(document.body).fontSize]") == [True, "20px"]
    page.reload()
    assert page.evaluate("document.documentElement.hasAttribute('data-large')") is True


def test_a_table_filters_and_sorts_in_the_browser(live_server, chromium):
    page = visit(chromium, live_server.url + reverse("design-shell", args=["desk"]), width=1280)
    shown = "[...document.querySelectorAll('#venues tbody tr:not([hidden]) th')].map(e => e.textContent.trim())"
    page.click("#venues thead button >> nth=1")
    page.click("#venues thead button >> nth=1")
    assert page.evaluate(shown)[:2] == ["老株洲饭店", "天台小厨"]
    page.keyboard.press("/")
    page.keyboard.type("湘江")
    assert page.evaluate(shown) == ["湘江食府"]


def test_a_confirmation_spells_out_what_will_happen(live_server, chromium):
    page = visit(chromium, live_server.url + reverse("design"))
    page.click("text=撤销这笔")
    assert page.locator("#undo").is_visible()
    assert "不能抹掉" in page.locator("#undo").inner_text()
    page.click("#undo >> text=先不")
    assert page.locator("#undo").is_hidden()


def test_large_type_leaves_nothing_too_small_to_read_or_to_press(live_server, chromium):
    page = visit(chromium, live_server.url + reverse("design-shell", args=["phone"]), large=True)
    small = page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() &&
          [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) &&
          parseFloat(getComputedStyle(e).fontSize) < 18).map(e => e.outerHTML.slice(0, 90))"""
    )
    tight = page.evaluate(
        """() => [...document.querySelectorAll('.button, nav a, header button, a.list-row, a.door')].filter(
          e => e.checkVisibility() && e.getBoundingClientRect().height < 60).map(e => e.outerHTML.slice(0, 90))"""
    )
    assert (small, tight) == ([], [])
