"""The proof that the records are right: books, entitlements and audit log, each against itself and against one another."""

from dataclasses import asdict
from typing import Any

from django.db import connection, transaction

from doorstep.kernel.audit.verify import verify as verify_audit
from doorstep.kernel.bookings.queries import verify as verify_bookings
from doorstep.kernel.common.findings import Finding
from doorstep.kernel.entitlements.queries import verify as verify_entitlements
from doorstep.kernel.ledger.queries import verify as verify_ledger
from doorstep.kernel.things.queries import verify as verify_things

_LEDGER = """
SELECT (SELECT count(*) FROM ledger_account), (SELECT count(*) FROM ledger_transfer),
  (SELECT coalesce(sum(debits_posted), 0) FROM ledger_balance), (SELECT coalesce(sum(credits_posted), 0) FROM ledger_balance),
  (SELECT coalesce(sum(debits_posted - credits_posted), 0) FROM ledger_balance)
"""
_ENTITLEMENTS = """
SELECT (SELECT count(*) FROM entitlements_entitlement), (SELECT count(*) FROM entitlements_use),
  (SELECT count(*) FROM entitlements_use WHERE reversed_at IS NOT NULL),
  (SELECT count(DISTINCT person_id) FROM entitlements_use WHERE reversed_at IS NULL),
  (SELECT coalesce(sum(payer_fen), 0) FROM entitlements_use WHERE reversed_at IS NULL),
  (SELECT count(*) FROM entitlements_offlineconflict)
"""
_BOOKINGS = """
SELECT (SELECT count(*) FROM bookings_session), (SELECT count(*) FROM bookings_booking),
  (SELECT count(*) FROM bookings_reservation)
"""
_THINGS = """
SELECT (SELECT count(*) FROM things_thing), (SELECT count(*) FROM things_custodyevent),
  (SELECT count(*) FROM things_stockmovement)
"""
_AUDIT = """
SELECT (SELECT count(*) FROM audit_entry), (SELECT count(*) FROM audit_leaf), (SELECT count(*) FROM audit_pending),
  (SELECT count(*) FROM audit_head), (SELECT encode(root, 'hex') FROM audit_head ORDER BY size DESC LIMIT 1)
"""


def _row(sql: str, names: tuple[str, ...]) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return {
            name: int(value) if name != "root" else value for name, value in zip(names, cursor.fetchone(), strict=True)
        }


def report() -> dict[str, Any]:
    """Everything counted and everything found wrong, from one picture of the database, even while tills are working."""
    findings: list[Finding] = []
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        result: dict[str, Any] = {
            "ledger": _row(_LEDGER, ("accounts", "transfers", "debits_fen", "credits_fen", "sum_fen")),
            "entitlements": _row(
                _ENTITLEMENTS, ("entitlements", "uses", "reversed", "persons", "payer_fen", "offline_conflicts")
            ),
            "bookings": _row(_BOOKINGS, ("sessions", "bookings", "reservations")),
            "things": _row(_THINGS, ("things", "custody_events", "stock_movements")),
            "audit": _row(_AUDIT, ("entries", "sealed", "waiting", "heads", "root")),
        }
        for block, prove in (
            ("ledger", verify_ledger),
            ("entitlements", verify_entitlements),
            ("bookings", verify_bookings),
            ("things", verify_things),
            ("audit", verify_audit),
        ):
            found = prove()
            result[block]["findings"] = len(found)
            findings += found
    return {"ok": not findings, **result, "findings": [asdict(finding) for finding in findings]}
