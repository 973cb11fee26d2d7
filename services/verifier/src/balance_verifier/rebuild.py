"""Makes the verifier's projection again from events and `ledger.*`, beside the running one.

The same loops as the worker's fill a shadow schema. At the end the running worker's positions are locked, the shadow
catches up to them, what the log alone does not show again is carried over (findings, evidence of two histories,
timestamps), and the schemas are renamed, in one transaction. The running worker then finds its position moved and
loads it again.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS, CHECKPOINTS, EVENTS
from balance_chain.runtime.db import connect, migrate
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import topic_ends
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.rebuild import (
    SHADOW,
    RebuildRefused,
    Rebuilt,
    Show,
    clear_shadow,
    count_rows,
    drop_replaced,
    swap_schemas,
)

from balance_verifier.errors import PositionMoved
from balance_verifier.logcheck import history_of
from balance_verifier.logworker import LogWorker
from balance_verifier.repository import Connection as Proxy
from balance_verifier.repository import Repository
from balance_verifier.settings import WorkerSettings
from balance_verifier.shardworker import Halted, ShardWorker
from balance_verifier.worker import first

PACKAGE = "balance_verifier"
TABLES = ("event", "digest", "block", "log_node", "checkpoint", "finding")
LOOK_SECONDS = 0.1
POLL_SECONDS = 0.1

_KEEP = (
    "INSERT INTO finding SELECT * FROM {old}.finding ON CONFLICT (id) DO UPDATE"
    " SET found = excluded.found, published = excluded.published",
    "INSERT INTO stray SELECT * FROM {old}.stray",
    "INSERT INTO equivocation SELECT * FROM {old}.equivocation",
    "INSERT INTO timestamp_token SELECT * FROM {old}.timestamp_token",
)
_LOCKED = ("shard", "log", "stray", "equivocation", "timestamp_token")
"""What the running processes write to, besides rows that go with a position."""


async def rebuild(show: Show) -> Rebuilt:
    """The entry point `verifier` of `balance_chain.rebuild`."""
    settings = WorkerSettings()
    schema = settings.verifier_schema
    running = await connect(settings, schema, size=2)
    try:
        await migrate(running, PACKAGE, schema)
        shadow = await clear_shadow(running, schema)
        pool = await connect(settings, shadow)
        try:
            await migrate(pool, PACKAGE, shadow)
            builder = _Builder(settings, pool, show)
            await builder.reach(await ends(settings))
            async with running.acquire() as connection, connection.transaction():
                locked = ", ".join(f'"{schema}".{table}' for table in _LOCKED)
                await connection.execute(f"LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE")
                # Positions beyond the topics are those of topics that were lost, of which these were restored.
                await builder.reach((await positions(connection, schema)).within(await ends(settings)))
                await connection.execute(f'SET LOCAL search_path TO "{shadow}"')
                for keep in _KEEP:
                    await connection.execute(keep.format(old=f'"{schema}"'))
                await swap_schemas(connection, schema)
        finally:
            await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)
        await drop_replaced(running, schema)
        return Rebuilt(builder.records, await count_rows(running, schema, TABLES))
    finally:
        await asyncio.wait_for(running.close(), settings.database_timeout_seconds)


@dataclass(frozen=True)
class Positions:
    """The next records to read: of events and blocks by shard, and of checkpoints."""

    events: dict[int, int]
    blocks: dict[int, int]
    checkpoints: int

    @property
    def records(self) -> int:
        return sum(self.events.values()) + sum(self.blocks.values())

    def within(self, ends: Positions) -> Positions:
        """These, or where the topics end before them."""
        return Positions(
            {shard: min(offset, ends.events[shard]) for shard, offset in self.events.items()},
            {shard: min(offset, ends.blocks[shard]) for shard, offset in self.blocks.items()},
            min(self.checkpoints, ends.checkpoints),
        )

    def before(self, other: Positions) -> bool:
        """Whether any of these is before the other's."""
        return (
            any(self.events.get(shard, 0) < offset for shard, offset in other.events.items())
            or any(self.blocks.get(shard, 0) < offset for shard, offset in other.blocks.items())
            or self.checkpoints < other.checkpoints
        )


async def ends(settings: WorkerSettings) -> Positions:
    """Where the topics end now."""
    events, blocks = [await topic_ends(settings, topic, settings.partitions) for topic in (EVENTS, BLOCKS)]
    checkpoints = (await topic_ends(settings, CHECKPOINTS, 1))[0]
    if checkpoints == 0:
        raise RebuildRefused(CHECKPOINTS, "is empty, so there is no log to rebuild from", "see which Kafka this is")
    return Positions(events, blocks, checkpoints)


async def positions(connection: Proxy[asyncpg.Record], schema: str) -> Positions:
    """Where a projection stands."""
    rows = await connection.fetch(f'SELECT shard, events_next, blocks_next FROM "{schema}".shard')  # noqa: S608
    return Positions(
        {row["shard"]: row["events_next"] for row in rows},
        {row["shard"]: row["blocks_next"] for row in rows},
        await connection.fetchval(f'SELECT next FROM "{schema}".log') or 0,  # noqa: S608
    )


class _Builder:
    """The worker's loops on the shadow schema, until it has caught up."""

    def __init__(self, settings: WorkerSettings, pool: asyncpg.Pool[asyncpg.Record], show: Show) -> None:
        self._settings = settings.model_copy(update={"verifier_poll_seconds": POLL_SECONDS})
        self._pool = pool
        self._schema = settings.verifier_schema + SHADOW
        self._show = show
        self._key = KeyDirectory.load(settings.keys).log_vkey
        self._repository = Repository(pool, settings.origin, settings.database_timeout_seconds)
        self.records = 0

    async def reach(self, wanted: Positions) -> None:
        """Read and recompute until the shadow is at these positions or past them."""
        await self._repository.prepare(self._settings.partitions)
        stop = asyncio.Event()
        loops = asyncio.ensure_future(self._loops(stop))
        try:
            while True:
                async with self._pool.acquire() as connection:
                    now = await positions(connection, self._schema)
                self.records = now.records
                self._show(now.records, max(now.records, wanted.records))
                if not now.before(wanted):
                    break
                await asyncio.wait({loops}, timeout=LOOK_SECONDS)
                if loops.done():
                    await loops
        finally:
            stop.set()
            await loops

    async def _loops(self, stop: asyncio.Event) -> None:
        settings, repository, health, committed = self._settings, self._repository, Health(), asyncio.Event()
        log_worker = LogWorker(settings, repository, health, self._key, committed)

        async def shard(number: int) -> None:
            await first(log_worker.known, stop)
            while not stop.is_set():
                state = log_worker.state
                watch = KeyWatch(settings, self._key, history_of(state), state.next)
                with suppress(PositionMoved):
                    # Nobody else writes the shadow: what moves it is a key set that the log has taken.
                    await ShardWorker(
                        settings, repository, health, number, watch, committed, lambda: len(log_worker.state.keys)
                    ).run(stop)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(log_worker.run(stop))
                for number in range(settings.partitions):
                    group.create_task(shard(number))
        except* Halted as halted:
            raise RebuildRefused(
                "verifier",
                f"the log cannot be recomputed: {halted.exceptions[0]}",
                "see the finding in docs/runbook.md",
            ) from halted
