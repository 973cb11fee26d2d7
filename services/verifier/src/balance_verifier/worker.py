"""The worker process: one loop a shard, one for the log, one that publishes findings; each starts again by itself.

Whatever goes wrong in a loop (Kafka or PostgreSQL away, another copy ahead, a block that cannot be recomputed) ends
that loop alone, is said on the health board, and after a pause the loop loads its committed position and goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import CHECKPOINTS
from balance_chain.runtime.db import BROKEN, connect, database_problems
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import KafkaUnavailable, PositionGone, asked_to_end
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.policyfile import load_policy
from balance_chain.runtime.service import Service, pause
from balance_chain.runtime.topics import topic_problems

from balance_verifier import metrics
from balance_verifier.errors import PositionMoved
from balance_verifier.findings import Finding
from balance_verifier.histories import Histories
from balance_verifier.logcheck import history_of
from balance_verifier.logworker import PART as LOG_PART
from balance_verifier.logworker import LogWorker
from balance_verifier.publisher import PART as ALERTS_PART
from balance_verifier.publisher import publish_findings
from balance_verifier.repository import Repository
from balance_verifier.repository_histories import HistoriesRepository
from balance_verifier.repository_timestamps import TimestampsRepository
from balance_verifier.settings import WorkerSettings
from balance_verifier.shardworker import Halted, ShardWorker
from balance_verifier.timestamping import PART as STAMPS_PART
from balance_verifier.timestamping import keep_stamping

log = get_logger(__name__)

MOVED_PAUSE_SECONDS = 1.0
AWAY: tuple[type[Exception], ...] = (KafkaUnavailable, *BROKEN)


async def run_worker(settings: WorkerSettings, service: Service) -> None:
    """Verify until the service is stopped."""
    keys = KeyDirectory.load(settings.keys)
    log_key = keys.log_vkey
    # What a dying PostgreSQL forgets is read from the log once more: rows and position are one transaction.
    pool = await connect(settings, settings.verifier_schema, durable=False, by_key=True)
    health, stop = service.health, service.stop
    health.add_check("database", lambda: database_problems(pool))
    health.add_check("topics", lambda: topic_problems(settings))
    try:
        repository = Repository(pool, settings.origin, settings.database_timeout_seconds)
        committed = asyncio.Event()
        policy = load_policy(settings.witness_policy)
        histories = Histories(
            HistoriesRepository(pool, settings.origin), f"{CHECKPOINTS}/0", settings.verifier_evidence
        )
        log_worker = LogWorker(settings, repository, health, log_key, committed, policy, histories)

        def key_sets() -> int:
            return len(log_worker.state.keys)

        async def shard(number: int) -> None:
            await first(log_worker.known, stop)
            if stop.is_set():
                return
            state = log_worker.state
            watch = KeyWatch(settings, log_key, history_of(state), state.next)
            await ShardWorker(settings, repository, health, number, watch, committed, key_sets).run(stop)

        stamps = TimestampsRepository(pool)
        loop = _Loop(settings, repository, health, stop)
        await loop.keep("start", lambda: repository.prepare(settings.partitions))
        health.forget("start")
        async with asyncio.TaskGroup() as group:
            group.create_task(loop.keep(LOG_PART, lambda: log_worker.run(stop)))
            group.create_task(loop.keep(ALERTS_PART, lambda: publish_findings(settings, repository, health, stop)))
            group.create_task(loop.keep(STAMPS_PART, lambda: keep_stamping(settings, stamps, health, stop)))
            for number in range(settings.partitions):
                group.create_task(loop.keep(f"shard-{number}", lambda n=number: shard(n)))  # type: ignore[misc]
    finally:
        await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)


class _Loop:
    """Runs a part again and again until stopped, and says on the health board what keeps it from going on."""

    def __init__(self, settings: WorkerSettings, repository: Repository, health: Health, stop: asyncio.Event) -> None:
        self._settings = settings
        self._repository = repository
        self._health = health
        self._stop = stop

    async def keep(self, part: str, run: Callable[[], Awaitable[None]]) -> None:
        while not self._stop.is_set():
            wait = self._settings.verifier_retry_seconds
            try:
                await run()
                return
            except Halted as error:
                metrics.HALTED.labels(part).set(1)
                self._health.problem(part, f"halted: {error}")
            except PositionGone as error:
                await self._say_gone(part, error)
            except PositionMoved as error:
                metrics.MOVED.inc()
                wait = MOVED_PAUSE_SECONDS
                log.warning("position_moved", part=part, problem=str(error))
            except AWAY as error:
                wait = MOVED_PAUSE_SECONDS
                self._health.problem(part, f"waiting: {error!r}")
                log.warning("waiting", part=part, error=repr(error))
            except asyncio.CancelledError:
                if asked_to_end():
                    raise
                log.warning("waiting", part=part, error="something that it waited for was cancelled")
            except Exception as error:
                # A fault of ours in one part must not take the others down; it is shown until a turn succeeds.
                self._health.problem(part, f"failed: {error!r}")
                log.exception("failed", part=part)
            self._health.progress(part)
            await pause(self._stop, wait)

    async def _say_gone(self, part: str, error: PositionGone) -> None:
        """Records that were there are not: the worst that can happen to a log, so it is a finding too."""
        finding = Finding(
            code="record_gone", place=part, expected="every record from the committed position on", got=str(error)
        )
        self._health.problem(part, f"records are gone: {error}")
        log.error("finding", code=finding.code, place=part, got=str(error))
        try:
            await self._repository.add_findings([finding])
        except BROKEN as refusal:
            log.warning("waiting", part=part, error=repr(refusal))


async def first(event: asyncio.Event, stop: asyncio.Event) -> None:
    """Wait for the first of the two."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(stop.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
