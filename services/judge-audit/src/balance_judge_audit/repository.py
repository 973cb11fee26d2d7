"""All SQL of the worker: rule state, positions, alerts and outbox, written in one transaction a batch.

What the API reads is in `queries`. A method that is given a connection belongs to its caller's transaction.
"""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import msgspec
from balance_chain.core.counting import EventCounter

from balance_judge_audit.engine.across import KeyState
from balance_judge_audit.engine.gap import SourceState
from balance_judge_audit.engine.shard import ShardState
from balance_judge_audit.errors import Fenced

Pool = asyncpg.Pool
Connection = Any
"""asyncpg's pool hands out proxies, which its types tell apart from connections."""

CHANNELS: Final = ("topic", "gateway")
# One writer of alerts at a time: numbers rise in the order of commits, and facts across shards are taken once.
ALERTS_LOCK: Final = 0x42414C01
ACROSS_LOCK: Final = 0x42414C02

_pack: Final = msgspec.msgpack.Encoder()
_source: Final = msgspec.msgpack.Decoder(SourceState)
_key_state: msgspec.msgpack.Decoder[KeyState] = msgspec.msgpack.Decoder(KeyState)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that could not be applied."""

    offset: int
    leaf: str
    problem: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A revision that is still to be sent."""

    number: int
    id: str
    revision: int
    value: bytes
    traceparent: str | None = None
    """The span that judged."""


async def bound(connection: Connection, seconds: float) -> None:
    """Lets the server end this transaction when its process falls silent: a frozen worker must not keep its locks."""
    await connection.execute(
        "SELECT set_config('idle_in_transaction_session_timeout', $1, true)", str(int(seconds * 1000))
    )


async def load_shard(connection: Connection, shard: int) -> ShardState:
    """Where a shard stands; a new one begins at offset 0."""
    await connection.execute(
        "INSERT INTO shard (shard, applied, rawgen, rawpos, ledger_time)"
        " VALUES ($1, 0, 0, -1, 0) ON CONFLICT DO NOTHING",
        shard,
    )
    row = await connection.fetchrow("SELECT applied, rawgen, rawpos, ledger_time FROM shard WHERE shard = $1", shard)
    assert row is not None
    return ShardState(shard, row["applied"], EventCounter(row["rawgen"], row["rawpos"]), row["ledger_time"])


async def move_shards(connection: Connection, moves: Sequence[tuple[int, ShardState]]) -> None:
    """Moves each shard's position from where it was, if nobody else has; else Fenced, and the transaction is to be
    given up.
    """
    # Rows are locked in one order: two workers that both believe to own two shards must not wait for each other.
    status = await connection.execute(
        "WITH mine AS MATERIALIZED (SELECT shard FROM shard WHERE shard = ANY($1::int[]) ORDER BY shard FOR UPDATE)"
        " UPDATE shard SET applied = t.applied, rawgen = t.rawgen, rawpos = t.rawpos, ledger_time = t.ledger_time"
        " FROM mine JOIN unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])"
        " AS t (shard, before, applied, rawgen, rawpos, ledger_time) USING (shard)"
        " WHERE shard.shard = t.shard AND shard.applied = t.before",
        [state.shard for _, state in moves],
        [before for before, _ in moves],
        [state.applied for _, state in moves],
        [state.counter.rawgen for _, state in moves],
        [state.counter.rawpos for _, state in moves],
        [state.ledger_time for _, state in moves],
    )
    if status != f"UPDATE {len(moves)}":
        where = ", ".join(f"{state.shard} at {before}" for before, state in moves)
        raise Fenced("shard", f"not all are where they were ({where})", "load their positions again")


async def watermark(connection: Connection, partitions: int) -> int:
    """The ledger time that every shard has reached; 0 while one has none."""
    row = await connection.fetchrow("SELECT count(*) AS shards, min(ledger_time) AS time FROM shard")
    return int(row["time"]) if row["shards"] >= partitions else 0


