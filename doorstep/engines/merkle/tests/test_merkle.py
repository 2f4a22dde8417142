"""The tree against the published Certificate Transparency vectors, and every proof of every small tree."""

import random
import time
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorstep.engines import merkle

INPUTS = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [merkle.leaf_hash(data) for data in INPUTS]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"


def many(count: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


def recursive_root(leaves: list[bytes]) -> bytes:
    """The definition of RFC 9162 2.1.1, word for word: the other way to the same answer."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + recursive_root(leaves[:k]) + recursive_root(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_root_is_the_published_one(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size]
    frontier = merkle.Frontier()
    frontier.extend(LEAVES[:size])
    assert frontier.root().hex() == ROOTS[size]


@pytest.mark.parametrize(
    ("index", "size", "path"),
    [(0, 1, []), (0, 8, [A, B, C]), (5, 8, [D, E, ROOTS[4]]), (2, 3, [ROOTS[2]]), (1, 5, [ROOTS[1], B, D])],
)
def test_inclusion_proof_is_the_published_one(index: int, size: int, path: list[str]) -> None:
    assert [step.hex() for step in merkle.inclusion_proof(LEAVES[:size], index)] == path


@pytest.mark.parametrize(
    ("old", "new", "path"), [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [F, E, ROOTS[4]]), (2, 5, [B, D])]
)
def test_consistency_proof_is_the_published_one(old: int, new: int, path: list[str]) -> None:
    assert [step.hex() for step in merkle.consistency_proof(LEAVES[:new], old)] == path


def test_rfc_9162_example_of_seven_leaves() -> None:
    # 2.1.5: PATH(0) = [b, h, l] and PROOF(3, D[7]) = [c, d, g, l]
    d = LEAVES[:7]
    g, h = merkle.root(d[0:2]), merkle.root(d[2:4])
    last = merkle.root(d[4:7])
    assert merkle.inclusion_proof(d, 0) == [d[1], h, last]
    assert merkle.inclusion_proof(d, 3) == [d[2], g, last]
    assert merkle.inclusion_proof(d, 6) == [merkle.root(d[4:6]), merkle.root(d[0:4])]
    assert merkle.consistency_proof(d, 3) == [d[2], d[3], g, last]
    assert merkle.consistency_proof(d, 4) == [last]
    assert merkle.consistency_proof(d, 6) == [merkle.root(d[4:6]), d[6], merkle.root(d[0:4])]


@pytest.mark.parametrize("size", range(71))
def test_root_and_frontier_agree_with_the_definition(size: int) -> None:
    leaves = many(size)
    frontier = merkle.Frontier()
    frontier.extend(leaves)
    assert merkle.root(leaves) == recursive_root(leaves) == frontier.root()
    assert merkle.Frontier.from_bytes(frontier.to_bytes()).root() == frontier.root()


@pytest.mark.parametrize("size", range(1, 71))
def test_every_inclusion_proof_holds_only_for_its_leaf_place_and_tree(size: int) -> None:
    leaves = many(size)
    head = merkle.root(leaves)
    for index in range(size):
        path = merkle.inclusion_proof(leaves, index)
        assert merkle.verify_inclusion(leaves[index], index, size, path, head)
        assert not merkle.verify_inclusion(merkle.leaf_hash(b"another"), index, size, path, head)
        for other in {index - 1, index + 1, size - 1 - index, size} - {index}:
            assert not merkle.verify_inclusion(leaves[index], other, size, path, head)
        assert not merkle.verify_inclusion(leaves[index], index, size, [*path, head], head)
        for step in range(len(path)):
            spoilt = [*path]
            spoilt[step] = bytes([spoilt[step][0] ^ 1]) + spoilt[step][1:]
            assert not merkle.verify_inclusion(leaves[index], index, size, spoilt, head)
            assert not merkle.verify_inclusion(leaves[index], index, size, path[:step] + path[step + 1 :], head)


@pytest.mark.parametrize("new", range(1, 71))
def test_every_consistency_proof_holds_only_between_its_two_trees(new: int) -> None:
    leaves = many(new)
    new_root = merkle.root(leaves)
    for old in range(1, new + 1):
        old_root = merkle.root(leaves[:old])
        path = merkle.consistency_proof(leaves, old)
        assert merkle.verify_consistency(old, new, old_root, new_root, path)
        rewritten = merkle.root([merkle.leaf_hash(b"rewritten"), *leaves[1:old]])
        assert not merkle.verify_consistency(old, new, rewritten, new_root, path)
        assert not merkle.verify_consistency(old, new, old_root, rewritten, path)
        assert not merkle.verify_consistency(old, new, old_root, new_root, [*path, old_root])
        for step in range(len(path)):
            spoilt = [*path]
            spoilt[step] = spoilt[step][:-1] + bytes([spoilt[step][-1] ^ 128])
            assert not merkle.verify_consistency(old, new, old_root, new_root, spoilt)
            assert not merkle.verify_consistency(old, new, old_root, new_root, path[:step] + path[step + 1 :])


def test_the_empty_tree_is_a_prefix_of_every_tree() -> None:
    leaves = many(5)
    assert merkle.consistency_proof(leaves, 0) == []
    assert merkle.verify_consistency(0, 5, merkle.EMPTY_ROOT, merkle.root(leaves), [])
    assert not merkle.verify_consistency(0, 5, merkle.root(leaves), merkle.root(leaves), [])


def test_proofs_outside_the_tree_are_refused() -> None:
    with pytest.raises(ValueError, match="leaf 5 is not in a tree of 5"):
        merkle.inclusion_proof(many(5), 5)
    with pytest.raises(ValueError, match="a tree of 6 is no prefix of a tree of 5"):
        merkle.consistency_proof(many(5), 6)
    assert not merkle.verify_inclusion(merkle.EMPTY_ROOT, 0, 0, [], merkle.EMPTY_ROOT)


@given(st.integers(1, 300), st.data())
def test_a_range_of_a_proof_is_the_fold_of_its_complete_subtrees(size: int, data: st.DataObject) -> None:
    leaves = many(size)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    for low, high in [*merkle.inclusion_ranges(index, size), *merkle.consistency_ranges(old, size), (0, size)]:
        pieces = merkle.perfect_subtrees(low, high)
        hashes = [merkle.root(leaves[place << level : (place + 1) << level]) for level, place in pieces]
        assert sum(1 << level for level, _ in pieces) == high - low
        assert merkle.fold(hashes) == merkle.root(leaves[low:high])


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_frontier_read_back_goes_on_as_if_never_stored(before: int, after: int) -> None:
    leaves = many(before + after)
    frontier = merkle.Frontier()
    frontier.extend(leaves[:before])
    later = merkle.Frontier.from_bytes(frontier.to_bytes())
    kept = frontier.copy()
    later.extend(leaves[before:])
    assert later.root() == merkle.root(leaves)
    assert kept.root() == merkle.root(leaves[:before])


@given(st.binary(max_size=120))
def test_bytes_that_are_no_frontier_are_refused(data: bytes) -> None:
    size = int.from_bytes(data[:8], "big")
    if len(data) == 8 + 32 * size.bit_count() and size <= merkle.MAX_SIZE:
        assert merkle.Frontier.from_bytes(data).to_bytes() == data
    else:
        with pytest.raises(ValueError, match="frontier"):
            merkle.Frontier.from_bytes(data)


def test_a_million_leaves_take_seconds() -> None:
    leaves = [random.Random(7).randbytes(32)] * 1_000_000
    started = time.process_time()
    head = merkle.root(leaves)
    frontier = merkle.Frontier()
    frontier.extend(leaves)
    assert frontier.root() == head
    path = merkle.inclusion_proof(leaves, 777_777)
    assert merkle.verify_inclusion(leaves[0], 777_777, 1_000_000, path, head)
    assert time.process_time() - started < 30
