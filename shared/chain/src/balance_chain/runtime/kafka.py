"""Plain reading of one partition by offset, without a group: offsets in our own outputs are the only positions."""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from types import TracebackType
from typing import Self, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from balance_chain.core.errors import BalanceError
from balance_chain.runtime import brokenwrites as brokenwrites
from balance_chain.runtime.settings import CommonSettings

T = TypeVar("T")

# Bulk reading: a few large answers instead of many small ones. One partition's answer may exceed nothing of ours.
FETCH_BYTES = 16 * 1024 * 1024
# With nothing to read, a reader asks once in so long; a record that comes is answered with at once.
FETCH_WAIT_MS = 1000
CLOSE_SECONDS = 3.0


class KafkaUnavailable(BalanceError):
    """Kafka did not answer in time or refused: wait and try again."""


class PositionGone(BalanceError):
    """The log no longer has, or does not yet have, the offset asked for: never skipped silently."""


def asked_to_end() -> bool:
    """Whether the running task was itself cancelled.

    aiokafka cancels futures of its own when a connection or a producer ends. A CancelledError that comes out of one is
    a failure like any other: taken for the end of the task, it would end a worker for good without a word.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def in_time(awaitable: Awaitable[T], seconds: float, what: str) -> T:
    """Awaits Kafka with a time limit; every failure is KafkaUnavailable or PositionGone."""
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.CancelledError as error:
        if asked_to_end():
            raise
        raise KafkaUnavailable("kafka", f"{what}: given up by the client", "see that Kafka is reachable") from error
    except OffsetOutOfRangeError as error:
        raise PositionGone(what, repr(error), "check retention and which Kafka this is") from error
    except (TimeoutError, KafkaError, OSError) as error:
        raise KafkaUnavailable("kafka", f"{what}: {error!r}", "see that Kafka is up and reachable") from error


async def end_producer(producer: AIOKafkaProducer) -> None:
    """Ends a producer within a bound and without a word: whatever of it mattered was awaited before."""
    try:
        await in_time(producer.stop(), CLOSE_SECONDS, "end producer")
    except (BalanceError, TimeoutError, KafkaError, OSError):
        await producer.client.close()


class TopicReader:
    """Reads some partitions of a topic from known offsets on, in bulk; an async context manager.

    `pace_seconds`: once it has read to the end it asks no earlier than so long after, so that a steady trickle comes
    in few answers; what comes after a silence is answered with at once, and a backlog is never held up.
    """

    def __init__(
        self, settings: CommonSettings, topic: str, starts: Mapping[int, int], pace_seconds: float = 0.0
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._starts = {TopicPartition(topic, partition): offset for partition, offset in starts.items()}
        self._limit = settings.kafka_timeout_seconds
        self._consumer: AIOKafkaConsumer | None = None
        self._pace = pace_seconds
        self._resting: set[TopicPartition] = set()
        self._held: set[TopicPartition] = set()
        self._rests_until = 0.0

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_bytes=4 * FETCH_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=int(self._limit * 1000),
        )
        self._consumer = consumer
        try:
            await in_time(consumer.start(), self._limit, "connect")
            consumer.assign(list(self._starts))
            for tp, offset in self._starts.items():
                consumer.seek(tp, offset)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                await in_time(consumer.stop(), CLOSE_SECONDS, "close reader")
            except (BalanceError, TimeoutError, KafkaError, OSError):
                await consumer._client.close()

    async def read_all(self, max_records: int, timeout_seconds: float) -> dict[int, list[ConsumerRecord]]:
        """Up to `max_records` in all, by partition, each in order; empty when none came in the time."""
        timeout_seconds = await self._rest(timeout_seconds)
        if self._resting:
            return {}
        answer = await in_time(
            self._get(max_records, timeout_seconds), timeout_seconds + self._limit, f"read {self._topic}"
        )
        return {tp.partition: records for tp, records in answer.items() if records}

    async def _rest(self, timeout_seconds: float) -> float:
        """Sit out what is left of the pace, within the time; gives the time that is left."""
        if not self._resting:
            return timeout_seconds
        rest = max(0.0, self._rests_until - time.monotonic())
        await asyncio.sleep(min(rest, timeout_seconds))
        if rest <= timeout_seconds:
            self._open.resume(*(self._resting - self._held))
            self._resting.clear()
        return max(0.0, timeout_seconds - rest)

    async def _get(self, max_records: int, timeout_seconds: float) -> dict[TopicPartition, list[ConsumerRecord]]:
        consumer = self._open
        answer: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
            timeout_ms=int(timeout_seconds * 1000), max_records=max_records
        )
        if (
            self._pace
            and answer
            and all(records[-1].offset + 1 == consumer.highwater(tp) for tp, records in answer.items())
        ):
            # In the same turn of the loop as the answer: otherwise the next question is on its way already.
            self._resting = set(consumer.assignment()) - self._held
            consumer.pause(*self._resting)
            self._rests_until = time.monotonic() + self._pace
        return answer

    async def ends(self) -> dict[int, int]:
        """The offset that the next record of each partition will get."""
        found = await in_time(self._open.end_offsets(list(self._starts)), self._limit, f"ends of {self._topic}")
        return {tp.partition: int(end) for tp, end in found.items()}

    def hold(self, partition: int, held: bool) -> None:
        """Reads no more of a partition until it is let go again; where it stands is kept."""
        tp = TopicPartition(self._topic, partition)
        if held != (tp in self._held):
            (self._held.add if held else self._held.discard)(tp)
            if tp not in self._resting:
                (self._open.pause if held else self._open.resume)(tp)

    def highwater(self, partition: int) -> int | None:
        """The end of a partition as the last answer told it; no question is asked for it."""
        end: int | None = self._open.highwater(TopicPartition(self._topic, partition))
        return end

    @property
    def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise KafkaUnavailable("reader", f"of {self._topic} is closed", "open it first")
        return self._consumer


class PartitionReader(TopicReader):
    """Reads one partition from a known offset on, in bulk; an async context manager."""

    def __init__(
        self, settings: CommonSettings, topic: str, partition: int, start_offset: int = 0, pace_seconds: float = 0.0
    ) -> None:
        super().__init__(settings, topic, {partition: start_offset}, pace_seconds)
        self._tp = TopicPartition(topic, partition)
        self._name = f"{topic}/{partition}"

    async def read(self, max_records: int, timeout_seconds: float) -> list[ConsumerRecord]:
        """Up to `max_records` in order as soon as there are any, or none after the time."""
        answer = await self.read_all(max_records, timeout_seconds)
        return answer.get(self._tp.partition, [])

    async def read_at(self, offset: int) -> ConsumerRecord:
        """The one record at `offset`; reading goes on after it."""
        self.seek(offset)
        records = await self.read(1, self._limit)
        if not records:
            raise KafkaUnavailable("kafka", f"no record of {self._name} at {offset} in time", "see that Kafka is up")
        if records[0].offset != offset:
            raise PositionGone(self._name, f"has {records[0].offset} where {offset} was asked", "check the topic")
        return records[0]

    def seek(self, offset: int) -> None:
        self._open.seek(self._tp, offset)

    async def end_offset(self) -> int:
        """The offset that the next record will get."""
        ends = await in_time(self._open.end_offsets([self._tp]), self._limit, f"end of {self._name}")
        return int(ends[self._tp])

    async def begin_offset(self) -> int:
        """The first offset still there."""
        begins = await in_time(self._open.beginning_offsets([self._tp]), self._limit, f"start of {self._name}")
        return int(begins[self._tp])


async def topic_ends(settings: CommonSettings, topic: str, partitions: int) -> dict[int, int]:
    """Where each partition ends now."""
    async with TopicReader(settings, settings.topic(topic), dict.fromkeys(range(partitions), 0)) as reader:
        return await reader.ends()
