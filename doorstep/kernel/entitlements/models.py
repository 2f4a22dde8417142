"""Entitlements: who may have what, how often, and who pays. ``grant → use → settle`` is the platform's core loop."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now

from doorstep.kernel.common.ids import Identified


class Terms(Identified):
    """What an entitlement promises, under a name that stays while its versions change.

    ``payer`` is the organisation that pays; granting moves money from ``budget`` to ``reserved``, using moves it on to the
    payee, so that a use never touches the payer's own account.
    """

    code = models.TextField(unique=True)
    service = models.TextField()
    title = models.TextField()
    payer = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="terms")
    budget = models.ForeignKey("ledger.Account", models.PROTECT, related_name="+")
    reserved = models.ForeignKey("ledger.Account", models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.title


class TermsVersion(Identified):
    """The conditions in force from a moment on. Past uses are judged by the version of their time.

    ``windows``: ``[{"code", "title", "start": "10:30", "end": "15:00"}]`` in the city's time, end excluded.
    ``limits``: ``{"per_window": 1, "per_month": 22}``. ``standings``: any of these kinds makes a person eligible; empty: all.
    ``place_ids``: where it may be used; empty: nowhere is closed to it.
    """

    append_only = True

    terms = models.ForeignKey(Terms, models.PROTECT, related_name="versions")
    effective_from = models.DateTimeField()
    list_price_fen = models.BigIntegerField()
    payer_share_fen = models.BigIntegerField()
    person_share_fen = models.BigIntegerField()
    windows = models.JSONField(default=list)
    limits = models.JSONField(default=dict)
    standings = ArrayField(models.TextField(), default=list)
    place_ids = ArrayField(models.UUIDField(), default=list)
    made_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["terms", "effective_from"], name="terms_version_once"),
            models.CheckConstraint(
                condition=Q(payer_share_fen__gte=0, person_share_fen__gte=0)
                & Q(list_price_fen=F("payer_share_fen") + F("person_share_fen")),
                name="terms_shares_make_the_price",
            ),
        ]


class Grant(Identified):
    """One act of giving out: pushed to many, opened for claiming, or from a list.

    ``offered`` is the number of entitlements whose budget is reserved; ``taken`` how many exist. Closing a claim gives the
    rest of the budget back.
    """

    class Source(models.TextChoices):
        PUSH = "push"
        CLAIM = "claim"
        LIST = "list"
        SINGLE = "single"

    terms = models.ForeignKey(Terms, models.PROTECT, related_name="grants")
    source = models.TextField(choices=Source)
    title = models.TextField(blank=True, db_default="")
    offered = models.IntegerField()
    taken = models.IntegerField(default=0)
    unit_fen = models.BigIntegerField()
    units = models.IntegerField(default=1)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    made_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(taken__gte=0, taken__lte=F("offered")), name="grant_within_quota"),
            models.CheckConstraint(condition=Q(valid_until__gt=F("valid_from")), name="grant_validity"),
            models.CheckConstraint(condition=Q(units__gt=0, unit_fen__gte=0), name="grant_units"),
        ]


class Entitlement(Identified):
    """A person's right to ``units`` uses between two moments. ``number`` is for people: typed codes are made from it."""

    class State(models.TextChoices):
        OPEN = "open"
        EXPIRED = "expired"
        VOID = "void"

    number = models.BigIntegerField(
        unique=True,
        db_default=Func(Value("entitlements_number"), function="nextval", output_field=models.BigIntegerField()),
        editable=False,
    )
    terms = models.ForeignKey(Terms, models.PROTECT, related_name="entitlements")
    grant = models.ForeignKey(Grant, models.PROTECT, related_name="entitlements")
    person = models.ForeignKey("people.Person", models.PROTECT, related_name="entitlements")
    ordinal = models.IntegerField(default=0)
    units = models.IntegerField(default=1)
    used = models.IntegerField(default=0)
    unit_fen = models.BigIntegerField()
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    state = models.TextField(choices=State, default=State.OPEN)
    granted_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    closed_reason = models.TextField(blank=True, db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["grant", "person", "ordinal"], name="entitlement_once_a_grant"),
            models.CheckConstraint(condition=Q(used__gte=0, used__lte=F("units")), name="entitlement_within_units"),
            models.CheckConstraint(condition=Q(valid_until__gt=F("valid_from")), name="entitlement_validity"),
        ]
        indexes = [
            models.Index(fields=["person", "valid_until"], name="entitlement_person"),
            models.Index(fields=["valid_until"], condition=Q(state="open"), name="entitlement_expiring"),
        ]


