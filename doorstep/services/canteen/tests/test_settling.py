"""Statements: what is on them, who may do what, and that nothing is paid twice."""

import hashlib
import json
import threading
import zipfile
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from lxml import etree
from openpyxl import load_workbook

from doorstep.kernel.audit.models import Entry, Head, Leaf
from doorstep.kernel.audit.sealing import seal
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import FourEyes, Invalid, NotAllowed, NotFound, TooMany, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements import settling as kernel
from doorstep.kernel.entitlements.actions import reverse_use
from doorstep.kernel.entitlements.errors import AlreadySettled
from doorstep.kernel.entitlements.models import OfflineConflict, Settlement, SettlementLine, Use
from doorstep.kernel.ledger.actions import NewTransfer, post
from doorstep.kernel.ledger.models import Account, Transfer
from doorstep.kernel.ledger.queries import balance
from doorstep.kernel.ledger.queries import verify as verify_ledger
from doorstep.kernel.testing.cast import Cast
from doorstep.services.canteen import exports
from doorstep.services.canteen.actions import settling
from doorstep.services.canteen.models import Hold, PayingAccount
from doorstep.services.canteen.queries import settlements
from doorstep.services.canteen.tests.served import DAY, NEXT, SYSTEM, Served, as_person, key, noon

NS = {"p": exports.NAMESPACE}


@pytest.fixture
def served(cast: Cast) -> Served:
    return Served(cast)


def prepare(served: Served, venue: Any, at: datetime = NEXT, day: date = DAY, **more: Any) -> settling.StatementReceipt:
    return settling.prepare_settlement(
        actor=served.cast.officer(),
        at=at,
        key=key(),
        venue_id=venue.pk,
        first_day=more.pop("first_day", day),
        last_day=day,
        **more,
    )


def name_account(served: Served) -> None:
    settling.set_paying_account(
        actor=served.cast.leader(),
        at=NEXT,
        key=key(),
        organisation_id=served.union,
        account_name="株洲市天元区总工会",
        bank_name="中国建设银行株洲天元支行",
        bank_account="43050162010800000123",
        bank_code="105552000015",
    )


def approve(served: Served, settlement_id: UUID, invoice_fen: int, **more: Any) -> settling.StepReceipt:
    if not PayingAccount.objects.exists():
        name_account(served)
    return settling.approve_settlement(
        actor=more.pop("actor", None) or served.cast.leader(),
        at=more.pop("at", NEXT),
        key=key(),
        settlement_id=settlement_id,
        invoice_number="25430000000012345678",
        invoice_fen=invoice_fen,
    )


def pay(served: Served, settlement_id: UUID) -> settling.StepReceipt:
    return settling.pay_settlement(actor=served.cast.officer(), at=NEXT, key=key(), settlement_id=settlement_id)


def everything() -> tuple[int, int, int, list[Any]]:
    """What a refusal must leave as it was."""
    return (
        SettlementLine.objects.count(),
        Transfer.objects.count(),
        Entry.objects.filter(subject_kind="settlement").count(),
        list(Settlement.objects.order_by("pk").values()),
    )


# What is on a statement


def test_a_statement_holds_the_days_uses_with_persons_and_person_times_apart(served: Served) -> None:
    venue, other = served.venue(), served.venue("湘味小馆")
    [regular] = served.diners(1)
    served.serve(venue, [noon(), at_local(DAY, 18)], people=[regular, regular])
    served.serve(venue, [noon(1)], kind="free")
    served.serve(other, [noon(2)])
    served.serve(venue, [noon(day=date(2025, 5, 6))])
    receipt = prepare(served, venue)
    kept = Settlement.objects.get(pk=receipt.settlement_id)
    assert (receipt.uses, receipt.persons, receipt.payer_fen) == (3, 2, 2100)
    assert (kept.uses, kept.persons, kept.list_fen, kept.payer_fen, kept.person_fen) == (3, 2, 3900, 2100, 1800)
    assert kept.late == 0
    assert SettlementLine.objects.filter(settlement=kept).count() == 3


