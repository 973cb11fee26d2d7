"""The verifier's worker on a real broker and a real database: it follows a true log, and tells of a false one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import ALERTS, EVENTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_verify.topicvalues import BlockRecord, CheckpointRecord
from support.processes import Processes, Running
from support.smallledger import SOURCE, SmallLedger
from support.waiting import wait_until
from support.writtenledger import Written, caught_up

TABLES = {
    "shard": "shard",
    "log": "next",
    "event": "shard, pos",
    "digest": "algorithm, digest, shard, pos",
    "block": "shard, height",
    "log_node": "level, index",
    "checkpoint": "pos",
}


@pytest.fixture
async def written(topics: CommonSettings, keys: KeyDirectory) -> Written:
    ledger = SmallLedger(keys.log, keys.sealer, keys.gateway, topics.partitions)
    return Written(topics, ledger)


@pytest.fixture
async def database_pool(topics: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "verifier"}) as pool:
        yield pool


async def projection(pool: asyncpg.Pool) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that is computed from the log."""
    return {
        table: [tuple(row) for row in await pool.fetch(f"SELECT * FROM {table} ORDER BY {order}")]
        for table, order in TABLES.items()
    }


async def alerts(settings: CommonSettings) -> list[dict[str, object]]:
    """All of `integrity.alerts`."""
    found = []
    for partition in range(settings.partitions):
        async with PartitionReader(settings, settings.topic(ALERTS), partition) as reader:
            end = await reader.end_offset()
            while len(found) < end and (records := await reader.read(100, 5)):
                found += [json.loads(record.value) for record in records]
                if records[-1].offset >= end - 1:
                    break
    return found


def start(processes: Processes, settings: CommonSettings, name: str = "worker", schema: str = "verifier") -> Running:
    return processes.start("balance-verifier", "worker", settings=settings, name=name, env={"verifier_schema": schema})


async def test_a_true_log_is_recomputed_to_its_last_checkpoint_without_findings(
    written: Written, processes: Processes, database_pool: asyncpg.Pool
) -> None:
    await written.rounds(2)
    start(processes, written.settings)
    await wait_until(lambda: caught_up(database_pool, written.ledger), 40)
    assert await database_pool.fetchval("SELECT root FROM log") == written.ledger.root
    assert await database_pool.fetch("SELECT * FROM finding") == []
    indexes = await database_pool.fetch("SELECT log_index FROM block ORDER BY log_index")
    assert [row[0] for row in indexes] == [1, 2, 3, 4]


async def test_a_changed_event_raises_a_critical_alert_with_both_hashes_and_other_shards_go_on(
    written: Written, processes: Processes, database_pool: asyncpg.Pool
) -> None:
    await written.rounds(1)
    for shard in (0, 1):
        await written.events(shard, 2)
        written.ledger.seal(shard)
    written.ledger.events[0][4] = written.ledger.events[0][4].replace(b'"cert_no":"4"', b'"cert_no":"9"')
    await written.flush()
    start(processes, written.settings)
    found = await wait_until(lambda: alerts(written.settings), 40)
    assert [alert["rule"] for alert in found] == ["verifier.leaf"]
    sealed = BlockRecord.parse(written.ledger.blocks[0][1]).leaves[32:64].hex()
    assert (found[0]["place"], found[0]["got"], found[0]["severity"]) == ("litigation.events/0@4", sealed, "C")
    assert found[0]["expected"] != sealed
    heights = "SELECT height FROM shard ORDER BY shard"
    await wait_until(lambda: _equals(database_pool, heights, [0, 1]), 20)


async def _equals(pool: asyncpg.Pool, query: str, want: list[object]) -> bool:
    return [row[0] for row in await pool.fetch(query)] == want


