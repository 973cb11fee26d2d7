"""A steady load, and the list of what was acknowledged: case after case, each source in its own order, over HTTP or
signed onto Kafka. An event counts as acknowledged when the gateway gave its receipt or the broker its word; one that
failed is sent again until it is.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from balance_chain.cli.publishing import Event, PublishReport, PublishUnavailable, publish_http, publish_kafka
from balance_chain.core.errors import BalanceError
from balance_chain.runtime.settings import CommonSettings
from balance_chain.simulator import generate
from support.wholestack import SOURCES, Name

ATTEMPTS = 6
PAUSE_SECONDS = 0.25
AGAIN_SECONDS = 0.5
DRAIN_SECONDS = 150.0


@dataclass(frozen=True)
class Promise:
    """A receipt's word, and the round in which it was given."""

    name: Name
    by: str
    round: int


@dataclass
class Load:
    """Publishes until closed; `pause` waits until nothing is on its way, `resume` goes on."""

    settings: CommonSettings
    gateway: str
    seed: int
    pause_seconds: float = PAUSE_SECONDS
    acknowledged: dict[Name, Event] = field(default_factory=dict)
    attempted: set[Name] = field(default_factory=set)
    promises: list[Promise] = field(default_factory=list)
    failures: int = 0
    """Calls that had to be made again."""
    over_kafka: int = 0
    round: int = 0
    clock_rounds: set[int] = field(default_factory=set)
    """Rounds in which a clock that receipts or blocks are made with was stepped."""
    _cases: int = 0
    _go: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())
        self._idle.set()

    def resume(self) -> None:
        self._idle.clear()
        self._go.set()

    async def pause(self) -> None:
        self._go.clear()
        assert self._task is not None
        if self._task.done():
            self._task.result()
        await asyncio.wait_for(self._idle.wait(), DRAIN_SECONDS)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            if not self._go.is_set():
                self._idle.set()
            await self._go.wait()
            self._cases += 1
            events = [
                e for e in generate(self._cases, self.seed).events if (e["source"], e["id"]) not in self.attempted
            ]
            by_source: dict[str, list[Event]] = defaultdict(list)
            for event in events:
                by_source[event["source"]].append(event)
                self.attempted.add((event["source"], event["id"]))
            await asyncio.gather(*(self._send(uri, sent) for uri, sent in by_source.items()))
            await asyncio.sleep(self.pause_seconds)

    async def _send(self, uri: str, events: list[Event]) -> None:
        while True:
            try:
                report = await self._publish(uri, events)
            except (PublishUnavailable, BalanceError):
                self.failures += 1
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            assert report.rejected == [], report.rejected[:3]
            for event in events:
                self.acknowledged[event["source"], event["id"]] = event
            for receipt in report.receipts:
                told: dict[str, Any] = json.loads(receipt)
                self.promises.append(Promise((told["source"], told["id"]), told["by"], self.round))
            return

    async def _publish(self, uri: str, events: list[Event]) -> PublishReport:
        source = SOURCES[uri]
        if source.transport == "http":
            return await publish_http(events, self.gateway, source.token, attempts=ATTEMPTS)
        assert source.private_seed is not None
        assert source.public_key is not None
        report = await publish_kafka(events, self.settings, {uri: (source.private_seed, source.public_key)})
        self.over_kafka += len(events)
        return report
