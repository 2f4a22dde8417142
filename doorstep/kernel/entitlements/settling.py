"""Settling: what a payer owes a payee for the uses of some days, from statement to payment.

These functions are called by a service's actions inside their transaction; permission is checked there. Every step is
one or two statements, however many uses the days had: no use is ever carried through Python.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.audit.queries import head_latest
from doorstep.kernel.audit.sealing import seal
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import day_bounds, local, local_day
from doorstep.kernel.common.errors import FourEyes, Invalid, NotFound, Problem, WrongState
from doorstep.kernel.common.findings import Finding
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.common.money import MAX_FEN, format_fen
from doorstep.kernel.entitlements.actions import OFFLINE_GRACE
from doorstep.kernel.entitlements.errors import AlreadySettled
from doorstep.kernel.entitlements.models import Settlement, SettlementAdjustment
from doorstep.kernel.ledger.actions import NewTransfer, open_account, post

MAX_DAYS = 31
BANK_CODE = "outside/bank"


class DayNotOver(WrongState):
    code = "day_not_over"
    text = _("{day} 还不能结算:当天的离线收银可能还没有传完。")
    remedy = _("{from_when} 之后再来准备这张结算单。")


class NothingToSettle(WrongState):
    code = "nothing_to_settle"
    text = _("这几天没有待结算的核销。")
    remedy = _("请核对餐厅和日期;也许已经在另一张结算单里。")


class InvoiceDiffers(Problem):
    """The invoice is not the sum to the fen; the statement stays open."""

    code = "invoice_differs"
    status = 422
    text = _("发票金额 {invoice} 元,应付 {owed} 元,相差 {difference} 元。")
    remedy = _("请退回发票,或核对结算单后重新填写;一分钱也要对上。")


class NothingPayable(Problem):
    code = "nothing_payable"
    status = 422
    text = _("更正之后应付金额小于零,不能付款。")
    remedy = _("请检查更正的金额;多扣的部分放到下一张结算单。")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A new statement: ``uses`` are person-times, ``persons`` people."""

    settlement_id: UUID
    number: str
    uses: int
    persons: int
    late: int
    list_fen: int
    payer_fen: int
    person_fen: int
    borne_fen: int


def settled_from(last_day: date) -> datetime:
    """From when on the days up to and including this one can be settled: they are over, and their offline grace too."""
    return day_bounds(last_day)[1] + OFFLINE_GRACE


def last_settled_day(at: datetime) -> date:
    """The newest day that can be settled at this instant."""
    return local_day(at - OFFLINE_GRACE) - timedelta(days=1)


def statement_number(prefix: str, payee_id: UUID, payer_id: UUID, first_day: date, last_day: date) -> str:
    """``CT-20250507-3F9A21BC``: the same payee, payer and days always give the same number."""
    parties = hashlib.sha256(payee_id.bytes + payer_id.bytes).hexdigest()[:8].upper()
    days = f"{first_day:%Y%m%d}" if first_day == last_day else f"{first_day:%Y%m%d}-{last_day:%Y%m%d}"
    return f"{prefix}-{days}-{parties}"


# The shared row lock makes a reversal and a settlement of one use wait for each other: whoever is second sees what the
# first did. A use of a day that an earlier statement closed already (a till that came back too late) joins this one.
_PREPARE = """
WITH chosen AS MATERIALIZED (
  SELECT u.id, u.person_id, u.day, u.list_price_fen, u.payer_fen, u.person_fen
  FROM entitlements_use u
  JOIN entitlements_termsversion v ON v.id = u.terms_version_id
  JOIN entitlements_terms t ON t.id = v.terms_id
  WHERE u.payee_id = %(payee)s AND t.payer_id = %(payer)s AND t.service = %(service)s AND u.reversed_at IS NULL
    AND u.day <= %(last)s
    AND (u.day >= %(first)s OR EXISTS (
      SELECT 1 FROM entitlements_settlement s WHERE s.payee_id = u.payee_id AND s.payer_id = t.payer_id
        AND u.day BETWEEN s.first_day AND s.last_day))
    AND NOT EXISTS (SELECT 1 FROM entitlements_settlementline l WHERE l.use_id = u.id)
  ORDER BY u.id FOR SHARE OF u
),
totals AS (
  SELECT count(*)::int AS uses, count(DISTINCT person_id)::int AS persons,
    (count(*) FILTER (WHERE day < %(first)s))::int AS late, coalesce(sum(list_price_fen), 0)::bigint AS list_fen,
    coalesce(sum(payer_fen), 0)::bigint AS payer_fen, coalesce(sum(person_fen), 0)::bigint AS person_fen,
    encode(sha256(convert_to(coalesce(string_agg(id::text, E'\\n' ORDER BY id), ''), 'UTF8')), 'hex') AS lines
  FROM chosen
),
made AS (
  INSERT INTO entitlements_settlement (id, service, payee_id, payer_id, first_day, last_day, number, uses, persons,
    late, list_fen, payer_fen, person_fen, borne_fen, adjustment_fen, parties, tree_size, tree_root, state, prepared_by_id,
    prepared_at, invoice_number)
  SELECT %(id)s, %(service)s, %(payee)s, %(payer)s, %(first)s, %(last)s, %(number)s, uses, persons, late,
    list_fen, payer_fen, person_fen, 0, 0, '{}', 0, '\\x', 'prepared', %(by)s, %(at)s, ''
  FROM totals WHERE uses > 0 RETURNING id
),
lines AS (
  INSERT INTO entitlements_settlementline (settlement_id, use_id) SELECT made.id, chosen.id FROM chosen, made
)
SELECT uses, persons, late, list_fen, payer_fen, person_fen, lines FROM totals
"""