async def test_a_checkpoint_over_another_history_does_not_count_and_is_told_with_both_roots(
    written: Written, processes: Processes, database_pool: asyncpg.Pool, keys: KeyDirectory
) -> None:
    other = SmallLedger(keys.log, keys.sealer, keys.gateway, written.settings.partitions)
    other.now_ms += 1
    for shard in range(written.settings.partitions):
        other.add_event(shard)
        other.seal(shard)
        await written.events(shard, 1)
        written.ledger.seal(shard)
    written.ledger.checkpoints.append(other.checkpoint())
    true = written.ledger.checkpoint()
    await written.flush()
    start(processes, written.settings)
    await wait_until(lambda: caught_up(database_pool, written.ledger), 40)
    row = await database_pool.fetchrow("SELECT code, expected, got FROM finding")
    assert tuple(row) == ("checkpoint_root", written.ledger.root.hex(), other.root.hex())
    note = await database_pool.fetchval("SELECT note FROM checkpoint ORDER BY pos DESC LIMIT 1")
    assert note == CheckpointRecord.parse(true).note


async def test_killed_and_started_again_it_goes_on_to_the_same_projection(
    written: Written, processes: Processes, database_pool: asyncpg.Pool
) -> None:
    await written.rounds(1)
    first = start(processes, written.settings)
    await wait_until(lambda: caught_up(database_pool, written.ledger), 40)
    await written.events(0, 5, data={"digests": {"sha-256": "ab" * 32}})
    written.ledger.seal(0, 3)
    await written.flush()
    await wait_until(lambda: _equals(database_pool, "SELECT height FROM shard ORDER BY shard", [1, 0]), 20)
    first.kill()
    await first.ended()
    written.ledger.seal(0)
    written.ledger.checkpoint()
    await written.flush()
    start(processes, written.settings, "worker-again")
    await wait_until(lambda: caught_up(database_pool, written.ledger), 40)
    interrupted = await projection(database_pool)
    assert await database_pool.fetch("SELECT * FROM finding") == []
    # The same log read in one go, into a schema of its own.
    start(processes, written.settings, "worker-rebuild", schema="rebuilt")
    async with asyncpg.create_pool(
        written.settings.database, min_size=0, server_settings={"search_path": "rebuilt"}
    ) as rebuilt:
        await wait_until(lambda: caught_up(rebuilt, written.ledger), 40)
        assert await projection(rebuilt) == interrupted


async def test_two_workers_at_once_write_each_row_once(
    written: Written, processes: Processes, database_pool: asyncpg.Pool
) -> None:
    await written.rounds(1)
    start(processes, written.settings, "one")
    start(processes, written.settings, "two")
    for _ in range(3):
        for shard in range(written.settings.partitions):
            await written.events(shard, 4)
            written.ledger.seal(shard)
        written.ledger.checkpoint()
        await written.flush()
    await wait_until(lambda: caught_up(database_pool, written.ledger), 40)
    rows = await projection(database_pool)
    assert [row[-1] for row in rows["event"]] == [value for shard in written.ledger.events for value in shard]
    assert await database_pool.fetch("SELECT * FROM finding") == []


async def test_a_name_that_counts_twice_across_shards_is_found(
    written: Written, processes: Processes, database_pool: asyncpg.Pool
) -> None:
    await written.events(0, 1, id="same")
    await written.events(1, 1, id="same")
    for shard in (0, 1):
        written.ledger.seal(shard)
    written.ledger.checkpoint()
    await written.flush()
    start(processes, written.settings)
    row = await wait_until(lambda: database_pool.fetchrow("SELECT code, place, severity FROM finding"), 40)
    assert tuple(row) == ("event_twice", "litigation.events/1@0", "critical")


async def test_an_event_that_differs_from_its_raw_record_is_found(
    written: Written, processes: Processes, database_pool: asyncpg.Pool
) -> None:
    await written.events(0, 1)
    written.ledger.events[0][0] = written.ledger.events[0][0].replace(SOURCE.encode(), b"https://other.example/cases")
    await written.events(1, 1)
    written.ledger.add_event(1, rawpos=1)
    await written.flush()
    start(processes, written.settings)
    rows = await wait_until(lambda: _rows(database_pool, 2), 40)
    assert [tuple(row) for row in rows] == [
        ("raw_differs", "litigation.events/0@0"),
        ("raw_missing", "litigation.events/1@1"),
    ]


