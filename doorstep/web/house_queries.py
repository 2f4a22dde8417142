"""What the house's own pages ask: what a person holds, who read about them, what they were told.

Each is bounded and costs a fixed number of statements.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common import access
from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import Text
from doorstep.kernel.common.rooms import WalletItem, all_rooms
from doorstep.kernel.notices.models import Notice
from doorstep.kernel.organisations.models import Appointment, Device
from doorstep.kernel.people.models import AccessEntry, Consent, Person, Standing

STANDINGS = {
    "rider": _("外卖骑手"),
    "courier": _("快递员"),
    "driver": _("货车司机"),
    "ride_driver": _("网约车司机"),
    "livestreamer": _("主播"),
    "mother": _("妈妈"),
    "student": _("学生"),
    "expert": _("评审专家"),
    "elderly": _("65 岁以上"),
    "hypertension": _("高血压随访"),
    "diabetes": _("糖尿病随访"),
    "union_member": _("工会会员"),
}
PAGE_ROWS = 20
MOST_PAGES = 50
MOST_WALLET_ITEMS = 100
MOST_STANDINGS = 50


@dataclass(frozen=True, slots=True)
class Page[Row]:
    """One page of a list, and whether another follows."""

    rows: list[Row]
    number: int
    more: bool


def page_of[Row](rows: Iterable[Row], number: int) -> Page[Row]:
    """Rows of one more than a page tell whether there is a next one."""
    kept = list(rows)
    return Page(kept[:PAGE_ROWS], number, len(kept) > PAGE_ROWS and number < MOST_PAGES)


def bounds(number: int) -> slice:
    return slice((number - 1) * PAGE_ROWS, number * PAGE_ROWS + 1)


def wallet(person_id: UUID, at: datetime) -> list[WalletItem]:
    """Everything a person holds in all rooms, soonest first; each room asks its own fixed number of statements."""
    held = [item for room in all_rooms() if room.wallet for item in room.wallet(person_id, at)]
    return sorted(held, key=lambda item: (item.valid_until, str(item.id)))[:MOST_WALLET_ITEMS]


def unread_notices(person_id: UUID) -> int:
    """How many messages wait, counted up to 100."""
    waiting = Notice.objects.filter(person_id=person_id, channel=Notice.Channel.IN_APP, read_at=None)
    return waiting[:100].count()


def notices(person_id: UUID, number: int) -> Page[Notice]:
    told = Notice.objects.filter(person_id=person_id, channel=Notice.Channel.IN_APP)
    return page_of(told.order_by("-created_at", "-pk")[bounds(number)], number)


@dataclass(frozen=True, slots=True)
class StandingLine:
    """What a person is or was, by whose word and until which day; ``state``: valid, expired or revoked."""

    kind: str
    title: Text
    by: str
    until: date | None
    state: str


def standings(person_id: UUID, at: datetime) -> list[StandingLine]:
    """One line a kind: the one in force that lasts longest, else the latest there was. What holds comes first."""
    rows = Standing.objects.filter(person_id=person_id).select_related("attested_by")
    lines = [_standing_line(row, at) for row in rows.order_by("-valid_from", "-pk")[:MOST_STANDINGS]]
    lines.sort(key=lambda line: (line.state == "valid", line.until or date.max), reverse=True)
    best: dict[str, StandingLine] = {}
    for line in lines:
        best.setdefault(line.kind, line)
    return list(best.values())


def _standing_line(row: Standing, at: datetime) -> StandingLine:
    if row.revoked_at is not None and row.revoked_at <= at:
        state = "revoked"
    elif row.valid_until is not None and row.valid_until <= at:
        state = "expired"
    else:
        state = "valid"
    until = local_day(row.valid_until) if row.valid_until else None
    by = str(row.attested_by) if row.attested_by else ""
    return StandingLine(row.kind, STANDINGS.get(row.kind, row.kind), by, until, state)


@dataclass(frozen=True, slots=True)
class ConsentLine:
    """One purpose a room may ask for, and whether this person agreed."""

    purpose: str
    title: Text
    text: Text
    given_at: datetime | None


def consents(person_id: UUID) -> list[ConsentLine]:
    """The purposes of all rooms (``Room.consents``), and what the person agreed to besides; one statement."""
    given = {
        consent.purpose: consent.given_at
        for consent in Consent.objects.filter(person_id=person_id, scope="", withdrawn_at=None).order_by("pk")[:100]
    }
    kinds = [kind for room in all_rooms() for kind in room.consents]
    lines = [ConsentLine(k.purpose, k.title, k.text, given.pop(k.purpose, None)) for k in kinds]
    return lines + [ConsentLine(purpose, purpose, "", at) for purpose, at in given.items()]


@dataclass(frozen=True, slots=True)
class Reading:
    """Somebody read something about this person."""

    reader: str
    where: str
    what: str
    purpose: str
    at: datetime


def readings(person_id: UUID, number: int) -> Page[Reading]:
    """Who read this person's sensitive data, newest first, with the office they held then; four statements."""
    page = page_of(
        AccessEntry.objects.filter(subject_id=person_id).order_by("-at", "-pk")[bounds(number)],
        number,
    )
    ids = {entry.reader_id for entry in page.rows if entry.reader_id is not None}
    people = {person.pk: str(person) for person in Person.objects.filter(pk__in=ids)}
    devices = {device.pk: device for device in Device.objects.filter(pk__in=ids).select_related("organisation")}
    offices = list(Appointment.objects.filter(person_id__in=ids).select_related("organisation").order_by("pk")[:500])
    return Page([_reading(entry, people, devices, offices) for entry in page.rows], page.number, page.more)


def _reading(entry: AccessEntry, people: dict[Any, str], devices: dict[Any, Device], offices: list[Any]) -> Reading:
    device = devices.get(entry.reader_id)
    if device is not None:
        return Reading(device.name, str(device.organisation), entry.what, entry.purpose, entry.at)
    where = next(
        (
            str(office.organisation)
            for office in offices
            if office.person_id == entry.reader_id
            and office.valid_from <= entry.at
            and (office.valid_until is None or office.valid_until > entry.at)
        ),
        "",
    )
    return Reading(people.get(entry.reader_id, ""), where, entry.what, entry.purpose, entry.at)


def offices(person_id: UUID, at: datetime) -> list[str]:
    """A person's roles in force, each with its organisation, in words."""
    in_force = Q(valid_from__lte=at) & (Q(valid_until__isnull=True) | Q(valid_until__gt=at))
    held = Appointment.objects.filter(in_force, person_id=person_id).select_related("organisation").order_by("pk")
    titles = {role.code: role.title for role in access.all_roles()}
    return [f"{titles.get(one.role, one.role)} · {one.organisation}" for one in held[:20]]
