"""Carries one shard: reads events and blocks, lets `ShardCheck` recompute them, commits rows and position together.

It never passes a block that it cannot recompute: it reports it, waits and tries again from its committed position,
while the other shards go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from aiokafka import ConsumerRecord
from balance_chain.core.topics import BLOCKS, EVENTS
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.killpoints import hit
from balance_chain.runtime.logs import get_logger

from balance_verifier import metrics
from balance_verifier.errors import PositionMoved
from balance_verifier.findings import Finding
from balance_verifier.rawcomparison import RawComparison
from balance_verifier.recompute import ShardCheck, Unrecognised, Waiting
from balance_verifier.repository import Repository, ShardBatch
from balance_verifier.settings import WorkerSettings

log = get_logger(__name__)


class Halted(Exception):
    """The shard cannot go on from its committed position; why has been recorded."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(f"{finding.code} at {finding.place}: expected {finding.expected}, got {finding.got}")
        self.finding = finding


class ShardWorker:
    """One shard's loop, from its committed position until it is cancelled or cannot go on."""

    def __init__(
        self,
        settings: WorkerSettings,
        repository: Repository,
        health: Health,
        shard: int,
        watch: KeyWatch,
        committed: asyncio.Event,
        key_sets: Callable[[], int],
    ) -> None:
        """`watch` knows the key sets up to the log's committed position. `committed` is set after each commit: the
        log's loop may be waiting for this shard. `key_sets` tells how many sets the log's loop has committed.
        """
        self._settings = settings
        self._repository = repository
        self._health = health
        self._shard = shard
        self._watch = watch
        self._committed = committed
        self._key_sets = key_sets
        self._blocks: deque[ConsumerRecord] = deque()

    @property
    def part(self) -> str:
        """This shard's name on the health board."""
        return f"shard-{self._shard}"

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until `stop`; raises `Halted` before what cannot be recomputed."""
        settings = self._settings
        key_sets = self._key_sets()
        state, leaves = await self._repository.load_shard(self._shard)
        check = ShardCheck(
            state,
            leaves,
            origin=settings.origin,
            sealers=lambda shard, height: self._watch.history.sealers(shard, height),
            generation_at=lambda shard, height: self._watch.history.generation(shard, height),
            events_topic=EVENTS,
            blocks_topic=BLOCKS,
        )
        self._blocks.clear()
        generation = len((await self._watch.refresh()).generations)
        raw_next = state.rawpos + 1 if state.rawgen == generation else 0
        pace = settings.verifier_gather_ms / 1000
        async with (
            PartitionReader(settings, settings.topic(EVENTS), self._shard, state.events_next) as events,
            PartitionReader(settings, settings.topic(BLOCKS), self._shard, state.blocks_next, pace) as blocks,
            RawComparison(settings, self._shard, generation, raw_next) as raw,
        ):
            while not stop.is_set():
                if self._key_sets() != key_sets:
                    # Blocks that this loop has taken may have been taken back.
                    raise PositionMoved(self.part, "was read by the keys before", "load the state again")
                await self._turn(check, events, blocks, raw)
                self._health.progress(self.part)
                self._health.problem(self.part, None)
                metrics.HALTED.labels(self.part).set(0)

    async def _turn(
        self, check: ShardCheck, events: PartitionReader, blocks: PartitionReader, raw: RawComparison
    ) -> None:
        settings = self._settings
        batch = ShardBatch(before=check.state())
        # Blocks trail events: one that is there names events that are, so that one commit takes in both.
        if not self._blocks:
            self._blocks += await blocks.read(settings.verifier_batch_blocks, settings.verifier_poll_seconds)
        started = time.monotonic()
        outcome, halting = await self._take_blocks(check, batch), None
        while halting is None and not isinstance(outcome, Finding):
            ahead, taken = check.pending, len(batch.events)
            room = min(settings.verifier_ahead_events - ahead, settings.verifier_batch_events - taken)
            wait = settings.verifier_poll_seconds if isinstance(outcome, Waiting) else 0.0
            records = await events.read(room, wait) if room > 0 else []
            if not records:
                break
            halting = self._take_events(check, batch, records)
            outcome = await self._take_blocks(check, batch)
        if isinstance(outcome, Waiting) and not batch.events:
            missing = await self._missing_events(outcome.needs, events)
            batch.findings += [missing] if missing else []
            halting = halting or missing
        elif isinstance(outcome, Finding):
            halting = halting or outcome
        batch.findings += await raw.compare(batch.events)
        if batch.events or batch.blocks or check.state() != batch.before:
            hit("verifier.before_commit")
            await self._repository.commit_shard(batch, check.state(), self._watch.history)
            hit("verifier.after_commit")
            metrics.EVENTS.labels(self._shard).inc(len(batch.events))
            metrics.BLOCKS.labels(self._shard).inc(len(batch.blocks))
            metrics.BATCH_SECONDS.labels(self._shard).observe(time.monotonic() - started)
        elif batch.findings:
            await self._repository.add_findings(batch.findings)
        for finding in batch.findings:
            metrics.FINDINGS.labels(finding.code).inc()
            log.error("finding", code=finding.code, place=finding.place, expected=finding.expected, got=finding.got)
        self._committed.set()
        high = events.highwater(self._shard)
        if high is not None:
            behind = max(0, high - check.state().events_next)
            self._health.behind(self.part, behind, settings.verifier_behind_records)
        if halting is not None:
            raise Halted(halting)

    def _take_events(self, check: ShardCheck, batch: ShardBatch, records: list[ConsumerRecord]) -> Finding | None:
        for record in records:
            taken = check.take_event(record.offset, record.value or b"", batch.findings)
            if taken is None:
                return batch.findings[-1]
            row, digests = taken
            batch.events.append(row)
            batch.digests += digests
        return None

    async def _take_blocks(self, check: ShardCheck, batch: ShardBatch) -> Finding | Waiting | Unrecognised | None:
        """Takes blocks until there are no more, one must wait for events, or one halts the shard."""
        outcome = self._take_known(check, batch, keys_current=False)
        if isinstance(outcome, Unrecognised):
            # Whatever key set came before the blocks in hand is on the topic by now.
            await self._watch.refresh()
            outcome = self._take_known(check, batch, keys_current=True)
        return outcome

    def _take_known(
        self, check: ShardCheck, batch: ShardBatch, *, keys_current: bool
    ) -> Finding | Waiting | Unrecognised | None:
        while self._blocks:
            record = self._blocks[0]
            outcome = check.take_block(record.offset, record.value or b"", keys_current=keys_current)
            if isinstance(outcome, (Waiting, Unrecognised)):
                return outcome
            if isinstance(outcome, Finding):
                batch.findings.append(outcome)
                if outcome.halts:
                    return outcome
            else:
                batch.blocks.append(outcome)
            self._blocks.popleft()
        return None

    async def _missing_events(self, needs: int, events: PartitionReader) -> Finding | None:
        """A block is written after its events, so they are there to read, or the log has lost them."""
        end = await events.end_offset()
        if end >= needs:
            return None
        return Finding(
            code="event_missing",
            place=f"{EVENTS}/{self._shard}@{end}",
            expected=f"records up to offset {needs - 1}, which a block has sealed",
            got=f"end of the topic at {end}",
            shard=self._shard,
            halts=True,
        )
