"""The sealer of one shard: reads events in order, closes blocks, appends them, and starts where its own blocks end.

Promise: every record of events is in exactly one counting block, whatever dies and whenever. A block is built only
on a chain that was read or acknowledged whole, one block an append, so a block that another names as its `prev`
always counts: that is how a start finds firm ground without reading the log from the beginning.
"""

import asyncio
import time
from collections.abc import Callable

from aiokafka import ConsumerRecord
from balance_chain.core.counting import BlockChain
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.times import parse_ms
from balance_chain.core.topics import BLOCKS, EVENTS
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.killpoints import hit
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.shards import ShardRunner
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from balance_chain.runtime.telemetry import batch_span
from balance_verify.entry import BlockHeader, entry_hash
from balance_verify.keyset import KeyHistory
from balance_verify.note import SigningKey

from balance_sealer import metrics
from balance_sealer.blocks import SealedBlock, build_block, chain_after, fitting, read_block
from balance_sealer.checkpoints import Covered, read_covered
from balance_sealer.errors import BrokenChain, GenesisMissing, LogEnded
from balance_sealer.settings import SealerSettings

GROUP = "balance-sealer"
IDLE_SECONDS = 1.0
WALK_BACK_RECORDS = 8
LEAST_WAIT = 0.25
"""Part of the longest wait that a block stays open whatever its first event's age, and between two looks for more."""
WATCH_SECONDS = 2.0
"""Time between two looks for a new key set or the log's end."""

Clock = Callable[[], int]
"""Milliseconds since 1970."""

_log = get_logger("balance_sealer")


def system_clock() -> int:
    return time.time_ns() // 1_000_000


