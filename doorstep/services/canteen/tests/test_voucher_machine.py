"""Vouchers against a model, in any order: give, redeem, retry, take back, void, wait, expire."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from doorstep.kernel.audit.verify import verify as verify_audit
from doorstep.kernel.common.access import DevicePrincipal, device_from_token
from doorstep.kernel.common.clock import local
from doorstep.kernel.common.errors import Problem
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.entitlements.actions import OFFLINE_GRACE, expire_entitlements, void_entitlement
from doorstep.kernel.entitlements.models import Entitlement
from doorstep.kernel.entitlements.queries import Fates, fates
from doorstep.kernel.entitlements.queries import verify as verify_entitlements
from doorstep.kernel.ledger.queries import verify as verify_ledger
from doorstep.kernel.passes.codes import PassKind, issue
from doorstep.kernel.testing.cast import SYSTEM
from doorstep.services.canteen.actions.redeeming import redeem_voucher, void_redemption
from doorstep.services.canteen.refusals import RedemptionRefused
from doorstep.services.canteen.tests.world import CanteenWorld

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(400)]
VALID_DAYS = 3


@dataclass
class Voucher:
    """What the model knows of one voucher."""

    person: UUID
    until: Any
    state: str = "open"
    used: bool = False


@dataclass
class Sale:
    """One redemption that was answered."""

    voucher: UUID
    person: UUID
    code: str
    receipt: str
    use_id: UUID
    at: Any
    meal: tuple[UUID, Any, str]
    standing: bool = True


class Counter(RuleBasedStateMachine):
    """``world`` and ``device`` are made once; every run happens in a transaction that is rolled back."""

    world: ClassVar[CanteenWorld]
    device: ClassVar[DevicePrincipal]
    vouchers: Bundle[UUID] = Bundle("vouchers")
    sales: Bundle[str] = Bundle("sales")

    def __init__(self) -> None:
        super().__init__()
        self.frame = transaction.atomic()
        self.frame.__enter__()
        self.at = self.world.at
        self.known: dict[UUID, Voucher] = {}
        self.sold: dict[str, Sale] = {}
        self.people = [self.world.rider, self.world.courier]

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.frame.__exit__(None, None, None)

    def meals(self) -> set[tuple[UUID, Any, str]]:
        return {sale.meal for sale in self.sold.values() if sale.standing}

    def meal_now(self, person: UUID) -> tuple[UUID, Any, str] | None:
        wall = local(self.at)
        hour = wall.hour
        name = "lunch" if 10 <= hour < 15 else "dinner" if 17 <= hour < 21 else ""
        return (person, wall.date(), name) if name else None

    @rule(target=vouchers, who=st.integers(0, 1))
    def give(self, who: int) -> UUID:
        person = self.people[who]
        self.world.at, kept = self.at, self.world.at
        entitlement = self.world.give_voucher(person, days=VALID_DAYS)
        self.world.at = kept
        self.known[entitlement.pk] = Voucher(person, entitlement.valid_until)
        return entitlement.pk

    def may(self, voucher: Voucher) -> bool:
        meal = self.meal_now(voucher.person)
        in_time = voucher.state == "open" and not voucher.used and self.at < voucher.until
        return in_time and meal is not None and meal not in self.meals()

    @rule(target=sales, voucher=vouchers)
    def redeem(self, voucher: UUID) -> str:
        known, key = self.known[voucher], str(uuid7())
        code = issue(PassKind.ENTITLEMENT, voucher, self.at)
        allowed, meal = self.may(known), self.meal_now(known.person)
        try:
            receipt = redeem_voucher(device=self.device, at=self.at, key=key, code=code)
        except RedemptionRefused:
            assert not allowed
            return ""
        assert allowed
        assert meal is not None
        known.used = True
        use_id = Entitlement.objects.get(pk=voucher).uses.get(reversed_at=None).pk
        self.sold[key] = Sale(voucher, known.person, code, receipt, use_id, self.at, meal)
        return key

    @rule(key=sales)
    def retry(self, key: str) -> None:
        if sale := self.sold.get(key):
            again = redeem_voucher(device=self.device, at=self.at, key=key, code=sale.code)
            assert again == sale.receipt

    @rule(key=sales)
    def take_back(self, key: str) -> None:
        sale = self.sold.get(key)
        if sale is None:
            return
        allowed = sale.standing and self.at - sale.at <= timedelta(minutes=10)
        try:
            void_redemption(
                actor=self.device.actor, at=self.at, key=str(uuid7()), use_id=sale.use_id,
                place_id=self.device.place_id, reason="点错了",
            )  # fmt: skip
        except Problem:
            assert not allowed
            return
        assert allowed
        sale.standing, self.known[sale.voucher].used = False, False

    @rule(voucher=vouchers)
    def void(self, voucher: UUID) -> None:
        known = self.known[voucher]
        allowed = known.state == "open" and not known.used
        try:
            with transaction.atomic():
                void_entitlement(actor=self.world.officer, at=self.at, entitlement_id=voucher, reason="发错了")
        except Problem:
            assert not allowed
            return
        assert allowed
        known.state = "void"

    @rule(minutes=st.sampled_from([1, 5, 30, 120, 360, 1440]))
    def wait(self, minutes: int) -> None:
        self.at += timedelta(minutes=minutes)

    @rule()
    def expire(self) -> None:
        due = [
            one
            for one in self.known.values()
            if one.state == "open" and not one.used and one.until <= self.at - OFFLINE_GRACE
        ]
        assert expire_entitlements(actor=SYSTEM, at=self.at) == len(due)
        for one in due:
            one.state = "expired"

    @invariant()
    def issued_is_used_open_expired_and_void(self) -> None:
        counted = fates([self.world.off.terms_id], self.at)
        used = sum(one.used for one in self.known.values())
        void = sum(one.state == "void" for one in self.known.values())
        expired = sum(not one.used and one.state != "void" and one.until <= self.at for one in self.known.values())
        opened = len(self.known) - used - void - expired
        assert counted == Fates(len(self.known), used, opened, expired, void)
        assert [*verify_ledger(), *verify_entitlements(), *verify_audit()] == []


def test_any_order_of_events_keeps_vouchers_money_and_log_together(cast: Any) -> None:
    Counter.world = world = CanteenWorld(cast)
    device = device_from_token(world.till.token)
    assert device is not None
    assert world.off
    Counter.device = device
    bounded = settings(
        max_examples=12, stateful_step_count=20, deadline=None, print_blob=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(Counter, settings=bounded)
