"""Attachments by content: the same bytes are stored once, and a row can prove which bytes it means."""

from django.db import models

from doorstep.kernel.common.ids import Identified


class StoredFile(Identified):
    """Bytes under ``MEDIA_ROOT`` named by their SHA-256 (hex)."""

    append_only = True

    sha256 = models.TextField(unique=True)
    size = models.BigIntegerField()
    media_type = models.TextField()
    name = models.TextField()
    stored_at = models.DateTimeField()
    stored_by_id = models.UUIDField(null=True)
