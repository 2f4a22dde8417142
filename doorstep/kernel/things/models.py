"""Things: an object or a batch in somebody's custody, and stock as a count. Who had what when is append-only."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from doorstep.kernel.common.ids import Identified


class HolderKind(models.TextChoices):
    """What may have custody of a thing."""

    PERSON = "person", "个人"
    ORGANISATION = "organisation", "单位"
    PLACE = "place", "地点"
    DEVICE = "device", "设备"


class Condition(models.TextChoices):
    NEW = "new", "全新"
    GOOD = "good", "完好"
    WORN = "worn", "有磨损"
    DAMAGED = "damaged", "损坏"
    LOST = "lost", "遗失"
    SCRAPPED = "scrapped", "报废"


class Thing(Identified):
    """A physical object, or a batch of ``quantity`` alike that stays together. ``barcode`` is the organisation's own.

    ``holder_kind``/``holder_id``, ``condition`` and ``moves`` are those of the last custody event; ``verify`` proves it.
    """

    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="things")
    barcode = models.TextField()
    kind = models.TextField()
    name = models.TextField()
    quantity = models.IntegerField(default=1)
    condition = models.TextField(choices=Condition)
    holder_kind = models.TextField(choices=HolderKind)
    holder_id = models.UUIDField()
    moves = models.IntegerField(default=1)
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "barcode"], name="thing_barcode_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0, moves__gt=0), name="thing_quantity"),
        ]
        indexes = [models.Index(fields=["holder_id", "id"], name="thing_holder")]

    def __str__(self) -> str:
        return self.name


class CustodyEvent(Identified):
    """One hand-over: who to whom, where, when, with which proof. ``ordinal`` counts a thing's events from 1.

    The first event has no giver; at an inspection giver and receiver are the same. ``proof_value`` is the code that was
    shown, the Ed25519 signature (hex) or the SHA-256 of the photo (hex).
    """

    class Kind(models.TextChoices):
        REGISTERED = "registered", "登记"
        HANDED = "handed", "交接"
        INSPECTED = "inspected", "查验"
        RETIRED = "retired", "停用"

    class Proof(models.TextChoices):
        NONE = "none", "无"
        CODE = "code", "取件码"
        SIGNATURE = "signature", "签名"
        PHOTO = "photo", "照片"

    append_only = True

    thing = models.ForeignKey(Thing, models.PROTECT, related_name="events")
    ordinal = models.IntegerField()
    kind = models.TextField(choices=Kind)
    from_kind = models.TextField(choices=HolderKind, null=True)
    from_id = models.UUIDField(null=True)
    to_kind = models.TextField(choices=HolderKind)
    to_id = models.UUIDField()
    place = models.ForeignKey("places.Place", models.PROTECT, null=True, related_name="+")
    condition = models.TextField(choices=Condition)
    proof_kind = models.TextField(choices=Proof, default=Proof.NONE)
    proof_value = models.TextField(blank=True, db_default="")
    note = models.TextField(blank=True, db_default="")
    by_kind = models.TextField()
    by_id = models.UUIDField(null=True)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["thing", "ordinal"], name="custody_ordinal_once"),
            models.CheckConstraint(
                condition=Q(ordinal=1, kind="registered", from_kind__isnull=True, from_id__isnull=True)
                | Q(ordinal__gt=1, from_kind__isnull=False, from_id__isnull=False) & ~Q(kind="registered"),
                name="custody_first_has_no_giver",
            ),
            models.CheckConstraint(
                condition=Q(proof_kind="none", proof_value="") | ~Q(proof_kind="none") & ~Q(proof_value=""),
                name="custody_proof",
            ),
        ]
        indexes = [
            models.Index(fields=["to_id", "at"], name="custody_receiver"),
            models.Index(fields=["from_id", "at"], name="custody_giver"),
        ]


class StockItem(Identified):
    """How many of a kind a place has. ``moves`` counts its movements; ``quantity`` is their sum, never below zero."""

    place = models.ForeignKey("places.Place", models.PROTECT, related_name="stock")
    kind = models.TextField()
    name = models.TextField()
    quantity = models.BigIntegerField(default=0)
    moves = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["place", "kind"], name="stock_item_once"),
            models.CheckConstraint(condition=Q(quantity__gte=0), name="stock_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name


class StockMovement(Identified):
    """``change`` pieces came or went, ``after`` are there then. ``subject`` says for what, e.g. a prize's entitlement."""

    append_only = True

    item = models.ForeignKey(StockItem, models.PROTECT, related_name="movements")
    ordinal = models.BigIntegerField()
    change = models.BigIntegerField()
    after = models.BigIntegerField()
    reason = models.TextField()
    note = models.TextField(blank=True, db_default="")
    subject_kind = models.TextField(blank=True, db_default="")
    subject_id = models.UUIDField(null=True)
    by_kind = models.TextField()
    by_id = models.UUIDField(null=True)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "ordinal"], name="stock_movement_ordinal_once"),
            models.CheckConstraint(
                condition=~Q(change=0) & Q(after__gte=0) & Q(after__gte=F("change")), name="stock_movement_change"
            ),
        ]
        indexes = [models.Index(fields=["subject_id"], name="stock_movement_subject")]
