"""Rules every template of the repository keeps, whoever writes it."""

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2]
INLINE = {
    "script": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")", re.I),
    "style element": re.compile(r"<style\b", re.I),
    "style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.I),
    "event handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.I),
    "javascript address": re.compile(r"(?:href|action|src)\s*=\s*[\"']?\s*javascript:", re.I),
    "htmx code": re.compile(r"\shx-(?:on|vals=[\"']js:|headers=[\"']js:)", re.I),
}


def templates() -> list[Path]:
    return sorted(path for path in PACKAGE.glob("**/templates/**/*") if path.suffix in {".html", ".svg"})


def inline(text: str) -> list[str]:
    # A comparison in a tag, {% if a > b %}, would look like the end of an element.
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}", "", text, flags=re.S)
    return [name for name, pattern in INLINE.items() if pattern.search(text)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("<script>a()</script>", "script"),
        ("<style>a{}</style>", "style element"),
        ('<p class="a" style="x">', "style attribute"),
        ('<p {% if a > b %}x{% endif %} onclick="a()">', "event handler"),
        ('<a href="javascript:a()">', "javascript address"),
        ('<p hx-on:click="a()">', "htmx code"),
    ],
)
def test_the_scan_finds_what_it_looks_for(text, name):
    assert inline(text) == [name]


def test_data_and_files_are_not_inline_code():
    assert inline('<script src="/a.js"></script><script type="application/json">{}</script>') == []


def test_no_template_carries_inline_script_style_or_handler():
    found = {str(path.relative_to(PACKAGE)): inline(path.read_text("utf-8")) for path in templates()}
    assert len(found) > 40
    assert {path: names for path, names in found.items() if names} == {}


def test_every_component_says_what_it_takes():
    components = sorted((PACKAGE / "web" / "templates" / "web" / "components").glob("*.html"))
    assert [path.name for path in components if not path.read_text("utf-8").startswith("{# ")] == []


def test_every_icon_named_in_a_template_is_in_the_sprite():
    sprite = (PACKAGE / "web" / "static" / "web" / "icons.svg").read_text("utf-8")
    drawn = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    named = {
        (name, str(path.relative_to(PACKAGE)))
        for path in templates()
        for name in re.findall(r'\{% icon "([^"]+)"', path.read_text("utf-8"))
    }
    assert {pair for pair in named if pair[0] not in drawn} == set()
