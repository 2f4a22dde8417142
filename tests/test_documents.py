"""The operator's guide says what is there: every setting with its default and meaning, every command and option."""

import re

import click
import pytest

from doorstep.project.cli import main
from doorstep.project.environment import ROOT, SETTINGS

GUIDE = (ROOT / "docs" / "operating.md").read_text()


def test_every_setting_stands_in_the_table_with_its_default_and_meaning():
    rows = dict(re.findall(r"^\| `([A-Z_0-9]+)` (\|.*)$", GUIDE, re.MULTILINE))
    due = {}
    for setting in SETTINGS.values():
        default = setting.default.replace(f"{ROOT}/", "")
        due[setting.name] = (f"| `{default}` |" if default else "| |") + f" {setting.meaning} |"
    assert rows == due


def test_every_command_stands_in_the_table():
    assert set(re.findall(r"^\| `doorstep ([a-z]+)", GUIDE, re.MULTILINE)) == set(main.commands)


@pytest.mark.parametrize("name", sorted(main.commands))
def test_the_options_named_for_a_command_are_its_options(name: str):
    line = next(line for line in GUIDE.splitlines() if line.startswith(f"| `doorstep {name}"))
    there = {text for option in main.commands[name].params if isinstance(option, click.Option) for text in option.opts}
    assert set(re.findall(r"`(--[a-z]+)`", line)) <= there


@pytest.mark.parametrize("document", sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")))
def test_every_link_in_the_documents_leads_somewhere(document: str):
    path = ROOT / document
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []
