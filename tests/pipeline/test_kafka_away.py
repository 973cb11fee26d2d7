"""Kafka dies and comes back: sealer and notary wait, say so, and go on by themselves with nothing lost or doubled."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.settings import CommonSettings
from balance_local import jars
from balance_local.children import Child, Folder
from balance_local.kafka import Kafka
from support.ledger import put_events, read_log, read_shard
from support.ports import free_ports
from support.processes import Processes
from support.servers import JARS
from support.waiting import wait_until

EVENTS = 200
FAST = {
    "max_events": 16,
    "max_wait_ms": 50,
    "genesis": True,
    "group_session_seconds": 2,
    "kafka_timeout_seconds": 3,
    "checkpoint_interval_ms": 50,
}


class Broker:
    """A broker of this test alone, so that it may die."""

    def __init__(self, folder: Path) -> None:
        self._folder = Folder(folder)
        self._folder.create()
        port, controller_port = free_ports(2)
        self._kafka = Kafka(folder / "kafka", jars.fetch(JARS), port, controller_port)
        self._kafka.prepare()
        self.bootstrap = self._kafka.bootstrap
        self._child: Child | None = None

    async def start(self) -> None:
        process = self._kafka.process()
        assert process.ready is not None
        self._child = Child(process, self._folder)
        await wait_until(process.ready, 60, "the broker answers")

    def kill(self) -> None:
        assert self._child is not None
        self._child.signal(signal.SIGKILL)
        self._child.popen.wait(10)


@pytest.fixture
async def broker(short_folder: Path) -> AsyncIterator[Broker]:
    own = Broker(short_folder)
    await own.start()
    yield own
    own.kill()


@pytest.fixture
def kafka(broker: Broker) -> str:
    return broker.bootstrap


async def test_sealer_and_notary_go_on_by_themselves_when_kafka_is_back(
    topics: CommonSettings, keys: KeyDirectory, processes: Processes, broker: Broker
) -> None:
    (port,) = free_ports(1)
    await processes.run("balance-sealer", "genesis", settings=topics)
    await put_events(topics, 0, EVENTS)
    sealer = processes.start("balance-sealer", "sealer", settings=topics, env={**FAST, "health_port": port})
    notary = processes.start("balance-sealer", "notary", settings=topics, env=FAST)

    async def covered(events: int) -> bool:
        shard = await read_shard(topics, keys, 0)
        log = await read_log(topics, keys)
        return shard.sealed == events and log.heights[0] == shard.headers[-1].height

    async def ready() -> int:
        async with httpx.AsyncClient(timeout=20, trust_env=False) as http:
            return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code

    async def answers(status: int) -> bool:
        return await ready() == status

    await wait_until(lambda: covered(EVENTS), 40, "sealed before")
    broker.kill()
    await wait_until(lambda: answers(503), 40, "the sealer says that Kafka is away")
    assert sealer.alive
    assert notary.alive
    await broker.start()
    await put_events(topics, 0, EVENTS, start=EVENTS)
    await wait_until(lambda: covered(2 * EVENTS), 60, "sealed after")
    await wait_until(lambda: answers(200), 40, "the sealer is ready again")
