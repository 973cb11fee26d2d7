"""The notary: takes every counting block of every shard into the log, and signs checkpoints of it.

Promise: two signed checkpoints never contradict each other. Only one notary is active (a PostgreSQL lock with a
lease), and before any signature the guard row is compared and swapped, so that even one that was frozen and goes on
can sign only what the row already says. At start the row is held against the log; a contradiction ends the process.
"""

import asyncio
import random
import time
from collections.abc import Mapping

import asyncpg
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from balance_chain.core.errors import BalanceError
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS, CHECKPOINTS
from balance_chain.runtime.db import BROKEN, session
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import TopicReader
from balance_chain.runtime.killpoints import hit
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.policyfile import load_policy
from balance_chain.runtime.service import pause
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from balance_verify.checkpoint import Checkpoint
from balance_verify.keyset import KeySet
from balance_verify.note import SignedNote
from balance_verify.topicvalues import CheckpointRecord

from balance_sealer import metrics
from balance_sealer.blocks import read_block
from balance_sealer.changes import decide
from balance_sealer.cosigning import Cosigning
from balance_sealer.errors import GuardMoved, NotaryRefusal
from balance_sealer.log import Draft, GlobalLog, State
from balance_sealer.recovery import recover
from balance_sealer.repository import Guard, GuardRepository, NodeRepository
from balance_sealer.sealer import Clock, system_clock
from balance_sealer.settings import NotarySettings
from balance_sealer.signer import LogSigner

READ_RECORDS = 128
IDLE_SECONDS = 0.5
GATHERING_SECONDS = 0.05
"""Longest wait for blocks while witnesses may answer."""
STANDBY_SECONDS = 0.5
CHANGES_SECONDS = 1.0
"""Least time between two looks at what an operator has asked for."""
BACKOFF_FIRST_SECONDS = 0.2
BACKOFF_LAST_SECONDS = 15.0
RENEWALS_A_LEASE = 4
PART = "notary"

_log = get_logger("balance_sealer.notary")


