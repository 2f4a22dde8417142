"""What may be asked of bookings: sessions, who is in one, a person's agenda, when a resource is free, and the proof."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from doorstep.kernel.bookings.models import Booking, Resource, Session
from doorstep.kernel.common.clock import day_bounds
from doorstep.kernel.common.errors import Invalid, NotFound, TooMany
from doorstep.kernel.common.findings import Finding
from doorstep.kernel.places.hours import open_periods
from doorstep.kernel.places.queries import calendar_overrides

DEFAULT_ROWS, MAX_ROWS = 20, 100
MAX_SLOT_MINUTES = 24 * 60
LONGEST_SPAN = timedelta(days=366)


def _bounded(limit: int) -> int:
    if not 1 <= limit <= MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    return limit


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as a list shows it; ``free`` places are left, ``waiting`` people are in its queue."""

    session_id: UUID
    kind: str
    title: str
    place_id: UUID | None
    place_name: str
    starts_at: datetime
    ends_at: datetime
    capacity: int
    booked: int
    waiting: int
    waitlist: bool
    opens_at: datetime
    closes_at: datetime
    state: str

    @property
    def free(self) -> int:
        return self.capacity - self.booked


_SESSIONS = """
SELECT s.id, s.kind, s.title, s.place_id, coalesce(p.name, ''), s.starts_at, s.ends_at, s.capacity, s.booked,
  (SELECT count(*) FROM bookings_booking b WHERE b.session_id = s.id AND b.state = 'waitlisted'),
  s.waitlist, s.opens_at, coalesce(s.closes_at, s.starts_at), s.state
FROM bookings_session s LEFT JOIN places_place p ON p.id = s.place_id
WHERE s.starts_at >= %(start)s AND s.starts_at < %(end)s
  AND (%(organisation)s::uuid IS NULL OR s.organisation_id = %(organisation)s::uuid)
  AND (%(place)s::uuid IS NULL OR s.place_id = %(place)s::uuid)
  AND (%(kind)s::text IS NULL OR s.kind = %(kind)s::text)
  AND (%(after)s::uuid IS NULL
       OR (s.starts_at, s.id) > (SELECT a.starts_at, a.id FROM bookings_session a WHERE a.id = %(after)s::uuid))
ORDER BY s.starts_at, s.id LIMIT %(limit)s
"""