class Use(Identified):
    """One use. Who, what, where, when, who paid how much, and the receipt as it was answered.

    ``slot`` is what may happen once (one meal of one person on one day); ``quota_slot`` counts within a month. Both are
    unique among uses that were not reversed. ``key`` is the client's idempotency key within ``key_scope``.
    """

    class Source(models.TextChoices):
        ONLINE = "online"
        OFFLINE = "offline"

    append_only = True
    updatable = ("reversed_at", "reversed_by_kind", "reversed_by_id", "reversal_reason", "slot", "quota_slot")

    entitlement = models.ForeignKey(Entitlement, models.PROTECT, related_name="uses", db_index=False)
    terms_version = models.ForeignKey(TermsVersion, models.PROTECT, related_name="uses", db_index=False)
    person = models.ForeignKey("people.Person", models.PROTECT, related_name="uses", db_index=False)
    place = models.ForeignKey("places.Place", models.PROTECT, related_name="uses", db_index=False)
    device = models.ForeignKey("organisations.Device", models.PROTECT, null=True, related_name="uses")
    payee = models.ForeignKey("ledger.Account", models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    day = models.DateField()
    window = models.TextField(blank=True, db_default="")
    slot = models.TextField(null=True)
    quota_slot = models.TextField(null=True)
    list_price_fen = models.BigIntegerField()
    payer_fen = models.BigIntegerField()
    person_fen = models.BigIntegerField()
    source = models.TextField(choices=Source, default=Source.ONLINE)
    batch = models.UUIDField()
    key_scope = models.TextField()
    key = models.TextField()
    request_digest = models.BinaryField()
    receipt = models.TextField()
    evidence = models.JSONField(default=dict)
    recorded_at = models.DateTimeField(db_default=Now())
    reversed_at = models.DateTimeField(null=True)
    reversed_by_kind = models.TextField(null=True)
    reversed_by_id = models.UUIDField(null=True)
    reversal_reason = models.TextField(blank=True, db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key_scope", "key"], name="use_key_once"),
            models.UniqueConstraint(fields=["slot"], name="use_slot_once"),
            models.UniqueConstraint(fields=["quota_slot"], name="use_quota_slot_once"),
            models.CheckConstraint(
                condition=Q(list_price_fen=F("payer_fen") + F("person_fen"), payer_fen__gte=0, person_fen__gte=0),
                name="use_shares_make_the_price",
            ),
            models.CheckConstraint(
                condition=Q(reversed_at__isnull=True) | Q(slot__isnull=True, quota_slot__isnull=True),
                name="use_reversed_frees_its_slot",
            ),
        ]
        indexes = [
            models.Index(fields=["entitlement"], name="use_entitlement"),
            models.Index(fields=["person", "day"], name="use_person_day"),
            models.Index(fields=["place", "day"], name="use_place_day"),
            models.Index(fields=["payee", "day"], name="use_payee_day"),
        ]


class Refusal(Identified):
    """A use that was asked for and not given, with its reason: kept, because patterns of refusals tell something too."""

    append_only = True

    code = models.TextField()
    data = models.JSONField(default=dict)
    person_id = models.UUIDField(null=True)
    entitlement_id = models.UUIDField(null=True)
    place = models.ForeignKey("places.Place", models.PROTECT, null=True, related_name="refusals")
    device = models.ForeignKey("organisations.Device", models.PROTECT, null=True, related_name="refusals")
    source = models.TextField(choices=Use.Source, default=Use.Source.ONLINE)
    key = models.TextField(blank=True, db_default="")
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["place", "at"], name="refusal_place_at")]


