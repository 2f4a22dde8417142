"""The core loop against a model: issued = used + open + expired + void after every step, and the money with it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

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

from doorstep.kernel.common.actor import person_actor
from doorstep.kernel.common.clock import at_local, local_day
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements import actions, errors, queries
from doorstep.kernel.entitlements.models import Entitlement, Terms, TermsVersion
from doorstep.kernel.entitlements.recording import NewUse, record_uses
from doorstep.kernel.ledger import queries as books
from doorstep.kernel.ledger.actions import NewTransfer, NotEnoughMoney, open_account, post
from doorstep.kernel.ledger.models import Account
from doorstep.kernel.places.actions import add_place
from doorstep.kernel.testing.cast import SYSTEM, Cast

START = at_local(date(2025, 5, 7), 9)
SHARE_FEN, FUNDED_FEN, WITHIN = 400, 20_000, timedelta(minutes=10)
OPEN, EXPIRED, VOID = "open", "expired", "void"


@dataclass
class Held:
    """An entitlement as the model knows it."""

    person: UUID
    units: int
    until: datetime
    used: int = 0
    state: str = OPEN


@dataclass
class Offered:
    quota: int
    units: int
    until: datetime
    claimed: set[UUID]
    closed: bool = False


class Loop(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.at = START
        self.held: dict[UUID, Held] = {}
        self.uses: dict[UUID, tuple[UUID, datetime]] = {}
        self.reversed: list[UUID] = []
        self.offers: dict[UUID, Offered] = {}
        self.settled_fen = 0
        self._undo = transaction.atomic()

    @initialize()
    def found(self) -> None:
        self._undo.__enter__()
        cast = Cast(START)
        union = cast.union()
        self.people = [cast.person(name) for name in ("凌涛", "周小满", "彭师傅")]
        self.place = add_place(
            actor=SYSTEM,
            at=START,
            organisation_id=union,
            kind="restaurant",
            name="食堂",
            longitude=113.1,
            latitude=27.8,
        )
        run = uuid7()
        bound = Account.Bound.DEBITS_WITHIN_CREDITS
        self.budget = open_account(code=f"{run}/budget", title="预算", at=START, bound=bound)
        self.reserved = open_account(code=f"{run}/reserved", title="已发未用", at=START)
        self.payee = open_account(code=f"{run}/payee", title="店家", at=START)
        bank = open_account(code=f"{run}/bank", title="银行", at=START)
        post([NewTransfer(bank.pk, self.budget.pk, FUNDED_FEN, "fund", "test", None, START)])
        self.terms = Terms.objects.create(
            id=uuid7(), code=str(run), service="test", title="券", payer_id=union, budget=self.budget,
            reserved=self.reserved, created_at=START,
        )  # fmt: skip
        self.version: TermsVersion = actions.set_terms(
            actor=SYSTEM, at=START, terms=self.terms, effective_from=START, list_price_fen=1300,
            payer_share_fen=SHARE_FEN, windows=[], limits={}, standings=[], place_ids=[],
        )  # fmt: skip

    def teardown(self) -> None:
        if hasattr(self, "version"):
            assert queries.verify() == []
            assert books.verify() == []
            transaction.set_rollback(True)
            self._undo.__exit__(None, None, None)

    def _reserved_fen(self) -> int:
        rights = sum(held.units - held.used for held in self.held.values() if held.state == OPEN)
        waiting = sum((o.quota - len(o.claimed)) * o.units for o in self.offers.values() if not o.closed)
        return (rights + waiting) * SHARE_FEN

    def _affordable(self, units: int) -> bool:
        return units * SHARE_FEN <= FUNDED_FEN - self._reserved_fen() - self.settled_fen

    @rule(people=st.sets(st.integers(0, 2), min_size=1), units=st.integers(1, 4), hours=st.integers(1, 30))
    def grant(self, people: set[int], units: int, hours: int) -> None:
        given: dict[str, Any] = {
            "actor": SYSTEM, "at": self.at, "terms": self.terms, "units": units, "source": "push",
            "person_ids": [self.people[index] for index in sorted(people)],
            "valid_from": self.at, "valid_until": self.at + timedelta(hours=hours),
        }  # fmt: skip
        if not self._affordable(units * len(people)):
            with pytest.raises(NotEnoughMoney), transaction.atomic():
                actions.grant_to(**given)
            return
        receipt = actions.grant_to(**given)
        for row in Entitlement.objects.filter(grant_id=receipt.grant_id):
            self.held[row.pk] = Held(row.person_id, units, given["valid_until"])

    @rule(quota=st.integers(1, 3), units=st.integers(1, 3), hours=st.integers(1, 30))
    def offer(self, quota: int, units: int, hours: int) -> None:
        if not self._affordable(quota * units):
            return
        until = self.at + timedelta(hours=hours)
        receipt = actions.offer(
            actor=SYSTEM, at=self.at, terms=self.terms, quota=quota, opens_at=self.at, closes_at=until,
            valid_from=self.at, valid_until=until, units=units,
        )  # fmt: skip
        self.offers[receipt.grant_id] = Offered(quota, units, until, set())

    @precondition(lambda self: self.offers)
    @rule(data=st.data(), person=st.integers(0, 2))
    def claim(self, data: st.DataObject, person: int) -> None:
        grant_id = data.draw(st.sampled_from(list(self.offers)))
        offered, who = self.offers[grant_id], self.people[person]
        given: dict[str, Any] = {"actor": person_actor(who), "at": self.at, "key": str(uuid7()), "grant_id": grant_id}
        refusal: type[Exception] | None = None
        if offered.closed or self.at >= offered.until:
            refusal = errors.ClaimNotOpen
        elif who in offered.claimed:
            refusal = errors.AlreadyClaimed
        elif len(offered.claimed) == offered.quota:
            refusal = errors.QuotaGone
        if refusal:
            with pytest.raises(refusal), transaction.atomic():
                actions.claim(**given)
            return
        receipt = actions.claim(**given)
        assert actions.claim(**given) == receipt  # the same request again
        offered.claimed.add(who)
        self.held[receipt.entitlement_id] = Held(who, offered.units, offered.until)

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def close_offer(self, data: st.DataObject) -> None:
        grant_id = data.draw(st.sampled_from(list(self.offers)))
        offered = self.offers[grant_id]
        left = 0 if offered.closed else offered.quota - len(offered.claimed)
        assert actions.close_offer(actor=SYSTEM, at=self.at, grant_id=grant_id) == left
        offered.closed = True

    def _new_use(self, entitlement_id: UUID) -> NewUse:
        use_id = uuid7()
        return NewUse(
            id=use_id, entitlement_id=entitlement_id, terms_version_id=self.version.pk,
            person_id=self.held[entitlement_id].person, place_id=self.place, device_id=None,
            reserved_id=self.reserved.pk, payee_id=self.payee.pk, at=self.at, day=local_day(self.at), window="",
            slot=None, quota_slot=None, list_price_fen=1300, payer_fen=SHARE_FEN, person_fen=1300 - SHARE_FEN,
            source="online", key_scope="test", key=str(use_id), request_digest=b"", receipt="{}", evidence={},
            organisation_id=self.terms.payer_id,
        )  # fmt: skip

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(list(self.held)), min_size=1, max_size=3, unique=True))
        uses = [self._new_use(entitlement_id) for entitlement_id in chosen]
        taken = record_uses(actor=SYSTEM, action="test.use", uses=uses)
        for use in uses:
            held = self.held[use.entitlement_id]
            good = held.state == OPEN and held.used < held.units and self.at < held.until
            assert (use.id in taken) == good
            if good:
                held.used += 1
                self.settled_fen += SHARE_FEN
                self.uses[use.id] = (use.entitlement_id, self.at)

    @precondition(lambda self: self.uses)
    @rule(data=st.data())
    def reverse(self, data: st.DataObject) -> None:
        use_id = data.draw(st.sampled_from(list(self.uses)))
        entitlement_id, when = self.uses[use_id]
        given: dict[str, Any] = {
            "actor": SYSTEM, "at": self.at, "use_id": use_id, "reason": "点错", "within": WITHIN,
            "organisation_id": self.terms.payer_id,
        }  # fmt: skip
        if self.at - when > WITHIN:
            with pytest.raises(errors.ReversalTooLate), transaction.atomic():
                actions.reverse_use(**given)
            return
        actions.reverse_use(**given)
        self.held[entitlement_id].used -= 1
        self.settled_fen -= SHARE_FEN
        del self.uses[use_id]
        self.reversed.append(use_id)
        with pytest.raises(errors.AlreadyReversed), transaction.atomic():
            actions.reverse_use(**given)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        entitlement_id = data.draw(st.sampled_from(list(self.held)))
        held = self.held[entitlement_id]
        refusal = {VOID: errors.Voided, EXPIRED: errors.Expired}.get(held.state)
        if refusal is None and held.used == held.units:
            refusal = errors.AlreadyUsed
        given: dict[str, Any] = {"actor": SYSTEM, "at": self.at, "entitlement_id": entitlement_id, "reason": "离职"}
        if refusal:
            with pytest.raises(refusal), transaction.atomic():
                actions.void_entitlement(**given)
            return
        assert actions.void_entitlement(**given) == (held.units - held.used) * SHARE_FEN
        held.state = VOID

    @rule(minutes=st.integers(1, 600))
    def time_goes_by(self, minutes: int) -> None:
        self.at += timedelta(minutes=minutes)

    @rule()
    def expire(self) -> None:
        over = [
            held for held in self.held.values()
            if held.state == OPEN and held.until + actions.OFFLINE_GRACE <= self.at and held.used < held.units
        ]  # fmt: skip
        assert actions.expire_entitlements(actor=SYSTEM, at=self.at) == len(over)
        for held in over:
            held.state = EXPIRED

    @invariant()
    def every_unit_is_somewhere(self) -> None:
        if not hasattr(self, "version"):
            return
        now = queries.fates([self.terms.pk], self.at)
        held = self.held.values()
        void = sum(one.units - one.used for one in held if one.state == VOID)
        over = sum(one.units - one.used for one in held if one.state != VOID and one.until <= self.at)
        used, issued = sum(one.used for one in held), sum(one.units for one in held)
        assert now == queries.Fates(issued, used, issued - used - void - over, over, void)
        assert now.issued == now.used + now.open + now.expired + now.void
        assert min(now.used, now.open, now.expired, now.void) >= 0

    @invariant()
    def the_money_follows(self) -> None:
        if hasattr(self, "version"):
            assert books.balance(self.reserved.pk).net_credit_fen == self._reserved_fen()
            assert books.balance(self.payee.pk).net_credit_fen == self.settled_fen
            left = FUNDED_FEN - self._reserved_fen() - self.settled_fen
            assert books.balance(self.budget.pk).available_fen == left >= 0


@pytest.mark.django_db
@pytest.mark.timeout(400)  # a failing run is made shorter before it is shown
def test_any_order_of_granting_using_and_taking_back_adds_up():
    limits = settings(
        max_examples=40, stateful_step_count=25, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Loop, settings=limits)
    assert not Entitlement.objects.exists()  # every run undid what it did