def sessions_between(
    start: datetime,
    end: datetime,
    *,
    organisation_id: UUID | None = None,
    place_id: UUID | None = None,
    kind: str | None = None,
    after: UUID | None = None,
    limit: int = DEFAULT_ROWS,
) -> list[SessionView]:
    """Sessions that start in [start, end) of an organisation or at a place, earliest first; ``after`` is the last page's last id.

    One statement. Raises: TooMany, Invalid (neither organisation nor place).
    """
    if organisation_id is None and place_id is None:
        raise Invalid("organisation_id")
    with connection.cursor() as cursor:
        cursor.execute(
            _SESSIONS,
            {
                "start": start,
                "end": end,
                "organisation": organisation_id,
                "place": place_id,
                "kind": kind,
                "after": after,
                "limit": _bounded(limit),
            },
        )
        return [SessionView(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody's booking as the desk sees it."""

    booking_id: UUID
    number: int
    person_id: UUID
    name: str
    state: str
    held_until: datetime | None
    attended_at: datetime | None
    at: datetime


def participants(session_id: UUID, *, after: int = 0, limit: int = DEFAULT_ROWS) -> list[Participant]:
    """Who is in a session or waits for it, in the order of their numbers; ``after`` is the last page's last number.

    One statement. Raises: TooMany.
    """
    rows = Booking.objects.filter(session_id=session_id, number__gt=after).exclude(state=Booking.State.CANCELLED)
    columns = ("id", "number", "person_id", "person__name", "state", "held_until", "attended_at", "at")
    return [Participant(*row) for row in rows.order_by("number").values_list(*columns)[: _bounded(limit)]]


@dataclass(frozen=True, slots=True)
class AgendaItem:
    """One thing in a person's calendar: ``what`` is ``booking`` or ``reservation``; ``sequence`` grows with each change."""

    what: str
    id: UUID
    title: str
    kind: str
    organisation: str
    place: str
    address: str
    starts_at: datetime
    ends_at: datetime
    state: str
    quantity: int
    sequence: int
    changed_at: datetime


_AGENDA = """
SELECT * FROM (
  SELECT 'booking' AS what, b.id, s.title, s.kind, o.name AS organisation, coalesce(p.name, '') AS place,
    coalesce(p.address, '') AS address, s.starts_at, s.ends_at, b.state, 1 AS quantity, b.sequence + s.sequence AS sequence,
    greatest(b.changed_at, s.changed_at) AS changed_at
  FROM bookings_booking b JOIN bookings_session s ON s.id = b.session_id
  JOIN organisations_organisation o ON o.id = s.organisation_id LEFT JOIN places_place p ON p.id = s.place_id
  WHERE b.person_id = %(person)s
  UNION ALL
  SELECT 'reservation', r.id, u.name, u.kind, o.name, coalesce(p.name, ''), coalesce(p.address, ''), lower(r.period),
    upper(r.period), r.state, r.quantity, r.sequence, r.changed_at
  FROM bookings_reservation r JOIN bookings_resource u ON u.id = r.resource_id
  JOIN organisations_organisation o ON o.id = u.organisation_id LEFT JOIN places_place p ON p.id = u.place_id
  WHERE r.person_id = %(person)s
) AS items
WHERE ends_at > %(start)s AND starts_at < %(end)s AND (%(cancelled)s OR state <> 'cancelled')
  AND (%(only)s::uuid IS NULL OR id = %(only)s::uuid)
ORDER BY starts_at, id LIMIT %(limit)s
"""


def agenda(
    person_id: UUID,
    start: datetime,
    end: datetime,
    *,
    with_cancelled: bool = False,
    only: UUID | None = None,
    limit: int = DEFAULT_ROWS,
) -> list[AgendaItem]:
    """What a person has in [start, end), earliest first; with what was cancelled when asked for. One statement.

    Raises: TooMany.
    """
    parameters: dict[str, Any] = {"person": person_id, "start": start, "end": end, "cancelled": with_cancelled}
    with connection.cursor() as cursor:
        cursor.execute(_AGENDA, {**parameters, "only": only, "limit": _bounded(limit)})
        return [AgendaItem(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Slot:
    """One half-open stretch of time."""

    starts_at: datetime
    ends_at: datetime


# What is reserved changes at edges; a stretch between two edges is busy when it leaves too little.
_FREE = """
WITH edges AS (
  SELECT greatest(lower(r.period), %(start)s) AS moment, r.quantity AS change FROM bookings_reservation r
  WHERE r.resource_id = %(resource)s AND r.state <> 'cancelled' AND NOT (r.state = 'held' AND r.held_until <= %(at)s)
    AND upper(r.period) > %(start)s AND lower(r.period) < %(end)s
  UNION ALL
  SELECT least(upper(r.period), %(end)s), -r.quantity FROM bookings_reservation r
  WHERE r.resource_id = %(resource)s AND r.state <> 'cancelled' AND NOT (r.state = 'held' AND r.held_until <= %(at)s)
    AND upper(r.period) > %(start)s AND lower(r.period) < %(end)s
), loads AS (
  SELECT moment, sum(sum(change)) OVER (ORDER BY moment) AS load, lead(moment) OVER (ORDER BY moment) AS next
  FROM edges GROUP BY moment
), busy AS (
  SELECT range_agg(tstzrange(moment, next, '[)')) AS times FROM loads WHERE load + %(wanted)s > %(quantity)s AND next IS NOT NULL
)
SELECT lower(free), upper(free)
FROM busy, unnest(tstzmultirange(tstzrange(%(start)s, %(end)s, '[)')) - coalesce(times, '{}')) AS free
ORDER BY 1 LIMIT %(limit)s
"""


def free_times(resource_id: UUID, start: datetime, end: datetime, *, at: datetime, quantity: int = 1) -> list[Slot]:
    """The stretches of [start, end) in which ``quantity`` of a resource is free, at most 100. Two statements.

    Holds that are over at ``at`` count as free. Raises: NotFound, Invalid.
    """
    if not timedelta(0) < end - start <= LONGEST_SPAN:
        raise Invalid("end")
    resource = Resource.objects.filter(pk=resource_id).first()
    if resource is None:
        raise NotFound
    if resource.retired_at is not None or quantity > resource.quantity:
        return []
    return _free(resource, start, end, at, quantity)


def _free(resource: Resource, start: datetime, end: datetime, at: datetime, quantity: int) -> list[Slot]:
    with connection.cursor() as cursor:
        cursor.execute(
            _FREE,
            {
                "resource": resource.pk,
                "start": start,
                "end": end,
                "at": at,
                "wanted": quantity,
                "quantity": resource.quantity,
                "limit": MAX_ROWS,
            },
        )
        return [Slot(*row) for row in cursor.fetchall()]


def free_slots(resource_id: UUID, day: date, *, minutes: int, at: datetime, quantity: int = 1) -> list[Slot]:
    """The slots of that many minutes that can still be had on a local day, at most 100, none that has begun at ``at``.

    Slots follow one another from the opening of the resource's place (from midnight when it has no hours), so that people
    do not leave gaps nobody can use. At most three statements. Raises: NotFound, Invalid.
    """
    if not 1 <= minutes <= MAX_SLOT_MINUTES:
        raise Invalid("minutes")
    resource = Resource.objects.select_related("place").filter(pk=resource_id).first()
    if resource is None:
        raise NotFound
    if resource.retired_at is not None or quantity > resource.quantity:
        return []
    first, last = day_bounds(day)
    hours = resource.place.opening_hours if resource.place else ""
    opened = (
        [(one.start, one.end) for one in open_periods(hours, day, calendar_overrides(day))]
        if hours
        else [(first, last)]
    )
    free = _free(resource, first, last, at, quantity)
    step, slots = timedelta(minutes=minutes), list[Slot]()
    for opens, closes in opened:
        starts = opens
        while starts + step <= closes and len(slots) < MAX_ROWS:
            fits = any(one.starts_at <= starts and starts + step <= one.ends_at for one in free)
            if starts >= at and fits:
                slots.append(Slot(starts, starts + step))
            starts += step
    return slots


def session_of(session_id: UUID) -> Session:
    """Raises: NotFound."""
    session = Session.objects.select_related("place", "organisation").filter(pk=session_id).first()
    if session is None:
        raise NotFound
    return session


_PROOFS: tuple[tuple[str, str, str], ...] = (
    (
        "places_differ",
        "bookings_session",
        """SELECT s.id, 'booked ' || s.booked || ', bookings ' || count(b.id) FROM bookings_session s
           LEFT JOIN bookings_booking b ON b.session_id = s.id AND b.state IN ('held', 'confirmed', 'attended', 'no_show')
           GROUP BY s.id HAVING s.booked <> count(b.id)""",
    ),
    (
        "overbooked",
        "bookings_session",
        """SELECT s.id, 'capacity ' || s.capacity || ', bookings ' || count(b.id) FROM bookings_session s
           JOIN bookings_booking b ON b.session_id = s.id AND b.state IN ('held', 'confirmed', 'attended', 'no_show')
           GROUP BY s.id HAVING count(b.id) > s.capacity""",
    ),
    (
        "queue_overtaken",
        "bookings_booking",
        """SELECT w.id, 'still waits, number ' || p.number || ' was called in' FROM bookings_booking w
           JOIN bookings_booking p ON p.session_id = w.session_id AND p.promoted_at IS NOT NULL AND p.number > w.number
           WHERE w.state = 'waitlisted'""",
    ),
    (
        "reservation_number_differs",
        "bookings_reservation",
        """SELECT r.id, 'not its resource''s number or kind' FROM bookings_reservation r
           JOIN bookings_resource u ON u.id = r.resource_id WHERE r.number <> u.number OR r.pooled <> u.pooled""",
    ),
    (
        "over_reserved",
        "bookings_resource",
        """WITH edges AS (
             SELECT resource_id, lower(period) AS moment, quantity AS change FROM bookings_reservation WHERE state <> 'cancelled'
             UNION ALL SELECT resource_id, upper(period), -quantity FROM bookings_reservation WHERE state <> 'cancelled'),
           loads AS (SELECT resource_id, sum(change) OVER (PARTITION BY resource_id ORDER BY moment, change
             ROWS UNBOUNDED PRECEDING) AS load FROM edges)
           SELECT u.id, 'has ' || u.quantity || ', reserved at once ' || max(l.load) FROM loads l
           JOIN bookings_resource u ON u.id = l.resource_id GROUP BY u.id HAVING max(l.load) > u.quantity""",
    ),
)


def verify() -> list[Finding]:
    """Prove the bookings: places taken are counted right, nothing is given twice, and nobody was overtaken in a queue."""
    findings: list[Finding] = []
    with connection.cursor() as cursor:
        for code, table, statement in _PROOFS:
            cursor.execute(statement)
            findings += [Finding(code, table, str(row_id), text) for row_id, text in cursor.fetchall()]
    return findings
