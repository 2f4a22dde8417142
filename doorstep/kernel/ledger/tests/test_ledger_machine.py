"""The ledger against a model: any order of posting, holding, taking, releasing and expiring keeps the books right."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.ledger import actions, queries
from doorstep.kernel.ledger.actions import AlreadyResolved, HoldExpired, NewTransfer, NotEnoughMoney
from doorstep.kernel.ledger.models import Account, Transfer

START = at_local(date(2025, 5, 7), 12)
AMOUNTS = st.integers(1, 900)
# Who may go below zero: the bank outside and the venue; a budget pays out what was put in, an advance is the mirror.
BOUNDS = {
    "bank": Account.Bound.NONE,
    "venue": Account.Bound.NONE,
    "budget": Account.Bound.DEBITS_WITHIN_CREDITS,
    "deposit": Account.Bound.DEBITS_WITHIN_CREDITS,
    "advance": Account.Bound.CREDITS_WITHIN_DEBITS,
}
NAMES = st.sampled_from(sorted(BOUNDS))


class Books(RuleBasedStateMachine):
    """``sums`` is the model: debits posted, credits posted, debits pending, credits pending of each account."""

    def __init__(self) -> None:
        super().__init__()
        self.at = START
        self.sums: dict[str, list[int]] = {name: [0, 0, 0, 0] for name in BOUNDS}
        self.holds: dict[Any, tuple[str, str, int, Any]] = {}
        self.over: list[Any] = []
        self._undo = transaction.atomic()

    @initialize()
    def open(self) -> None:
        self._undo.__enter__()
        run = uuid7()
        self.accounts = {
            name: actions.open_account(code=f"{run}/{name}", title=name, at=START, bound=bound)
            for name, bound in BOUNDS.items()
        }
        self.code = {account.pk: name for name, account in self.accounts.items()}

    def teardown(self) -> None:
        if hasattr(self, "accounts"):
            assert queries.verify() == []
            transaction.set_rollback(True)
            self._undo.__exit__(None, None, None)

    def _fits(self, moves: list[tuple[str, str, int]], pending: bool) -> bool:
        after = {name: list(sums) for name, sums in self.sums.items()}
        for debit, credit, amount in moves:
            after[debit][2 if pending else 0] += amount
            after[credit][3 if pending else 1] += amount
        for name, (dp, cp, dq, cq) in after.items():
            if BOUNDS[name] == Account.Bound.DEBITS_WITHIN_CREDITS and cp < dp + dq:
                return False
            if BOUNDS[name] == Account.Bound.CREDITS_WITHIN_DEBITS and dp < cp + cq:
                return False
        self.fitted = after
        return True

    def _post(self, moves: list[tuple[str, str, int]], expires_at: Any = None) -> bool:
        pending = expires_at is not None
        transfers = [
            NewTransfer(
                self.accounts[debit].pk, self.accounts[credit].pk, amount, "test", "test", None, self.at,
                kind="pending" if pending else "posted", expires_at=expires_at,
            )
            for debit, credit, amount in moves
        ]  # fmt: skip
        if not self._fits(moves, pending):
            with pytest.raises(NotEnoughMoney), transaction.atomic():
                actions.post(transfers)
            return False
        batch = actions.post(transfers)
        self.sums = self.fitted
        if pending:
            for row in Transfer.objects.filter(batch=batch):
                self.holds[row.pk] = (self.code[row.debit_id], self.code[row.credit_id], row.amount_fen, expires_at)
        return True

    @rule(
        moves=st.lists(st.tuples(NAMES, NAMES, AMOUNTS).filter(lambda move: move[0] != move[1]), min_size=1, max_size=4)
    )
    def post(self, moves: list[tuple[str, str, int]]) -> None:
        self._post(moves)

    @rule(name=st.sampled_from(["budget", "deposit"]), amount=AMOUNTS)
    def fund(self, name: str, amount: int) -> None:
        assert self._post([("bank", name, amount)])

    @rule(debit=st.sampled_from(["budget", "deposit", "bank"]), amount=AMOUNTS, minutes=st.integers(1, 90))
    def hold(self, debit: str, amount: int, minutes: int) -> None:
        self._post([(debit, "venue", amount)], self.at + timedelta(minutes=minutes))

    def _release(self, held: Any, taken: int) -> None:
        debit, credit, amount, _ = self.holds.pop(held)
        self.sums[debit][2] -= amount
        self.sums[credit][3] -= amount
        self.sums[debit][0] += taken
        self.sums[credit][1] += taken
        self.over.append(held)

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from(list(self.holds)))
        amount = self.holds[held][2]
        part = data.draw(st.integers(1, amount))
        if self.at >= self.holds[held][3]:
            with pytest.raises(HoldExpired):
                actions.post_pending(transfer_id=held, at=self.at, amount_fen=part)
            return
        with pytest.raises(ValueError, match="at most"):
            actions.post_pending(transfer_id=held, at=self.at, amount_fen=amount + 1)
        actions.post_pending(transfer_id=held, at=self.at, amount_fen=part)
        self._release(held, part)

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from(list(self.holds)))
        actions.void_pending(transfer_id=held, at=self.at)
        self._release(held, 0)

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def resolve_again(self, data: st.DataObject) -> None:
        with pytest.raises(AlreadyResolved), transaction.atomic():
            actions.void_pending(transfer_id=data.draw(st.sampled_from(self.over)), at=self.at)

    @rule(minutes=st.integers(1, 60))
    def time_goes_by(self, minutes: int) -> None:
        self.at += timedelta(minutes=minutes)

    @rule()
    def expire(self) -> None:
        due = [held for held, (*_, expires_at) in self.holds.items() if expires_at <= self.at]
        assert actions.expire_pending(self.at) == len(due)
        for held in due:
            self._release(held, 0)

    @invariant()
    def balances_are_the_model_s(self) -> None:
        for name, account in getattr(self, "accounts", {}).items():
            kept = queries.balance(account.pk)
            seen = [kept.debits_posted, kept.credits_posted, kept.debits_pending, kept.credits_pending]
            assert seen == self.sums[name], name
            assert BOUNDS[name] != Account.Bound.DEBITS_WITHIN_CREDITS or kept.available_fen >= 0


@pytest.mark.django_db
@pytest.mark.timeout(400)  # a failing run is made shorter before it is shown
def test_any_order_of_movements_keeps_the_books_right():

    limits = settings(
        max_examples=25, stateful_step_count=25, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Books, settings=limits)
    assert not Transfer.objects.exists()  # every run undid what it did