class Sealer:
    """Seals the shards that the group gives this process."""

    def __init__(
        self, settings: SealerSettings, keys: KeyDirectory, health: Health, clock: Clock = system_clock
    ) -> None:
        self._settings = settings
        self._health = health
        self._clock = clock
        self._keys = keys.path
        self._log_key = keys.log_vkey
        self._runner = ShardRunner(settings, GROUP, settings.topic(EVENTS), self.seal_shard, health)
        self.run = self._runner.run

    async def seal_shard(self, shard: int) -> None:
        """Works on one shard until cancelled or something unexpected; then the runner begins it anew."""
        writer = TailWriter(self._settings, self._settings.topic(BLOCKS), shard)
        try:
            async with KeyWatch(self._settings, self._log_key) as watch:
                history = await watch.refresh()
                covered = await read_covered(self._settings, self._log_key, history)
                chain = await self._open(writer, covered, history, shard)
                key = self._key_for(history, chain)
                metrics.HEIGHT.labels(str(shard)).set(chain.height)
                _log.info("shard_opened", shard=shard, height=chain.height, next_offset=chain.next_offset)
                topic, pace = self._settings.topic(EVENTS), self._settings.max_wait_ms / 1000 * LEAST_WAIT
                async with PartitionReader(self._settings, topic, shard, chain.next_offset, pace) as reader:
                    await self.seal_chain(chain, reader, writer, key, watch)
        finally:
            await writer.close()

    def _key_for(self, history: KeyHistory, chain: BlockChain) -> SigningKey:
        """The key in the directory as it is now, which must hold for the next block."""
        key = self._key_file()
        if key.vkey not in history.sealers(chain.shard, chain.height + 1):
            told = history.explain(key.vkey.id)
            raise BrokenChain("sealer.skey", told, "use a key that holds (balance-chain keys list)")
        return key

    def _key_file(self) -> SigningKey:
        return KeyDirectory.load(self._keys).signing_key("sealer")

    async def _open(self, writer: TailWriter, covered: Covered, history: KeyHistory, shard: int) -> BlockChain:
        """The chain that ends in the shard's last counting block."""
        height = covered.heights[shard]
        last = await writer.open()
        if last is None:
            if height >= 0:
                raise BrokenChain(f"ledger.blocks/{shard}", f"is empty, checkpoints cover height {height}", "restore")
            if not self._settings.genesis and not history.generations:
                raise GenesisMissing(
                    f"ledger.blocks/{shard}", "is empty", "if this is the ledger's beginning, set BALANCE_GENESIS=1"
                )
            return BlockChain(shard, generation_at=history.generation)
        chain = await self._chain_at(writer.next_offset, shard, history)
        if chain.height < height:
            raise BrokenChain(
                f"ledger.blocks/{shard}", f"ends at height {chain.height}, checkpoints cover {height}", "restore it"
            )
        return chain

    async def _chain_at(self, end: int, shard: int, history: KeyHistory) -> BlockChain:
        """Walks back from the tail to a block that another builds on, then goes on by the rule of counting."""
        topic = self._settings.topic(BLOCKS)
        span = WALK_BACK_RECORDS
        while True:
            begin = max(0, end - span)
            blocks: list[tuple[BlockHeader, bytes]] = []
            async with PartitionReader(self._settings, topic, shard, begin) as reader:
                at = begin
                while at < end:
                    records = await reader.read(end - at, IDLE_SECONDS)
                    blocks += self._readable(records, shard, history)
                    at = records[-1].offset + 1 if records else at
            firm = _built_on(blocks)
            if firm is not None:
                chain = chain_after(*blocks[firm], history.generation)
                rest = blocks[firm + 1 :]
            elif begin == 0:
                chain = BlockChain(shard, generation_at=history.generation)
                rest = blocks
            else:
                span *= 4
                continue
            for header, entry in rest:
                if chain.check(header, entry) is None:
                    chain.extend(header, entry)
                else:
                    metrics.NOT_COUNTING.labels(str(shard)).inc()
            return chain

    def _readable(
        self, records: list[ConsumerRecord], shard: int, history: KeyHistory
    ) -> list[tuple[BlockHeader, bytes]]:
        found: list[tuple[BlockHeader, bytes]] = []
        for record in records:
            block = read_block(record.value, self._settings.origin, history.sealers)
            if isinstance(block, str):
                _log.warning("block_not_counting", shard=shard, offset=record.offset, reason=block)
            elif block[0].shard == shard:
                found.append(block)
        return found

    async def seal_chain(
        self, chain: BlockChain, reader: PartitionReader, writer: TailWriter, key: SigningKey, watch: KeyWatch
    ) -> None:
        """Goes on from the chain's end for ever; `writer` is open at the tail that the chain ends in.

        In a backlog the next block is read and hashed while the one before it is on its way; it is sent only
        after that one's acknowledgement. A new key set or key file ends it, so that chain and key are looked at anew.
        """
        known = watch.history
        watched = time.monotonic()
        limits = self._settings
        pending: list[ConsumerRecord] = []
        held_bytes = 0
        due = 0.0
        sealed = chain.next_offset
        on_its_way: asyncio.Task[None] | None = None
        try:
            while True:
                if watch.final is not None:
                    raise LogEnded("the log", f"has ended for ever at size {watch.final.size}", "use its successor")
                if time.monotonic() - watched >= WATCH_SECONDS:
                    if await watch.refresh() != known or self._key_file().vkey != key.vkey:
                        raise BrokenChain("keys", "have changed", "the shard is opened anew by itself")
                    watched = time.monotonic()
                wait = max(0.0, due - time.monotonic()) if pending else IDLE_SECONDS
                records = await reader.read(limits.max_events - len(pending), wait)
                if records:
                    _check_contiguous(records, chain.next_offset + len(pending), chain.shard)
                    if not pending:
                        due = self._due(records[0])
                    pending += records
                    held_bytes += sum([len(record.value) for record in records])
                full = len(pending) >= limits.max_events or held_bytes >= limits.max_bytes
                if pending and (full or time.monotonic() >= due):
                    count = len(pending)
                    if held_bytes > limits.max_bytes:
                        count = fitting([len(record.value) for record in pending], count, limits.max_bytes)
                    block = self._build(chain, pending[:count], key)
                    if on_its_way is not None:
                        await on_its_way
                        sealed = block.header.from_
                    hit("sealer.before_append")
                    on_its_way = asyncio.create_task(self._append(writer, block, pending[:count]))
                    chain.extend(block.header, block.entry)
                    del pending[:count]
                    held_bytes = sum([len(record.value) for record in pending])
                    due = self._due(pending[0]) if pending else 0.0
                if on_its_way is not None and (not full or on_its_way.done()):
                    await on_its_way
                    on_its_way, sealed = None, chain.next_offset
                self._runner.report(chain.shard, sealed)
                end = reader.highwater(chain.shard)
                if end is not None:
                    self._health.behind(f"shard {chain.shard}", end - sealed, limits.ready_behind)
        finally:
            if on_its_way is not None:
                on_its_way.cancel()
                await asyncio.wait({on_its_way})

    def _due(self, first: ConsumerRecord) -> float:
        """When the block that begins with this event closes: its stamp is the broker's time of its raw record."""
        longest = self._settings.max_wait_ms
        left: int = longest - (self._clock() - first.timestamp)
        return time.monotonic() + min(max(left, longest * LEAST_WAIT), longest) / 1000

    def _build(self, chain: BlockChain, records: list[ConsumerRecord], key: SigningKey) -> SealedBlock:
        values = [record.value for record in records]
        return build_block(chain, values, origin=self._settings.origin, now_ms=self._clock(), key=key)

    async def _append(self, writer: TailWriter, block: SealedBlock, records: list[ConsumerRecord]) -> None:
        shard = str(block.header.shard)
        with (
            batch_span(metrics.TRACER, metrics.SPAN_SEAL, (r.headers for r in records), shard=shard),
            metrics.APPEND_SECONDS.time(),
        ):
            await writer.append([OutRecord(shard.encode(), block.value, timestamp_ms=parse_ms(block.header.time))])
        hit("sealer.after_append")
        metrics.EVENTS.labels(shard).inc(block.header.count)
        metrics.BLOCKS.labels(shard).inc()
        metrics.HEIGHT.labels(shard).set(block.header.height)


def _built_on(blocks: list[tuple[BlockHeader, bytes]]) -> int | None:
    """Index of the first block that a later one of these names as its predecessor."""
    seen: dict[tuple[int, str], int] = {}
    for index, (header, entry) in enumerate(blocks):
        firm = seen.get((header.height - 1, header.prev))
        if firm is not None:
            return firm
        seen[header.height, entry_hash(entry)] = index
    return None


def _check_contiguous(records: list[ConsumerRecord], expected: int, shard: int) -> None:
    """Offsets grow, so first and last tell all."""
    first, last = records[0].offset, records[-1].offset
    if first != expected or last != expected + len(records) - 1:
        raise BrokenChain(
            f"litigation.events/{shard}",
            f"has a gap at or after offset {expected} (read {first} to {last})",
            "restore it",
        )
