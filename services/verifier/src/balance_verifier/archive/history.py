"""The log as a sequence: entry after entry, are chain, coverage, tiles and every checkpoint what they must be? Pure.

All checkpoints are held against one tree, so when none differs each is consistent with every other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from balance_chain.core.counting import BlockChain
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import BlockHeader
from balance_verify.keyset import KeyHistory
from balance_verify.merkle import CompactRange, leaf_hash
from balance_verify.tiles import Tile, TileBuilder

from balance_verifier.archive.faults import Fault
from balance_verifier.archive.units import EntryFacts, Signed, entry_place

Read = Callable[[str], bytes | None]


class History:
    """The run over one archive's log, from the genesis entry or from where a run before it stopped."""

    def __init__(
        self,
        size: int,
        keys: KeyHistory,
        records: Sequence[Signed | None],
        outside: Sequence[tuple[str, Checkpoint]],
        read: Read,
    ) -> None:
        """`outside`: checkpoints kept elsewhere, with a name; `read` gives a tile's bytes."""
        self.faults: list[Fault] = []
        self._size = size
        self._read = read
        self._records = [record for record in records if record is not None]
        self._next_record = 0
        self._outside = sorted(outside, key=lambda named: named[1].size)
        # Where a record cannot be read, nobody can say in which order the blocks under it came.
        self._due = _coverage(self._records if len(self._records) == len(records) else ())
        self.range = CompactRange()
        self.tiles = TileBuilder()
        self._generation_at = keys.generation
        self.chains = [BlockChain(shard, generation_at=keys.generation) for shard in range(len(keys.last.heights))]
        self._broken = False
        """An entry was absent: what the tree is from there on, nobody can say."""

    def skip_to(self, range_: CompactRange, tiles: TileBuilder, chains: list[BlockChain]) -> None:
        """Go on behind entries that were checked before."""
        self.range, self.tiles, self.chains = range_, tiles, chains
        for chain in chains:
            chain.generation_at = self._generation_at
        for _ in range(range_.size - 1):
            next(self._due, None)
        while self._next_record < len(self._records) and self._records[self._next_record].size <= range_.size:
            self._next_record += 1
        self._outside = [named for named in self._outside if named[1].size > range_.size]

    def take(self, facts: EntryFacts | None) -> None:
        """The next entry."""
        number = self.range.size
        place = entry_place(number, self._size)
        due = next(self._due, None) if number else None
        if facts is None:
            self._broken = True
            # A leaf that no entry has keeps the count; every comparison with the tree would only repeat the fault.
            self._grow(bytes(32))
            return
        if isinstance(due, Generation):
            if facts.leaf != due.leaf:
                self.faults.append(Fault(place, "generation entry", due.leaf.hex(), facts.leaf.hex()))
        elif number and facts.header is not None:
            self._check_place(place, facts.header, due)
            self._check_chain(place, facts.header, facts.hash)
        self._grow(facts.leaf)
        self._compare_checkpoints()

    def end(self) -> None:
        """After the last entry: the partial tiles, and outside checkpoints of a longer log."""
        for tile, data in self.tiles.partial():
            self._compare_tile(tile, data)
        for name, checkpoint in self._outside:
            due = f"a log of {checkpoint.size} entries or more"
            self.faults.append(Fault(name, "outside checkpoint", due, f"{self._size} entries"))

    def _check_place(self, place: str, header: BlockHeader, due: tuple[int, int] | None) -> None:
        got = (header.shard, header.height)
        if due is not None and got != due:
            self.faults.append(
                Fault(
                    place,
                    "order of the log",
                    f"block {due[0]}/{due[1]} by the heights of the checkpoints",
                    f"block {got[0]}/{got[1]}",
                )
            )

    def _check_chain(self, place: str, header: BlockHeader, digest: str) -> None:
        if header.shard >= len(self.chains):
            self.faults.append(Fault(place, "shard", f"below {len(self.chains)}", str(header.shard)))
            return
        chain = self.chains[header.shard]
        reason = chain.check(header, b"entry")
        if reason is not None:
            step, _, values = reason.partition(": expected ")
            expected, _, got = values.partition(", got ")
            self.faults.append(Fault(place, f"chain of shard {header.shard}, {step}", expected, got))
        # From what is there on, so that one fault is not told again at every block behind it.
        chain.gen, chain.height, chain.prev = header.gen, header.height, digest
        chain.next_offset, chain.start = header.from_ + header.count, header.start + header.count
        chain.time = header.time

    def _grow(self, leaf: bytes) -> None:
        self.range.append(leaf)
        for tile, data in self.tiles.append(leaf):
            self._compare_tile(tile, data)

    def _compare_tile(self, tile: Tile, due: bytes) -> None:
        if self._broken:
            return
        got = self._read(tile.path)
        if got is None:
            self.faults.append(Fault(tile.path, "file", "a tile", "none"))
        elif got != due:
            self.faults.append(tile_fault(tile, due, got))

    def _compare_checkpoints(self) -> None:
        size = self.range.size
        root = self.range.root() if self._wanted(size) and not self._broken else None
        while self._next_record < len(self._records) and self._records[self._next_record].size <= size:
            record = self._records[self._next_record]
            if root is not None and record.size == size and record.root != root:
                self.faults.append(
                    Fault(record.place, f"checkpoint root at size {size}", root.hex(), record.root.hex())
                )
            self._next_record += 1
        while self._outside and self._outside[0][1].size <= size:
            name, checkpoint = self._outside.pop(0)
            if root is not None and checkpoint.root != root:
                step = f"outside checkpoint of size {size}"
                self.faults.append(Fault(name, step, checkpoint.root.hex(), root.hex()))

    def _wanted(self, size: int) -> bool:
        nearest = [self._records[self._next_record].size] if self._next_record < len(self._records) else []
        return size in (*nearest, *(named[1].size for named in self._outside[:1]))


