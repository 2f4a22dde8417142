"""Recording uses: one statement that takes the unit, writes the use, moves the money and leaves the audit entry.

The statement is its own transaction when nothing surrounds it, so a use costs one round trip and is there wholly or not at all.
It takes any number of uses; a till sends one, a till that was offline two hundred.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from doorstep.kernel.audit.log import ENTRY_COLUMNS, ENTRY_RECORD, entry_row
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.canonical import digest, plain
from doorstep.kernel.common.errors import Problem
from doorstep.kernel.common.hot import fetch
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.errors import AlreadyThisWindow, MonthlyLimit
from doorstep.kernel.entitlements.models import Use
from doorstep.kernel.ledger.actions import NewTransfer, transfer_rows
from doorstep.kernel.ledger.statements import POST, TRANSFER_RECORD

MAX_USES = 500


@dataclass(frozen=True, slots=True)
class NewUse:
    """A use that the rules have allowed. ``receipt`` is what the client is answered, now and on every retry."""

    id: UUID
    entitlement_id: UUID
    terms_version_id: UUID
    person_id: UUID
    place_id: UUID
    device_id: UUID | None
    reserved_id: UUID
    payee_id: UUID
    at: datetime
    day: date
    window: str
    slot: str | None
    quota_slot: str | None
    list_price_fen: int
    payer_fen: int
    person_fen: int
    source: str
    key_scope: str
    key: str
    request_digest: bytes
    receipt: str
    evidence: dict[str, Any]
    organisation_id: UUID
    taken_from_id: UUID | None = None
    taken_by_id: UUID | None = None


class KeyTaken(Problem):
    """The client's key is already on another use: look that one up and compare."""

    code = "key_taken"
    status = 409


_USE_COLUMNS = (
    'id, entitlement_id, terms_version_id, person_id, place_id, device_id, payee_id, at, day, "window", slot, quota_slot, '
    "list_price_fen, payer_fen, person_fen, source, batch, key_scope, key, request_digest, receipt, evidence"
)
_USE_RECORD = (
    "id uuid, entitlement_id uuid, terms_version_id uuid, person_id uuid, place_id uuid, device_id uuid, payee_id uuid, "
    'at timestamptz, day date, "window" text, slot text, quota_slot text, list_price_fen bigint, payer_fen bigint, '
    "person_fen bigint, source text, batch uuid, key_scope text, key text, request_digest text, receipt text, evidence jsonb"
)

# A unit is taken only from an entitlement that is open, in time and not used up: the row lock makes rivals wait, and after the
# wait the condition is looked at again. Everything else hangs on the units that were really taken.
_RECORD = f"""
WITH input AS (SELECT * FROM jsonb_to_recordset(%(uses)s::jsonb) AS r({_USE_RECORD})),
taken AS (
  UPDATE entitlements_entitlement e SET used = e.used + 1 FROM input i
  WHERE e.id = ANY(%(ids)s::uuid[]) AND e.id = i.entitlement_id AND e.state = 'open' AND e.used < e.units
    AND e.valid_from <= i.at AND i.at < e.valid_until
  RETURNING i.id
),
uses AS (
  INSERT INTO entitlements_use ({_USE_COLUMNS}, reversal_reason)
  SELECT i.id, i.entitlement_id, i.terms_version_id, i.person_id, i.place_id, i.device_id, i.payee_id, i.at, i.day, i."window",
         i.slot, i.quota_slot, i.list_price_fen, i.payer_fen, i.person_fen, i.source, i.batch, i.key_scope, i.key,
         decode(i.request_digest, 'hex'), i.receipt, i.evidence, ''
  FROM input i JOIN taken t ON t.id = i.id RETURNING id
),
new_transfers AS (
  SELECT r.* FROM jsonb_to_recordset(%(transfers)s::jsonb) AS r({TRANSFER_RECORD}) JOIN taken t ON t.id = r.subject_id
),
new_entries AS (
  SELECT r.* FROM jsonb_to_recordset(%(entries)s::jsonb) AS r({ENTRY_RECORD}) JOIN taken t ON t.id = r.subject_id
),
{POST},
audit_new AS (INSERT INTO audit_entry ({ENTRY_COLUMNS}) SELECT {ENTRY_COLUMNS} FROM new_entries RETURNING id),
audit_queued AS (INSERT INTO audit_pending (entry_id) SELECT id FROM audit_new)
SELECT id FROM uses
"""  # noqa: S608


