"""Follows events and blocks: a receipt's owner is told what became of the event, and a broken promise is told.

Promise of a receipt: sealed, as an event or as a reject, in a block with `time` no later than `by`. It is looked at
once, a while after `by`, when every block that there is has been read: what is in no block then, or in a later one, is
a critical alert, written straight to `integrity.alerts`. Only the block's time decides whether a promise was kept; the
wall clock decides no more than when to look, because a ledger that has stopped has no time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from balance_chain.core.errors import BalanceError
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.partition import partition_for
from balance_chain.core.topics import ALERTS, BLOCKS, CHECKPOINTS, EVENTS
from balance_chain.runtime.db import BROKEN, session
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import TopicReader, end_producer, in_time, topic_ends
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.service import pause
from balance_chain.runtime.settings import CommonSettings
from balance_verify.note import VerifierKey

from balance_intake import metrics, receiptstore
from balance_intake.receiptalerts import alert_id, alert_record
from balance_intake.receiptstore import Connection
from balance_intake.sealing import ShardSeals
from balance_intake.settings import GatewaySettings

PART = "receipts"
READ_RECORDS = 4000
AHEAD_EVENTS = 100_000
"""Most events of a shard held while no block holds them: more than the largest block has."""
STANDBY_SECONDS = 2.0
RETRY_SECONDS = 2.0

AWAY: tuple[type[Exception], ...] = (*BROKEN, BalanceError, KafkaError)
Clock = Callable[[], float]
_log = get_logger("balance_intake.receipts")


async def has_begun(settings: CommonSettings) -> bool:
    """Whether there is a genesis entry: before it nothing is sealed."""
    return (await topic_ends(settings, CHECKPOINTS, 1))[0] > 0


class SealFollower:
    """Reads events and blocks of every shard from where the tables stand; an async context manager."""

    def __init__(
        self, settings: CommonSettings, connection: Connection, log_key: VerifierKey, pace_seconds: float = 0.0
    ) -> None:
        """`pace_seconds`: least time between two looks once it has read to the end (TopicReader)."""
        self._settings = settings
        self._connection = connection
        self._keys = KeyWatch(settings, log_key)
        self._pace = pace_seconds
        self._shards: dict[int, ShardSeals] = {}
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> SealFollower:
        async with contextlib.AsyncExitStack() as opened:
            await opened.enter_async_context(self._keys)
            await self._keys.refresh()
            states = [await receiptstore.load(self._connection, n) for n in range(self._settings.partitions)]
            origin = self._settings.origin
            self._shards = {each.shard: ShardSeals(each, origin, self._sealers, self._generation_at) for each in states}
            self._blocks = self._reader(BLOCKS, {each.shard: each.blocks_next for each in states})
            self._events = self._reader(EVENTS, {each.shard: each.next_offset for each in states})
            await opened.enter_async_context(self._blocks)
            await opened.enter_async_context(self._events)
            self._open = opened.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def _reader(self, topic: str, starts: dict[int, int]) -> TopicReader:
        return TopicReader(self._settings, self._settings.topic(topic), starts, self._pace)

    def _sealers(self, shard: int, height: int) -> tuple[VerifierKey, ...]:
        return self._keys.history.sealers(shard, height)

    def _generation_at(self, shard: int, height: int) -> int:
        return self._keys.history.generation(shard, height)

    async def ends(self) -> dict[int, int]:
        """Where each shard's blocks end now."""
        return await self._blocks.ends()

    def reached(self, ends: dict[int, int]) -> bool:
        """Whether every block before these offsets is taken."""
        return all(self._shards[shard].blocks_next >= end for shard, end in ends.items())

    @property
    def taken(self) -> int:
        """Block records taken so far, of all shards."""
        return sum(shard.blocks_next for shard in self._shards.values())

    async def turn(self, wait_seconds: float) -> None:
        """Read once and keep what was sealed."""
        for number, shard in self._shards.items():
            self._events.hold(number, shard.waiting >= AHEAD_EVENTS)
        events = await self._events.read_all(READ_RECORDS, 0.0)
        blocks = await self._blocks.read_all(READ_RECORDS, 0.0 if events else wait_seconds)
        for number, records in events.items():
            for record in records:
                self._shards[number].add_event(record.value or b"")
        for number, records in blocks.items():
            for record in records:
                self._shards[number].add_block(record.offset, record.value or b"")
        if blocks:
            # Key sets and generations are published before a block needs them.
            await self._keys.refresh()
        before = [shard.state() for shard in self._shards.values()]
        batches = [shard.take() for shard in self._shards.values()]
        after = [shard.state() for shard in self._shards.values()]
        moves = [move for move in zip(before, after, strict=True) if move[0] != move[1]]
        if moves:
            await receiptstore.save(self._connection, moves, batches)


