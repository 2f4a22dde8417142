"""Identifiers: UUIDv7, so that keys sort by the time they were made (RFC 9562)."""

from django.db import models
from django.db.models.functions import UUID7
from uuid_utils.compat import uuid7

__all__ = ["Identified", "uuid7"]


class Identified(models.Model):
    """A row known by a UUIDv7 that the database makes."""

    id = models.UUIDField(primary_key=True, db_default=UUID7(), editable=False)

    class Meta:
        abstract = True
