"""The judge-audit worker on a real broker and a real database: every event applied once, whatever dies and whenever."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from balance_chain.core.canonical import encode_event
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms
from balance_chain.core.topics import ALERTS, EVENTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from support.processes import Processes, Running
from support.waiting import wait_until

T0 = 1_772_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
SECONDS = 40.0
TABLES = ("case_state", "source_state", "held", "alert_revision")


class Log:
    """Writes canonical events to the shards, as the normaliser would."""

    def __init__(self, settings: CommonSettings) -> None:
        self._settings = settings
        self._positions = [0] * settings.partitions
        self._sequence = 0
        self.now = T0

    def event(
        self, shard: int, kind: str, data: dict[str, Any], *, case: int | None = 1, ago: int = 0, counted: bool = True
    ) -> tuple[int, bytes]:
        self.now += 1
        self._sequence += counted
        caseid = None if case is None else f"（2026）京0491民初{case * 10 + shard + 1}号"
        made = CanonicalEvent(
            specversion="1.0",
            id=f"e{shard}-{self._positions[shard]}",
            source="urn:balance:test:case-system",
            type=kind,
            time=format_ms(self.now - ago),
            recordedtime=format_ms(self.now - ago),
            receivedtime=format_ms(self.now),
            sequence=str(self._sequence) if counted else None,
            phase="test",
            rawgen=0,
            rawpos=self._positions[shard],
            subject=caseid,
            caseid=caseid,
            courtcode=None if case is None else "京0491",
            data=data,
        )
        self._positions[shard] += 1
        return shard, encode_event(made)

    def reassigned(self, shard: int, case: int) -> list[tuple[int, bytes]]:
        return [self.event(shard, "judge.reassigned", {"reason": "other"}, case=case) for _ in range(2)]

    def later(self, span: int) -> list[tuple[int, bytes]]:
        self.now += span
        return [
            self.event(shard, "ledger.tick", {}, case=None, counted=False) for shard in range(self._settings.partitions)
        ]

    async def write(self, records: Iterable[tuple[int, bytes]]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._settings.kafka, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            topic = self._settings.topic(EVENTS)
            for waiting in [await producer.send(topic, value, partition=shard) for shard, value in records]:
                await waiting
        finally:
            await producer.stop()

    def applied(self) -> list[int]:
        return list(self._positions)


@pytest.fixture
async def log(topics: CommonSettings) -> Log:
    return Log(topics)


@pytest.fixture
async def pool(topics: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "audit"}) as pool:
        yield pool


def start(processes: Processes, settings: CommonSettings, name: str = "worker", **env: object) -> Running:
    more: dict[str, object] = {"health_port": 0, "grace_seconds": 60, "lateness_seconds": 60, **env}
    return processes.start("balance-judge-audit", "worker", settings=settings, name=name, env=more)


async def applied(pool: asyncpg.Pool, log: Log, more: int = 0) -> bool:
    rows = await pool.fetch("SELECT applied FROM shard ORDER BY shard")
    return [row[0] for row in rows] == [position + more for position in log.applied()]


async def alerts(pool: asyncpg.Pool) -> list[tuple[str, str, str, int]]:
    rows = await pool.fetch("SELECT rule, subject, state, revision FROM alert ORDER BY rule, subject")
    return [tuple(row) for row in rows]


async def on_topic(settings: CommonSettings) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for partition in range(settings.partitions):
        async with PartitionReader(settings, settings.topic(ALERTS), partition) as reader:
            position, end = 0, await reader.end_offset()
            while position < end:
                for record in await reader.read(100, 1):
                    found.append(json.loads(record.value))
                    position = record.offset + 1
    return found


async def state(pool: asyncpg.Pool) -> dict[str, list[tuple[Any, ...]]]:
    columns = {"alert_revision": "id, revision, body::text"}
    return {
        table: sorted(tuple(row) for row in await pool.fetch(f"SELECT {columns.get(table, '*')} FROM {table}"))
        for table in TABLES
    }


async def test_a_breach_in_the_stream_becomes_an_alert_in_the_database_and_on_the_topic(
    log: Log, pool: asyncpg.Pool, processes: Processes, topics: CommonSettings
) -> None:
    await log.write([*log.reassigned(0, 1), log.event(1, "case.submitted", {}, case=2, ago=30 * DAY), *log.later(HOUR)])
    worker = start(processes, topics)
    await wait_until(lambda: applied(pool, log), SECONDS)
    found = await alerts(pool)
    assert [(rule, state) for rule, _, state, _ in found] == [("R01", "open"), ("R20", "open")]
    sent = await wait_until(lambda: on_topic(topics), SECONDS)
    await wait_until(lambda: pool.fetchval("SELECT count(*) = 0 FROM outbox WHERE channel = 'topic'"), SECONDS)
    sent = await on_topic(topics)
    assert {(each["rule"], each["subject"]) for each in sent} == {(rule, subject) for rule, subject, _, _ in found}
    worker.terminate()
    assert await worker.ended() == 0
