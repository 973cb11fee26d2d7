"""Writes the archive from the projection, which it does not trust: every hash, root and signature is made again.

Incremental: it goes on from the archive's own latest note. A stretch of the log is written whole, then safe, then its
note replaces the one before it as the last act; so whenever it dies, the archive is one that fsck accepts, and running
it again goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from balance_chain.core.counting import BlockChain
from balance_chain.runtime.killpoints import hit
from balance_verify.entry import Entry
from balance_verify.errors import VerifyError
from balance_verify.keyset import SEALER, KeyHistory, KeySet, open_checkpoint, open_generation
from balance_verify.merkle import CompactRange, leaf_hash, root_nodes
from balance_verify.note import SignedNote, VerifierKey
from balance_verify.tiles import ENTRIES, TILE_WIDTH, TileBuilder, TileReader, encode_bundle, parse_bundle, tile_at
from balance_verify.topicvalues import CheckpointRecord

from balance_verifier.archive.blockcheck import check_entry, check_events
from balance_verifier.archive.faults import Fault
from balance_verifier.archive.layout import (
    CHECKPOINT,
    GENESIS,
    KEYS,
    Head,
    encode_events,
    encode_keys,
    encode_records,
    events_path,
    head_path,
    key_set_path,
    leaves_path,
    records_path,
    stamped_path,
    token_path,
)
from balance_verifier.archive.reading import TileFetcher, open_archive, read_records
from balance_verifier.archive.source import ArchiveSource, SourceCheckpoint
from balance_verifier.archive.stores import Store
from balance_verifier.errors import ArchiveRefused
from balance_verifier.logcheck import genesis_of

STRETCH_BYTES: Final = 64 * 1024 * 1024
"""Event bytes after which a stretch ends and is published, at the next checkpoint."""
STRETCH_CHECKPOINTS: Final = 1024
"""Checkpoints after which a stretch ends at the latest."""

Advance = Callable[[int], None]


@dataclass
class Exported:
    """What one run has added, and where the archive ends now."""

    events: int = 0
    blocks: int = 0
    checkpoints: int = 0
    timestamps: int = 0
    size: int = 0
    root: str = ""


@dataclass
class _Tip:
    """The end of what is written: the log, its unfinished tiles and bundles, and each shard's chain."""

    records: int = 0
    size: int = 0
    heights: tuple[int, ...] = ()
    range: CompactRange = field(default_factory=CompactRange)
    tiles: TileBuilder = field(default_factory=TileBuilder)
    entries: list[bytes] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    chains: list[BlockChain] = field(default_factory=list)
    genesis: bytes = b""