class OfflineConflict(Identified):
    """A use recorded without network that the books could not take at synchronisation: found, booked, reported.

    ``bearer`` is the account the meal was booked to (named in the programme's declaration), or none when it moved no money.
    """

    append_only = True
    updatable = ("resolved_at", "resolved_by_id", "resolution", "settlement_id")

    code = models.TextField()
    data = models.JSONField(default=dict)
    entitlement_id = models.UUIDField(null=True)
    person_id = models.UUIDField(null=True)
    place = models.ForeignKey("places.Place", models.PROTECT, related_name="+")
    device = models.ForeignKey("organisations.Device", models.PROTECT, related_name="+")
    payee = models.ForeignKey("ledger.Account", models.PROTECT, null=True, related_name="+")
    bearer = models.ForeignKey("ledger.Account", models.PROTECT, null=True, related_name="+")
    batch = models.UUIDField(null=True)
    amount_fen = models.BigIntegerField()
    key = models.TextField()
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    resolved_at = models.DateTimeField(null=True)
    resolved_by_id = models.UUIDField(null=True)
    resolution = models.TextField(blank=True, db_default="")
    settlement = models.ForeignKey("Settlement", models.PROTECT, null=True, related_name="conflicts")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "key"], name="offline_conflict_once")]
        indexes = [
            models.Index(fields=["payee", "at"], condition=Q(settlement=None), name="offline_conflict_unsettled")
        ]


class Settlement(Identified):
    """What one payer owes one payee for the uses of a period: prepared by one person, approved by another, then paid.

    ``uses`` counts uses (person-times), ``persons`` people: the two are never mixed. ``late`` of the uses are of days
    that an earlier statement had already closed. ``parties`` are the names and bank accounts as they were at approval,
    so that a payment file made again is the same file. ``borne_fen`` is what the payer bears of offline conflicts,
    posted to the payee when they were booked; it is paid with the uses and shown apart from them.
    """

    class State(models.TextChoices):
        PREPARED = "prepared"
        APPROVED = "approved"
        PAID = "paid"

    service = models.TextField()
    payee = models.ForeignKey("ledger.Account", models.PROTECT, related_name="settlements")
    payer = models.ForeignKey("organisations.Organisation", models.PROTECT, related_name="settlements")
    first_day = models.DateField()
    last_day = models.DateField()
    number = models.TextField(unique=True)
    uses = models.IntegerField()
    persons = models.IntegerField()
    late = models.IntegerField(default=0)
    list_fen = models.BigIntegerField()
    payer_fen = models.BigIntegerField()
    person_fen = models.BigIntegerField()
    borne_fen = models.BigIntegerField(default=0)
    adjustment_fen = models.BigIntegerField(default=0)
    parties = models.JSONField(default=dict)
    tree_size = models.BigIntegerField()
    tree_root = models.BinaryField()
    state = models.TextField(choices=State, default=State.PREPARED)
    prepared_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    prepared_at = models.DateTimeField()
    approved_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True)
    invoice_number = models.TextField(blank=True, db_default="")
    invoice_fen = models.BigIntegerField(null=True)
    paid_at = models.DateTimeField(null=True)
    batch = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payee", "payer", "first_day", "last_day"], name="settlement_period_once"),
            models.CheckConstraint(condition=Q(last_day__gte=F("first_day")), name="settlement_period"),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | ~Q(approved_by=F("prepared_by")),
                name="settlement_needs_two_people",
            ),
            models.CheckConstraint(
                condition=Q(state="prepared") | Q(invoice_fen=F("payer_fen") + F("borne_fen") + F("adjustment_fen")),
                name="settlement_invoice_matches",
            ),
            models.CheckConstraint(condition=Q(uses__gt=0, persons__lte=F("uses")), name="settlement_counts"),
            models.CheckConstraint(
                condition=Q(list_fen=F("payer_fen") + F("person_fen")), name="settlement_shares_make_the_price"
            ),
        ]

    @property
    def owed_fen(self) -> int:
        """What the invoice must say and the bank moves."""
        return self.payer_fen + self.borne_fen + self.adjustment_fen


class SettlementLine(models.Model):
    """One use in one settlement; a use is settled at most once."""

    append_only = True

    settlement = models.ForeignKey(Settlement, models.PROTECT, related_name="lines")
    use = models.OneToOneField(Use, models.PROTECT, related_name="settled")


class SettlementAdjustment(Identified):
    """A correction of what is owed, with its reason; plus is for the payee. ``account`` bears it once approved."""

    append_only = True

    settlement = models.ForeignKey(Settlement, models.PROTECT, related_name="adjustments")
    amount_fen = models.BigIntegerField()
    reason = models.TextField()
    account = models.ForeignKey("ledger.Account", models.PROTECT, related_name="+")
    made_by = models.ForeignKey("people.Person", models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(amount_fen=0) & ~Q(reason=""), name="settlement_adjustment_says_why")
        ]
