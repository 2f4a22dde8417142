"""Any order of bookings, cancellations, confirmations, sweeps and resizings agrees with a model of ten lines."""

from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from doorstep.kernel.bookings import actions, errors, queries
from doorstep.kernel.bookings.models import Booking, Session
from doorstep.kernel.bookings.tests.conftest import NOON, Studio, key
from doorstep.kernel.common.errors import Problem
from doorstep.kernel.testing.cast import SYSTEM

pytestmark = pytest.mark.django_db

PEOPLE = 6
HOLD = timedelta(minutes=10)


class Sessions(RuleBasedStateMachine):
    """One session; the model keeps who is in (with the end of their hold) and who waits, in order."""

    studio: Studio

    def __init__(self) -> None:
        super().__init__()
        self.point = transaction.atomic()
        self.point.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.point.__exit__(None, None, None)

    @initialize(
        capacity=st.integers(1, 3),
        waitlist=st.sampled_from([True, True, False]),
        holds=st.booleans(),
        first=st.permutations(range(1, PEOPLE + 1)),
    )
    def opened(self, capacity: int, waitlist: bool, holds: bool, first: list[int]) -> None:
        """A session that most want to get into already."""
        self.at = self.studio.at
        self.capacity, self.waitlist, self.holds = capacity, waitlist, holds
        self.seated: dict[int, Any] = {}
        self.waiting: list[int] = []
        self.session = self.studio.session(capacity, waitlist=waitlist, hold_minutes=10 if holds else 0)
        for person in first[:4]:
            self.book(person)

    def hold_end(self) -> Any:
        return min(self.at + HOLD, NOON) if self.holds else None

    def let_in(self) -> None:
        while self.waiting and len(self.seated) < self.capacity and self.at < NOON:
            self.seated[self.waiting.pop(0)] = self.hold_end()

    def sweep(self) -> int:
        over = [person for person, until in self.seated.items() if until is not None and until <= self.at]
        for person in over:
            del self.seated[person]
        self.let_in()
        return len(over)

    def answer(self, expected: str, call: Any) -> None:
        """The call ends as the model says."""
        try:
            with transaction.atomic():
                call()
            end = "done"
        except Problem as refusal:
            end = refusal.code
        assert end == expected

    def booking_of(self, person: int) -> Booking:
        who = self.studio.student(person).id
        return Booking.objects.exclude(state="cancelled").get(session_id=self.session, person_id=who)

    @rule(person=st.integers(1, PEOPLE))
    def books(self, person: int) -> None:
        self.book(person)

    def book(self, person: int) -> None:
        given = {"actor": self.studio.student(person), "at": self.at, "key": key(), "session_id": self.session}
        expected = "done"
        if self.at >= NOON:
            expected = errors.BookingNotOpen.code
        elif person in self.seated or person in self.waiting:
            expected = errors.AlreadyBooked.code
        else:
            if len(self.seated) >= self.capacity:
                self.sweep()
            if len(self.seated) < self.capacity:
                self.seated[person] = self.hold_end()
            elif self.waitlist:
                self.waiting.append(person)
            else:
                expected = errors.SessionFull.code
        self.answer(expected, lambda: actions.book(**given))

    @precondition(lambda self: self.seated or self.waiting)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        person = data.draw(st.sampled_from(sorted([*self.seated, *self.waiting])))
        booking = self.booking_of(person)
        if self.at >= NOON and booking.state == "confirmed":
            expected = errors.CancelTooLate.code
        else:
            expected = "done"
            self.seated.pop(person, None)
            if person in self.waiting:
                self.waiting.remove(person)
            self.let_in()
        given = {"actor": self.studio.student(person), "at": self.at, "booking_id": booking.pk, "reason": "有事"}
        self.answer(expected, lambda: actions.cancel_booking(**given))

    @precondition(lambda self: any(self.seated.values()))
    @rule(data=st.data())
    def confirm(self, data: Any) -> None:
        person = data.draw(st.sampled_from(sorted(person for person, until in self.seated.items() if until)))
        booking = self.booking_of(person)
        expected = "done" if self.at < self.seated[person] else errors.HoldOver.code
        if expected == "done":
            self.seated[person] = None
        given = {"actor": self.studio.student(person), "at": self.at, "booking_id": booking.pk}
        self.answer(expected, lambda: actions.confirm_booking(**given))

    @rule(minutes=st.sampled_from([1, 3, 10, 45]))
    def later(self, minutes: int) -> None:
        self.at += timedelta(minutes=minutes)

    @rule()
    def expire(self) -> None:
        assert actions.expire_holds(self.at) == self.sweep()

    @precondition(lambda self: self.at < NOON)
    @rule(capacity=st.integers(1, 4))
    def resize(self, capacity: int) -> None:
        expected = "done" if capacity >= len(self.seated) else errors.CapacityTooSmall.code
        if expected == "done":
            self.capacity = capacity
            self.let_in()
        given = {"actor": SYSTEM, "at": self.at, "session_id": self.session, "capacity": capacity}
        self.answer(expected, lambda: actions.change_session(**given))

    @invariant()
    def agrees(self) -> None:
        session = Session.objects.get(pk=self.session)
        rows = Booking.objects.filter(session=session).exclude(state="cancelled").order_by("number")
        names = {self.studio.student(person).id: person for person in range(1, PEOPLE + 1)}
        kept = {names[row.person_id]: row.held_until for row in rows if row.state != "waitlisted"}
        assert kept == self.seated
        assert [names[row.person_id] for row in rows if row.state == "waitlisted"] == self.waiting
        assert (session.booked, session.capacity) == (len(self.seated), self.capacity)
        assert queries.verify() == []


def test_any_order_of_things_agrees_with_the_model(studio: Studio) -> None:
    for person in range(1, PEOPLE + 1):
        studio.student(person)
    machine = type("OneStudio", (Sessions,), {"studio": studio})
    run_state_machine_as_test(
        machine,
        settings=settings(
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            max_examples=40, stateful_step_count=25, deadline=None, print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )  # fmt: skip
