"""Cut a log into the files of C2SP tlog-tiles, which never change and from which anyone proves anything.

A tile of level L holds up to 256 hashes, each the root over a full tile of level L - 1 (leaf hashes at level 0); an
entry bundle holds the entries under one tile of level 0. What is not full is *partial* and names its width. Pure: the
caller brings the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .errors import MalformedError, MismatchError
from .merkle import (
    HASH_SIZE,
    Node,
    assemble_path,
    consistency_nodes,
    fold,
    inclusion_nodes,
    leaf_hash,
    root_nodes,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

TILE_WIDTH = 256
"""Hashes of a full tile, entries of a full bundle."""

TILE_BITS = 8
"""Tree levels from one tile level to the next."""

ENTRIES = -1
"""The level of entry bundles; their path says `entries`."""

MAX_LEVEL = 63
"""Highest level that the specification allows in a path."""

MAX_ENTRY_BYTES = 0xFFFF
"""Longest entry: its length is a uint16 in the bundle."""

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """The name of one tile or entry bundle (tlog-tiles, "Merkle Tree" and "Log entries")."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not ENTRIES <= self.level <= MAX_LEVEL or self.index < 0 or not 1 <= self.width <= TILE_WIDTH:
            raise MalformedError(
                "tile", f"{self.level}/{self.index}/{self.width}", "give level, index, width in bounds"
            )

    @property
    def path(self) -> str:
        """Where it is, below the log's prefix."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{index_path(self.index)}{partial}"

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Read a path; only what `path` would write is accepted."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise MalformedError("tile path", f"{path[:80]!r}", "write it like tile/0/x001/234 or tile/0/000.p/7")
        level, index, width = found.groups()
        if width is not None and int(width) >= TILE_WIDTH:
            raise MalformedError("tile path", f"width {width}", "a full tile has no .p/ suffix")
        tile = cls(
            ENTRIES if level == "entries" else int(level),
            int(index.replace("x", "").replace("/", "")),
            TILE_WIDTH if width is None else int(width),
        )
        if tile.path != path:
            raise MalformedError("tile path", f"{path[:80]!r}", f"write {tile.path}")
        return tile

    @property
    def needs(self) -> int:
        """The least tree size at which it exists."""
        return (self.index * TILE_WIDTH + self.width) << (TILE_BITS * max(self.level, 0))


def index_path(index: int) -> str:
    """A tile's index in path elements of three digits: 1234067 is x001/x234/067."""
    last = f"{index % 1000:03}"
    while index := index // 1000:
        last = f"x{index % 1000:03}/{last}"
    return last


def tile_at(level: int, index: int, size: int) -> Tile:
    """Tile number `index` of a level as a tree of `size` leaves has it: full or partial."""
    width = min(TILE_WIDTH, (size >> (TILE_BITS * max(level, 0))) - index * TILE_WIDTH)
    return Tile(level, index, width)


