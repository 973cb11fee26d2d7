"""Kafka and PostgreSQL die under load: everything waits, says so, and goes on by itself, and nothing is lost."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from balance_chain.simulator import Event, generate
from balance_local import jars
from balance_local.children import Child, Folder, Process
from balance_local.kafka import Kafka
from balance_local.postgres import Postgres
from support.ports import free_ports
from support.servers import JARS
from support.waiting import wait_until
from support.wholestack import CHUNK_CASES, SOURCES, Whole, whole_stack

WITH = frozenset({"gateway", "normaliser", "sealer", "notary", "verifier", "verifier-api"})
IMPATIENT = {"BALANCE_KAFKA_TIMEOUT_SECONDS": "4", "BALANCE_DATABASE_TIMEOUT_SECONDS": "4"}
SEED = 31
MOST_CASES = 800
PAUSE_SECONDS = 0.2


class Server:
    """A server of this test alone, so that it may die."""

    def __init__(self, address: str, process: Process, folder: Folder) -> None:
        self.address = address
        self._process = process
        self._folder = folder
        self._child: Child | None = None

    async def start(self) -> None:
        assert self._process.ready is not None
        self._child = Child(self._process, self._folder)
        await wait_until(self._process.ready, 90, f"{self._process.name} answers")

    def kill(self) -> None:
        if self._child is not None:
            self._child.signal(signal.SIGKILL)
            self._child.popen.wait(10)


@pytest.fixture
async def servers(short_folder: Path) -> AsyncIterator[dict[str, Server]]:
    """A Kafka and a PostgreSQL."""
    folder = Folder(short_folder)
    folder.create()
    broker = Kafka(short_folder / "kafka", jars.fetch(JARS), *free_ports(2))
    database = Postgres(short_folder / "postgres")
    broker.prepare()
    database.prepare()
    started = {
        "kafka": Server(broker.bootstrap, broker.process(), folder),
        "postgres": Server(database.dsn(), database.process(), folder),
    }
    await asyncio.gather(*(each.start() for each in started.values()))
    yield started
    for each in started.values():
        each.kill()


def cases(first: int, last: int) -> list[Event]:
    """What the HTTP sources send of these cases: a Kafka source cannot wait for its broker."""
    known = {event["id"] for event in generate(first, SEED).events}
    new = [event for event in generate(last, SEED).events if event["id"] not in known]
    return [event for event in new if SOURCES[event["source"]].transport == "http"]


async def stream(whole: Whole, stop: asyncio.Event) -> None:
    for number in range(0, MOST_CASES, CHUNK_CASES):
        await whole.publish(cases(number, number + CHUNK_CASES))
        try:
            await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)
        except TimeoutError:
            continue
        return


async def problems(url: str) -> list[str]:
    """What a process says of its readiness."""
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        answer = await client.get(url + "/readyz")
    found: list[str] = answer.json()["problems"]
    assert (answer.status_code == 503) == bool(found)
    return found


async def test_servers_die_under_load_and_everything_goes_on_by_itself(servers: dict[str, Server]) -> None:
    async with whole_stack(
        servers["kafka"].address, servers["postgres"].address, WITH, IMPATIENT, partitions=2
    ) as whole:
        ports, supervisor = whole.stack.options.ports, whole.stack.supervisor
        urls = {
            name: f"http://127.0.0.1:{getattr(ports, name)}"
            for name in ("gateway", "normaliser", "sealer", "notary", "verifier")
        }
        users = {"kafka": set(urls), "postgres": set(urls) - {"sealer"}}
        stop = asyncio.Event()
        streaming = asyncio.create_task(stream(whole, stop))
        try:
            for name, server in servers.items():
                before = len(whole.published)
                await wait_until(lambda n=before: len(whole.published) > n or streaming.done(), 60, "stream flows")
                server.kill()
                for user in users[name]:
                    url = urls[user]
                    told = await wait_until(lambda url=url: problems(url), 60, f"{user} says that {name} is away")
                    assert all(told)
                await server.start()
                for user, url in urls.items():
                    await wait_until(lambda url=url: ready(url), 90, f"{user} is ready again after {name} died")
                assert not streaming.done()
        finally:
            stop.set()
        await streaming
        await whole.sealed()
        status = await whole.verified()
        assert set(status["findings"]["by_code"]) <= {"event_not_counting", "block_not_counting"}
        written = await whole.read()
        places = written.places()
        assert {event: len(places[event]) for event in whole.published} == dict.fromkeys(whole.published, 1)
        assert {name: supervisor.restarts(name) for name in WITH} == dict.fromkeys(WITH, 0)


async def ready(url: str) -> bool:
    return await problems(url) == []
