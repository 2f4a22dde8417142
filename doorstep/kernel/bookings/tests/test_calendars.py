"""The calendar of a person, parsed back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from icalendar import Calendar

from doorstep.kernel.bookings import actions, calendars, queries, reserving
from doorstep.kernel.bookings.tests.conftest import NOON, Studio
from doorstep.kernel.common.errors import NotFound, TooMany

pytestmark = pytest.mark.django_db


def parsed(studio: Studio, number: int = 1) -> Any:
    return Calendar.from_ical(calendars.feed(studio.student(number).id, studio.at))


def test_a_booking_reads_back_with_its_time_in_the_citys_zone(studio: Studio) -> None:
    booking = studio.book(studio.session())
    calendar = parsed(studio)
    (event,) = calendar.walk("VEVENT")
    assert calendar["method"] == "PUBLISH"
    assert event["uid"] == f"booking-{booking.pk}@bookings.doorstep"
    assert event["dtstart"].params["TZID"] == "Asia/Shanghai"
    assert event.decoded("dtstart") == NOON
    assert event.decoded("dtend") == NOON + timedelta(hours=1)
    assert event.decoded("dtstart").utcoffset() == timedelta(hours=8)
    assert (str(event["summary"]), str(event["location"])) == ("少儿拉丁", "一号教室 泰山路 1 号")
    assert (event["status"], event["sequence"]) == ("CONFIRMED", 0)
    (zone,) = calendar.walk("VTIMEZONE")
    assert zone["tzid"] == "Asia/Shanghai"
    assert {str(part["tzoffsetto"].to_ical()) for part in zone.subcomponents} == {"+0800"}


def test_the_uid_stays_and_the_sequence_grows_until_it_is_cancelled(studio: Studio) -> None:
    session = studio.session()
    booking = studio.book(session)
    (before,) = parsed(studio).walk("VEVENT")
    later = NOON + timedelta(hours=2)
    actions.change_session(
        actor=studio.keeper(), at=studio.at, session_id=session, starts_at=later, ends_at=later + timedelta(hours=1)
    )
    (moved,) = parsed(studio).walk("VEVENT")
    actions.cancel_booking(actor=studio.student(), at=studio.at, booking_id=booking.pk, reason="有事")
    (gone,) = parsed(studio).walk("VEVENT")
    assert before["uid"] == moved["uid"] == gone["uid"]
    assert [event["sequence"] for event in (before, moved, gone)] == [0, 1, 2]
    assert [event["status"] for event in (before, moved, gone)] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
    assert moved.decoded("dtstart") == later


def test_a_turn_in_the_queue_is_tentative_and_takes_no_time_until_it_is_a_place(studio: Studio) -> None:
    session = studio.session(capacity=1)
    first = studio.book(session, 1)
    studio.book(session, 2)
    (waiting,) = parsed(studio, 2).walk("VEVENT")
    assert (waiting["status"], waiting["transp"], str(waiting["summary"])) == (
        "TENTATIVE",
        "TRANSPARENT",
        "(候补)少儿拉丁",
    )
    actions.cancel_booking(actor=studio.student(1), at=studio.at, booking_id=first.pk, reason="有事")
    (called,) = parsed(studio, 2).walk("VEVENT")
    assert (called["status"], called["transp"], called["sequence"]) == ("CONFIRMED", "OPAQUE", 1)


def test_a_message_asks_and_after_cancelling_takes_back(studio: Studio) -> None:
    (row,) = studio.reserve(studio.resource(), NOON, NOON + timedelta(hours=1)).reservation_ids
    asked = Calendar.from_ical(calendars.message(studio.student().id, row, studio.at))
    reserving.cancel_reservation(actor=studio.student(), at=studio.at, reservation_id=row, reason="有事")
    taken = Calendar.from_ical(calendars.message(studio.student().id, row, studio.at))
    assert (asked["method"], taken["method"]) == ("REQUEST", "CANCEL")
    assert [one.walk("VEVENT")[0]["status"] for one in (asked, taken)] == ["CONFIRMED", "CANCELLED"]
    with pytest.raises(NotFound):
        calendars.message(studio.student(2).id, row, studio.at)


def test_a_feed_holds_only_ones_own_and_costs_one_statement(studio: Studio) -> None:
    room = studio.resource()
    studio.book(studio.session(), 2)
    with CaptureQueriesContext(connection) as none:
        assert parsed(studio).walk("VEVENT") == []
    for number in range(20):
        studio.reserve(room, NOON + timedelta(hours=number), NOON + timedelta(hours=number + 1))
    with CaptureQueriesContext(connection) as twenty:
        assert len(parsed(studio).walk("VEVENT")) == 20
    # The student is registered at the first asking; the feed itself is one statement either way.
    assert len([one for one in none if "bookings_booking" in one["sql"]]) == len(twenty) == 1


def test_the_agenda_is_in_order_bounded_and_without_what_was_cancelled(studio: Studio) -> None:
    room = studio.resource()
    late = studio.book(studio.session(starts_at=NOON + timedelta(hours=5), ends_at=NOON + timedelta(hours=6)))
    (row,) = studio.reserve(room, NOON, NOON + timedelta(hours=1)).reservation_ids
    who, span = studio.student().id, (NOON, NOON + timedelta(days=1))
    assert [item.id for item in queries.agenda(who, *span)] == [row, late.pk]
    actions.cancel_booking(actor=studio.student(), at=studio.at, booking_id=late.pk, reason="有事")
    assert [item.id for item in queries.agenda(who, *span)] == [row]
    assert [item.id for item in queries.agenda(who, *span, with_cancelled=True)] == [row, late.pk]
    assert queries.agenda(who, NOON + timedelta(hours=1), span[1]) == []
    with pytest.raises(TooMany):
        queries.agenda(who, *span, limit=101)
