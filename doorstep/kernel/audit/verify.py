"""Checking the whole log against itself: every body, leaf, subtree, head and signature, in one pass.

The tree is computed twice where it has to be: once from the bodies (what the entries say now) and once from the stored
leaf hashes (what was sealed). A head that fits only one of the two tells which side was altered.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.db import connection, transaction
from django.db.models import Model

from doorstep.engines import merkle
from doorstep.kernel.audit.heads import head_text
from doorstep.kernel.audit.models import Entry, Head, Leaf, Pending, Subtree
from doorstep.kernel.audit.sealing import TILE, TILE_LEVELS
from doorstep.kernel.audit.signing import key_that_verifies
from doorstep.kernel.common.findings import Finding

CHUNK_ROWS = 5_000
MAX_FINDINGS = 1_000

# The columns as text, exactly as the body writes them.
_COLUMNS = ("id", "at", "actor_kind", "actor_id", "action", "subject_kind", "subject_id", "organisation_id")
_AS_TEXT = """e.id::text, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), e.actor_kind,
    e.actor_id::text, e.action, e.subject_kind, e.subject_id::text, e.organisation_id::text, e.body"""
_SEALED = f"""SELECT l.index, l.hash, l.entry_id::text, {_AS_TEXT}
    FROM audit_leaf l LEFT JOIN audit_entry e ON e.id = l.entry_id ORDER BY l.index"""  # noqa: S608  (constants only)
_WAITING = f"""SELECT {_AS_TEXT} FROM audit_pending p JOIN audit_entry e ON e.id = p.entry_id
    ORDER BY e.id"""  # noqa: S608  (constants only)
_ORPHANS = """SELECT e.id::text, l.entry_id IS NULL FROM audit_entry e
    LEFT JOIN audit_leaf l ON l.entry_id = e.id LEFT JOIN audit_pending p ON p.entry_id = e.id
    WHERE (l.entry_id IS NULL) = (p.entry_id IS NULL) ORDER BY e.id LIMIT %s"""


class TooManyFindings(Exception):
    """Enough has been found to know that the log cannot be trusted."""


class _Check:
    """The state of one pass over the log."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.actual = merkle.Frontier()  # over the bodies as they are
        self.sealed = self.actual  # over the stored leaf hashes; a frontier of its own while the two differ
        self.differing: list[
            tuple[int, str]
        ] = []  # leaves that are not the hash of their body, until a head judges them
        self.differed: list[int] = []  # all such leaves of this pass, in order
        self.nodes: dict[int, list[bytes]] = {}
        self.subtrees: dict[tuple[int, int], bytes] = {}
        self.next_index = 0
        self.gap = False  # after a missing leaf no root can fit any more; one finding is enough

    def find(self, code: str, table: type[Model], row_id: object, text: str) -> None:
        self.findings.append(Finding(code, table._meta.db_table, str(row_id), text))
        if len(self.findings) >= MAX_FINDINGS:
            raise TooManyFindings

    def columns(self, row: tuple[str | None, ...]) -> None:
        """The columns must say what the body says."""
        *columns, body = row
        try:
            said = json.loads(body or "")
            wrong = [name for name, value in zip(_COLUMNS, columns, strict=True) if said[name] != value]
        except (ValueError, KeyError, TypeError):
            self.find("body_unreadable", Entry, columns[0], "the body is not an entry in canonical JSON")
            return
        if wrong:
            self.find("columns_differ", Entry, columns[0], f"not what the body says: {', '.join(wrong)}")

    def leaves_up_to(self, index: int) -> None:
        while self.next_index < index:
            self.gap = True
            self.find("leaf_missing", Leaf, self.next_index, "there is no leaf at this place")
            self.next_index += 1

    def leaf(self, index: int, stored: bytes, entry_id: str, row: tuple[str | None, ...]) -> None:
        self.leaves_up_to(index)
        self.next_index = index + 1
        body = row[-1]
        computed = stored
        if body is None:
            self.find("entry_missing", Entry, entry_id, f"leaf {index} is of an entry that is gone")
        else:
            computed = merkle.leaf_hash(body.encode())
        if computed != stored:
            if self.sealed is self.actual:
                self.sealed = self.actual.copy()
            self.differing.append((index, entry_id))
            self.differed.append(index)
        elif body is not None:
            self.columns(row)
        self.actual.append(computed)
        if self.sealed is not self.actual:
            self.sealed.append(stored)
        if not self.gap:
            self.node(0, index, stored)

    def node(self, level: int, index: int, value: bytes) -> None:
        """Collect stored nodes into tiles and compare each full tile with the subtree kept for it."""
        tile = self.nodes.setdefault(level, [])
        tile.append(value)
        if len(tile) < TILE:
            return
        root, place, level = merkle.root(tile), index // TILE, level + TILE_LEVELS
        tile.clear()
        kept = self.subtrees.pop((level, place), None)
        if kept is None:
            self.find("subtree_missing", Subtree, f"{level}/{place}", "the subtree kept for proofs is gone")
        elif kept != root and not any(leaf >> level == place for leaf in self.differed):
            self.find("subtree_differs", Subtree, f"{level}/{place}", "not the root of its leaves")
        # What is kept goes up, so that one wrong subtree is not found again at every level above it.
        self.node(level, place, kept or root)

    def head(self, head: Head) -> None:
        """One head: its root against both trees, its frontier, its signature."""
        root = bytes(head.root)
        if key_that_verifies(head_text(head.size, root, head.at), bytes(head.signature)) is None:
            self.find("signature_invalid", Head, head.size, "not signed, with this root and time, by a key we trust")
        if self.gap:
            return
        if root == self.sealed.root():
            self.judge("entry_altered")
            self.actual = self.sealed
        elif root == self.actual.root():
            self.judge("leaf_altered")
            self.sealed = self.actual
        else:
            self.judge("leaf_differs")
            self.find("root_differs", Head, head.size, "not the root of the entries before it")
            return
        if bytes(head.frontier) != self.actual.to_bytes():
            self.find("frontier_differs", Head, head.size, "the stored frontier does not give the root")

    def judge(self, code: str) -> None:
        """Say of every leaf that is not the hash of its body which of the two was altered."""
        for index, entry_id in self.differing:
            if code == "entry_altered":
                self.find(code, Entry, entry_id, f"the body is not the one sealed as leaf {index}")
            elif code == "leaf_altered":
                self.find(code, Leaf, index, f"not the hash of entry {entry_id}, which is as sealed")
            else:
                self.find(code, Leaf, index, f"no head tells whether this hash or entry {entry_id} was altered")
        self.differing.clear()


