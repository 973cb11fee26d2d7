"""All SQL of the live fsck: it reads the projection and never writes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import msgspec

from balance_verifier.logcheck import CheckpointRow, LogState, NodeRow
from balance_verifier.rows import BlockRow, DigestRow, EventRow, ShardState

NODES_A_QUERY = 10_000


class Tables:
    """The projection's rows as the types that the recomputation makes; the pool's search path is its schema."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    async def shard(self, shard: int) -> ShardState | None:
        """A shard's position row."""
        row = await self._pool.fetchrow(f"SELECT {_columns(ShardState)} FROM shard WHERE shard = $1", shard)  # noqa: S608
        return ShardState(**dict(row)) if row else None

    async def log(self) -> LogState | None:
        """The log's position row."""
        row = await self._pool.fetchrow(f"SELECT {_columns(LogState)} FROM log")  # noqa: S608
        if row is None:
            return None
        values = dict(row)
        for name in ("heights", "signers", "range", "keys", "generations"):
            values[name] = tuple(values[name])
        return LogState(**values)

    async def events(self, shard: int, first: int, end: int) -> dict[int, EventRow]:
        """Event rows by offset."""
        rows = await self._pool.fetch(
            f"SELECT {_columns(EventRow)} FROM event WHERE shard = $1 AND pos >= $2 AND pos < $3",  # noqa: S608
            shard,
            first,
            end,
        )
        return {row["pos"]: EventRow(*row.values()) for row in rows}

    async def digests(self, shard: int, first: int, end: int) -> set[DigestRow]:
        """Digest rows of the events of a range."""
        rows = await self._pool.fetch(
            f"SELECT {_columns(DigestRow)} FROM digest WHERE shard = $1 AND pos >= $2 AND pos < $3",  # noqa: S608
            shard,
            first,
            end,
        )
        return {DigestRow(*row.values()) for row in rows}

    async def block(self, shard: int, height: int) -> BlockRow | None:
        """One block row."""
        row = await self._pool.fetchrow(
            f"SELECT {_columns(BlockRow)} FROM block WHERE shard = $1 AND height = $2",  # noqa: S608
            shard,
            height,
        )
        return BlockRow(*row.values()) if row else None

    async def beyond(self, shard: int) -> list[tuple[str, int, int]]:
        """(table, count of rows, first place) of rows outside what the position row says is there at that moment."""
        found = []
        for table, column, position in (
            ("event", "pos", "events_next - 1"),
            ("digest", "pos", "events_next - 1"),
            ("block", "height", "height"),
        ):
            # One statement sees one moment: the worker goes on meanwhile.
            row = await self._pool.fetchrow(
                f"SELECT count(*) AS n, min({column}) AS place FROM {table}"  # noqa: S608
                f" WHERE shard = $1 AND ({column} < 0 OR {column} > (SELECT {position} FROM shard WHERE shard = $1))",
                shard,
            )
            if row is not None and row["n"]:
                found.append((table, row["n"], row["place"]))
        return found

    async def beyond_log(self) -> list[tuple[str, str]]:
        """(place, column) of rows outside what the log's position row says is there at that moment."""
        rows = await self._pool.fetch(
            "SELECT 'table checkpoint, ' || pos AS place, 'row' AS part FROM checkpoint, log"
            " WHERE pos < 0 OR pos >= next"
            " UNION ALL SELECT 'table log_node, level ' || level || ' index ' || index, 'row' FROM log_node, log"
            " WHERE level < 0 OR level > 62 OR index < 0 OR ((index::numeric + 1) * (2::numeric ^ level)) > size"
            " UNION ALL SELECT 'table block, ' || shard || '/' || height, 'log_index' FROM block, log"
            " WHERE log_index < 1 OR log_index >= size"
        )
        return [(row["place"], row["part"]) for row in rows]

    async def strange_shards(self, shards: int) -> list[tuple[str, int]]:
        """(table, shard) of rows of shards that the log has not."""
        rows = await self._pool.fetch(
            "SELECT DISTINCT 'event' AS t, shard FROM event WHERE shard < 0 OR shard >= $1"
            " UNION SELECT DISTINCT 'digest', shard FROM digest WHERE shard < 0 OR shard >= $1"
            " UNION SELECT DISTINCT 'block', shard FROM block WHERE shard < 0 OR shard >= $1"
            " UNION SELECT DISTINCT 'shard', shard FROM shard WHERE shard < 0 OR shard >= $1",
            shards,
        )
        return [(row["t"], row["shard"]) for row in rows]

    async def checkpoints(self) -> list[CheckpointRow]:
        """Every checkpoint row, by offset."""
        rows = await self._pool.fetch(
            "SELECT pos, size, root, heights, note, keys, final, cosigners, quorum, generation FROM checkpoint"
            " ORDER BY pos"
        )
        lists = ("heights", "cosigners")
        return [CheckpointRow(**{**row, **{name: tuple(row[name]) for name in lists}}) for row in map(dict, rows)]

    async def log_indexes(self) -> dict[tuple[int, int], int]:
        """Where in the log each covered block is."""
        rows = await self._pool.fetch("SELECT shard, height, log_index FROM block WHERE log_index IS NOT NULL")
        return {(row["shard"], row["height"]): row["log_index"] for row in rows}

    async def nodes(self) -> AsyncIterator[NodeRow]:
        """Every node of the log's tree, by level and index."""
        place = (-1, -1)
        while True:
            rows = await self._pool.fetch(
                "SELECT level, index, hash FROM log_node WHERE (level, index) > ($1, $2)"
                " ORDER BY level, index LIMIT $3",
                *place,
                NODES_A_QUERY,
            )
            for row in rows:
                yield NodeRow(*row.values())
            if len(rows) < NODES_A_QUERY:
                return
            place = (rows[-1]["level"], rows[-1]["index"])


def _columns(kind: type[msgspec.Struct]) -> str:
    return ", ".join(kind.__struct_fields__)