def use_facts(use: "NewUse | Use") -> dict[str, Any]:
    """The facts of a use that the audit entry binds by digest; ``verify`` computes them again from the row."""
    return {
        "entitlement_id": use.entitlement_id,
        "terms_version_id": use.terms_version_id,
        "person_id": use.person_id,
        "place_id": use.place_id,
        "device_id": use.device_id,
        "payee_id": use.payee_id,
        "at": use.at,
        "day": use.day,
        "window": use.window,
        "list_price_fen": use.list_price_fen,
        "payer_fen": use.payer_fen,
        "person_fen": use.person_fen,
        "source": use.source,
        "key": use.key,
        "receipt": use.receipt,
        "evidence": use.evidence,
    }


def _transfers(use: NewUse, batch: UUID) -> list[dict[str, Any]]:
    moves = []
    if use.payer_fen:
        moves.append(_move(use, use.reserved_id, use.payee_id, use.payer_fen, "entitlement.use"))
    if use.person_fen and use.taken_from_id and use.taken_by_id:
        moves.append(_move(use, use.taken_from_id, use.taken_by_id, use.person_fen, "entitlement.paid_by_person"))
    return transfer_rows(moves, batch)


def _move(use: NewUse, debit_id: UUID, credit_id: UUID, amount_fen: int, code: str) -> NewTransfer:
    return NewTransfer(debit_id, credit_id, amount_fen, code, "use", use.id, use.at)


def _use_row(use: NewUse, batch: UUID) -> dict[str, Any]:
    row = plain(use)
    row["batch"] = str(batch)
    return dict(row)


def record_uses(*, actor: Actor, action: str, uses: Sequence[NewUse]) -> set[UUID]:
    """Record uses whose entitlements differ from one another; returns the ids of those that found their unit.

    One statement. A missing id means that the unit was gone (used, void, expired) at that very moment.

    Raises: AlreadyThisWindow, MonthlyLimit, KeyTaken when a rival was faster: then nothing of the whole batch was written.
    """
    if len(uses) > MAX_USES:
        raise ValueError(f"more than {MAX_USES} uses at once")
    if len({use.entitlement_id for use in uses}) != len(uses):
        raise ValueError("one use per entitlement and statement")
    batch = uuid7()
    transfers, entries, rows = [], [], []
    for use in uses:
        rows.append(_use_row(use, batch))
        transfers += _transfers(use, batch)
        entry = entry_row(
            actor=actor,
            action=action,
            subject_kind="use",
            subject_id=use.id,
            organisation_id=use.organisation_id,
            at=use.at,
            data={"facts": digest(use_facts(use))},
        )
        entries.append(plain(entry))
    # The ids stand beside the rows, because the planner knows how many an array has and nothing of a JSON text.
    ids = [use.entitlement_id for use in uses]
    parameters = {
        "ids": ids,
        "uses": json.dumps(rows),
        "transfers": json.dumps(transfers),
        "entries": json.dumps(entries),
    }
    try:
        return {row[0] for row in fetch(_RECORD, parameters)}
    except IntegrityError as error:
        raise explain(error) from error


_BY_CONSTRAINT: dict[str, type[Problem]] = {
    "use_slot_once": AlreadyThisWindow,
    "use_quota_slot_once": MonthlyLimit,
    "use_key_once": KeyTaken,
}


def explain(error: IntegrityError) -> Problem:
    """The domain error behind a constraint's name; unknown ones are raised again."""
    for name, problem in _BY_CONSTRAINT.items():
        if name in str(error):
            return problem()
    raise error
