"""All SQL about receipts being kept. Names are not qualified: the connection's search path says which schema.

One connection follows the log, under an advisory lock that it holds as long as it lives, so that of several gateways
one follows and the others stand by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from balance_intake.errors import FollowerMoved
from balance_intake.sealing import Broken, Seal, SealedBatch, SealedReject, SealedShard, columns

Connection = Any
"""asyncpg's pool hands out proxies, which its types tell apart from connections."""

LOCK: Final = 0x42414C11
UNPUBLISHED: Final = 100
STEP_MS: Final = 60_000
"""Most that is looked at in one transaction."""
KEPT_MS: Final = 2 * 3_600_000
"""Blocks older than this leave: a clock that was ahead by less may be put right, and promises are looked at again."""

_JUDGE: Final = """
WITH due AS (
    SELECT source, id, due, receipt FROM reservation WHERE due > $1 AND due <= $2
), placed AS (
    SELECT due.*, coalesce(d.partition, r.shard) AS shard, coalesce(d.rawgen, r.rawgen) AS rawgen,
        coalesce(d.rawpos, r.rawpos) AS rawpos
    FROM due LEFT JOIN dedup d USING (source, id)
    LEFT JOIN LATERAL (
        SELECT shard, rawgen, rawpos FROM rejected WHERE d.source IS NULL AND source = due.source AND id = due.id
        ORDER BY time LIMIT 1
    ) r ON true
), looked AS (
    SELECT placed.*, s.time AS sealed, s.height FROM placed
    LEFT JOIN LATERAL (
        SELECT time, height FROM seal WHERE seal.shard = placed.shard AND (seal.rawgen, seal.rawpos)
            >= (placed.rawgen, placed.rawpos) ORDER BY seal.rawgen, seal.rawpos, seal.height LIMIT 1
    ) s ON true
)
SELECT source, id, due, shard, sealed, height FROM looked
WHERE sealed IS NULL OR sealed > due
"""
# The newest block that no open receipt needs stays: what stands before it was sealed no later than it.
_PRUNE: Final = """
DELETE FROM seal s WHERE s.time <= $1 AND EXISTS (
    SELECT FROM seal later WHERE later.shard = s.shard AND later.time <= $1
        AND (later.rawgen, later.rawpos, later.height) > (s.rawgen, s.rawpos, s.height))
"""


async def try_lock(connection: Connection) -> bool:
    """Whether this connection is now the one that follows."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1::int, hashtext(current_schema()))", LOCK))


async def load(connection: Connection, shard: int) -> SealedShard:
    """Where a shard stands."""
    row = await connection.fetchrow(f"SELECT {columns(SealedShard)} FROM sealed_shard WHERE shard = $1", shard)  # noqa: S608
    return SealedShard(shard=shard) if row is None else SealedShard(**dict(row))


async def save(
    connection: Connection, moves: Sequence[tuple[SealedShard, SealedShard]], batches: Sequence[SealedBatch]
) -> None:
    """Keep what was sealed, and move each shard (from, to), in one transaction; `FollowerMoved` where another did.

    A projection with its position: what a dying server forgets of it is read from the log once more.
    """
    names = SealedShard.__struct_fields__
    marks = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    async with connection.transaction():
        await connection.execute("SET LOCAL synchronous_commit TO off")
        for before, after in moves:
            status = await connection.execute(
                f"INSERT INTO sealed_shard ({', '.join(names)}) VALUES ({marks}) ON CONFLICT (shard) DO UPDATE SET "  # noqa: S608
                + ", ".join(f"{name} = excluded.{name}" for name in names[1:])
                + f" WHERE sealed_shard.blocks_next = ${len(names) + 1}",
                *msgspec.structs.astuple(after),
                before.blocks_next,
            )
            if status != "INSERT 0 1":
                raise FollowerMoved(f"shard {after.shard}", "was moved by another follower", "load it again")
        for table, kind, rows in (
            ("seal", Seal, [seal for batch in batches for seal in batch.seals]),
            ("rejected", SealedReject, [reject for batch in batches for reject in batch.rejects]),
        ):
            if rows:
                await connection.copy_records_to_table(
                    table, columns=kind.__struct_fields__, records=map(msgspec.structs.astuple, rows)
                )


async def judge(connection: Connection, until: int, now: int) -> tuple[int, int, int]:
    """Look at the receipts of the next minute at most, due by `until`; gives up to when, how many, how many broke.

    Where `until` lies before what was looked at, the clock was ahead and has been put right: what is promised from now
    on may be due before that, so the looking goes back as well. A promise that was found broken stays so.
    """
    async with connection.transaction():
        since = await connection.fetchval("SELECT due FROM judged FOR UPDATE")
        if since is None:
            # Once in a ledger's life: until the row is there, whoever stores a promise cannot set it back.
            await connection.execute("LOCK TABLE reservation IN SHARE MODE")
            first = await connection.fetchval("SELECT min(due) FROM reservation")
            since = until if first is None else min(first - 1, until)
            await connection.execute("INSERT INTO judged (due) VALUES ($1) ON CONFLICT DO NOTHING", since)
        if until <= since:
            await connection.execute("UPDATE judged SET due = $1", until)
            return until, 0, 0
        until = min(until, since + STEP_MS)
        count = await connection.fetchval("SELECT count(*) FROM reservation WHERE due > $1 AND due <= $2", since, until)
        rows = await connection.fetch(_JUDGE, since, until)
        await connection.executemany(
            "INSERT INTO broken_receipt (source, id, due, shard, sealed, height, found)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            [(*tuple(row), now) for row in rows],
        )
        await connection.execute("UPDATE judged SET due = $1", until)
        await connection.execute(_PRUNE, until - KEPT_MS)
    return until, int(count), len(rows)


async def unpublished(connection: Connection) -> list[tuple[Broken, int]]:
    """Broken receipts that are not yet on `integrity.alerts`, each with when it was found, oldest first."""
    rows = await connection.fetch(
        "SELECT b.source, b.id, b.due, b.shard, b.sealed, b.height, r.receipt, b.found FROM broken_receipt b"
        " JOIN reservation r USING (source, id) WHERE NOT b.published ORDER BY b.found, b.source, b.id LIMIT $1",
        UNPUBLISHED,
    )
    return [(Broken(*tuple(row)[:7]), row["found"]) for row in rows]


async def mark_published(connection: Connection, told: Sequence[Broken]) -> None:
    """These are on `integrity.alerts`."""
    await connection.executemany(
        "UPDATE broken_receipt SET published = true WHERE source = $1 AND id = $2",
        [(each.source, each.id) for each in told],
    )
