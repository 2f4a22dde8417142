"""What may be done about places: add one, change its hours and facilities, load a year's calendar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Invalid, NotFound
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.places.geo import in_china
from doorstep.kernel.places.hours import readable
from doorstep.kernel.places.models import CalendarDay, Place


class HoursUnreadable(Invalid):
    code = "hours_unreadable"
    text = _("营业时间看不懂。")
    remedy = _("请按「Mo-Su 10:30-15:00,17:00-21:00」这样的写法填写。")


class OutsideChina(Invalid):
    code = "outside_china"
    text = _("坐标不在中国境内,经度和纬度可能写反了。")
    remedy = _("经度约 73–136,纬度约 3–54,请核对后重填。")


@action
def add_place(
    *,
    actor: Actor,
    at: datetime,
    organisation_id: UUID,
    kind: str,
    name: str,
    longitude: float,
    latitude: float,
    address: str = "",
    opening_hours: str = "",
    facilities: Sequence[str] = (),
    area_m2: Decimal | None = None,
    opened_on: date | None = None,
) -> UUID:
    """Add a place of an organisation. Coordinates are WGS-84 degrees.

    Raises: NotAllowed, Invalid (no name), HoursUnreadable, OutsideChina.
    """
    access.require(actor, "places.manage", organisation_id, at)
    if not name.strip():
        raise Invalid("name", text=_("请填写地点名称。"))
    if not in_china(longitude, latitude):
        raise OutsideChina("longitude")
    if opening_hours and not readable(opening_hours):
        raise HoursUnreadable("opening_hours")
    place = Place.objects.create(
        id=uuid7(),
        organisation_id=organisation_id,
        kind=kind,
        name=name.strip(),
        address=address.strip(),
        longitude=longitude,
        latitude=latitude,
        opening_hours=opening_hours,
        facilities=list(facilities),
        area_m2=area_m2,
        opened_on=opened_on,
    )
    record(
        actor=actor,
        action="places.add_place",
        subject_kind="place",
        subject_id=place.pk,
        organisation_id=organisation_id,
        at=at,
        data={"kind": kind, "name": name.strip(), "opening_hours": opening_hours, "facilities": list(facilities)},
    )
    return place.pk


@action
def change_hours(*, actor: Actor, at: datetime, place_id: UUID, opening_hours: str) -> UUID:
    """Change a place's opening hours from now on. Raises: NotFound, NotAllowed, HoursUnreadable."""
    place = Place.objects.select_for_update().filter(pk=place_id).first()
    if place is None:
        raise NotFound
    access.require(actor, "places.manage", place.organisation_id, at)
    if opening_hours and not readable(opening_hours):
        raise HoursUnreadable("opening_hours")
    before, place.opening_hours = place.opening_hours, opening_hours
    place.save(update_fields=["opening_hours"])
    record(
        actor=actor,
        action="places.change_hours",
        subject_kind="place",
        subject_id=place_id,
        organisation_id=place.organisation_id,
        at=at,
        data={"before": before, "after": opening_hours},
    )
    return place_id


@action
def change_place(
    *,
    actor: Actor,
    at: datetime,
    place_id: UUID,
    name: str,
    longitude: float,
    latitude: float,
    address: str = "",
    opening_hours: str = "",
    area_m2: Decimal | None = None,
) -> UUID:
    """Correct what is known of a place: name, point, address, hours, area.

    Raises: NotFound, NotAllowed, Invalid (no name), HoursUnreadable, OutsideChina.
    """
    place = Place.objects.select_for_update().filter(pk=place_id).first()
    if place is None:
        raise NotFound
    access.require(actor, "places.manage", place.organisation_id, at)
    if not name.strip():
        raise Invalid("name", text=_("请填写地点名称。"))
    if not in_china(longitude, latitude):
        raise OutsideChina("longitude")
    if opening_hours and not readable(opening_hours):
        raise HoursUnreadable("opening_hours")
    new = {
        "name": name.strip(),
        "address": address.strip(),
        "longitude": longitude,
        "latitude": latitude,
        "opening_hours": opening_hours,
        "area_m2": area_m2,
    }
    changed = {field: value for field, value in new.items() if getattr(place, field) != value}
    for field, value in changed.items():
        setattr(place, field, value)
    if changed:
        place.save(update_fields=list(changed))
        _record_place(actor, "change_place", place, at, **changed)
    return place_id


def put_facilities(*, actor: Actor, at: datetime, place: Place, facilities: Sequence[str]) -> bool:
    """Say what a place offers now. Inside the caller's transaction, which asks for permission. True when it changed."""
    wanted = list(dict.fromkeys(facilities))
    if place.facilities == wanted:
        return False
    place.facilities = wanted
    place.save(update_fields=["facilities"])
    _record_place(actor, "put_facilities", place, at, facilities=wanted)
    return True


def close_place(*, actor: Actor, at: datetime, place: Place, closed_on: date) -> None:
    """Nobody finds it from that day on. Inside the caller's transaction, which asks for permission."""
    place.closed_on = closed_on
    place.save(update_fields=["closed_on"])
    _record_place(actor, "close_place", place, at, closed_on=closed_on)


def _record_place(actor: Actor, verb: str, place: Place, at: datetime, **data: object) -> None:
    record(
        actor=actor,
        action=f"places.{verb}",
        subject_kind="place",
        subject_id=place.pk,
        organisation_id=place.organisation_id,
        at=at,
        data=data,
    )


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """One line of the State Council's yearly holiday notice."""

    day: date
    kind: str
    name: str


@action
def load_calendar(*, actor: Actor, at: datetime, rows: Sequence[CalendarRow], source: str) -> int:
    """Load or correct holidays and make-up workdays. Raises: NotAllowed, Invalid (unknown kind)."""
    access.require_anywhere(actor, "places.calendar", at)
    for row in rows:
        if row.kind not in CalendarDay.Kind.values:
            raise Invalid("kind", text=_("日期类型只能是 holiday 或 workday。"))
    CalendarDay.objects.bulk_create(
        [CalendarDay(day=row.day, kind=row.kind, name=row.name, source=source) for row in rows],
        update_conflicts=True,
        unique_fields=["day"],
        update_fields=["kind", "name", "source"],
    )
    record(
        actor=actor,
        action="places.load_calendar",
        subject_kind="calendar",
        subject_id=None,
        at=at,
        data={"source": source, "rows": rows},
    )
    return len(rows)
