"""What may be done about people: register, check a real name, attest a standing, consent, reveal."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.clock import local_day
from doorstep.kernel.common.errors import Conflict, Invalid, NotAllowed, NotFound
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.common.vault import blind_index
from doorstep.kernel.people.identity import IdentityNumberWrong, parse_identity_number, parse_phone
from doorstep.kernel.people.models import AccessEntry, Consent, Person, Standing

MAX_NAME_LENGTH = 60

IDENTITY_TEXTS = {
    "length": _("身份证号应为 18 位,最后一位可以是 X。"),
    "region": _("身份证号开头的地区码不存在,请核对前两位。"),
    "birth_date": _("身份证号里的出生日期不对,请核对第 7–14 位。"),
    "check_digit": _("身份证号的校验位不对,请逐位核对。"),
}


class PhoneWrong(Invalid):
    code = "phone_wrong"
    text = _("手机号应为 11 位,以 1 开头。")
    remedy = _("请核对后重填。")


class PhoneTaken(Conflict):
    code = "phone_taken"
    text = _("这个手机号已经登记过。")
    remedy = _("请直接用它登录;不是您的号码请联系站点工作人员。")


class IdentityWrong(Invalid):
    code = "identity_wrong"
    remedy = _("请对照身份证原件重填。")


class IdentityTaken(Conflict):
    code = "identity_taken"
    text = _("这个身份证号已经登记在另一个账号上。")
    remedy = _("请用原来的手机号登录,或请工会工作人员合并账号。")


@dataclass(frozen=True, slots=True)
class PersonReceipt:
    person_id: UUID
    created: bool


def index_phone(phone: str) -> bytes:
    return blind_index("phone", phone)


def index_identity(number: str) -> bytes:
    return blind_index("identity", number)


def phone_or_refuse(text: str) -> str:
    try:
        return parse_phone(text)
    except ValueError:
        raise PhoneWrong("phone") from None


def find_by_phone(text: str) -> Person | None:
    try:
        return Person.objects.filter(phone_index=index_phone(parse_phone(text))).first()
    except ValueError:
        return None


@action
def register_person(
    *, actor: Actor, at: datetime, name: str = "", phone: str = "", username: str | None = None
) -> PersonReceipt:
    """Register somebody by phone, or find the person who already has it.

    Raises: PhoneWrong, Invalid (name too long).
    """
    name = name.strip()
    if len(name) > MAX_NAME_LENGTH:
        raise Invalid("name", text=_("姓名最多 60 个字。"))
    number = phone_or_refuse(phone) if phone else None
    if number and (known := Person.objects.filter(phone_index=index_phone(number)).first()):
        return PersonReceipt(known.pk, created=False)
    person = Person(id=uuid7(), name=name, username=username, joined_at=at)
    if number:
        person.phone, person.phone_index = number, index_phone(number)
    person.set_unusable_password()
    try:
        with transaction.atomic():
            person.save(force_insert=True)
    except IntegrityError:  # somebody registered the same phone at this very moment
        if number and (known := Person.objects.filter(phone_index=index_phone(number)).first()):
            return PersonReceipt(known.pk, created=False)
        raise
    record(
        actor=actor,
        action="people.register_person",
        subject_kind="person",
        subject_id=person.pk,
        at=at,
        data={"phone": "given" if number else "none", "username": username},
    )
    return PersonReceipt(person.pk, created=True)


@action
def check_real_name(*, actor: Actor, at: datetime, person_id: UUID, name: str, identity_number: str) -> PersonReceipt:
    """Keep a person's real name and identity number after the GB 11643 check. Only the person or staff may do it.

    Raises: IdentityWrong, IdentityTaken, NotAllowed, NotFound.
    """
    if actor.kind == "person" and actor.id != person_id:
        access.require_anywhere(actor, "people.register", at)
    person = Person.objects.select_for_update().filter(pk=person_id).first()
    if person is None:
        raise NotFound
    try:
        identity = parse_identity_number(identity_number, local_day(at))
    except IdentityNumberWrong as wrong:
        raise IdentityWrong("identity_number", code=f"identity_{wrong.code}", text=IDENTITY_TEXTS[wrong.code]) from None
    if not name.strip() or len(name) > MAX_NAME_LENGTH:
        raise Invalid("name", text=_("请填写与身份证一致的姓名。"))
    index = index_identity(identity.number)
    if person.identity_index is not None and bytes(person.identity_index) != index:
        raise Conflict(text=_("您已用另一个身份证号完成实名。"), remedy=_("如需更正,请带身份证到就近的工会站点。"))
    if Person.objects.filter(identity_index=index).exclude(pk=person_id).exists():
        raise IdentityTaken
    person.name, person.identity_number, person.identity_index = name.strip(), identity.number, index
    person.born, person.real_name_checked_at = identity.born, at
    person.save()
    record(
        actor=actor,
        action="people.check_real_name",
        subject_kind="person",
        subject_id=person_id,
        at=at,
        data={"identity_number": "checked"},
    )
    return PersonReceipt(person_id, created=False)


@action
def attest_standing(
    *,
    actor: Actor,
    at: datetime,
    person_id: UUID,
    kind: str,
    organisation_id: UUID | None,
    valid_until: datetime | None = None,
    evidence: str = "",
) -> UUID:
    """Say, on an organisation's behalf, what a person is. Repeating it while it is in force changes nothing.

    Raises: NotAllowed, NotFound.
    """
    if organisation_id is not None:
        access.require(actor, "people.attest", organisation_id, at)
    elif actor.kind != "system":
        raise NotAllowed
    if not Person.objects.filter(pk=person_id).exists():
        raise NotFound
    known = Standing.objects.valid(at).filter(person_id=person_id, kind=kind).first()
    if known and (known.valid_until == valid_until):
        return known.pk
    standing = Standing.objects.create(
        id=uuid7(),
        person_id=person_id,
        kind=kind,
        attested_by_id=organisation_id,
        evidence=evidence,
        valid_from=at,
        valid_until=valid_until,
    )
    record(
        actor=actor,
        action="people.attest_standing",
        subject_kind="person",
        subject_id=person_id,
        organisation_id=organisation_id,
        at=at,
        data={"kind": kind, "valid_until": valid_until, "evidence": evidence},
    )
    return standing.pk


@action
def revoke_standing(*, actor: Actor, at: datetime, standing_id: UUID, reason: str) -> UUID:
    """End a standing now. Raises: NotFound, NotAllowed."""
    standing = Standing.objects.select_for_update().filter(pk=standing_id).first()
    if standing is None:
        raise NotFound
    if standing.attested_by_id is not None:
        access.require(actor, "people.attest", standing.attested_by_id, at)
    standing.revoked_at = at
    standing.save(update_fields=["revoked_at"])
    record(
        actor=actor,
        action="people.revoke_standing",
        subject_kind="person",
        subject_id=standing.person_id,
        at=at,
        data={"kind": standing.kind, "reason": reason},
    )
    return standing.pk


@action
def give_consent(*, actor: Actor, at: datetime, person_id: UUID, purpose: str, scope: str = "") -> UUID:
    """Record a person's own agreement to one purpose. Raises: NotAllowed (nobody agrees for another adult here)."""
    if actor.id != person_id:
        raise NotAllowed
    consent, created = Consent.objects.get_or_create(
        person_id=person_id, purpose=purpose, scope=scope, withdrawn_at=None, defaults={"id": uuid7(), "given_at": at}
    )
    if created:
        record(
            actor=actor,
            action="people.give_consent",
            subject_kind="person",
            subject_id=person_id,
            at=at,
            data={"purpose": purpose, "scope": scope},
        )
    return consent.pk


