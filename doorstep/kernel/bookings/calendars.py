"""A person's bookings as iCalendar (RFC 5545, RFC 5546): a feed to subscribe to, and the message of one booking.

The UID of a booking never changes; SEQUENCE grows with each change of the booking or its session, so that calendars
replace what they have. What was cancelled stays in the feed for a while with STATUS:CANCELLED, or calendars would keep it.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _
from icalendar import Calendar, Event

from doorstep.kernel.bookings.models import Booking
from doorstep.kernel.bookings.queries import MAX_ROWS, AgendaItem, agenda
from doorstep.kernel.common.clock import CITY_ZONE
from doorstep.kernel.common.errors import NotFound

PRODUCT = "-//Doorstep//Bookings//ZH"
UID_DOMAIN = "bookings.doorstep"
PAST, AHEAD = timedelta(days=60), timedelta(days=400)
REFRESH = timedelta(hours=1)
FOREVER = (datetime(1970, 1, 1, tzinfo=CITY_ZONE), datetime(9000, 1, 1, tzinfo=CITY_ZONE))
# The city has had no summer time since 1991; the zone's history before that is left out of the file.
ZONE_FROM, ZONE_UNTIL = date(2000, 1, 1), date(2100, 1, 1)

STATUS = {
    Booking.State.HELD: "TENTATIVE",
    Booking.State.WAITLISTED: "TENTATIVE",
    Booking.State.CANCELLED: "CANCELLED",
}


def uid_of(item: AgendaItem) -> str:
    return f"{item.what}-{item.id}@{UID_DOMAIN}"


def _event(item: AgendaItem, at: datetime) -> Event:
    event = Event()
    event.add("uid", uid_of(item))
    event.add("dtstamp", at)
    event.add("dtstart", item.starts_at.astimezone(CITY_ZONE))
    event.add("dtend", item.ends_at.astimezone(CITY_ZONE))
    event.add("summary", _summary(item))
    event.add("description", item.organisation)
    if item.place:
        event.add("location", " ".join(filter(None, (item.place, item.address))))
    event.add("status", STATUS.get(Booking.State(item.state), "CONFIRMED"))
    event.add("sequence", item.sequence)
    event.add("last-modified", item.changed_at)
    # A turn in a queue takes up no time yet.
    event.add("transp", "TRANSPARENT" if item.state in ("waitlisted", "cancelled") else "OPAQUE")
    return event


def _summary(item: AgendaItem) -> str:
    title = f"{item.title} × {item.quantity}" if item.quantity > 1 else item.title
    if item.state == Booking.State.WAITLISTED:
        return _("(候补){title}").format(title=title)
    if item.state == Booking.State.HELD:
        return _("(待确认){title}").format(title=title)
    return title


def _calendar(method: str, items: Iterable[AgendaItem], at: datetime) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    for item in items:
        calendar.add_component(_event(item, at))
    return calendar


def _written(calendar: Calendar) -> bytes:
    calendar.add_missing_timezones(first_date=ZONE_FROM, last_date=ZONE_UNTIL)
    return bytes(calendar.to_ical())


def feed(person_id: UUID, at: datetime) -> bytes:
    """What a person has booked, from 60 days ago on, at most 100 entries, for a calendar to subscribe to. One statement."""
    items = agenda(person_id, at - PAST, at + AHEAD, with_cancelled=True, limit=MAX_ROWS)
    calendar = _calendar("PUBLISH", items, at)
    calendar.add("name", _("家门口 · 我的预约"))
    calendar.add("x-wr-calname", _("家门口 · 我的预约"))
    calendar.add("x-wr-timezone", CITY_ZONE.key)
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    return _written(calendar)


def message(person_id: UUID, item_id: UUID, at: datetime) -> bytes:
    """One booking or reservation of a person, to be sent: METHOD:REQUEST, or METHOD:CANCEL once it is cancelled.

    Raises: NotFound.
    """
    found = agenda(person_id, *FOREVER, with_cancelled=True, only=item_id, limit=1)
    if not found:
        raise NotFound
    method = "CANCEL" if found[0].state == Booking.State.CANCELLED else "REQUEST"
    return _written(_calendar(method, found, at))
