"""Sessions and their places: capacity, queue, holds, coming and not coming."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from doorstep.kernel.audit.models import Entry
from doorstep.kernel.bookings import actions, errors, queries, seating
from doorstep.kernel.bookings.models import Booking, Session
from doorstep.kernel.bookings.tests.conftest import NOON, Studio, booked, key, states
from doorstep.kernel.common.actor import device_actor
from doorstep.kernel.common.errors import Invalid, KeyReused, NotAllowed, NotFound, TooMany, WrongState
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.organisations.actions import add_device
from doorstep.kernel.testing.cast import SYSTEM

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def test_places_are_given_until_there_are_none_and_then_turns_in_the_queue(studio: Studio) -> None:
    session = studio.session(capacity=2)
    receipts = [
        actions.book(actor=studio.student(number), at=studio.at, key=key(), session_id=session)
        for number in range(1, 5)
    ]
    assert [receipt.state for receipt in receipts] == ["confirmed", "confirmed", "waitlisted", "waitlisted"]
    assert [receipt.ahead for receipt in receipts] == [0, 0, 0, 1]
    assert booked(session) == 2
    assert queries.verify() == []


def test_without_a_queue_a_full_session_refuses_and_nothing_changes(studio: Studio) -> None:
    session = studio.session(capacity=1, waitlist=False)
    studio.book(session, 1)
    with pytest.raises(errors.SessionFull):
        actions.book(actor=studio.student(2), at=studio.at, key=key(), session_id=session)
    assert states(session) == ["confirmed"]
    assert booked(session) == 1


def test_the_same_key_is_one_booking_and_another_request_with_it_is_refused(studio: Studio) -> None:
    session, other = studio.session(), studio.session()
    same = key()
    first = actions.book(actor=studio.student(), at=studio.at, key=same, session_id=session)
    again = actions.book(actor=studio.student(), at=studio.at + MINUTE, key=same, session_id=session)
    assert first == again
    with pytest.raises(KeyReused):
        actions.book(actor=studio.student(), at=studio.at, key=same, session_id=other)
    assert Booking.objects.count() == 1


def test_a_person_books_a_session_once_and_may_come_back_after_cancelling(studio: Studio) -> None:
    session = studio.session()
    booking = studio.book(session)
    with pytest.raises(errors.AlreadyBooked):
        studio.book(session)
    actions.cancel_booking(actor=studio.student(), at=studio.at, booking_id=booking.pk, reason="临时有事")
    studio.book(session)
    assert states(session) == ["cancelled", "confirmed"]
    assert booked(session) == 1


def test_the_database_itself_refuses_a_second_active_booking_and_an_overbooked_session(studio: Studio) -> None:
    session = studio.session()
    booking = studio.book(session)
    with pytest.raises(IntegrityError, match="booking_once_a_session"), transaction.atomic():
        Booking.objects.create(
            session_id=session, person_id=booking.person_id, state="confirmed", at=studio.at, changed_at=studio.at
        )
    with pytest.raises(IntegrityError, match="session_within_capacity"), transaction.atomic():
        Session.objects.filter(pk=session).update(booked=3)


def test_booking_is_open_from_its_opening_to_its_closing(studio: Studio) -> None:
    opens, closes = studio.at + timedelta(hours=1), studio.at + timedelta(hours=2)
    session = studio.session(opens_at=opens, closes_at=closes)
    for at in (opens - MINUTE, closes):
        with pytest.raises(errors.BookingNotOpen):
            studio.book(session, at=at)
    studio.book(session, at=closes - MINUTE)
    assert booked(session) == 1


def test_without_a_closing_booking_ends_at_the_start(studio: Studio) -> None:
    session = studio.session()
    with pytest.raises(errors.BookingNotOpen):
        studio.book(session, 1, at=NOON)
    studio.book(session, 2, at=NOON - MINUTE)
    assert states(session) == ["confirmed"]


def test_a_freed_place_goes_to_whoever_waits_longest_and_tells_them(studio: Studio) -> None:
    session = studio.session(capacity=1)
    seated, first, second = (studio.book(session, number) for number in (1, 2, 3))
    called = actions.cancel_booking(actor=studio.student(1), at=studio.at, booking_id=seated.pk, reason="生病")
    assert called == 1
    assert states(session) == ["cancelled", "confirmed", "waitlisted"]
    assert booked(session) == 1
    told = Notice.objects.filter(template="bookings.promoted")
    assert {notice.person_id for notice in told} == {first.person_id}
    assert sorted(told.values_list("channel", flat=True)) == ["in_app", "sms"]
    assert "05-10 12:00" in told[0].body
    assert Booking.objects.get(pk=second.pk).promoted_at is None
    assert Entry.objects.filter(action="bookings.promote", subject_id=first.pk).count() == 1
    assert queries.verify() == []


def test_leaving_the_queue_frees_no_place(studio: Studio) -> None:
    session = studio.session(capacity=1)
    studio.book(session, 1)
    waiting = studio.book(session, 2)
    assert actions.cancel_booking(actor=studio.student(2), at=studio.at, booking_id=waiting.pk, reason="不等了") == 0
    assert states(session) == ["confirmed", "cancelled"]
    assert booked(session) == 1


def test_after_the_cut_off_only_staff_may_cancel_a_confirmed_place(studio: Studio) -> None:
    session = studio.session(capacity=1, cancel_until=NOON - timedelta(hours=1))
    booking = studio.book(session, 1)
    late = NOON - timedelta(hours=1)
    with pytest.raises(errors.CancelTooLate):
        actions.cancel_booking(actor=studio.student(1), at=late, booking_id=booking.pk, reason="睡过了")
    assert states(session) == ["confirmed"]
    actions.cancel_booking(actor=studio.keeper(), at=late, booking_id=booking.pk, reason="电话请假")
    assert states(session) == ["cancelled"]
    with pytest.raises(errors.AlreadyCancelled):
        actions.cancel_booking(actor=studio.keeper(), at=late, booking_id=booking.pk, reason="再来一次")


def test_after_the_start_nobody_is_called_in_any_more(studio: Studio) -> None:
    session = studio.session(capacity=1)
    booking = studio.book(session, 1)
    studio.book(session, 2)
    assert actions.cancel_booking(actor=studio.keeper(), at=NOON, booking_id=booking.pk, reason="没来") == 0
    assert states(session) == ["cancelled", "waitlisted"]


def test_strangers_touch_nobody_elses_booking(studio: Studio) -> None:
    session = studio.session()
    booking = studio.book(session, 1)
    other = studio.student(2)
    with pytest.raises(NotAllowed):
        actions.cancel_booking(actor=other, at=studio.at, booking_id=booking.pk, reason="捣乱")
    with pytest.raises(NotAllowed):
        actions.check_in(actor=other, at=NOON, booking_id=booking.pk)
    with pytest.raises(NotAllowed):
        actions.book(actor=other, at=studio.at, key=key(), session_id=session, person_id=booking.person_id)
    with pytest.raises(NotAllowed):
        actions.open_session(
            actor=other, at=studio.at, key=key(), organisation_id=studio.organisation, kind="class", title="x",
            starts_at=NOON, ends_at=NOON + MINUTE, capacity=1,
        )  # fmt: skip
    assert states(session) == ["confirmed"]
    assert Session.objects.count() == 1


def test_staff_book_for_a_person_who_exists(studio: Studio) -> None:
    session = studio.session()
    who = studio.student(7)
    actions.book(actor=studio.keeper(), at=studio.at, key=key(), session_id=session, person_id=who.id)
    assert Booking.objects.get().person_id == who.id
    with pytest.raises(NotFound):
        actions.book(actor=studio.keeper(), at=studio.at, key=key(), session_id=session, person_id=seating.uuid7())


def test_a_hold_is_confirmed_in_time_or_goes_to_the_next(studio: Studio) -> None:
    session = studio.session(capacity=1, hold_minutes=30)
    first, second = studio.book(session, 1), studio.book(session, 2)
    assert (first.state, first.held_until) == ("held", studio.at + timedelta(minutes=30))
    over = studio.at + timedelta(minutes=30)
    assert actions.expire_holds(over - MINUTE) == 0
    with pytest.raises(errors.HoldOver):
        actions.confirm_booking(actor=studio.student(1), at=over, booking_id=first.pk)
    assert actions.expire_holds(over) == 1
    assert states(session) == ["cancelled", "held"]
    assert Booking.objects.get(pk=second.pk).held_until == over + timedelta(minutes=30)
    with pytest.raises(errors.HoldOver):
        actions.confirm_booking(actor=studio.student(1), at=over, booking_id=first.pk)
    receipt = actions.confirm_booking(actor=studio.student(2), at=over + MINUTE, booking_id=second.pk)
    assert receipt.state == "confirmed"
    assert actions.confirm_booking(actor=studio.student(2), at=over + MINUTE, booking_id=second.pk) == receipt
    assert actions.expire_holds(over + timedelta(hours=1)) == 0
    assert booked(session) == 1
    assert queries.verify() == []


def test_a_hold_that_is_over_frees_its_place_even_before_the_sweep(studio: Studio) -> None:
    session = studio.session(capacity=1, hold_minutes=10, waitlist=False)
    studio.book(session, 1)
    with pytest.raises(errors.SessionFull):
        studio.book(session, 2, at=studio.at + timedelta(minutes=9))
    studio.book(session, 2, at=studio.at + timedelta(minutes=10))
    assert states(session) == ["cancelled", "held"]


def test_a_hold_never_lasts_past_the_start(studio: Studio) -> None:
    session = studio.session(hold_minutes=24 * 60)
    assert studio.book(session).held_until == NOON


def test_check_in_answers_the_first_time_again_and_corrects_a_no_show(studio: Studio) -> None:
    session = studio.session()
    booking = studio.book(session)
    with pytest.raises(errors.CheckInTooEarly):
        actions.check_in(actor=studio.keeper(), at=NOON - timedelta(minutes=121), booking_id=booking.pk)
    with pytest.raises(errors.NotBegun):
        actions.mark_no_show(actor=studio.keeper(), at=NOON - MINUTE, booking_id=booking.pk)
    actions.mark_no_show(actor=studio.keeper(), at=NOON, booking_id=booking.pk)
    assert states(session) == ["no_show"]
    first = actions.check_in(actor=studio.keeper(), at=NOON + MINUTE, booking_id=booking.pk)
    again = actions.check_in(actor=studio.keeper(), at=NOON + 2 * MINUTE, booking_id=booking.pk)
    assert (first.first, again.first) == (True, False)
    assert first.attended_at == again.attended_at == NOON + MINUTE
    with pytest.raises(WrongState):
        actions.cancel_booking(actor=studio.keeper(), at=NOON + MINUTE, booking_id=booking.pk, reason="x")
    assert booked(session) == 1


def test_only_a_confirmed_booking_is_checked_in(studio: Studio) -> None:
    session = studio.session(capacity=1)
    studio.book(session, 1)
    waiting = studio.book(session, 2)
    with pytest.raises(errors.NotConfirmed):
        actions.check_in(actor=studio.keeper(), at=NOON, booking_id=waiting.pk)
    assert states(session) == ["confirmed", "waitlisted"]


def test_the_door_at_the_sessions_place_checks_in_and_another_does_not(studio: Studio) -> None:
    booking = studio.book(studio.session())
    elsewhere = studio.cast.organisation("别家")
    foreign = add_device(
        actor=SYSTEM, at=studio.at, organisation_id=elsewhere, place_id=studio.place, kind="door", name="门"
    )
    own = add_device(
        actor=SYSTEM, at=studio.at, organisation_id=studio.organisation, place_id=studio.place, kind="door", name="门"
    )
    with pytest.raises(NotAllowed):
        actions.check_in(actor=device_actor(seating.uuid7()), at=NOON, booking_id=booking.pk)
    assert actions.check_in(actor=device_actor(own), at=NOON, booking_id=booking.pk).first
    assert not actions.check_in(actor=device_actor(foreign), at=NOON, booking_id=booking.pk).first


def test_more_places_go_to_the_queue_and_fewer_than_booked_are_refused(studio: Studio) -> None:
    session = studio.session(capacity=1)
    for number in (1, 2, 3, 4):
        studio.book(session, number)
    assert actions.change_session(actor=studio.keeper(), at=studio.at, session_id=session, capacity=3) == 2
    assert states(session) == ["confirmed", "confirmed", "confirmed", "waitlisted"]
    with pytest.raises(errors.CapacityTooSmall):
        actions.change_session(actor=studio.keeper(), at=studio.at, session_id=session, capacity=2)
    assert Session.objects.get(pk=session).capacity == 3
    assert queries.verify() == []


def test_a_moved_session_tells_everybody(studio: Studio) -> None:
    session = studio.session(capacity=1)
    people = {studio.book(session, number).person_id for number in (1, 2)}
    later = NOON + timedelta(hours=3)
    actions.change_session(
        actor=studio.keeper(), at=studio.at, session_id=session, starts_at=later, ends_at=later + timedelta(hours=1)
    )
    told = Notice.objects.filter(template="bookings.moved", channel="in_app")
    assert {notice.person_id for notice in told} == people
    assert "05-10 15:00" in told[0].body
    assert Session.objects.get(pk=session).sequence == 1


def test_a_cancelled_session_cancels_and_tells_everybody_and_takes_no_more(studio: Studio) -> None:
    session = studio.session(capacity=1)
    people = {studio.book(session, number).person_id for number in (1, 2)}
    assert actions.cancel_session(actor=studio.keeper(), at=studio.at, session_id=session, reason="停电") == 2
    assert states(session) == ["cancelled", "cancelled"]
    assert booked(session) == 0
    told = Notice.objects.filter(template="bookings.session_cancelled", channel="in_app")
    assert {notice.person_id for notice in told} == people
    with pytest.raises(errors.SessionCancelled):
        studio.book(session, 3)
    with pytest.raises(errors.SessionCancelled):
        actions.cancel_session(actor=studio.keeper(), at=studio.at, session_id=session, reason="停电")


def test_what_cannot_be_right_is_refused(studio: Studio) -> None:
    for wrong in (
        {"capacity": 0},
        {"capacity": 10_001},
        {"title": " "},
        {"ends_at": NOON},
        {"hold_minutes": -1},
        {"closes_at": studio.at},
    ):
        with pytest.raises(Invalid):
            studio.session(**wrong)
    session = studio.session()
    with pytest.raises(Invalid):
        actions.cancel_session(actor=SYSTEM, at=studio.at, session_id=session, reason=" ")
    assert Session.objects.count() == 1


def test_lists_are_bounded_paged_and_cost_one_statement(studio: Studio) -> None:
    sessions = [studio.session(title=f"第 {number} 节", starts_at=NOON + number * MINUTE) for number in range(22)]
    for number in range(1, 4):
        studio.book(sessions[0], number)
    day = (NOON - timedelta(hours=1), NOON + timedelta(hours=1))
    for limit in (1, 20):
        with CaptureQueriesContext(connection) as seen:
            rows = queries.sessions_between(*day, organisation_id=studio.organisation, limit=limit)
        assert (len(rows), len(seen)) == (limit, 1)
    rest = queries.sessions_between(*day, place_id=studio.place, after=rows[-1].session_id)
    assert [row.title for row in rest] == ["第 20 节", "第 21 节"]
    assert (rows[0].booked, rows[0].free, rows[0].waiting, rows[0].place_name) == (2, 0, 1, "一号教室")
    with CaptureQueriesContext(connection) as seen:
        people = queries.participants(sessions[0])
    assert ([person.name for person in people], len(seen)) == (["学员1", "学员2", "学员3"], 1)
    assert [person.name for person in queries.participants(sessions[0], after=people[1].number)] == ["学员3"]
    with pytest.raises(TooMany):
        queries.sessions_between(*day, place_id=studio.place, limit=101)
    with pytest.raises(Invalid):
        queries.sessions_between(*day)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE bookings_session SET booked = 1", "places_differ"),
        ("UPDATE bookings_session SET capacity = 3", ""),
        ("UPDATE bookings_booking SET state = 'confirmed' WHERE state = 'waitlisted'", "overbooked"),
        ("UPDATE bookings_booking SET promoted_at = at WHERE number = (SELECT max(number) FROM bookings_booking)", ""),
        (
            "UPDATE bookings_booking SET promoted_at = at, number = number + 1000 WHERE number = "
            "(SELECT min(number) FROM bookings_booking)",
            "queue_overtaken",
        ),
    ],
)
def test_what_was_changed_behind_the_actions_is_found(studio: Studio, change: str, code: str) -> None:
    session = studio.session(capacity=2)
    for number in (1, 2, 3):
        studio.book(session, number)
    assert queries.verify() == []
    with connection.cursor() as cursor:
        cursor.execute(change)
    codes = {finding.code for finding in queries.verify()}
    assert (code in codes) if code else codes == set()
