"""Compute and check Merkle trees of RFC 6962, so that one root stands for a list of records and their order.

Names follow RFC 9162 section 2.1: MTH is the tree's root, PATH an inclusion proof, PROOF a consistency proof.
A *complete node* (level, index) is the root over leaves [index·2^level, (index+1)·2^level), all present; complete
nodes never change as a tree grows, so they are what is stored. Everything else is folded from them on demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from .errors import MalformedError, MismatchError

HASH_SIZE = 32
"""Bytes of a SHA-256 value."""

EMPTY_ROOT = sha256().digest()
"""MTH of no leaves (RFC 6962 section 2.1)."""

Node = tuple[int, int]
"""(level, index) of a complete node."""

Leaves = Sequence[bytes] | bytes | bytearray | memoryview
"""Leaf hashes: a sequence of 32-byte values, or those values one after another."""


def leaf_hash(record: bytes) -> bytes:
    """SHA-256(0x00 ‖ record): RFC 6962 section 2.1."""
    return sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right): RFC 6962 section 2.1."""
    return sha256(b"\x01" + left + right).digest()


def tree_root(leaf_hashes: Leaves) -> bytes:
    """MTH over leaf hashes (RFC 6962 section 2.1)."""
    row = _concatenated(leaf_hashes)
    if not row:
        return EMPTY_ROOT
    while len(row) > HASH_SIZE:
        row = _parents(row)
    return row


def _concatenated(leaf_hashes: Leaves) -> bytes:
    if isinstance(leaf_hashes, bytes | bytearray | memoryview):
        row = bytes(leaf_hashes)
        if len(row) % HASH_SIZE:
            raise MalformedError("leaf hashes", f"{len(row)} bytes", "give a multiple of 32 bytes")
        return row
    if any(len(value) != HASH_SIZE for value in leaf_hashes):
        raise MalformedError("leaf hashes", "a value is not 32 bytes long", "give SHA-256 values")
    return b"".join(leaf_hashes)


def _parents(row: bytes) -> bytes:
    """The row above; a last node without a sibling moves up as it is, which gives RFC 6962's tree shape."""
    hash_, prefix, paired = sha256, b"\x01", len(row) & ~63
    parents = [hash_(prefix + row[at : at + 64]).digest() for at in range(0, paired, 64)]
    if paired < len(row):
        parents.append(row[paired:])
    return b"".join(parents)


