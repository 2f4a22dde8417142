"""What may be done about organisations: found, link, appoint, pair and revoke devices."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound, WrongState
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.organisations.models import Appointment, Device, Link, Organisation


def _may_manage(actor: Actor, organisation_id: UUID | None, at: datetime) -> None:
    """Only the system founds at the top of the tree; below it whoever manages an organisation above."""
    if organisation_id is None:
        if actor.kind != "system":
            raise NotAllowed
    else:
        access.require(actor, "organisations.manage", organisation_id, at)


@action
def found_organisation(
    *,
    actor: Actor,
    at: datetime,
    kind: str,
    name: str,
    parent_id: UUID | None = None,
    short_name: str = "",
    registration_number: str | None = None,
    founded_on: date | None = None,
) -> UUID:
    """Put an organisation into the tree; an organisation of that name under that parent is returned as it is.

    Raises: NotAllowed, NotFound (no such parent), Invalid (no name).
    """
    _may_manage(actor, parent_id, at)
    if not name.strip():
        raise Invalid("name", text=_("请填写单位名称。"))
    if known := Organisation.objects.filter(parent_id=parent_id, name=name.strip()).first():
        return known.pk
    parent = Organisation.objects.filter(pk=parent_id).first() if parent_id is not None else None
    if parent_id is not None and parent is None:
        raise NotFound
    new_id = uuid7()
    Organisation.objects.create(
        id=new_id,
        parent=parent,
        path=[*(parent.path if parent else []), new_id],
        kind=kind,
        name=name.strip(),
        short_name=short_name.strip(),
        registration_number=registration_number,
        founded_on=founded_on,
    )
    record(
        actor=actor,
        action="organisations.found_organisation",
        subject_kind="organisation",
        subject_id=new_id,
        organisation_id=parent_id,
        at=at,
        data={"kind": kind, "name": name.strip()},
    )
    return new_id


@action
def link_organisations(*, actor: Actor, at: datetime, source_id: UUID, target_id: UUID, kind: str, since: date) -> UUID:
    """Tie two branches together. Repeating it changes nothing. Raises: NotAllowed."""
    _may_manage(actor, source_id, at)
    link, created = Link.objects.get_or_create(
        source_id=source_id,
        target_id=target_id,
        kind=kind,
        until=None,
        defaults={"id": uuid7(), "since": since},
    )
    if created:
        record(
            actor=actor,
            action="organisations.link_organisations",
            subject_kind="organisation",
            subject_id=source_id,
            organisation_id=source_id,
            at=at,
            data={"target_id": target_id, "kind": kind},
        )
    return link.pk


@action
def appoint(*, actor: Actor, at: datetime, person_id: UUID, organisation_id: UUID, role: str) -> UUID:
    """Give a person a role in an organisation. Repeating it changes nothing.

    Raises: NotAllowed, Invalid (unknown role).
    """
    _may_manage(actor, organisation_id, at)
    if role not in {known.code for known in access.all_roles()}:
        raise Invalid("role", text=_("没有这个岗位。"))
    appointment, created = Appointment.objects.get_or_create(
        person_id=person_id,
        organisation_id=organisation_id,
        role=role,
        valid_until=None,
        defaults={"id": uuid7(), "valid_from": at},
    )
    if created:
        record(
            actor=actor,
            action="organisations.appoint",
            subject_kind="person",
            subject_id=person_id,
            organisation_id=organisation_id,
            at=at,
            data={"role": role},
        )
    return appointment.pk


@action
def end_appointment(*, actor: Actor, at: datetime, appointment_id: UUID) -> UUID:
    """Take a role back. Raises: NotFound, NotAllowed, WrongState (already ended)."""
    appointment = Appointment.objects.select_for_update().filter(pk=appointment_id).first()
    if appointment is None:
        raise NotFound
    _may_manage(actor, appointment.organisation_id, at)
    if appointment.valid_until is not None:
        raise WrongState
    appointment.valid_until = at
    appointment.save(update_fields=["valid_until"])
    record(
        actor=actor,
        action="organisations.end_appointment",
        subject_kind="person",
        subject_id=appointment.person_id,
        organisation_id=appointment.organisation_id,
        at=at,
        data={"role": appointment.role},
    )
    return appointment.pk


@dataclass(frozen=True, slots=True)
class PairedDevice:
    """``token`` is shown once: ``<device id>.<secret>``."""

    device_id: UUID
    token: str


@action
def add_device(*, actor: Actor, at: datetime, organisation_id: UUID, place_id: UUID, kind: str, name: str) -> UUID:
    """Announce a device at a place; it acts only after pairing. Raises: NotAllowed, Invalid."""
    access.require(actor, "organisations.devices", organisation_id, at)
    if not name.strip():
        raise Invalid("name", text=_("请给设备起个名字,例如「前台收银」。"))
    device = Device.objects.create(
        id=uuid7(), organisation_id=organisation_id, place_id=place_id, kind=kind, name=name.strip(), created_at=at
    )
    record(
        actor=actor,
        action="organisations.add_device",
        subject_kind="device",
        subject_id=device.pk,
        organisation_id=organisation_id,
        at=at,
        data={"kind": kind, "name": name.strip(), "place_id": place_id},
    )
    return device.pk


def pair_device(*, actor: Actor, at: datetime, device_id: UUID, public_key: bytes | None) -> PairedDevice:
    """Give a device a new secret (the old one stops working) and keep its public key for what it signs offline.

    Deliberately without an idempotency key: the secret must not be kept anywhere, a retry simply pairs again.

    Raises: NotFound, WrongState (revoked), Invalid (public key of the wrong size), NotAllowed.
    """
    with transaction.atomic():
        device = Device.objects.select_for_update().filter(pk=device_id).first()
        if device is None:
            raise NotFound
        access.require(actor, "organisations.devices", device.organisation_id, at)
        if device.revoked_at is not None:
            raise WrongState(text=_("这台设备已停用。"), remedy=_("请在后台新增一台设备再配对。"))
        if public_key is not None and len(public_key) != 32:
            raise Invalid("public_key", text=_("设备公钥应为 32 字节。"))
        secret, digest = access.new_device_secret()
        device.secret_digest, device.public_key, device.paired_at = digest, public_key, at
        device.save(update_fields=["secret_digest", "public_key", "paired_at"])
        record(
            actor=actor,
            action="organisations.pair_device",
            subject_kind="device",
            subject_id=device.pk,
            organisation_id=device.organisation_id,
            at=at,
            data={"public_key": public_key},
        )
    return PairedDevice(device.pk, f"{device.pk}.{secret}")


@action
def revoke_device(*, actor: Actor, at: datetime, device_id: UUID, reason: str) -> UUID:
    """Stop a device at once. Raises: NotFound, NotAllowed, WrongState."""
    device = Device.objects.select_for_update().filter(pk=device_id).first()
    if device is None:
        raise NotFound
    access.require(actor, "organisations.devices", device.organisation_id, at)
    if device.revoked_at is not None:
        raise WrongState
    device.revoked_at, device.revoked_reason = at, reason
    device.save(update_fields=["revoked_at", "revoked_reason"])
    record(
        actor=actor,
        action="organisations.revoke_device",
        subject_kind="device",
        subject_id=device.pk,
        organisation_id=device.organisation_id,
        at=at,
        data={"reason": reason},
    )
    return device.pk
