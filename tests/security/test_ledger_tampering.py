"""Whoever changes a running ledger's topics or tables is found out, and told by record, step and both values.

Kafka has no way to change a record, so the topics are written anew, as somebody with the broker's disks would have
them. Seeded random cases; BALANCE_TAMPER_CASES sets how many.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import ClassVar

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import SPECS
from balance_chain.runtime.db import migrate
from balance_chain.runtime.health import Health
from balance_chain.runtime.service import Service
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.topics import create_topics
from balance_verifier.archive.fsck import Options, Report
from balance_verifier.live import log as log_module
from balance_verifier.live import shard as shard_module
from balance_verifier.live.fsck import fsck_live
from balance_verifier.settings import WorkerSettings
from balance_verifier.worker import run_worker
from support.archived import grow, last_note
from support.smallledger import SmallLedger
from support.tampering import KINDS, cases, tamper
from support.waiting import wait_until
from support.writtenledger import Written, caught_up

ROUNDS = 4
CASES_A_TEST = len(KINDS)
"""Topics cost time to make: so many cases share one setting up."""

SINGLE_COLUMNS = {
    "event": ("leaf", "value", "name", "source", "id", "type", "time", "received", "rawpos", "counts"),
    "block": ("root", "entry", "entry_leaf", "leaves", "count", "time", "start", "log_index", "pos"),
    "log_node": ("hash",),
    "checkpoint": ("size", "root", "note"),
    "shard": ("height", "prev", "start", "time", "events", "counting", "received", "rawpos"),
    "log": ("size", "root", "checkpoints", "genesis"),
    "digest": ("digest",),
}
KEYS = {
    "event": ("shard", "pos"),
    "block": ("shard", "height"),
    "log_node": ("level", "index"),
    "checkpoint": ("pos",),
    "shard": ("shard",),
    "log": ("one",),
    "digest": ("algorithm", "digest", "shard", "pos"),
}


async def fsck(settings: CommonSettings, ledger: SmallLedger, *, projection: bool = False, jobs: int = 1) -> Report:
    """The live fsck, in a thread: it runs loops of its own."""
    options = Options(ledger.log_key.vkey, outside=(("outside", last_note(ledger)),), jobs=jobs)
    worker = WorkerSettings(**settings.model_dump())
    return await asyncio.to_thread(fsck_live, worker, options, lambda _: None, projection=projection)


@pytest.fixture
def ledger(keys: KeyDirectory, partitions: int) -> SmallLedger:
    ledger = SmallLedger(keys.log, keys.sealer, keys.gateway, partitions)
    ledger.add_event(0, data={"digests": {"sha-256": "ab" * 32}})
    grow(ledger, ROUNDS)
    return ledger


Topics = dict[tuple[str, int], list[bytes]]


def topics_of(ledger: SmallLedger) -> Topics:
    """The values of each partition."""
    made: Topics = {("litigation.events", shard): list(values) for shard, values in enumerate(ledger.events)}
    made |= {("ledger.blocks", shard): list(values) for shard, values in enumerate(ledger.blocks)}
    return made | {("ledger.checkpoints", 0): list(ledger.checkpoints)}


def change_one(topics: Topics, kind: str, chance: random.Random) -> str:
    """Tamper with one partition; its name."""
    while True:
        topic, partition = chance.choice(sorted(topics))
        changed = tamper(kind, topics[topic, partition], chance)
        if changed is not None:
            topics[topic, partition] = changed
            return f"{topic}/{partition}"


def held_against(report: Report, kind: str, place: str) -> None:
    """The change is named, with both values.

    What does not count harms nobody and is told as that: a record that comes again, or one squeezed in at a place that
    has been passed. Of a last checkpoint that was dropped nobody can know but who keeps it: the one outside names it.
    """
    told = [*report.faults, *report.notes]
    places = (place, "outside") if place.startswith("ledger.checkpoints") and kind == "drop" else (place,)
    assert any(fault.place.startswith(places) for fault in told), (kind, place, told)
    assert all(fault.step and fault.expected != fault.got for fault in told), told
    assert report.faults or kind in ("replay", "insert"), (kind, place, told)


@pytest.mark.parametrize("number", cases(1, 0.02 / CASES_A_TEST))
async def test_a_changed_topic_is_named(number: int, settings: CommonSettings, ledger: SmallLedger) -> None:
    """On a real broker."""
    chance = random.Random(f"topics {number}")
    made: list[CommonSettings] = []
    try:
        for case, kind in enumerate(KINDS):
            topics = topics_of(ledger)
            place = change_one(topics, kind, chance)
            forged = SmallLedger(ledger.log_key, ledger.sealer_key, ledger.gateway_key, ledger.shards)
            forged.events = [topics["litigation.events", shard] for shard in range(ledger.shards)]
            forged.blocks = [topics["ledger.blocks", shard] for shard in range(ledger.shards)]
            forged.checkpoints = topics["ledger.checkpoints", 0]
            own = settings.model_copy(update={"topic_prefix": f"{settings.topic_prefix}{case}."})
            await create_topics(own)
            made.append(own)
            await Written(own, forged).flush()
            held_against(await fsck(own, ledger), kind, place)
    finally:
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
        await admin.start()
        await admin.delete_topics([own.topic(spec.name) for own in made for spec in SPECS])
        await admin.close()


class MemoryReader:
    """What fsck asks of a `PartitionReader`, from values in memory: a broker for each of a thousand cases is slow."""

    topics: ClassVar[Topics] = {}

    def __init__(self, settings: CommonSettings, topic: str, partition: int, start_offset: int = 0) -> None:
        self._values = self.topics[topic, partition]
        self._next = start_offset

    async def __aenter__(self) -> MemoryReader:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def end_offset(self) -> int:
        return len(self._values)

    async def read(self, max_records: int, timeout_seconds: float) -> list[SimpleNamespace]:
        values = self._values[self._next : self._next + max_records]
        records = [SimpleNamespace(offset=at, value=value) for at, value in enumerate(values, self._next)]
        self._next += len(records)
        return records


@pytest.mark.parametrize("number", cases(20, 0.2))
def test_a_changed_partition_is_named(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in memory."""
    monkeypatch.setattr(shard_module, "PartitionReader", MemoryReader)
    monkeypatch.setattr(log_module, "PartitionReader", MemoryReader)
    ledger, chance = SmallLedger.of_seed(), random.Random(f"partitions {number}")
    grow(ledger, ROUNDS)
    kind, topics = KINDS[number % len(KINDS)], topics_of(ledger)
    place = change_one(topics, kind, chance)
    monkeypatch.setattr(MemoryReader, "topics", topics)
    options = Options(ledger.log_key.vkey, outside=(("outside", last_note(ledger)),))
    settings = WorkerSettings(origin=ledger.origin, partitions=ledger.shards)
    held_against(fsck_live(settings, options, lambda _: None, projection=False), kind, place)


