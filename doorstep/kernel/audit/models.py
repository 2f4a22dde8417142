"""The audit log: entries, the queue of entries not yet sealed, and the signed Merkle tree over the sealed ones."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import UUID7, Now

ACTOR_KINDS = ("person", "device", "system")


class Entry(models.Model):
    """Who did what, on what, when. ``body`` is the evidence; the other columns repeat it so that it can be found."""

    append_only: ClassVar[bool] = True

    id = models.UUIDField(primary_key=True, db_default=UUID7(), editable=False)
    at = models.DateTimeField()
    # The database's own clock. It only orders the sealing; it is not part of the body, so it proves nothing.
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)
    actor_kind = models.TextField()
    actor_id = models.UUIDField(null=True)
    action = models.TextField()
    subject_kind = models.TextField()
    subject_id = models.UUIDField(null=True)
    # Plain ids, no foreign keys: the log outlives what it tells of and must not depend on any other block.
    organisation_id = models.UUIDField(null=True)
    body = models.TextField()

    class Meta:
        verbose_name_plural = "entries"
        indexes = [
            models.Index(fields=["subject_kind", "subject_id", "id"], name="audit_entry_subject"),
            models.Index(fields=["action", "at"], name="audit_entry_action"),
            models.Index(fields=["actor_id", "id"], name="audit_entry_actor", condition=Q(actor_id__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(actor_kind__in=ACTOR_KINDS), name="audit_entry_actor_kind"),
            models.CheckConstraint(condition=~Q(action="") & ~Q(subject_kind=""), name="audit_entry_named"),
        ]


class Pending(models.Model):
    """An entry waiting to be sealed: put in with the entry, taken out by the sealer."""

    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, primary_key=True, related_name="pending")

    class Meta:
        verbose_name_plural = "pending"


class Leaf(models.Model):
    """The place of a sealed entry in the tree, and its leaf hash."""

    append_only: ClassVar[bool] = True

    index = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="leaf")
    hash = models.BinaryField(max_length=32)

    class Meta:
        verbose_name_plural = "leaves"
        constraints = [models.CheckConstraint(condition=Q(index__gte=0), name="audit_leaf_index")]


class Subtree(models.Model):
    """Root of a whole subtree of 2**level leaves, kept at levels 8, 16, 24 …: proofs then read a few hundred rows."""

    append_only: ClassVar[bool] = True

    pk = models.CompositePrimaryKey("level", "index")
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)


class Head(models.Model):
    """The signed root of the first ``size`` leaves. ``frontier`` lets the next seal go on without reading them."""

    append_only: ClassVar[bool] = True

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    frontier = models.BinaryField()
    at = models.DateTimeField(db_index=True)
    signature = models.BinaryField(max_length=64)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(size__gt=0), name="audit_head_size")]