class Notary:
    """One notary process; stands by while another is active."""

    _final: bool
    _noted: tuple[State, SignedNote] | None = None
    """The last note with cosignatures, and its state."""

    def __init__(
        self, settings: NotarySettings, keys: KeyDirectory, health: Health, clock: Clock = system_clock
    ) -> None:
        self._settings = settings
        self._health = health
        self._clock = clock
        self._signer = LogSigner(keys)
        self._policy = load_policy(settings.witness_policy)

    async def run(self, pool: "asyncpg.Pool[asyncpg.Record]", stop: asyncio.Event) -> None:
        """Until `stop`, or a contradiction (NotaryRefusal); waits out whatever else goes wrong."""
        delay = BACKOFF_FIRST_SECONDS
        cosigning = Cosigning(
            self._settings, self._policy, self._signer, NodeRepository(pool), self._health, self._clock
        )
        while not stop.is_set():
            started = time.monotonic()
            try:
                async with session(pool, self._settings.database_timeout_seconds) as connection:
                    await self._turn(GuardRepository(connection), cosigning, stop)
            except NotaryRefusal as refusal:
                self._health.problem(PART, str(refusal))
                raise
            except (*BROKEN, BalanceError, KafkaError) as error:
                self._health.problem(PART, f"{type(error).__name__}: {error}")
                _log.warning("notary_begins_again", error=repr(error))
                if time.monotonic() - started > BACKOFF_LAST_SECONDS:
                    delay = BACKOFF_FIRST_SECONDS
                await pause(stop, delay * random.uniform(0.5, 1.5))  # noqa: S311
                delay = min(delay * 2, BACKOFF_LAST_SECONDS)
            finally:
                metrics.ACTIVE.set(0)

    async def publish_guarded(self, guard: Guard) -> int:
        """Publishes what the guard row says, if it is not yet; gives the log's size. The caller holds the lock."""
        writer = TailWriter(self._settings, self._settings.topic(CHECKPOINTS), 0)
        try:
            log, _ = await self._open(guard, writer)
            return log.anchor.state.size
        finally:
            await writer.close()

    async def _turn(self, repository: GuardRepository, cosigning: Cosigning, stop: asyncio.Event) -> None:
        """From standing by to the end of being active."""
        while True:
            guard = await repository.read()
            if guard is not None and await repository.acquire(self._settings.lease_seconds):
                break
            self._health.progress(PART)
            self._health.problem(PART, None if guard else "no guard row yet: run balance-sealer genesis once")
            if await pause(stop, STANDBY_SECONDS):
                return
        metrics.ACTIVE.set(1)
        writer = TailWriter(self._settings, self._settings.topic(CHECKPOINTS), 0)
        try:
            guard = await repository.read()
            assert guard is not None, "the row is never deleted"
            try:
                log, next_offsets = await self._open(guard, writer)
            except NotaryRefusal as refusal:
                # Not a contradiction where this notary stood still and another has gone on since the row was read.
                if await repository.read() != guard:
                    raise GuardMoved(
                        "guard row", "has moved since it was read", "another notary is at work"
                    ) from refusal
                raise
            _log.info("notary_active", size=log.anchor.state.size, heights=log.anchor.state.heights)
            async with cosigning.running(log.anchor.state, log.anchor.offset):
                await self._work(repository, writer, log, cosigning, next_offsets, stop)
        finally:
            await writer.close()

    async def _open(self, guard: Guard, writer: TailWriter) -> tuple[GlobalLog, dict[int, int]]:
        await writer.open()
        recovered = await recover(self._settings, guard, self._signer.anchor, writer.next_offset)
        self._signer.refresh()
        self._signer.history, self._final = recovered.history, guard.final
        log, draft, offset = recovered.log, recovered.draft, recovered.published_at
        if offset is None:
            genesis = guard.genesis if draft.state.size == 1 else None
            offset = await self._append(writer, draft, genesis, recovered.generation)
        log.published(draft, offset)
        if not recovered.stated:
            last = recovered.history.last
            made = last if guard.keys and last.size == draft.state.size else None
            await self._append_changes(writer, draft.state, made, final=guard.final)
        metrics.LOG_SIZE.set(draft.state.size)
        return log, recovered.next_offsets

    async def _work(
        self,
        repository: GuardRepository,
        writer: TailWriter,
        log: GlobalLog,
        cosigning: Cosigning,
        next_offsets: dict[int, int],
        stop: asyncio.Event,
    ) -> None:
        interval = self._settings.checkpoint_interval_ms / 1000
        published_at = renewed_at = time.monotonic()
        changed_at = 0.0
        async with TopicReader(self._settings, self._settings.topic(BLOCKS), next_offsets) as reader:
            while not stop.is_set():
                due = published_at + interval
                idle = GATHERING_SECONDS if cosigning.gathers else IDLE_SECONDS
                wait = max(0.0, min(idle, due - time.monotonic())) if log.pending and not cosigning.holds() else idle
                if not log.pending and time.monotonic() - changed_at >= CHANGES_SECONDS:
                    await self._carry_out_changes(repository, writer, log)
                    changed_at = time.monotonic()
                self._take(log, await reader.read_all(READ_RECORDS, wait), next_offsets)
                closing = log.pending > 0 and time.monotonic() >= due and not cosigning.holds()
                await self._append_cosigned(writer, log.anchor.state, cosigning.record(closing=closing))
                if closing:
                    await self._publish(repository, writer, log, cosigning)
                    published_at = renewed_at = time.monotonic()
                if time.monotonic() - renewed_at > self._settings.lease_seconds / RENEWALS_A_LEASE:
                    await repository.renew()
                    renewed_at = time.monotonic()
                self._health.progress(PART)
                self._health.problem(PART, None)
                ends = {shard: reader.highwater(shard) or 0 for shard in next_offsets}
                behind = sum(max(0, end - next_offsets[shard]) for shard, end in ends.items())
                self._health.behind(PART, behind, self._settings.ready_behind)

    def _take(self, log: GlobalLog, answer: Mapping[int, list[ConsumerRecord]], next_offsets: dict[int, int]) -> None:
        for shard, records in answer.items():
            for record in records:
                block = read_block(record.value, self._settings.origin, self._signer.history.sealers)
                if self._final:
                    block = "the log has ended"
                reason = block if isinstance(block, str) else log.offer(shard, record.offset, *block)
                if reason is not None:
                    metrics.NOT_COUNTING.labels(str(shard)).inc()
                    _log.warning("block_not_counting", shard=shard, offset=record.offset, reason=reason)
                next_offsets[shard] = record.offset + 1

    async def _publish(
        self, repository: GuardRepository, writer: TailWriter, log: GlobalLog, cosigning: Cosigning
    ) -> None:
        draft = log.draft()
        with metrics.TRACER.start_as_current_span(metrics.SPAN_CHECKPOINT), metrics.CHECKPOINT_SECONDS.time():
            await repository.swap(
                log.anchor.state,
                draft.state,
                log.anchor,
                draft.nodes if cosigning.wanted else (),
                key_sets=len(self._signer.history.sets) - 1,
            )
            hit("notary.after_guard")
            offset = await self._append(writer, draft)
            hit("notary.after_publish")
        log.published(draft, offset)
        cosigning.published(draft.state)
        metrics.LOG_SIZE.set(draft.state.size)
        metrics.CHECKPOINTS.inc()

    async def _carry_out_changes(self, repository: GuardRepository, writer: TailWriter, log: GlobalLog) -> None:
        """Nothing is pending, so the heights of the last checkpoint part what is before a change from what is after."""
        asked = await repository.asked()
        if not asked or self._final:
            return
        state = log.anchor.state
        history = self._signer.history
        self._signer.refresh()
        decision = decide(history, state, asked, self._signer.owned())
        await repository.carry_out(state, tuple(keys.text() for keys in history.sets[1:]), decision)
        hit("notary.after_change")
        if decision.keys is not None:
            self._signer.history = history.taking(decision.keys)
        self._final = decision.freeze
        _log.info("changes_carried_out", size=state.size, done=decision.done, refused=decision.refused)
        if decision.keys is not None or decision.freeze:
            await self._append_changes(writer, state, decision.keys, final=decision.freeze)

    async def _append_changes(self, writer: TailWriter, state: State, keys: KeySet | None, *, final: bool) -> None:
        """Stores the last checkpoint once more, with the key set made at it and the statement of the log's end."""
        checkpoint = Checkpoint(self._signer.origin, state.size, state.root)
        cosigned = self._noted is not None and self._noted[0] == state
        note = self._noted[1] if self._noted and cosigned else self._signer.checkpoint(checkpoint)
        value = CheckpointRecord(
            state.heights,
            note.encode().decode(),
            keys=self._signer.keys(keys).encode().decode() if keys else None,
            final=self._signer.final(checkpoint).encode().decode() if final else None,
        ).encode()
        await writer.append([OutRecord(self._signer.origin.encode(), value, timestamp_ms=self._clock())])

    async def _append_cosigned(self, writer: TailWriter, state: State, note: SignedNote | None) -> None:
        """Stores the last checkpoint once more, with cosignatures: the rule of counting lets it add signatures."""
        if note is None:
            return
        value = CheckpointRecord(state.heights, note.encode().decode()).encode()
        await writer.append([OutRecord(self._signer.origin.encode(), value, timestamp_ms=self._clock())])
        self._noted = (state, note)
        hit("notary.after_cosigned")
        metrics.COSIGNED.inc()

    async def _append(
        self, writer: TailWriter, draft: Draft, genesis: bytes | None = None, generation: bytes | None = None
    ) -> int:
        """Signs the state, which the guard row already has, and stores it; gives its offset."""
        checkpoint = Checkpoint(self._signer.origin, draft.state.size, draft.state.root)
        note = self._signer.checkpoint(checkpoint).encode().decode()
        value = CheckpointRecord(draft.state.heights, note, genesis, generation=generation).encode()
        return await writer.append([OutRecord(self._signer.origin.encode(), value, timestamp_ms=self._clock())])
