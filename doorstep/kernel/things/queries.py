"""What may be asked of things: who holds one, who held it, what somebody holds, what is in stock, and the proof."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from doorstep.kernel.common.canonical import digest
from doorstep.kernel.common.errors import TooMany
from doorstep.kernel.common.findings import Finding
from doorstep.kernel.things.actions import Holder, event_facts
from doorstep.kernel.things.errors import UnknownThing
from doorstep.kernel.things.models import CustodyEvent, StockItem, StockMovement, Thing
from doorstep.kernel.things.stock import movement_facts

DEFAULT_ROWS, MAX_ROWS, CHUNK = 20, 100, 5000


def _bounded(limit: int) -> int:
    if not 1 <= limit <= MAX_ROWS:
        raise TooMany(limit=MAX_ROWS)
    return limit


def holder_of(thing_id: UUID) -> Holder:
    """Who has the thing: the receiver of its last event. One statement. Raises: UnknownThing."""
    last = CustodyEvent.objects.filter(thing_id=thing_id).order_by("-ordinal").values_list("to_kind", "to_id").first()
    if last is None:
        raise UnknownThing
    return Holder(*last)


def by_barcode(organisation_id: UUID, barcode: str) -> Thing:
    """The thing under a barcode of an organisation. One statement. Raises: UnknownThing."""
    thing = Thing.objects.filter(organisation_id=organisation_id, barcode=barcode.strip()).first()
    if thing is None:
        raise UnknownThing
    return thing


@dataclass(frozen=True, slots=True)
class Custody:
    """One line of a thing's history."""

    ordinal: int
    kind: str
    giver: Holder | None
    receiver: Holder
    condition: str
    proof_kind: str
    note: str
    at: datetime


def custody_of(thing_id: UUID, *, before: int | None = None, limit: int = DEFAULT_ROWS) -> list[Custody]:
    """A thing's history, newest first; ``before`` is the last page's last ordinal. One statement. Raises: TooMany."""
    events = CustodyEvent.objects.filter(thing_id=thing_id).order_by("-ordinal")
    if before is not None:
        events = events.filter(ordinal__lt=before)
    return [
        Custody(
            event.ordinal,
            event.kind,
            Holder(event.from_kind, event.from_id) if event.from_kind and event.from_id else None,
            Holder(event.to_kind, event.to_id),
            event.condition,
            event.proof_kind,
            event.note,
            event.at,
        )
        for event in events[: _bounded(limit)]
    ]


@dataclass(frozen=True, slots=True)
class Held:
    """A thing in somebody's hands."""

    thing_id: UUID
    barcode: str
    kind: str
    name: str
    quantity: int
    condition: str


def held_by(holder: Holder, *, after: UUID | None = None, limit: int = DEFAULT_ROWS) -> list[Held]:
    """What somebody holds now, in the order of registration; ``after`` is the last page's last id. One statement.

    Raises: TooMany.
    """
    things = Thing.objects.filter(holder_kind=holder.kind, holder_id=holder.id, retired_at=None).order_by("pk")
    if after is not None:
        things = things.filter(pk__gt=after)
    rows = things.values_list("pk", "barcode", "kind", "name", "quantity", "condition")[: _bounded(limit)]
    return [Held(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Stock:
    """What a place has of a kind."""

    item_id: UUID
    kind: str
    name: str
    quantity: int


def stock_at(place_id: UUID, *, after: str = "", limit: int = DEFAULT_ROWS) -> list[Stock]:
    """A place's stock by kind; ``after`` is the last page's last kind. One statement. Raises: TooMany."""
    items = StockItem.objects.filter(place_id=place_id, kind__gt=after).order_by("kind")
    return [Stock(*row) for row in items.values_list("pk", "kind", "name", "quantity")[: _bounded(limit)]]


_PROOFS: tuple[tuple[str, str, str], ...] = (
    (
        "holder_differs",
        "things_thing",
        """SELECT t.id, 'kept ' || t.holder_kind || ' after ' || t.moves || ' events, the last of ' || coalesce(e.ordinal, 0)
             || ' says ' || coalesce(e.to_kind, 'nobody')
           FROM things_thing t LEFT JOIN LATERAL (SELECT * FROM things_custodyevent e WHERE e.thing_id = t.id
             ORDER BY e.ordinal DESC LIMIT 1) e ON true
           WHERE (t.holder_kind, t.holder_id, t.condition, t.moves)
             IS DISTINCT FROM (e.to_kind, e.to_id, e.condition, e.ordinal)
             OR (t.retired_at IS NOT NULL) <> (e.kind = 'retired')""",
    ),
    (
        "custody_broken",
        "things_custodyevent",
        """SELECT id, 'does not follow from the event before it' FROM (
             SELECT id, ordinal, from_kind, from_id, lag(ordinal) OVER chain AS earlier, lag(to_kind) OVER chain AS held_kind,
               lag(to_id) OVER chain AS held_id FROM things_custodyevent
             WINDOW chain AS (PARTITION BY thing_id ORDER BY ordinal)) c
           WHERE ordinal <> coalesce(earlier, 0) + 1 OR (from_kind, from_id) IS DISTINCT FROM (held_kind, held_id)""",
    ),
    (
        "stock_differs",
        "things_stockitem",
        """SELECT s.id, 'kept ' || s.quantity || ', movements say ' || coalesce(sum(m.change), 0) FROM things_stockitem s
           LEFT JOIN things_stockmovement m ON m.item_id = s.id GROUP BY s.id
           HAVING s.quantity <> coalesce(sum(m.change), 0) OR s.moves <> count(m.id)""",
    ),
    (
        "stock_broken",
        "things_stockmovement",
        """SELECT id, 'does not follow from the movement before it' FROM (
             SELECT id, ordinal, after, sum(change) OVER chain AS total, row_number() OVER chain AS nth
             FROM things_stockmovement WINDOW chain AS (PARTITION BY item_id ORDER BY ordinal)) c
           WHERE after <> total OR ordinal <> nth""",
    ),
)


def verify() -> list[Finding]:
    """Prove custody and stock: each holder is the replay of the events, each stock the sum of its movements, all as logged."""
    findings: list[Finding] = []
    with connection.cursor() as cursor:
        for code, table, statement in _PROOFS:
            cursor.execute(statement)
            findings += [Finding(code, table, str(row_id), text) for row_id, text in cursor.fetchall()]
    events = CustodyEvent.objects.order_by("pk").iterator(chunk_size=CHUNK)
    findings += _against_log("custody_event", "things_custodyevent", events, event_facts)
    movements = StockMovement.objects.order_by("pk").iterator(chunk_size=CHUNK)
    return findings + _against_log("stock_movement", "things_stockmovement", movements, movement_facts)


def _against_log(
    subject: str, table: str, rows: Iterable[Any], facts: Callable[[Any], dict[str, Any]]
) -> list[Finding]:
    """Each row is what its audit entry says, and none is missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT subject_id, body FROM audit_entry WHERE subject_kind = %s", [subject])
        logged = {subject_id: str(json.loads(body)["data"]["facts"]) for subject_id, body in cursor}
    findings: list[Finding] = []
    for row in rows:
        kept = logged.pop(row.pk, None)
        if kept is None:
            findings.append(Finding(f"{subject}_not_logged", table, str(row.pk), "no audit entry"))
        elif digest(facts(row)).hex() != kept:
            findings.append(Finding(f"{subject}_differs", table, str(row.pk), "not what the log says"))
    return findings + [Finding(f"{subject}_missing", table, str(row_id), "logged, not there") for row_id in logged]