def prepare(
    *,
    actor: Actor,
    at: datetime,
    service: str,
    prefix: str,
    payee_id: UUID,
    payer_id: UUID,
    first_day: date,
    last_day: date,
) -> Prepared:
    """Put the unsettled uses of these days on a statement, under the log's head that covers every one of them.

    Raises: Invalid (days), DayNotOver, NothingToSettle, AlreadySettled.
    """
    if last_day < first_day or (last_day - first_day).days >= MAX_DAYS:
        raise Invalid("last_day", text=_("一张结算单从第一天到最后一天,最多 31 天。"))
    if at < settled_from(last_day):
        raise DayNotOver(day=last_day.isoformat(), from_when=f"{local(settled_from(last_day)):%Y-%m-%d %H:%M}")
    settlement_id = uuid7()
    number = statement_number(prefix, payee_id, payer_id, first_day, last_day)
    parameters: dict[str, Any] = {
        "id": settlement_id, "service": service, "payee": payee_id, "payer": payer_id, "first": first_day,
        "last": last_day, "number": number, "by": actor.id if actor.kind == "person" else None, "at": at,
    }  # fmt: skip
    try:
        with connection.cursor() as cursor:
            cursor.execute(_PREPARE, parameters)
            uses, persons, late, list_fen, payer_fen, person_fen, lines = cursor.fetchone()
    except IntegrityError as error:
        raise _explain(error) from error
    if not uses:
        known = Settlement.objects.filter(
            payee_id=payee_id, payer_id=payer_id, first_day__lte=last_day, last_day__gte=first_day
        )
        raise AlreadySettled if known.exists() else NothingToSettle
    borne_fen = _take_conflicts(settlement_id, payee_id, payer_id, last_day)
    prepared = Prepared(settlement_id, number, uses, persons, late, list_fen, payer_fen, person_fen, borne_fen)
    size, root = _head_over_everything(at)
    Settlement.objects.filter(pk=settlement_id).update(tree_size=size, tree_root=root, borne_fen=borne_fen)
    _record(actor, "prepare", settlement_id, payer_id, at, {**_facts(prepared), "lines": lines, "tree_root": root})
    return prepared


def _facts(prepared: Prepared) -> dict[str, Any]:
    """What the log keeps of a statement; ``lines`` beside it binds which uses are on it."""
    return {
        "number": prepared.number,
        "uses": prepared.uses,
        "persons": prepared.persons,
        "late": prepared.late,
        "list_fen": prepared.list_fen,
        "payer_fen": prepared.payer_fen,
        "person_fen": prepared.person_fen,
        "borne_fen": prepared.borne_fen,
    }


_CONFLICTS = """
WITH taken AS (
  UPDATE entitlements_offlineconflict c SET settlement_id = %(id)s FROM ledger_account a
  WHERE a.id = c.bearer_id AND a.organisation_id = %(payer)s AND c.payee_id = %(payee)s AND c.settlement_id IS NULL
    AND c.at < %(until)s
  RETURNING c.amount_fen
)
SELECT coalesce(sum(amount_fen), 0)::bigint FROM taken
"""


def _take_conflicts(settlement_id: UUID, payee_id: UUID, payer_id: UUID, last_day: date) -> int:
    """Offline conflicts that the payer bears and no statement has: their money is already on the payee's account."""
    until = day_bounds(last_day)[1]
    with connection.cursor() as cursor:
        cursor.execute(_CONFLICTS, {"id": settlement_id, "payee": payee_id, "payer": payer_id, "until": until})
        return int(cursor.fetchone()[0])


