"""Compares events with their raw records for as long as raw keeps them (30 days): source and broker's time.

That each raw record has exactly one counting event follows from the raw positions alone (`raw_gap` in `recompute`);
here the records themselves are read beside the events. What raw no longer holds is passed over, and so are events of
the generations before a restore: their raw topic is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from balance_chain.core.topics import EVENTS, RAW
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings

from balance_verifier.findings import Finding
from balance_verifier.rows import EventRow, raw_problem

READ_RECORDS: Final = 5000
PATIENCE_SECONDS: Final = 0.2


class RawComparison:
    """Reads one raw partition in step with the events of its shard; an async context manager."""

    def __init__(self, settings: CommonSettings, shard: int, generation: int, next_offset: int) -> None:
        """`generation`: that of the raw topic that is there to read."""
        self._shard = shard
        self._generation = generation
        self._next = next_offset
        self._wait = settings.kafka_timeout_seconds
        self._reader = PartitionReader(settings, settings.topic(RAW), shard, next_offset)

    async def __aenter__(self) -> Self:
        await self._reader.open()
        try:
            begin, end = await self._reader.begin_offset(), await self._reader.end_offset()
            # A position that raw does not have (yet, or any more) would end the reading: stay within.
            self._next = min(max(self._next, begin), max(end, begin))
            self._reader.seek(self._next)
        except BaseException:
            await self._reader.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reader.close()

    async def compare(self, rows: Sequence[EventRow]) -> list[Finding]:
        """What the counting events among `rows` say other than their raw records."""
        due = {row.rawpos: row for row in rows if row.counts and row.rawgen == self._generation}
        if not due:
            return []
        found: list[Finding] = []
        last = max(due)
        while self._next <= last:
            # A raw record is written before its event: it comes at once, or the end says that it is not there.
            records = await self._reader.read(READ_RECORDS, PATIENCE_SECONDS)
            if not records:
                end = await self._reader.end_offset()
                for row in [due[rawpos] for rawpos in due if rawpos >= end]:
                    found.append(
                        self._finding("raw_missing", row, f"a raw offset below {end}", f"raw offset {row.rawpos}")
                    )
                last = min(last, end - 1)
                records = await self._reader.read(READ_RECORDS, self._wait) if self._next <= last else []
            if not records:
                break
            for record in records:
                row_of = due.get(record.offset)
                if row_of is None:
                    continue
                source = dict(record.headers).get("source", b"").decode("utf-8", "replace")
                problem = raw_problem(row_of, source, record.timestamp)
                # The source of a raw record that was refused may be anything; its event is the ledger's own.
                if problem is not None:
                    found.append(self._finding("raw_differs", row_of, *problem))
            self._next = records[-1].offset + 1
        return found

    def _finding(self, code: str, row: EventRow, expected: str, got: str) -> Finding:
        return Finding(
            code=code, place=f"{EVENTS}/{self._shard}@{row.pos}", expected=expected, got=got, shard=self._shard
        )
