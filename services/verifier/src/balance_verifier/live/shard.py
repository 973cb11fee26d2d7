"""One shard of the live fsck: events and blocks recomputed from offset 0, the projection's rows held against them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
from aiokafka import ConsumerRecord
from balance_chain.core.topics import BLOCKS, EVENTS
from balance_chain.runtime.kafka import KafkaUnavailable, PartitionReader, PositionGone
from balance_chain.runtime.settings import CommonSettings
from balance_verify.keyset import KeyHistory

from balance_verifier.archive.faults import Fault
from balance_verifier.findings import CRITICAL, Finding
from balance_verifier.live.tables import Tables
from balance_verifier.recompute import ShardCheck, Unrecognised, Waiting
from balance_verifier.rows import BlockRow, DigestRow, EventRow, ShardState

BATCH_RECORDS = 4000
READ_SECONDS = 2.0
READ_TRIES = 5
SHOWN_BYTES = 200


@dataclass
class ShardResult:
    """What a shard's recomputation gave: its entries by height for the log, and what was wrong."""

    shard: int
    entries: list[bytes] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)
    """What does not count and harms nobody: a writer that went on too long leaves it."""
    events: int = 0
    bytes: int = 0
    whole: bool = True
    """False where it could not be recomputed to the end."""


class LiveShard:
    """The run over one shard."""

    def __init__(
        self,
        settings: CommonSettings,
        shard: int,
        keys: KeyHistory,
        tables: Tables | None,
        rate: float | None,
    ) -> None:
        self._settings = settings
        self._shard = shard
        self._tables = tables
        self._rate = rate
        self._check = ShardCheck(
            ShardState(shard=shard),
            b"",
            origin=settings.origin,
            sealers=keys.sealers,
            generation_at=keys.generation,
            events_topic=EVENTS,
            blocks_topic=BLOCKS,
        )
        self._blocks: deque[ConsumerRecord] = deque()
        self._projected: ShardState | None = None
        self.result = ShardResult(shard)

    async def run(self) -> ShardResult:
        """Both topics up to where they end now."""
        result = self.result
        if self._tables is not None:
            self._projected = await self._tables.shard(self._shard)
            if self._projected is None:
                result.faults.append(Fault(f"table shard, shard {self._shard}", "row", "a row", "none"))
        try:
            await self._recompute()
        except PositionGone as error:
            result.faults.append(Fault(error.field, "record_gone", "every record from offset 0 on", error.problem))
            result.whole = False
        await self._compare_position()
        return result

    async def _recompute(self) -> None:
        result, settings = self.result, self._settings
        async with (
            PartitionReader(settings, settings.topic(EVENTS), self._shard) as events,
            PartitionReader(settings, settings.topic(BLOCKS), self._shard) as blocks,
        ):
            # Blocks first: whatever a block covers was on the topic of events before it.
            blocks_end = await blocks.end_offset()
            events_end = await events.end_offset()
            started, event_at, block_at = time.monotonic(), 0, 0
            while result.whole and (event_at < events_end or block_at < blocks_end):
                records = await read_some(events, events_end - event_at)
                event_at = records[-1].offset + 1 if records else event_at
                await self._take_events(records)
                found = await read_some(blocks, blocks_end - block_at)
                block_at = found[-1].offset + 1 if found else block_at
                self._blocks += found
                result.bytes += sum(len(record.value or b"") for record in found)
                await self._take_blocks(last=event_at >= events_end)
                if self._rate:
                    await asyncio.sleep(max(0.0, result.bytes / self._rate - (time.monotonic() - started)))

    async def _take_events(self, records: list[ConsumerRecord]) -> None:
        rows: list[EventRow] = []
        digests: list[DigestRow] = []
        findings: list[Finding] = []
        for record in records:
            taken = self._check.take_event(record.offset, record.value or b"", findings)
            if taken is None:
                break
            rows.append(taken[0])
            digests += taken[1]
            self.result.events += 1
            self.result.bytes += len(record.value or b"")
        self._tell(findings)
        if self._tables is None or self._projected is None or not rows:
            return
        first, end = rows[0].pos, min(rows[-1].pos + 1, self._projected.events_next)
        if first >= end:
            return
        stored = await self._tables.events(self._shard, first, end)
        for row in rows[: end - first]:
            self._compare("event", f"{self._shard}@{row.pos}", row, stored.get(row.pos))
        due = {row for row in digests if row.pos < end}
        kept = await self._tables.digests(self._shard, first, end)
        for digest in due - kept:
            self.result.faults.append(Fault(f"table digest, {_digest(digest)}", "row", "a row", "none"))
        for digest in kept - due:
            self.result.faults.append(Fault(f"table digest, {_digest(digest)}", "row", "none", "a row"))

    async def _take_blocks(self, *, last: bool) -> None:
        while self._blocks and self.result.whole:
            record = self._blocks[0]
            outcome = self._check.take_block(record.offset, record.value or b"")
            if isinstance(outcome, Unrecognised):
                raise AssertionError("every key set is known here")
            if isinstance(outcome, Waiting):
                if last:
                    have = self._check.state().events_next
                    place = f"{EVENTS}/{self._shard}@{have}"
                    due = f"records up to offset {outcome.needs - 1}, which block record {record.offset} seals"
                    self.result.faults.append(Fault(place, "event_missing", due, f"the topic ends at offset {have}"))
                    self.result.whole = False
                return
            self._blocks.popleft()
            if isinstance(outcome, Finding):
                self._tell([outcome])
                continue
            self.result.entries.append(outcome.entry)
            if self._tables is not None and self._projected is not None and outcome.height <= self._projected.height:
                stored = await self._tables.block(self._shard, outcome.height)
                self._compare("block", f"{self._shard}/{outcome.height}", outcome, stored)

    def _tell(self, findings: list[Finding]) -> None:
        for finding in findings:
            fault = Fault(finding.place, finding.code, finding.expected, finding.got)
            (self.result.faults if finding.severity == CRITICAL else self.result.notes).append(fault)
            self.result.whole = self.result.whole and not finding.halts

    def _compare(self, table: str, place: str, due: EventRow | BlockRow, got: EventRow | BlockRow | None) -> None:
        if got != due:
            self.result.faults += row_faults(f"table {table}, {place}", due, got)

    async def _compare_position(self) -> None:
        projected, result = self._projected, self.result
        if self._tables is None or projected is None or not result.whole:
            return
        for table, count, place in await self._tables.beyond(self._shard):
            where = f"table {table}, shard {self._shard}"
            result.faults.append(Fault(where, "rows beyond the position", "none", f"{count}, the first at {place}"))
        due = self._check.state()
        # A projection that is behind is no fault; what it says of itself up to there is held by its rows.
        if (projected.events_next, projected.blocks_next) == (due.events_next, due.blocks_next):
            result.faults += row_faults(f"table shard, shard {self._shard}", due, projected)
        elif projected.events_next > due.events_next or projected.blocks_next > due.blocks_next:
            step = "events_next, blocks_next"
            ends = f"at most {due.events_next}, {due.blocks_next}"
            got = f"{projected.events_next}, {projected.blocks_next}"
            result.faults.append(Fault(f"table shard, shard {self._shard}", step, ends, got))


