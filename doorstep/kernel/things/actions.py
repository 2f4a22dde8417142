"""What may be done with things: register one, hand it over, inspect it, retire it. Stock is in :mod:`stock`.

A room with rules of its own (which code opens the locker, what a late return costs) makes its own action and calls
:func:`pass_on` inside.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, connection
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.canonical import digest
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.organisations.models import Device, Organisation
from doorstep.kernel.people.models import Person
from doorstep.kernel.places.models import Place
from doorstep.kernel.things import errors
from doorstep.kernel.things.models import Condition, CustodyEvent, HolderKind, Thing

MAX_TEXT, MAX_NOTE, MAX_BATCH = 100, 500, 1_000_000
FACTS = (
    "id", "thing_id", "ordinal", "kind", "from_kind", "from_id", "to_kind", "to_id", "place_id", "condition",
    "proof_kind", "proof_value", "note", "by_kind", "by_id", "at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Holder:
    """Who or what has custody: ``kind`` is person, organisation, place or device."""

    kind: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that the receiver really got it: a code that was shown, a signature (hex), a photo's SHA-256 (hex)."""

    kind: str = CustodyEvent.Proof.NONE
    value: str = ""


NO_PROOF = Proof()
_PROOF_FORMS = {
    CustodyEvent.Proof.NONE: re.compile(r""),
    CustodyEvent.Proof.CODE: re.compile(r"\S.{0,198}\S|\S"),
    CustodyEvent.Proof.SIGNATURE: re.compile(r"[0-9a-f]{128}"),
    CustodyEvent.Proof.PHOTO: re.compile(r"[0-9a-f]{64}"),
}


@dataclass(frozen=True, slots=True)
class CustodyReceipt:
    """A custody event as it was answered; ``ordinal`` counts the thing's events."""

    event_id: UUID
    thing_id: UUID
    name: str
    ordinal: int
    giver: Holder | None
    receiver: Holder
    condition: str
    at: datetime


def event_facts(event: CustodyEvent) -> dict[str, object]:
    """What the audit entry of a custody event binds by digest; ``verify`` computes it again from the row."""
    return {name: getattr(event, name) for name in FACTS}


@action
def register_thing(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    organisation_id: UUID,
    barcode: str,
    kind: str,
    name: str,
    holder: Holder | None = None,
    quantity: int = 1,
    condition: str = Condition.GOOD,
    note: str = "",
) -> CustodyReceipt:
    """Put a thing (or a batch of ``quantity``) under a barcode of the organisation, which holds it unless ``holder`` does.

    Raises: NotAllowed, BarcodeTaken, NotFound (no such holder), Invalid.
    """
    access.require(actor, "things.manage", organisation_id, at)
    holder = holder or Holder(HolderKind.ORGANISATION, organisation_id)
    _check_words(barcode=barcode, kind=kind, name=name)
    _check(condition, NO_PROOF, note)
    if not 1 <= quantity <= MAX_BATCH:
        raise Invalid("quantity", text=_("数量应在 1 到 1000000 之间。"))
    _require_known(holder)
    thing = Thing(
        id=uuid7(),
        organisation_id=organisation_id,
        barcode=barcode.strip(),
        kind=kind,
        name=name.strip(),
        quantity=quantity,
        condition=condition,
        holder_kind=holder.kind,
        holder_id=holder.id,
        created_at=at,
    )
    try:
        thing.save(force_insert=True)
    except IntegrityError as error:
        if "thing_barcode_once" in str(error):
            raise errors.BarcodeTaken from error
        raise
    return _append(
        thing, actor, at, kind=CustodyEvent.Kind.REGISTERED, ordinal=1, giver=None, receiver=holder, note=note
    )


def _check_words(**words: str) -> None:
    for field, word in words.items():
        if not 0 < len(word.strip()) <= MAX_TEXT:
            raise Invalid(field, text=_("请填写,最多 100 个字。"))


