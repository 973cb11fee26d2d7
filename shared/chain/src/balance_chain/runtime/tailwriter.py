"""The only producer to `litigation.events`, `ledger.blocks` and `ledger.checkpoints`.

Promise: a batch is sent only right after a tail that this writer has read or written, one at a time; anything
unexpected (error, time-out, an offset that shows another writer) throws the producer away and raises TailLost. The
decisions are core/tail.py; why they suffice is architecture.md, "How nothing is lost or doubled".
"""

import asyncio
from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError
from aiokafka.structs import RecordMetadata

from balance_chain.core.errors import BalanceError
from balance_chain.core.tail import Phase, Tail
from balance_chain.runtime.kafka import KafkaUnavailable, PartitionReader, asked_to_end, end_producer, in_time
from balance_chain.runtime.killpoints import hit
from balance_chain.runtime.settings import CommonSettings

# A single record may be larger than a batch is meant to be; the topic's max.message.bytes is the true bound.
REQUEST_BYTES = 16 * 1024 * 1024
CLOSE_SECONDS = 2.0

Header = tuple[str, bytes]


class OutRecord(msgspec.Struct, frozen=True):
    """One record to append."""

    key: bytes | None
    value: bytes
    headers: tuple[Header, ...] = ()
    timestamp_ms: int | None = None


class TailLost(BalanceError):
    """What was sent may or may not be stored: open again and see."""


class TailMoved(TailLost):
    """Another writer's batch is where ours should be: open again and go on from what counts."""


class TailWriter:
    """Appends to one output partition; not for use by several tasks at once."""

    def __init__(self, settings: CommonSettings, topic: str, partition: int) -> None:
        self._settings = settings
        self._topic = topic
        self._partition = partition
        self._producer: AIOKafkaProducer | None = None
        self._tail = Tail()

    @property
    def next_offset(self) -> int:
        """Where the next record belongs; meaningful after `open`."""
        return self._tail.next_offset

    async def open(self) -> ConsumerRecord | None:
        """Reads the tail and makes a new producer; gives the last record, None if the partition is empty."""
        await self._discard()
        self._tail = Tail()
        limit = self._settings.kafka_timeout_seconds
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            acks="all",
            enable_idempotence=True,
            max_batch_size=self._settings.tail_batch_bytes,
            max_request_size=REQUEST_BYTES,
            request_timeout_ms=int(limit * 1000),
        )
        try:
            await in_time(self._producer.start(), limit, "connect producer")
            async with PartitionReader(self._settings, self._topic, self._partition) as reader:
                end = await reader.end_offset()
                last = await reader.read_at(end - 1) if end else None
        except BaseException:
            await self._discard()
            raise
        self._tail.opened(end)
        return last

    async def append(self, records: Sequence[OutRecord]) -> int:
        """Stores the records in order, split into batches as needed; gives the first offset when all are stored."""
        if self._producer is None or self._tail.phase is not Phase.READY:
            raise TailLost(self._topic, f"writer is {self._tail.phase.value}", "open it again")
        first = self._tail.next_offset
        sent = 0
        while sent < len(records):
            if sent:
                hit("tailwriter.between_batches")
            sent += await self._append_batch(self._producer, records, sent)
        return first

    async def close(self) -> None:
        """Ends the writer; what was acknowledged stays."""
        await self._discard()
        self._tail = Tail()

    async def _append_batch(self, producer: AIOKafkaProducer, records: Sequence[OutRecord], start: int) -> int:
        batch = producer.create_batch()
        count = 0
        for record in records[start:] if start else records:
            if not batch.append(
                timestamp=record.timestamp_ms, key=record.key, value=record.value, headers=list(record.headers)
            ):
                break
            count += 1
        self._tail.sent(count)
        # Shielded: a cancelled caller still waits, bounded, for the batch in hand, and then lets go.
        delivery = asyncio.ensure_future(self._deliver(producer, batch))
        try:
            base = await asyncio.shield(delivery)
        except asyncio.CancelledError as error:
            if not asked_to_end():
                self._tail.failed("given up by the client")
                await self._discard()
                raise TailLost(self._where, "batch given up by the client", "open again") from error
            await asyncio.wait({delivery}, timeout=self._settings.kafka_timeout_seconds)
            delivery.cancel()
            self._tail.failed("cancelled")
            await self._discard()
            raise
        except (TimeoutError, KafkaError, OSError, AssertionError) as error:
            self._tail.failed(repr(error))
            await self._discard()
            raise TailLost(self._where, f"batch not acknowledged: {error!r}", "open again") from error
        if not self._tail.acked(base):
            await self._discard()
            raise TailMoved(self._where, self._tail.reason, "open again")
        return count

    async def _deliver(self, producer: AIOKafkaProducer, batch: object) -> int:
        async def send() -> RecordMetadata:
            return await (await producer.send_batch(batch, self._topic, partition=self._partition))

        # Twice the request's own limit: aiokafka retries within it, and then there is an answer.
        metadata = await asyncio.wait_for(send(), 2 * self._settings.kafka_timeout_seconds)
        return int(metadata.offset)

    async def _discard(self) -> None:
        """Ends the producer within a bound; an unsent batch is dropped rather than waited for."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if self._tail.phase is not Phase.LOST:
            await end_producer(producer)
            return
        try:
            # stop() would flush, which is to send again what has been given up.
            producer._closed = True
            await in_time(producer._sender.close(), CLOSE_SECONDS, "end sender")
            await in_time(producer.client.close(), CLOSE_SECONDS, "end client")
        except (TimeoutError, KafkaError, OSError, KafkaUnavailable):
            await producer.client.close()

    @property
    def _where(self) -> str:
        return f"{self._topic}/{self._partition}"
