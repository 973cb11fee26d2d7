"""All SQL of the notary: its lock and its guard row."""

from dataclasses import dataclass

import asyncpg

from balance_sealer.errors import GuardMoved
from balance_sealer.log import Anchor, State

SCHEMA = "notary"
# Any constant: one notary a database.
NOTARY_LOCK = 0x4E4F5441


@dataclass(frozen=True, slots=True)
class Guard:
    """The guard row: the last state that may have been signed, and the published one before it."""

    origin: str
    genesis: bytes
    state: State
    base: Anchor


class GuardRepository:
    """The guard row through one connection, the one that holds the notary's lock: losing it loses both."""

    def __init__(self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
        self._connection = connection

    async def acquire(self, lease_seconds: float) -> bool:
        """Whether this connection now holds the lock. A holder silent for the lease is cut off by PostgreSQL.

        The pool gives lock and time limit back when it takes the connection back.
        """
        held = await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", NOTARY_LOCK)
        if held:
            milliseconds = str(int(lease_seconds * 1000))
            await self._connection.execute("SELECT set_config('idle_session_timeout', $1, false)", milliseconds)
        return bool(held)

    async def renew(self) -> None:
        """Shows PostgreSQL that the holder is alive; raises where the connection is gone."""
        await self._connection.execute("SELECT 1")

    async def read(self) -> Guard | None:
        row = await self._connection.fetchrow("SELECT * FROM guard")
        if row is None:
            return None
        base = Anchor(
            State(row["base_size"], row["base_root"], tuple(row["base_heights"])),
            tuple(row["base_hashes"]),
            tuple(row["base_blocks"]),
            row["base_offset"],
        )
        return Guard(row["origin"], row["genesis"], State(row["size"], row["root"], tuple(row["heights"])), base)

    async def begin(self, guard: Guard) -> bool:
        """Writes the first row; False where there is one."""
        status = await self._connection.execute(
            "INSERT INTO guard (origin, genesis, size, root, heights, base_size, base_root, base_heights,"
            " base_hashes, base_blocks, base_offset) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
            " ON CONFLICT DO NOTHING",
            guard.origin,
            guard.genesis,
            *_state(guard.state),
            *_anchor(guard.base),
        )
        return bool(status == "INSERT 0 1")

    async def swap(self, old: State, new: State, base: Anchor) -> None:
        """Replaces `old` by `new`, whose published predecessor is `base`; raises where the row is not `old`."""
        status = await self._connection.execute(
            "UPDATE guard SET size = $1, root = $2, heights = $3, base_size = $4, base_root = $5, base_heights = $6,"
            " base_hashes = $7, base_blocks = $8, base_offset = $9, updated = now()"
            " WHERE size = $10 AND root = $11 AND heights = $12",
            *_state(new),
            *_anchor(base),
            *_state(old),
        )
        if status != "UPDATE 1":
            raise GuardMoved("guard row", f"is not at size {old.size} any more", "another notary is at work")


def _state(state: State) -> tuple[int, bytes, list[int]]:
    return state.size, state.root, list(state.heights)


def _anchor(anchor: Anchor) -> tuple[int, bytes, list[int], list[bytes], list[int], int]:
    return (*_state(anchor.state), list(anchor.hashes), list(anchor.blocks), anchor.offset)
