"""The judge-audit worker on a real broker and a real database: every event applied once, whatever dies and
whenever.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.topics import ALERTS
from balance_chain.runtime.db import migrate
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_judge_audit import repository, rulebook
from balance_judge_audit.applier import Applier, Record
from balance_judge_audit.engine.shard import Clocks, ShardEngine
from balance_judge_audit.errors import Fenced
from balance_judge_audit.life.keeper import LifeKeeper
from balance_judge_audit.life.policy import load_policy, policy_file
from balance_judge_audit.loading import projections
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.settings import WorkerSettings
from balance_judge_audit.worker import parts
from support.auditlog import DAY, HOUR, Log
from support.processes import Processes, Running
from support.waiting import wait_until

SECONDS = 40.0
TABLES = ("case_state", "case_facts", "source_state", "held", "held_across", "across_state", "alert_revision")


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


def test_a_fetch_is_cut_into_batches_of_at_most_so_many_records_and_loses_none() -> None:
    fetched = {1: list(range(5)), 0: list(range(10, 14))}
    cut = list(parts(fetched, 3))
    assert [sum(map(len, part.values())) for part in cut] == [3, 3, 3]
    assert {shard: [each for part in cut for each in part.get(shard, [])] for shard in fetched} == fetched
    assert list(parts(fetched, 100)) == [fetched]
    assert list(parts({0: []}, 3)) == []


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


async def test_a_worker_killed_before_or_after_its_commit_loses_and_doubles_nothing(
    log: Log, pool: asyncpg.Pool, processes: Processes, topics: CommonSettings, tmp_path: Path
) -> None:
    await log.write([*log.reassigned(0, 1), *log.reassigned(1, 2)])
    for point in ("audit-before-commit", "audit-after-commit", "audit-before-outbox-delete"):
        mark = tmp_path / point
        worker = start(
            processes, topics, point, BALANCE_KILL_POINT=point, BALANCE_KILL_MARKER=mark, audit_batch_events=3
        )
        assert await worker.ended(SECONDS) == -9
        assert mark.exists(), f"{point} was not hit"
        await log.write(log.reassigned(0, 3))
    await log.write([log.event(0, "judge.reassigned", {"reason": "other"}, case=4), *log.later(HOUR)])
    start(processes, topics, "last")
    await wait_until(lambda: applied(pool, log), SECONDS)
    await wait_until(lambda: pool.fetchval("SELECT count(*) = 0 FROM outbox WHERE channel = 'topic'"), SECONDS)
    revisions = [(each["id"], each["revision"]) for each in await on_topic(topics)]
    kept = {tuple(row) for row in await pool.fetch("SELECT id, revision FROM alert_revision")}
    assert set(revisions) == kept
    assert len(revisions) > len(kept), "the revision sent before the crash is sent again, under the same number"
    found = await alerts(pool)
    assert [(rule, revision) for rule, _, _, revision in found] == [("R20", 3), ("R20", 1), ("R20", 1)] or len(
        found
    ) == 3


async def test_a_frozen_worker_that_wakes_up_beside_its_successor_changes_nothing(
    log: Log, pool: asyncpg.Pool, processes: Processes, topics: CommonSettings
) -> None:
    await log.write([*log.reassigned(0, 1), *log.reassigned(1, 2)])
    zombie = start(processes, topics, "zombie")
    await wait_until(lambda: applied(pool, log), SECONDS)
    zombie.stop()
    await log.write([*log.reassigned(0, 3), *log.reassigned(1, 4), log.event(0, "case.fee_paid", {}, case=3)])
    start(processes, topics, "successor")
    await wait_until(lambda: applied(pool, log), SECONDS)
    zombie.cont()
    await log.write([*log.reassigned(0, 5), *log.reassigned(1, 6), *log.later(HOUR)])
    await wait_until(lambda: applied(pool, log), SECONDS)
    assert [(rule, revision) for rule, _, _, revision in await alerts(pool)] == [("R20", 1)] * 6
    assert zombie.alive, zombie.log


async def test_two_workers_in_small_batches_end_in_the_same_state_as_one_in_large_ones(
    log: Log, pool: asyncpg.Pool, processes: Processes, topics: CommonSettings
) -> None:
    pair = [start(processes, topics, f"pair-{number}", audit_batch_events=2, audit_case_cache=1) for number in (1, 2)]
    for case in range(1, 6):
        await log.write([*log.reassigned(0, case), log.event(1, "case.submitted", {}, case=case, ago=30 * DAY)])
        await log.write([log.event(1, "case.accepted", {"procedure": "small_claims"}, case=case, ago=29 * DAY)])
    declared = {"person": "r_1", "with": "r_50", "kind": "spouse"}
    await log.write([log.event(0, "judge.assigned", {"judge": "r_1"}), log.event(1, "relation.declared", declared)])
    log.lose_one()
    await log.write([log.event(0, "counsel.changed", {"lawyer": "r_50"}), *log.later(HOUR), *log.later(HOUR)])
    designated = {"judge": "r_1", "mode": "designated"}
    await log.write([*log.later(9 * DAY), log.event(0, "judge.assigned", designated), *log.later(HOUR)])
    await wait_until(lambda: applied(pool, log), SECONDS)
    across = "SELECT count(*) = 2 FROM alert WHERE rule IN ('R24', 'R38')"
    await wait_until(lambda: pool.fetchval(across), SECONDS)
    for worker in pair:
        worker.terminate()
        assert await worker.ended() == 0
    first = await state(pool)
    again = {"audit_schema": "again", "audit_group": "again"}
    start(processes, topics, "alone", **again)
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "again"}) as other:
        await wait_until(lambda: applied(other, log), SECONDS)
        await wait_until(lambda: other.fetchval(across), SECONDS)
        second = await state(other)
    assert first == second
    assert len(first["alert_revision"]) > 5


async def test_records_between_the_applied_position_and_the_stream_are_read_by_offset(
    log: Log, pool: asyncpg.Pool, processes: Processes, topics: CommonSettings
) -> None:
    await log.write([*log.reassigned(0, 1), *log.later(HOUR)])
    worker = start(processes, topics, "first")
    await wait_until(lambda: applied(pool, log), SECONDS)
    worker.terminate()
    assert await worker.ended() == 0
    # The database is restored from an older backup: the group's position is ahead of it.
    for table in ("shard", *TABLES, "alert", "outbox"):
        await pool.execute(f"DELETE FROM {table}")
    await log.write(log.later(HOUR))
    start(processes, topics, "second")
    await wait_until(lambda: applied(pool, log), SECONDS)
    assert [(rule, revision) for rule, _, _, revision in await alerts(pool)] == [("R20", 1)]


async def test_a_poisoned_record_is_kept_and_counted_and_stops_nothing(
    log: Log, pool: asyncpg.Pool, processes: Processes, topics: CommonSettings
) -> None:
    poison = [(0, b"\xff not json"), (0, b"{}"), (0, b'{"specversion":"1.0"}')]
    first, second = log.reassigned(0, 1)
    await log.write([first, *poison, second, *log.later(HOUR)])
    start(processes, topics)
    await wait_until(lambda: pool.fetchval("SELECT count(*) = 3 FROM unreadable"), SECONDS)
    await wait_until(lambda: pool.fetchval("SELECT count(*) = 1 FROM alert"), SECONDS)
    problems = [row[0] for row in await pool.fetch("SELECT problem FROM unreadable")]
    assert all("not a canonical event" in problem for problem in problems)


async def test_a_worker_that_falls_silent_within_a_transaction_loses_its_locks(
    database: str, pool: asyncpg.Pool
) -> None:
    # Not of the pool, which would want it back in order while the server is ending it.
    frozen = await asyncpg.connect(database, timeout=SECONDS)
    try:
        await frozen.execute("BEGIN")
        await repository.lock(frozen, repository.ACROSS_LOCK)
        await repository.bound(frozen, 0.5)
        async with pool.acquire() as successor, successor.transaction():
            await asyncio.wait_for(repository.lock(successor, repository.ACROSS_LOCK), SECONDS)
    finally:
        frozen.terminate()


async def test_a_worker_whose_cases_are_stale_is_refused_and_changes_nothing(
    log: Log, pool: asyncpg.Pool, topics: CommonSettings
) -> None:
    await migrate(pool, "balance_judge_audit", "audit")
    book, places = rulebook.load(data_dir("rules")), PlaceFinder(Courts.load(data_dir("catalogue")))
    life = LifeKeeper(load_policy(policy_file(None)), places, "urn:test:judge-audit")

    def applier(its_pool: asyncpg.Pool) -> Applier:
        return Applier(its_pool, book, places, Clocks(60_000, 60_000), life, projections(WorkerSettings()), 2, 100)

    zombie, successor = applier(pool), applier(pool)
    first = [*log.reassigned(0, 1), *log.reassigned(1, 2)]
    # They raise nothing and nothing of them waits for the other shard: no table's key would stop a second writer.
    quiet = ((0, 1), (0, 1), (1, 2), (1, 2))
    second = [log.event(shard, "evidence.deposited", {}, case=case, counted=False) for shard, case in quiet]
    third = [*log.reassigned(0, 1), *log.reassigned(1, 2)]

    def carried(values: list[tuple[int, bytes]], start: int) -> dict[int, list[Record]]:
        return {
            shard: [
                Record(start + number, value)
                for number, value in enumerate(value for at, value in values if at == shard)
            ]
            for shard in (0, 1)
        }

    await zombie.apply(carried(first, 0))
    await successor.apply({0: carried(second, 2)[0]})
    before = await state(pool)
    # Both of its shards are in one transaction, and only one of them was taken over, by one that is further on.
    with pytest.raises(Fenced):
        await zombie.apply({0: carried(second, 2)[0][:1], 1: carried(second, 2)[1]})
    assert await state(pool) == before
    # It has forgotten its cases with its positions: now it goes on from what the successor wrote.
    await zombie.apply(carried(second, 2))
    await zombie.apply(carried(third, 4))
    await migrate(pool, "balance_judge_audit", "alone")
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "alone"}) as other:
        alone = applier(other)
        for start, values in enumerate((first, second, third)):
            await alone.apply(carried(values, 2 * start))
        judged = [
            await pool.fetch(f"SELECT id, revision, body::text FROM {schema}.alert_revision ORDER BY 1, 2")
            for schema in ("audit", "alone")
        ]
        kept = [await pool.fetch(f"SELECT * FROM {schema}.case_state ORDER BY caseid") for schema in ("audit", "alone")]
    assert judged[0] == judged[1]
    assert kept[0] == kept[1]
    assert judged[0]


async def test_a_record_on_which_the_engine_fails_is_passed_over_alone_and_a_late_failure_moves_nothing_back(
    log: Log, pool: asyncpg.Pool, topics: CommonSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(pool, "balance_judge_audit", "audit")
    book = rulebook.load(data_dir("rules"))
    places = PlaceFinder(Courts.load(data_dir("catalogue")))
    life = LifeKeeper(load_policy(policy_file(None)), places, "urn:test:judge-audit")
    applier = Applier(pool, book, places, Clocks(60_000, 60_000), life, projections(WorkerSettings()), 1, 100)
    good, bad = log.reassigned(0, 1), log.event(0, "judge.reassigned", {"reason": "poison"})
    records = [Record(offset, value) for offset, (_, value) in enumerate([good[0], bad, good[1]])]
    honest = ShardEngine.apply

    def failing(self: ShardEngine, shard: Any, cases: Any, batch: Any) -> Any:
        if any(each.event.data.get("reason") == "poison" for each in batch):
            raise ZeroDivisionError("a mistake of ours")
        return honest(self, shard, cases, batch)

    monkeypatch.setattr(ShardEngine, "apply", failing)
    await applier.apply({0: records})
    assert await applier.position(0) == 3
    assert [tuple(row) for row in await pool.fetch("SELECT record_offset, problem FROM unreadable")] == [
        (1, "ZeroDivisionError: a mistake of ours")
    ]
    await applier.apply({0: records})
    assert await applier.position(0) == 3