async def lock(connection: Connection, number: int) -> None:
    """Waits for the others who hold this lock, until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", number)


async def load_sources(connection: Connection, names: Sequence[str], before: int) -> dict[str, SourceState]:
    """These sources' counters, and those that are due."""
    rows = await connection.fetch(
        "SELECT source, state FROM source_state WHERE source = ANY($1::text[]) OR wake < $2", names, before
    )
    return {row["source"]: _source.decode(row["state"]) for row in rows}


async def save_sources(connection: Connection, sources: Mapping[str, tuple[SourceState, int | None]]) -> None:
    """Writes the counters back, each with its next timer."""
    names = sorted(sources)
    if names:
        await connection.execute(
            "INSERT INTO source_state (source, state, wake)"
            " SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[])"
            " ON CONFLICT (source) DO UPDATE SET state = excluded.state, wake = excluded.wake",
            names,
            [_pack.encode(sources[name][0]) for name in names],
            [sources[name][1] for name in names],
        )


async def load_across(
    connection: Connection, keys: Sequence[str], before: int, stored: MutableMapping[str, bytes]
) -> dict[str, KeyState]:
    """These states of rules across cases, and those that are due; `stored` gets their bytes."""
    rows = await connection.fetch(
        "SELECT key, state FROM across_state WHERE key = ANY($1::text[]) OR wake < $2", keys, before
    )
    stored.update(rows)
    return {key: _key_state.decode(state) for key, state in rows}


async def save_across(
    connection: Connection, states: Mapping[str, tuple[KeyState, int | None]], stored: Mapping[str, bytes]
) -> None:
    """Writes those states back that are no longer as they are stored, each with its next timer."""
    packed = {key: _pack.encode(state) for key, (state, _) in states.items()}
    keys = sorted(key for key, value in packed.items() if value != stored.get(key))
    if keys:
        await connection.execute(
            "INSERT INTO across_state (key, state, wake)"
            " SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[])"
            " ON CONFLICT (key) DO UPDATE SET state = excluded.state, wake = excluded.wake",
            keys,
            [packed[key] for key in keys],
            [states[key][1] for key in keys],
        )


async def drop_across(connection: Connection, keys: Sequence[str]) -> None:
    """Takes out states that have served."""
    if keys:
        await connection.execute("DELETE FROM across_state WHERE key = ANY($1::text[])", keys)


async def note_unreadable(connection: Connection, shard: int, records: Sequence[Unreadable]) -> None:
    """Keeps what could not be applied where somebody will see it."""
    if not records:
        return
    await connection.executemany(
        "INSERT INTO unreadable (shard, record_offset, leaf, problem) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        [(shard, each.offset, each.leaf, each.problem[:1000]) for each in records],
    )


async def outgoing(connection: Connection, most: int) -> list[Outgoing]:
    """What is still to be written to the topic, in the order in which it was said."""
    rows = await connection.fetch(
        "SELECT number, id, revision, value, traceparent FROM outbox WHERE channel = 'topic' ORDER BY number LIMIT $1",
        most,
    )
    return [Outgoing(*row) for row in rows]


async def not_queued(connection: Connection, most: int) -> list[Outgoing]:
    """What is still to become an event of our own source, in the order in which it was said."""
    rows = await connection.fetch(
        "SELECT number, id, revision, value, traceparent FROM outbox b WHERE channel = 'gateway'"
        " AND NOT EXISTS (SELECT FROM own_event o WHERE o.revision_number = b.number) ORDER BY number LIMIT $1",
        most,
    )
    return [Outgoing(*row) for row in rows]


async def sent(connection: Connection, numbers: Sequence[int]) -> None:
    """Takes what was written to the topic out of the outbox."""
    await connection.execute("DELETE FROM outbox WHERE channel = 'topic' AND number = ANY($1::bigint[])", numbers)


async def outbox_size(connection: Connection) -> dict[str, int]:
    """How many revisions wait, by channel."""
    rows = await connection.fetch("SELECT channel, count(*) AS waiting FROM outbox GROUP BY channel")
    return {**dict.fromkeys(CHANNELS, 0), **{row["channel"]: row["waiting"] for row in rows}}
