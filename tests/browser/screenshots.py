"""Take the README's screenshots from a running demo: ``python -m tests.browser.screenshots [address] [folder]``."""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESK = (390, 844), (1280, 832)

# file name, who (a demo person, the till, or nobody), address, size
SHOTS = (
    ("home-phone", "demo-rider", "/", PHONE),
    ("wallet-phone", "demo-rider", "/wallet", PHONE),
    ("near-phone", "demo-rider", "/canteen/", PHONE),
    ("till-phone", "till", "/canteen/till/", PHONE),
    ("live-phone", "", "/live", PHONE),
    ("home-desk", "demo-officer", "/desk", DESK),
    ("programmes-desk", "demo-officer", "/canteen/union/programmes", DESK),
    ("issue-desk", "demo-officer", "/canteen/union/issue", DESK),
    ("settlements-desk", "demo-officer", "/canteen/desk/settlements", DESK),
    ("watch-desk", "demo-officer", "/canteen/desk/watch", DESK),
    ("audit-desk", "demo-auditor", "/canteen/desk/audit", DESK),
    ("till-desk", "till", "/canteen/till/", DESK),
    ("live-desk", "", "/live", DESK),
)


def enter(browser: Browser, address: str, who: str, size: tuple[int, int]) -> Page:
    """A page of that size, signed in as one of the demo's people or paired as its till."""
    context = browser.new_context(locale="zh-CN", viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    if not who:
        return page
    page.goto(f"{address}/sign-in/demo")
    if who == "till":
        page.locator("button[name=entry]").first.click()
        page.get_by_role("button", name="配对").click()
        page.wait_for_url("**/canteen/till/")
    else:
        page.locator(f"form:has(input[name=username][value={who}]) button").click()
        page.wait_for_load_state()
    return page


def main(address: str = "http://127.0.0.1:8000", folder: str = "docs/screenshots") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        for name, who, path, size in SHOTS:
            page = enter(browser, address, who, size)
            page.goto(address + path)
            page.wait_for_timeout(600)
            page.screenshot(path=f"{folder}/{name}.png")
            page.context.close()
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