def _stream(sql: str) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql)
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield from rows


def _sealed(check: _Check) -> None:
    """All leaves in order, and each head where it is due."""
    check.subtrees = {
        (level, index): bytes(value) for level, index, value in Subtree.objects.values_list("level", "index", "hash")
    }
    heads = Head.objects.order_by("size").iterator()
    head = next(heads, None)
    signed = 0
    for index, stored, entry_id, *row in _stream(_SEALED):
        while head is not None and head.size <= index:
            check.leaves_up_to(head.size)
            check.head(head)
            signed, head = head.size, next(heads, None)
        check.leaf(index, bytes(stored), entry_id, tuple(row))
    while head is not None:
        check.leaves_up_to(head.size)
        check.head(head)
        signed, head = head.size, next(heads, None)
    if check.next_index > signed:
        check.judge("leaf_differs")
        check.find("leaves_unsigned", Leaf, signed, "leaves from here on are under no signed head")
    if not check.gap:
        for level, place in sorted(check.subtrees):
            check.find("subtree_unknown", Subtree, f"{level}/{place}", "there are no leaves for this subtree")


def _unsealed(check: _Check) -> None:
    """Every entry is sealed or waiting, never neither and never both."""
    for row in _stream(_WAITING):
        check.columns(row)
    with connection.cursor() as cursor:
        cursor.execute(_ORPHANS, [MAX_FINDINGS])
        for entry_id, neither in cursor.fetchall():
            if neither:
                check.find("entry_orphaned", Entry, entry_id, "neither sealed nor waiting to be")
            else:
                check.find("entry_sealed_twice", Pending, entry_id, "sealed and still waiting")


def verify() -> list[Finding]:
    """Everything that is wrong with the log, at most 1,000 findings; an empty list means that it holds."""
    check = _Check()
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:  # one picture of all tables, even while entries are written and sealed
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        with suppress(TooManyFindings):
            _sealed(check)
            _unsealed(check)
    return check.findings
