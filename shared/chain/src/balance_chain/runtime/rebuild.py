"""What every rebuild of a projection shares: a shadow schema beside the running one, and the swap.

A distribution brings its rebuild as an entry point of the group `balance_chain.rebuild`: its name is the projection,
its object an async function that takes a `Show` and gives a `Rebuilt`. Promise: until the swap the running projection
is not touched; the swap is one transaction; what stops half-way leaves a shadow that the next rebuild throws away.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import asyncpg

from balance_chain.core.errors import BalanceError

Pool = asyncpg.Pool
Connection = asyncpg.pool.PoolConnectionProxy

GROUP = "balance_chain.rebuild"
SHADOW = "_rebuild"
OLD = "_replaced"

Show = Callable[[int, int], None]
"""Told how many records are done, and of how many."""


class RebuildRefused(BalanceError):
    """The projection cannot be made again now; the running one is as it was."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild read, and the rows of each table that it made."""

    records: int
    rows: dict[str, int]


Rebuild = Callable[[Show], Awaitable[Rebuilt]]


async def clear_shadow(pool: "Pool[asyncpg.Record]", schema: str) -> str:
    """Throw away what an earlier rebuild left; gives the name of the shadow schema, which is not made yet."""
    for suffix in (SHADOW, OLD):
        await pool.execute(f'DROP SCHEMA IF EXISTS "{schema}{suffix}" CASCADE')
    return schema + SHADOW


async def swap_schemas(connection: "Connection[asyncpg.Record]", schema: str) -> None:
    """Inside the caller's transaction: the shadow takes the running schema's name, which takes another."""
    await connection.execute(f'ALTER SCHEMA "{schema}" RENAME TO "{schema}{OLD}"')
    await connection.execute(f'ALTER SCHEMA "{schema}{SHADOW}" RENAME TO "{schema}"')


async def drop_replaced(pool: "Pool[asyncpg.Record]", schema: str) -> None:
    """After the swap: what was replaced goes."""
    await pool.execute(f'DROP SCHEMA IF EXISTS "{schema}{OLD}" CASCADE')


async def count_rows(pool: "Pool[asyncpg.Record]", schema: str, tables: Iterable[str]) -> dict[str, int]:
    """Rows of each table."""
    return {table: int(await pool.fetchval(f'SELECT count(*) FROM "{schema}"."{table}"')) for table in tables}  # noqa: S608
