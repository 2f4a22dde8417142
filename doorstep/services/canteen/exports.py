"""Files of a statement: payment order (ISO 20022 pain.001.001.09), workbook and CSV.

The same statement always gives the same bytes: every time in a file is one that the statement has, never the clock's.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from lxml import etree
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.writer.excel import ExcelWriter

from doorstep.kernel.common.clock import local

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_DEFAULT_NAMESPACE: Any = {None: NAMESPACE}  # lxml's way to say: no prefix
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
MAX_NAME, MAX_ID, MAX_ACCOUNT = 140, 35, 34


@dataclass(frozen=True, slots=True)
class BankParty:
    """One side of a payment as a bank knows it; ``code`` is the branch's number in the national clearing system."""

    name: str
    bank_name: str
    account: str
    code: str


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """One credit transfer: what an approved statement owes."""

    number: str
    approved_at: datetime
    execute_on: date
    amount_fen: int
    debtor: BankParty
    creditor: BankParty
    invoice_number: str
    remark: str


def _child(parent: Any, *path: str, text: str | None = None, **attributes: str) -> Any:
    for name in path:
        parent = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if text is not None:
        parent.text = text
    for name, value in attributes.items():
        parent.set(name, value)
    return parent


def amount_text(fen: int) -> str:
    """1300 → ``13.00``, as bank files write amounts."""
    return f"{fen // 100}.{fen % 100:02d}"


def _agent(parent: Any, name: str, party: BankParty) -> None:
    institution = _child(parent, name, "FinInstnId")
    if party.code:
        member = _child(institution, "ClrSysMmbId")
        _child(member, "ClrSysId", "Cd", text="CNAPS")
        _child(member, "MmbId", text=party.code)
    _child(institution, "Nm", text=party.bank_name[:MAX_NAME])


def payment_xml(order: PaymentOrder) -> bytes:
    """The payment order as an ISO 20022 customer credit transfer initiation, one transaction.

    Raises: ValueError when the order could not be a valid message.
    """
    if order.amount_fen <= 0:
        raise ValueError("a payment order moves something")
    if len(order.number) > MAX_ID or not 0 < len(order.creditor.account) <= MAX_ACCOUNT:
        raise ValueError("number or account too long for a payment order")
    amount = amount_text(order.amount_fen)
    document = etree.Element(f"{{{NAMESPACE}}}Document", nsmap=_DEFAULT_NAMESPACE)
    message = _child(document, "CstmrCdtTrfInitn")
    header = _child(message, "GrpHdr")
    _child(header, "MsgId", text=order.number)
    _child(header, "CreDtTm", text=local(order.approved_at).isoformat(timespec="seconds"))
    _child(header, "NbOfTxs", text="1")
    _child(header, "CtrlSum", text=amount)
    _child(header, "InitgPty", "Nm", text=order.debtor.name[:MAX_NAME])
    payment = _child(message, "PmtInf")
    _child(payment, "PmtInfId", text=order.number)
    _child(payment, "PmtMtd", text="TRF")
    _child(payment, "NbOfTxs", text="1")
    _child(payment, "CtrlSum", text=amount)
    _child(payment, "ReqdExctnDt", "Dt", text=order.execute_on.isoformat())
    _child(payment, "Dbtr", "Nm", text=order.debtor.name[:MAX_NAME])
    account = _child(payment, "DbtrAcct")
    _child(account, "Id", "Othr", "Id", text=order.debtor.account)
    _child(account, "Ccy", text="CNY")
    _agent(payment, "DbtrAgt", order.debtor)
    transfer = _child(payment, "CdtTrfTxInf")
    _child(transfer, "PmtId", "EndToEndId", text=order.number)
    _child(transfer, "Amt", "InstdAmt", text=amount, Ccy="CNY")
    _agent(transfer, "CdtrAgt", order.creditor)
    _child(transfer, "Cdtr", "Nm", text=order.creditor.name[:MAX_NAME])
    _child(transfer, "CdtrAcct", "Id", "Othr", "Id", text=order.creditor.account)
    remittance = _child(transfer, "RmtInf")
    _child(remittance, "Ustrd", text=order.remark[:MAX_NAME])
    referred = _child(remittance, "Strd", "RfrdDocInf")
    _child(referred, "Tp", "CdOrPrtry", "Cd", text="CINV")
    _child(referred, "Nb", text=order.invoice_number[:MAX_ID])
    return bytes(etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True))


class _SteadyZip(ZipFile):
    """A zip archive whose members carry no clock: openpyxl writes through it, twice the same."""

    def writestr(self, zinfo_or_arcname: Any, data: Any, *args: Any, **kwargs: Any) -> None:
        info = ZipInfo(str(zinfo_or_arcname), ZIP_EPOCH)
        info.compress_type = ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        super().writestr(info, data, *args, **kwargs)

    def write(self, filename: Any, arcname: Any = None, *args: Any, **kwargs: Any) -> None:
        with open(filename, "rb") as source:
            self.writestr(arcname or filename, source.read())


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of a workbook. A row's values are text, whole numbers, amounts in fen (``money`` columns) or times."""

    title: str
    header: Sequence[str]
    rows: Iterable[Sequence[Any]]
    widths: Sequence[int] = ()
    money: frozenset[int] = frozenset()


def workbook_bytes(sheets: Sequence[Sheet], made_at: datetime, title: str) -> bytes:
    """An xlsx workbook. ``made_at`` is the only time in it."""
    book = Workbook(write_only=True)
    book.properties.creator = "Doorstep"
    book.properties.title = title
    book.properties.created = book.properties.modified = local(made_at).replace(tzinfo=None, microsecond=0)
    for sheet in sheets:
        _fill(book.create_sheet(sheet.title), sheet)
    out = io.BytesIO()
    ExcelWriter(book, _SteadyZip(out, "w", ZIP_DEFLATED, allowZip64=True)).save()
    return out.getvalue()


def _fill(page: Any, sheet: Sheet) -> None:
    page.freeze_panes = "A2"
    for column, width in enumerate(sheet.widths):
        page.column_dimensions[chr(ord("A") + column)].width = width
    page.append([_text_cell(page, text, bold=True) for text in sheet.header])
    amount = WriteOnlyCell(page)  # the model of all amounts: setting a format cell by cell takes most of the time
    amount.number_format = "#,##0.00"
    for row in sheet.rows:
        page.append([_cell(page, amount, value, column in sheet.money) for column, value in enumerate(row)])


def _cell(page: Any, amount: Any, value: Any, money: bool) -> Any:
    if money and value is not None:
        yuan: Any = Decimal(value) / 100
        copied: Any = WriteOnlyCell(page, value=yuan)
        copied._style = amount._style
        return copied
    if isinstance(value, str) and value[:1] == "=":
        return _text_cell(page, value)
    return value


def _text_cell(page: Any, text: str, *, bold: bool = False) -> Any:
    """Text stays text, whatever it begins with: a name is never a formula."""
    cell = WriteOnlyCell(page, value=text)
    cell.data_type = "s"
    if bold:
        cell.font = Font(bold=True)
    return cell


def csv_bytes(sheet: Sheet) -> bytes:
    """The sheet as CSV in UTF-8 with a mark, so that spreadsheets read the characters."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(sheet.header)
    for row in sheet.rows:
        writer.writerow([_csv_value(value, column in sheet.money) for column, value in enumerate(row)])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _csv_value(value: Any, money: bool) -> Any:
    if value is None:
        return ""
    if money:
        return f"{'-' if value < 0 else ''}{amount_text(abs(value))}"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t"):
        return "'" + value
    return value
