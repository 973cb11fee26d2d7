"""All SQL of the notary: its lock, its guard row, and the hashes from which witnesses are shown that the log grows."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from balance_verify.merkle import Node, assemble_path, consistency_nodes, fold, root_nodes

from balance_sealer.changes import Change, Decision
from balance_sealer.errors import GuardMoved
from balance_sealer.log import Anchor, NodeHash, State

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
    keys: tuple[str, ...] = ()
    """Texts of the key sets behind the genesis entry's."""
    final: bool = False
    """Whether the log has ended with `state`."""
    generations: tuple[bytes, ...] = ()
    """Entries with which the log went on in new topics."""


class GuardRepository:
    """The guard row through one connection, the one that holds the notary's lock: losing it loses both."""

    def __init__(self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
        self._connection = connection

    async def acquire(self, lease_seconds: float) -> bool:
        """Whether this connection now holds the lock. A holder silent for the lease is cut off by PostgreSQL.

        Both end with the connection's `session`.
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
        state = State(row["size"], row["root"], tuple(row["heights"]))
        keys, generations = tuple(row["keys"]), tuple(row["generations"])
        return Guard(row["origin"], row["genesis"], state, base, keys, row["final"], generations)

    async def begin(self, guard: Guard) -> bool:
        """Writes the first row; False where there is one."""
        status = await self._connection.execute(
            "INSERT INTO guard (origin, genesis, size, root, heights, base_size, base_root, base_heights,"
            " base_hashes, base_blocks, base_offset, keys, generations)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
            guard.origin,
            guard.genesis,
            *_state(guard.state),
            *_anchor(guard.base),
            list(guard.keys),
            list(guard.generations),
        )
        return bool(status == "INSERT 0 1")

    async def restored(self, old: Guard, new: Guard, nodes: Sequence[NodeHash] = ()) -> None:
        """Replaces `old` by `new`, which is based on restored topics; raises where the row is not `old`."""
        async with self._connection.transaction():
            status = await self._connection.execute(
                "UPDATE guard SET size = $1, root = $2, heights = $3, base_size = $4, base_root = $5,"
                " base_heights = $6, base_hashes = $7, base_blocks = $8, base_offset = $9, generations = $10,"
                " updated = now() WHERE size = $11 AND root = $12 AND heights = $13 AND keys = $14"
                " AND generations = $15 AND NOT final",
                *_state(new.state),
                *_anchor(new.base),
                list(new.generations),
                *_state(old.state),
                list(old.keys),
                list(old.generations),
            )
            if status != "UPDATE 1":
                raise GuardMoved("guard row", f"is not at size {old.state.size} any more", "a notary is at work")
            if nodes:
                await self._connection.executemany(_KEEP_NODE, nodes)

    async def swap(
        self, old: State, new: State, base: Anchor, nodes: Sequence[NodeHash] = (), *, key_sets: int = 0
    ) -> None:
        """Replaces `old` by `new`, whose published predecessor is `base`; raises where the row is not `old`.

        `nodes` are those that `new` completes, kept in the same transaction. `key_sets`: how many the caller knows.
        """
        async with self._connection.transaction():
            await self._swap(old, new, base, key_sets)
            if nodes:
                await self._connection.executemany(_KEEP_NODE, nodes)

    async def _swap(self, old: State, new: State, base: Anchor, key_sets: int) -> None:
        status = await self._connection.execute(
            "UPDATE guard SET size = $1, root = $2, heights = $3, base_size = $4, base_root = $5, base_heights = $6,"
            " base_hashes = $7, base_blocks = $8, base_offset = $9, updated = now()"
            " WHERE size = $10 AND root = $11 AND heights = $12 AND cardinality(keys) = $13 AND NOT final",
            *_state(new),
            *_anchor(base),
            *_state(old),
            key_sets,
        )
        if status != "UPDATE 1":
            raise GuardMoved("guard row", f"is not at size {old.size} any more", "another notary is at work")

    async def asked(self) -> list[Change]:
        """What was asked for and is not carried out, oldest first."""
        rows = await self._connection.fetch(
            "SELECT id, kind, subject FROM change WHERE size IS NULL AND refused IS NULL ORDER BY id"
        )
        return [Change(row["id"], row["kind"], row["subject"]) for row in rows]

    async def carry_out(self, at: State, keys: tuple[str, ...], decision: Decision) -> None:
        """Keeps what was decided at the published state `at`, `keys` being the sets so far; before it is signed."""
        after = (*keys, decision.keys.text()) if decision.keys else keys
        async with self._connection.transaction():
            status = await self._connection.execute(
                "UPDATE guard SET keys = $1, final = $2, updated = now() WHERE size = $3 AND root = $4"
                " AND heights = $5 AND keys = $6 AND NOT final",
                list(after),
                decision.freeze,
                *_state(at),
                list(keys),
            )
            if status != "UPDATE 1":
                raise GuardMoved("guard row", f"is not at size {at.size} any more", "another notary is at work")
            await self._connection.execute("UPDATE change SET size = $1 WHERE id = ANY($2)", at.size, decision.done)
            for id_, reason in decision.refused.items():
                await self._connection.execute("UPDATE change SET refused = $1 WHERE id = $2", reason, id_)


async def ask(
    connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", changes: Sequence[tuple[str, str]]
) -> list[int]:
    """Leaves (kind, subject) for the notary, all or none, so that it carries them out together; gives their ids."""
    async with connection.transaction():
        return [
            int(await connection.fetchval("INSERT INTO change (kind, subject) VALUES ($1, $2) RETURNING id", *each))
            for each in changes
        ]


async def outcome(
    connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", ids: Sequence[int]
) -> list[tuple[int | None, str | None]]:
    """(size, reason of refusal) of what was asked for; both None while the notary has not come to it."""
    rows = await connection.fetch("SELECT size, refused FROM change WHERE id = ANY($1) ORDER BY id", list(ids))
    return [(row["size"], row["refused"]) for row in rows]


_KEEP_NODE = (
    "INSERT INTO node (level, index, hash) VALUES ($1, $2, $3) ON CONFLICT (level, index) DO UPDATE SET hash = $3"
)


class NodeRepository:
    """Complete subtrees of the log, through the pool: witnesses are asked beside the notary's own work."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def keep(self, nodes: Sequence[NodeHash]) -> None:
        """Keeps nodes of the past."""
        await self._pool.executemany(_KEEP_NODE, nodes)

    async def root(self, size: int) -> bytes | None:
        """The root at a size; None where nodes for it are missing."""
        wanted = root_nodes(size)
        found = await self._read(wanted)
        return fold([found[node] for node in wanted]) if len(found) == len(wanted) and wanted else None

    async def proof(self, old_size: int, size: int) -> tuple[bytes, ...]:
        """That the log of `size` entries only appended to that of `old_size`, as witnesses check it."""
        groups = consistency_nodes(old_size, size) if 0 < old_size < size else []
        found = await self._read([node for group in groups for node in group])
        return tuple(assemble_path(groups, found))

    async def _read(self, wanted: Sequence[Node]) -> dict[Node, bytes]:
        rows = await self._pool.fetch(
            "SELECT n.level, n.index, n.hash FROM unnest($1::int[], $2::bigint[]) AS w(level, index)"
            " JOIN node n USING (level, index)",
            [level for level, _ in wanted],
            [index for _, index in wanted],
        )
        return {(row["level"], row["index"]): row["hash"] for row in rows}


def _state(state: State) -> tuple[int, bytes, list[int]]:
    return state.size, state.root, list(state.heights)


def _anchor(anchor: Anchor) -> tuple[int, bytes, list[int], list[bytes], list[int], int]:
    return (*_state(anchor.state), list(anchor.hashes), list(anchor.blocks), anchor.offset)