def tiles_of(size: int, old_size: int = 0) -> Iterator[Tile]:
    """Every tile and bundle of a tree of `size` leaves that a tree of `old_size` leaves has not."""
    level = ENTRIES
    while count := size >> (TILE_BITS * max(level, 0)):
        old = old_size >> (TILE_BITS * max(level, 0))
        if count > old:
            for index in range(old // TILE_WIDTH, (count + TILE_WIDTH - 1) // TILE_WIDTH):
                yield tile_at(level, index, size)
        level += 1


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The bytes of an entry bundle: each entry after its length, a big-endian uint16."""
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise MalformedError("entry", "too long for a bundle", f"keep it to {MAX_ENTRY_BYTES} bytes")
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def parse_bundle(data: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle."""
    entries: list[bytes] = []
    at = 0
    for _ in range(width):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise MalformedError("entry bundle", f"ends within entry {len(entries)}", f"give {width} whole entries")
        entries.append(data[at + 2 : end])
        at = end
    if at != len(data):
        raise MalformedError("entry bundle", f"{len(data) - at} bytes too many", f"give {width} entries")
    return entries


class TileBuilder:
    """Grows the tiles of a tree leaf by leaf; holds what is not full yet, at most 255 hashes a level."""

    __slots__ = ("_rows", "_size")

    def __init__(self) -> None:
        self._rows: list[bytearray] = []
        self._size = 0

    @classmethod
    def from_tiles(cls, size: int, read: Callable[[Tile], bytes]) -> TileBuilder:
        """Take up a tree of `size` leaves again from its partial tiles."""
        builder = cls()
        builder._size = size
        level = 0
        while count := size >> (TILE_BITS * level):
            partial = count % TILE_WIDTH
            row = bytearray(read(Tile(level, count // TILE_WIDTH, partial)) if partial else b"")
            if len(row) != partial * HASH_SIZE:
                raise MalformedError("tile", f"{len(row)} bytes", f"give {partial * HASH_SIZE}")
            builder._rows.append(row)
            level += 1
        return builder

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> list[tuple[Tile, bytes]]:
        """Add a leaf hash; the tiles that it made full."""
        made: list[tuple[Tile, bytes]] = []
        value, level = leaf, 0
        self._size += 1
        while True:
            if level == len(self._rows):
                self._rows.append(bytearray())
            row = self._rows[level]
            row += value
            if len(row) < TILE_WIDTH * HASH_SIZE:
                return made
            full = bytes(row)
            made.append((Tile(level, (self._size >> (TILE_BITS * (level + 1))) - 1), full))
            row.clear()
            value, level = tree_root(full), level + 1

    def partial(self) -> list[tuple[Tile, bytes]]:
        """The partial tiles of the tree as it is now."""
        return [
            (tile_at(level, (self._size >> (TILE_BITS * level)) // TILE_WIDTH, self._size), bytes(row))
            for level, row in enumerate(self._rows)
            if row
        ]


class TileReader:
    """Reads one tree through its tiles alone; every proof that it gives has been verified against the root."""

    def __init__(self, size: int, root: bytes, fetch: Callable[[Tile], bytes]) -> None:
        """`fetch` gives a tile's bytes; a width above the one asked for is cut."""
        self.size = size
        self.root = root
        self._fetch = fetch
        self._tiles: dict[Tile, bytes] = {}

    def check_root(self) -> None:
        """Raise unless the tiles give the root."""
        got = fold([self.node(node) for node in root_nodes(self.size)])
        if got != self.root:
            raise MismatchError("root over the tiles", self.root.hex(), got.hex())

    def inclusion_path(self, index: int) -> list[bytes]:
        """The inclusion path of entry `index`, verified for the leaf hash in the level 0 tile."""
        groups = inclusion_nodes(index, self.size)
        path = assemble_path(groups, {node: self.node(node) for group in groups for node in group})
        verify_inclusion(self.node((0, index)), index, self.size, path, self.root)
        return path

    def consistency_path(self, old_size: int, old_root: bytes) -> list[bytes]:
        """The proof that this tree only appended to (old_size, old_root), verified."""
        groups = consistency_nodes(old_size, self.size)
        path = assemble_path(groups, {node: self.node(node) for group in groups for node in group})
        verify_consistency(old_size, old_root, self.size, self.root, path)
        return path

    def entry(self, index: int) -> bytes:
        """Entry `index` from its bundle, verified to be in the tree."""
        if not 0 <= index < self.size:
            raise MalformedError("index", f"{index} is not in a tree of {self.size}", "give an index below the size")
        tile = tile_at(ENTRIES, index // TILE_WIDTH, self.size)
        entry = parse_bundle(self._fetch(tile), tile.width)[index % TILE_WIDTH]
        verify_inclusion(leaf_hash(entry), index, self.size, self.inclusion_path(index), self.root)
        return entry

    def node(self, node: Node) -> bytes:
        """The hash of a complete node: folded from the 1 to 128 hashes of a tile that lie under it."""
        level, index = node
        tile_level, up = divmod(level, TILE_BITS)
        tile_index, place = divmod(index << up, TILE_WIDTH)
        hashes = self._tile(tile_at(tile_level, tile_index, self.size))
        return tree_root(hashes[place * HASH_SIZE : (place + (1 << up)) * HASH_SIZE])

    def _tile(self, tile: Tile) -> bytes:
        known = self._tiles.get(tile)
        if known is None:
            known = self._fetch(tile)[: tile.width * HASH_SIZE]
            if len(known) != tile.width * HASH_SIZE:
                raise MalformedError(tile.path, f"{len(known)} bytes", f"give {tile.width * HASH_SIZE}")
            self._tiles[tile] = known
        return known
