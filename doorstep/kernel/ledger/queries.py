"""What may be asked of the ledger: balances now and at any past instant, and the proof that the books are right."""

import json
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from uuid import UUID

from django.db import connection

from doorstep.kernel.common.canonical import digest, plain
from doorstep.kernel.common.findings import Finding
from doorstep.kernel.ledger.actions import FACTS


@dataclass(frozen=True, slots=True)
class BalanceOf:
    """Sums of one account, in fen. ``available_fen`` is what a budget can still pay out."""

    debits_posted: int
    credits_posted: int
    debits_pending: int
    credits_pending: int

    @property
    def net_credit_fen(self) -> int:
        return self.credits_posted - self.debits_posted

    @property
    def available_fen(self) -> int:
        return self.credits_posted - self.debits_posted - self.debits_pending


def balance(account_id: UUID) -> BalanceOf:
    """The balance now. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce(sum(debits_posted), 0)::bigint, coalesce(sum(credits_posted), 0)::bigint,
               coalesce(sum(debits_pending), 0)::bigint, coalesce(sum(credits_pending), 0)::bigint
               FROM ledger_balance WHERE account_id = %s""",
            [account_id],
        )
        return BalanceOf(*cursor.fetchone())


_SIDES = """
SELECT account_id, sum(dp)::bigint, sum(cp)::bigint, sum(dq)::bigint, sum(cq)::bigint FROM (
  SELECT debit_id AS account_id, CASE WHEN kind IN ('posted', 'post') THEN amount_fen ELSE 0 END AS dp, 0 AS cp,
         CASE kind WHEN 'pending' THEN amount_fen ELSE -released_fen END AS dq, 0 AS cq, at FROM ledger_transfer {where_debit}
  UNION ALL
  SELECT credit_id, 0, CASE WHEN kind IN ('posted', 'post') THEN amount_fen ELSE 0 END,
         0, CASE kind WHEN 'pending' THEN amount_fen ELSE -released_fen END, at FROM ledger_transfer {where_credit}
) AS sides GROUP BY account_id
"""


def balance_at(account_id: UUID, at: datetime) -> BalanceOf:
    """The balance as it was at a past instant, from the transfers up to and including it."""
    statement = _SIDES.format(
        where_debit="WHERE debit_id = %(account)s AND at <= %(at)s",
        where_credit="WHERE credit_id = %(account)s AND at <= %(at)s",
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, {"account": account_id, "at": at})
        row = cursor.fetchone()
    return BalanceOf(*row[1:]) if row else BalanceOf(0, 0, 0, 0)


def verify() -> list[Finding]:
    """Prove the books: Σ debits = Σ credits, every balance equals its transfers, every resolution has its hold."""
    findings: list[Finding] = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(debits_posted - credits_posted), 0), coalesce(sum(debits_pending - credits_pending), 0)"
            " FROM ledger_balance"
        )
        posted, pending = cursor.fetchone()
        if posted or pending:
            findings.append(Finding("books_unbalanced", "ledger_balance", "*", f"posted {posted}, pending {pending}"))
        cursor.execute(
            f"""SELECT a.id, a.code, b.dp, b.cp, b.dq, b.cq, coalesce(t.dp, 0), coalesce(t.cp, 0), coalesce(t.dq, 0),
                       coalesce(t.cq, 0)
            FROM ledger_account a
            LEFT JOIN (SELECT account_id, sum(debits_posted) dp, sum(credits_posted) cp, sum(debits_pending) dq,
                              sum(credits_pending) cq FROM ledger_balance GROUP BY account_id) b ON b.account_id = a.id
            LEFT JOIN ({_SIDES.format(where_debit="", where_credit="")}) AS t(account_id, dp, cp, dq, cq)
              ON t.account_id = a.id
            WHERE (b.dp, b.cp, b.dq, b.cq) IS DISTINCT FROM
                  (coalesce(t.dp, 0), coalesce(t.cp, 0), coalesce(t.dq, 0), coalesce(t.cq, 0))"""  # noqa: S608
        )
        for account_id, code, *sums in cursor.fetchall():
            findings.append(
                Finding(
                    "balance_differs",
                    "ledger_balance",
                    str(account_id),
                    f"{code}: kept {sums[:4]}, transfers say {sums[4:]}",
                )
            )
        cursor.execute(
            """SELECT r.id, r.kind, p.kind FROM ledger_transfer r LEFT JOIN ledger_transfer p ON p.id = r.pending_id
               WHERE r.pending_id IS NOT NULL AND (p.id IS NULL OR p.kind <> 'pending' OR p.debit_id <> r.debit_id
               OR p.credit_id <> r.credit_id OR p.amount_fen <> r.released_fen)"""
        )
        for transfer_id, kind, of in cursor.fetchall():
            findings.append(Finding("orphan_resolution", "ledger_transfer", str(transfer_id), f"{kind} of {of}"))
        cursor.execute(
            """SELECT pending_id, count(*) FROM ledger_transfer WHERE pending_id IS NOT NULL
               GROUP BY pending_id HAVING count(*) > 1"""
        )
        for pending_id, times in cursor.fetchall():
            findings.append(Finding("resolved_twice", "ledger_transfer", str(pending_id), f"{times} resolutions"))
    return findings + _verify_batches()


def _verify_batches() -> list[Finding]:
    """Every batch that was not part of a use is bound by its audit entry; uses bind their own transfers."""
    findings: list[Finding] = []
    logged: dict[str, str] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT subject_id, body FROM audit_entry WHERE action = 'ledger.post'")
        for batch, body in cursor:
            logged[str(batch)] = json.loads(body)["data"]["transfers"]
        names = ", ".join(FACTS)
        cursor.execute(
            f"""SELECT batch, {names} FROM ledger_transfer
                WHERE NOT (subject_kind = 'use' AND code IN ('entitlement.use', 'entitlement.paid_by_person'))
                ORDER BY batch, id"""  # noqa: S608
        )
        for batch, rows in groupby(cursor, key=lambda row: row[0]):
            seen = digest([plain(dict(zip(FACTS, row[1:], strict=True))) for row in rows]).hex()
            if logged.pop(str(batch), None) != seen:
                findings.append(Finding("batch_differs", "ledger_transfer", str(batch), "not what the log says"))
    findings += [Finding("batch_missing", "ledger_transfer", batch, "logged, not there") for batch in logged]
    return findings
