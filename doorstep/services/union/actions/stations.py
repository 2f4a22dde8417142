"""Keeping stations: add and change them, look whether they have the six, mend what breaks, watch dates, judge unannounced."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import Conflict, FourEyes, Invalid, NotAllowed, NotFound, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.files.actions import store_file
from doorstep.kernel.notices.actions import notify
from doorstep.kernel.organisations.actions import appoint
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.people.models import Person
from doorstep.kernel.places.actions import HoursUnreadable, add_place, change_place, close_place, put_facilities
from doorstep.services.union.models import (
    Defect,
    Facility,
    Have,
    HaveCheck,
    Inspection,
    Station,
    StationChange,
    StationKind,
    Supply,
)
from doorstep.services.union.rules import stations as rules

MAX_TEXT = 300


class DefectKnown(Conflict):
    code = "defect_known"
    text = _("这项设施已经报修,还没有修好。")
    remedy = _("修好后会自动恢复;有新情况请联系驿站负责人。")


class StationExited(WrongState):
    code = "station_exited"
    text = _("这个站点已经退出。")
    remedy = _("请看看附近其他的劳动者之家或驿站。")


class DateMissing(Invalid):
    code = "expiry_missing"
    text = _("急救药箱要填药品的有效期。")
    remedy = _("请看药品包装,填最早到期的一种。")


@dataclass(frozen=True, slots=True)
class StationReceipt:
    """A station after a step. ``verdict`` is an unannounced visit's."""

    station_id: UUID
    state: str
    verdict: str = ""


def locked_station(station_id: UUID) -> Station:
    """The station with its place, its row locked. Raises: NotFound."""
    rows = Station.objects.select_for_update(of=("self",), no_key=True).select_related("place")
    station = rows.filter(pk=station_id).first()
    if station is None:
        raise NotFound
    return station


def may_keep(actor: Actor, station: Station, at: datetime) -> bool:
    """Keepers and officers of its union, the person in charge, and a paired device at its door."""
    if actor.kind == "device":
        device = Device.objects.filter(pk=actor.id, revoked_at=None).first() if actor.id else None
        return device is not None and device.place_id == station.place_id
    if actor.kind == "person" and actor.id is not None and actor.id == station.keeper_id:
        return True
    wanted = ("union.station", "union.stations")
    return any(access.can(actor, capability, station.organisation_id, at) for capability in wanted)


def require_keeper(actor: Actor, station: Station, at: datetime) -> None:
    """Raises: NotAllowed."""
    if not may_keep(actor, station, at):
        raise NotAllowed


def note(actor: Actor, verb: str, station: Station, at: datetime, **data: object) -> None:
    record(
        actor=actor,
        action=f"union.{verb}",
        subject_kind="station",
        subject_id=station.pk,
        organisation_id=station.organisation_id,
        at=at,
        data=data,
    )


def _person_of(actor: Actor) -> UUID | None:
    return actor.id if actor.kind == "person" else None


@action
def add_station(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    organisation_id: UUID,
    kind: str,
    name: str,
    longitude: float,
    latitude: float,
    opening_hours: str,
    address: str = "",
    gate: str = "",
    area_m2: Decimal | None = None,
    facilities: Mapping[str, date | None] | None = None,
    keeper_id: UUID | None = None,
    opened_on: date | None = None,
) -> StationReceipt:
    """Put a workers' home or a station on the map. ``facilities``: code → good until, for what has a date.

    Raises: NotAllowed, Invalid, HoursUnreadable, OutsideChina, DateMissing, NotFound (no such keeper).
    """
    access.require(actor, "union.stations", organisation_id, at)
    if kind not in StationKind.values:
        raise Invalid("kind", text=_("请选择劳动者之家或工会驿站。"))
    if not opening_hours.strip():
        raise HoursUnreadable("opening_hours")
    if area_m2 is not None and area_m2 <= 0:
        raise Invalid("area_m2", text=_("面积要大于 0。"))
    wanted = dict(facilities or {})
    for code, expires_on in wanted.items():
        _check_facility(code, expires_on)
    place_id = add_place(
        actor=actor, at=at, organisation_id=organisation_id, kind=kind, name=name, longitude=longitude, latitude=latitude,
        address=address, opening_hours=opening_hours.strip(), area_m2=area_m2, opened_on=opened_on or local_day(at),
    )  # fmt: skip
    station = Station.objects.create(
        id=uuid7(), place_id=place_id, organisation_id=organisation_id, kind=kind, gate=gate.strip(), added_at=at
    )
    Facility.objects.bulk_create(
        [
            Facility(id=uuid7(), station=station, code=code, expires_on=expires_on, changed_at=at)
            for code, expires_on in wanted.items()
        ]
    )
    _show_facilities(actor, station, at)
    note(actor, "add_station", station, at, kind=kind, name=name.strip(), gate=gate.strip(), facilities=wanted)
    if keeper_id is not None:
        _put_keeper(actor, station, keeper_id, at)
    return StationReceipt(station.pk, station.state)