def _check(condition: str | None, proof: Proof, note: str) -> None:
    if condition is not None and condition not in Condition.values:
        raise Invalid("condition", text=_("没有这种物品状况。"))
    if proof.kind not in CustodyEvent.Proof.values or not _PROOF_FORMS[CustodyEvent.Proof(proof.kind)].fullmatch(
        proof.value
    ):
        raise errors.ProofWrong("proof")
    if len(note) > MAX_NOTE:
        raise Invalid("note", text=_("备注最多 500 个字。"))


def _require_known(holder: Holder) -> None:
    """Raises: Invalid (no such kind), NotFound."""
    if holder.kind == HolderKind.PERSON:
        known = Person.objects.filter(pk=holder.id).exists()
    elif holder.kind == HolderKind.ORGANISATION:
        known = Organisation.objects.filter(pk=holder.id).exists()
    elif holder.kind == HolderKind.PLACE:
        known = Place.objects.filter(pk=holder.id).exists()
    elif holder.kind == HolderKind.DEVICE:
        known = Device.objects.filter(pk=holder.id).exists()
    else:
        raise Invalid("holder", text=_("保管方只能是个人、单位、地点或设备。"))
    if not known:
        raise NotFound(text=_("没有查到保管方。"))


def _append(
    thing: Thing,
    actor: Actor,
    at: datetime,
    *,
    kind: str,
    ordinal: int,
    giver: Holder | None,
    receiver: Holder,
    proof: Proof = NO_PROOF,
    note: str = "",
    place_id: UUID | None = None,
) -> CustodyReceipt:
    """Write the event and bind it in the log."""
    event = CustodyEvent(
        id=uuid7(),
        thing=thing,
        ordinal=ordinal,
        kind=kind,
        from_kind=giver.kind if giver else None,
        from_id=giver.id if giver else None,
        to_kind=receiver.kind,
        to_id=receiver.id,
        place_id=place_id,
        condition=thing.condition,
        proof_kind=proof.kind,
        proof_value=proof.value,
        note=note,
        by_kind=actor.kind,
        by_id=actor.id,
        at=at,
    )
    event.save(force_insert=True)
    record(
        actor=actor,
        action=f"things.{kind}",
        subject_kind="custody_event",
        subject_id=event.pk,
        organisation_id=thing.organisation_id,
        at=at,
        data={"thing_id": thing.pk, "facts": digest(event_facts(event))},
    )
    return CustodyReceipt(event.pk, thing.pk, thing.name, ordinal, giver, receiver, thing.condition, at)


# The last word is the row's: rivals wait for its lock and then look at the condition again.
_HAND_ON = """
UPDATE things_thing SET holder_kind = %(to_kind)s, holder_id = %(to_id)s, moves = moves + 1,
  condition = coalesce(%(condition)s, condition)
WHERE id = %(thing)s AND holder_kind = %(from_kind)s AND holder_id = %(from_id)s AND retired_at IS NULL
RETURNING moves, condition
"""


