"""What a session holds ends with it, though the pool keeps the connection; and which pool may forget commits."""

from __future__ import annotations

import contextlib

import asyncpg
import pytest
from balance_chain.runtime.db import connect, session
from balance_chain.runtime.settings import CommonSettings
from balance_intake.model import Claim, EventKey, Promise
from balance_intake.repository import SCHEMA, Repository, migrate_intake
from support.waiting import wait_until

LOCK = 71


async def test_what_a_session_holds_is_free_when_it_ends_well_or_badly(database: str) -> None:
    settings = CommonSettings(database=database)
    pool = await connect(settings, "public", size=1)
    other = await asyncpg.connect(database)
    try:
        for fails in (False, True):
            with pytest.raises(ZeroDivisionError) if fails else contextlib.nullcontext():
                async with session(pool, 5.0) as connection:
                    backend = await connection.fetchval("SELECT pg_backend_pid()")
                    await connection.execute("SET idle_session_timeout = 77000")
                    assert await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
                    assert not await other.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
                    if fails:
                        raise ZeroDivisionError
            assert await other.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
            await other.fetchval("SELECT pg_advisory_unlock($1)", LOCK)
            assert await pool.fetchval("SELECT pg_backend_pid()") == backend
            assert await pool.fetchval("SHOW idle_session_timeout") == "0"
            assert await pool.fetchval("SHOW search_path") == "public"
    finally:
        await other.close()
        await pool.close()


async def test_a_session_whose_connection_broke_gives_the_pool_a_new_one(database: str) -> None:
    settings = CommonSettings(database=database)
    pool = await connect(settings, "public", size=1)
    other = await asyncpg.connect(database)
    try:
        async with session(pool, 5.0) as connection:
            await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
            await wait_until(lambda: gone(connection), 10, "the client sees that its connection is gone")
        assert await pool.fetchval("SELECT 1") == 1
    finally:
        await other.close()
        await pool.close()


def gone(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> bool:
    """A broken connection leaves its pool by itself, and then answers nothing."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


async def test_only_a_pool_that_says_so_may_forget_its_last_commits(database: str) -> None:
    settings = CommonSettings(database=database)
    for durable, expected in ((True, "on"), (False, "off")):
        pool = await connect(settings, "public", size=1, durable=durable)
        try:
            assert await pool.fetchval("SHOW synchronous_commit") == expected
        finally:
            await pool.close()


async def test_an_accepted_event_never_costs_a_look_at_the_whole_table(database: str) -> None:
    settings = CommonSettings(database=database)
    pool = await connect(settings, SCHEMA, size=1, by_key=True)
    try:
        await migrate_intake(pool)
        before = await whole_reads(pool)
        repository = Repository(pool)
        for number in range(12):  # a plan is kept from the sixth time on, and the table was empty at the first
            key = EventKey("urn:court:x", str(number))
            for _ in range(2):
                await repository.reserve([(key, b"digest", "case")])
                await repository.keep_receipts({key: Promise(b"receipt", 1)})
                await repository.claim([Claim(key, number, "case", b"digest", None)], 0, 0)
        assert await whole_reads(pool) == before
    finally:
        await pool.close()


async def whole_reads(pool: asyncpg.Pool[asyncpg.Record]) -> dict[str, int]:
    """How often each table of intake was read from end to end."""
    await pool.execute("SELECT pg_stat_force_next_flush()")
    tables = await pool.fetch(
        "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname IN ('reservation', 'dedup')"
    )
    return {row["relname"]: row["seq_scan"] for row in tables}