def _check_facility(code: str, expires_on: date | None) -> None:
    if code not in rules.FACILITIES:
        raise Invalid("facilities", text=_("没有这种设施。"))
    if code in rules.PERISHABLE and expires_on is None:
        raise DateMissing("expires_on")


def _show_facilities(actor: Actor, station: Station, at: datetime) -> None:
    """What the finder shows follows what works."""
    rows = Facility.objects.filter(station=station).values_list("code", "state", "expires_on")
    there = rules.on_offer([rules.FacilityLine(*row) for row in rows], local_day(at))
    put_facilities(actor=actor, at=at, place=station.place, facilities=there)


def _put_keeper(actor: Actor, station: Station, person_id: UUID, at: datetime) -> None:
    if not Person.objects.filter(pk=person_id).exists():
        raise NotFound
    station.keeper_id = person_id
    station.save(update_fields=["keeper"])
    note(actor, "put_keeper", station, at, keeper_id=person_id)
    appoint(actor=actor, at=at, person_id=person_id, organisation_id=station.organisation_id, role="station_keeper")


@action
def change_station(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    station_id: UUID,
    name: str,
    longitude: float,
    latitude: float,
    opening_hours: str,
    address: str = "",
    gate: str = "",
    area_m2: Decimal | None = None,
) -> StationReceipt:
    """Correct a station's name, point, hours, gate or area.

    Raises: NotFound, NotAllowed, StationExited, Invalid, HoursUnreadable, OutsideChina.
    """
    station = locked_station(station_id)
    access.require(actor, "union.stations", station.organisation_id, at)
    _require_alive(station)
    if not opening_hours.strip():
        raise HoursUnreadable("opening_hours")
    change_place(
        actor=actor, at=at, place_id=station.place_id, name=name, longitude=longitude, latitude=latitude,
        address=address, opening_hours=opening_hours.strip(), area_m2=area_m2,
    )  # fmt: skip
    if station.gate != gate.strip():
        station.gate = gate.strip()
        station.save(update_fields=["gate"])
        note(actor, "change_station", station, at, gate=station.gate)
    return StationReceipt(station.pk, station.state)


def _require_alive(station: Station) -> None:
    if station.state == Station.State.EXITED:
        raise StationExited


@action
def put_keeper(*, actor: Actor, at: datetime, station_id: UUID, person_id: UUID) -> StationReceipt:
    """Name the person in charge, who gets the keeper's page. Raises: NotFound, NotAllowed, StationExited."""
    station = locked_station(station_id)
    access.require(actor, "union.stations", station.organisation_id, at)
    _require_alive(station)
    _put_keeper(actor, station, person_id, at)
    return StationReceipt(station.pk, station.state)


