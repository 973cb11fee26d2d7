"""The SQL of evidence of two histories: checkpoints that do not count, the log's nodes to judge them by, the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import msgspec
from balance_verify.merkle import Node

from balance_verifier.findings import Finding


@dataclass(frozen=True)
class Stray:
    """A checkpoint with the log's signature that does not count, and where it was found."""

    place: str
    size: int
    root: bytes
    note: str
    pos: int | None = None
    """Its offset on `ledger.checkpoints`; None where somebody brought it."""


class HistoriesRepository:
    """The part of schema `verifier` that keeps what contradicts the log; the pool's search path is that schema."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], origin: str) -> None:
        self._pool = pool
        self._origin = origin

    async def keep_stray(self, stray: Stray) -> None:
        """Remember it until it is judged."""
        await self._pool.execute(
            "INSERT INTO stray (pos, size, root, note) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            stray.pos,
            stray.size,
            stray.root,
            stray.note,
        )

    async def strays(self, place: str) -> list[Stray]:
        """Those not judged yet; `place` is the topic's partition."""
        rows = await self._pool.fetch("SELECT pos, size, root, note FROM stray WHERE NOT judged ORDER BY size, pos")
        return [Stray(f"{place}@{row['pos']}", row["size"], row["root"], row["note"], row["pos"]) for row in rows]

    async def judged(self, stray: Stray) -> None:
        """It need not be looked at again."""
        await self._pool.execute("UPDATE stray SET judged = true WHERE pos = $1", stray.pos)

    async def nodes(self, wanted: Sequence[Node]) -> dict[Node, bytes]:
        """Hashes of complete subtrees of the log as it was recomputed."""
        rows = await self._pool.fetch(
            "SELECT n.level, n.index, n.hash FROM unnest($1::int[], $2::bigint[]) AS w(level, index)"
            " JOIN log_node n USING (level, index)",
            [level for level, _ in wanted],
            [index for _, index in wanted],
        )
        return {(row["level"], row["index"]): row["hash"] for row in rows}

    async def size(self) -> int:
        """Entries of the log that were recomputed."""
        return int(await self._pool.fetchval("SELECT size FROM log") or 0)

    async def notes_from(self, size: int) -> list[str]:
        """The notes of the counting checkpoints of the first size that is no smaller, in order."""
        rows = await self._pool.fetch(
            "SELECT note FROM checkpoint WHERE size = (SELECT min(size) FROM checkpoint WHERE size >= $1) ORDER BY pos",
            size,
        )
        return [row["note"] for row in rows]

    async def keep(self, id: str, data: bytes, finding: Finding) -> bool:
        """Keep a file and the finding that names it, both or none; whether it is new."""
        async with self._pool.acquire() as connection, connection.transaction():
            status = await connection.execute(
                "INSERT INTO equivocation (id, data) VALUES ($1, $2) ON CONFLICT DO NOTHING", id, data
            )
            await connection.execute(
                "INSERT INTO finding (id, code, place, expected, got, detail, shard, severity, halts, found)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now()) ON CONFLICT DO NOTHING",
                finding.id(self._origin),
                *msgspec.structs.astuple(finding),
            )
        return bool(status == "INSERT 0 1")

    async def files(self) -> list[tuple[str, str]]:
        """Id and time of each file, oldest first."""
        rows = await self._pool.fetch(
            "SELECT id, to_char(found AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS found_text"
            " FROM equivocation ORDER BY found, id"
        )
        return [(row["id"], row["found_text"]) for row in rows]

    async def file(self, id: str) -> bytes | None:
        """One file."""
        data: bytes | None = await self._pool.fetchval("SELECT data FROM equivocation WHERE id = $1", id)
        return data
