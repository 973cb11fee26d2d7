"""PostgreSQL as every service uses it: one pool with time limits, one schema, migrations that only go forward."""

import asyncio
import contextlib
import importlib.resources
import random
from collections.abc import AsyncIterator, Iterator

import asyncpg

from balance_chain.core.errors import BalanceError
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.settings import CommonSettings

POOL_SIZE = 8
RETRY_LAST_SECONDS = 5.0
# Any constant: all migrations of one database wait for each other.
MIGRATION_LOCK = 0x42414C41

# What a connection raises while the server is away or starting; the caller waits and tries again.
AWAY: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
)

# The same, and every refusal of a statement.
BROKEN: tuple[type[Exception], ...] = (*AWAY, asyncpg.PostgresError)

_log = get_logger("balance_chain.db")


class MigrationError(BalanceError):
    """The database has a state that these migrations do not lead to."""


async def connect(
    settings: CommonSettings, schema: str, *, size: int = POOL_SIZE, durable: bool = True, by_key: bool = False
) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool whose search path is `schema`; waits while the database is away.

    Releasing a connection costs no round trip: who changes its session (a lock, a setting) takes a `session`. Not
    `durable`: where the server itself dies, the last commits may be lost, whole and from the end. That is for a
    projection alone, whose position is in the same transactions: it goes on from the position that it then finds.

    `by_key`: every statement finds its rows by an index. PostgreSQL keeps the plan of a statement, and one made while
    a table was new and empty reads all of it: a commit would cost the more the longer the service runs.
    """
    server_settings = {"search_path": schema, "application_name": schema}
    if not durable:
        server_settings["synchronous_commit"] = "off"
    if by_key:
        server_settings |= dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin"), "off")
    delay = 0.2
    while True:
        try:
            return await asyncpg.create_pool(
                settings.database,
                min_size=1,
                max_size=size,
                timeout=settings.database_timeout_seconds,
                command_timeout=settings.database_timeout_seconds,
                server_settings=server_settings,
                reset=_as_it_is,
            )
        except AWAY as error:
            _log.warning("database_away", error=repr(error))
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311
            delay = min(delay * 2, RETRY_LAST_SECONDS)


async def _as_it_is(_: object) -> None:
    """Nothing of a session is to be undone; asyncpg itself rolls back what is open."""


@contextlib.asynccontextmanager
async def session(
    pool: "asyncpg.Pool[asyncpg.Record]", seconds: float
) -> "AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]":
    """A connection whose locks and settings last as long as the block; one that cannot drop them is closed."""
    async with pool.acquire(timeout=seconds) as connection:
        try:
            yield connection
        finally:
            try:
                await connection.reset(timeout=seconds)
            except BROKEN:
                # One that broke in the block is out of the pool already.
                with contextlib.suppress(asyncpg.InterfaceError):
                    connection.terminate()


async def database_problems(pool: "asyncpg.Pool[asyncpg.Record]") -> list[str]:
    """For /readyz."""
    try:
        await pool.fetchval("SELECT 1")
    except BROKEN as error:
        return [f"no answer: {error!r}"]
    return []


def migrations(package: str) -> Iterator[tuple[int, str, str]]:
    """(number, file name, SQL) of `migrations/NNNN_name.sql` in a package, in order."""
    folder = importlib.resources.files(package) / "migrations"
    for name in sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql")):
        yield int(name.split("_")[0]), name, (folder / name).read_text(encoding="utf-8")


async def migrate(pool: "asyncpg.Pool[asyncpg.Record]", package: str, schema: str) -> list[str]:
    """Applies what is not yet applied, each file in a transaction; gives the names applied."""
    applied: list[str] = []
    async with pool.acquire() as connection:
        for number, name, sql in migrations(package):
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
                await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
                await connection.execute(f'SET LOCAL search_path TO "{schema}"')
                await connection.execute(
                    "CREATE TABLE IF NOT EXISTS migration (number integer PRIMARY KEY, name text NOT NULL,"
                    " applied timestamptz NOT NULL DEFAULT now())"
                )
                known = await connection.fetchval("SELECT name FROM migration WHERE number = $1", number)
                if known is None:
                    await connection.execute(sql)
                    await connection.execute("INSERT INTO migration (number, name) VALUES ($1, $2)", number, name)
                    applied.append(name)
                elif known != name:
                    raise MigrationError(
                        f"migration {number}", f"is {known} in the database, {name} here", "run the right version"
                    )
    return applied
