"""Puts records on `litigation.raw` for the gateway and for ticks: awaited, acks=all, thrown away on any error.

A record whose fate is unknown may be stored and is produced again: the normaliser seals the second one as a
duplicate, so nothing is lost and nothing counts twice.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from balance_chain.core.topics import RAW
from balance_chain.runtime.kafka import KafkaUnavailable, asked_to_end, end_producer
from balance_chain.runtime.settings import CommonSettings

BATCH_BYTES: Final = 1024 * 1024
"""Bytes of one batch; a larger record goes in one of its own."""
REQUEST_BYTES: Final = 4 * 1024 * 1024


class RawOut(msgspec.Struct, frozen=True):
    """One record for raw."""

    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class RawProducer:
    """One idempotent producer, made when first needed and again after an error."""

    def __init__(self, settings: CommonSettings) -> None:
        self._settings = settings
        self._topic = settings.topic(RAW)
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def send(self, partition: int, records: Sequence[RawOut]) -> None:
        """Store the records in order on one partition; returns when all are acknowledged."""
        producer = await self._started()
        try:
            async with asyncio.timeout(2 * self._settings.kafka_timeout_seconds):
                position = 0
                while position < len(records):
                    batch = producer.create_batch()
                    taken = _fill(batch, records, position)
                    if taken:
                        await (await producer.send_batch(batch, self._topic, partition=partition))
                        position += taken
                    else:
                        await self._send_alone(producer, partition, records[position])
                        position += 1
        except (KafkaError, OSError, TimeoutError) as error:
            await self._discard(producer)
            raise KafkaUnavailable("kafka", f"raw did not take a batch ({error!r})", "see that Kafka is up") from error
        except asyncio.CancelledError as error:
            await self._discard(producer)
            if asked_to_end():
                raise
            raise KafkaUnavailable("kafka", "raw: a batch was given up by the client", "send it again") from error

    async def close(self) -> None:
        """Let go of the producer."""
        if self._producer is not None:
            await self._discard(self._producer)

    async def _send_alone(self, producer: AIOKafkaProducer, partition: int, record: RawOut) -> None:
        await producer.send_and_wait(
            self._topic, record.value, key=record.key, partition=partition, headers=list(record.headers)
        )

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._settings.kafka,
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=BATCH_BYTES,
                    max_request_size=REQUEST_BYTES,
                    request_timeout_ms=int(self._settings.kafka_timeout_seconds * 1000),
                )
                try:
                    async with asyncio.timeout(self._settings.kafka_timeout_seconds):
                        await producer.start()
                except (KafkaError, OSError, TimeoutError) as error:
                    await end_producer(producer)
                    raise KafkaUnavailable("kafka", f"no connection ({error!r})", "see that Kafka is up") from error
                self._producer = producer
            return self._producer

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
        await end_producer(producer)


def _fill(batch: Any, records: Sequence[RawOut], position: int) -> int:
    """Append records from `position` on until the batch is full; how many fitted."""
    taken = 0
    for record in records[position:]:
        if batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers)) is None:
            break
        taken += 1
    return taken
