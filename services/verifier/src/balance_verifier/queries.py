"""All SQL of the API: it reads the projection and never writes."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import msgspec

from balance_verifier.rows import event_name

_EVENT = (
    "SELECT e.shard, e.pos, e.source, e.id, e.type, e.caseid, e.time, e.received, e.counts, e.leaf, e.value,"
    " b.height, b.from_pos, b.count, b.time AS block_time, b.log_index"
    " FROM event e LEFT JOIN LATERAL (SELECT * FROM block b WHERE b.shard = e.shard AND b.from_pos <= e.pos"
    " ORDER BY b.from_pos DESC LIMIT 1) b ON e.pos < b.from_pos + b.count "
)


class FoundEvent(msgspec.Struct, frozen=True):
    """An event record and, where it is sealed, its block; `log_index` where a checkpoint covers that."""

    shard: int
    pos: int
    source: str
    id: str
    type: str
    caseid: str | None
    time: str
    received: str
    counts: bool
    leaf: bytes
    value: bytes
    height: int | None
    from_pos: int | None
    count: int | None
    block_time: str | None
    log_index: int | None


class FoundBlock(msgspec.Struct, frozen=True):
    """A recomputed block."""

    shard: int
    height: int
    pos: int
    from_pos: int
    count: int
    start: int
    time: str
    root: bytes
    log_index: int | None


class ShardStatus(msgspec.Struct, frozen=True):
    """A shard's numbers."""

    shard: int
    events: int
    counting: int
    sealed: int
    height: int
    covered_height: int
    events_next: int
    blocks_next: int
    received: str
    findings: int


class LogStatus(msgspec.Struct, frozen=True):
    """The log's numbers; `root` is empty and `genesis` too before the first checkpoint was verified."""

    size: int
    root: bytes
    checkpoints: int
    next: int
    genesis: bytes
    final_size: int = 0
    cosigners: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    """Texts of the key sets behind the genesis entry's."""
    ended: bool = False


class FoundFinding(msgspec.Struct, frozen=True):
    """A fault found in the log."""

    id: str
    code: str
    shard: int | None
    place: str
    expected: str
    got: str
    detail: str
    severity: str
    halts: bool
    found: str
    published: bool


