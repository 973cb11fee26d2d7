"""The mirror's own view of the log: what the verifier's worker beside it has recomputed from its copy of the topics."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
from balance_verify.checkpoint import Checkpoint
from balance_verify.equivocation import Evidence, path_nodes
from balance_verify.errors import MalformedError
from balance_verify.merkle import EMPTY_ROOT, Node, assemble_path, fold, root_nodes
from balance_verify.note import SignedNote, VerifierKey

LOOK_SECONDS: Final = 0.1
"""Pause between two looks at how far the worker has come."""


class Mirror:
    """Reads the worker's projection; the pool's search path is its schema."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], wait_seconds: float) -> None:
        self._pool = pool
        self._wait_seconds = wait_seconds

    async def size(self) -> int:
        """Entries of the log that the worker has recomputed."""
        return int(await self._pool.fetchval("SELECT size FROM log") or 0)

    async def root_at(self, size: int) -> bytes | None:
        """The recomputed root at a size; None where the worker has not come so far within the wait."""
        tries = max(1, round(self._wait_seconds / LOOK_SECONDS))
        for _ in range(tries):
            if await self.size() >= size:
                break
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return None
        if not size:
            return EMPTY_ROOT
        wanted = root_nodes(size)
        nodes = await self._nodes(wanted)
        return fold([nodes[node] for node in wanted])

    async def evidence(self, key: VerifierKey, checkpoint: Checkpoint, note: SignedNote) -> Evidence | None:
        """Two notes that show what differs from the recomputation, where a checkpoint that counted is large enough."""
        row = await self._pool.fetchrow(
            "SELECT size, note FROM checkpoint WHERE size >= $1 ORDER BY size, pos LIMIT 1", checkpoint.size
        )
        if row is None:
            return None
        groups = path_nodes(checkpoint.size, row["size"])
        nodes = await self._nodes([node for group in groups for node in group])
        try:
            return Evidence.collect(key, note, SignedNote.parse(row["note"].encode()), assemble_path(groups, nodes))
        except MalformedError:
            return None

    async def close(self) -> None:
        """End."""
        await self._pool.close()

    async def _nodes(self, wanted: Any) -> dict[Node, bytes]:
        rows = await self._pool.fetch(
            "SELECT n.level, n.index, n.hash FROM unnest($1::int[], $2::bigint[]) AS w(level, index)"
            " JOIN log_node n USING (level, index)",
            [level for level, _ in wanted],
            [index for _, index in wanted],
        )
        return {(row["level"], row["index"]): row["hash"] for row in rows}
