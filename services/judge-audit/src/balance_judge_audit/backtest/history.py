"""Reads all of history, shard by shard and in order: from Kafka by offset, or from an archive's files.

Promises every record of `litigation.events` up to the ends at which the reading began, and to name it where the
beginning is gone. It verifies nothing: `fsck` does.
"""

import asyncio
import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import msgspec
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.kafka import PartitionReader
from balance_verify.tiles import index_path

from balance_judge_audit.applier import Record
from balance_judge_audit.errors import HistoryUnreadable
from balance_judge_audit.settings import AuditSettings

BATCH: Final = 2000
READ_SECONDS: Final = 5.0
LENGTH_BYTES: Final = 4


class History(Protocol):
    """All records of the log, a shard at a time."""

    shards: int
    total: int | None
    """Records in all, where that is known beforehand."""

    async def read(self, shard: int) -> list[Record]:
        """The next records of a shard; empty at its end."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class KafkaHistory:
    """The topic from its first record to where it ended when the reading began."""

    def __init__(self, settings: AuditSettings) -> None:
        self._settings = settings
        self.shards = settings.partitions
        self.total: int | None = None
        self._ends: dict[int, int] = {}
        self._at: dict[int, int] = {}
        self._readers: dict[int, PartitionReader] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        topic = self._settings.topic(EVENTS)
        try:
            for shard in range(self.shards):
                reader = await self._stack.enter_async_context(PartitionReader(self._settings, topic, shard))
                if first := await reader.begin_offset():
                    problem = f"begins at offset {first}: what came before is no longer there"
                    raise HistoryUnreadable(f"{topic}/{shard}", problem, "read an archive with --archive")
                self._readers[shard], self._at[shard] = reader, 0
                self._ends[shard] = await reader.end_offset()
        except BaseException:
            await self._stack.aclose()
            raise
        self.total = sum(self._ends.values())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def read(self, shard: int) -> list[Record]:
        waited = 0.0
        while self._at[shard] < self._ends[shard]:
            found = await self._readers[shard].read(BATCH, READ_SECONDS)
            if found:
                self._at[shard] = found[-1].offset + 1
                return [Record(each.offset, each.value or b"") for each in found if each.offset < self._ends[shard]]
            waited += READ_SECONDS
            if waited > self._settings.kafka_timeout_seconds:
                where = f"{self._settings.topic(EVENTS)}/{shard}"
                raise HistoryUnreadable(where, f"gives nothing at offset {self._at[shard]}", "see that Kafka is up")
        return []


class _Head(msgspec.Struct):
    """What this reader needs of an archive's head."""

    heights: tuple[int, ...]


class ArchiveHistory:
    """An archive's folder, up to what its latest checkpoint covers (docs/archive.md)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.shards = 0
        self.total: int | None = None
        self._heights: tuple[int, ...] = ()
        self._next: dict[int, int] = {}
        self._offset: dict[int, int] = {}
        self._waiting: dict[int, list[bytes]] = {}

    async def __aenter__(self) -> Self:
        note = self._bytes("checkpoint")
        path = f"heads/{hashlib.sha256(note).hexdigest()}.json"
        try:
            self._heights = msgspec.json.decode(self._bytes(path), type=_Head).heights
        except msgspec.MsgspecError as error:
            raise HistoryUnreadable(path, f"is no head ({error})", "check the archive with fsck") from None
        self.shards = len(self._heights)
        self._next, self._offset = dict.fromkeys(range(self.shards), 0), dict.fromkeys(range(self.shards), 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.clear()

    async def read(self, shard: int) -> list[Record]:
        waiting = self._waiting.setdefault(shard, [])
        while len(waiting) < BATCH and self._next[shard] <= self._heights[shard]:
            path = f"blocks/{shard}/{index_path(self._next[shard])}.events"
            waiting += _split(await asyncio.to_thread(self._bytes, path), path)
            self._next[shard] += 1
        taken, self._waiting[shard] = waiting[:BATCH], waiting[BATCH:]
        first = self._offset[shard]
        self._offset[shard] += len(taken)
        return [Record(first + number, value) for number, value in enumerate(taken)]

    def _bytes(self, path: str) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
            raise HistoryUnreadable(path, problem, "give an archive's folder, or check it with fsck") from None


def _split(data: bytes, place: str) -> list[bytes]:
    """The events of a block's file: each after its length, a big-endian uint32."""
    values: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        if at > len(data):
            raise HistoryUnreadable(place, f"ends within event {len(values)}", "check the archive with fsck")
        values.append(data[start:at])
    return values
