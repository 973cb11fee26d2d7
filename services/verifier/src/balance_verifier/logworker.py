"""Carries the global log: `LogCheck` recomputes each checkpoint from the blocks that were recomputed before it."""

from __future__ import annotations

import asyncio

from balance_chain.core.topics import BLOCKS, CHECKPOINTS
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.logs import get_logger
from balance_verify.keyset import LOG
from balance_verify.note import VerifierKey
from balance_verify.policy import Policy

from balance_verifier import metrics
from balance_verifier.histories import Histories
from balance_verifier.logcheck import Advance, LogCheck, LogState, Opened, Skipped, history_of
from balance_verifier.repository import Repository
from balance_verifier.repository_histories import Stray
from balance_verifier.settings import WorkerSettings

log = get_logger(__name__)

PART = "log"


class LogWorker:
    """The log's loop, from its committed position until it is stopped."""

    def __init__(
        self,
        settings: WorkerSettings,
        repository: Repository,
        health: Health,
        log_key: VerifierKey,
        committed: asyncio.Event,
        policy: Policy | None = None,
        histories: Histories | None = None,
    ) -> None:
        """`committed` is set by the shards after each commit; `policy` names the witnesses that are known.

        `histories` judges what the log's key has signed and does not count; without one nobody does.
        """
        self._settings = settings
        self._repository = repository
        self._health = health
        self._committed = committed
        self._check = LogCheck(
            log_key, origin=settings.origin, shards=settings.partitions, topic=CHECKPOINTS, policy=policy
        )
        self._histories = histories
        self.known = asyncio.Event()
        self.state = LogState()

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until `stop`. `known` is set, and `state` holds the genesis, once that has been verified."""
        settings = self._settings
        self._advance_to(await self._repository.load_log())
        topic = settings.topic(CHECKPOINTS)
        async with PartitionReader(settings, topic, 0, self.state.next) as reader:
            while not stop.is_set():
                records = await reader.read(settings.verifier_batch_blocks, settings.verifier_poll_seconds)
                self._health.progress(PART)
                self._health.problem(PART, None)
                for record in records:
                    await self._take(record.offset, record.value or b"", stop)
                    if stop.is_set():
                        return

    async def _take(self, offset: int, value: bytes, stop: asyncio.Event) -> None:
        opened = self._check.open(self.state, offset, value)
        if isinstance(opened, Skipped):
            await self._skip(opened)
            if self.state.next == offset:
                await self._take(offset, value, stop)
        elif not self.state.genesis:
            await self._commit(self._check.genesis(self.state, opened), [], opened)
        elif opened.record.generation is not None:
            await self._commit(self._check.generation(self.state, opened), [], opened)
        elif opened.record.keys is not None or opened.record.final is not None:
            await self._commit(self._check.statement(self.state, opened), [], opened)
        else:
            await self._take_later(opened, stop)

    async def _take_later(self, opened: Opened, stop: asyncio.Event) -> None:
        covered = self._check.coverage(self.state, opened)
        if isinstance(covered, Skipped):
            await self._skip(covered, opened)
            return
        entries = await self._repository.all_entries(covered)
        if len(entries) < sum(last - first + 1 for _, first, last in covered):
            entries = []
            for shard, first, last in covered:
                got = await self._wait_for(shard, first, last, stop)
                if stop.is_set():
                    return
                if len(got) < last - first + 1:
                    await self._skip(self._check.never_came(self.state, opened, shard, first + len(got) - 1), opened)
                    return
                entries += got
        await self._commit(self._check.take(self.state, opened, entries), covered, opened)

    async def _wait_for(self, shard: int, first: int, last: int, stop: asyncio.Event) -> list[bytes]:
        """The entries of a shard's blocks; fewer only where `ledger.blocks` was read to its end without them.

        The notary signs what it has read from that topic, so whatever a checkpoint covers is there before it.
        """
        end: int | None = None
        while True:
            self._committed.clear()
            got = await self._repository.entries(shard, first, last)
            if len(got) == last - first + 1 or stop.is_set():
                return got
            if end is None:
                async with PartitionReader(self._settings, self._settings.topic(BLOCKS), shard, 0) as blocks:
                    end = await blocks.end_offset()
            if await self._repository.blocks_next(shard) >= end:
                # Look again: the shard may have committed between the two looks.
                return await self._repository.entries(shard, first, last)
            self._health.progress(PART)
            try:
                await asyncio.wait_for(self._committed.wait(), self._settings.verifier_poll_seconds)
            except TimeoutError:
                continue

    async def _commit(self, outcome: Advance | Skipped, covered: list[tuple[int, int, int]], opened: Opened) -> None:
        if isinstance(outcome, Skipped):
            await self._skip(outcome, opened)
            return
        await self._repository.commit_log(self.state, outcome, covered)
        self._advance_to(outcome.state)
        metrics.CHECKPOINTS.inc()
        await self._look()

    async def _look(self) -> None:
        if self._histories is not None and self.state.genesis:
            held = history_of(self.state).last
            keys = [each.vkey for each in held.keys if held.role(each.vkey) == LOG]
            await self._histories.look(self.state.size, keys)

    async def _skip(self, skipped: Skipped, opened: Opened | None = None) -> None:
        finding = skipped.finding
        if opened is not None and finding is not None and self._histories is not None:
            # Before the position moves, so that none is lost.
            checkpoint, place = opened.checkpoint, f"{CHECKPOINTS}/0@{opened.pos}"
            note = opened.record.note
            await self._histories.suspect(Stray(place, checkpoint.size, checkpoint.root, note, opened.pos))
        await self._repository.skip_checkpoint(self.state, skipped.state, finding)
        self._advance_to(skipped.state)
        if finding is None:
            return
        await self._look()
        metrics.FINDINGS.labels(finding.code).inc()
        log.error("finding", code=finding.code, place=finding.place, expected=finding.expected, got=finding.got)

    def _advance_to(self, state: LogState) -> None:
        self.state = state
        metrics.COVERED.set(state.size)
        if state.genesis:
            self.known.set()
