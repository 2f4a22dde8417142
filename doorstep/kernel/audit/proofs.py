"""Receipts that anyone can check without us: an entry is in the log, and the log only ever grew.

The JSON is what ``docs/verify_audit.py`` reads. A proof reads a few hundred rows, however long the log is.
"""

import base64
from typing import Any
from uuid import UUID

from django.db import connection

from doorstep.engines import merkle
from doorstep.kernel.audit.errors import EntryNotFound, HeadNotFound, NotSealedYet
from doorstep.kernel.audit.heads import head_text
from doorstep.kernel.audit.log import instant
from doorstep.kernel.audit.models import Entry, Head, Leaf
from doorstep.kernel.audit.sealing import TILE_LEVELS
from doorstep.kernel.audit.signing import key_that_verifies, newest_key

INCLUSION_FORMAT = "doorstep-audit-inclusion/1"
CONSISTENCY_FORMAT = "doorstep-audit-consistency/1"

_NODES = """
SELECT w.piece, l.index, l.hash
  FROM unnest(%s::int[], %s::bigint[], %s::bigint[]) AS w(piece, low, high)
  JOIN audit_leaf l ON l.index >= w.low AND l.index < w.high
UNION ALL
SELECT w.piece, s.index, s.hash
  FROM unnest(%s::int[], %s::smallint[], %s::bigint[], %s::bigint[]) AS w(piece, level, low, high)
  JOIN audit_subtree s ON s.level = w.level AND s.index >= w.low AND s.index < w.high
 ORDER BY 1, 2
"""


def _subtree_roots(pieces: list[tuple[int, int]]) -> list[bytes]:
    """Roots of complete subtrees ``(level, index)``, from the nearest stored level below each; one statement."""
    leaves: list[tuple[int, int, int]] = []
    stored: list[tuple[int, int, int, int]] = []
    for number, (level, index) in enumerate(pieces):
        base = level - level % TILE_LEVELS
        low, high = index << (level - base), (index + 1) << (level - base)
        if base == 0:
            leaves.append((number, low, high))
        else:
            stored.append((number, base, low, high))
    columns = [[row[place] for row in leaves] for place in range(3)]
    columns += [[row[place] for row in stored] for place in range(4)]
    found: list[list[bytes]] = [[] for _ in pieces]
    with connection.cursor() as cursor:
        cursor.execute(_NODES, columns)
        for number, _index, value in cursor.fetchall():
            found[number].append(bytes(value))
    return [merkle.root(nodes) for nodes in found]


def _range_roots(ranges: list[tuple[int, int]]) -> list[bytes]:
    plans = [merkle.perfect_subtrees(low, high) for low, high in ranges]
    roots = iter(_subtree_roots([piece for plan in plans for piece in plan]))
    return [merkle.fold([next(roots) for _ in plan]) for plan in plans]


def _public_key(head: Head) -> bytes:
    """The key this head was signed with, while we still hold it; otherwise the newest, and the check will say no."""
    key = key_that_verifies(head_text(head.size, bytes(head.root), head.at), bytes(head.signature))
    return (key or newest_key()).public_bytes


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def inclusion(entry_id: UUID, size: int | None = None) -> dict[str, Any]:
    """A receipt that the entry is in the log, against the head of ``size`` leaves (by default the latest).

    Raises: EntryNotFound, NotSealedYet, HeadNotFound.
    """
    leaf = Leaf.objects.select_related("entry").filter(entry_id=entry_id).first()
    if leaf is None:
        raise NotSealedYet if Entry.objects.filter(pk=entry_id).exists() else EntryNotFound
    heads = Head.objects.filter(size__gt=leaf.index)
    head = (heads.order_by("-size") if size is None else heads.filter(size=size)).first()
    if head is None:
        raise HeadNotFound
    path = _range_roots(merkle.inclusion_ranges(leaf.index, head.size))
    return {
        "format": INCLUSION_FORMAT,
        "entry": leaf.entry.body,
        "index": leaf.index,
        "size": head.size,
        "root": bytes(head.root).hex(),
        "path": [step.hex() for step in path],
        "at": instant(head.at),
        "signature": _text(bytes(head.signature)),
        "public_key": _text(_public_key(head)),
    }


def consistency(old_size: int, new_size: int) -> dict[str, Any]:
    """A proof that the log of ``old_size`` entries is an unchanged beginning of the one of ``new_size``.

    Raises: HeadNotFound (no signed head of that size, or the old one is larger).
    """
    heads = {head.size: head for head in Head.objects.filter(size__in=[old_size, new_size])}
    if old_size not in heads or new_size not in heads or old_size > new_size:
        raise HeadNotFound
    path = _range_roots(merkle.consistency_ranges(old_size, new_size))
    proof: dict[str, Any] = {"format": CONSISTENCY_FORMAT, "path": [step.hex() for step in path]}
    for name, head in (("old", heads[old_size]), ("new", heads[new_size])):
        proof |= {
            f"{name}_size": head.size,
            f"{name}_root": bytes(head.root).hex(),
            f"{name}_at": instant(head.at),
            f"{name}_signature": _text(bytes(head.signature)),
            f"{name}_public_key": _text(_public_key(head)),
        }
    return proof
