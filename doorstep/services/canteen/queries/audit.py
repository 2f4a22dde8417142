"""The auditor's read-only view: uses under pseudonyms, one use with everything that proves it, heads of the log."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.db import connection
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.models import Entry, Head
from doorstep.kernel.common import access
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.canonical import canonical, digest
from doorstep.kernel.common.errors import Invalid, NotAllowed, NotFound, TooMany
from doorstep.kernel.common.vault import blind_index
from doorstep.kernel.entitlements.models import Use
from doorstep.kernel.entitlements.recording import use_facts
from doorstep.kernel.ledger.models import Transfer
from doorstep.services.canteen.models import Venue

DEFAULT_LIMIT, MAX_LIMIT = 20, 100


@lru_cache(maxsize=2)
def _pseudonyms() -> Cipher[modes.ECB]:
    # One block under one key is a keyed permutation: no two people share a pseudonym, and it can be undone by us alone.
    key = blind_index("canteen.audit.pseudonym", "key")
    return Cipher(algorithms.AES256(key), modes.ECB())  # noqa: S305


def pseudonym(person_id: UUID) -> str:
    """What an auditor sees of a person: always the same 32 signs, which say nothing about who it is."""
    encryptor = _pseudonyms().encryptor()
    return (encryptor.update(person_id.bytes) + encryptor.finalize()).hex()


def person_behind(text: str) -> UUID:
    """Whose pseudonym this is, to search by. Raises: Invalid."""
    try:
        raw = bytes.fromhex(text.strip())
        decryptor = _pseudonyms().decryptor()
        return uuid.UUID(bytes=decryptor.update(raw) + decryptor.finalize())
    except ValueError:
        raise Invalid("person", text=_("这不是一个完整的用餐人代号(32 位)。")) from None


@dataclass(frozen=True, slots=True)
class UseRow:
    """A use as the auditor's list shows it."""

    id: UUID
    at: datetime
    day: date
    venue_name: str
    window: str
    kind: str
    payer_fen: int
    person_fen: int
    source: str
    reversed: bool
    settlement: str
    settlement_id: UUID | None
    pseudonym: str


_USES = """
SELECT u.id, u.at, u.day, p.name, u."window", t.title, u.payer_fen, u.person_fen, u.source, u.reversed_at IS NOT NULL,
  coalesce(s.number, ''), s.id, u.person_id
FROM entitlements_use u JOIN places_place p ON p.id = u.place_id JOIN canteen_venue v ON v.place_id = u.place_id
JOIN entitlements_termsversion tv ON tv.id = u.terms_version_id JOIN entitlements_terms t ON t.id = tv.terms_id
JOIN organisations_organisation o ON o.id = t.payer_id
LEFT JOIN entitlements_settlementline l ON l.use_id = u.id LEFT JOIN entitlements_settlement s ON s.id = l.settlement_id
WHERE t.service = 'canteen' AND o.path && %(within)s
  AND (%(day)s::date IS NULL OR u.day = %(day)s) AND (%(venue)s::uuid IS NULL OR v.id = %(venue)s)
  AND (%(person)s::uuid IS NULL OR u.person_id = %(person)s)
  AND (%(settlement)s::uuid IS NULL OR s.id = %(settlement)s)
  AND (%(before)s::uuid IS NULL OR u.id < %(before)s)
ORDER BY u.id DESC LIMIT %(limit)s
"""


def uses(
    organisation_ids: Sequence[UUID],
    *,
    day: date | None = None,
    venue_id: UUID | None = None,
    person: str = "",
    settlement_id: UUID | None = None,
    before: UUID | None = None,
    limit: int = DEFAULT_LIMIT,
) -> list[UseRow]:
    """Uses these organisations pay for, newest first, that fit every filter given. One statement.

    Raises: Invalid (not a pseudonym), TooMany.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    parameters = {
        "within": list(organisation_ids),
        "day": day,
        "venue": venue_id,
        "person": person_behind(person) if person else None,
        "settlement": settlement_id,
        "before": before,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_USES, parameters)
        return [UseRow(*(*row[:12], pseudonym(row[12]))) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Move:
    at: datetime
    debit: str
    credit: str
    amount_fen: int
    code: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of the log about this use; ``index`` is its place in the tree, None until it is sealed."""

    id: UUID
    at: datetime
    action: str
    actor_kind: str
    body: str
    index: int | None


