"""Who came in: a code scanned at the door, a member card shown, or a tap by staff, which is marked as one.

Nobody needs an app: whoever has no phone is counted by what they work as. A person counts once a station and half hour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound, Problem, TooMany
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.passes.codes import DEAD_SECONDS, PassKind, issue, read
from doorstep.kernel.passes.errors import PassExpired
from doorstep.kernel.passes.queries import require_not_revoked
from doorstep.kernel.people.models import Person, Standing
from doorstep.kernel.places.geo import distance_m
from doorstep.services.union.actions.stations import StationExited, locked_station, require_keeper
from doorstep.services.union.models import Membership, Occupation, Station, Visit
from doorstep.services.union.rules import stations as rules

MAX_TAPS = 2_000
TAPS_BACK = timedelta(days=7)


class NotADoorCode(Problem):
    code = "not_a_door_code"
    status = 422
    text = _("这不是站点门口的码。")
    remedy = _("请扫站点门口屏幕上的码。")


class DoorCodeOld(Problem):
    """A photograph of a door's code, or one scanned and left lying."""

    code = "door_code_old"
    status = 409
    text = _("这个码已经换了,拍下来的码不能用。")
    remedy = _("请在站点门口扫屏幕上现在的码。")


class TooFar(Problem):
    code = "too_far_from_station"
    status = 409
    text = _("您离这个站点还有 {metres} 米。")
    remedy = _("到了门口再签到;定位不准时请让工作人员登记。")


class NotACard(Problem):
    code = "not_a_member_card"
    status = 422
    text = _("这不是会员卡。")
    remedy = _("请让对方打开卡包里的会员卡,或按职业登记一次。")


@dataclass(frozen=True, slots=True)
class VisitReceipt:
    """A visit as it was answered. ``first`` is False when the person had come in within the half hour before."""

    visit_id: UUID
    station_id: UUID
    station: str
    occupation: str
    at: datetime
    first: bool


@dataclass(frozen=True, slots=True)
class Tap:
    """One line of a keeper's list: when, who (when a card was shown) or what they work as."""

    at: datetime
    occupation: str = ""
    person_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TapsReceipt:
    """``recorded`` visits are new; ``repeated`` were the same people within half an hour."""

    station_id: UUID
    recorded: int
    repeated: int


def door_code(station_id: UUID, at: datetime) -> str:
    """What a station's door shows now; worth nothing a minute later."""
    return issue(PassKind.CHECK_IN, station_id, at, DEAD_SECONDS)


def read_door(code: str, at: datetime) -> Station:
    """The station whose door shows this code at this moment.

    Raises: PassUnreadable, PassForged, PassNotYetValid, DoorCodeOld, NotADoorCode, PassRevoked, NotFound, StationExited.
    """
    try:
        shown = read(code, at)
    except PassExpired:
        raise DoorCodeOld from None
    if shown.kind is not PassKind.CHECK_IN:
        raise NotADoorCode
    require_not_revoked(shown)
    station = Station.objects.select_related("place").filter(pk=shown.subject).first()
    if station is None:
        raise NotFound
    if station.state == Station.State.EXITED:
        raise StationExited
    return station


def occupation_of(person_id: UUID) -> str:
    """What a person works as: by their membership, else by a standing of theirs. Two statements."""
    member = Membership.objects.filter(person_id=person_id).exclude(state="left").values_list("occupation", flat=True)
    found = member.first()
    if found:
        return found
    kinds = set(Standing.objects.filter(person_id=person_id, revoked_at=None).values_list("kind", flat=True))
    return next((kind for kind in Occupation.values if kind in kinds), Occupation.OTHER.value)


