"""`balance-chain` against a running gateway: dockets and files are accepted once, a second time adds nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from balance_chain.cli.main import run
from balance_chain.cli.publishing import publish_kafka
from balance_chain.cli.recap import docket_files, load_dockets
from balance_chain.core.canonical import encode_event
from balance_chain.core.rawrecord import read_headers, verify_raw
from balance_chain.core.topics import EVENTS, RAW
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from support.intake import (
    HTTP_SOURCE,
    HTTP_TOKEN,
    KAFKA_PUBLIC,
    KAFKA_SEED,
    KAFKA_SOURCE,
    an_event,
    read_events,
    shard_of,
    write_sources,
)
from support.needs import DOCKETS, needs_dockets
from support.ports import free_ports
from support.processes import Processes
from support.waiting import wait_until


@pytest.fixture
async def gateway(topics: CommonSettings, processes: Processes) -> str:
    """Address of a running gateway."""
    write_sources(topics.sources)
    (port,) = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    process = processes.start(
        "balance-intake", "gateway", settings=topics, ready_url=f"{base}/readyz", env={"port": port}
    )
    await process.ready()
    return base


async def called(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """The command's exit code and what it told machines."""
    code = await asyncio.to_thread(run, [*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


async def test_publishing_a_file_twice_adds_nothing(
    gateway: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "events.ndjson"
    events = [an_event(1), an_event(2), an_event(3, type="no.such")]
    file.write_text("\n".join(json.dumps(event) for event in events))
    arguments = ["publish", str(file), "--url", gateway, "--token", HTTP_TOKEN]
    code, told = await called(arguments, capsys)
    assert (code, told["accepted"], told["duplicates"]) == (1, 2, 0)
    assert [(each["id"], each["reason"]) for each in told["rejected"]] == [("e-3", "type_unknown")]
    code, told = await called(arguments, capsys)
    assert (told["accepted"], told["duplicates"]) == (0, 2)


async def test_a_wrong_token_is_refused_in_one_line(
    gateway: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(an_event(1)))
    assert await asyncio.to_thread(run, ["publish", str(file), "--url", gateway, "--token", "wrong"]) == 1
    assert "401" in capsys.readouterr().err


@needs_dockets
async def test_the_real_dockets_are_accepted_once_and_reach_the_ledger_without_a_clear_name(
    gateway: str, topics: CommonSettings, processes: Processes, capsys: pytest.CaptureFixture[str]
) -> None:
    (port,) = free_ports(1)
    env = {"health_port": port, "tick_after_seconds": 3600}
    processes.start("balance-intake", "normaliser", "--genesis", settings=topics, env=env)
    arguments = ["import", "recap", str(DOCKETS), "--url", gateway, "--token", HTTP_TOKEN, "--source", HTTP_SOURCE]
    code, first = await called(arguments, capsys)
    assert (code, first["rejected"], first["refused_files"]) == (0, [], [])
    assert first["accepted"] == first["events"]
    code, second = await called(arguments, capsys)
    assert (code, second["accepted"], second["duplicates"]) == (0, 0, first["events"])

    async def written() -> bool:
        ends = 0
        for shard in range(topics.partitions):
            async with PartitionReader(topics, topics.topic(EVENTS), shard) as reader:
                ends += await reader.end_offset()
        return ends >= first["events"]

    await wait_until(written, 120.0, "every event is written")
    found = [event for shard in range(topics.partitions) for event in await read_events(topics, shard)]
    events = [event for event in found if not event.is_tick]
    assert {event.type for event in events} == set(first["types"])
    assert len({event.id for event in events}) == len(events) == first["events"]
    dockets, _ = load_dockets(docket_files([DOCKETS]))
    people = {party.name for docket in dockets for party in docket.parties} | {each.assigned_to for each in dockets}
    full = {" ".join(name.lower().split()) for name in people if len(name) >= 8 and len(name.split()) >= 2}
    ledger = "\n".join(encode_event(event).decode().lower() for event in events)
    assert [name for name in full if name in ledger] == []


async def test_a_kafka_source_signs_its_events_straight_onto_raw(topics: CommonSettings) -> None:
    events = [an_event(number, KAFKA_SOURCE) for number in range(1, 4)]
    report = await publish_kafka(events, topics, {KAFKA_SOURCE: (KAFKA_SEED, KAFKA_PUBLIC)})
    assert report.accepted == 3
    async with PartitionReader(topics, topics.topic(RAW), shard_of(topics)) as reader:
        records = [record for _ in range(3) for record in await reader.read(1, 5.0)]
    assert [json.loads(record.value) for record in records] == events
    for record in records:
        headers = read_headers(record.headers)
        assert headers.source == KAFKA_SOURCE.encode()
        assert headers.authenticator is not None
        assert verify_raw(record.value, headers.authenticator, KAFKA_PUBLIC)
