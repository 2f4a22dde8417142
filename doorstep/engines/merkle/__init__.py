"""Merkle trees over SHA-256 as in RFC 9162 section 2.1 (the same trees as RFC 6962): roots, proofs, verification.

Pure computation: it is given hashes and gives hashes. Proofs are first planned as ranges of leaves (`inclusion_ranges`,
`consistency_ranges`) so that a caller who keeps the hashes of whole subtrees can answer them from a few rows instead of
reading every leaf.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Self

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
EMPTY_ROOT = sha256(b"").digest()

_SIZE_BYTES = 8


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry. The 0x00 in front keeps a leaf from ever being taken for an inner node."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node over its two children."""
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Merkle tree hash of the leaves, in order."""
    level = list(leaf_hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        # A last node without a partner moves up unchanged: that is RFC 9162's split at the largest power of two.
        lonely = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level += lonely
    return level[0]


def _split(count: int) -> int:
    """Largest power of two smaller than ``count`` (which is at least 2)."""
    return 1 << ((count - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Half-open ranges of leaves whose roots are the inclusion proof of leaf ``index``, in proof order."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    ranges = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    ranges.reverse()
    return ranges


def consistency_ranges(old_size: int, new_size: int) -> list[tuple[int, int]]:
    """Half-open ranges of leaves whose roots prove that the old tree is a prefix of the new one, in proof order."""
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a tree of {old_size} is no prefix of a tree of {new_size}")
    if old_size == 0:
        return []
    ranges = []
    low, high = 0, new_size
    while high != old_size:
        middle = low + _split(high - low)
        if old_size <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    if low > 0:  # otherwise this range is the whole old tree, whose root the verifier has
        ranges.append((low, high))
    ranges.reverse()
    return ranges


def perfect_subtrees(low: int, high: int) -> list[tuple[int, int]]:
    """The complete subtrees ``(level, index)``, left to right, that make up a range named by a proof."""
    subtrees = []
    while low < high:
        room = (high - low).bit_length() - 1
        level = min(room, (low & -low).bit_length() - 1) if low else room
        subtrees.append((level, low >> level))
        low += 1 << level
    return subtrees


def fold(subtree_hashes: Sequence[bytes]) -> bytes:
    """Root over complete subtrees of falling size, left to right."""
    if not subtree_hashes:
        return EMPTY_ROOT
    result = subtree_hashes[-1]
    for left in reversed(subtree_hashes[:-1]):
        result = node_hash(left, result)
    return result


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Sibling hashes from leaf ``index`` up to the root."""
    return [root(leaf_hashes[low:high]) for low, high in inclusion_ranges(index, len(leaf_hashes))]


def consistency_proof(leaf_hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """Hashes that prove the first ``old_size`` leaves to be an unchanged prefix."""
    return [root(leaf_hashes[low:high]) for low, high in consistency_ranges(old_size, len(leaf_hashes))]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether ``path`` leads from the leaf hash to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or any(len(step) != HASH_BYTES for step in path):
        return False
    position, last, current = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if position % 2 or position == last:
            current = node_hash(step, current)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            current = node_hash(current, step)
        position, last = position >> 1, last >> 1
    return last == 0 and current == expected_root


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves the old tree a prefix of the new one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old_size <= new_size or any(len(step) != HASH_BYTES for step in path):
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT
    steps = list(path)
    if old_size & (old_size - 1) == 0:  # a complete old tree is itself the first step, so the proof leaves it out
        steps.insert(0, old_root)
    if not steps:
        return False
    position, last = old_size - 1, new_size - 1
    while position % 2:
        position, last = position >> 1, last >> 1
    old, new = steps[0], steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if position % 2 or position == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, step)
        position, last = position >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


class Frontier:
    """A tree that only grows, kept as the roots of its complete subtrees: at most 63 hashes, whatever its size."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if not 0 <= size <= MAX_SIZE or len(peaks) != size.bit_count():
            raise ValueError(f"a frontier of {size} leaves has {size.bit_count()} peaks, not {len(peaks)}")
        if any(len(peak) != HASH_BYTES for peak in peaks):
            raise ValueError(f"every peak is {HASH_BYTES} bytes long")
        self.size = size
        self.peaks = list(peaks)

    def append(self, leaf: bytes) -> None:
        carry, position = leaf, self.size
        while position & 1:
            carry = sha256(b"\x01" + self.peaks.pop() + carry).digest()
            position >>= 1
        self.peaks.append(carry)
        self.size += 1

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        for leaf in leaf_hashes:
            self.append(leaf)

    def root(self) -> bytes:
        return fold(self.peaks)

    def copy(self) -> "Frontier":
        return Frontier(self.size, self.peaks)

    def to_bytes(self) -> bytes:
        """Size (8 bytes, big-endian), then the peaks from the largest subtree to the smallest."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.peaks)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        size = int.from_bytes(data[:_SIZE_BYTES], "big")
        if len(data) != _SIZE_BYTES + HASH_BYTES * size.bit_count():
            raise ValueError("these bytes are not a frontier")
        return cls(size, [data[at : at + HASH_BYTES] for at in range(_SIZE_BYTES, len(data), HASH_BYTES)])
