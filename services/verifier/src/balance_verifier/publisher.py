"""Writes each finding to `integrity.alerts`, at least once, under one id, and marks it once Kafka has it."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaProducer
from balance_chain.core.partition import partition_for
from balance_chain.core.topics import ALERTS
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import end_producer, in_time
from balance_chain.runtime.service import pause

from balance_verifier import metrics
from balance_verifier.findings import alert_record
from balance_verifier.repository import Repository
from balance_verifier.settings import WorkerSettings

PART = "alerts"
BATCH = 100


async def publish_findings(
    settings: WorkerSettings, repository: Repository, health: Health, stop: asyncio.Event
) -> None:
    """Publish what is unpublished, and look again, until `stop`."""
    limit = settings.kafka_timeout_seconds
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka, acks="all", enable_idempotence=True, request_timeout_ms=int(limit * 1000)
    )
    await in_time(producer.start(), limit, "connect producer")
    try:
        while True:
            waiting = await repository.unpublished(BATCH)
            metrics.UNPUBLISHED.set(len(waiting))
            for stored in waiting:
                await _send(settings, producer, stored.id, alert_record(stored.finding, settings.origin, stored.found))
            if waiting:
                await repository.mark_published([stored.id for stored in waiting])
            health.progress(PART)
            health.problem(PART, None)
            if len(waiting) < BATCH and await pause(stop, settings.verifier_poll_seconds):
                return
    finally:
        await end_producer(producer)


async def _send(settings: WorkerSettings, producer: AIOKafkaProducer, key: str, value: bytes) -> None:
    partition = partition_for(key, settings.partitions)
    sending = producer.send_and_wait(settings.topic(ALERTS), value, key=key.encode(), partition=partition)
    await in_time(sending, settings.kafka_timeout_seconds, f"write to {ALERTS}")
