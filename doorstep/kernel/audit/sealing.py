"""Sealing: fold waiting entries into the tree and sign its new head."""

from datetime import datetime

from django.db import connection, transaction

from doorstep.engines import merkle
from doorstep.kernel.audit.heads import head_text
from doorstep.kernel.audit.models import Head, Leaf, Subtree
from doorstep.kernel.audit.signing import newest_key

BATCH_LIMIT = 50_000
TILE_LEVELS = 8
TILE = 1 << TILE_LEVELS

# Any fixed number will do; it only has to differ from other advisory locks of this database.
_LOCK = 0x6A6D6B_5EA1

_TAKE = """
WITH taken AS MATERIALIZED (
    SELECT p.entry_id, e.body, %s + row_number() OVER (ORDER BY e.recorded_at, e.id) - 1 AS index
      FROM audit_pending p JOIN audit_entry e ON e.id = p.entry_id
     ORDER BY e.recorded_at, e.id LIMIT %s
), gone AS (
    DELETE FROM audit_pending p USING taken t WHERE p.entry_id = t.entry_id
), sealed AS (
    INSERT INTO audit_leaf (index, entry_id, hash)
    SELECT index, entry_id, sha256('\\x00'::bytea || convert_to(body, 'UTF8')) FROM taken
    RETURNING index, hash
)
SELECT hash FROM sealed ORDER BY index
"""


def _take_lock() -> None:
    """One sealer at a time, in this schema; a second one waits here and then finds the queue already taken."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s # hashtext(current_schema()))", [_LOCK])


def seal(at: datetime, *, limit: int = BATCH_LIMIT) -> Head | None:
    """Seal up to ``limit`` waiting entries and sign the new head; ``None`` when nothing waits (call until then)."""
    if not 1 <= limit <= BATCH_LIMIT:
        raise ValueError(f"a batch has 1 to {BATCH_LIMIT} entries")
    with transaction.atomic():
        _take_lock()
        return _seal_batch(at, limit)


def _seal_batch(at: datetime, limit: int) -> Head | None:
    last = Head.objects.order_by("-size").first()
    frontier = merkle.Frontier.from_bytes(bytes(last.frontier)) if last else merkle.Frontier()
    start = frontier.size
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [start, limit])
        hashes = [bytes(row[0]) for row in cursor.fetchall()]
    if not hashes:
        return None
    frontier.extend(hashes)
    _keep_subtrees(start, hashes)
    root = frontier.root()
    return Head.objects.create(
        size=frontier.size,
        root=root,
        frontier=frontier.to_bytes(),
        at=at,
        signature=newest_key().sign(head_text(frontier.size, root, at)),
    )


def _keep_subtrees(start: int, hashes: list[bytes]) -> None:
    """Store the subtrees that these nodes complete, level by level. ``start`` is the index of the first leaf."""
    level = 0
    while hashes:
        first_tile = start // TILE
        earlier = _nodes(level, first_tile * TILE, start)
        nodes = earlier + hashes
        roots = [merkle.root(nodes[at : at + TILE]) for at in range(0, len(nodes) - TILE + 1, TILE)]
        level += TILE_LEVELS
        Subtree.objects.bulk_create(
            Subtree(level=level, index=first_tile + place, hash=value) for place, value in enumerate(roots)
        )
        start, hashes = first_tile, roots


def _nodes(level: int, low: int, high: int) -> list[bytes]:
    if low == high:
        return []
    rows = Leaf.objects.filter(index__gte=low, index__lt=high) if level == 0 else None
    if rows is not None:
        return [bytes(value) for value in rows.order_by("index").values_list("hash", flat=True)]
    kept = Subtree.objects.filter(level=level, index__gte=low, index__lt=high)
    return [bytes(value) for value in kept.order_by("index").values_list("hash", flat=True)]
