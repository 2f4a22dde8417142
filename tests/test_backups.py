"""A backup is everything, and a restored house is the same house; a damaged archive changes nothing."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import House, house

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

FILL = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "doorstep.project.settings"
django.setup()
from doorstep.kernel.audit.sealing import seal
from doorstep.kernel.common.clock import now
from doorstep.kernel.files.actions import store_file
from doorstep.kernel.testing.cast import SYSTEM, Cast
Cast().rider()
store_file(actor=SYSTEM, at=now(), name="licence.pdf", content=b"%PDF-1.7 a licence")
seal(now())
"""
LOOK = """
import os, django, json
os.environ["DJANGO_SETTINGS_MODULE"] = "doorstep.project.settings"
django.setup()
from django.db import ProgrammingError, connection
from doorstep.kernel.audit.models import Head
from doorstep.kernel.files.actions import path_of
from doorstep.kernel.files.models import StoredFile
from doorstep.kernel.people.models import Person
def refused():
    try:
        connection.cursor().execute("DELETE FROM audit_entry")
    except ProgrammingError:
        return True
print(json.dumps({
    "people": [[person.name, person.phone.reveal()] for person in Person.objects.order_by("pk")],
    "root": bytes(Head.objects.get().root).hex(),
    "files": [path_of(one.sha256).read_bytes().decode() for one in StoredFile.objects.all()],
    "append_only": refused(),
}))
"""


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[House, Path, dict[str, object]]]:
    with house() as made:
        made.command("migrate")
        made.python("-c", FILL)
        archive = made.var / "backup.tar"
        made.command("backup", str(archive))
        yield made, archive, json.loads(made.python("-c", LOOK))


def test_a_restored_house_has_the_same_people_files_keys_and_log(
    filled: tuple[House, Path, dict[str, object]],
) -> None:
    _made, archive, before = filled
    assert before["people"] == [["凌涛", "13807311000"]]
    assert before["files"] == ["%PDF-1.7 a licence"]
    assert archive.stat().st_mode & 0o077 == 0
    with house() as other:
        other.command("migrate")
        other.python("-c", FILL)  # something else was there: it must be gone
        other.command("restore", "--yes", str(archive))
        after = json.loads(other.python("-c", LOOK))
        assert after == before
        assert after["append_only"] is True
        assert other.verify()["ok"] is True


def test_a_damaged_archive_is_refused_and_changes_nothing(filled: tuple[House, Path, dict[str, object]]) -> None:
    made, archive, before = filled
    damaged = made.var / "damaged.tar"
    content = bytearray(archive.read_bytes())
    with tarfile.open(archive) as parts:
        dump = parts.getmember("database.dump")
    content[dump.offset_data + dump.size // 2] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(AssertionError, match=r"database\.dump in .* was altered or damaged"):
        made.command("restore", "--yes", str(damaged))
    assert json.loads(made.python("-c", LOOK)) == before
