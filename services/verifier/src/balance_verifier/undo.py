"""The SQL that takes blocks back which no longer count, because a key ended before the log covered them.

A block above the heights of a checkpoint has no place in the log yet. Where its signer's key ends at that
checkpoint, it never gets one: the shard goes back to the block before it, reads on from there, and finds it not
counting.
"""

from __future__ import annotations

import asyncpg
from balance_chain.core.counting import NONE_YET
from balance_verify.entry import ZERO_PREV, Entry, entry_hash
from balance_verify.keyset import KeyHistory

Connection = asyncpg.pool.PoolConnectionProxy


async def undo_blocks(connection: Connection[asyncpg.Record], keys: KeyHistory) -> None:
    """In each shard: the first block not covered whose signer does not hold, and all behind it, are taken back."""
    for shard, covered in enumerate(keys.last.heights):
        rows = await connection.fetch(
            "SELECT height, pos, entry FROM block WHERE shard = $1 AND height > $2 ORDER BY height", shard, covered
        )
        for row in rows:
            holding = {key.id for key in keys.sealers(shard, row["height"])}
            if Entry.parse(row["entry"]).key not in holding:
                await _go_back(connection, shard, row["height"], row["pos"])
                break


async def _go_back(connection: Connection[asyncpg.Record], shard: int, height: int, pos: int) -> None:
    await connection.execute("DELETE FROM block WHERE shard = $1 AND height >= $2", shard, height)
    last = await connection.fetchval("SELECT entry FROM block WHERE shard = $1 AND height = $2", shard, height - 1)
    head: tuple[object, ...] = (NONE_YET, ZERO_PREV, 0, 0, "", 0)
    if last is not None:
        header = Entry.parse(last).block_header()
        head = (
            header.height,
            entry_hash(last),
            header.from_ + header.count,
            header.start + header.count,
            header.time,
            header.gen,
        )
    await connection.execute(
        "UPDATE shard SET blocks_next = $2, height = $3, prev = $4, sealed_next = $5, start = $6, time = $7, gen = $8"
        " WHERE shard = $1",
        shard,
        pos,
        *head,
    )