@action
def put_facility(
    *, actor: Actor, at: datetime, station_id: UUID, code: str, expires_on: date | None = None, removed: bool = False
) -> UUID:
    """Add a facility, renew its date, or take it away. Raises: NotFound, NotAllowed, StationExited, Invalid, DateMissing."""
    station = locked_station(station_id)
    require_keeper(actor, station, at)
    _require_alive(station)
    _check_facility(code, date.max if removed else expires_on)
    if expires_on is not None and expires_on < local_day(at):
        raise Invalid("expires_on", text=_("这个日期已经过去。"), remedy=_("请换新的再登记。"))
    known = Facility.objects.filter(station=station, code=code).first()
    broken = known is not None and Defect.objects.filter(facility=known, fixed_at=None).exists()
    there = Facility.State.BROKEN if broken else Facility.State.WORKING
    facility = known or Facility(id=uuid7(), station=station, code=code)
    facility.state = Facility.State.REMOVED if removed else there
    facility.expires_on, facility.warned_days, facility.changed_at = expires_on, None, at
    facility.save(force_insert=known is None)
    _show_facilities(actor, station, at)
    note(actor, "put_facility", station, at, code=code, state=facility.state, expires_on=expires_on)
    return facility.pk


@action
def check_have(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    station_id: UUID,
    have: str,
    met: bool,
    note_text: str = "",
    photo_name: str = "",
    photo: bytes = b"",
) -> UUID:
    """Write down whether the station has one of the six, with a photo when there is one to see.

    Raises: NotFound, NotAllowed, StationExited, Invalid, FileRefused.
    """
    station = locked_station(station_id)
    require_keeper(actor, station, at)
    _require_alive(station)
    if have not in Have.values:
        raise Invalid("have", text=_("六有里没有这一项。"))
    if not met and not note_text.strip():
        raise Invalid("note_text", text=_("没有达到的,请写明差什么。"))
    file = store_file(actor=actor, at=at, name=photo_name, content=photo) if photo else None
    row = HaveCheck.objects.create(
        id=uuid7(), station=station, have=have, met=met, photo=file, note=note_text.strip()[:MAX_TEXT],
        checked_on=local_day(at), checked_by_id=_person_of(actor),
    )  # fmt: skip
    note(actor, "check_have", station, at, have=have, met=met, photo=file.sha256 if file else None)
    return row.pk


# Defects -----------------------------------------------------------------------------------------------------------


@action
def report_defect(
    *, actor: Actor, at: datetime, key: str, station_id: UUID, text: str, facility_code: str = ""
) -> UUID:
    """Anybody signed in may say what is broken; the facility is taken off the finder until it is mended.

    Raises: NotFound, NotAllowed, StationExited, Invalid, DefectKnown.
    """
    if actor.kind == "person" and actor.id is None:
        raise NotAllowed
    station = locked_station(station_id)
    _require_alive(station)
    if not 0 < len(text.strip()) <= MAX_TEXT:
        raise Invalid("text", text=_("请写下坏在哪里,最多 300 个字。"))
    facility = None
    if facility_code:
        facility = Facility.objects.filter(station=station, code=facility_code).first()
        if facility is None:
            raise Invalid("facility_code", text=_("这个站点没有登记这项设施。"))
        # The station's lock makes rivals take turns; the partial unique constraint is the net.
        if Defect.objects.filter(facility=facility, fixed_at=None).exists():
            raise DefectKnown
        facility.state, facility.changed_at = Facility.State.BROKEN, at
        facility.save(update_fields=["state", "changed_at"])
    defect = Defect.objects.create(
        id=uuid7(),
        station=station,
        facility=facility,
        text=text.strip(),
        reported_by_id=_person_of(actor),
        reported_at=at,
    )
    _show_facilities(actor, station, at)
    note(actor, "report_defect", station, at, defect_id=defect.pk, facility=facility_code)
    if station.keeper_id is not None and station.keeper_id != actor.id:
        notify(
            person_ids=[station.keeper_id], template="union.defect", body=text.strip(), at=at,
            title=gettext("%(place)s有报修") % {"place": station.place.name}, url=reverse("union:keeper", args=[station.pk]),
        )  # fmt: skip
    return defect.pk


