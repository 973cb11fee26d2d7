"""The peer that a court would write by itself: one PostgreSQL table, each row's hash over the one before."""

from __future__ import annotations

import time
from hashlib import sha256

import asyncpg

SCHEMA = "bench_chain"
CREATE = f"""
create schema if not exists {SCHEMA};
drop table if exists {SCHEMA}.chain;
create table {SCHEMA}.chain (position bigint primary key, event bytea not null, hash bytea not null)
"""
HEAD = f"select position, hash from {SCHEMA}.chain order by position desc limit 1 for update"
APPEND = f"insert into {SCHEMA}.chain select * from unnest($1::bigint[], $2::bytea[], $3::bytea[])"
FROM = f"select event, hash from {SCHEMA}.chain where position >= $1 order by position"
BEFORE = f"select hash from {SCHEMA}.chain where position = $1"
ZERO = bytes(32)


async def create(connection: asyncpg.Connection) -> None:
    await connection.execute(CREATE)


async def drop(connection: asyncpg.Connection) -> None:
    await connection.execute(f"drop schema if exists {SCHEMA} cascade")


async def append(connection: asyncpg.Connection, events: list[bytes]) -> None:
    """One transaction: lock the head, chain the events on, insert them."""
    async with connection.transaction():
        head = await connection.fetchrow(HEAD)
        position, last = (head["position"] + 1, head["hash"]) if head else (0, ZERO)
        hashes = []
        for event in events:
            last = sha256(last + event).digest()
            hashes.append(last)
        await connection.execute(APPEND, list(range(position, position + len(events))), events, hashes)


async def fill(connection: asyncpg.Connection, entries: int, size: int, batch: int) -> float:
    """Seconds to append so many events."""
    started = time.perf_counter()
    for first in range(0, entries, batch):
        await append(connection, [b"%0*d" % (size, n) for n in range(first, min(first + batch, entries))])
    return time.perf_counter() - started


async def prove(connection: asyncpg.Connection, position: int) -> int:
    """What a checker must do to tie one row to the head: hash on from it to the end. Gives the rows read."""
    before = await connection.fetchval(BEFORE, position - 1) if position else ZERO
    rows = await connection.fetch(FROM, position)
    for each in rows:
        before = sha256(before + each["event"]).digest()
        if before != each["hash"]:
            raise RuntimeError("the chain does not hold")
    return len(rows)