async def read_some(reader: PartitionReader, due: int) -> list[ConsumerRecord]:
    """The next records of which `due` are there for certain; waits for one at least."""
    if due <= 0:
        return []
    for _ in range(READ_TRIES):
        records = await reader.read(min(BATCH_RECORDS, due), READ_SECONDS)
        if records:
            return records
    raise KafkaUnavailable("kafka", f"gives none of {due} records that are there", "see that Kafka is up")


def row_faults(place: str, due: msgspec.Struct, got: msgspec.Struct | None) -> list[Fault]:
    """Each column of a row that is not what it must be."""
    if got is None:
        return [Fault(place, "row", "a row", "none")]
    pairs = ((name, getattr(due, name), getattr(got, name)) for name in due.__struct_fields__)
    return [Fault(place, name, shown(a), shown(b)) for name, a, b in pairs if a != b]


def shown(value: object) -> str:
    """A column's value for a person; where it is long, its beginning and its digest."""
    if isinstance(value, bytes):
        if len(value) <= SHOWN_BYTES:
            return value.hex()
        return f"{len(value)} bytes, SHA-256 {sha256(value).hexdigest()}"
    return str(value)


def _digest(row: DigestRow) -> str:
    return f"{row.shard}@{row.pos} {row.algorithm} {row.digest}"