def tile_fault(tile: Tile, due: bytes, got: bytes) -> Fault:
    """Where a tile first differs from the hashes that were made."""
    if len(got) != len(due):
        return Fault(tile.path, "tile", f"{len(due) // 32} hashes of 32 bytes", f"{len(got)} bytes")
    at = next(at for at in range(0, len(due), 32) if due[at : at + 32] != got[at : at + 32])
    return Fault(f"{tile.path}#{at // 32}", "tile hash", due[at : at + 32].hex(), got[at : at + 32].hex())


@dataclass(frozen=True)
class Generation:
    """An entry that begins a generation, as the checkpoint record says that first covers it."""

    leaf: bytes


def _coverage(records: Sequence[Signed]) -> Iterator[tuple[int, int] | Generation]:
    """(shard, height) of each entry behind the genesis entry, as the checkpoints order them, and the generations."""
    for before, after in itertools.pairwise(records):
        for shard, (old, new) in enumerate(zip(before.heights, after.heights, strict=False)):
            for height in range(old + 1, new + 1):
                yield shard, height
        if after.generation is not None:
            yield Generation(leaf_hash(after.generation))


def check_sequence(records: Sequence[Signed | None], shards: int) -> list[Fault]:
    """Each checkpoint against the one before: it grows, signs more or states more; its heights give its size."""
    faults: list[Fault] = []
    before: Signed | None = None
    seen: dict[str, str] = {}
    generations = 0
    for record in records:
        if record is None:
            continue
        generations += record.generation is not None
        due = 1 + generations + sum(height + 1 for height in record.heights)
        if len(record.heights) != shards:
            faults.append(Fault(record.place, "heights", f"{shards} shards", f"{len(record.heights)}"))
        elif record.size != due:
            faults.append(Fault(record.place, "size by its heights", str(due), str(record.size)))
        if record.note in seen and record.keys is None and record.final is None:
            faults.append(Fault(record.place, "note", "another than before", f"the note of {seen[record.note]}"))
        seen.setdefault(record.note, record.place)
        if before is not None:
            same = (record.root, record.heights) == (before.root, before.heights)
            if record.size < before.size or (record.size == before.size and not same):
                faults.append(
                    Fault(
                        record.place,
                        "order of checkpoints",
                        f"more than size {before.size}, or the same root {before.root.hex()} and heights",
                        f"size {record.size} root {record.root.hex()} heights {list(record.heights)}",
                    )
                )
            elif any(new < old for new, old in zip(record.heights, before.heights, strict=False)):
                due_heights = f"none below {list(before.heights)}"
                faults.append(Fault(record.place, "heights", due_heights, str(list(record.heights))))
        before = record
    return faults