@action
def withdraw_consent(*, actor: Actor, at: datetime, person_id: UUID, purpose: str, scope: str = "") -> bool:
    """Withdraw an agreement; True when one was open. Raises: NotAllowed."""
    if actor.id != person_id:
        raise NotAllowed
    closed = Consent.objects.filter(person_id=person_id, purpose=purpose, scope=scope, withdrawn_at=None).update(
        withdrawn_at=at
    )
    if closed:
        record(
            actor=actor,
            action="people.withdraw_consent",
            subject_kind="person",
            subject_id=person_id,
            at=at,
            data={"purpose": purpose, "scope": scope},
        )
    return bool(closed)


@action
def reveal(*, actor: Actor, at: datetime, person_id: UUID, field: str, purpose: str) -> str:
    """Read one sensitive value in the clear. Somebody else's always leaves an access entry.

    ``field``: ``phone`` or ``identity_number``. Raises: NotAllowed, NotFound, Invalid (no purpose given).
    """
    if field not in ("phone", "identity_number"):
        raise Invalid("field", text=_("没有这一项资料。"))
    own = actor.kind == "person" and actor.id == person_id
    if not own:
        access.require_anywhere(actor, "people.reveal", at)
        if not purpose.strip():
            raise Invalid("purpose", text=_("请写明查看的用途。"))
    person = Person.objects.filter(pk=person_id).first()
    if person is None:
        raise NotFound
    value = getattr(person, field)
    if not own:
        AccessEntry.objects.create(
            id=uuid7(),
            reader_kind=actor.kind,
            reader_id=actor.id,
            subject_id=person_id,
            what=field,
            purpose=purpose.strip(),
            at=at,
        )
    return value.reveal() if value else ""
