"""Check-ups: places that run out, a queue, and results that only the person reads."""

from datetime import timedelta

import pytest
from django.db import connection

from doorstep.kernel.bookings.errors import AlreadyBooked, CancelTooLate
from doorstep.kernel.bookings.models import Booking, Session
from doorstep.kernel.common.clock import at_local
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound
from doorstep.kernel.people.actions import withdraw_consent
from doorstep.kernel.testing.cast import Cast
from doorstep.services.union.actions import checkups
from doorstep.services.union.actions.checkups import CONSENT, NoConsent, ResultThere
from doorstep.services.union.models import CheckupResult, CheckupSlot
from doorstep.services.union.queries.activities import round_counts, round_page
from doorstep.services.union.tests.stations_world import DAY, StationsWorld, key

DAY_OF_SLOT = at_local(DAY + timedelta(days=3), 8)


@pytest.fixture
def world(cast: Cast) -> StationsWorld:
    return StationsWorld(cast)


def book(world: StationsWorld, actor, session_id, consent: bool = True):
    return checkups.book_checkup(actor=actor, at=world.at, key=key(), session_id=session_id, consent=consent)


def test_a_full_time_has_a_queue_and_a_place_given_back_goes_to_it(world: StationsWorld) -> None:
    slot = world.slot(capacity=1)
    first, second = book(world, world.rider, slot), book(world, world.courier, slot)
    assert (first.state, second.state, second.ahead) == ("confirmed", "waitlisted", 0)
    assert Session.objects.get(pk=slot).booked == 1
    with pytest.raises(AlreadyBooked):
        book(world, world.rider, slot)
    assert Booking.objects.count() == 2
    assert checkups.cancel_checkup(actor=world.rider, at=world.at, booking_id=first.booking_id) == 1
    assert Booking.objects.get(pk=second.booking_id).state == "confirmed"


def test_one_time_a_round(world: StationsWorld) -> None:
    early, late = world.slot(), world.slot(days=4)
    book(world, world.rider, early)
    with pytest.raises(Invalid):
        book(world, world.rider, late)
    assert Booking.objects.count() == 1


def test_within_twelve_hours_nobody_cancels_alone_and_nobody_cancels_for_others(world: StationsWorld) -> None:
    booked = book(world, world.rider, world.slot())
    with pytest.raises(NotFound):
        checkups.cancel_checkup(actor=world.courier, at=world.at, booking_id=booked.booking_id)
    with pytest.raises(CancelTooLate):
        checkups.cancel_checkup(actor=world.rider, at=DAY_OF_SLOT - timedelta(hours=12), booking_id=booked.booking_id)
    assert Booking.objects.get().state == "confirmed"


def examined(world: StationsWorld, actor, consent: bool = True):
    booked = book(world, actor, world.slot(), consent)
    checkups.attend_checkup(actor=world.doctor, at=DAY_OF_SLOT, booking_id=booked.booking_id)
    return booked.booking_id


def give(world: StationsWorld, actor, booking_id, text: str = "血压 128/82"):
    return checkups.give_result(actor=actor, at=DAY_OF_SLOT, key=key(), booking_id=booking_id, text=text)


def test_a_result_is_read_by_its_person_alone(world: StationsWorld) -> None:
    booking = examined(world, world.rider)
    with pytest.raises(NotAllowed):
        give(world, world.officer, booking)
    result = give(world, world.doctor, booking)
    for other in (world.courier, world.officer, world.doctor):
        with pytest.raises(NotFound):
            checkups.read_result(actor=other, at=DAY_OF_SLOT, result_id=result)
    assert CheckupResult.objects.get().read_at is None
    assert checkups.read_result(actor=world.rider, at=DAY_OF_SLOT, result_id=result) == "血压 128/82"
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM union_checkupresult")
        assert b"128" not in bytes(cursor.fetchone()[0])
    with pytest.raises(ResultThere):
        give(world, world.doctor, booking, "另一份")
    counts = round_counts(world.round)
    assert (counts.places, counts.booked, counts.attended, counts.results) == (1, 1, 1, 1)


def test_without_consent_nothing_is_handed_over_here(world: StationsWorld) -> None:
    booking = examined(world, world.rider, consent=False)
    with pytest.raises(NoConsent):
        give(world, world.doctor, booking)
    assert CheckupResult.objects.count() == 0


def test_a_consent_taken_back_counts(world: StationsWorld) -> None:
    booking = examined(world, world.rider)
    withdraw_consent(actor=world.rider, at=DAY_OF_SLOT, person_id=world.rider.id, purpose=CONSENT)
    with pytest.raises(NoConsent):
        give(world, world.doctor, booking)
    assert CheckupResult.objects.count() == 0


def test_who_did_not_come_has_no_result(world: StationsWorld) -> None:
    booked = book(world, world.rider, world.slot())
    with pytest.raises(Invalid):
        give(world, world.doctor, booked.booking_id)
    assert CheckupResult.objects.count() == 0


def test_statements_of_a_rounds_page_do_not_grow(world: StationsWorld, django_assert_num_queries) -> None:
    for days in range(3, 15):
        world.slot(days=days)
    assert CheckupSlot.objects.count() == 12
    with django_assert_num_queries(4):
        assert len(round_page(world.round, world.rider.id, world.at).slots) == 12
