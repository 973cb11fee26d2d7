"""The local stack: the first start makes the ledger, later ones find it, and it says what is in its way."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import httpx
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS, EVENTS
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from balance_local.children import Folder
from balance_local.servers import PortTaken
from balance_local.stack import Ports, Stack, StackError, StackOptions, begun, services
from support.ports import free_ports
from support.waiting import wait_until

SEALING = frozenset({"sealer", "notary"})


@pytest.fixture
def options(topics: CommonSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackOptions:
    """A stack on the servers of this run, as `BALANCE_KAFKA` and `BALANCE_DATABASE` name them."""
    monkeypatch.setenv("BALANCE_KAFKA", topics.kafka)
    monkeypatch.setenv("BALANCE_DATABASE", topics.database)
    return StackOptions(
        data=tmp_path / "data",
        partitions=topics.partitions,
        ports=Ports(*free_ports(8)),
        topic_prefix=topics.topic_prefix,
    )


async def test_the_first_start_makes_the_ledger_and_the_second_finds_it(options: StackOptions) -> None:
    registered: list[Path] = []
    async with Stack(options, register_sources=lambda settings: registered.append(settings.sources)) as stack:
        await stack.start(only=SEALING)
        assert stack.first_start
        assert set(stack.supervisor.pids()) == SEALING  # the servers are not ours
        key = stack.log_vkey.read_text()
        assert key.startswith(options.origin)
    async with Stack(options, register_sources=lambda settings: registered.append(settings.sources)) as stack:
        await stack.start(only=SEALING)
        assert not stack.first_start
        assert stack.log_vkey.read_text() == key
        assert KeyDirectory.load(stack.settings.keys).origin == options.origin
        stack.supervisor.signal("sealer", signal.SIGKILL)
        await wait_until(lambda: stack.supervisor.restarts("sealer") == 1, 30)
        await wait_until(lambda: not stack.supervisor.not_ready(), 30)
        async with httpx.AsyncClient(timeout=5) as client:
            assert (await client.get(f"http://127.0.0.1:{options.ports.sealer}/readyz")).status_code == 200
    assert registered == [options.data / "sources.yaml"] * 2
    with pytest.raises(StackError, match="holds the ledger"):
        async with Stack(StackOptions(options.data, origin="other.example/log", ports=options.ports)) as stack:
            await stack.start(only=SEALING)


async def test_a_port_in_use_is_named_before_anything_starts(options: StackOptions) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", options.ports.gateway))
        other.listen()
        async with Stack(options) as stack:
            with pytest.raises(PortTaken, match=f"port {options.ports.gateway} "):
                await stack.start()
            assert stack.supervisor.pids() == {}


def test_every_process_has_a_port_of_its_own_and_the_shared_settings(settings: CommonSettings, tmp_path: Path) -> None:
    started = services(settings, StackOptions(data=tmp_path), genesis=True)
    assert len({process.ready_url for process in started}) == len(started) == 8
    assert all(process.env["BALANCE_TOPIC_PREFIX"] == settings.topic_prefix for process in started)
    assert all(process.env["BALANCE_DATABASE"] == settings.database for process in started)


async def test_once_every_output_has_had_a_record_none_may_begin_anew(topics: CommonSettings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert not await begun(topics, folder)
    for topic in (EVENTS, BLOCKS):
        for shard in range(topics.partitions):
            writer = TailWriter(topics, topics.topic(topic), shard)
            await writer.open()
            await writer.append([OutRecord(None, b"{}")])
            await writer.close()
    assert await begun(topics, folder)
    emptied = topics.model_copy(update={"topic_prefix": "lost." + topics.topic_prefix})
    assert await begun(emptied, folder), "the mark stays when a topic is lost"
    started = services(emptied, StackOptions(data=tmp_path), genesis=not await begun(emptied, folder))
    assert {process.env["BALANCE_GENESIS"] for process in started} == {"0"}
