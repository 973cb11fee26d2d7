"""Shares out the partitions of a topic among the processes of a group, one task each.

Promise: membership only. Nothing is fetched through the group and its committed offsets are for display; a task that
goes on after its partition was given away does no harm (the tail writer sees to that), so every wait here is bounded.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from balance_chain.core.errors import BalanceError
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import asked_to_end, in_time
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.service import pause
from balance_chain.runtime.settings import CommonSettings

POLL_SECONDS = 0.5
COMMIT_SECONDS = 5.0
HEARTBEATS_A_SESSION = 5
RELEASE_SECONDS = 5.0
BACKOFF_FIRST_SECONDS = 0.2
BACKOFF_LAST_SECONDS = 15.0
# A task that ran so long before it failed starts the backoff anew.
STEADY_SECONDS = 60.0

RESTARTS = Counter("balance_shard_restarts_total", "Failures of a shard's task", ["group", "shard"])
OWNED = Gauge("balance_shards_owned", "Shards that this process works on", ["group"])

_log = get_logger("balance_chain.shards")


class ShardRunner(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs `work(shard)` for each partition of `topic` that the group gives this process."""

    def __init__(
        self,
        settings: CommonSettings,
        group: str,
        topic: str,
        work: Callable[[int], Awaitable[None]],
        health: Health,
    ) -> None:
        self._settings = settings
        self._group = settings.topic_prefix + group
        self._topic = topic
        self._work = work
        self._health = health
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._positions: dict[int, int] = {}

    def report(self, shard: int, position: int) -> None:
        """The shard's next input offset, for lag displays; also says that the shard is well."""
        self._positions[shard] = position
        self._health.progress(self._part(shard))
        self._health.problem(self._part(shard), None)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`: stays in the group, comes back when Kafka does, then leaves with every task ended."""
        delay = BACKOFF_FIRST_SECONDS
        self._health.problem("group", f"{self._group}: not yet joined")
        while not stop.is_set():
            started = time.monotonic()
            try:
                await self._member(stop)
            except (KafkaError, BalanceError, OSError, TimeoutError) as error:
                self._health.problem("group", f"{self._group}: {error!r}")
                _log.warning("group_lost", group=self._group, error=repr(error))
                if time.monotonic() - started > STEADY_SECONDS:
                    delay = BACKOFF_FIRST_SECONDS
                await pause(stop, delay * random.uniform(0.5, 1.5))  # noqa: S311
                delay = min(delay * 2, BACKOFF_LAST_SECONDS)

    async def _member(self, stop: asyncio.Event) -> None:
        session = self._settings.group_session_seconds
        # Joining is one request that the broker answers when the old session of a dead member has ended.
        join = session + self._settings.kafka_timeout_seconds
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=int(session * 1000),
            heartbeat_interval_ms=int(session * 1000 / HEARTBEATS_A_SESSION),
            rebalance_timeout_ms=int(max(session, 2 * RELEASE_SECONDS) * 1000),
            request_timeout_ms=int(join * 1000),
        )
        self._consumer = consumer
        try:
            consumer.subscribe([self._topic], listener=self)
            await in_time(consumer.start(), join + self._settings.kafka_timeout_seconds, "join group")
            self._health.problem("group", None)
            committed_at = time.monotonic()
            while not stop.is_set():
                # Everything is paused: this only shows the coordinator that we are alive.
                await in_time(consumer.getmany(timeout_ms=0), join, "stay in the group")
                self._health.progress("group")
                if time.monotonic() - committed_at > COMMIT_SECONDS:
                    committed_at = time.monotonic()
                    await self._commit(consumer)
                await pause(stop, POLL_SECONDS)
            await self._release(list(self._tasks))
        finally:
            await self._release(list(self._tasks))
            self._health.forget("group")
            try:
                await asyncio.wait_for(consumer.stop(), RELEASE_SECONDS)
            except (TimeoutError, KafkaError, OSError):
                await consumer._client.close()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._release([tp.partition for tp in revoked])

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        # A position of any kind keeps the consumer from asking for one; paused, it fetches nothing.
        for tp in assigned:
            self._consumer.seek(tp, 0)
        self._consumer.pause(*assigned)
        for tp in assigned:
            if tp.partition not in self._tasks:
                self._tasks[tp.partition] = asyncio.create_task(
                    self._keep(tp.partition), name=f"{self._group}-{tp.partition}"
                )
        OWNED.labels(self._group).set(len(self._tasks))
        _log.info("shards_assigned", group=self._group, shards=sorted(self._tasks))

    async def _release(self, shards: list[int]) -> None:
        tasks = [self._tasks.pop(shard) for shard in shards if shard in self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            _, hanging = await asyncio.wait(tasks, timeout=RELEASE_SECONDS)
            for task in hanging:
                _log.warning("shard_not_ended", task=task.get_name(), seconds=RELEASE_SECONDS)
            await self._commit(self._consumer)
        for shard in shards:
            self._positions.pop(shard, None)
            self._health.forget(self._part(shard))
        OWNED.labels(self._group).set(len(self._tasks))

    async def _keep(self, shard: int) -> None:
        """Runs the shard's work for ever; a failure is shown, waited out and tried again."""
        delay = BACKOFF_FIRST_SECONDS
        self._health.problem(self._part(shard), "not yet opened")
        while True:
            started = time.monotonic()
            self._health.progress(self._part(shard))
            try:
                await self._work(shard)
                problem = "work ended by itself"
            except asyncio.CancelledError:
                if asked_to_end():
                    raise
                problem = "something that it waited for was cancelled"
                _log.warning("shard_failed", group=self._group, shard=shard, problem=problem)
            except Exception as error:  # whatever it is, the other shards go on and this one is shown
                problem = f"{type(error).__name__}: {error}"
                _log.warning("shard_failed", group=self._group, shard=shard, problem=problem)
            RESTARTS.labels(self._group, str(shard)).inc()
            self._health.problem(self._part(shard), problem)
            if time.monotonic() - started > STEADY_SECONDS:
                delay = BACKOFF_FIRST_SECONDS
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311
            delay = min(delay * 2, BACKOFF_LAST_SECONDS)

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        offsets = {TopicPartition(self._topic, shard): position for shard, position in self._positions.items()}
        if not offsets:
            return
        try:
            await asyncio.wait_for(consumer.commit(offsets), self._settings.kafka_timeout_seconds)
        except (KafkaError, OSError, TimeoutError) as error:
            _log.info("lag_not_shown", group=self._group, error=repr(error))

    def _part(self, shard: int) -> str:
        return f"shard {shard}"
