"""Making a browser a till: whoever holds the pairing code an officer or venue manager just made may do it, once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.common.actor import system_actor
from doorstep.kernel.common.errors import Problem
from doorstep.kernel.organisations.actions import PairedDevice, pair_device
from doorstep.kernel.organisations.models import Device
from doorstep.kernel.passes.codes import Pass, PassKind, read
from doorstep.kernel.passes.errors import PassExpired, PassForged, PassNotYetValid, PassUnreadable
from doorstep.kernel.passes.queries import is_revoked

TILL = "till"
_AGAIN = _("请工会经办或店长在「设备」里重新出一个配对码。")


class PairingUnreadable(Problem):
    code = "pairing_unreadable"
    status = 422
    text = _("这不是配对码,或没有扫完整。")
    remedy = _("请对准「设备」页面上的配对码再扫一次。")


class PairingForged(Problem):
    code = "pairing_forged"
    status = 422
    text = _("这个配对码不是我们发的。")
    remedy = _AGAIN


class PairingExpired(Problem):
    code = "pairing_expired"
    status = 409
    text = _("这个配对码已经过期。")
    remedy = _AGAIN


class PairingUsed(Problem):
    """A code pairs one browser. Whoever photographed it comes too late."""

    code = "pairing_used"
    status = 409
    text = _("这个配对码已经用过了。")
    remedy = _AGAIN


class PairingWrongKind(Problem):
    code = "pairing_wrong_kind"
    status = 409
    text = _("这不是收银设备的配对码。")
    remedy = _("请核对要配对的设备,再出一个码。")


class PairingRevoked(Problem):
    code = "pairing_revoked"
    status = 409
    text = _("这台设备已经停用。")
    remedy = _("请在「设备」里新增一台,再配对。")


@dataclass(frozen=True, slots=True)
class PairingOffer:
    """What a good code would pair this browser as."""

    device_id: UUID
    device: str
    place: str


def read_pairing(*, at: datetime, code: str) -> PairingOffer:
    """Look at a pairing code; changes nothing.

    Raises: PairingUnreadable, PairingForged, PairingExpired, PairingWrongKind, PairingRevoked, PairingUsed.
    """
    shown = _read(code, at)
    device = _good(Device.objects.select_related("place").filter(pk=shown.subject).first(), shown)
    return PairingOffer(device.pk, device.name, device.place.name)


def pair_till(*, at: datetime, code: str, public_key: bytes | None) -> PairedDevice:
    """Turn the browser that shows this code into its till. The code works once: the row lock makes rivals take turns.

    The signed code is the permission: only those with ``organisations.devices`` can make one, so the system pairs.
    Without a public key the till works, but not offline.

    Raises: as :func:`read_pairing`; Invalid (public key of the wrong size).
    """
    shown = _read(code, at)
    with transaction.atomic():
        device = _good(Device.objects.select_for_update().filter(pk=shown.subject).first(), shown)
        return pair_device(actor=system_actor("pairing"), at=at, device_id=device.pk, public_key=public_key)


def _read(code: str, at: datetime) -> Pass:
    try:
        shown = read(code, at)
    except PassUnreadable:
        raise PairingUnreadable from None
    except PassForged:
        raise PairingForged from None
    except (PassExpired, PassNotYetValid):
        raise PairingExpired from None
    if shown.kind is not PassKind.DEVICE_PAIRING:
        raise PairingWrongKind
    if is_revoked(shown.kind, shown.subject, shown.issued_at):
        raise PairingExpired
    return shown


def _good(device: Device | None, shown: Pass) -> Device:
    if device is None:
        raise PairingForged
    if device.kind != TILL:
        raise PairingWrongKind
    if device.revoked_at is not None:
        raise PairingRevoked
    if device.paired_at is not None and device.paired_at >= shown.issued_at:
        raise PairingUsed
    return device
