"""Writing the log: an entry and its place in the sealing queue, in the transaction of what it tells of.

``record`` is the ordinary way. A hot path that already sends one statement with common table expressions adds
``entry_cte()`` to it, with the parameters of ``entry_row(...)``, and so needs no further round trip.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from django.db import connection

from doorstep.kernel.audit.models import ACTOR_KINDS, Entry
from doorstep.kernel.common.canonical import canonical
from doorstep.kernel.common.ids import uuid7

MAX_BODY_BYTES = 65_536


class AnyActor(Protocol):
    """What the log reads of ``doorstep.kernel.common.actor.Actor``."""

    @property
    def kind(self) -> Literal["person", "device", "system"]: ...
    @property
    def id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class EntryRow:
    """The columns of one entry, in insertion order; ``recorded_at`` is left to the database."""

    id: UUID
    at: datetime
    actor_kind: str
    actor_id: UUID | None
    action: str
    subject_kind: str
    subject_id: UUID | None
    organisation_id: UUID | None
    body: str

    @property
    def values(self) -> tuple[Any, ...]:
        """Parameters for ``entry_cte()``."""
        return astuple(self)


ENTRY_COLUMNS = ", ".join(field.name for field in fields(EntryRow))
ENTRY_PLACEHOLDERS = "%s::uuid, %s::timestamptz, %s::text, %s::uuid, %s::text, %s::text, %s::uuid, %s::uuid, %s::text"


# For a statement that inserts many entries from one JSON parameter (a list of ``plain(entry_row(...))``).
ENTRY_RECORD = (
    "id uuid, at timestamptz, actor_kind text, actor_id uuid, action text, subject_kind text, subject_id uuid, "
    "organisation_id uuid, body text"
)


def instant(at: datetime) -> str:
    """UTC with microseconds, the one way an instant is written in evidence."""
    if at.tzinfo is None:
        raise ValueError("an audit entry needs an aware datetime")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def canonical_body(
    *,
    id: UUID,
    at: datetime,
    actor_kind: str,
    actor_id: UUID | None,
    action: str,
    subject_kind: str,
    subject_id: UUID | None,
    organisation_id: UUID | None,
    data: Mapping[str, Any],
) -> str:
    """The text that is hashed: JSON with sorted keys and no spaces, everything the columns say plus ``data``."""
    return canonical(
        {
            "id": id,
            "at": instant(at),
            "actor_kind": actor_kind,
            "actor_id": actor_id,
            "action": action,
            "subject_kind": subject_kind,
            "subject_id": subject_id,
            "organisation_id": organisation_id,
            "data": dict(data),
        }
    )


def entry_row(
    *,
    actor: AnyActor,
    action: str,
    subject_kind: str,
    subject_id: UUID | None,
    organisation_id: UUID | None = None,
    at: datetime,
    data: Mapping[str, Any] | None = None,
) -> EntryRow:
    """An entry ready to be inserted; makes its id, touches no database."""
    if actor.kind not in ACTOR_KINDS:
        raise ValueError(f"an actor is one of {', '.join(ACTOR_KINDS)}, not {actor.kind!r}")
    if not action or not subject_kind:
        raise ValueError("an entry names its action and the kind of its subject")
    entry_id = uuid7()
    body = canonical_body(
        id=entry_id,
        at=at,
        actor_kind=actor.kind,
        actor_id=actor.id,
        action=action,
        subject_kind=subject_kind,
        subject_id=subject_id,
        organisation_id=organisation_id,
        data=data or {},
    )
    if len(body.encode()) > MAX_BODY_BYTES:
        raise ValueError(
            f"an entry holds at most {MAX_BODY_BYTES} bytes; keep the rest as a file and record its digest"
        )
    return EntryRow(entry_id, at, actor.kind, actor.id, action, subject_kind, subject_id, organisation_id, body)


def entry_cte(*, only_if: str = "") -> str:
    """Two common table expressions, ``audit_new`` and ``audit_queued``, that insert one entry and queue it.

    ``only_if`` names an earlier expression of the same statement: without a row there, nothing is recorded.
    """
    if only_if and not only_if.isidentifier():
        raise ValueError(f"{only_if!r} names no table expression")
    guard = f" WHERE EXISTS (SELECT 1 FROM {only_if})" if only_if else ""  # noqa: S608  (an identifier, checked above)
    return (
        f"audit_new AS (INSERT INTO audit_entry ({ENTRY_COLUMNS}) SELECT {ENTRY_PLACEHOLDERS}{guard}"  # noqa: S608
        " RETURNING id, recorded_at), "
        "audit_queued AS (INSERT INTO audit_pending (entry_id) SELECT id FROM audit_new)"
    )


_RECORD = f"WITH {entry_cte()} SELECT recorded_at FROM audit_new"  # noqa: S608  (constants only)


def record(
    *,
    actor: AnyActor,
    action: str,
    subject_kind: str,
    subject_id: UUID | None,
    organisation_id: UUID | None = None,
    at: datetime,
    data: Mapping[str, Any] | None = None,
) -> Entry:
    """Write one entry and queue it for sealing, in one statement; call it inside the acting transaction."""
    row = entry_row(
        actor=actor,
        action=action,
        subject_kind=subject_kind,
        subject_id=subject_id,
        organisation_id=organisation_id,
        at=at,
        data=data,
    )
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, row.values)
        (recorded_at,) = cursor.fetchone()
    written = {field.name: getattr(row, field.name) for field in fields(row)}
    entry = Entry(**written, recorded_at=recorded_at)
    entry._state.adding = False
    return entry
