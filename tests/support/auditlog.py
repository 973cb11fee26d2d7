"""A small log of canonical events, as the normaliser would write it: for tests of what judge-audit makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from balance_chain.core.canonical import encode_event
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.settings import CommonSettings

T0 = 1_772_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


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

    def lose_one(self) -> None:
        """A number of the source's counter that never arrives."""
        self._sequence += 1

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