@pytest.fixture
async def projection(topics: CommonSettings, ledger: SmallLedger) -> AsyncIterator[asyncpg.Connection]:
    """The projection that the worker made of the ledger."""
    await Written(topics, ledger).flush()
    service = Service("worker", Health(), asyncio.Event())
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "verifier"}) as pool:
        await migrate(pool, "balance_verifier", "verifier")
        worker = asyncio.ensure_future(run_worker(WorkerSettings(**topics.model_dump()), service))
        await wait_until(lambda: caught_up(pool, ledger), 40)
        service.stop.set()
        await asyncio.wait_for(worker, 20)
    connection = await asyncpg.connect(topics.database, server_settings={"search_path": "verifier"})
    yield connection
    await connection.close()


async def test_a_true_ledger_matches_with_all_cores(
    topics: CommonSettings, ledger: SmallLedger, projection: asyncpg.Connection
) -> None:
    report = await fsck(topics, ledger, projection=True, jobs=2)
    # The small ledger's broker times are its own; raw records are no part of this check.
    assert report.faults == []
    assert (report.size, report.root, report.events) == (ledger.size, ledger.root.hex(), sum(map(len, ledger.events)))


async def test_a_ledger_that_grows_meanwhile_matches(
    topics: CommonSettings, ledger: SmallLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The projection goes on after fsck has read where the topics end."""
    written, service = Written(topics, ledger), Service("worker", Health(), asyncio.Event())
    await written.flush()
    loop, read = asyncio.get_running_loop(), log_module.LiveLog.read
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "verifier"}) as pool:
        await migrate(pool, "balance_verifier", "verifier")
        worker = asyncio.ensure_future(run_worker(WorkerSettings(**topics.model_dump()), service))
        await wait_until(lambda: caught_up(pool, ledger), 40)
        options = Options(ledger.log_key.vkey, outside=(("outside", last_note(ledger)),))
        size = ledger.size

        async def more() -> None:
            grow(ledger, 2)
            await written.flush()
            await wait_until(lambda: caught_up(pool, ledger), 40)

        async def read_then_grow(live: log_module.LiveLog) -> None:
            await read(live)
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(more(), loop))

        monkeypatch.setattr(log_module.LiveLog, "read", read_then_grow)
        settings = WorkerSettings(**topics.model_dump())
        report = await asyncio.to_thread(fsck_live, settings, options, lambda _: None, projection=True)
        service.stop.set()
        await asyncio.wait_for(worker, 20)
    assert report.faults == []
    assert report.size == size < ledger.size


@pytest.mark.parametrize("number", cases(1, 0.08 / 24))
async def test_a_changed_table_is_named(
    number: int, topics: CommonSettings, ledger: SmallLedger, projection: asyncpg.Connection
) -> None:
    """Each change is taken back before the next."""
    chance = random.Random(f"tables {number}")
    for case in range(24):
        kind = KINDS[case % len(KINDS)]
        table = chance.choice([name for name in KEYS if name != "log" or kind in ("flip", "drop")])
        rows = await projection.fetch(f"SELECT * FROM {table} ORDER BY {', '.join(KEYS[table])}")
        before = [dict(row) for row in rows]
        after = changed_rows(kind, table, before, chance)
        if after is None:
            continue
        await rewrite(projection, table, after)
        report = await fsck(topics, ledger, projection=True)
        told = [fault for fault in report.faults if fault.place.startswith(f"table {table}")]
        assert told, (kind, table, report.faults)
        assert all(fault.expected != fault.got for fault in report.faults)
        await rewrite(projection, table, before)
    assert (await fsck(topics, ledger, projection=True)).faults == []


def changed_rows(
    kind: str, table: str, rows: list[dict[str, object]], chance: random.Random
) -> list[dict[str, object]] | None:
    """The table after one change of a kind; None where it makes no other table."""
    after = [dict(row) for row in rows]
    columns = [name for name in SINGLE_COLUMNS[table] if name not in KEYS[table]] or ["digest"]
    at = chance.randrange(len(after))
    if kind == "flip":
        name = chance.choice(columns)
        after[at][name] = other(after[at][name], chance)
    elif kind == "drop":
        del after[at]
    elif kind in ("swap", "reorder"):
        name = chance.choice([c for c in columns if c != "log_index"] or columns)
        places = list(range(len(after))) if kind == "reorder" else chance.sample(range(len(after)), min(2, len(after)))
        values = [after[place][name] for place in places]
        chance.shuffle(values)
        for place, value in zip(places, values, strict=True):
            after[place][name] = value
    else:
        new = dict(chance.choice(rows))
        last = KEYS[table][-1]
        new[last] = max(int(str(row[last])) for row in rows) + 1 + chance.randrange(3)
        if "log_index" in new:
            new["log_index"] = None
        if kind == "insert" and table != "digest":
            new[columns[0]] = other(new[columns[0]], chance)
        after.append(new)
    return None if sorted(map(repr, after)) == sorted(map(repr, rows)) else after


def other(value: object, chance: random.Random) -> object:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, bytes):
        changed = bytearray(value)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        return bytes(changed)
    if isinstance(value, str):
        at = chance.randrange(len(value))
        return value[:at] + ("x" if value[at] != "x" else "y") + value[at + 1 :]
    return int(str(value)) + 1 + chance.randrange(3) if value is not None else 7


async def rewrite(connection: asyncpg.Connection, table: str, rows: list[dict[str, object]]) -> None:
    async with connection.transaction():
        await connection.execute(f"DELETE FROM {table}")
        if rows:
            await connection.copy_records_to_table(
                table, columns=list(rows[0]), records=[tuple(row.values()) for row in rows]
            )