def _explain(error: IntegrityError) -> Problem:
    text = str(error)
    if "settlement_period_once" in text or "settlement_number" in text or "settlementline_use_id" in text:
        return AlreadySettled()
    raise error


def _head_over_everything(at: datetime) -> tuple[int, bytes]:
    """Seal what waits: the newest head then covers each use on the statement, all of them committed before this."""
    while seal(at) is not None:
        continue
    head = head_latest()
    if head is None:
        raise NotFound(text=_("日志里还没有封存的记录。"))
    return head.size, bytes(head.root)


def _record(actor: Actor, verb: str, settlement_id: UUID, payer_id: UUID, at: datetime, data: dict[str, Any]) -> None:
    record(
        actor=actor,
        action=f"entitlements.{verb}_settlement",
        subject_kind="settlement",
        subject_id=settlement_id,
        organisation_id=payer_id,
        at=at,
        data=data,
    )


def locked(settlement_id: UUID, service: str) -> Settlement:
    """The statement, held until the transaction ends. Raises: NotFound."""
    settlement = Settlement.objects.select_for_update().filter(pk=settlement_id, service=service).first()
    if settlement is None:
        raise NotFound
    return settlement


def adjust(
    *, actor: Actor, at: datetime, settlement: Settlement, amount_fen: int, reason: str, account_id: UUID
) -> int:
    """Correct what an open statement owes; returns the sum of its corrections. Money moves when it is approved.

    Raises: WrongState (approved already), Invalid.
    """
    if settlement.state != Settlement.State.PREPARED:
        raise WrongState
    if not 0 < abs(amount_fen) <= MAX_FEN:
        raise Invalid("amount", text=_("更正金额不能是零。"))
    if not reason.strip():
        raise Invalid("reason", text=_("请写明更正的原因。"))
    SettlementAdjustment.objects.create(
        id=uuid7(),
        settlement=settlement,
        amount_fen=amount_fen,
        reason=reason.strip(),
        account_id=account_id,
        made_by_id=actor.id if actor.kind == "person" else None,
        at=at,
    )
    Settlement.objects.filter(pk=settlement.pk).update(adjustment_fen=F("adjustment_fen") + amount_fen)
    settlement.adjustment_fen += amount_fen
    data = {"amount_fen": amount_fen, "reason": reason.strip(), "account_id": account_id}
    _record(actor, "adjust", settlement.pk, settlement.payer_id, at, data)
    return settlement.adjustment_fen


def approve(
    *,
    actor: Actor,
    at: datetime,
    settlement: Settlement,
    invoice_number: str,
    invoice_fen: int,
    parties: dict[str, Any],
) -> Settlement:
    """A second person agrees that the invoice is what the uses and corrections come to; corrections are posted now.

    Raises: WrongState, FourEyes, InvoiceDiffers, NothingPayable, Invalid, NotEnoughMoney.
    """
    if settlement.state != Settlement.State.PREPARED:
        raise WrongState
    adjustments = list(settlement.adjustments.order_by("pk"))
    if actor.id is not None and actor.id in {settlement.prepared_by_id, *(a.made_by_id for a in adjustments)}:
        raise FourEyes
    if not invoice_number.strip():
        raise Invalid("invoice_number", text=_("请填写发票号码。"))
    owed_fen = settlement.owed_fen
    if owed_fen < 0:
        raise NothingPayable
    if invoice_fen != owed_fen:
        raise InvoiceDiffers(
            invoice=format_fen(invoice_fen),
            owed=format_fen(owed_fen),
            difference=format_fen(invoice_fen - owed_fen),
        )
    if adjustments:
        post([_adjusting(settlement, adjustment, at) for adjustment in adjustments])
    settlement.state, settlement.approved_at, settlement.approved_by_id = Settlement.State.APPROVED, at, actor.id
    settlement.invoice_number, settlement.invoice_fen = invoice_number.strip(), invoice_fen
    settlement.parties = parties
    settlement.save(update_fields=["state", "approved_at", "approved_by", "invoice_number", "invoice_fen", "parties"])
    data = {"invoice_number": invoice_number.strip(), "invoice_fen": invoice_fen, "parties": parties}
    _record(actor, "approve", settlement.pk, settlement.payer_id, at, data)
    return settlement