@action
def fix_defect(*, actor: Actor, at: datetime, defect_id: UUID, fix_note: str = "") -> UUID:
    """It works again. Raises: NotFound, NotAllowed, WrongState (mended already)."""
    station_id = Defect.objects.filter(pk=defect_id).values_list("station_id", flat=True).first()
    if station_id is None:
        raise NotFound
    station = locked_station(station_id)
    require_keeper(actor, station, at)
    defect = Defect.objects.select_related("facility").get(pk=defect_id)
    if defect.fixed_at is not None:
        raise WrongState(text=_("这一条已经修好了。"))
    defect.fixed_at, defect.fixed_by_id, defect.fix_note = at, _person_of(actor), fix_note.strip()[:MAX_TEXT]
    defect.save(update_fields=["fixed_at", "fixed_by", "fix_note"])
    facility = defect.facility
    if facility is not None and facility.state == Facility.State.BROKEN:
        facility.state, facility.changed_at = Facility.State.WORKING, at
        facility.save(update_fields=["state", "changed_at"])
    _show_facilities(actor, station, at)
    note(
        actor,
        "fix_defect",
        station,
        at,
        defect_id=defect_id,
        minutes=int((at - defect.reported_at).total_seconds() // 60),
    )
    return defect_id


# Supplies ----------------------------------------------------------------------------------------------------------


@action
def move_supply(
    *, actor: Actor, at: datetime, key: str, station_id: UUID, name: str, change: int, expires_on: date | None = None
) -> int:
    """Bring so many of a thing in, or take so many out; what is there never goes below nothing. Returns what is left.

    Raises: NotFound, NotAllowed, StationExited, Invalid.
    """
    station = locked_station(station_id)
    require_keeper(actor, station, at)
    _require_alive(station)
    if not 0 < len(name.strip()) <= 40 or change == 0 or abs(change) > 10_000:
        raise Invalid("change", text=_("请填写物资名称和数量。"))
    if change > 0 and expires_on is not None and expires_on < local_day(at):
        raise Invalid("expires_on", text=_("这个日期已经过去。"))
    known = Supply.objects.filter(station=station, name=name.strip(), expires_on=expires_on).first()
    supply = known or Supply(id=uuid7(), station=station, name=name.strip(), expires_on=expires_on, quantity=0)
    if supply.quantity + change < 0:
        raise Invalid("change", text=_("只剩 {left} 件。"), remedy=_("请核对数量。"), left=supply.quantity)
    supply.quantity, supply.changed_at = supply.quantity + change, at
    supply.save(force_insert=known is None)
    note(
        actor, "move_supply", station, at, name=supply.name, change=change, left=supply.quantity, expires_on=expires_on
    )
    return supply.quantity


# Judging -----------------------------------------------------------------------------------------------------------


def _move(actor: Actor, station: Station, state: str, reason: str, at: datetime, mend_by: date | None = None) -> None:
    before, station.state, station.state_reason, station.mend_by = station.state, state, reason, mend_by
    station.save(update_fields=["state", "state_reason", "mend_by"])
    StationChange.objects.create(
        id=uuid7(), station=station, before=before, after=state, reason=reason, by_id=actor.id, at=at
    )
    if state == Station.State.EXITED:
        close_place(actor=actor, at=at, place=station.place, closed_on=local_day(at))
    if station.keeper_id is not None:
        title = gettext("%(place)s:%(state)s") % {"place": station.place.name, "state": Station.State(state).label}
        notify(person_ids=[station.keeper_id], template="union.station_state", title=title, body=reason, at=at)


@action
def inspect_station(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    station_id: UUID,
    open_as_posted: int,
    working: int,
    tidy: int,
    records: int,
    note_text: str = "",
) -> StationReceipt:
    """Write down an unannounced visit; the rule decides whether it warns, restores or ends the station.

    Raises: NotFound, NotAllowed, FourEyes (the keeper), StationExited, Invalid.
    """
    station = locked_station(station_id)
    access.require(actor, "union.stations", station.organisation_id, at)
    if actor.id is None:
        raise NotAllowed
    if actor.id == station.keeper_id:
        raise FourEyes(text=_("自己负责的站点要由别人来暗访。"), remedy=_("请换一位同事去看。"))
    _require_alive(station)
    points = {"open_as_posted": open_as_posted, "working": working, "tidy": tidy, "records": records}
    for field, value in points.items():
        if not 0 <= value <= 25:
            raise Invalid(field, text=_("每项 0 到 25 分。"))
    row = Inspection.objects.create(
        id=uuid7(), station=station, inspector_id=actor.id, visited_at=at, note=note_text.strip()[:MAX_TEXT], **points
    )
    found = rules.verdict(
        warned=station.state == Station.State.WARNED, mend_by=station.mend_by, points=row.points, day=local_day(at)
    )
    note(actor, "inspect_station", station, at, points=row.points, verdict=found, **points)
    if found is rules.Verdict.WARN:
        reason = gettext("暗访 %(points)s 分,低于 %(pass)s 分。") % {"points": row.points, "pass": rules.PASS_POINTS}
        _move(actor, station, Station.State.WARNED, reason, at, local_day(at) + timedelta(days=rules.MEND_DAYS))
    elif found is rules.Verdict.RESTORE:
        _move(actor, station, Station.State.OPEN, gettext("整改后暗访 %(points)s 分。") % {"points": row.points}, at)
    elif found is rules.Verdict.EXIT:
        reason = gettext("警告后暗访 %(points)s 分,或超过整改期限。") % {"points": row.points}
        _move(actor, station, Station.State.EXITED, reason, at)
    return StationReceipt(station.pk, station.state, found)


@action
def exit_station(*, actor: Actor, at: datetime, station_id: UUID, reason: str) -> StationReceipt:
    """Take a station off the map for good. Raises: NotFound, NotAllowed, StationExited, Invalid (no reason)."""
    station = locked_station(station_id)
    access.require(actor, "union.stations", station.organisation_id, at)
    _require_alive(station)
    if not reason.strip():
        raise Invalid("reason", text=_("请写明退出的原因。"))
    note(actor, "exit_station", station, at, reason=reason.strip())
    _move(actor, station, Station.State.EXITED, reason.strip()[:MAX_TEXT], at)
    return StationReceipt(station.pk, station.state)


@action
def watch_dates(*, actor: Actor, at: datetime, limit: int = 200) -> int:
    """Warn keepers 30, 7 and 1 days before medicines end; what is over leaves the finder that day. For the periodic worker."""
    today = local_day(at)
    soon = today + timedelta(days=max(rules.EXPIRY_WARNINGS))
    rows = (
        Facility.objects.select_for_update(of=("self",), skip_locked=True)
        .select_related("station__place")
        .filter(expires_on__lte=soon, state=Facility.State.WORKING)
        .exclude(warned_days=rules.EXPIRED)
        .exclude(station__state=Station.State.EXITED)
        .order_by("pk")[:limit]
    )
    done = 0
    for facility in rows:
        assert facility.expires_on is not None
        step = rules.expiry_step(facility.expires_on, today, facility.warned_days)
        if step is None:
            continue
        facility.warned_days = step
        facility.save(update_fields=["warned_days"])
        station = facility.station
        if step == rules.EXPIRED:
            _show_facilities(actor, station, at)
        note(actor, "watch_dates", station, at, code=facility.code, step=step)
        if station.keeper_id is not None:
            words = {"place": station.place.name, "what": rules.FACILITIES[facility.code], "day": facility.expires_on}
            title = (
                gettext("%(place)s的%(what)s已过期")
                if step == rules.EXPIRED
                else gettext("%(place)s的%(what)s %(day)s 到期")
            )
            notify(
                person_ids=[station.keeper_id], template="union.expiry", title=title % words,
                body=gettext("请换新,并在「我的驿站」登记新的有效期。"), at=at,
            )  # fmt: skip
        done += 1
    return done
