"""All SQL of the worker: the projection and the positions, in one transaction a batch.

Each commit is a compare-and-swap on the position it started from, so a second copy of the worker loses and writes
nothing (`PositionMoved`). Transactions take one advisory lock, so that uniqueness across shards is judged on what is
committed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import msgspec
from balance_verify.keyset import KeyHistory

from balance_verifier.errors import NotFound, PositionMoved
from balance_verifier.findings import Finding
from balance_verifier.logcheck import Advance, LogState, history_of
from balance_verifier.rows import BlockRow, DigestRow, EventRow, ShardState
from balance_verifier.undo import undo_blocks

Pool = asyncpg.Pool
Connection = asyncpg.pool.PoolConnectionProxy

_SHARD_COLUMNS = ShardState.__struct_fields__
_LOG_COLUMNS = LogState.__struct_fields__
_PLACE_BLOCKS = """
UPDATE block b SET log_index = t.index + b.height - t.first
FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[]) AS t (shard, first, last, index)
WHERE b.shard = t.shard AND b.height BETWEEN t.first AND t.last
"""
_ENTRIES = """
SELECT b.entry FROM unnest($1::int[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS t (shard, first, last, place)
JOIN block b ON b.shard = t.shard AND b.height BETWEEN t.first AND t.last ORDER BY t.place, b.height
"""


@dataclass
class ShardBatch:
    """What one transaction of a shard writes."""

    before: ShardState
    events: list[EventRow] = field(default_factory=list)
    digests: list[DigestRow] = field(default_factory=list)
    blocks: list[BlockRow] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class StoredFinding:
    """A finding as the table keeps it, with the time it was first seen."""

    id: str
    found: str
    finding: Finding


class Repository:
    """The worker's side of schema `verifier`; the pool's search path is that schema."""

    def __init__(self, pool: Pool[asyncpg.Record], origin: str, timeout_seconds: float) -> None:
        self._pool = pool
        self._origin = origin
        self._timeout = timeout_seconds

    async def prepare(self, shards: int) -> None:
        """Make the position rows of a projection that has none yet."""
        async with self._transaction() as connection:
            for shard in range(shards):
                await connection.execute(
                    f"INSERT INTO shard ({', '.join(_SHARD_COLUMNS)}) "  # noqa: S608
                    f"VALUES ({_marks(len(_SHARD_COLUMNS))}) ON CONFLICT DO NOTHING",
                    *msgspec.structs.astuple(ShardState(shard=shard)),
                )
            await connection.execute(
                f"INSERT INTO log ({', '.join(_LOG_COLUMNS)}) "  # noqa: S608
                f"VALUES ({_marks(len(_LOG_COLUMNS))}) ON CONFLICT DO NOTHING",
                *msgspec.structs.astuple(LogState()),
            )

    async def load_shard(self, shard: int) -> tuple[ShardState, bytes]:
        """A shard's position, and the leaves of its events that are not yet in a block."""
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            row = await connection.fetchrow(
                f"SELECT {', '.join(_SHARD_COLUMNS)} FROM shard WHERE shard = $1",  # noqa: S608
                shard,
            )
            if row is None:
                raise NotFound(f"shard {shard}", "has no position row", "prepare the projection first")
            state = ShardState(**dict(row))
            leaves = await connection.fetchval(
                "SELECT string_agg(leaf, ''::bytea ORDER BY pos) FROM event WHERE shard = $1 AND pos >= $2",
                shard,
                state.sealed_next,
            )
        return state, leaves or b""

    async def load_log(self) -> LogState:
        """The position in `ledger.checkpoints` and the compact range under it."""
        row = await self._pool.fetchrow(f"SELECT {', '.join(_LOG_COLUMNS)} FROM log")  # noqa: S608
        if row is None:
            raise NotFound("log", "has no position row", "prepare the projection first")
        values = dict(row)
        for name in ("heights", "signers", "range", "keys", "generations"):
            values[name] = tuple(values[name])
        return LogState(**values)

    async def commit_shard(self, batch: ShardBatch, after: ShardState, keys: KeyHistory) -> None:
        """Write a batch of a shard and move its position, or raise `PositionMoved` and write nothing.

        `keys` are those by which its blocks were judged; the log may have taken a later set since.
        """
        before = batch.before
        async with self._transaction() as connection:
            moved = await connection.execute(
                f"UPDATE shard SET ({', '.join(_SHARD_COLUMNS)}) = ({_marks(len(_SHARD_COLUMNS))}) "  # noqa: S608
                f"WHERE shard = $1 AND events_next = ${len(_SHARD_COLUMNS) + 1} "
                f"AND blocks_next = ${len(_SHARD_COLUMNS) + 2} "
                f"AND (SELECT cardinality(keys) FROM log) <= ${len(_SHARD_COLUMNS) + 3}",
                *msgspec.structs.astuple(after),
                before.events_next,
                before.blocks_next,
                len(keys.sets) - 1,
            )
            if moved != "UPDATE 1":
                raise PositionMoved(
                    f"shard {before.shard}",
                    f"is no longer at events {before.events_next}, blocks {before.blocks_next}, or old keys judged",
                    "load the state again",
                )
            await self._copy(connection, "event", EventRow, batch.events)
            await self._copy(connection, "digest", DigestRow, batch.digests)
            await self._copy(connection, "block", BlockRow, batch.blocks)
            twice = await self._names_twice(connection, [row.name for row in batch.events if row.counts])
            await self._insert_findings(connection, [*batch.findings, *twice])

    async def commit_log(self, before: LogState, advance: Advance, covered: Sequence[tuple[int, int, int]]) -> None:
        """Write a counting checkpoint, its nodes, and the place in the log of each block that it covers first."""
        async with self._transaction() as connection:
            await self._move_log(connection, before, advance.state)
            row = advance.checkpoint
            await connection.execute(
                "INSERT INTO checkpoint (pos, size, root, heights, note, keys, final, cosigners, quorum,"
                " generation) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                *msgspec.structs.astuple(row),
            )
            await connection.copy_records_to_table(
                "log_node",
                columns=("level", "index", "hash"),
                records=[msgspec.structs.astuple(node) for node in advance.nodes],
                timeout=self._timeout,
            )
            if covered:
                await connection.execute(_PLACE_BLOCKS, *zip(*_places(covered, advance.first_index), strict=True))
            if advance.state.keys != before.keys:
                await undo_blocks(connection, history_of(advance.state))

    async def skip_checkpoint(self, before: LogState, after: LogState, finding: Finding | None) -> None:
        """Move behind a checkpoint that does not count, and say why where something is wrong."""
        async with self._transaction() as connection:
            await self._move_log(connection, before, after)
            await self._insert_findings(connection, [finding] if finding else [])

    async def add_findings(self, found: Sequence[Finding]) -> None:
        """Keep findings that come with no move of a position."""
        async with self._transaction() as connection:
            await self._insert_findings(connection, found)

    async def all_entries(self, covered: Sequence[tuple[int, int, int]]) -> list[bytes]:
        """The entries of (shard, first height, last height) each, in that order; fewer where some are not there yet."""
        rows = await self._pool.fetch(_ENTRIES, *zip(*covered, strict=True)) if covered else []
        return [row["entry"] for row in rows]

    async def entries(self, shard: int, first: int, last: int) -> list[bytes]:
        """The entries of recomputed blocks, by height; fewer than asked for where they are not there yet."""
        rows = await self._pool.fetch(
            "SELECT entry FROM block WHERE shard = $1 AND height BETWEEN $2 AND $3 ORDER BY height", shard, first, last
        )
        return [row["entry"] for row in rows]

    async def blocks_next(self, shard: int) -> int:
        """The next record of `ledger.blocks` that the shard will take."""
        return int(await self._pool.fetchval("SELECT blocks_next FROM shard WHERE shard = $1", shard))

    async def unpublished(self, limit: int) -> list[StoredFinding]:
        """Findings that are not yet on `integrity.alerts`, oldest first."""
        rows = await self._pool.fetch(
            "SELECT id, code, shard, place, expected, got, detail, severity, halts,"
            " to_char(found AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS found_text"
            " FROM finding WHERE NOT published ORDER BY found, id LIMIT $1",
            limit,
        )
        return [
            StoredFinding(
                row["id"],
                row["found_text"],
                Finding(**{name: row[name] for name in Finding.__struct_fields__}),
            )
            for row in rows
        ]

    async def mark_published(self, ids: Sequence[str]) -> None:
        """These findings are on `integrity.alerts`."""
        await self._pool.execute("UPDATE finding SET published = true WHERE id = ANY($1::text[])", list(ids))

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection[asyncpg.Record]]:
        async with self._pool.acquire(timeout=self._timeout) as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema(), 0))")
            yield connection

    async def _copy(
        self,
        connection: Connection[asyncpg.Record],
        table: str,
        kind: type[EventRow | DigestRow | BlockRow],
        rows: Sequence[EventRow | DigestRow | BlockRow],
    ) -> None:
        if rows:
            await connection.copy_records_to_table(
                table,
                columns=kind.__struct_fields__,
                records=map(msgspec.structs.astuple, rows),
                timeout=self._timeout,
            )

    async def _names_twice(self, connection: Connection[asyncpg.Record], names: list[bytes]) -> list[Finding]:
        if not names:
            return []
        twice = await connection.fetch(
            "SELECT name FROM event WHERE name = ANY($1::bytea[]) AND counts GROUP BY name HAVING count(*) > 1", names
        )
        if not twice:
            return []
        rows = await connection.fetch(
            "SELECT name, shard, pos FROM event WHERE name = ANY($1::bytea[]) AND counts ORDER BY name, shard, pos",
            [row["name"] for row in twice],
        )
        first: dict[bytes, asyncpg.Record] = {}
        found = []
        for row in rows:
            kept = first.setdefault(row["name"], row)
            if kept is not row:
                found.append(
                    Finding(
                        code="event_twice",
                        place=f"litigation.events/{row['shard']}@{row['pos']}",
                        expected=f"one counting event of this name, at {kept['shard']}@{kept['pos']}",
                        got=f"another at {row['shard']}@{row['pos']}",
                        shard=row["shard"],
                    )
                )
        return found

    async def _insert_findings(self, connection: Connection[asyncpg.Record], found: Sequence[Finding]) -> None:
        if found:
            await connection.executemany(
                "INSERT INTO finding (id, code, place, expected, got, detail, shard, severity, halts, found)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now()) ON CONFLICT DO NOTHING",
                [(finding.id(self._origin), *msgspec.structs.astuple(finding)) for finding in found],
            )

    async def _move_log(self, connection: Connection[asyncpg.Record], before: LogState, after: LogState) -> None:
        moved = await connection.execute(
            f"UPDATE log SET ({', '.join(_LOG_COLUMNS)}) = ({_marks(len(_LOG_COLUMNS))}) "  # noqa: S608
            f"WHERE next = ${len(_LOG_COLUMNS) + 1}",
            *msgspec.structs.astuple(after),
            before.next,
        )
        if moved != "UPDATE 1":
            raise PositionMoved("log", f"is no longer at checkpoint record {before.next}", "load the state again")


def _places(covered: Sequence[tuple[int, int, int]], index: int) -> Iterator[tuple[int, int, int, int]]:
    """(shard, first height, last height, index in the log of the first) of each run of blocks."""
    for shard, first, last in covered:
        yield shard, first, last, index
        index += last - first + 1


def _marks(count: int) -> str:
    return ", ".join(f"${n}" for n in range(1, count + 1))
