"""What a witness remembers, in a file (SQLite) or in PostgreSQL: the same statements, on two thin connections.

The latest checkpoint of a log changes by compare-and-swap alone, and is on disk before `advance` returns.
"""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from balance_chain.core.errors import BalanceError
from balance_verify.checkpoint import Checkpoint
from balance_verify.merkle import EMPTY_ROOT
from balance_verify.witness import Latest

_SCHEMA = """
CREATE TABLE IF NOT EXISTS latest (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, cosignature TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS seen (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, first INTEGER NOT NULL,
    PRIMARY KEY (origin, size, root)
);
CREATE TABLE IF NOT EXISTS evidence (
    id TEXT PRIMARY KEY, origin TEXT NOT NULL, found INTEGER NOT NULL, data BLOB NOT NULL
);
"""


class StateUnusable(BalanceError):
    """The file of the state cannot be used."""


class Connection(Protocol):
    """Where statements run; parameters are $1, $2…"""

    async def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        """What a query gives."""

    async def change(self, sql: str, *arguments: object) -> int:
        """How many rows a statement changed; they are on disk."""

    async def close(self) -> None:
        """End."""


class SqliteConnection:
    """One file, held by one process: a second one on the same file is refused at its start."""

    def __init__(self, path: Path) -> None:
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
            # Exclusive and in full: what was answered must have outlived a power cut, and nobody else may answer.
            self._connection.executescript(
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA journal_mode = DELETE;"
                "BEGIN EXCLUSIVE;" + _SCHEMA + "COMMIT;"
            )
        except sqlite3.Error as error:
            raise StateUnusable(str(path), str(error), "let one witness alone use it, on a disk of its own") from None
        self._lock = asyncio.Lock()

    async def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        async with self._lock:
            return await asyncio.to_thread(lambda: self._execute(sql, arguments).fetchall())

    async def change(self, sql: str, *arguments: object) -> int:
        async with self._lock:
            return await asyncio.to_thread(lambda: self._execute(sql, arguments).rowcount)

    async def close(self) -> None:
        async with self._lock:
            await asyncio.to_thread(self._connection.close)

    def _execute(self, sql: str, arguments: tuple[object, ...]) -> sqlite3.Cursor:
        return self._connection.execute(sql, {str(n): value for n, value in enumerate(arguments, 1)})


class PostgresConnection:
    """A pool whose search path is the witness's schema."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    async def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self._pool.fetch(sql, *arguments)]

    async def change(self, sql: str, *arguments: object) -> int:
        # The status is like "UPDATE 1" or "INSERT 0 1".
        return int((await self._pool.execute(sql, *arguments)).split()[-1])

    async def close(self) -> None:
        await self._pool.close()


@dataclass(frozen=True, slots=True)
class Kept:
    """The latest checkpoint cosigned of a log: what the log signed, and the cosignature lines given for it."""

    latest: Latest
    note: str
    cosignature: str


class Store:
    """A witness's memory."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def prepare(self, origin: str) -> None:
        """Make the row of a log that was never cosigned."""
        await self._connection.change(
            "INSERT INTO latest (origin, size, root, note, cosignature) VALUES ($1, 0, $2, '', '')"
            " ON CONFLICT DO NOTHING",
            origin,
            EMPTY_ROOT,
        )

    async def kept(self, origin: str) -> Kept:
        """The latest of a log that was prepared."""
        ((size, root, note, cosignature),) = await self._connection.rows(
            "SELECT size, root, note, cosignature FROM latest WHERE origin = $1", origin
        )
        return Kept(Latest(size, bytes(root)), note, cosignature)

    async def advance(self, old: Latest, new: Checkpoint, note: str) -> bool:
        """Swap the latest of `new`'s log for it, if it still is `old`; only then may it be cosigned."""
        changed = await self._connection.change(
            "UPDATE latest SET size = $1, root = $2, note = $3, cosignature = ''"
            " WHERE origin = $4 AND size = $5 AND root = $6",
            new.size,
            new.root,
            note,
            new.origin,
            old.size,
            old.root,
        )
        return changed == 1

    async def cosigned(self, checkpoint: Checkpoint, cosignature: str) -> None:
        """Keep the lines given for the latest, for whoever reads what this witness has cosigned."""
        await self._connection.change(
            "UPDATE latest SET cosignature = $1 WHERE origin = $2 AND size = $3 AND root = $4",
            cosignature,
            checkpoint.origin,
            checkpoint.size,
            checkpoint.root,
        )

    async def saw(self, checkpoint: Checkpoint, note: str, now: int) -> list[str]:
        """Keep a checkpoint that the log has signed; the notes of the same size that have another root."""
        await self._connection.change(
            "INSERT INTO seen (origin, size, root, note, first) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            checkpoint.origin,
            checkpoint.size,
            checkpoint.root,
            note,
            now,
        )
        rows = await self._connection.rows(
            "SELECT note FROM seen WHERE origin = $1 AND size = $2 AND root <> $3 ORDER BY first, root",
            checkpoint.origin,
            checkpoint.size,
            checkpoint.root,
        )
        return [note for (note,) in rows]

    async def keep_evidence(self, id: str, origin: str, data: bytes, now: int) -> bool:
        """Keep evidence; whether it is new."""
        return (
            await self._connection.change(
                "INSERT INTO evidence (id, origin, found, data) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                id,
                origin,
                now,
                data,
            )
            == 1
        )

    async def evidence(self) -> list[tuple[str, str, int]]:
        """Id, origin and time of all evidence, oldest first."""
        rows = await self._connection.rows("SELECT id, origin, found FROM evidence ORDER BY found, id")
        return [(id, origin, found) for id, origin, found in rows]

    async def evidence_data(self, id: str) -> bytes | None:
        """The file of one piece of evidence."""
        rows = await self._connection.rows("SELECT data FROM evidence WHERE id = $1", id)
        return bytes(rows[0][0]) if rows else None

    async def close(self) -> None:
        """End."""
        await self._connection.close()
