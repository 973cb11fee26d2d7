"""Puts a small ledger on the topics of a real broker, and tells whether the verifier has all of it."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
from aiokafka import AIOKafkaProducer
from balance_chain.core.topics import BLOCKS, CHECKPOINTS, EVENTS, RAW
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from support.smallledger import SOURCE, SmallLedger


class Written:
    """A small ledger and how much of it is on the topics."""

    def __init__(self, settings: CommonSettings, ledger: SmallLedger) -> None:
        self.settings = settings
        self.ledger = ledger
        self._done: dict[tuple[str, int], int] = {}

    async def events(self, shard: int, count: int, **fields: object) -> None:
        """Raw records, and events that say of them what the broker says."""
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka, acks="all")
        await producer.start()
        try:
            headers = [("source", SOURCE.encode())]
            for _ in range(count):
                sent = await producer.send_and_wait(self.settings.topic(RAW), b"{}", partition=shard, headers=headers)
                self.ledger.add_event(shard, rawpos=sent.offset, received_ms=sent.timestamp, **fields)  # type: ignore[arg-type]
        finally:
            await producer.stop()

    async def flush(self) -> None:
        """Append to the topics whatever the ledger has and they have not."""
        for topic, lists in ((EVENTS, self.ledger.events), (BLOCKS, self.ledger.blocks)):
            for shard, values in enumerate(lists):
                await self._append(topic, shard, values)
        await self._append(CHECKPOINTS, 0, self.ledger.checkpoints)

    async def rounds(self, count: int) -> None:
        """So many times: three events and a block for each shard, then a checkpoint; all on the topics."""
        for _ in range(count):
            for shard in range(self.settings.partitions):
                await self.events(shard, 3)
                self.ledger.seal(shard)
            self.ledger.checkpoint()
        await self.flush()

    async def _append(self, topic: str, partition: int, values: Sequence[bytes]) -> None:
        done = self._done.get((topic, partition), 0)
        if len(values) > done:
            writer = TailWriter(self.settings, self.settings.topic(topic), partition)
            await writer.open()
            await writer.append([OutRecord(None, value) for value in values[done:]])
            await writer.close()
            self._done[topic, partition] = len(values)


async def caught_up(pool: asyncpg.Pool, ledger: SmallLedger) -> bool:
    """Whether every event, block and entry of the ledger is in the projection."""
    rows = await pool.fetch("SELECT events_next, height FROM shard ORDER BY shard")
    size = await pool.fetchval("SELECT size FROM log")
    want = [(len(events), len(blocks) - 1) for events, blocks in zip(ledger.events, ledger.blocks, strict=True)]
    return [tuple(row) for row in rows] == want and size == ledger.size