@dataclass(frozen=True, slots=True)
class UseProof:
    """One use and everything that proves it. ``facts`` hashes to ``facts_sha256``, which the log's entry holds."""

    row: UseRow
    receipt: str
    till: str
    list_fen: int
    reversed_at: datetime | None
    reversal_reason: str
    facts_sha256: str
    logged_sha256: str
    moves: tuple[Move, ...]
    entries: tuple[LogEntry, ...]

    @property
    def agrees(self) -> bool:
        return self.facts_sha256 == self.logged_sha256


def _readable(use_id: UUID, actor: Actor, at: datetime) -> Use:
    use = (
        Use.objects.select_related("terms_version__terms", "place", "device")
        .filter(pk=use_id, terms_version__terms__service="canteen")
        .first()
    )
    if use is None:
        raise NotFound
    payer_id = use.terms_version.terms.payer_id
    if not any(access.can(actor, capability, payer_id, at) for capability in ("canteen.audit", "canteen.watch")):
        raise NotAllowed
    return use


def use_proof(use_id: UUID, actor: Actor, at: datetime) -> UseProof:
    """One use with receipt, transfers and log entries. Raises: NotFound, NotAllowed."""
    use = _readable(use_id, actor, at)
    settled = getattr(use, "settled", None)
    row = UseRow(
        id=use.pk,
        at=use.at,
        day=use.day,
        venue_name=use.place.name,
        window=use.window,
        kind=use.terms_version.terms.title,
        payer_fen=use.payer_fen,
        person_fen=use.person_fen,
        source=use.source,
        reversed=use.reversed_at is not None,
        settlement=settled.settlement.number if settled else "",
        settlement_id=settled.settlement_id if settled else None,
        pseudonym=pseudonym(use.person_id),
    )
    transfers = Transfer.objects.select_related("debit", "credit").filter(subject_kind="use", subject_id=use.pk)
    found = Entry.objects.select_related("leaf").filter(subject_kind="use", subject_id=use.pk).order_by("pk")
    entries = tuple(
        LogEntry(entry.pk, entry.at, entry.action, entry.actor_kind, entry.body, _index(entry)) for entry in found
    )
    return UseProof(
        row=row,
        receipt=use.receipt,
        till=use.device.name if use.device else "",
        list_fen=use.list_price_fen,
        reversed_at=use.reversed_at,
        reversal_reason=use.reversal_reason,
        facts_sha256=digest(use_facts(use)).hex(),
        logged_sha256=_logged(entries),
        moves=tuple(Move(t.at, t.debit.title, t.credit.title, t.amount_fen, t.code) for t in transfers.order_by("pk")),
        entries=entries,
    )


def _index(entry: Entry) -> int | None:
    leaf = getattr(entry, "leaf", None)
    return leaf.index if leaf else None


def _logged(entries: tuple[LogEntry, ...]) -> str:
    for entry in entries:
        facts = json.loads(entry.body)["data"].get("facts")
        if facts:
            return str(facts)
    return ""


def facts_file(use_id: UUID, actor: Actor, at: datetime) -> str:
    """The facts of a use in their one byte form: its SHA-256 is what the log holds. Raises: NotFound, NotAllowed."""
    return canonical(use_facts(_readable(use_id, actor, at)))


def heads(limit: int = DEFAULT_LIMIT) -> list[Head]:
    """The newest signed heads. Raises: TooMany."""
    if not 1 <= limit <= MAX_LIMIT:
        raise TooMany(limit=MAX_LIMIT)
    return list(Head.objects.order_by("-size")[:limit])


def venues(organisation_ids: Sequence[UUID]) -> list[tuple[UUID, str]]:
    """Restaurants to choose from, by name."""
    found = Venue.objects.filter(organisation__path__overlap=list(organisation_ids)).order_by("place__name", "pk")
    return list(found.values_list("pk", "place__name")[:MAX_LIMIT])


@dataclass(frozen=True, slots=True)
class Checked:
    """What a checker said: ``findings`` empty is good."""

    name: str
    findings: tuple[Any, ...]


def check_everything() -> list[Checked]:
    """Run the house's checkers over ledger, entitlements and log. Reads everything: for a button, not for a list."""
    from doorstep.kernel.audit.verify import verify as verify_log
    from doorstep.kernel.entitlements.queries import verify as verify_entitlements
    from doorstep.kernel.ledger.queries import verify as verify_ledger

    return [
        Checked("ledger", tuple(verify_ledger())),
        Checked("entitlements", tuple(verify_entitlements())),
        Checked("log", tuple(verify_log())),
    ]