def _count_person(
    actor: Actor, station: Station, person_id: UUID, method: str, at: datetime, distance: int | None = None
) -> VisitReceipt:
    """The station's row is locked, so nobody else is counted here at this moment."""
    name = station.place.name
    before = (
        Visit.objects.filter(
            station=station, person_id=person_id, at__gt=at - rules.VISIT_GAP, at__lt=at + rules.VISIT_GAP
        )
        .order_by("-at")
        .first()
    )
    if before is not None:
        return VisitReceipt(before.pk, station.pk, name, before.occupation, before.at, first=False)
    visit = Visit.objects.create(
        id=uuid7(), station=station, person_id=person_id, occupation=occupation_of(person_id), method=method, at=at,
        slot=rules.visit_slot(station.pk, person_id, at), distance_m=distance,
        recorded_by_kind=actor.kind, recorded_by_id=actor.id,
    )  # fmt: skip
    _note(actor, "count_visit", visit, station, at)
    return VisitReceipt(visit.pk, station.pk, name, visit.occupation, at, first=True)


def _note(actor: Actor, verb: str, visit: Visit, station: Station, at: datetime) -> None:
    record(
        actor=actor, action=f"union.{verb}", subject_kind="visit", subject_id=visit.pk,
        organisation_id=station.organisation_id, at=at,
        data={"station_id": station.pk, "method": visit.method, "occupation": visit.occupation},
    )  # fmt: skip


@action
def check_in_at_door(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    code: str,
    scanned_at: datetime,
    longitude: float | None = None,
    latitude: float | None = None,
) -> VisitReceipt:
    """Say that one has come in, with the code from the door. The face says when it was scanned; signing in may lie between.

    A phone that says where it is (WGS-84) must be near.

    Raises: PassUnreadable, PassForged, PassNotYetValid, DoorCodeOld, NotADoorCode, NotFound, StationExited, TooFar, NotAllowed.
    """
    if actor.kind != "person" or actor.id is None:
        raise NotAllowed
    if not timedelta(0) <= at - scanned_at <= rules.SCAN_LASTS:
        raise DoorCodeOld
    station = locked_station(read_door(code, scanned_at).pk)
    distance = None
    if longitude is not None and latitude is not None:
        distance = distance_m(longitude, latitude, station.place.longitude, station.place.latitude)
        if distance > rules.DOOR_METRES:
            raise TooFar(metres=distance)
    return _count_person(actor, station, actor.id, Visit.Method.DOOR, at, distance)


def _person_on_card(card: str, at: datetime) -> UUID:
    """Raises: PassUnreadable, PassForged, PassNotYetValid, PassExpired, PassRevoked, NotACard."""
    shown = read(card, at)
    if shown.kind is not PassKind.PERSON:
        raise NotACard
    require_not_revoked(shown)
    if not Person.objects.filter(pk=shown.subject).exists():
        raise NotACard
    return shown.subject


@action
def record_card(*, actor: Actor, at: datetime, key: str, station_id: UUID, card: str) -> VisitReceipt:
    """A keeper or the door's device reads a member card.

    Raises: NotFound, NotAllowed, StationExited, PassUnreadable, PassForged, PassExpired, PassRevoked, NotACard.
    """
    station = _open_to(actor, station_id, at)
    return _count_person(actor, station, _person_on_card(card, at), Visit.Method.CARD, at)


@action
def record_tap(*, actor: Actor, at: datetime, key: str, station_id: UUID, occupation: str) -> VisitReceipt:
    """A keeper counts somebody without a phone, by what they work as. One press is one visit, however often it is sent.

    Raises: NotFound, NotAllowed, StationExited, Invalid.
    """
    station = _open_to(actor, station_id, at)
    _check_occupation(occupation)
    visit = Visit.objects.create(
        id=uuid7(), station=station, occupation=occupation, method=Visit.Method.TAP, at=at,
        slot=f"tap/{actor.scope}/{key}", recorded_by_kind=actor.kind, recorded_by_id=actor.id,
    )  # fmt: skip
    _note(actor, "count_visit", visit, station, at)
    return VisitReceipt(visit.pk, station.pk, station.place.name, occupation, at, first=True)


def _open_to(actor: Actor, station_id: UUID, at: datetime) -> Station:
    station = locked_station(station_id)
    require_keeper(actor, station, at)
    if station.state == Station.State.EXITED:
        raise StationExited
    return station


