"""The gateway's follower holds a bounded number of events of a shard that nobody seals, and the others go on."""

from __future__ import annotations

import asyncpg
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.settings import CommonSettings
from balance_intake import receiptkeeper
from balance_intake.receiptkeeper import SealFollower
from balance_intake.repository import SCHEMA, migrate_intake
from support.ledger import put_events, read_shard
from support.processes import Processes
from support.waiting import wait_until

BOUND, EVENTS_PUT = 40, 300
SEALING = {"max_events": 16, "max_wait_ms": 50, "genesis": True, "group_session_seconds": 2}


async def test_events_that_nobody_seals_are_held_up_to_a_bound_and_taken_when_they_are_sealed(
    topics: CommonSettings, keys: KeyDirectory, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiptkeeper, "AHEAD_EVENTS", BOUND)
    monkeypatch.setattr(receiptkeeper, "READ_RECORDS", BOUND)
    await processes.run("balance-sealer", "genesis", settings=topics)
    for shard in range(topics.partitions):
        await put_events(topics, shard, EVENTS_PUT)
    pool = await asyncpg.create_pool(topics.database, min_size=1, max_size=2, server_settings={"search_path": SCHEMA})
    try:
        await migrate_intake(pool)
        async with pool.acquire() as connection, SealFollower(topics, connection, keys.log_vkey) as follower:

            async def full() -> bool:
                await follower.turn(0.2)
                return all(shard.waiting >= BOUND for shard in follower._shards.values())

            await wait_until(full, 60, f"as much of {topics.topic(EVENTS)} is read as may be held")
            for _ in range(5):
                await follower.turn(0.2)
            held = [shard.waiting for shard in follower._shards.values()]
            assert all(waiting < 3 * BOUND for waiting in held), held
            processes.start("balance-sealer", "sealer", settings=topics, env=SEALING)

            async def sealed() -> bool:
                await follower.turn(0.2)
                rows = await connection.fetch("SELECT next_offset FROM sealed_shard")
                return [row["next_offset"] for row in rows] == [EVENTS_PUT] * topics.partitions

            await wait_until(sealed, 90, "everything is sealed and taken")
            for shard in range(topics.partitions):
                blocks = (await read_shard(topics, keys, shard)).headers
                seals = await connection.fetch("SELECT height FROM seal WHERE shard = $1 ORDER BY height", shard)
                assert [row["height"] for row in seals] == [header.height for header in blocks]
    finally:
        await pool.close()