def test_the_number_is_made_of_payee_payer_and_days(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    receipt = prepare(served, venue)
    parties = hashlib.sha256(venue.payee_id.bytes + served.union.bytes).hexdigest()[:8].upper()
    assert receipt.number == f"CT-20250507-{parties}"


def test_the_printed_head_covers_every_line(served: Served) -> None:
    venue = served.venue()
    uses = served.serve(venue, served.spread(7))
    receipt = prepare(served, venue)
    kept = Settlement.objects.get(pk=receipt.settlement_id)
    entries = Entry.objects.filter(subject_kind="use", subject_id__in=uses).values_list("pk", flat=True)
    places = list(Leaf.objects.filter(entry_id__in=list(entries)).values_list("index", flat=True))
    assert len(places) == 7
    assert max(places) < kept.tree_size
    assert bytes(kept.tree_root) == bytes(Head.objects.get(size=kept.tree_size).root)


def test_the_same_key_gives_the_same_statement(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    officer, same = served.cast.officer(), key()
    first, second = (
        settling.prepare_settlement(actor=officer, at=NEXT, key=same, venue_id=venue.pk, first_day=DAY, last_day=DAY)
        for _ in range(2)
    )
    assert first == second
    assert Settlement.objects.count() == 1


def test_a_reversed_use_is_not_settled(served: Served) -> None:
    venue = served.venue()
    kept, undone = served.serve(venue, [noon(), noon(1)])
    reverse_use(actor=SYSTEM, at=noon(5), use_id=undone, reason="点错", within=None, organisation_id=served.union)
    assert prepare(served, venue).uses == 1
    assert SettlementLine.objects.get().use_id == kept


def test_a_use_that_came_late_joins_the_next_statement(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    prepare(served, venue)
    late = served.serve(venue, [noon(30)], source="offline")
    served.serve(venue, [noon(day=date(2025, 5, 8))])
    receipt = prepare(served, venue, at=at_local(date(2025, 5, 9), 9), day=date(2025, 5, 8))
    kept = Settlement.objects.get(pk=receipt.settlement_id)
    assert (kept.uses, kept.late, kept.payer_fen) == (2, 1, 800)
    assert SettlementLine.objects.filter(settlement=kept, use_id=late[0]).exists()


def test_days_before_the_first_that_no_statement_closed_stay_where_they_are(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon(day=date(2025, 5, 6)), noon()])
    assert prepare(served, venue).uses == 1
    assert [(due.day, due.uses) for due in settlements.due_days([served.union], NEXT)] == [(date(2025, 5, 6), 1)]


def test_what_the_union_bears_of_offline_conflicts_is_paid_once_and_shown_apart(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    losses = served.programme.offline_losses_id
    for fen, bearer in ((1300, losses), (400, None)):
        moved = [NewTransfer(losses, venue.payee_id, fen, "canteen.offline_loss", "conflict", None, noon())]
        OfflineConflict.objects.create(
            id=uuid7(),
            code="already_used",
            place=venue.place,
            device=served.till(venue),
            payee_id=venue.payee_id,
            bearer_id=bearer,
            batch=post(moved) if bearer else None,
            amount_fen=fen,
            key=key(),
            at=noon(),
        )
    receipt = prepare(served, venue)
    assert (receipt.payer_fen, receipt.borne_fen) == (400, 1300)
    with pytest.raises(kernel.InvoiceDiffers):
        approve(served, receipt.settlement_id, 400)
    approve(served, receipt.settlement_id, 1700)
    pay(served, receipt.settlement_id)
    assert balance(venue.payee_id).net_credit_fen == 0
    assert kernel.verify() == []
    served.serve(venue, [noon(day=date(2025, 5, 8))])
    assert prepare(served, venue, at=at_local(date(2025, 5, 9), 9), day=date(2025, 5, 8)).borne_fen == 0


# When and by whom


def test_a_day_is_settled_from_four_in_the_morning_after_it(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    before = everything()
    with pytest.raises(kernel.DayNotOver) as refused:
        prepare(served, venue, at=at_local(date(2025, 5, 8), 3, 59, 59))
    assert refused.value.data == {"day": "2025-05-07", "from_when": "2025-05-08 04:00"}
    assert everything() == before
    assert settlements.due_days([served.union], at_local(date(2025, 5, 8), 3, 59, 59)) == []
    assert prepare(served, venue, at=at_local(date(2025, 5, 8), 4)).uses == 1


def test_nothing_and_already_settled_are_told_apart(served: Served) -> None:
    venue = served.venue()
    before = everything()
    with pytest.raises(kernel.NothingToSettle):
        prepare(served, venue)
    assert everything()[0] == before[0]
    served.serve(venue, [noon()])
    prepare(served, venue)
    before = everything()
    with pytest.raises(AlreadySettled):
        prepare(served, venue)
    assert everything() == before


def test_at_most_thirty_one_days_and_in_order(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    for first in (date(2025, 5, 8), date(2025, 4, 6)):
        with pytest.raises(Invalid):
            prepare(served, venue, first_day=first)
    assert prepare(served, venue, first_day=date(2025, 4, 7)).number.startswith("CT-20250407-20250507-")


def test_strangers_restaurants_and_auditors_prepare_nothing(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    before = everything()[:2]
    for actor in (as_person(served.cast.stranger()), served.manager(venue), served.cast.auditor()):
        with pytest.raises(NotAllowed):
            settling.prepare_settlement(actor=actor, at=NEXT, key=key(), venue_id=venue.pk, first_day=DAY, last_day=DAY)
    assert everything()[:2] == before


# Approving


def test_who_prepared_does_not_approve(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    receipt = prepare(served, venue)
    name_account(served)
    both = served.cast.appointed("易经办", "union_leader", served.union)
    before = everything()
    with pytest.raises(FourEyes):
        approve(served, receipt.settlement_id, 400, actor=both)
    assert everything() == before


def test_who_corrected_does_not_approve_either(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    receipt = prepare(served, venue)
    name_account(served)
    second = served.cast.appointed("副手", "union_officer", served.union)
    served.cast.appointed("副手", "union_leader", served.union)
    settling.adjust_settlement(
        actor=second, at=NEXT, key=key(), settlement_id=receipt.settlement_id, amount_fen=-100, reason="少扣"
    )
    before = everything()
    with pytest.raises(FourEyes):
        approve(served, receipt.settlement_id, 300, actor=second)
    assert everything() == before


def test_the_database_itself_wants_two_people(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    kept = Settlement.objects.get(pk=prepare(served, venue).settlement_id)
    with pytest.raises(IntegrityError, match="settlement_needs_two_people"), transaction.atomic():
        Settlement.objects.filter(pk=kept.pk).update(
            state="approved", approved_by_id=kept.prepared_by_id, invoice_fen=400
        )


@pytest.mark.parametrize(("invoice_fen", "difference"), [(799, "-0.01"), (801, "0.01")])
def test_an_invoice_one_fen_off_leaves_the_statement_open(served: Served, invoice_fen: int, difference: str) -> None:
    venue = served.venue()
    served.serve(venue, [noon(), noon(1)])
    receipt = prepare(served, venue)
    name_account(served)
    before = everything()
    with pytest.raises(kernel.InvoiceDiffers) as refused:
        approve(served, receipt.settlement_id, invoice_fen)
    assert refused.value.code == "invoice_differs"
    assert refused.value.data["difference"] == difference
    assert everything() == before
    assert Settlement.objects.get(pk=receipt.settlement_id).state == "prepared"
    assert approve(served, receipt.settlement_id, 800).state == "approved"


def test_the_database_itself_wants_the_invoice_to_match(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    receipt = prepare(served, venue)
    leader = served.cast.leader()
    with pytest.raises(IntegrityError, match="settlement_invoice_matches"), transaction.atomic():
        Settlement.objects.filter(pk=receipt.settlement_id).update(
            state="approved", approved_by_id=leader.id, invoice_fen=399
        )


def test_corrections_move_money_at_approval_not_before(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon(), noon(1)])
    receipt = prepare(served, venue)
    budget_before = balance(served.programme.budget_id).net_credit_fen
    for amount, reason in ((-150, "一份菜不合格"), (50, "上期少付")):
        settling.adjust_settlement(
            actor=served.cast.officer(),
            at=NEXT,
            key=key(),
            settlement_id=receipt.settlement_id,
            amount_fen=amount,
            reason=reason,
        )
    assert balance(venue.payee_id).net_credit_fen == 800
    assert approve(served, receipt.settlement_id, 700).owed_fen == 700
    assert balance(venue.payee_id).net_credit_fen == 700
    assert balance(served.programme.budget_id).net_credit_fen == budget_before + 100
    assert pay(served, receipt.settlement_id).state == "paid"
    assert balance(venue.payee_id).net_credit_fen == 0
    assert kernel.verify() == []
    assert verify_ledger() == []


def test_a_correction_without_reason_or_after_approval_is_refused(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    receipt = prepare(served, venue)
    officer = served.cast.officer()
    before = everything()
    for amount, reason, expected in ((100, " ", Invalid), (0, "零", Invalid)):
        with pytest.raises(expected):
            settling.adjust_settlement(
                actor=officer,
                at=NEXT,
                key=key(),
                settlement_id=receipt.settlement_id,
                amount_fen=amount,
                reason=reason,
            )
    assert everything() == before
    approve(served, receipt.settlement_id, 400)
    before = everything()
    with pytest.raises(WrongState):
        settling.adjust_settlement(
            actor=officer, at=NEXT, key=key(), settlement_id=receipt.settlement_id, amount_fen=1, reason="晚了"
        )
    assert everything() == before


# Paying


def test_paying_moves_what_is_owed_to_the_bank_once(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon(), noon(1)])
    receipt = prepare(served, venue)
    with pytest.raises(WrongState):
        pay(served, receipt.settlement_id)
    approve(served, receipt.settlement_id, 800)
    bank = Account.objects.get(code="outside/bank").pk
    before = balance(bank).net_credit_fen
    assert pay(served, receipt.settlement_id).state == "paid"
    assert balance(bank).net_credit_fen == before + 800
    assert balance(venue.payee_id).net_credit_fen == 0
    after = everything()
    with pytest.raises(WrongState):
        pay(served, receipt.settlement_id)
    assert everything() == after


def test_a_hold_freezes_the_payment_not_the_approval_and_not_lunch(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    receipt = prepare(served, venue)
    hold = Hold.objects.create(venue=venue, reason="核查中", placed_at=NEXT)
    approve(served, receipt.settlement_id, 400)
    before = everything()
    with pytest.raises(settling.PayoutHeld) as refused:
        pay(served, receipt.settlement_id)
    assert (refused.value.code, refused.value.data) == ("payout_held", {"reason": "核查中"})
    assert everything() == before
    served.serve(venue, [noon(day=date(2025, 5, 8))])
    assert Use.objects.count() == 2
    Hold.objects.filter(pk=hold.pk).update(released_at=NEXT)
    assert pay(served, receipt.settlement_id).state == "paid"


def test_a_settled_use_cannot_be_reversed(served: Served) -> None:
    venue = served.venue()
    [use] = served.serve(venue, [noon()])
    prepare(served, venue)
    before = everything()
    with pytest.raises(AlreadySettled):
        reverse_use(actor=SYSTEM, at=NEXT, use_id=use, reason="x", within=None, organisation_id=served.union)
    assert everything() == before


def test_the_checker_finds_a_line_that_was_taken_away(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon(), noon(1)])
    receipt = prepare(served, venue)
    assert kernel.verify() == []
    SettlementLine.objects.filter(settlement_id=receipt.settlement_id).first().delete()
    assert {finding.code for finding in kernel.verify()} == {"settlement_totals_differ", "settlement_lines_differ"}


@pytest.mark.usefixtures("as_application")
def test_the_applications_role_can_settle_and_pay(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    receipt = prepare(served, venue)
    approve(served, receipt.settlement_id, 400)
    assert pay(served, receipt.settlement_id).state == "paid"


# Files


def exported(served: Served, settlement_id: UUID, file_format: str, at: datetime = NEXT) -> settling.ExportedFile:
    return settling.export_settlement(
        actor=served.cast.officer(), at=at, settlement_id=settlement_id, file_format=file_format
    )


def approved(served: Served) -> settling.StatementReceipt:
    venue = served.venue()
    served.serve(venue, [noon(), noon(1, 30)])
    served.serve(venue, [noon(2)], kind="free", source="offline")
    receipt = prepare(served, venue)
    approve(served, receipt.settlement_id, 2100)
    return receipt


@pytest.mark.parametrize("file_format", ["xml", "xlsx", "csv"])
def test_a_file_made_again_is_the_same_bytes(served: Served, file_format: str) -> None:
    receipt = approved(served)
    first = exported(served, receipt.settlement_id, file_format)
    pay(served, receipt.settlement_id)
    venue = served.venue()
    venue.bank_account = "99999999999"
    venue.save(update_fields=["bank_account"])
    again = exported(served, receipt.settlement_id, file_format, at=NEXT + timedelta(days=400, seconds=3))
    assert again.content == first.content
    assert again.sha256 == hashlib.sha256(first.content).hexdigest()
    logged = Entry.objects.filter(action="canteen.export_settlement", subject_id=receipt.settlement_id)
    assert {json.loads(entry.body)["data"]["sha256"] for entry in logged} == {first.sha256}


def test_the_workbook_carries_no_clock_but_the_statements_own(served: Served) -> None:
    receipt = approved(served)
    archive = zipfile.ZipFile(BytesIO(exported(served, receipt.settlement_id, "xlsx").content))
    assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    core = archive.read("docProps/core.xml").decode()
    assert core.count("2025-05-08T09:00:00Z") == 2


def test_the_workbook_shows_each_line_and_the_totals(served: Served) -> None:
    receipt = approved(served)
    book = load_workbook(BytesIO(exported(served, receipt.settlement_id, "xlsx").content))
    rows = list(book["明细"].iter_rows(values_only=True))
    assert rows[1] == ("2025-05-07 12:00:00", "老株洲饭店", "午餐", "前台", "减 4 元券", 13, 4, 9, "在线", "凌*")
    assert rows[3] == ("2025-05-07 12:02:00", "老株洲饭店", "午餐", "前台", "免费餐券", 13, 13, 0, "离线", "凌*")
    assert len(rows) == 4
    totals = {row[0]: row[1:] for row in book["合计"].iter_rows(values_only=True)}
    assert totals["减 4 元券"] == (2, 2, 26, 8, 18)
    assert totals["免费餐券"] == (1, 1, 13, 13, 0)
    assert totals["合计"] == (3, 3, 39, 21, 18)
    assert totals["应付"][3] == 21
    assert totals["日志树根"][0] == bytes(Settlement.objects.get().tree_root).hex()


def test_a_name_in_a_file_is_never_a_formula(served: Served) -> None:
    sheet = exports.Sheet("a", ("x",), [("=1+1",), ("@x",)])
    made = exports.workbook_bytes([sheet], NEXT, "t")
    cell = load_workbook(BytesIO(made))["a"]["A2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")
    assert exports.csv_bytes(sheet).decode("utf-8-sig") == "x\r\n'=1+1\r\n'@x\r\n"


ORDER = {
    "CstmrCdtTrfInitn": ["GrpHdr", "PmtInf"],
    "GrpHdr": ["MsgId", "CreDtTm", "NbOfTxs", "CtrlSum", "InitgPty"],
    "PmtInf": [
        "PmtInfId", "PmtMtd", "NbOfTxs", "CtrlSum", "ReqdExctnDt", "Dbtr", "DbtrAcct", "DbtrAgt", "CdtTrfTxInf",
    ],
    "CdtTrfTxInf": ["PmtId", "Amt", "CdtrAgt", "Cdtr", "CdtrAcct", "RmtInf"],
    "FinInstnId": ["ClrSysMmbId", "Nm"],
    "DbtrAcct": ["Id", "Ccy"],
    "RmtInf": ["Ustrd", "Strd"],
    "RfrdDocInf": ["Tp", "Nb"],
    "ClrSysMmbId": ["ClrSysId", "MmbId"],
}  # fmt: skip


def test_the_payment_order_is_an_iso_20022_message(served: Served) -> None:
    receipt = approved(served)
    root = etree.fromstring(exported(served, receipt.settlement_id, "xml").content)
    assert root.tag == f"{{{exports.NAMESPACE}}}Document"
    seen = set()
    for element in root.iter():
        name = etree.QName(element).localname
        if name in ORDER:
            seen.add(name)
            assert [etree.QName(child).localname for child in element] == ORDER[name]
    assert seen == set(ORDER)

    def text(path: str) -> str:
        [found] = root.xpath(path, namespaces=NS)
        return str(found.text)

    assert text("//p:GrpHdr/p:MsgId") == text("//p:EndToEndId") == receipt.number
    assert text("//p:CreDtTm") == "2025-05-08T09:00:00+08:00"
    assert text("//p:PmtMtd") == "TRF"
    assert text("//p:ReqdExctnDt/p:Dt") == "2025-05-08"
    assert text("//p:Dbtr/p:Nm") == "株洲市天元区总工会"
    assert text("//p:DbtrAcct/p:Id/p:Othr/p:Id") == "43050162010800000123"
    assert text("//p:CdtrAcct/p:Id/p:Othr/p:Id") == "1903020209200012345"
    assert text("//p:Cdtr/p:Nm") == "老株洲饭店"
    assert text("//p:CdtrAgt//p:MmbId") == "102552000017"
    assert text("//p:RfrdDocInf/p:Nb") == "25430000000012345678"
    amounts = root.xpath("//p:InstdAmt", namespaces=NS)
    assert [(amount.text, amount.get("Ccy")) for amount in amounts] == [("21.00", "CNY")]
    assert {element.text for element in root.xpath("//p:CtrlSum", namespaces=NS)} == {"21.00"}
    assert {element.text for element in root.xpath("//p:NbOfTxs", namespaces=NS)} == {str(len(amounts))}


def test_the_payment_file_waits_for_approval(served: Served) -> None:
    venue = served.venue()
    served.serve(venue, [noon()])
    receipt = prepare(served, venue)
    before = everything()
    with pytest.raises(settling.FileFromApproval):
        exported(served, receipt.settlement_id, "xml")
    with pytest.raises(Invalid):
        exported(served, receipt.settlement_id, "pdf")
    assert everything() == before


def test_the_restaurant_reads_its_own_statement_and_no_other(served: Served) -> None:
    venue, other = served.venue(), served.venue("湘味小馆")
    served.serve(venue, [noon()])
    receipt = prepare(served, venue)
    assert settlements.statement(receipt.settlement_id, served.manager(venue), NEXT).payer_fen == 400
    for actor in (served.manager(other), as_person(served.cast.stranger())):
        with pytest.raises(NotAllowed):
            settlements.statement(receipt.settlement_id, actor, NEXT)
    with pytest.raises(NotFound):
        settlements.statement(venue.pk, served.cast.officer(), NEXT)


# Bounds and number of statements


def test_lists_take_the_same_number_of_statements_for_one_and_for_twenty(served: Served) -> None:
    venue = served.venue()
    counts: list[tuple[int, ...]] = []
    days = [date(2025, 4, 10) + timedelta(days=n) for n in range(20)]
    for batch in (days[:1], days[1:]):
        for each in batch:
            served.serve(venue, [noon(day=each), noon(1, day=each)])
            receipt = prepare(served, venue, day=each)
        counts.append(_lists(served, receipt.settlement_id))
    assert counts[0] == counts[1]
    assert len(settlements.statements([served.union])) == 20


def _lists(served: Served, settlement_id: UUID) -> tuple[int, ...]:
    return (
        _statements(lambda: settlements.statements([served.union])),
        _statements(lambda: settlements.sums_by_state([served.union])),
        _statements(lambda: settlements.due_days([served.union], NEXT)),
        _statements(lambda: settlements.lines(settlement_id)),
        _statements(lambda: settlements.statement(settlement_id, SYSTEM, NEXT)),
    )


def _statements(call: Any) -> int:
    with CaptureQueriesContext(
        connection,
    ) as caught:
        call()
    return len(caught)


def test_asking_for_too_much_is_an_error(served: Served) -> None:
    with pytest.raises(TooMany):
        settlements.statements([served.union], limit=101)
    with pytest.raises(Invalid):
        settlements.statements([served.union], state="lost")


def test_settling_two_hundred_uses_takes_as_many_statements_as_settling_one(served: Served) -> None:
    venue = served.venue()
    served.cast.officer()
    counts = []
    for day, uses in ((date(2025, 4, 29), 1), (date(2025, 5, 6), 200)):
        served.serve(venue, served.spread(uses, day))
        seal(NEXT)  # so that both find the same to seal: whole tiles of the tree cost a statement of their own
        counts.append(_statements(lambda day=day: prepare(served, venue, day=day)))
    assert counts[0] == counts[1]


# Races


def _together(*calls: Any) -> list[Any]:
    """Run these at the same moment, each on a connection of its own; returns results or exceptions."""
    gate, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(place: int, call: Any) -> None:
        gate.wait()
        try:
            results[place] = call()
        except Exception as error:  # what came out is what the test looks at
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _race(served: Served, venue: Any) -> list[Any]:
    """Two officers put overlapping days on two statements at once."""
    officer = served.cast.officer()

    def preparing(first: date) -> Any:
        return lambda: settling.prepare_settlement(
            actor=officer, at=NEXT, key=key(), venue_id=venue.pk, first_day=first, last_day=DAY
        )

    return _together(preparing(DAY), preparing(date(2025, 5, 6)))


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_overlapping_statements_at_once_never_hold_one_use_twice() -> None:
    served = Served(Cast())
    venue = served.venue()
    served.serve(venue, served.spread(300))
    results = _race(served, venue)
    assert SettlementLine.objects.count() == 300
    assert sorted(type(result).__name__ for result in results) == ["AlreadySettled", "StatementReceipt"]
    assert Settlement.objects.count() == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_without_the_unique_line_the_race_would_settle_twice() -> None:
    served = Served(Cast())
    venue = served.venue()
    served.serve(venue, served.spread(300))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE entitlements_settlementline DROP CONSTRAINT entitlements_settlementline_use_id_key")
    try:
        doubled = 0
        for _attempt in range(5):
            _race(served, venue)
            doubled = SettlementLine.objects.count() - SettlementLine.objects.values("use_id").distinct().count()
            SettlementLine.objects.all().delete()
            Settlement.objects.all().delete()
            if doubled:
                break
    finally:
        SettlementLine.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE entitlements_settlementline ADD CONSTRAINT entitlements_settlementline_use_id_key"
                " UNIQUE (use_id)"
            )
    assert doubled > 0


@pytest.mark.django_db
def test_times_in_files_are_the_citys(cast: Cast) -> None:
    party = exports.BankParty("a", "b", "12345678", "")
    order = exports.PaymentOrder(
        "N1", datetime(2025, 5, 7, 16, 30, tzinfo=UTC), date(2025, 5, 8), 5, party, party, "F1", "x"
    )
    made = exports.payment_xml(order).decode()
    assert "<CreDtTm>2025-05-08T00:30:00+08:00</CreDtTm>" in made
    assert '<InstdAmt Ccy="CNY">0.05</InstdAmt>' in made
    assert "ClrSysMmbId" not in made
