"""The SQL of timestamps over checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg


@dataclass(frozen=True)
class Stamped:
    """A checkpoint and the authority's answer over its text."""

    size: int
    time: str
    note: str
    token: bytes


class TimestampsRepository:
    """The part of schema `verifier` that keeps timestamps; the pool's search path is that schema."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    async def due(self, seconds: float) -> tuple[int, str] | None:
        """Size and note of the last checkpoint, where it is not stamped and the last timestamp is so old."""
        row = await self._pool.fetchrow(
            "SELECT size, note FROM checkpoint WHERE NOT EXISTS"
            " (SELECT FROM timestamp_token WHERE timestamp_token.size = checkpoint.size"
            " OR asked > now() - make_interval(secs => $1)) ORDER BY pos DESC LIMIT 1",
            seconds,
        )
        last = await self._pool.fetchval("SELECT max(size) FROM checkpoint")
        return (row["size"], row["note"]) if row and row["size"] == last else None

    async def keep(self, stamped: Stamped) -> None:
        """Keep it, unless another copy of the worker was first."""
        await self._pool.execute(
            "INSERT INTO timestamp_token (size, time, note, token) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            stamped.size,
            stamped.time,
            stamped.note,
            stamped.token,
        )

    async def all(self) -> list[tuple[int, str]]:
        """Size and time of each, oldest first."""
        rows = await self._pool.fetch("SELECT size, time FROM timestamp_token ORDER BY size")
        return [(row["size"], row["time"]) for row in rows]

    async def of_size(self, size: int) -> Stamped | None:
        """That of one checkpoint."""
        return await self._one("SELECT size, time, note, token FROM timestamp_token WHERE size = $1", size)

    async def first_over(self, index: int) -> Stamped | None:
        """The first over the log's entry of this index."""
        return await self._one(
            "SELECT size, time, note, token FROM timestamp_token WHERE size > $1 ORDER BY size LIMIT 1", index
        )

    async def _one(self, query: str, value: int) -> Stamped | None:
        row = await self._pool.fetchrow(query, value)
        return Stamped(**dict(row)) if row else None
