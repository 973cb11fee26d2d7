"""Which receipts were kept, as PostgreSQL judges them in one question, held against a slow and plain count."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from balance_intake import receiptstore
from balance_intake.model import EventKey, Promise
from balance_intake.repository import SCHEMA, Repository, migrate_intake
from balance_intake.sealing import SealedBatch, SealedReject, SealedShard

SHARDS = 2
NOW = 10_000_000
SOURCE = "urn:a:b"
MINUTE = 60_000


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Any]:
    """A migrated schema, as the follower sees it."""
    pool = await asyncpg.create_pool(database, min_size=1, max_size=2, server_settings={"search_path": SCHEMA})
    try:
        await migrate_intake(pool)
        async with pool.acquire() as one:
            yield one
    finally:
        await pool.close()


async def promise(connection: Any, name: str, due: int, place: tuple[int, int] | None) -> None:
    """A receipt due then, for an event that stands at this place (shard, raw position) of raw, or nowhere yet."""
    await connection.execute(
        "INSERT INTO reservation (source, id, digest, caseid, receipt, due) VALUES ($1, $2, '', 'c', '{}', $3)",
        SOURCE, name, due,
    )  # fmt: skip
    if place is not None:
        await connection.execute(
            "INSERT INTO dedup (source, id, partition, rawgen, rawpos, caseid, sourcedigest)"
            " VALUES ($1, $2, $3, 0, $4, 'c', '')",
            SOURCE, name, *place,
        )  # fmt: skip


async def seal(connection: Any, shard: int, height: int, rawpos: int, time: int) -> None:
    await connection.execute("INSERT INTO seal VALUES ($1, 0, $2, $3, $4)", shard, rawpos, height, time)


async def judge_all(connection: Any, until: int) -> int:
    """Judge up to a time, in steps as the follower does; how many were looked at."""
    since, looked = None, 0
    while since is None or since < until:
        since, count, _ = await receiptstore.judge(connection, until, NOW)
        looked += count
    return looked


async def broken(connection: Any) -> dict[str, tuple[int | None, int | None]]:
    rows = await connection.fetch("SELECT id, sealed, height FROM broken_receipt")
    return {row["id"]: (row["sealed"], row["height"]) for row in rows}


async def test_a_promise_is_kept_by_a_block_no_later_than_its_time_and_by_nothing_else(connection: Any) -> None:
    await seal(connection, 0, 0, 4, 1_000)
    await seal(connection, 0, 1, 9, 2_000)
    await promise(connection, "in-time", 1_000, (0, 3))
    await promise(connection, "late", 1_999, (0, 5))
    await promise(connection, "on-the-last-moment", 2_000, (0, 9))
    await promise(connection, "in-no-block", 2_500, (0, 10))
    await promise(connection, "another-shard", 2_500, (1, 3))
    await promise(connection, "nowhere", 2_500, None)
    await promise(connection, "not-yet-due", 9_000, None)
    await promise(connection, "rejected-in-time", 2_500, None)
    await promise(connection, "rejected-late", 1_500, None)
    rejects = [SealedReject(0, 0, rawpos, SOURCE, name, "field_invalid", None, time) for rawpos, name, time in (
        (2, "rejected-in-time", 1_000), (6, "rejected-late", 2_000))]  # fmt: skip
    for reject in rejects:
        await connection.execute(
            "INSERT INTO rejected VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            *(getattr(reject, name) for name in reject.__struct_fields__),
        )
    assert await judge_all(connection, 3_000) == 8
    assert await broken(connection) == {
        "late": (2_000, 1),
        "in-no-block": (None, None),
        "another-shard": (None, None),
        "nowhere": (None, None),
        "rejected-late": (2_000, 1),
    }
    # Looked at once: a later look finds nothing of it, and what is due then.
    assert await judge_all(connection, 10_000) == 1
    assert "not-yet-due" in await broken(connection)


async def test_a_clock_that_was_an_hour_ahead_hides_no_broken_promise_once_it_is_right_again(connection: Any) -> None:
    hour = 3_600_000
    await seal(connection, 0, 0, 4, 1_000)
    await promise(connection, "before", 2_000, (0, 3))
    assert await judge_all(connection, 3_000 + hour) == 1
    await seal(connection, 0, 1, 9, 9_000)
    await promise(connection, "kept", 9_500, (0, 8))
    await promise(connection, "late", 8_000, (0, 9))
    await judge_all(connection, 4_000)
    await judge_all(connection, 10_000)
    assert await broken(connection) == {"late": (9_000, 1)}


async def test_a_promise_that_is_stored_after_its_time_was_looked_at_is_looked_at_again(connection: Any) -> None:
    repository, stalled, later = Repository(connection), EventKey(SOURCE, "stalled"), EventKey(SOURCE, "later")
    await repository.reserve([(key, b"", "c") for key in (stalled, later)])
    await judge_all(connection, 10 * MINUTE)
    await repository.keep_receipts({later: Promise(b"{}", 20 * MINUTE)})
    assert await connection.fetchval("SELECT due FROM judged") == 10 * MINUTE
    await repository.keep_receipts({stalled: Promise(b"{}", 9 * MINUTE)})
    assert await judge_all(connection, 11 * MINUTE) == 1
    assert (await broken(connection)).keys() == {"stalled"}


@pytest.mark.parametrize("seed", range(4))
async def test_old_blocks_leave_and_the_answer_is_that_of_a_plain_count(connection: Any, seed: int) -> None:
    chance = random.Random(seed)
    blocks: dict[int, list[tuple[int, int]]] = {}
    for shard in range(SHARDS):
        rawpos, time = -1, 0
        blocks[shard] = []
        for height in range(40):
            rawpos, time = rawpos + chance.randint(0, 3), time + chance.randint(0, 20 * MINUTE)
            blocks[shard].append((rawpos, time))
            await seal(connection, shard, height, rawpos, time)
    due: dict[str, tuple[int, tuple[int, int]]] = {}
    for number in range(150):
        place = (chance.randrange(SHARDS), chance.randint(0, 90))
        due[f"e-{number}"] = (chance.randint(1, 500 * MINUTE), place)
        await promise(connection, f"e-{number}", *due[f"e-{number}"])
    looked = 0
    for until in [*sorted(chance.sample(range(500 * MINUTE), 6)), 500 * MINUTE]:
        looked += await judge_all(connection, until)
    assert looked == len(due)
    expected = {
        name
        for name, (by, (shard, rawpos)) in due.items()
        if not any(last >= rawpos and time <= by for last, time in blocks[shard])
    }
    assert (await broken(connection)).keys() == expected
    assert await connection.fetchval("SELECT count(*) FROM seal") < SHARDS * 40


async def test_a_follower_whose_position_was_moved_writes_nothing(connection: Any) -> None:
    start = SealedShard(shard=0)
    first = SealedShard(shard=0, blocks_next=1)
    await receiptstore.save(connection, [(start, first)], [SealedBatch()])
    with pytest.raises(receiptstore.FollowerMoved):
        await receiptstore.save(connection, [(start, SealedShard(shard=0, blocks_next=2))], [SealedBatch()])
    assert await receiptstore.load(connection, 0) == first
