"""Many people at once, in a fixed number of statements: register or recognise a list, attest a standing to many."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db.models import Q

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.canonical import digest
from doorstep.kernel.common.errors import NotAllowed
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.people.actions import index_identity, index_phone
from doorstep.kernel.people.identity import parse_identity_number
from doorstep.kernel.people.models import Person, Standing

BATCH_ROWS = 2000


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody of a list, already checked: eleven digits of phone, a correct identity number or none."""

    name: str
    phone: str
    identity_number: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """Who that is, or why the list and the register contradict each other (``refused``)."""

    person_id: UUID | None
    created: bool = False
    refused: str = ""


def _recognise(given: NewPerson, by_phone: Person | None, by_identity: Person | None) -> Registered | None:
    """The known person this is, or why nobody can say; None: nobody known. Pure."""
    if by_phone and by_identity and by_phone.pk != by_identity.pk:
        return Registered(None, refused="identity_elsewhere")
    known = by_identity or by_phone
    if known is None:
        return None
    if known.name and known.name != given.name:
        return Registered(None, refused="name_differs")
    if by_identity is None and given.identity_number and known.identity_index is not None:
        return Registered(None, refused="identity_differs")
    return Registered(known.pk)


def _known(people: Sequence[NewPerson]) -> tuple[dict[bytes, Person], dict[bytes, Person]]:
    """Those of the register whom the list may mean, by phone and by identity number. One statement."""
    phones = [index_phone(one.phone) for one in people]
    identities = [index_identity(one.identity_number) for one in people if one.identity_number]
    found = list(
        Person.objects.filter(Q(phone_index__in=phones) | Q(identity_index__in=identities)).only(
            "id", "name", "phone_index", "identity_index"
        )
    )
    by_phone = {bytes(one.phone_index): one for one in found if one.phone_index is not None}
    by_identity = {bytes(one.identity_index): one for one in found if one.identity_index is not None}
    return by_phone, by_identity


def _fill(person: Person, given: NewPerson, at: datetime) -> Person:
    """Put the real name and the identity number in."""
    person.name = given.name
    if given.identity_number:
        identity = parse_identity_number(given.identity_number, at.date())
        person.identity_number, person.identity_index = identity.number, index_identity(identity.number)
        person.born, person.real_name_checked_at = identity.born, at
    return person


def _insert(people: Iterable[NewPerson], at: datetime) -> dict[str, UUID]:
    """Phone → new person. Who was registered by somebody else at this very moment is left out."""
    rows = []
    for given in people:
        person = Person(id=uuid7(), joined_at=at, password=make_password(None))
        person.phone, person.phone_index = given.phone, index_phone(given.phone)
        rows.append(_fill(person, given, at))
    Person.objects.bulk_create(rows, batch_size=BATCH_ROWS, ignore_conflicts=True)
    kept = set(Person.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
    return {row.phone: row.pk for row in rows if row.pk in kept and isinstance(row.phone, str)}


@action
def register_people(
    *, actor: Actor, at: datetime, organisation_id: UUID, people: Sequence[NewPerson]
) -> list[Registered]:
    """Register everybody of a list or recognise them, in the list's order. The caller has seen to it that no phone and no
    identity number comes twice. A person known by phone without an identity number gets the list's.

    Raises: NotAllowed.
    """
    access.require(actor, "people.register", organisation_id, at)
    by_phone, by_identity = _known(people)
    found: list[Registered | None] = []
    named: list[Person] = []
    for given in people:
        known = by_phone.get(index_phone(given.phone))
        identified = by_identity.get(index_identity(given.identity_number)) if given.identity_number else None
        who = _recognise(given, known, identified)
        if who and who.person_id and known and known.identity_index is None:
            named.append(_fill(known, given, at))
        found.append(who)
    fields = ["name", "identity_number", "identity_index", "born", "real_name_checked_at"]
    Person.objects.bulk_update(named, fields, batch_size=BATCH_ROWS)
    created = _insert((given for given, who in zip(people, found, strict=True) if who is None), at)
    record(
        actor=actor,
        action="people.register_people",
        subject_kind="organisation",
        subject_id=organisation_id,
        organisation_id=organisation_id,
        at=at,
        data={"list": digest([list(map(str, (one.name, one.phone, one.identity_number))) for one in people]),
              "rows": len(people), "created": len(created), "named": len(named)},
    )  # fmt: skip
    return [
        who
        or Registered(created.get(given.phone), given.phone in created, "" if given.phone in created else "just_taken")
        for given, who in zip(people, found, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class NewStanding:
    person_id: UUID
    kind: str


@action
def attest_standings(
    *,
    actor: Actor,
    at: datetime,
    organisation_id: UUID,
    standings: Sequence[NewStanding],
    valid_until: datetime | None,
    evidence: str,
) -> int:
    """Say of many people what they are. Whose standing already lasts as long keeps it; returns how many were written.

    Raises: NotAllowed.
    """
    access.require(actor, "people.attest", organisation_id, at)
    if not evidence.strip():
        raise NotAllowed
    wanted = {(one.person_id, one.kind) for one in standings}
    held = Standing.objects.valid(at).filter(
        person_id__in={person_id for person_id, _kind in wanted}, kind__in={kind for _person, kind in wanted}
    )
    lasting = (
        Q(valid_until__isnull=True)
        if valid_until is None
        else Q(valid_until__isnull=True) | Q(valid_until__gte=valid_until)
    )
    enough = set(held.filter(lasting).values_list("person_id", "kind"))
    rows = [
        Standing(
            id=uuid7(), person_id=person_id, kind=kind, attested_by_id=organisation_id, evidence=evidence.strip(),
            valid_from=at, valid_until=valid_until,
        )
        for person_id, kind in sorted(wanted - enough)
    ]  # fmt: skip
    Standing.objects.bulk_create(rows, batch_size=BATCH_ROWS)
    record(
        actor=actor,
        action="people.attest_standings",
        subject_kind="organisation",
        subject_id=organisation_id,
        organisation_id=organisation_id,
        at=at,
        data={"people": digest(sorted((row.person_id, row.kind) for row in rows)), "count": len(rows),
              "valid_until": valid_until, "evidence": evidence.strip()},
    )  # fmt: skip
    return len(rows)