def _check_occupation(occupation: str) -> None:
    if occupation not in Occupation.values:
        raise Invalid("occupation", text=_("请选择职业。"))


@action
def record_visits(*, actor: Actor, at: datetime, key: str, station_id: UUID, taps: Sequence[Tap]) -> TapsReceipt:
    """Bring in a keeper's list of the last seven days at once. Five statements, however long the list is.

    Who showed a card counts once a half hour; who did not is a tap, told apart by the list's key and its line.

    Raises: NotFound, NotAllowed, StationExited, Invalid (an occupation, a time), TooMany.
    """
    if len(taps) > MAX_TAPS:
        raise TooMany(limit=MAX_TAPS)
    station = _open_to(actor, station_id, at)
    for tap in taps:
        if not at - TAPS_BACK <= tap.at <= at:
            raise Invalid("at", text=_("只能补登最近七天的来访。"))
        if tap.person_id is None or tap.occupation:
            _check_occupation(tap.occupation)
    wanted = {tap.person_id for tap in taps if tap.person_id is not None}
    known = _occupations(wanted)
    if wanted - known.keys():
        raise Invalid("person_id", text=_("名单里有人没有登记。"))
    last = _recent(station, wanted, taps)
    rows: list[Visit] = []
    for number, tap in sorted(enumerate(taps), key=lambda pair: pair[1].at):
        if tap.person_id is not None:
            if any(rules.same_visit(before, tap.at) for before in last.get(tap.person_id, ())):
                continue
            last.setdefault(tap.person_id, []).append(tap.at)
        rows.append(_row(actor, station, tap, known, f"tap/{actor.scope}/{key}/{number}"))
    Visit.objects.bulk_create(rows)
    record(
        actor=actor, action="union.record_visits", subject_kind="station", subject_id=station.pk,
        organisation_id=station.organisation_id, at=at, data={"recorded": len(rows), "given": len(taps), "key": key},
    )  # fmt: skip
    return TapsReceipt(station.pk, len(rows), len(taps) - len(rows))


def _row(actor: Actor, station: Station, tap: Tap, known: dict[UUID, str], tap_slot: str) -> Visit:
    person_id = tap.person_id
    return Visit(
        id=uuid7(), station=station, person_id=person_id, at=tap.at,
        occupation=tap.occupation or (known[person_id] if person_id else ""),
        method=Visit.Method.CARD if person_id else Visit.Method.TAP,
        slot=rules.visit_slot(station.pk, person_id, tap.at) if person_id else tap_slot,
        recorded_by_kind=actor.kind, recorded_by_id=actor.id,
    )  # fmt: skip


def _occupations(person_ids: set[UUID]) -> dict[UUID, str]:
    """Of everybody who is registered. Three statements."""
    found = dict.fromkeys(Person.objects.filter(pk__in=person_ids).values_list("pk", flat=True), Occupation.OTHER.value)
    standings = Standing.objects.filter(person_id__in=person_ids, revoked_at=None, kind__in=Occupation.values)
    found |= dict(standings.order_by("-kind").values_list("person_id", "kind"))
    members = Membership.objects.filter(person_id__in=person_ids).exclude(state="left")
    return found | dict(members.values_list("person_id", "occupation"))


def _recent(station: Station, person_ids: set[UUID], taps: Sequence[Tap]) -> dict[UUID, list[datetime]]:
    """When these people came in here around the time of the list."""
    if not taps:
        return {}
    span = (min(tap.at for tap in taps) - rules.VISIT_GAP, max(tap.at for tap in taps) + rules.VISIT_GAP)
    rows = Visit.objects.filter(station=station, person_id__in=person_ids, at__range=span).values_list(
        "person_id", "at"
    )
    found: dict[UUID, list[datetime]] = {}
    for person_id, moment in rows:
        if person_id is not None:
            found.setdefault(person_id, []).append(moment)
    return found