class Queries:
    """The API's side of schema `verifier`; the pool's search path is that schema."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    async def event(self, source: str, id: str) -> FoundEvent | None:
        """The event of this name; the one that counts where several have it."""
        row = await self._pool.fetchrow(
            _EVENT + "WHERE e.name = $1 AND e.source = $2 AND e.id = $3 ORDER BY e.counts DESC, e.shard, e.pos LIMIT 1",
            event_name(source, id),
            source,
            id,
        )
        return _event(row) if row else None

    async def events_of_case(self, caseid: str, after: tuple[str, int, int], limit: int) -> list[FoundEvent]:
        """A case's counting events by the time they happened, behind the place `after`."""
        rows = await self._pool.fetch(
            _EVENT + "WHERE e.caseid = $1 AND e.counts AND (e.time, e.shard, e.pos) > ($2, $3, $4)"
            " ORDER BY e.time, e.shard, e.pos LIMIT $5",
            caseid,
            *after,
            limit,
        )
        return [_event(row) for row in rows]

    async def events_of_digest(self, algorithm: str, digest: str, limit: int) -> list[FoundEvent]:
        """Every counting event that names this file digest, in ledger order."""
        rows = await self._pool.fetch(
            _EVENT + "JOIN digest d ON d.shard = e.shard AND d.pos = e.pos WHERE d.algorithm = $1 AND d.digest = $2"
            " AND e.counts ORDER BY e.shard, e.pos LIMIT $3",
            algorithm,
            digest,
            limit,
        )
        return [_event(row) for row in rows]

    async def proof_parts(self, shard: int, height: int) -> tuple[bytes, bytes] | None:
        """A block's entry and leaves."""
        row = await self._pool.fetchrow(
            "SELECT entry, leaves FROM block WHERE shard = $1 AND height = $2", shard, height
        )
        return (row["entry"], row["leaves"]) if row else None

    async def checkpoint(self) -> tuple[int, str] | None:
        """Size and note of the last checkpoint that counts."""
        row = await self._pool.fetchrow("SELECT size, note FROM checkpoint ORDER BY pos DESC LIMIT 1")
        return (row["size"], row["note"]) if row else None

    async def final_checkpoint(self, log_index: int) -> tuple[int, str] | None:
        """Size and note of the last checkpoint that a quorum cosigned, if it covers this entry."""
        row = await self._pool.fetchrow("SELECT size, note FROM checkpoint WHERE quorum ORDER BY pos DESC LIMIT 1")
        return (row["size"], row["note"]) if row and row["size"] > log_index else None

    async def nodes(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
        """Hashes of complete subtrees of the log."""
        rows = await self._pool.fetch(
            "SELECT n.level, n.index, n.hash FROM unnest($1::int[], $2::bigint[]) AS w(level, index)"
            " JOIN log_node n USING (level, index)",
            [level for level, _ in wanted],
            [index for _, index in wanted],
        )
        return {(row["level"], row["index"]): row["hash"] for row in rows}

    async def level_hashes(self, level: int, first: int, end: int) -> list[bytes]:
        """Hashes of the complete subtrees of a level from `first` up to `end`, in order."""
        rows = await self._pool.fetch(
            "SELECT hash FROM log_node WHERE level = $1 AND index >= $2 AND index < $3 ORDER BY index",
            level,
            first,
            end,
        )
        return [row["hash"] for row in rows]

    async def log_entries(self, first: int, end: int) -> list[bytes]:
        """The log's entries from `first` up to `end`, in order: genesis, blocks, beginnings of generations."""
        rows = await self._pool.fetch(
            "SELECT entry, log_index FROM block WHERE log_index >= $1 AND log_index < $2"
            " UNION ALL SELECT generation, size - 1 FROM checkpoint"
            " WHERE generation IS NOT NULL AND size > $1 AND size <= $2 ORDER BY 2",
            first,
            end,
        )
        genesis = [await self._pool.fetchval("SELECT genesis FROM log")] if first == 0 else []
        return [*genesis, *(row["entry"] for row in rows)]

    async def blocks(self, shard: int | None, before: tuple[str, int, int], limit: int) -> list[FoundBlock]:
        """Blocks, newest first, before the place (time, shard, height)."""
        rows = await self._pool.fetch(
            "SELECT shard, height, pos, from_pos, count, start, time, root, log_index FROM block"
            " WHERE ($1::int IS NULL OR shard = $1) AND (time, shard, height) < ($2, $3, $4)"
            " ORDER BY time DESC, shard DESC, height DESC LIMIT $5",
            shard,
            *before,
            limit,
        )
        return [FoundBlock(**dict(row)) for row in rows]

    async def block(self, shard: int, height: int) -> tuple[FoundBlock, bytes] | None:
        """One block and its entry's bytes."""
        row = await self._pool.fetchrow(
            "SELECT shard, height, pos, from_pos, count, start, time, root, log_index, entry FROM block"
            " WHERE shard = $1 AND height = $2",
            shard,
            height,
        )
        if row is None:
            return None
        values = dict(row)
        entry: bytes = values.pop("entry")
        return FoundBlock(**values), entry

    async def key_notes(self) -> list[str]:
        """Each key set as the log's keys signed it, in order; none while the genesis entry's keys hold."""
        rows = await self._pool.fetch("SELECT keys FROM checkpoint WHERE keys IS NOT NULL ORDER BY pos")
        return [row["keys"] for row in rows]

    async def status(self) -> tuple[list[ShardStatus], LogStatus]:
        """The numbers of every shard and of the log, of one moment."""
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            shards = await connection.fetch(
                "SELECT s.shard, s.events, s.counting, s.start AS sealed, s.height,"
                " coalesce((SELECT heights[s.shard + 1] FROM log), -1) AS covered_height,"
                " s.events_next, s.blocks_next, s.received,"
                " (SELECT count(*) FROM finding f WHERE f.shard = s.shard) AS findings FROM shard s ORDER BY s.shard"
            )
            log = await connection.fetchrow(
                "SELECT size, root, checkpoints, next, genesis, keys, final AS ended,"
                " coalesce((SELECT size FROM checkpoint WHERE quorum ORDER BY pos DESC LIMIT 1), 0) AS final_size,"
                " coalesce((SELECT cosigners FROM checkpoint ORDER BY pos DESC LIMIT 1), '{}') AS cosigners FROM log"
            )
        return (
            [ShardStatus(**dict(row)) for row in shards],
            LogStatus(**dict(log)) if log else LogStatus(0, b"", 0, 0, b""),
        )

    async def finding_counts(self) -> dict[str, int]:
        """How many findings there are of each code."""
        rows = await self._pool.fetch("SELECT code, count(*) AS n FROM finding GROUP BY code ORDER BY code")
        return {row["code"]: row["n"] for row in rows}

    async def findings(self, limit: int) -> list[FoundFinding]:
        """The newest findings first."""
        rows = await self._pool.fetch(
            "SELECT id, code, shard, place, expected, got, detail, severity, halts,"
            " to_char(found AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS found, published"
            " FROM finding ORDER BY finding.found DESC, id LIMIT $1",
            limit,
        )
        return [FoundFinding(**dict(row)) for row in rows]


def _event(row: asyncpg.Record) -> FoundEvent:
    return FoundEvent(**{name: row[name] for name in FoundEvent.__struct_fields__})
