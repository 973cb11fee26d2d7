"""The tree is RFC 6962's: held against a slow, recursive reading of the RFC and against known vectors."""

from __future__ import annotations

from hashlib import sha256

import pytest
from balance_verify import merkle
from balance_verify.errors import MalformedError, MismatchError, VerifyError
from hypothesis import given, settings
from hypothesis import strategies as st

MAX_LEAVES = 300
LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(MAX_LEAVES)]

# Inputs and roots of the Certificate Transparency reference tests, one root for each size.
RFC_RECORDS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
RFC_ROOTS = [
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


def slow_split(size: int) -> int:
    """The largest power of two below `size`."""
    split = 1
    while split * 2 < size:
        split *= 2
    return split


def slow_root(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 section 2.1 writes it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = slow_split(len(leaves))
    return sha256(b"\x01" + slow_root(leaves[:split]) + slow_root(leaves[split:])).digest()


def slow_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH as RFC 6962 section 2.1.1 writes it."""
    if len(leaves) == 1:
        return []
    split = slow_split(len(leaves))
    if index < split:
        return [*slow_path(index, leaves[:split]), slow_root(leaves[split:])]
    return [*slow_path(index - split, leaves[split:]), slow_root(leaves[:split])]


def slow_proof(old: int, leaves: list[bytes], known: bool = True) -> list[bytes]:
    """SUBPROOF as RFC 6962 section 2.1.2 writes it."""
    if old == len(leaves):
        return [] if known else [slow_root(leaves)]
    split = slow_split(len(leaves))
    if old <= split:
        return [*slow_proof(old, leaves[:split], known), slow_root(leaves[split:])]
    return [*slow_proof(old - split, leaves[split:], False), slow_root(leaves[:split])]


@st.composite
def tree_and_index(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, MAX_LEAVES))
    return size, draw(st.integers(0, size - 1))


def stored_nodes(size: int) -> dict[merkle.Node, bytes]:
    range_ = merkle.CompactRange()
    return {(level, index): value for leaf in LEAVES[:size] for level, index, value in range_.append(leaf)}


def test_the_roots_are_those_of_the_reference_tests() -> None:
    leaves = list(map(merkle.leaf_hash, RFC_RECORDS))
    assert [merkle.tree_root(leaves[:size]).hex() for size in range(9)] == RFC_ROOTS
    assert merkle.EMPTY_ROOT.hex() == RFC_ROOTS[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, MAX_LEAVES))
def test_the_root_is_the_recursive_one_from_a_list_and_from_joined_hashes(size: int) -> None:
    leaves = LEAVES[:size]
    root = slow_root(leaves)
    joined = b"".join(leaves)
    assert merkle.tree_root(leaves) == root
    assert (
        merkle.tree_root(joined) == merkle.tree_root(memoryview(joined)) == merkle.tree_root(bytearray(joined)) == root
    )


@settings(max_examples=60, deadline=None)
@given(tree_and_index())
def test_an_inclusion_path_is_the_recursive_one_and_proves_its_leaf(case: tuple[int, int]) -> None:
    size, index = case
    path = merkle.inclusion_path(LEAVES[:size], index)
    assert path == slow_path(index, LEAVES[:size])
    merkle.verify_inclusion(LEAVES[index], index, size, path, slow_root(LEAVES[:size]))


@settings(max_examples=60, deadline=None)
@given(tree_and_index())
def test_a_consistency_path_is_the_recursive_one_and_proves_growth(case: tuple[int, int]) -> None:
    size, old = case[0], case[1] + 1
    path = merkle.consistency_path(LEAVES[:size], old)
    assert path == slow_proof(old, LEAVES[:size])
    merkle.verify_consistency(old, slow_root(LEAVES[:old]), size, slow_root(LEAVES[:size]), path)


@settings(max_examples=40, deadline=None)
@given(tree_and_index())
def test_stored_complete_nodes_are_enough_for_every_proof(case: tuple[int, int]) -> None:
    size, index = case
    nodes = stored_nodes(size)
    groups = merkle.inclusion_nodes(index, size)
    assert merkle.assemble_path(groups, nodes) == slow_path(index, LEAVES[:size])
    growth = merkle.consistency_nodes(index + 1, size)
    assert merkle.assemble_path(growth, nodes) == slow_proof(index + 1, LEAVES[:size])
    assert merkle.fold([nodes[node] for node in merkle.root_nodes(size)]) == slow_root(LEAVES[:size])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, MAX_LEAVES), st.integers(0, MAX_LEAVES))
def test_a_compact_range_taken_up_again_gives_the_root_of_all_leaves(first: int, second: int) -> None:
    begin, end = sorted((first, second))
    before = merkle.CompactRange()
    for leaf in LEAVES[:begin]:
        before.append(leaf)
    after = merkle.CompactRange.from_parts(before.size, before.hashes)
    for leaf in LEAVES[begin:end]:
        after.append(leaf)
    assert (after.size, after.root()) == (end, slow_root(LEAVES[:end]))
    assert len(after.hashes) == end.bit_count()


@settings(max_examples=80, deadline=None)
@given(tree_and_index(), st.data())
def test_every_changed_inclusion_proof_is_refused(case: tuple[int, int], data: st.DataObject) -> None:
    size, index = case
    path = slow_path(index, LEAVES[:size])
    root = slow_root(LEAVES[:size])
    changes: list[tuple[bytes, int, int, list[bytes], bytes]] = [
        (merkle.leaf_hash(b"another"), index, size, path, root),
        (LEAVES[index], index, size, path, merkle.leaf_hash(b"another")),
        (LEAVES[index], index, size, [*path, bytes(32)], root),
        (LEAVES[index], data.draw(st.integers(-3, size + 3).filter(lambda i: i != index)), size, path, root),
    ]
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        changed = bytearray(path[place])
        changed[data.draw(st.integers(0, 31))] ^= data.draw(st.integers(1, 255))
        changes += [
            (LEAVES[index], index, size, [*path[:place], bytes(changed), *path[place + 1 :]], root),
            (LEAVES[index], index, size, path[:place] + path[place + 1 :], root),
            (LEAVES[index], index, size, [*path[:place], path[place][:-1], *path[place + 1 :]], root),
        ]
    for change in changes:
        with pytest.raises(VerifyError):
            merkle.verify_inclusion(*change)


@settings(max_examples=80, deadline=None)
@given(tree_and_index(), st.data())
def test_every_changed_consistency_proof_is_refused(case: tuple[int, int], data: st.DataObject) -> None:
    size, old = case[0], case[1] + 1
    path = slow_proof(old, LEAVES[:size])
    old_root, root = slow_root(LEAVES[:old]), slow_root(LEAVES[:size])
    other = merkle.leaf_hash(b"another")
    changes: list[tuple[int, bytes, int, bytes, list[bytes]]] = [
        (old, other, size, root, path),
        (old, old_root, size, other, path),
        (old, old_root, size, root, [*path, bytes(32)]),
        (size + 1, old_root, size, root, path),
        (-1, old_root, size, root, path),
    ]
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        changed = bytearray(path[place])
        changed[data.draw(st.integers(0, 31))] ^= data.draw(st.integers(1, 255))
        changes += [
            (old, old_root, size, root, [*path[:place], bytes(changed), *path[place + 1 :]]),
            (old, old_root, size, root, path[:place] + path[place + 1 :]),
            (0, old_root, size, root, path),
            (size, old_root, size, root, path),
        ]
    for change in changes:
        with pytest.raises(VerifyError):
            merkle.verify_consistency(*change)


def test_every_tree_extends_the_empty_one() -> None:
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 5, slow_root(LEAVES[:5]), [])
    with pytest.raises(MismatchError, match="old root"):
        merkle.verify_consistency(0, LEAVES[0], 5, slow_root(LEAVES[:5]), [])
    with pytest.raises(MismatchError, match="new root"):
        merkle.verify_consistency(0, merkle.EMPTY_ROOT, 0, LEAVES[0], [])


def test_a_mismatch_says_the_step_and_both_values() -> None:
    with pytest.raises(MismatchError) as caught:
        merkle.verify_inclusion(LEAVES[0], 0, 1, [], LEAVES[1])
    assert (caught.value.step, caught.value.expected, caught.value.got) == (
        "inclusion",
        LEAVES[1].hex(),
        LEAVES[0].hex(),
    )


@pytest.mark.parametrize("leaves", [bytes(33), [bytes(31)], [bytes(33)]])
def test_leaf_hashes_of_another_length_are_refused(leaves: merkle.Leaves) -> None:
    with pytest.raises(MalformedError):
        merkle.tree_root(leaves)


def test_a_compact_range_with_parts_too_many_or_of_another_length_is_refused() -> None:
    for size, parts in ((3, [bytes(32)]), (-1, []), (1, [bytes(31)])):
        with pytest.raises(MalformedError):
            merkle.CompactRange.from_parts(size, parts)
    with pytest.raises(MalformedError):
        merkle.CompactRange().append(bytes(31))