def inclusion_path(leaf_hashes: Leaves, index: int) -> list[bytes]:
    """PATH(index, leaves), from the leaf's sibling up (RFC 6962 section 2.1.1)."""
    row = _concatenated(leaf_hashes)
    return assemble_path(inclusion_nodes(index, len(row) // HASH_SIZE), _complete_nodes(row))


def consistency_path(leaf_hashes: Leaves, old_size: int) -> list[bytes]:
    """PROOF(old_size, leaves) (RFC 6962 section 2.1.2)."""
    row = _concatenated(leaf_hashes)
    return assemble_path(consistency_nodes(old_size, len(row) // HASH_SIZE), _complete_nodes(row))


def _complete_nodes(row: bytes) -> Mapping[Node, bytes]:
    nodes: dict[Node, bytes] = {}
    level, size = 0, len(row) // HASH_SIZE
    while row:
        # Past size >> level lie only nodes that moved up without a sibling: not complete ones.
        for index in range(size >> level):
            nodes[level, index] = row[index * HASH_SIZE : (index + 1) * HASH_SIZE]
        if len(row) == HASH_SIZE:
            break
        row, level = _parents(row), level + 1
    return nodes


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that `path` leads to from `leaf` (RFC 9162 section 2.1.3.2); refuses a path of the wrong length."""
    if not 0 <= index < size:
        raise MalformedError("index", f"{index} is not in a tree of {size}", "give an index below the size")
    _check_hashes(path)
    position, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise MalformedError("inclusion path", f"{len(path)} hashes", "this tree needs fewer")
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise MalformedError("inclusion path", f"{len(path)} hashes", "this tree needs more")
    return value


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Raise unless `path` proves that leaf number `index` of the tree (size, root) is `leaf`."""
    got = root_from_inclusion(leaf, index, size, path)
    if got != root:
        raise MismatchError("inclusion", root.hex(), got.hex())


def verify_consistency(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Raise unless `path` proves that (size, root) only appended to (old_size, old_root): RFC 9162 section 2.1.4.2.

    The RFC leaves out an old size of 0; every tree extends the empty one, and the path is empty.
    """
    if not 0 <= old_size <= size:
        raise MalformedError("old size", f"{old_size} for a tree of {size}", "give a size not above the new one")
    _check_hashes(path)
    if old_size in (0, size):
        if path:
            raise MalformedError("consistency path", f"{len(path)} hashes", "this pair of sizes needs none")
        expected = root if old_size else EMPTY_ROOT
        if old_root != expected:
            raise MismatchError("consistency, old root", expected.hex(), old_root.hex())
        if not size and root != EMPTY_ROOT:
            raise MismatchError("consistency, new root", EMPTY_ROOT.hex(), root.hex())
        return
    hashes = list(path) if old_size & (old_size - 1) else [old_root, *path]
    old_value, value = roots_from_consistency(old_size, size, hashes)
    if old_value != old_root:
        raise MismatchError("consistency, old root", old_root.hex(), old_value.hex())
    if value != root:
        raise MismatchError("consistency, new root", root.hex(), value.hex())


def roots_from_consistency(old_size: int, size: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots at both sizes (0 < old < new) that the hashes of a consistency proof lead to; judges neither.

    `hashes` is the whole proof: where the old size is a power of two, RFC 9162 leaves out the first hash, the root
    over the old leaves itself, and here it is given.
    """
    if not 0 < old_size < size:
        raise MalformedError(
            "old size", f"{old_size} for a tree of {size}", "give a size above 0 and below the new one"
        )
    _check_hashes(hashes)
    if not hashes:
        raise MalformedError("consistency path", "0 hashes", "this pair of sizes needs more")
    position, last = old_size - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_value = value = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise MalformedError("consistency path", f"{len(hashes)} hashes", "this pair of sizes needs fewer")
        if position & 1 or position == last:
            old_value = node_hash(sibling, old_value)
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise MalformedError("consistency path", f"{len(hashes)} hashes", "this pair of sizes needs more")
    return old_value, value


def _check_hashes(path: Iterable[bytes]) -> None:
    if any(len(value) != HASH_SIZE for value in path):
        raise MalformedError("path", "a hash is not 32 bytes long", "give SHA-256 values")


def cover(begin: int, end: int) -> tuple[Node, ...]:
    """The complete nodes over leaves [begin, end), largest first; `begin` must be where such a subtree starts."""
    nodes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append((level, begin >> level))
        begin += 1 << level
    return tuple(nodes)


def root_nodes(size: int) -> tuple[Node, ...]:
    """The complete nodes whose fold is the root of a tree of `size` leaves."""
    return cover(0, size)


def inclusion_nodes(index: int, size: int) -> list[tuple[Node, ...]]:
    """For each hash of PATH(index, tree of `size`), the complete nodes whose fold it is."""
    if not 0 <= index < size:
        raise MalformedError("index", f"{index} is not in a tree of {size}", "give an index below the size")
    groups = []
    level = 0
    while (size - 1) >> level:
        begin = ((index >> level) ^ 1) << level
        if begin < size:
            groups.append(cover(begin, min(begin + (1 << level), size)))
        level += 1
    return groups


def consistency_nodes(old_size: int, size: int) -> list[tuple[Node, ...]]:
    """For each hash of PROOF(old_size, tree of `size`), the complete nodes whose fold it is (SUBPROOF, 2.1.2)."""
    if not 0 <= old_size <= size:
        raise MalformedError("old size", f"{old_size} for a tree of {size}", "give a size not above the new one")
    if old_size == 0:
        return []
    groups: list[tuple[Node, ...]] = []
    begin, end, known = 0, size, True
    while end > old_size:
        middle = begin + (1 << ((end - begin - 1).bit_length() - 1))
        if old_size <= middle:
            groups.append(cover(middle, end))
            end = middle
        else:
            groups.append(cover(begin, middle))
            begin, known = middle, False
    if not known:
        groups.append(cover(begin, end))
    groups.reverse()
    return groups


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over complete subtrees that stand side by side, largest first."""
    if not hashes:
        return EMPTY_ROOT
    value = hashes[-1]
    for left in hashes[-2::-1]:
        value = node_hash(left, value)
    return value


def assemble_path(groups: Iterable[tuple[Node, ...]], nodes: Mapping[Node, bytes]) -> list[bytes]:
    """The proof whose hashes are the folds of `groups`, from stored complete nodes."""
    return [fold([nodes[node] for node in group]) for group in groups]


class CompactRange:
    """The least state that can append leaves and give the root: one complete node for each bit of the size."""

    __slots__ = ("_hashes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._hashes: list[bytes] = []

    @classmethod
    def from_parts(cls, size: int, hashes: Sequence[bytes]) -> CompactRange:
        """Take up a range again; `hashes` as `.hashes` gave them."""
        if size < 0 or len(hashes) != size.bit_count():
            raise MalformedError("hashes", f"{len(hashes)} for a size of {size}", "give one for each bit of the size")
        _check_hashes(hashes)
        range_ = cls()
        range_._size, range_._hashes = size, list(hashes)
        return range_

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The complete nodes of `root_nodes(size)`."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; the complete nodes it made, (level, index, hash), the leaf itself first."""
        if len(leaf) != HASH_SIZE:
            raise MalformedError("leaf hash", f"{len(leaf)} bytes", "give a SHA-256 value")
        level, index, value = 0, self._size, leaf
        made = [(level, index, value)]
        while index & 1:
            value = node_hash(self._hashes.pop(), value)
            level, index = level + 1, index >> 1
            made.append((level, index, value))
        self._hashes.append(value)
        self._size += 1
        return made

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return fold(self._hashes)
