"""Stock: how many of a kind a place has. Put in, take out, count; never below zero, whoever asks at once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext_lazy as _

from doorstep.kernel.audit.log import record
from doorstep.kernel.common import access
from doorstep.kernel.common.action import action
from doorstep.kernel.common.actor import Actor
from doorstep.kernel.common.canonical import digest
from doorstep.kernel.common.errors import Invalid, NotFound
from doorstep.kernel.common.ids import uuid7
from doorstep.kernel.places.models import Place
from doorstep.kernel.things import errors
from doorstep.kernel.things.models import StockItem, StockMovement

MAX_PIECES, MAX_STOCK, MAX_TEXT, MAX_NOTE = 1_000_000, 10**12, 100, 500
FACTS = (
    "id", "item_id", "ordinal", "change", "after", "reason", "note", "subject_kind", "subject_id", "by_kind", "by_id", "at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StockReceipt:
    """``change`` pieces came (or went, below zero); ``left`` are there now."""

    movement_id: UUID
    item_id: UUID
    name: str
    change: int
    left: int


def movement_facts(movement: StockMovement) -> dict[str, object]:
    """What the audit entry of a movement binds by digest; ``verify`` computes it again from the row."""
    return {name: getattr(movement, name) for name in FACTS}


def _organisation_of(place_id: UUID) -> UUID:
    """Raises: NotFound."""
    found = Place.objects.filter(pk=place_id).values_list("organisation_id", flat=True).first()
    if found is None:
        raise NotFound
    return found


def _check(quantity: int, note: str) -> None:
    if not 1 <= quantity <= MAX_PIECES:
        raise Invalid("quantity", text=_("数量应在 1 到 1000000 之间。"))
    if len(note) > MAX_NOTE:
        raise Invalid("note", text=_("备注最多 500 个字。"))


_PUT = """
INSERT INTO things_stockitem AS s (id, place_id, kind, name, quantity, moves, created_at)
VALUES (%(id)s, %(place)s, %(kind)s, %(name)s, %(quantity)s, 1, %(at)s)
ON CONFLICT (place_id, kind) DO UPDATE SET quantity = s.quantity + excluded.quantity, moves = s.moves + 1
RETURNING id, name, quantity, moves
"""
# One conditional update: rivals wait for the row and then look at what is left again.
_TAKE = """
UPDATE things_stockitem SET quantity = quantity - %(quantity)s, moves = moves + 1
WHERE place_id = %(place)s AND kind = %(kind)s AND quantity >= %(quantity)s
RETURNING id, name, quantity, moves
"""


def _append(
    *,
    actor: Actor,
    at: datetime,
    organisation_id: UUID,
    row: tuple[UUID, str, int, int],
    change: int,
    reason: str,
    note: str,
    subject_kind: str = "",
    subject_id: UUID | None = None,
) -> StockReceipt:
    """Write the movement and bind it in the log; ``row`` is what the update returned."""
    item_id, name, left, ordinal = row
    movement = StockMovement(
        id=uuid7(),
        item_id=item_id,
        ordinal=ordinal,
        change=change,
        after=left,
        reason=reason,
        note=note,
        subject_kind=subject_kind,
        subject_id=subject_id,
        by_kind=actor.kind,
        by_id=actor.id,
        at=at,
    )
    movement.save(force_insert=True)
    record(
        actor=actor,
        action=f"things.stock_{reason}",
        subject_kind="stock_movement",
        subject_id=movement.pk,
        organisation_id=organisation_id,
        at=at,
        data={"item_id": item_id, "change": change, "facts": digest(movement_facts(movement))},
    )
    return StockReceipt(movement.pk, item_id, name, change, left)


@action
def put_stock(
    *, actor: Actor, at: datetime, key: str, place_id: UUID, kind: str, name: str, quantity: int, note: str = ""
) -> StockReceipt:
    """Add pieces to a place's stock of a kind; the first time opens it under ``name``.

    Raises: NotFound (no such place), NotAllowed, Invalid.
    """
    organisation_id = _organisation_of(place_id)
    access.require(actor, "things.stock", organisation_id, at)
    _check(quantity, note)
    if not 0 < len(kind) <= MAX_TEXT or not 0 < len(name.strip()) <= MAX_TEXT:
        raise Invalid("name", text=_("请填写,最多 100 个字。"))
    with connection.cursor() as cursor:
        cursor.execute(
            _PUT, {"id": uuid7(), "place": place_id, "kind": kind, "name": name.strip(), "quantity": quantity, "at": at}
        )
        row = cursor.fetchone()
    if row[2] > MAX_STOCK:
        raise Invalid("quantity", text=_("库存太大了,请核对数量。"))
    return _append(
        actor=actor, at=at, organisation_id=organisation_id, row=row, change=quantity, reason="put", note=note
    )


def draw_stock(
    *,
    actor: Actor,
    at: datetime,
    place_id: UUID,
    kind: str,
    quantity: int = 1,
    subject_kind: str = "",
    subject_id: UUID | None = None,
    note: str = "",
) -> StockReceipt:
    """Take pieces out, all or none. Inside the caller's transaction, which asks for permission; ``subject`` says for what.

    Raises: OutOfStock, NotFound, Invalid.
    """
    _check(quantity, note)
    organisation_id = _organisation_of(place_id)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"place": place_id, "kind": kind, "quantity": quantity})
        row = cursor.fetchone()
    if row is None:
        left = StockItem.objects.filter(place_id=place_id, kind=kind).values_list("quantity", flat=True).first()
        if left is None:
            raise NotFound
        raise errors.OutOfStock(left=left)
    return _append(
        actor=actor,
        at=at,
        organisation_id=organisation_id,
        row=row,
        change=-quantity,
        reason="take",
        note=note,
        subject_kind=subject_kind,
        subject_id=subject_id,
    )


@action
def take_stock(
    *, actor: Actor, at: datetime, key: str, place_id: UUID, kind: str, quantity: int = 1, note: str = ""
) -> StockReceipt:
    """Take pieces out of a place's stock, all or none. Raises: NotFound, NotAllowed, OutOfStock, Invalid."""
    access.require(actor, "things.stock", _organisation_of(place_id), at)
    return draw_stock(actor=actor, at=at, place_id=place_id, kind=kind, quantity=quantity, note=note)


@action
def count_stock(
    *, actor: Actor, at: datetime, key: str, place_id: UUID, kind: str, counted: int, note: str
) -> StockReceipt | None:
    """Set a stock to what was counted on the shelf, with the difference as a movement; None when it was right.

    Raises: NotFound, NotAllowed, Invalid (no reason given).
    """
    organisation_id = _organisation_of(place_id)
    access.require(actor, "things.stock", organisation_id, at)
    if not 0 <= counted <= MAX_STOCK:
        raise Invalid("counted", text=_("盘点数量不能小于 0。"))
    if not 0 < len(note.strip()) <= MAX_NOTE:
        raise Invalid("note", text=_("请写明盘点差异的原因。"))
    item = StockItem.objects.select_for_update(no_key=True).filter(place_id=place_id, kind=kind).first()
    if item is None:
        raise NotFound
    change = counted - item.quantity
    if change == 0:
        return None
    item.quantity, item.moves = counted, item.moves + 1
    item.save(update_fields=["quantity", "moves"])
    row = (item.pk, item.name, item.quantity, item.moves)
    return _append(
        actor=actor, at=at, organisation_id=organisation_id, row=row, change=change, reason="count", note=note.strip()
    )
