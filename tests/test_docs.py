"""What the documentation says of settings, commands and files is so."""

import re
from pathlib import Path

import pytest

from doorstep.project.cli import main
from doorstep.project.environment import ROOT, SETTINGS

OPERATING = (ROOT / "docs" / "operating.md").read_text()


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_has_its_line(name):
    assert f"| `{name}` |" in OPERATING
    assert SETTINGS[name].meaning in OPERATING


def test_no_setting_is_described_that_nobody_reads():
    assert set(re.findall(r"^\| `((?:DOORSTEP|DATABASE)_[A-Z0-9_]+)` \|", OPERATING, re.M)) == set(SETTINGS)


def test_every_command_has_its_line_and_no_other():
    described = set(re.findall(r"^\| `doorstep ([a-z]+)", OPERATING, re.M))
    assert described == set(main.commands)


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda page: page.name
)
def test_links_between_pages_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_word_of_the_glossary_stands_once():
    words = re.findall(r"^\| ([a-z][^|]+?) \|", (ROOT / "docs" / "words.md").read_text(), re.M)
    assert len(words) == len(set(words)) > 40


def test_every_make_target_the_readme_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named <= targets