async def _rows(pool: asyncpg.Pool, count: int) -> list[asyncpg.Record] | None:
    rows: list[asyncpg.Record] = await pool.fetch("SELECT code, place FROM finding ORDER BY code")
    return rows if len(rows) >= count else None


async def test_what_the_real_sealer_and_notary_write_is_recomputed_without_findings(
    topics: CommonSettings, written: Written, processes: Processes, database_pool: asyncpg.Pool
) -> None:
    written.ledger.checkpoints.clear()
    await processes.run("balance-sealer", "genesis", settings=topics)
    small_blocks = {"max_events": 8, "max_wait_ms": 50, "genesis": True}
    processes.start("balance-sealer", "sealer", settings=topics, env=small_blocks)
    processes.start("balance-sealer", "notary", settings=topics)
    start(processes, topics)
    for _ in range(3):
        for shard in range(topics.partitions):
            await written.events(shard, 10)
        await written.flush()

    async def all_covered() -> bool:
        rows = await database_pool.fetch(
            "SELECT start, height, (SELECT heights[shard + 1] FROM log) AS covered FROM shard"
        )
        return all(row["start"] == 30 and row["height"] == row["covered"] for row in rows)

    await wait_until(all_covered, 60)
    assert await database_pool.fetch("SELECT * FROM finding") == []
    indexes = [row[0] for row in await database_pool.fetch("SELECT log_index FROM block ORDER BY log_index")]
    assert indexes == list(range(1, len(indexes) + 1))


@pytest.mark.parametrize("point", ["verifier.before_commit:2", "verifier.after_commit:2"])
async def test_killed_around_a_commit_it_goes_on_without_loss_or_double(
    written: Written, processes: Processes, database_pool: asyncpg.Pool, tmp_path: Path, point: str
) -> None:
    await written.rounds(2)
    marker = tmp_path / "marker"
    env = {"verifier_batch_events": 2, "BALANCE_KILL_POINT": point, "BALANCE_KILL_MARKER": marker}
    first = processes.start("balance-verifier", "worker", settings=written.settings, env=env)
    assert await first.ended(40) == -9
    assert marker.exists()
    start(processes, written.settings, "again")
    await wait_until(lambda: caught_up(database_pool, written.ledger), 40)
    rows = await projection(database_pool)
    assert [row[-1] for row in rows["event"]] == [value for shard in written.ledger.events for value in shard]
    assert await database_pool.fetch("SELECT * FROM finding") == []


async def test_when_the_database_drops_every_connection_it_goes_on_by_itself(
    written: Written, processes: Processes, database_pool: asyncpg.Pool
) -> None:
    await written.rounds(1)
    worker = start(processes, written.settings)
    await wait_until(lambda: caught_up(database_pool, written.ledger), 40)
    for _ in range(3):
        async with database_pool.acquire() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await written.rounds(1)
    await wait_until(lambda: caught_up(database_pool, written.ledger), 40)
    assert worker.alive
    assert await database_pool.fetch("SELECT * FROM finding") == []


async def test_records_that_are_gone_from_a_topic_are_told_and_other_shards_go_on(
    written: Written, processes: Processes, database_pool: asyncpg.Pool
) -> None:
    await written.rounds(1)
    admin = AIOKafkaAdminClient(bootstrap_servers=written.settings.kafka)
    await admin.start()
    place = TopicPartition(written.settings.topic(EVENTS), 0)
    await admin.delete_records({place: RecordsToDelete(before_offset=2)})
    await admin.close()
    start(processes, written.settings)
    row = await wait_until(lambda: database_pool.fetchrow("SELECT code, place, severity FROM finding"), 40)
    assert tuple(row) == ("record_gone", "shard-0", "critical")
    await wait_until(lambda: _equals(database_pool, "SELECT height FROM shard ORDER BY shard", [-1, 0]), 20)
