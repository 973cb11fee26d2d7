"""A Kafka partition for state machines: it only grows, and a batch is stored at once, late, or never.

`ModelWriter` has the interface of runtime/tailwriter.py and its decisions (core/tail.py); `ModelReader` that of
PartitionReader. Both wait in `step`, so that the machine says what happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from balance_chain.core.tail import Phase, Tail
from balance_chain.runtime.tailwriter import OutRecord, TailLost, TailMoved
from support.stepping import step


@dataclass(frozen=True)
class Stored:
    """A record as readers get it."""

    offset: int
    value: bytes
    timestamp: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(eq=False)
class Batch:
    """A produce request: it may arrive any time after it was sent, and counts once."""

    partition: ModelPartition
    records: Sequence[OutRecord]
    base: int | None = None

    def arrive(self) -> int:
        """Stores it, unless it is stored already; gives its first offset."""
        if self.base is None:
            self.base = len(self.partition.records)
            for record in self.records:
                self.partition.store(record.value, record.timestamp_ms or 0, record.headers)
            self.partition.under_way.remove(self)
        return self.base


@dataclass(eq=False)
class ModelPartition:
    """What is stored, and what was sent and is not stored."""

    records: list[Stored] = field(default_factory=list)
    under_way: list[Batch] = field(default_factory=list)

    def store(self, value: bytes, timestamp: int = 0, headers: tuple[tuple[str, bytes], ...] = ()) -> None:
        """A record by somebody else."""
        self.records.append(Stored(len(self.records), value, timestamp, headers))

    def send(self, records: Sequence[OutRecord]) -> Batch:
        """A batch on its way."""
        batch = Batch(self, records)
        self.under_way.append(batch)
        return batch


class ModelWriter:
    """A tail writer of one partition: batches of `batch_records`, one at a time."""

    def __init__(self, partition: ModelPartition, batch_records: int = 2) -> None:
        self._partition, self._batch_records = partition, batch_records
        self._tail = Tail()

    @property
    def next_offset(self) -> int:
        return self._tail.next_offset

    async def open(self) -> Stored | None:
        await step("open")
        self._tail = Tail()
        self._tail.opened(len(self._partition.records))
        return self._partition.records[-1] if self._partition.records else None

    async def append(self, records: Sequence[OutRecord]) -> int:
        """The machine answers each batch with whether its acknowledgement comes; without one it is given up."""
        if self._tail.phase is not Phase.READY:
            raise TailLost("model", f"writer is {self._tail.phase.value}", "open it again")
        first = self._tail.next_offset
        for start in range(0, len(records), self._batch_records):
            batch = self._partition.send(records[start : start + self._batch_records])
            self._tail.sent(len(batch.records))
            acknowledged = await step(batch)
            if not acknowledged or batch.base is None:
                self._tail.failed("time-out")
                raise TailLost("model", "batch not acknowledged", "open again")
            if not self._tail.acked(batch.base):
                raise TailMoved("model", self._tail.reason, "open again")
        return first

    async def close(self) -> None:
        self._tail = Tail()


class ModelReader:
    """Reads one partition from an offset on."""

    def __init__(self, partition: ModelPartition, start_offset: int = 0) -> None:
        self._partition, self._at = partition, start_offset

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def begin_offset(self) -> int:
        return 0

    async def end_offset(self) -> int:
        return len(self._partition.records)

    async def read(self, max_records: int, _timeout_seconds: float) -> list[Stored]:
        """Up to as many as the machine answers, all if it answers nothing."""
        limit = await step("read")
        count = max_records if limit is None else min(max_records, limit)
        found = self._partition.records[self._at : self._at + count]
        self._at += len(found)
        return found

    async def read_at(self, offset: int) -> Stored:
        await step("read")
        return self._partition.records[offset]


class ModelTopicReader:
    """Reads several partitions at once."""

    def __init__(self, partitions: Sequence[ModelPartition], starts: dict[int, int]) -> None:
        self._partitions, self._at = partitions, dict(starts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def read_all(self, max_records: int, _timeout_seconds: float) -> dict[int, list[Stored]]:
        """Up to as many of each as the machine answers, all if it answers nothing."""
        limit = await step("read")
        answer: dict[int, list[Stored]] = {}
        for number, at in self._at.items():
            count = max_records if limit is None else min(max_records, limit)
            found = self._partitions[number].records[at : at + count]
            if found:
                answer[number] = found
                self._at[number] = at + len(found)
        return answer

    async def ends(self) -> dict[int, int]:
        await step("ends")
        return {number: len(self._partitions[number].records) for number in self._at}

    def highwater(self, number: int) -> int:
        return len(self._partitions[number].records)

    def hold(self, number: int, held: bool) -> None:
        """Nothing here is so long that it has to be held."""
