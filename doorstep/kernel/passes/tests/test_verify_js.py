"""The browser's verifier, in Debian's chromium, on codes made here."""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from doorstep.kernel.audit.signing import newest_key
from doorstep.kernel.passes.codes import PassKind, issue, public_keys_json
from doorstep.kernel.passes.errors import PassExpired, PassForged, PassNotYetValid, PassUnreadable

SCRIPT = Path(__file__).parents[1] / "static" / "passes" / "verify.js"
ORIGIN = "http://localhost"  # a secure context without TLS, which WebCrypto asks for; nothing listens there
AT = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)
NOW = int(AT.timestamp())
SUBJECT = UUID("019a0000-0000-7000-8000-00000000000a")

pytestmark = pytest.mark.browser

Reader = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def in_browser(chromium: Any) -> Iterator[Reader]:
    """Call ``readPass`` in a page; answers to every request come from here, none leaves the machine."""
    from playwright.sync_api import Route

    def answer(route: Route) -> None:
        if route.request.url == f"{ORIGIN}/verify.js":
            route.fulfill(content_type="text/javascript", body=SCRIPT.read_text("utf-8"))
        else:
            route.fulfill(content_type="text/html", body="<!doctype html><title>till</title>")

    page = chromium.new_page()
    page.route("**/*", answer)
    page.goto(ORIGIN)

    def read(text: str, now: int = NOW, keys: dict[str, str] | None = None) -> dict[str, Any]:
        given = [text, public_keys_json() if keys is None else keys, now]
        found: dict[str, Any] = page.evaluate("async (given) => (await import('/verify.js')).readPass(...given)", given)
        return found

    yield read
    page.close()


def test_a_good_code_is_read_as_python_reads_it(in_browser: Reader) -> None:
    text = issue(PassKind.ENTITLEMENT_PRINTED, SUBJECT, AT, 86_400, scope=2**63 + 5)
    good = {
        "kind": 2,
        "subject": str(SUBJECT),
        "issuedAt": NOW,
        "expiresAt": NOW + 86_400,
        "scope": str(2**63 + 5),
    }
    assert in_browser(text) == good
    assert in_browser(f" {text.lower()}\n") == good


@pytest.mark.parametrize(
    ("seconds", "error"),
    [(-31, PassNotYetValid), (-30, None), (0, None), (59, None), (60, PassExpired)],
)
def test_time_is_judged_as_python_judges_it(in_browser: Reader, seconds: int, error: Any) -> None:
    found = in_browser(issue(PassKind.ENTITLEMENT, SUBJECT, AT), NOW + seconds)
    assert found.get("error") == (error and error.code)


def test_no_changed_character_passes(in_browser: Reader) -> None:
    text = issue(PassKind.ENTITLEMENT, SUBJECT, AT)
    for place in range(0, len(text), 7):
        other = "A" if text[place] != "A" else "B"
        error = in_browser(text[:place] + other + text[place + 1 :])["error"]
        assert error in (PassForged.code, PassUnreadable.code), place
    last = in_browser(text[:-1] + chr(ord(text[-1]) + 1))  # only spare bits differ
    assert last == {"error": PassUnreadable.code}


def test_a_strangers_code_and_an_unknown_key_are_forged(in_browser: Reader) -> None:
    text = issue(PassKind.ENTITLEMENT, SUBJECT, AT)
    other = base64.b64encode(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")).decode()
    assert in_browser(text, keys={str(newest_key().id): other}) == {"error": PassForged.code}
    assert in_browser(text, keys={}) == {"error": PassForged.code}


@pytest.mark.parametrize("text", ["", "DS1", "DS1" + "A" * 159, "1234 5678 9012 3", "DS1" + "é" * 159])
def test_anything_else_is_unreadable(in_browser: Reader, text: str) -> None:
    assert in_browser(text) == {"error": PassUnreadable.code}
