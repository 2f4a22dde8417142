"""Keeping uploaded bytes: bounded, of known types, named by their digest."""

import hashlib
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Invalid
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.files.models import StoredFile

# First bytes of what we accept; the browser's word for the type is not believed.
_SIGNATURES = {
    b"%PDF-": "application/pdf",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"PK\x03\x04": "application/zip",
}


class FileRefused(Invalid):
    code = "file_refused"
    text = _("这个文件不能上传。")
    remedy = _("请上传 10 MB 以内的 JPG、PNG 或 PDF。")


def media_type_of(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _SIGNATURES.items() if content.startswith(start)), None)


def path_of(sha256: str) -> Path:
    return Path(settings.MEDIA_ROOT) / sha256[:2] / sha256


@action
def store_file(*, actor: Actor, at: datetime, name: str, content: bytes) -> StoredFile:
    """Keep these bytes (once) and return their row. Raises: FileRefused."""
    media_type = media_type_of(content)
    if media_type is None or not 0 < len(content) <= settings.UPLOAD_MAX_BYTES:
        raise FileRefused("file")
    sha256 = hashlib.sha256(content).hexdigest()
    path = path_of(sha256)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{uuid7()}")
        temporary.write_bytes(content)
        temporary.replace(path)
    StoredFile.objects.bulk_create(
        [
            StoredFile(
                id=uuid7(),
                sha256=sha256,
                size=len(content),
                media_type=media_type,
                name=Path(name).name[:200],
                stored_at=at,
                stored_by_id=actor.id,
            )
        ],
        ignore_conflicts=True,
    )
    return StoredFile.objects.get(sha256=sha256)
