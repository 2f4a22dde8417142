"""Texts and their translations: collect what the code and the templates say, merge the English, compile catalogues.

Chinese is the language of the message ids. English lives in ``locale/en/LC_MESSAGES/django.po``; while several people write at
once each may keep a file of their own in ``locale/en/parts/``, which :func:`renew` takes in. Collecting needs ``xgettext`` (a
developer's tool); compiling needs nothing but Python, so a fresh checkout can do it.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polib
from django.utils.translation.template import templatize

from doorstep.project.environment import ROOT

PACKAGE = ROOT / "doorstep"
LOCALE = PACKAGE / "locale"
LANGUAGE = "en"
CATALOGUE = LOCALE / LANGUAGE / "LC_MESSAGES" / "django.po"
PARTS = LOCALE / LANGUAGE / "parts"
WRAP_COLUMNS = 120

_KEYWORDS = (
    "gettext_noop", "gettext_lazy", "ngettext_lazy:1,2", "pgettext:1c,2", "npgettext:1c,2,3", "pgettext_lazy:1c,2",
    "npgettext_lazy:1c,2,3",
)  # fmt: skip
_HEADER = {
    "Project-Id-Version": "doorstep",
    "Language": LANGUAGE,
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=2; plural=(n != 1);",
}


def _sources() -> Iterator[tuple[Path, str]]:
    """Every file that may say something, as Python for ``xgettext``: path inside the package, text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        if not {"tests", "testing", "migrations"} & set(inside.parts):
            yield inside, path.read_text()
    for pattern in ("*.html", "*.txt"):
        for path in sorted(PACKAGE.rglob(pattern)):
            if "templates" in path.parts:
                yield path.relative_to(PACKAGE), templatize(path.read_text(), origin=str(path))


def collect() -> polib.POFile:
    """The texts of the code and the templates, without translations, in a fixed order. Needs ``xgettext``."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for inside, text in _sources():
            copy = Path(folder) / inside
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text)
            names.append(str(inside))
        (Path(folder) / "files").write_text("\n".join(names))
        command = ["xgettext", "--language=Python", "--from-code=UTF-8", "--add-location=file", "--output=-"]
        command += [f"--keyword={keyword}" for keyword in _KEYWORDS] + ["--files-from=files"]
        found = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    texts = polib.pofile(found, wrapwidth=WRAP_COLUMNS)
    texts.sort(key=lambda entry: (entry.msgid, entry.msgctxt or ""))
    return texts


def _translations() -> dict[tuple[str, str | None], polib.POEntry]:
    """All English there is; a part's word counts more than the catalogue's."""
    known: dict[tuple[str, str | None], polib.POEntry] = {}
    for path in [CATALOGUE, *sorted(PARTS.glob("*.po"))]:
        if path.exists():
            for entry in polib.pofile(str(path)):
                if entry.translated():
                    known[entry.msgid, entry.msgctxt] = entry
    return known


def _merged() -> polib.POFile:
    """The catalogue as it should be: today's texts, each with its English where there is one."""
    texts, known = collect(), _translations()
    texts.metadata = dict(_HEADER)
    texts.header, texts.metadata_is_fuzzy = "English of Doorstep.", 0
    for entry in texts:
        entry.flags = [flag for flag in entry.flags if flag == "python-brace-format"]
        english = known.get((entry.msgid, entry.msgctxt))
        if english is None:
            continue
        if not entry.msgid_plural:
            entry.msgstr = english.msgstr
        elif english.msgid_plural:
            entry.msgstr_plural = dict(english.msgstr_plural)
    return texts


def missing() -> list[str]:
    """Texts of the code and the templates that have no English."""
    return [entry.msgid for entry in _merged() if not entry.translated()]


def renew() -> None:
    """Write ``django.po`` anew from the texts there are and the English there is."""
    merged = _merged()
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    merged.save(str(CATALOGUE))


def compile_catalogues() -> int:
    """Make the ``.mo`` files that are older than their ``.po``; returns how many were made."""
    made = 0
    for source in sorted(LOCALE.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        temporary = target.with_suffix(f".{os.getpid()}")
        polib.pofile(str(source)).save_as_mofile(str(temporary))
        temporary.replace(target)
        made += 1
    return made