@dataclass(frozen=True, slots=True)
class ReceiptKeeper:
    """Runs beside the gateway; of several gateways one follows, the others stand by."""

    settings: GatewaySettings
    keys: KeyDirectory
    pool: asyncpg.Pool[asyncpg.Record]
    health: Health
    clock: Clock = time.time

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped; whatever is away, it goes on by itself when that is back."""
        while not stop.is_set():
            try:
                async with session(self.pool, self.settings.database_timeout_seconds) as connection:
                    while not await receiptstore.try_lock(connection):
                        self.health.problem(PART, None)
                        if await pause(stop, STANDBY_SECONDS):
                            return
                    await self._follow(connection, stop)
            except Exception as error:  # whatever is wrong here must not take the gateway down: say it, try again
                self.health.problem(PART, f"cannot be looked at: {type(error).__name__}: {error}")
                _log.warning("receipts_wait", error=repr(error), exc_info=not isinstance(error, AWAY))
                await pause(stop, RETRY_SECONDS)

    async def _follow(self, connection: Connection, stop: asyncio.Event) -> None:
        settings = self.settings
        while not await has_begun(settings):
            # Nothing is sealed, and what was promised is broken all the same.
            await self._judge(connection, self.clock())
            if await pause(stop, settings.receipt_check_seconds):
                return
        pace = settings.receipt_poll_seconds
        async with SealFollower(settings, connection, self.keys.log_vkey, pace) as follower:
            look = 0.0
            asked: tuple[float, dict[int, int]] | None = None
            while not stop.is_set():
                await follower.turn(settings.receipt_poll_seconds)
                self.health.problem(PART, None)
                if asked is None and time.monotonic() >= look:
                    # The clock first: whatever was sealed by then is before these ends. A busy ledger never rests, so
                    # it is enough to have read so far.
                    asked = (self.clock(), await follower.ends())
                if asked is not None and follower.reached(asked[1]):
                    await self._judge(connection, asked[0])
                    look, asked = time.monotonic() + settings.receipt_check_seconds, None

    async def _judge(self, connection: Connection, now: float) -> None:
        settings, now_ms = self.settings, int(now * 1000)
        until = int((now - settings.receipt_slack_seconds) * 1000)
        since = None
        while since is None or since < until:
            since, looked, broken = await receiptstore.judge(connection, until, now_ms)
            metrics.RECEIPTS.labels("kept").inc(looked - broken)
            metrics.RECEIPTS.labels("broken").inc(broken)
            metrics.RECEIPTS_DUE.set(since / 1000)
        while found := await receiptstore.unpublished(connection):
            origin = settings.origin
            await self._publish([(alert_id(each, origin), alert_record(each, origin, at)) for each, at in found])
            await receiptstore.mark_published(connection, [each for each, _ in found])
            for each, _ in found:
                _log.error("receipt_broken", source=each.source, id=each.id)

    async def _publish(self, alerts: list[tuple[str, bytes]]) -> None:
        settings, limit = self.settings, self.settings.kafka_timeout_seconds
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka, acks="all", enable_idempotence=True, request_timeout_ms=int(limit * 1000)
        )
        await in_time(producer.start(), limit, "connect producer")
        try:
            for key, value in alerts:
                partition = partition_for(key, settings.partitions)
                sending = producer.send_and_wait(settings.topic(ALERTS), value, key=key.encode(), partition=partition)
                await in_time(sending, limit, "write an alert")
        finally:
            await end_producer(producer)
