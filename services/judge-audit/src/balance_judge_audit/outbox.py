"""Sends what was said: every revision to `integrity.alerts`, and as an `alert.raised` event through the
gateway.

At least once and in order: what was sent is taken out afterwards, so a crash in between sends the same
revision, with the same identity, again; readers drop it by (id, revision), the gateway by (source, id). Nothing
here holds up the stream.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx
import msgspec
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

from balance_judge_audit import metrics, repository, repository_life, rulebook
from balance_judge_audit.chainsubject import chain_subject
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.repository import Outgoing, Pool
from balance_judge_audit.repository_life import Waiting
from balance_judge_audit.ruleannouncer import RuleAnnouncer
from balance_judge_audit.settings import WorkerSettings

BATCH: Final = 200
IDLE_SECONDS: Final = 0.5
REFUSED_FROM, REFUSED_TO = 400, 500
# Not the alert's fault: wait and send it again.
TRY_AGAIN: Final = frozenset({401, 403, 404, 408, 415, 425, 429})
SEVERITIES: Final = {"L": "low", "M": "medium", "H": "high", "C": "critical"}
MEDIA_TYPE: Final = "application/cloudevents+json"

AWAY: Final[tuple[type[Exception], ...]] = (KafkaUnavailable, httpx.HTTPError, *BROKEN)

_log: Final = get_logger("balance_judge_audit.outbox")
_revision: Final = msgspec.json.Decoder(Revision)


async def drain(settings: WorkerSettings, pool: Pool, health: Health, stop: asyncio.Event) -> None:
    """All ways out, until stopped; each goes on by itself when what it needs is back."""
    sender = TopicSender(settings, pool)
    gateway = GatewaySender(settings, pool)
    rules = RuleAnnouncer(settings, pool, rulebook.fingerprints(settings.rules or data_dir("rules")))
    try:
        await asyncio.gather(
            _loop("alerts to topic", sender.step, settings, health, stop),
            _loop("alerts to gateway", gateway.step, settings, health, stop),
            _loop("rule changes to gateway", rules.step, settings, health, stop),
        )
    finally:
        await sender.close()
        await gateway.close()
        await rules.close()


async def _loop(
    part: str, step: Callable[[], Awaitable[int]], settings: WorkerSettings, health: Health, stop: asyncio.Event
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
        if not count:
            await pause(stop, IDLE_SECONDS)


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
            items = await repository.outgoing(connection, "topic", BATCH)
        if not items:
            return 0
        producer = await self._open()
        topic, limit = self._settings.topic(ALERTS), self._settings.kafka_timeout_seconds
        try:
            for item in items:
                sending = producer.send_and_wait(
                    topic,
                    item.value,
                    key=item.id.encode(),
                    partition=partition_for(item.id, self._settings.partitions),
                    headers=[(TRACEPARENT, item.traceparent.encode())] if item.traceparent else None,
                )
                await in_time(sending, limit, f"write to {ALERTS}")
        except KafkaUnavailable:
            await self.close()
            raise
        hit("audit-before-outbox-delete")
        async with self._pool.acquire() as connection:
            await repository.sent(connection, "topic", [item.number for item in items])
        return len(items)

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


class GatewaySender:
    """Sends revisions as events of our own source. Its counter moves only when a number was accepted, so it
    has no gap.
    """

    def __init__(self, settings: WorkerSettings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._client = httpx.AsyncClient(timeout=settings.gateway_timeout_seconds, trust_env=False)

    async def step(self) -> int:
        """Sends one revision; says how many were settled. One sender at a time, whatever number of workers
        there is.
        """
        token = self._settings.token()
        if token is None:
            return 0
        async with self._pool.acquire() as connection, connection.transaction():
            await repository.bound(connection, 2 * self._settings.gateway_timeout_seconds)
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", repository.GATEWAY_LOCK):
                return 0
            number = await repository.own_sequence(connection)
            # People wait for what they have done to be sealed; an alert that waits a moment longer harms nobody.
            action = await repository_life.next_action(connection)
            if action is not None:
                answer = await self._post({**action.event, "sequence": str(number)}, token, None)
                await self._settle_action(connection, action, number, answer)
                return 1
            items = await repository.outgoing(connection, "gateway", 1)
            if not items:
                return 0
            event = raised(items[0], self._settings.audit_source, number)
            answer = await self._post(event, token, items[0].traceparent)
            await self._settle(connection, items[0], number, answer)
        return 1

    async def _post(self, event: dict[str, Any], token: str, traceparent: str | None) -> httpx.Response:
        return await self._client.post(
            self._settings.gateway_url.rstrip("/") + "/v1/events",
            content=msgspec.json.encode(event),
            headers={
                "content-type": MEDIA_TYPE,
                "authorization": f"Bearer {token}",
                **({TRACEPARENT: traceparent} if traceparent else {}),
            },
        )

    async def _settle_action(self, connection: Any, action: Waiting, number: int, answer: httpx.Response) -> None:
        if answer.is_success or answer.status_code == httpx.codes.CONFLICT:
            receipt = answer.text if answer.is_success else None
            await repository_life.settle_action(connection, action.event_id, "sent", receipt)
            if answer.is_success:
                await repository.use_sequence(connection, number)
            return
        if _for_good(answer):
            metrics.REFUSED.inc()
            _log.error("act_refused_by_gateway", id=action.event_id, status=answer.status_code)
            await repository_life.settle_action(connection, action.event_id, "refused", answer.text[:2000])
            return
        answer.raise_for_status()

    async def _settle(self, connection: Any, item: Outgoing, number: int, answer: httpx.Response) -> None:
        if answer.is_success or answer.status_code == httpx.codes.CONFLICT:
            # 409: the gateway has this revision already, under the number that it had then.
            await repository.sent(connection, "gateway", [item.number])
            if answer.is_success:
                await repository.use_sequence(connection, number)
            return
        if _for_good(answer):
            metrics.REFUSED.inc()
            _log.error("refused_by_gateway", id=item.id, revision=item.revision, status=answer.status_code)
            await repository.note_undeliverable(connection, item, answer.status_code, answer.text)
            await repository.sent(connection, "gateway", [item.number])
            return
        answer.raise_for_status()

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.aclose()


def _for_good(answer: httpx.Response) -> bool:
    return REFUSED_FROM <= answer.status_code < REFUSED_TO and answer.status_code not in TRY_AGAIN


def raised(item: Outgoing, source: str, number: int) -> dict[str, Any]:
    """The event that says that an alert was raised or revised."""
    revision = _revision.decode(item.value)
    data: dict[str, Any] = {
        "alert_id": revision.id,
        "rule": revision.rule,
        "rule_version": revision.version,
        "severity": SEVERITIES[revision.severity],
        "subject": revision.subject,
        "revision": revision.revision,
        "state": revision.state,
        "at": revision.judged,
        "digest": hashlib.sha256(item.value).hexdigest(),
        "trigger": [trigger.leaf for trigger in revision.triggers],
    }
    return {
        "specversion": "1.0",
        "id": f"{revision.id}.{revision.revision}",
        "source": source,
        "type": "alert.raised",
        "subject": chain_subject(revision.subject, source),
        "time": revision.judged,
        "recordedtime": revision.judged,
        "sequence": str(number),
        "data": data,
    }
