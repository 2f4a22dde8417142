"""An archive brings everything back, in another place; a damaged one changes nothing."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apart import Apart, apart

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

LIVE = """
from doorstep.kernel.common.actor import system_actor
from doorstep.kernel.common.clock import now
from doorstep.kernel.files.actions import store_file
from doorstep.kernel.people.actions import register_person
register_person(actor=system_actor("test"), at=now(), name="凌涛", phone="13807311234")
store_file(actor=system_actor("test"), at=now(), name="a.pdf", content=b"%PDF-1.7 a licence")
"""
TELL = """
from django.conf import settings
from django.db import connection
from doorstep.kernel.files.actions import path_of
from doorstep.kernel.files.models import StoredFile
from doorstep.kernel.people.actions import find_by_phone
person = find_by_phone("13807311234")
print(person and (person.name, person.phone.reveal()))
print([path_of(file.sha256).read_bytes() for file in StoredFile.objects.all()])
with connection.cursor() as cursor:
    cursor.execute("SELECT has_table_privilege(%s, 'audit_entry', 'INSERT'), has_table_privilege(%s, 'audit_entry', 'DELETE')",
        [settings.APP_ROLE] * 2)
    print(cursor.fetchone())
"""
TOLD = "('凌涛', '13807311234')\n[b'%PDF-1.7 a licence']\n(True, False)\n"


@pytest.fixture(scope="module")
def first() -> Iterator[Apart]:
    with apart("backup") as place:
        place.doorstep("migrate")
        place.python(LIVE)
        place.doorstep("backup", str(place.var / "whole.tar"))
        yield place


def test_the_archive_names_the_digest_of_everything_in_it(first: Apart):
    archive = first.var / "whole.tar"
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))
        names = set(tar.getnames())
    assert names == set(manifest["sha256"]) | {"manifest.json"}
    assert {name.split("/")[0] for name in names} == {"manifest.json", "database.dump", "secrets.json", "files"}


def test_another_place_becomes_the_first_one(first: Apart):
    with apart("restored") as place:
        place.doorstep("migrate")
        place.python(LIVE.replace("13807311234", "13900000000"))
        told = place.doorstep("restore", "--yes", str(first.var / "whole.tar"))
        assert "restored the database and 1 files" in told
        assert place.python(TELL) == TOLD
        assert place.python(TELL.replace("13807311234", "13900000000")).startswith("None\n")
        assert len(list(place.var.glob("secrets.before-restore-*.json"))) == 1
        assert place.doorstep("verify").endswith("ok: True\n")


@pytest.mark.parametrize("harm", ["a byte", "the end"])
def test_a_damaged_archive_changes_nothing(first: Apart, harm: str):
    content = bytearray((first.var / "whole.tar").read_bytes())
    if harm == "a byte":
        where = content.index(b"%PDF-1.7")
        content[where] ^= 1
    else:
        del content[len(content) // 2 :]
    damaged = first.var / "damaged.tar"
    Path(damaged).write_bytes(content)
    assert "nothing was changed" in first.doorstep("restore", "--yes", str(damaged), code=1)
    assert first.python(TELL) == TOLD
