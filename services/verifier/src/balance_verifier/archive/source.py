"""All SQL of the export: what the projection holds of blocks, events and checkpoints, in the log's order."""

from __future__ import annotations

import asyncpg
import msgspec

from balance_verifier.repository_timestamps import Stamped


class SourceCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint that counts; the first also has the genesis entry."""

    size: int
    root: bytes
    heights: tuple[int, ...]
    note: str
    genesis: bytes | None = None
    keys: str | None = None
    final: str | None = None
    generation: bytes | None = None


class SourceBlock(msgspec.Struct, frozen=True):
    """A block's entry, the leaf hashes sealed in it, and its events' bytes."""

    entry: bytes
    leaves: bytes
    events: list[bytes]


class ArchiveSource:
    """The export's side of schema `verifier`; the pool's search path is that schema."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    async def end(self) -> tuple[int, int]:
        """How many checkpoints count, and the log's size under the last."""
        row = await self._pool.fetchrow("SELECT count(*) AS n, coalesce(max(size), 0) AS size FROM checkpoint")
        assert row is not None, "an aggregate has a row"
        return row["n"], row["size"]

    async def checkpoints(self, first: int, limit: int) -> list[SourceCheckpoint]:
        """Counting checkpoints by their order, from number `first` on."""
        rows = await self._pool.fetch(
            "SELECT size, root, heights, note, keys, final, generation FROM checkpoint ORDER BY pos OFFSET $1 LIMIT $2",
            first,
            limit,
        )
        genesis = await self._pool.fetchval("SELECT genesis FROM log") if first == 0 else None
        return [
            SourceCheckpoint(
                row["size"],
                row["root"],
                tuple(row["heights"]),
                row["note"],
                None if number else genesis,
                row["keys"],
                row["final"],
                row["generation"],
            )
            for number, row in enumerate(rows)
        ]

    async def key_sets(self) -> list[str]:
        """The notes of the key sets behind the genesis entry's."""
        rows = await self._pool.fetch("SELECT keys FROM checkpoint WHERE keys IS NOT NULL ORDER BY pos")
        return [row["keys"] for row in rows]

    async def stamped(self, up_to: int) -> list[Stamped]:
        """The timestamps over checkpoints up to a size."""
        rows = await self._pool.fetch(
            "SELECT size, time, note, token FROM timestamp_token WHERE size <= $1 ORDER BY size", up_to
        )
        return [Stamped(**dict(row)) for row in rows]

    async def generations(self) -> list[bytes]:
        """The entries that begin generations, in order."""
        return list(await self._pool.fetchval("SELECT generations FROM log") or ())

    async def block(self, shard: int, height: int) -> SourceBlock | None:
        """One block and its events."""
        row = await self._pool.fetchrow(
            "SELECT from_pos, count, entry, leaves FROM block WHERE shard = $1 AND height = $2", shard, height
        )
        if row is None:
            return None
        events = await self._pool.fetch(
            "SELECT value FROM event WHERE shard = $1 AND pos >= $2 AND pos < $3 ORDER BY pos",
            shard,
            row["from_pos"],
            row["from_pos"] + row["count"],
        )
        return SourceBlock(row["entry"], row["leaves"], [event["value"] for event in events])
