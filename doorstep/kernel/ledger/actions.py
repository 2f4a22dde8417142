"""What may be done with money: open accounts, post batches, hold, release.

These are called by other actions inside their transaction; the transaction and the permission belong to the outermost one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common.actor import system_actor
from doorstep.kernel.common.canonical import digest, plain
from doorstep.kernel.common.errors import Conflict, NotFound, Problem, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.common.money import MAX_FEN
from doorstep.kernel.ledger.models import SLOTS, Account, Balance, Transfer
from doorstep.kernel.ledger.statements import POST, TRANSFER_RECORD

MAX_BATCH = 20_000
FACTS = (
    "id", "debit_id", "credit_id", "amount_fen", "kind", "pending_id", "released_fen", "expires_at", "code",
    "subject_kind", "subject_id", "at",
)  # fmt: skip


class NotEnoughMoney(Problem):
    code = "not_enough_money"
    status = 409
    text = _("账户余额不够。")
    remedy = _("请先拨入经费,或减少数量。")


class HoldExpired(WrongState):
    code = "hold_expired"
    text = _("这笔预留已经过期。")
    remedy = _("请重新发起。")


class AlreadyResolved(Conflict):
    code = "already_resolved"
    text = _("这笔预留已经处理过。")
    remedy = _("请刷新看看结果。")


@dataclass(frozen=True, slots=True)
class NewTransfer:
    """A movement to be posted; ``amount_fen`` > 0."""

    debit_id: UUID
    credit_id: UUID
    amount_fen: int
    code: str
    subject_kind: str
    subject_id: UUID | None
    at: datetime
    kind: str = "posted"
    pending_id: UUID | None = None
    released_fen: int = 0
    expires_at: datetime | None = None


def open_account(
    *, code: str, title: str, at: datetime, organisation_id: UUID | None = None, bound: str = Account.Bound.NONE
) -> Account:
    """The account of that code, opened when it is new. A known code with another bound is an error."""
    account = Account.objects.filter(code=code).first()
    if account is None:
        account = Account.objects.create(
            id=uuid7(), code=code, title=title, organisation_id=organisation_id, bound=bound, opened_at=at
        )
        slots = 1 if bound != Account.Bound.NONE else SLOTS
        Balance.objects.bulk_create([Balance(account=account, slot=slot, bound=bound) for slot in range(slots)])
    elif account.bound != bound:
        raise ValueError(f"account {code} is open with bound {account.bound}")
    return account


def transfer_rows(transfers: Sequence[NewTransfer], batch: UUID) -> list[dict[str, Any]]:
    """The rows of ``new_transfers`` for :data:`POST`, ready for JSON."""
    rows = []
    for transfer in transfers:
        if not 0 < transfer.amount_fen <= MAX_FEN:
            raise ValueError(f"amount out of range: {transfer.amount_fen}")
        rows.append({"id": str(uuid7()), "batch": str(batch), **plain(transfer)})
    return rows


def post(transfers: Sequence[NewTransfer]) -> UUID:
    """Post a batch atomically, in one statement; returns the batch's id.

    Raises: NotEnoughMoney when a bounded account would be overdrawn, AlreadyResolved, NotFound (no such account).
    """
    if len(transfers) > MAX_BATCH:
        raise ValueError(f"more than {MAX_BATCH} transfers in a batch")
    if not transfers:
        raise ValueError("an empty batch moves nothing")
    batch = uuid7()
    rows = transfer_rows(transfers, batch)
    accounts = {side for transfer in transfers for side in (transfer.debit_id, transfer.credit_id)}
    statement = f"""WITH new_transfers AS (SELECT * FROM jsonb_to_recordset(%s::jsonb) AS r({TRANSFER_RECORD})),
        {POST} SELECT count(*) FROM moved_balances"""  # noqa: S608
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, [json.dumps(rows)])
            moved = cursor.fetchone()[0]
    except IntegrityError as error:
        raise explain(error) from error
    if moved != len(accounts):
        raise NotFound(text=_("账户不存在。"))
    record(
        actor=system_actor("ledger"),
        action="ledger.post",
        subject_kind="batch",
        subject_id=batch,
        at=transfers[0].at,
        data={"transfers": digest([transfer_facts(row) for row in sorted(rows, key=lambda row: row["id"])])},
    )
    return batch


def transfer_facts(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit entry of a batch binds by digest; ``verify`` computes it again from the rows."""
    return {name: row[name] for name in FACTS}


def explain(error: IntegrityError) -> Problem:
    """The domain error behind a ledger constraint; others are raised again."""
    text = str(error)
    if "balance_debits_within_credits" in text or "balance_credits_within_debits" in text:
        return NotEnoughMoney()
    if "transfer_pending_resolved_once" in text or "balance_pending_not_negative" in text:
        return AlreadyResolved()
    raise error


def _pending(transfer_id: UUID) -> Transfer:
    pending = Transfer.objects.filter(pk=transfer_id, kind=Transfer.Kind.PENDING).first()
    if pending is None:
        raise NotFound
    return pending


def post_pending(*, transfer_id: UUID, at: datetime, amount_fen: int | None = None) -> UUID:
    """Turn a held amount (or a part of it; the rest is released) into a posted transfer.

    Raises: NotFound, HoldExpired, AlreadyResolved, ValueError (more than was held).
    """
    held = _pending(transfer_id)
    if held.expires_at is not None and at >= held.expires_at:
        raise HoldExpired
    taken = held.amount_fen if amount_fen is None else amount_fen
    if not 0 < taken <= held.amount_fen:
        raise ValueError("post at least 1 fen and at most what is held")
    return post([_resolution(held, Transfer.Kind.POST, taken, at)])


def void_pending(*, transfer_id: UUID, at: datetime) -> UUID:
    """Give a held amount back. Raises: NotFound, AlreadyResolved."""
    held = _pending(transfer_id)
    return post([_resolution(held, Transfer.Kind.VOID, held.amount_fen, at)])


def _resolution(held: Transfer, kind: str, amount_fen: int, at: datetime) -> NewTransfer:
    return NewTransfer(
        debit_id=held.debit_id,
        credit_id=held.credit_id,
        amount_fen=amount_fen,
        code=held.code,
        subject_kind=held.subject_kind,
        subject_id=held.subject_id,
        at=at,
        kind=kind,
        pending_id=held.pk,
        released_fen=held.amount_fen,
    )


def expire_pending(at: datetime, limit: int = 1000) -> int:
    """Void the holds whose time is over, oldest first; returns how many. Safe to run twice at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT t.id FROM ledger_transfer t WHERE t.kind = 'pending' AND t.expires_at <= %s
               AND NOT EXISTS (SELECT 1 FROM ledger_transfer r WHERE r.pending_id = t.id)
               ORDER BY t.expires_at, t.id LIMIT %s""",
            [at, limit],
        )
        due = [row[0] for row in cursor.fetchall()]
    voided = 0
    for transfer_id in due:
        try:
            void_pending(transfer_id=transfer_id, at=at)
        except AlreadyResolved:
            continue
        voided += 1
    return voided
