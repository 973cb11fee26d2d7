"""The whole product inside a test: its own topics, database, ports and folder on the Kafka and PostgreSQL of the run.

`whole_stack` starts it, `Whole` publishes to it as the simulator's sources would, waits for it, and reads what it left
behind: the topics by the independent reader, the verifier's rows, the alerts.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from balance_chain.cli.publishing import Event, PublishReport, publish_http, publish_kafka
from balance_chain.core.topics import SPECS
from balance_chain.simulator import registrations
from balance_local.demosources import register_demo_sources
from balance_local.sealed import SealedScan
from balance_local.stack import Ports, Stack, StackOptions, services
from independent import reader
from support.ports import free_ports
from support.waiting import wait_until

SECONDS = 20.0
PATIENCE_SECONDS = 120.0
ATTEMPTS = 60
"""Tries of one batch: a publisher waits out any restart."""
CHUNK_CASES = 4
SOURCES = {each.uri: each for each in registrations()}

Name = tuple[str, str]
"""Source and id of an event."""


@dataclass
class Written:
    """The ledger as its topics hold it, read and judged by the independent reader."""

    found: reader.Findings
    events: list[list[dict[str, Any]]]
    """The counting events of each shard, with their offset as `offset` and their leaf hash as `leaf`."""
    lengths: list[int]
    blocks: list[list[dict[str, Any]]]
    """The headers of each shard's counting blocks, with the entry's hash as `entry`."""

    def places(self) -> dict[Name, list[tuple[int, int]]]:
        """Shard and offset of every counting event, by name."""
        places: dict[Name, list[tuple[int, int]]] = defaultdict(list)
        for shard, events in enumerate(self.events):
            for event in events:
                places[event["source"], event["id"]].append((shard, event["offset"]))
        return places

    def block_time(self, shard: int, offset: int) -> str | None:
        """The time of the counting block that holds this record."""
        for block in self.blocks[shard]:
            if block["from"] <= offset < block["from"] + block["count"]:
                return str(block["time"])
        return None


@dataclass
class Whole:
    """A running stack and what was published to it."""

    stack: Stack
    scan: SealedScan
    published: dict[Name, Event] = field(default_factory=dict)
    receipts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def database(self) -> str:
        return self.stack.settings.database

    async def publish(self, events: Iterable[Event]) -> PublishReport:
        """Send events as their sources would, each source in order, the sources beside each other."""
        by_source: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            by_source[event["source"]].append(event)
        report = PublishReport()
        for each in await asyncio.gather(*(self._publish_one(uri, sent) for uri, sent in by_source.items())):
            report.add(each)
        assert report.rejected == [], report.rejected[:3]
        self.published |= {(e["source"], e["id"]): e for sent in by_source.values() for e in sent}
        self.receipts += [json.loads(each) for each in report.receipts]
        return report

    async def _publish_one(self, uri: str, events: list[Event]) -> PublishReport:
        source = SOURCES[uri]
        if source.transport == "kafka":
            assert source.private_seed is not None
            assert source.public_key is not None
            return await publish_kafka(events, self.stack.settings, {uri: (source.private_seed, source.public_key)})
        return await publish_http(events, self.stack.urls.gateway, source.token, attempts=ATTEMPTS)

    async def sealed(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Until every published event is in a counting block."""

        async def done() -> bool:
            while await self.scan.advance():
                pass
            return all(map(self.scan.sealed, self.published))

        await wait_until(done, seconds, "everything published is sealed")

    async def verified(self, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """Until the verifier has recomputed every block read so far and the log covers them; its status."""
        blocks = self.scan.blocks

        async def done() -> dict[str, Any] | None:
            status = await get(self.stack.urls.verifier + "/v1/status")
            return status if min(status["blocks_verified"], status["blocks_covered"]) >= blocks else None

        status: dict[str, Any] = await wait_until(done, seconds, f"{blocks} blocks are recomputed and covered")
        return status

    async def judged(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Until judge-audit has applied every event read so far and has nothing left to judge or send."""
        due = {number: shard.events_due for number, shard in self.scan.shards.items()}

        async def done() -> bool:
            status = await get(self.stack.urls.judge_audit + "/v1/status")
            applied = {each["shard"]: each["applied"] for each in status["shards"]}
            return all(applied.get(number, 0) >= offset for number, offset in due.items()) and status["settled"]

        await wait_until(done, seconds, "everything is judged")

    async def alerts(self) -> list[dict[str, Any]]:
        """Every alert with all its revisions, by id."""
        found: list[dict[str, Any]] = []
        url, cursor = self.stack.urls.judge_audit + "/v1/alerts", ""
        while cursor is not None:
            page = await get(f"{url}?limit=1000{cursor and '&cursor=' + cursor}")
            found += [await get(f"{url}/{each['id']}") for each in page["alerts"]]
            cursor = page["next"]
        return sorted(found, key=lambda each: str(each["alert"]["id"]))

    async def read(self, seconds: float = 2 * SECONDS) -> Written:
        """The ledger by the independent reader, once it finds nothing wrong.

        The ledger goes on while it is read, so what is not yet normalised at one look is at a later one; what is
        lost, doubled or false stays so and fails.
        """

        async def look() -> Written:
            written = await read_written(self.stack)
            assert written.found.problems == [], written.found.problems[:5]
            return written

        written: Written = await wait_until(look, seconds, "the independent reader finds nothing wrong")
        return written

    async def projected(self) -> None:
        """Until the verifier's rows are those of the ledger as the independent reader has it."""

        async def look() -> bool:
            assert await projection_problems(self.database, await self.read()) == []
            return True

        await wait_until(look, PATIENCE_SECONDS, "the projection is the log's")

    async def start(self, name: str, as_name: str, **env: object) -> str:
        """Start a copy of a service on a port of its own, with more environment."""
        ports = Ports(*free_ports(8))
        options = replace(self.stack.options, ports=ports)
        found = next(p for p in services(self.stack.settings, options, genesis=True) if p.name == name)
        process = replace(found, name=as_name, env={**found.env, **{key: str(value) for key, value in env.items()}})
        await self.stack.supervisor.start([process])
        return as_name


@asynccontextmanager
async def whole_stack(
    kafka: str,
    postgres: str,
    only: frozenset[str] | None = None,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> AsyncIterator[Whole]:
    """Start everything (or `only` those named) on servers that run already; leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="bc-", dir="/tmp"))
    prefix = f"w{secrets.token_hex(4)}."
    async with new_database(postgres) as database:
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("BALANCE_") and "TEST" not in name]:
                patch.delenv(name)
            patch.setenv("BALANCE_KAFKA", kafka)
            patch.setenv("BALANCE_DATABASE", database)
            patch.setenv("BALANCE_GROUP_SESSION_SECONDS", "3")
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            wanted = StackOptions(data=folder, ports=Ports(*free_ports(8)), topic_prefix=prefix, **options)
            try:
                async with Stack(wanted, register_sources=register_demo_sources) as stack:
                    await stack.start(only)
                    async with SealedScan(stack.settings) as scan:
                        yield Whole(stack, scan)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                await _delete_topics(kafka, prefix)


@asynccontextmanager
async def new_database(postgres: str) -> AsyncIterator[str]:
    """The address of a new, empty database, dropped afterwards."""
    name = f"whole_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres, timeout=SECONDS)
    await admin.execute(f'create database "{name}" template template0')
    await admin.close(timeout=SECONDS)
    try:
        yield urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))
    finally:
        admin = await asyncpg.connect(postgres, timeout=SECONDS)
        await admin.execute(f'drop database if exists "{name}" with (force)')
        await admin.close(timeout=SECONDS)


async def _delete_topics(kafka: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka, request_timeout_ms=int(SECONDS * 1000))
    await admin.start()
    try:
        await admin.delete_topics([prefix + spec.name for spec in SPECS])
    finally:
        await admin.close()


async def read_written(stack: Stack) -> Written:
    """The topics as they are now, and what the independent reader says of them."""
    settings = stack.settings
    prefix, partitions = settings.topic_prefix, settings.partitions
    found = await reader.read_ledger(
        settings.kafka, log_vkey=stack.log_vkey.read_text(), partitions=partitions, prefix=prefix
    )
    events: list[list[dict[str, Any]]] = [[] for _ in range(partitions)]
    records = await reader.read_topic(settings.kafka, prefix + "litigation.events", partitions)
    for shard, each in enumerate(records):
        last = (0, -1)
        for record in each:
            event = json.loads(record.value)
            if (event["rawgen"], event["rawpos"]) > last:
                last = (event["rawgen"], event["rawpos"])
                events[shard].append({**event, "offset": record.offset, "leaf": reader.leaf(record.value).hex()})
    blocks: list[list[dict[str, Any]]] = [[] for _ in range(partitions)]
    for shard, each in enumerate(await reader.read_topic(settings.kafka, prefix + "ledger.blocks", partitions)):
        prev = reader.ZERO
        for record in each:
            entry = reader.base64.b64decode(json.loads(record.value)["entry"])
            header = json.loads(json.loads(entry)["header"])
            if header["prev"] == prev:
                prev = hashlib.sha256(entry).hexdigest()
                blocks[shard].append({**header, "entry": prev})
    return Written(found, events, [len(each) for each in records], blocks)


async def projection_problems(database: str, written: Written) -> list[str]:
    """Where the verifier's rows differ from the log as it was read; the projection may have gone on since."""
    problems: list[str] = []
    connection = await asyncpg.connect(database, timeout=SECONDS)
    try:
        rows = await connection.fetch("select shard, pos, source, id, leaf, counts from verifier.event order by 1, 2")
        blocks = await connection.fetch("select shard, height, entry, log_index from verifier.block order by 1, 2")
        sizes = await connection.fetch("select size, root from verifier.checkpoint")
    finally:
        await connection.close(timeout=SECONDS)
    for shard, events in enumerate(written.events):
        held = {row["pos"]: row for row in rows if row["shard"] == shard and row["pos"] < written.lengths[shard]}
        counting = [(p, r["source"], r["id"], r["leaf"].hex()) for p, r in sorted(held.items()) if r["counts"]]
        if len(held) != written.lengths[shard]:
            problems.append(f"shard {shard}: {len(held)} rows for {written.lengths[shard]} records")
        if counting != [(e["offset"], e["source"], e["id"], e["leaf"]) for e in events]:
            problems.append(f"shard {shard}: its counting rows are not the counting events")
        entries = {
            row["height"]: hashlib.sha256(row["entry"]).hexdigest()
            for row in blocks
            if row["shard"] == shard and row["height"] < len(written.blocks[shard])
        }
        if entries != {block["height"]: block["entry"] for block in written.blocks[shard]}:
            problems.append(f"shard {shard}: its blocks are not the counting blocks")
    if (written.found.size, written.found.root) not in {(row["size"], row["root"].hex()) for row in sizes}:
        problems.append(f"no row for the checkpoint of size {written.found.size}")
    return problems


async def get(url: str) -> dict[str, Any]:
    """One JSON answer."""
    body: dict[str, Any] = json.loads(await get_bytes(url))
    return body


async def get_bytes(url: str) -> bytes:
    """One answer, byte for byte."""
    async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
        answer = await client.get(url)
        answer.raise_for_status()
        return answer.content


def standing(alerts: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
    """Rule and subject of every alert that no later fact has put in order."""
    return {(a["alert"]["rule"], a["alert"]["subject"]) for a in alerts if a["alert"]["state"] == "open"}
