"""Fills new topics from an archive, byte for byte: events, then blocks, and checkpoints last of all.

Promise: it writes only behind records that are what the archive has, so it may die anywhere and is run again; topics
with anything else are refused. What a record says is not its business: fsck has recomputed the archive before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
from aiokafka import ConsumerRecord
from balance_chain.core.errors import BalanceError
from balance_chain.core.times import parse_ms
from balance_chain.core.topics import BLOCKS, CHECKPOINTS, EVENTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.killpoints import hit
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from balance_chain.runtime.topics import topic_problems
from balance_verify.entry import BlockHeader, Entry
from balance_verify.keyset import KeySet
from balance_verify.tiles import ENTRIES, TILE_WIDTH, parse_bundle, tile_at
from balance_verify.topicvalues import BlockRecord

from balance_verifier.archive.layout import (
    GENESIS,
    bundles_of,
    events_path,
    leaves_path,
    records_path,
    split_events,
    split_records,
)
from balance_verifier.archive.reading import Opened, TileFetcher, open_archive
from balance_verifier.archive.stores import Store, read
from balance_verifier.errors import ArchiveRefused, ArchiveUnreadable

HELD_BYTES: Final = 8 * 1024 * 1024
"""Bytes held of all shards before they are written."""
READ_SECONDS: Final = 1.0
READ_RECORDS: Final = 1000
READ_TRIES: Final = 30

Advance = Callable[[int], None]


@dataclass
class Restored:
    """What one run has written, and where the topics end now."""

    events: int = 0
    blocks: int = 0
    checkpoints: int = 0
    size: int = 0
    root: str = ""
    generation: int = 0
    """The generation that the log can go on with."""


class _Named(msgspec.Struct):
    receivedtime: str
    caseid: str | None = None


_named: Final = msgspec.json.Decoder(_Named)


class _Partition:
    """One output partition: what is there is compared, what is behind it is written."""

    def __init__(self, settings: CommonSettings, topic: str, partition: int) -> None:
        self._settings = settings
        self._topic = topic
        self._partition = partition
        self._at = 0
        self._waiting: list[OutRecord] = []
        self._reader: PartitionReader | None = None
        self.written = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[_Partition]:
        name = self._settings.topic(self._topic)
        self._writer = TailWriter(self._settings, name, self._partition)
        try:
            await self._writer.open()
            self.there = self._writer.next_offset
            if self.there:
                self._reader = PartitionReader(self._settings, name, self._partition)
                await self._reader.open()
            yield self
        finally:
            await self._writer.close()
            if self._reader is not None:
                await self._reader.close()

    def put(self, record: OutRecord) -> None:
        """The next record; written or compared by `flush`."""
        self._waiting.append(record)

    async def flush(self) -> None:
        """Everything put so far is on the topic."""
        due, self._waiting = self._waiting, []
        compared = 0
        while compared < len(due) and self._at < self.there:
            for record in await self._read(min(len(due) - compared, self.there - self._at)):
                if record.offset != self._at or record.value != due[compared].value:
                    raise ArchiveRefused(
                        f"{self._where}@{self._at}", "is not what the archive has there", "restore into new topics"
                    )
                self._at, compared = self._at + 1, compared + 1
        if compared < len(due):
            await self._writer.append(due[compared:])
            self._at += len(due) - compared
            self.written += len(due) - compared

    def end(self) -> None:
        """The archive has no more: nor may the topic."""
        self.allow(self._at)

    def allow(self, count: int) -> None:
        """There may be so many records at most."""
        if self.there > count:
            raise ArchiveRefused(
                self._where,
                f"has {self.there} records, the archive {count}: the log has gone on in these topics",
                "restore into new topics, or go on with what is there",
            )

    async def _read(self, count: int) -> list[ConsumerRecord]:
        assert self._reader is not None, "there are records"
        for _ in range(READ_TRIES):
            records = await self._reader.read(min(count, READ_RECORDS), READ_SECONDS)
            if records:
                return records
        raise ArchiveRefused(self._where, f"gives none of {count} records that are there", "see that Kafka is up")

    @property
    def _where(self) -> str:
        return f"{self._topic}/{self._partition}"


class Restorer:
    """One run from one archive into the topics of these settings."""

    def __init__(self, settings: CommonSettings, store: Store, advance: Advance) -> None:
        """`advance` is told of each entry of the log that is done."""
        self._settings = settings
        self._store = store
        self._advance = advance

    async def run(self) -> Restored:
        """Fill the topics up to the archive's latest checkpoint."""
        # fsck has held the genesis entry, which names this key, against the one that it was given.
        begun = Entry.parse(read(self._store, GENESIS)).genesis_header()
        opened = open_archive(self._store, KeySet.of_genesis(begun).open_log_keys()[0])
        if opened is None:
            raise ArchiveUnreadable("checkpoint", "is not there", "export first")
        self._refuse_other(opened)
        if problems := await topic_problems(self._settings):
            raise ArchiveRefused("topics", "; ".join(problems), "run balance-chain topics create")
        settings, shards = self._settings, range(opened.header.shards)
        async with AsyncExitStack() as stack:

            async def partition(topic: str, number: int) -> _Partition:
                return await stack.enter_async_context(_Partition(settings, topic, number).opened())

            events = [await partition(EVENTS, shard) for shard in shards]
            blocks = [await partition(BLOCKS, shard) for shard in shards]
            checkpoints = await partition(CHECKPOINTS, 0)
            checkpoints.allow(opened.head.checkpoints)
            for shard in shards:
                blocks[shard].allow(opened.head.heights[shard] + 1)
            generations = await self._blocks(opened, events, blocks)
            for each in (*events, *blocks):
                each.end()
            await self._checkpoints(opened, checkpoints)
        head = opened.head
        return Restored(
            events=sum(each.written for each in events),
            blocks=sum(each.written for each in blocks),
            checkpoints=checkpoints.written,
            size=head.size,
            root=head.root,
            generation=generations + 1,
        )

    def _refuse_other(self, opened: Opened) -> None:
        settings, header = self._settings, opened.header
        if (header.origin, header.shards) != (settings.origin, settings.partitions):
            raise ArchiveRefused(
                "archive",
                f"is of {header.origin} with {header.shards} shards, the settings say {settings.origin} with "
                f"{settings.partitions}",
                "set BALANCE_ORIGIN and BALANCE_PARTITIONS as the archive has them",
            )

    async def _blocks(self, opened: Opened, events: list[_Partition], blocks: list[_Partition]) -> int:
        """The log in its order, each shard's events before the blocks over them; how many generations it has."""
        fetch, size = TileFetcher(self._store), opened.head.size
        generations, held, done = 0, 0, 1
        for first in range(0, size, TILE_WIDTH):
            tile = tile_at(ENTRIES, first // TILE_WIDTH, size)
            for entry in parse_bundle(fetch(tile), tile.width)[1 if first == 0 else 0 :]:
                header = Entry.parse(entry).header
                done += 1
                if not isinstance(header, BlockHeader):
                    generations += 1
                    continue
                held += self._put_block(header, entry, events[header.shard], blocks[header.shard])
                if held > HELD_BYTES:
                    await _flush(events, blocks)
                    self._advance(done)
                    held, done = 0, 0
        await _flush(events, blocks)
        self._advance(done)
        return generations

    def _put_block(self, header: BlockHeader, entry: bytes, events: _Partition, blocks: _Partition) -> int:
        path = events_path(header.shard, header.height)
        data = read(self._store, path)
        for value in split_events(data, path):
            events.put(_event_record(header.shard, value))
        block = BlockRecord(entry, read(self._store, leaves_path(header.shard, header.height))).encode()
        blocks.put(OutRecord(str(header.shard).encode(), block, timestamp_ms=parse_ms(header.time)))
        return len(data) + len(block)

    async def _checkpoints(self, opened: Opened, checkpoints: _Partition) -> None:
        for index, width in bundles_of(opened.head.checkpoints):
            path = records_path(index, width)
            for line in split_records(read(self._store, path), width, path):
                checkpoints.put(OutRecord(opened.header.origin.encode(), line))
            await checkpoints.flush()
            hit("restore.checkpoints")


async def _flush(events: list[_Partition], blocks: list[_Partition]) -> None:
    """A block is written after its events, as sealers do."""
    await asyncio.gather(*(each.flush() for each in events))
    hit("restore.events")
    await asyncio.gather(*(each.flush() for each in blocks))
    hit("restore.blocks")


def _event_record(shard: int, value: bytes) -> OutRecord:
    """The record with the key and time that the normaliser gave it."""
    try:
        named = _named.decode(value)
        key = named.caseid.encode() if named.caseid else str(shard).encode()
        return OutRecord(key, value, timestamp_ms=parse_ms(named.receivedtime))
    except (msgspec.MsgspecError, UnicodeError, BalanceError):
        # Sealed all the same: the log hides nothing.
        return OutRecord(str(shard).encode(), value)
