"""A screen at a station's door: announce it, pair it with a code that works once and for ten minutes."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor, system_actor
from doorstep.kernel.common.errors import NotFound, Problem
from doorstep.kernel.organisations.actions import PairedDevice, add_device, pair_device
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.passes.codes import Pass, PassKind, issue, read
from doorstep.kernel.passes.queries import require_not_revoked
from doorstep.services.union.models import Station

DOOR = "door"
PAIRING_SECONDS = 600


class PairingOver(Problem):
    """Used, revoked, or of another kind of device."""

    code = "door_pairing_over"
    status = 409
    text = _("这个配对码不能用了。")
    remedy = _("请在站点页面重新出一个配对码。")


@dataclass(frozen=True, slots=True)
class DoorOffer:
    """What a good code would pair this browser as."""

    device: str
    place: str


@action
def add_door(*, actor: Actor, at: datetime, station_id: UUID) -> str:
    """A new screen for the station's door; returns its pairing code. Raises: NotFound, NotAllowed."""
    station = Station.objects.filter(pk=station_id).first()
    if station is None:
        raise NotFound
    device_id = add_device(
        actor=actor,
        at=at,
        organisation_id=station.organisation_id,
        place_id=station.place_id,
        kind=DOOR,
        name=_now("门口屏"),
    )
    return issue(PassKind.DEVICE_PAIRING, device_id, at, PAIRING_SECONDS)


def _shown(code: str, at: datetime) -> Pass:
    shown = read(code, at)
    if shown.kind is not PassKind.DEVICE_PAIRING:
        raise PairingOver
    require_not_revoked(shown)
    return shown


def _good(device: Device | None, shown: Pass) -> Device:
    used = device is not None and device.paired_at is not None and device.paired_at >= shown.issued_at
    if device is None or device.kind != DOOR or device.revoked_at is not None or used:
        raise PairingOver
    return device


def read_pairing(*, at: datetime, code: str) -> DoorOffer:
    """Look at a pairing code. Raises: PassUnreadable, PassForged, PassExpired, PairingOver."""
    shown = _shown(code, at)
    device = _good(Device.objects.select_related("place").filter(pk=shown.subject).first(), shown)
    return DoorOffer(device.name, device.place.name)


def pair_door(*, at: datetime, code: str) -> PairedDevice:
    """Turn the browser that shows this code into the door's screen, once: the row lock makes rivals take turns.

    The signed code is the permission: only those with ``organisations.devices`` can make one, so the system pairs.
    Raises: as :func:`read_pairing`.
    """
    shown = _shown(code, at)
    with transaction.atomic():
        device = _good(Device.objects.select_for_update().filter(pk=shown.subject).first(), shown)
        return pair_device(actor=system_actor("pairing"), at=at, device_id=device.pk, public_key=None)
