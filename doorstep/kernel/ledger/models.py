"""The ledger: double entry in integer fen, append-only.

A transfer debits one account and credits another, so the books balance by construction. ``pending`` transfers hold money until
a ``post`` or a ``void`` resolves them, once. Balances are kept beside the transfers and proved against them by ``verify``.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from doorstep.kernel.common.ids import Identified

SLOTS = 16


class Account(Identified):
    """Something money is counted for: a budget, what is owed to a venue, the bank outside.

    ``bound`` limits the balance: a budget (``debits_within_credits``) never pays out more than was put in.
    """

    class Bound(models.TextChoices):
        NONE = "none"
        DEBITS_WITHIN_CREDITS = "debits_within_credits"
        CREDITS_WITHIN_DEBITS = "credits_within_debits"

    append_only = True

    code = models.TextField(unique=True)
    title = models.TextField()
    organisation = models.ForeignKey("organisations.Organisation", models.PROTECT, null=True, related_name="accounts")
    bound = models.TextField(choices=Bound, default=Bound.NONE)
    opened_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.title


class Balance(models.Model):
    """Running sums of one account, in fen.

    An unbounded account is spread over slots (a connection adds to its own), so that a hundred tills of one venue never
    wait for each other; a bounded account has slot 0 alone, where the constraint is checked.
    """

    account = models.ForeignKey(Account, models.PROTECT, related_name="balances")
    slot = models.SmallIntegerField()
    bound = models.TextField(choices=Account.Bound, default=Account.Bound.NONE)
    debits_posted = models.BigIntegerField(default=0)
    credits_posted = models.BigIntegerField(default=0)
    debits_pending = models.BigIntegerField(default=0)
    credits_pending = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "slot"], name="balance_slot_once"),
            models.CheckConstraint(
                condition=~Q(bound="debits_within_credits")
                | Q(credits_posted__gte=F("debits_posted") + F("debits_pending")),
                name="balance_debits_within_credits",
            ),
            models.CheckConstraint(
                condition=~Q(bound="credits_within_debits")
                | Q(debits_posted__gte=F("credits_posted") + F("credits_pending")),
                name="balance_credits_within_debits",
            ),
            models.CheckConstraint(condition=Q(bound="none") | Q(slot=0), name="balance_bounded_in_one_slot"),
            models.CheckConstraint(
                condition=Q(debits_pending__gte=0, credits_pending__gte=0) | Q(bound="none"),
                name="balance_pending_not_negative",
            ),
        ]


class Transfer(Identified):
    """One movement. Transfers that belong together share ``batch`` and were written in one statement."""

    class Kind(models.TextChoices):
        POSTED = "posted"
        PENDING = "pending"
        POST = "post"
        VOID = "void"

    append_only = True

    batch = models.UUIDField()
    debit = models.ForeignKey(Account, models.PROTECT, related_name="debits", db_index=False)
    credit = models.ForeignKey(Account, models.PROTECT, related_name="credits", db_index=False)
    amount_fen = models.BigIntegerField()
    kind = models.TextField(choices=Kind, default=Kind.POSTED)
    pending = models.ForeignKey("self", models.PROTECT, null=True, related_name="resolutions", db_index=False)
    released_fen = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)
    code = models.TextField()
    subject_kind = models.TextField()
    subject_id = models.UUIDField(null=True)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_fen__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_joins_two_accounts"),
            models.CheckConstraint(
                condition=Q(kind__in=["post", "void"], pending__isnull=False, released_fen__gte=F("amount_fen"))
                | Q(kind__in=["posted", "pending"], pending__isnull=True, released_fen=0),
                name="transfer_resolves_a_pending",
            ),
            models.UniqueConstraint(
                fields=["pending"], condition=Q(pending__isnull=False), name="transfer_pending_resolved_once"
            ),
        ]
        indexes = [
            models.Index(fields=["debit", "at"], name="transfer_debit_at"),
            models.Index(fields=["credit", "at"], name="transfer_credit_at"),
            models.Index(fields=["subject_id"], name="transfer_subject"),
        ]
