"""Sends what was said: every revision to `integrity.alerts`, and as an `alert.raised` event through the
gateway.

At least once and in order: what was sent is taken out afterwards, so a crash in between sends the same
revision, with the same identity, again; readers drop it by (id, revision). Nothing here holds up the stream.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import httpx
from aiokafka import AIOKafkaProducer
from balance_chain.core.data import data_dir
from balance_chain.core.partition import partition_for
from balance_chain.core.topics import ALERTS
from balance_chain.runtime.db import BROKEN
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import KafkaUnavailable, end_producer, in_time
from balance_chain.runtime.killpoints import hit
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.service import pause
from balance_chain.runtime.telemetry import TRACEPARENT

from balance_judge_audit import metrics, repository, rulebook
from balance_judge_audit.errors import GatewayUnclear, NotTaken
from balance_judge_audit.gatewaysender import GatewaySender, pace
from balance_judge_audit.repository import Outgoing, Pool
from balance_judge_audit.ruleannouncer import RuleAnnouncer
from balance_judge_audit.settings import WorkerSettings

BATCH: Final = 200
IDLE_SECONDS: Final = 0.5

AWAY: Final[tuple[type[Exception], ...]] = (
    KafkaUnavailable,
    httpx.HTTPError,
    GatewayUnclear,
    NotTaken,
    *BROKEN,
)

_log: Final = get_logger("balance_judge_audit.outbox")


async def drain(settings: WorkerSettings, pool: Pool, health: Health, stop: asyncio.Event) -> None:
    """All ways out, until stopped; each goes on by itself when what it needs is back."""
    sender = TopicSender(settings, pool)
    gateway = GatewaySender(settings, pool)
    rules = RuleAnnouncer(settings, pool, rulebook.fingerprints(settings.rules or data_dir("rules")))
    try:
        await asyncio.gather(
            _loop("alerts to topic", sender.step, settings, health, stop),
            _loop("events to gateway", gateway.step, settings, health, stop, pace),
            _loop("rule changes", rules.step, settings, health, stop),
        )
    finally:
        await sender.close()
        await gateway.close()


def _at_once(_: int) -> float:
    return 0.0


async def _loop(
    part: str,
    step: Callable[[], Awaitable[int]],
    settings: WorkerSettings,
    health: Health,
    stop: asyncio.Event,
    after: Callable[[int], float] = _at_once,
) -> None:
    wait = settings.audit_retry_seconds
    while not stop.is_set():
        try:
            count = await step()
            wait = settings.audit_retry_seconds
            health.problem(part, None)
        except AWAY as error:
            _log.warning("not_sent", part=part, error=repr(error))
            health.problem(part, f"cannot send: {type(error).__name__}" if part.endswith("topic") else None)
            await pause(stop, wait)
            wait = min(wait * 2, 30.0)
            continue
        health.progress(part)
        rest = after(count) if count else IDLE_SECONDS
        if rest:
            await pause(stop, rest)


class TopicSender:
    """Writes revisions to the topic, keyed by the alert's id."""

    def __init__(self, settings: WorkerSettings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._producer: AIOKafkaProducer | None = None

    async def step(self) -> int:
        """Sends one batch; says how many."""
        async with self._pool.acquire() as connection:
            for channel, waiting in (await repository.outbox_size(connection)).items():
                metrics.OUTBOX.labels(channel).set(waiting)
            items = await repository.outgoing(connection, BATCH)
        if not items:
            return 0
        producer = await self._open()
        try:
            await in_time(self._write(producer, items), self._settings.kafka_timeout_seconds, f"write to {ALERTS}")
        except KafkaUnavailable:
            await self.close()
            raise
        hit("audit-before-outbox-delete")
        async with self._pool.acquire() as connection:
            await repository.sent(connection, [item.number for item in items])
        return len(items)

    async def _write(self, producer: AIOKafkaProducer, items: Sequence[Outgoing]) -> None:
        """All at once, each of them acknowledged; an alert's revisions go to one partition and keep their order."""
        topic = self._settings.topic(ALERTS)
        sending = [
            await producer.send(
                topic,
                item.value,
                key=item.id.encode(),
                partition=partition_for(item.id, self._settings.partitions),
                headers=[(TRACEPARENT, item.traceparent.encode())] if item.traceparent else None,
            )
            for item in items
        ]
        await asyncio.gather(*sending)

    async def close(self) -> None:
        """Ends the producer; the next step makes a new one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await end_producer(producer)

    async def _open(self) -> AIOKafkaProducer:
        if self._producer is None:
            limit = self._settings.kafka_timeout_seconds
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka,
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                request_timeout_ms=int(limit * 1000),
            )
            await in_time(producer.start(), limit, "connect producer")
            self._producer = producer
        return self._producer
