"""Uploaded bytes: known types by their first bytes, bounded, stored once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from doorstep.kernel.files.actions import FileRefused, path_of, store_file
from doorstep.kernel.files.models import StoredFile
from doorstep.kernel.testing.cast import SYSTEM

pytestmark = pytest.mark.django_db

AT = datetime(2025, 5, 7, 4, tzinfo=UTC)
PDF = b"%PDF-1.7 licence"


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def store(content: bytes, name: str = "licence.pdf") -> StoredFile:
    return store_file(actor=SYSTEM, at=AT, name=name, content=content)


def test_the_same_bytes_are_stored_once_under_their_digest():
    first, second = store(PDF), store(PDF, "again.pdf")
    assert first == second
    assert first.media_type == "application/pdf"
    assert path_of(first.sha256).read_bytes() == PDF
    assert StoredFile.objects.count() == 1


@pytest.mark.parametrize("content", [b"", b"<script>alert(1)</script>", b"MZ\x90 program", b"RIFF0000AVI "])
def test_other_types_are_refused_whatever_they_are_called(content: bytes, tmp_path: Path):
    with pytest.raises(FileRefused):
        store(content, "photo.jpg")
    assert StoredFile.objects.count() == 0
    assert list(tmp_path.rglob("*")) == []


def test_a_file_too_large_is_refused(settings: Any):
    settings.UPLOAD_MAX_BYTES = len(PDF)
    store(PDF)
    with pytest.raises(FileRefused):
        store(PDF + b"!")


def test_a_name_with_a_path_in_it_is_only_a_name():
    assert store(PDF, "../../etc/passwd").name == "passwd"
