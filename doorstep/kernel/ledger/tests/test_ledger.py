"""The ledger: transfers balance, bounded accounts hold, pending money is resolved once, the past can be read."""

from datetime import date, timedelta

import pytest
from django.db import connection, transaction

from doorstep.kernel.common.clock import at_local
from doorstep.kernel.ledger import actions, queries
from doorstep.kernel.ledger.actions import NewTransfer
from doorstep.kernel.ledger.models import Transfer

pytestmark = pytest.mark.django_db
AT = at_local(date(2025, 5, 7), 12)


def account(code: str, bound: str = "none"):
    return actions.open_account(code=code, title=code, at=AT, bound=bound)


def move(debit, credit, amount: int, at=AT, **more) -> NewTransfer:
    return NewTransfer(debit.pk, credit.pk, amount, "test", "test", None, at, **more)


def test_a_budget_never_pays_out_more_than_was_put_in():
    bank, budget, venue = account("bank"), account("budget", "debits_within_credits"), account("venue")
    actions.post([move(bank, budget, 1000)])
    actions.post([move(budget, venue, 1000)])
    with pytest.raises(actions.NotEnoughMoney), transaction.atomic():
        actions.post([move(budget, venue, 1)])
    assert queries.balance(budget.pk).available_fen == 0
    assert queries.balance(venue.pk).net_credit_fen == 1000
    assert queries.verify() == []


def test_balance_at_a_past_instant():
    bank, venue = account("bank"), account("venue")
    actions.post([move(bank, venue, 400)])
    actions.post([move(bank, venue, 500, at=AT + timedelta(hours=1))])
    assert queries.balance_at(venue.pk, AT).credits_posted == 400
    assert queries.balance_at(venue.pk, AT - timedelta(seconds=1)).credits_posted == 0
    assert queries.balance_at(venue.pk, AT + timedelta(hours=1)).credits_posted == 900


def test_a_pending_transfer_is_resolved_once():
    student, studio = account("student", "debits_within_credits"), account("studio")
    bank = account("bank")
    actions.post([move(bank, student, 1000)])
    actions.post([move(student, studio, 600, kind="pending", expires_at=AT + timedelta(days=1))])
    held = Transfer.objects.get(kind="pending")
    assert queries.balance(student.pk).available_fen == 400
    actions.post_pending(transfer_id=held.pk, at=AT, amount_fen=250)
    assert queries.balance(student.pk).available_fen == 750
    assert queries.balance(studio.pk).credits_posted == 250
    with pytest.raises(actions.AlreadyResolved), transaction.atomic():
        actions.void_pending(transfer_id=held.pk, at=AT)
    assert queries.verify() == []


def test_an_expired_hold_goes_back():
    bank, student, studio = account("bank"), account("student", "debits_within_credits"), account("studio")
    actions.post([move(bank, student, 1000)])
    actions.post([move(student, studio, 600, kind="pending", expires_at=AT + timedelta(hours=1))])
    held = Transfer.objects.get(kind="pending")
    with pytest.raises(actions.HoldExpired):
        actions.post_pending(transfer_id=held.pk, at=AT + timedelta(hours=1))
    assert actions.expire_pending(AT + timedelta(minutes=59)) == 0
    assert actions.expire_pending(AT + timedelta(hours=1)) == 1
    assert queries.balance(student.pk).available_fen == 1000
    assert queries.verify() == []


def test_a_changed_transfer_is_found():
    bank, venue = account("bank"), account("venue")
    actions.post([move(bank, venue, 400)])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ledger_transfer SET amount_fen = 401")
    codes = {finding.code for finding in queries.verify()}
    assert codes == {"balance_differs", "batch_differs"}