def _move(thing: Thing, giver: Holder, receiver: Holder, condition: str | None) -> int:
    """Change the holder if it is still the giver, in one statement; returns the event's ordinal.

    Raises: ThingRetired, NotTheHolder.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _HAND_ON,
            {
                "thing": thing.pk,
                "from_kind": giver.kind,
                "from_id": giver.id,
                "to_kind": receiver.kind,
                "to_id": receiver.id,
                "condition": condition,
            },
        )
        row = cursor.fetchone()
    if row is None:
        raise errors.ThingRetired if thing.retired_at is not None else errors.NotTheHolder
    thing.condition = row[1]
    return int(row[0])


def pass_on(
    *,
    actor: Actor,
    at: datetime,
    thing: Thing,
    giver: Holder,
    receiver: Holder,
    proof: Proof = NO_PROOF,
    condition: str | None = None,
    note: str = "",
    place_id: UUID | None = None,
) -> CustodyReceipt:
    """Move custody from the present holder to another. Inside the caller's transaction, which asks for permission.

    Raises: NotTheHolder, ThingRetired, NotFound (no such receiver or place), ProofWrong, Invalid.
    """
    if giver == receiver:
        raise Invalid("receiver", text=_("交出方和接收方不能是同一个。"))
    _check(condition, proof, note)
    _require_known(receiver)
    if place_id is not None and not Place.objects.filter(pk=place_id).exists():
        raise NotFound
    ordinal = _move(thing, giver, receiver, condition)
    return _append(
        thing, actor, at, kind=CustodyEvent.Kind.HANDED, ordinal=ordinal, giver=giver, receiver=receiver, proof=proof,
        note=note, place_id=place_id,
    )  # fmt: skip


def _may_hand_over(actor: Actor, thing: Thing, giver: Holder, at: datetime) -> None:
    """Who gives (in person, or a device of the giving organisation or at the giving place), or staff. Raises: NotAllowed."""
    if actor.kind == giver.kind and actor.id == giver.id:
        return
    if actor.kind == "device":
        device = Device.objects.filter(pk=actor.id, revoked_at=None).first() if actor.id else None
        if device is None or giver.id not in (device.place_id, device.organisation_id):
            raise NotAllowed
        return
    access.require(actor, "things.manage", thing.organisation_id, at)


def _thing(thing_id: UUID) -> Thing:
    thing = Thing.objects.filter(pk=thing_id).first()
    if thing is None:
        raise errors.UnknownThing
    return thing


@action
def hand_over(
    *,
    actor: Actor,
    at: datetime,
    key: str,
    thing_id: UUID,
    giver: Holder,
    receiver: Holder,
    proof: Proof = NO_PROOF,
    condition: str | None = None,
    note: str = "",
    place_id: UUID | None = None,
) -> CustodyReceipt:
    """Hand a thing over, exactly once; ``condition`` when it changed, ``place_id`` where it happened.

    Raises: UnknownThing, NotAllowed, NotTheHolder, ThingRetired, NotFound, ProofWrong, Invalid.
    """
    thing = _thing(thing_id)
    _may_hand_over(actor, thing, giver, at)
    return pass_on(
        actor=actor, at=at, thing=thing, giver=giver, receiver=receiver, proof=proof, condition=condition, note=note,
        place_id=place_id,
    )  # fmt: skip


@action
def inspect_thing(
    *, actor: Actor, at: datetime, key: str, thing_id: UUID, condition: str, note: str = "", proof: Proof = NO_PROOF
) -> CustodyReceipt:
    """Record a thing's condition where it is. Raises: UnknownThing, NotAllowed, ThingRetired, ProofWrong, Invalid."""
    return _note(actor, at, thing_id, CustodyEvent.Kind.INSPECTED, condition, note, proof)


@action
def retire_thing(*, actor: Actor, at: datetime, key: str, thing_id: UUID, condition: str, note: str) -> CustodyReceipt:
    """Take a thing out of use for good (lost, scrapped, given away). Raises: UnknownThing, NotAllowed, ThingRetired, Invalid."""
    if not note.strip():
        raise Invalid("note", text=_("请写明停用的原因。"))
    receipt = _note(actor, at, thing_id, CustodyEvent.Kind.RETIRED, condition, note.strip(), NO_PROOF)
    Thing.objects.filter(pk=thing_id).update(retired_at=at)
    return receipt


def _note(
    actor: Actor, at: datetime, thing_id: UUID, kind: str, condition: str, note: str, proof: Proof
) -> CustodyReceipt:
    thing = Thing.objects.select_for_update(no_key=True).filter(pk=thing_id).first()
    if thing is None:
        raise errors.UnknownThing
    access.require(actor, "things.manage", thing.organisation_id, at)
    _check(condition, proof, note)
    holder = Holder(thing.holder_kind, thing.holder_id)
    ordinal = _move(thing, holder, holder, condition)
    return _append(thing, actor, at, kind=kind, ordinal=ordinal, giver=holder, receiver=holder, proof=proof, note=note)
