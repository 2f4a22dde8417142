"""What may be asked of entitlements: how many there are of each fate at any instant, and the proof that they add up."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from doorstep.kernel.common.canonical import digest
from doorstep.kernel.common.findings import Finding
from doorstep.kernel.entitlements import settling
from doorstep.kernel.entitlements.models import Use
from doorstep.kernel.entitlements.recording import use_facts

CHUNK = 5000


@dataclass(frozen=True, slots=True)
class Fates:
    """Units of some terms at an instant. ``issued = used + open + expired + void`` always."""

    issued: int
    used: int
    open: int
    expired: int
    void: int


def fates(terms_ids: list[UUID], at: datetime) -> Fates:
    """Where all the units that were issued by ``at`` stood at ``at``. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH units AS (
              SELECT e.units, e.valid_until, e.state, e.closed_at,
                (SELECT count(*) FROM entitlements_use u WHERE u.entitlement_id = e.id AND u.at <= %(at)s
                   AND (u.reversed_at IS NULL OR u.reversed_at > %(at)s)) AS used
              FROM entitlements_entitlement e WHERE e.terms_id = ANY(%(terms)s) AND e.granted_at <= %(at)s)
            SELECT coalesce(sum(units), 0)::bigint, coalesce(sum(used), 0)::bigint,
              coalesce(sum(units - used) FILTER (WHERE state = 'void' AND closed_at <= %(at)s), 0)::bigint,
              coalesce(sum(units - used) FILTER (WHERE valid_until <= %(at)s
                AND NOT (state = 'void' AND closed_at <= %(at)s)), 0)::bigint FROM units""",
            {"terms": terms_ids, "at": at},
        )
        issued, used, void, expired = cursor.fetchone()
    return Fates(issued, used, issued - used - void - expired, expired, void)


def verify() -> list[Finding]:
    """Prove the core loop: units, money and log agree for every entitlement, use and statement."""
    return _verify_units() + _verify_reserves() + _verify_transfers() + _verify_facts() + settling.verify()


def _verify_units() -> list[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT e.id, e.used, count(u.id) FROM entitlements_entitlement e
               LEFT JOIN entitlements_use u ON u.entitlement_id = e.id AND u.reversed_at IS NULL
               GROUP BY e.id HAVING e.used <> count(u.id)"""
        )
        return [
            Finding("units_differ", "entitlements_entitlement", str(row[0]), f"used {row[1]}, uses {row[2]}")
            for row in cursor.fetchall()
        ]


def _verify_reserves() -> list[Finding]:
    """What is reserved is exactly what open rights and open offers may still cost."""
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH owed AS (
              SELECT t.reserved_id, coalesce(sum(x.fen), 0) AS fen FROM entitlements_terms t LEFT JOIN (
                SELECT terms_id, (units - used) * unit_fen AS fen FROM entitlements_entitlement WHERE state = 'open'
                UNION ALL
                SELECT terms_id, (offered - taken) * units * unit_fen FROM entitlements_grant WHERE closed_at IS NULL
              ) x ON x.terms_id = t.id GROUP BY t.reserved_id)
            SELECT o.reserved_id, o.fen, sum(b.credits_posted - b.debits_posted) FROM owed o
            JOIN ledger_balance b ON b.account_id = o.reserved_id GROUP BY o.reserved_id, o.fen
            HAVING o.fen <> sum(b.credits_posted - b.debits_posted)"""
        )
        return [
            Finding("reserve_differs", "ledger_account", str(row[0]), f"rights say {row[1]} fen, account {row[2]} fen")
            for row in cursor.fetchall()
        ]


def _verify_transfers() -> list[Finding]:
    """Every use moved exactly its shares at its own time; no such transfer is without its use."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT u.id, u.payer_fen, u.person_fen, t.payer, t.person FROM entitlements_use u LEFT JOIN (
                 SELECT t.subject_id, t.batch,
                   sum(t.amount_fen) FILTER (WHERE t.code = 'entitlement.use') AS payer,
                   sum(t.amount_fen) FILTER (WHERE t.code = 'entitlement.paid_by_person') AS person,
                   min(t.at) AS first, max(t.at) AS last
                 FROM ledger_transfer t
                 WHERE t.subject_kind = 'use' AND t.code IN ('entitlement.use', 'entitlement.paid_by_person')
                 GROUP BY t.subject_id, t.batch) t ON t.subject_id = u.id AND t.batch = u.batch
               WHERE coalesce(t.payer, 0) <> u.payer_fen OR coalesce(t.person, u.person_fen) <> u.person_fen
                  OR coalesce(t.first, u.at) <> u.at OR coalesce(t.last, u.at) <> u.at"""
        )
        findings = [
            Finding("use_money_differs", "entitlements_use", str(row[0]), f"shares {row[1:3]}, transfers {row[3:]}")
            for row in cursor.fetchall()
        ]
        cursor.execute(
            """SELECT t.id FROM ledger_transfer t LEFT JOIN entitlements_use u ON u.id = t.subject_id
               LEFT JOIN entitlements_entitlement e ON e.id = u.entitlement_id
               LEFT JOIN entitlements_terms m ON m.id = e.terms_id
               WHERE t.subject_kind = 'use' AND t.code IN ('entitlement.use', 'entitlement.paid_by_person')
               AND (u.id IS NULL OR (t.code = 'entitlement.use'
                    AND (t.credit_id <> u.payee_id OR t.debit_id <> m.reserved_id)))"""
        )
        findings += [Finding("orphan_transfer", "ledger_transfer", str(row[0]), "no use") for row in cursor.fetchall()]
    return findings


def _logged_facts() -> dict[UUID, str]:
    """Digest of each use's facts as its audit entry holds it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT subject_id, body FROM audit_entry WHERE subject_kind = 'use' AND body LIKE '%%\"facts\"%%'"
        )
        return {subject: str(json.loads(body)["data"].get("facts", "")) for subject, body in cursor}


def _uses() -> Iterator[Any]:
    return Use.objects.order_by("pk").iterator(chunk_size=CHUNK)


def _verify_facts() -> list[Finding]:
    logged = _logged_facts()
    findings: list[Finding] = []
    for use in _uses():
        kept = logged.pop(use.pk, None)
        if kept is None:
            findings.append(Finding("use_not_logged", "entitlements_use", str(use.pk), "no audit entry"))
        elif digest(use_facts(use)).hex() != kept:
            findings.append(Finding("use_differs", "entitlements_use", str(use.pk), "not what the log says"))
    findings += [Finding("use_missing", "entitlements_use", str(use_id), "logged, not there") for use_id in logged]
    return findings