def _adjusting(settlement: Settlement, adjustment: SettlementAdjustment, at: datetime) -> NewTransfer:
    sides = (adjustment.account_id, settlement.payee_id)
    debit, credit = sides if adjustment.amount_fen > 0 else sides[::-1]
    return NewTransfer(
        debit, credit, abs(adjustment.amount_fen), "settlement.adjustment", "settlement", settlement.pk, at
    )


def pay(*, actor: Actor, at: datetime, settlement: Settlement) -> Settlement:
    """What was owed leaves for the payee's bank. Raises: WrongState."""
    if settlement.state != Settlement.State.APPROVED:
        raise WrongState
    owed_fen = settlement.owed_fen
    if owed_fen:
        bank = open_account(code=BANK_CODE, title=str(_("外部银行")), at=at)
        moved = NewTransfer(settlement.payee_id, bank.pk, owed_fen, "settlement.pay", "settlement", settlement.pk, at)
        settlement.batch = post([moved])
    settlement.state, settlement.paid_at = Settlement.State.PAID, at
    settlement.save(update_fields=["state", "paid_at", "batch"])
    _record(actor, "pay", settlement.pk, settlement.payer_id, at, {"amount_fen": owed_fen, "batch": settlement.batch})
    return settlement


_TOTALS_DIFFER = """
SELECT s.id, s.number FROM entitlements_settlement s LEFT JOIN (
  SELECT l.settlement_id, count(*) AS uses, count(DISTINCT u.person_id) AS persons, sum(u.list_price_fen) AS list_fen,
    sum(u.payer_fen) AS payer_fen, sum(u.person_fen) AS person_fen, bool_or(u.reversed_at IS NOT NULL) AS reversed,
    bool_or(u.payee_id <> s.payee_id) AS strange
  FROM entitlements_settlementline l JOIN entitlements_use u ON u.id = l.use_id
  JOIN entitlements_settlement s ON s.id = l.settlement_id GROUP BY l.settlement_id) x ON x.settlement_id = s.id
WHERE (x.uses, x.persons, x.list_fen, x.payer_fen, x.person_fen, x.reversed, x.strange)
  IS DISTINCT FROM (s.uses, s.persons, s.list_fen, s.payer_fen, s.person_fen, false, false)
"""
_LINES_DIFFER = """
SELECT s.id, s.number FROM entitlements_settlement s
LEFT JOIN audit_entry e ON e.subject_kind = 'settlement' AND e.subject_id = s.id
  AND e.action = 'entitlements.prepare_settlement'
LEFT JOIN (SELECT settlement_id, encode(sha256(convert_to(string_agg(use_id::text, E'\\n' ORDER BY use_id), 'UTF8')),
  'hex') AS digest FROM entitlements_settlementline GROUP BY settlement_id) l ON l.settlement_id = s.id
WHERE l.digest IS DISTINCT FROM (e.body::jsonb -> 'data' ->> 'lines')
"""
_MONEY_DIFFERS = """
SELECT s.id, s.number FROM entitlements_settlement s LEFT JOIN (
  SELECT subject_id, coalesce(sum(amount_fen) FILTER (WHERE code = 'settlement.pay'), 0) AS paid
  FROM ledger_transfer WHERE subject_kind = 'settlement' GROUP BY subject_id) t ON t.subject_id = s.id
LEFT JOIN (SELECT settlement_id, sum(amount_fen) AS fen FROM entitlements_settlementadjustment GROUP BY settlement_id) a
  ON a.settlement_id = s.id
LEFT JOIN (SELECT settlement_id, sum(amount_fen) AS fen FROM entitlements_offlineconflict GROUP BY settlement_id) c
  ON c.settlement_id = s.id
WHERE coalesce(a.fen, 0) <> s.adjustment_fen OR coalesce(c.fen, 0) <> s.borne_fen
  OR coalesce(t.paid, 0) <> CASE s.state WHEN 'paid' THEN s.payer_fen + s.borne_fen + s.adjustment_fen ELSE 0 END
"""


def verify() -> list[Finding]:
    """Every statement is the sum of its uses, holds the uses the log says, and was paid what it owes."""
    checks = (
        ("settlement_totals_differ", _TOTALS_DIFFER, "not the sum of its uses"),
        ("settlement_lines_differ", _LINES_DIFFER, "not the uses that the log says"),
        ("settlement_money_differs", _MONEY_DIFFERS, "corrections or payment are not what was posted"),
    )
    findings: list[Finding] = []
    with connection.cursor() as cursor:
        for code, statement, text in checks:
            cursor.execute(statement)
            findings += [
                Finding(code, "entitlements_settlement", str(row[0]), f"{row[1]}: {text}") for row in cursor.fetchall()
            ]
    return findings
