"""What may be done about paying restaurants: prepare a statement, correct it, approve it, pay it, take its files."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Invalid, NotFound, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements import settling as kernel
from doorstep.kernel.entitlements.models import Settlement
from doorstep.services.canteen import exports
from doorstep.services.canteen.models import Hold, PayingAccount, Programme, Venue
from doorstep.services.canteen.queries import settlements

SERVICE = "canteen"
NUMBER_PREFIX = "CT"
FORMATS = ("xml", "xlsx", "csv")


class PayoutHeld(WrongState):
    """A hold freezes payout, not lunch."""

    code = "payout_held"
    text = _("这家餐厅的付款被冻结:{reason}")
    remedy = _("请先在「监督」里查清并解除冻结;供餐和核销不受影响。")


class NoPayingAccount(WrongState):
    code = "no_paying_account"
    text = _("工会还没有登记付款账户。")
    remedy = _("请工会负责人在「复核」页登记付款账户后再试。")


class NoBankAccount(WrongState):
    code = "no_bank_account"
    text = _("这家餐厅还没有登记收款账户。")
    remedy = _("请餐厅负责人补齐开户行和账号后再试。")


class FileFromApproval(WrongState):
    code = "file_from_approval"
    text = _("付款文件要在复核通过之后才有。")
    remedy = _("请先请另一位同事复核这张结算单。")


@dataclass(frozen=True, slots=True)
class StatementReceipt:
    """A new statement; ``uses`` are person-times, ``persons`` people."""

    settlement_id: UUID
    number: str
    uses: int
    persons: int
    payer_fen: int
    borne_fen: int


@dataclass(frozen=True, slots=True)
class StepReceipt:
    """One step of a statement done; ``owed_fen`` is what is to be paid after corrections."""

    settlement_id: UUID
    number: str
    state: str
    owed_fen: int


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """``content`` is the same bytes however often the file is made."""

    name: str
    media_type: str
    content: bytes
    sha256: str


@action
def prepare_settlement(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    venue_id: UUID,
    first_day: date,
    last_day: date,
    payer_id: UUID | None = None,
) -> StatementReceipt:
    """Put a venue's unsettled uses of these days on one statement. ``payer_id``: by default the union that called.

    Raises: NotFound, NotAllowed, Invalid, DayNotOver, NothingToSettle, AlreadySettled.
    """
    venue = Venue.objects.select_related("call").filter(pk=venue_id).first()
    if venue is None:
        raise NotFound
    union_id = payer_id or venue.call.organisation_id
    access.require(actor, "canteen.settle", union_id, at)
    prepared = kernel.prepare(
        actor=actor,
        at=at,
        service=SERVICE,
        prefix=NUMBER_PREFIX,
        payee_id=venue.payee_id,
        payer_id=union_id,
        first_day=first_day,
        last_day=last_day,
    )
    return StatementReceipt(
        prepared.settlement_id,
        prepared.number,
        prepared.uses,
        prepared.persons,
        prepared.payer_fen,
        prepared.borne_fen,
    )


def _open_statement(actor: Actor, capability: str, settlement_id: UUID, at: datetime) -> Settlement:
    """The statement, locked, for somebody who holds the capability in the union that pays."""
    settlement = kernel.locked(settlement_id, SERVICE)
    access.require(actor, capability, settlement.payer_id, at)
    return settlement


def _step(settlement: Settlement) -> StepReceipt:
    return StepReceipt(settlement.pk, settlement.number, str(settlement.state), settlement.owed_fen)


@action
def adjust_settlement(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    settlement_id: UUID,
    amount_fen: int,
    reason: str,
    programme_id: UUID | None = None,
) -> StepReceipt:
    """Correct an open statement; plus is for the restaurant. The programme's budget bears or gets it at approval.

    Raises: NotFound, NotAllowed, WrongState, Invalid.
    """
    settlement = _open_statement(actor, "canteen.settle", settlement_id, at)
    programmes = list(Programme.objects.filter(organisation_id=settlement.payer_id).order_by("pk"))
    chosen = [p for p in programmes if programme_id is None or p.pk == programme_id]
    if len(chosen) != 1:
        raise Invalid("programme", text=_("请选择由哪个补贴项目承担这笔更正。"))
    kernel.adjust(
        actor=actor, at=at, settlement=settlement, amount_fen=amount_fen, reason=reason, account_id=chosen[0].budget_id
    )
    return _step(settlement)


@action
def approve_settlement(
    *, actor: Actor, at: datetime, key: str, settlement_id: UUID, invoice_number: str, invoice_fen: int
) -> StepReceipt:
    """A second person approves a statement against its invoice. A hold does not stop this, only the payment.

    Raises: NotFound, NotAllowed, WrongState, FourEyes, InvoiceDiffers, NothingPayable, Invalid, NotEnoughMoney,
    NoPayingAccount, NoBankAccount.
    """
    settlement = _open_statement(actor, "canteen.approve", settlement_id, at)
    kernel.approve(
        actor=actor,
        at=at,
        settlement=settlement,
        invoice_number=invoice_number,
        invoice_fen=invoice_fen,
        parties=_parties(settlement),
    )
    return _step(settlement)


def _parties(settlement: Settlement) -> dict[str, Any]:
    """Names and accounts as they are now: the payment file is made from these, today and in ten years."""
    payer = PayingAccount.objects.filter(organisation_id=settlement.payer_id).first()
    if payer is None:
        raise NoPayingAccount
    venue = Venue.objects.select_related("place").get(payee_id=settlement.payee_id)
    if not venue.bank_account or not venue.bank_name:
        raise NoBankAccount
    return {
        "debtor": {
            "name": payer.account_name,
            "bank_name": payer.bank_name,
            "account": payer.bank_account,
            "code": payer.bank_code,
        },
        "creditor": {
            "name": venue.place.name,
            "bank_name": venue.bank_name,
            "account": venue.bank_account,
            "code": venue.bank_code,
        },
    }


@action
def pay_settlement(*, actor: Actor, at: datetime, key: str, settlement_id: UUID) -> StepReceipt:
    """Book that an approved statement was paid. The venue's row is locked: a hold comes before or after, never amid.

    Raises: NotFound, NotAllowed, WrongState, PayoutHeld.
    """
    settlement = _open_statement(actor, "canteen.settle", settlement_id, at)
    venue = Venue.objects.select_for_update().get(payee_id=settlement.payee_id)
    hold = Hold.objects.filter(venue=venue, released_at=None).first()
    if hold is not None:
        raise PayoutHeld(reason=hold.reason)
    kernel.pay(actor=actor, at=at, settlement=settlement)
    return _step(settlement)


@action
def set_paying_account(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    organisation_id: UUID,
    account_name: str,
    bank_name: str,
    bank_account: str,
    bank_code: str = "",
) -> UUID:
    """Name the account a union pays from; statements approved before keep theirs. Raises: NotAllowed, Invalid."""
    access.require(actor, "canteen.fund", organisation_id, at)
    account = bank_account.replace(" ", "")
    if not account.isalnum() or not account.isascii() or not 8 <= len(account) <= exports.MAX_ACCOUNT:
        raise Invalid("bank_account", text=_("账号应为 8 到 34 位数字或字母。"))
    if bank_code and not (bank_code.isascii() and bank_code.isdigit() and len(bank_code) == 12):
        raise Invalid("bank_code", text=_("联行号应为 12 位数字;不清楚可以不填。"))
    if not account_name.strip() or not bank_name.strip():
        raise Invalid("account_name", text=_("请填写户名和开户行。"))
    facts = {
        "account_name": account_name.strip(),
        "bank_name": bank_name.strip(),
        "bank_account": account,
        "bank_code": bank_code,
    }
    kept, _created = PayingAccount.objects.update_or_create(
        organisation_id=organisation_id,
        defaults={**facts, "set_by_id": actor.id if actor.kind == "person" else None, "set_at": at},
        create_defaults={
            **facts,
            "id": uuid7(),
            "set_by_id": actor.id if actor.kind == "person" else None,
            "set_at": at,
        },
    )
    record(
        actor=actor,
        action="canteen.set_paying_account",
        subject_kind="organisation",
        subject_id=organisation_id,
        organisation_id=organisation_id,
        at=at,
        data=facts,
    )
    return kept.pk


@action
def export_settlement(*, actor: Actor, at: datetime, settlement_id: UUID, file_format: str) -> ExportedFile:
    """Make a statement's file and leave its digest in the log; made again, it is the same bytes.

    Raises: NotFound, NotAllowed, Invalid (format), FileFromApproval, NothingPayable.
    """
    if file_format not in FORMATS:
        raise Invalid("format", text=_("没有这种文件格式。"))
    statement = settlements.statement(settlement_id, actor, at)
    name = f"{statement.number}.{file_format}"
    if file_format == "xml":
        content, media_type = exports.payment_xml(_order(statement)), "application/xml"
    elif file_format == "xlsx":
        sheets = settlements.sheets(statement)
        content = exports.workbook_bytes(sheets, statement.prepared_at, statement.number)
        media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    else:
        content, media_type = exports.csv_bytes(settlements.sheets(statement)[0]), "text/csv; charset=utf-8"
    sha256 = hashlib.sha256(content).hexdigest()
    record(
        actor=actor,
        action="canteen.export_settlement",
        subject_kind="settlement",
        subject_id=settlement_id,
        organisation_id=statement.payer_id,
        at=at,
        data={"file": name, "sha256": sha256},
    )
    return ExportedFile(name, media_type, content, sha256)


def _order(statement: "settlements.Statement") -> exports.PaymentOrder:
    if statement.approved_at is None or not statement.parties:
        raise FileFromApproval
    if statement.owed_fen <= 0:
        raise kernel.NothingPayable
    return exports.PaymentOrder(
        number=statement.number,
        approved_at=statement.approved_at,
        execute_on=settlements.payment_day(statement.approved_at),
        amount_fen=statement.owed_fen,
        debtor=exports.BankParty(**statement.parties["debtor"]),
        creditor=exports.BankParty(**statement.parties["creditor"]),
        invoice_number=statement.invoice_number,
        remark=settlements.remark(statement),
    )