class Exporter:
    """One run over one archive."""

    def __init__(self, store: Store, source: ArchiveSource, log_key: VerifierKey, advance: Advance) -> None:
        """`advance` is told of each new entry that is written."""
        self._store = store
        self._source = source
        self._log_key = log_key
        self._advance = advance
        self._done = Exported()

    _keys: KeyHistory

    def begin(self) -> int:
        """Open the archive; the log's size in it."""
        self._tip = self._take_up()
        return self._tip.size

    async def run(self) -> Exported:
        """Write all that checkpoints cover now; `begin` came first."""
        tip = self._tip
        await self._same_log(tip)
        while found := await self._source.checkpoints(tip.records, STRETCH_CHECKPOINTS):
            held = 0
            last = found[0]
            for checkpoint in found:
                held += await self._take(tip, checkpoint)
                last = checkpoint
                if held > STRETCH_BYTES:
                    break
            self._publish(tip, last)
        await self._keep_timestamps(tip.size)
        return self._done

    async def _keep_timestamps(self, size: int) -> None:
        """Timestamps come after their checkpoints, so they are added to what is published."""
        for stamped in await self._source.stamped(size):
            if self._store.get(token_path(stamped.size)) is None:
                self._store.put(stamped_path(stamped.size), stamped.note.encode())
                self._store.put(token_path(stamped.size), stamped.token)
                self._done.timestamps += 1
        self._store.flush()

    def _take_up(self) -> _Tip:
        """Go on from the archive's latest note; its tiles must give the root that it signs."""
        opened = open_archive(self._store, self._log_key)
        if opened is None:
            return _Tip()
        size, head = opened.checkpoint.size, opened.head
        fetch = TileFetcher(self._store)
        reader = TileReader(size, opened.checkpoint.root, fetch)
        range_ = CompactRange.from_parts(size, [reader.node(node) for node in root_nodes(size)])
        if range_.root() != opened.checkpoint.root:
            raise ArchiveRefused(
                "tile/", "do not give the root of the checkpoint beside them", "run fsck on the archive"
            )
        self._keys = opened.keys
        self._done.size, self._done.root = size, head.root
        part = size % TILE_WIDTH
        tile = tile_at(ENTRIES, size // TILE_WIDTH, size) if part else None
        lines = read_records(self._store, head.checkpoints, head.checkpoints - head.checkpoints % TILE_WIDTH)
        return _Tip(
            records=head.checkpoints,
            size=size,
            heights=head.heights,
            range=range_,
            tiles=TileBuilder.from_tiles(size, fetch),
            entries=parse_bundle(fetch(tile), part) if tile else [],
            lines=[record.encode() for record in lines],
            chains=[],
            genesis=opened.genesis,
        )

    async def _same_log(self, tip: _Tip) -> None:
        """The projection must begin with what the archive holds; the chains' ends are taken from it."""
        if not tip.records:
            return
        known = await self._source.checkpoints(tip.records - 1, 1)
        if not known or (known[0].size, known[0].root.hex()) != (tip.size, self._done.root):
            got = f"size {known[0].size} root {known[0].root.hex()}" if known else "fewer checkpoints"
            raise ArchiveRefused(
                f"checkpoint {tip.records - 1}",
                f"archive: size {tip.size} root {self._done.root}; projection: {got}",
                "wait until the verifier has caught up; if it has, find out which of the two was changed",
            )
        for note in await self._source.key_sets():
            keys = KeySet.parse(SignedNote.parse(note.encode()).text)
            if keys.size <= tip.size and keys not in self._keys.sets:
                self._take_keys(note, keys.size, keys.heights)
        for entry in await self._source.generations():
            begun = Entry.parse(entry).generation_header()
            if begun.size < tip.size:
                self._keys = self._keys.restored(begun.heights)
        for shard, height in enumerate(tip.heights):
            tip.chains.append(await self._chain_end(shard, height))

    def _generation_at(self, shard: int, height: int) -> int:
        return self._keys.generation(shard, height)

    async def _chain_end(self, shard: int, height: int) -> BlockChain:
        chain = BlockChain(shard, generation_at=self._generation_at)
        if height >= 0:
            block = await self._source.block(shard, height)
            if block is None:
                raise ArchiveRefused(f"block {shard}/{height}", "is not in the projection", "rebuild the projection")
            header = Entry.parse(block.entry).block_header()
            chain.extend(header, block.entry)
        return chain

    async def _take(self, tip: _Tip, checkpoint: SourceCheckpoint) -> int:
        """Check a checkpoint and write the blocks that it adds; the event bytes written."""
        place = f"checkpoint {tip.records}"
        written = 0
        if tip.records == 0:
            self._begin_log(tip, checkpoint)
        else:
            for shard, (old, new) in enumerate(zip(tip.heights, checkpoint.heights, strict=True)):
                for height in range(old + 1, new + 1):
                    written += await self._take_block(tip, shard, height)
            if checkpoint.generation is not None:
                self._begin_generation(tip, checkpoint, checkpoint.generation)
        try:
            said, _ = open_checkpoint(checkpoint.note.encode(), self._keys.last)
        except VerifyError as error:
            raise ArchiveRefused(place, str(error), "find out who changed the projection") from None
        _agree(place, "size and root", f"{tip.size} {tip.range.root().hex()}", f"{said.size} {said.root.hex()}")
        tip.heights = checkpoint.heights
        if checkpoint.keys is not None:
            try:
                if KeySet.parse(SignedNote.parse(checkpoint.keys.encode()).text) not in self._keys.sets:
                    self._take_keys(checkpoint.keys, tip.size, checkpoint.heights)
            except VerifyError as error:
                raise ArchiveRefused(place, f"key set: {error}", "find out who changed the projection") from None
        tip.lines.append(
            CheckpointRecord(
                checkpoint.heights,
                checkpoint.note,
                checkpoint.genesis,
                checkpoint.keys,
                checkpoint.final,
                checkpoint.generation,
            ).encode()
        )
        tip.records += 1
        if len(tip.lines) == TILE_WIDTH:
            self._store.put(records_path(tip.records // TILE_WIDTH - 1, TILE_WIDTH), encode_records(tip.lines))
            tip.lines.clear()
        self._done.checkpoints += 1
        return written

    def _take_keys(self, note: str, size: int, heights: tuple[int, ...]) -> None:
        """A key set; its note is written at once, and counts from the checkpoint of its size on."""
        self._keys = self._keys.taking_note(note, size, heights)
        self._store.put(key_set_path(len(self._keys.sets) - 1), note.encode())

    def _begin_log(self, tip: _Tip, checkpoint: SourceCheckpoint) -> None:
        if not checkpoint.genesis:
            raise ArchiveRefused("genesis", "is not in the projection", "wait until the verifier has verified it")
        try:
            Entry.parse(checkpoint.genesis).verify(self._log_key)
        except VerifyError as error:
            raise ArchiveRefused("genesis", str(error), "use this log's key and database") from None
        genesis = genesis_of(checkpoint.genesis)
        self._keys = KeyHistory.begin(genesis)
        tip.chains = [BlockChain(shard, generation_at=self._generation_at) for shard in range(genesis.shards)]
        tip.genesis = checkpoint.genesis
        self._store.put(GENESIS, checkpoint.genesis)
        self._append(tip, checkpoint.genesis)

    def _begin_generation(self, tip: _Tip, checkpoint: SourceCheckpoint, entry: bytes) -> None:
        try:
            begun, gen = open_generation(entry, self._keys.last), len(self._keys.generations) + 1
            begun.check_place(gen, self._log_key.name, tip.size, checkpoint.heights, tip.range.root())
        except VerifyError as error:
            place = f"checkpoint {tip.records}"
            raise ArchiveRefused(place, f"generation entry: {error}", "find out who changed the projection") from None
        self._keys = self._keys.restored(begun.heights)
        self._append(tip, entry)

    async def _take_block(self, tip: _Tip, shard: int, height: int) -> int:
        block = await self._source.block(shard, height)
        place = f"block {shard}/{height}"
        if block is None:
            raise ArchiveRefused(place, "is not in the projection", "rebuild the projection")
        header, faults = check_entry(place, block.entry, self._keys.last.at(SEALER, tip.size), self._log_key.name)
        events = encode_events(block.events)
        if header is not None:
            if (reason := tip.chains[shard].check(header, block.entry)) is not None:
                faults.append(Fault(place, "chain", "a block that extends its chain", reason))
            faults += check_events(header, events, block.leaves)[1]
        if header is None or faults:
            raise ArchiveRefused(place, faults[0].line(), "find out who changed the projection, then rebuild it")
        tip.chains[shard].extend(header, block.entry)
        self._store.put(events_path(shard, height), events)
        self._store.put(leaves_path(shard, height), block.leaves)
        self._append(tip, block.entry)
        self._done.events += header.count
        self._done.blocks += 1
        hit("archive.block")
        return len(events)

    def _append(self, tip: _Tip, entry: bytes) -> None:
        leaf = leaf_hash(entry)
        tip.range.append(leaf)
        tip.entries.append(entry)
        for tile, data in tip.tiles.append(leaf):
            self._store.put(tile.path, data)
        if len(tip.entries) == TILE_WIDTH:
            self._store.put(tile_at(ENTRIES, tip.size // TILE_WIDTH, tip.size + 1).path, encode_bundle(tip.entries))
            tip.entries.clear()
        tip.size += 1
        self._advance(1)

    def _publish(self, tip: _Tip, last: SourceCheckpoint) -> None:
        """What the note needs, safe; then the note."""
        for tile, data in tip.tiles.partial():
            self._store.put(tile.path, data)
        if tip.entries:
            self._store.put(tile_at(ENTRIES, tip.size // TILE_WIDTH, tip.size).path, encode_bundle(tip.entries))
        if tip.lines:
            self._store.put(records_path(tip.records // TILE_WIDTH, len(tip.lines)), encode_records(tip.lines))
        note, root = last.note.encode(), tip.range.root().hex()
        head = Head(checkpoints=tip.records, heights=tip.heights, origin=self._log_key.name, root=root, size=tip.size)
        self._store.put(head_path(note), head.encode())
        self._store.put(KEYS, encode_keys(self._keys.last))
        self._store.flush()
        hit("archive.before_checkpoint")
        self._store.put(CHECKPOINT, note)
        self._store.flush()
        hit("archive.after_checkpoint")
        self._done.size, self._done.root = tip.size, root


def _agree(place: str, step: str, expected: str, got: str) -> None:
    if expected != got:
        raise ArchiveRefused(place, f"{step}: expected {expected}, got {got}", "find out who changed the projection")
