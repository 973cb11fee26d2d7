"""All SQL of the API on the life of alerts: people's register ids, sessions, and acts on their way to be sealed."""

import json
from dataclasses import dataclass
from typing import Any

import asyncpg

from balance_judge_audit.repository import Connection, Pool


@dataclass(frozen=True, slots=True)
class StoredAction:
    """An act that was asked for: `state` pending, sent, sealed or refused; `answer` the receipt, or why not."""

    event_id: str
    person: str
    digest: bytes
    state: str
    answer: str | None
    act: dict[str, Any] | None


async def refs(pool: Pool) -> dict[str, str]:
    """The register's id of a person, by the event that granted the role."""
    rows = await pool.fetch("SELECT event_id, ref FROM person")
    return {row["event_id"]: row["ref"] for row in rows}


async def action(connection: Connection, event_id: str) -> StoredAction | None:
    """The act of this event."""
    row = await connection.fetchrow(
        "SELECT event_id, person, digest, state, answer, act FROM action WHERE event_id = $1", event_id
    )
    return None if row is None else _action(row)


async def on_their_way(connection: Connection, alert_id: str) -> list[StoredAction]:
    """Acts on an alert that are not sealed yet, and those that never will be, in order."""
    rows = await connection.fetch(
        "SELECT event_id, person, digest, state, answer, act FROM action"
        " WHERE alert_id = $1 AND state <> 'sealed' ORDER BY number",
        alert_id,
    )
    return [_action(row) for row in rows]


async def ask(
    connection: Connection,
    event: dict[str, Any],
    person: str,
    digest: bytes,
    alert_id: str | None = None,
    act: dict[str, Any] | None = None,
) -> None:
    """Puts an event where the worker takes it to the gateway; the same one is put there once."""
    await connection.execute(
        "INSERT INTO action (event_id, alert_id, person, digest, event, act) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (event_id) DO NOTHING",
        *(event["id"], alert_id, person, digest, json.dumps(event), None if act is None else json.dumps(act)),
    )


async def lock_alert(connection: Connection, alert_id: str) -> None:
    """One act on an alert is judged at a time, until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "act " + alert_id)


async def ledger_time(connection: Connection, shard: int) -> int:
    """Ledger time of a shard."""
    return int(await connection.fetchval("SELECT coalesce(max(ledger_time), 0) FROM shard WHERE shard = $1", shard))


async def sealed_acts(connection: Connection, alert_id: str) -> dict[tuple[int, int], dict[str, Any]]:
    """The sealed events of an alert's acts by their place, each with its leaf."""
    rows = await connection.fetch(
        "SELECT shard, record_offset, leaf, event FROM alert_act WHERE alert_id = $1", alert_id
    )
    return {(row["shard"], row["record_offset"]): {**json.loads(row["event"]), "leaf": row["leaf"]} for row in rows}


async def open_session(pool: Pool, digest: bytes, person: str, hours: float) -> None:
    """Signs a person in, and forgets who was signed in too long ago."""
    await pool.execute("DELETE FROM session WHERE expires < now()")
    await pool.execute(
        "INSERT INTO session (digest, person, expires) VALUES ($1, $2, now() + make_interval(secs => $3))",
        *(digest, person, hours * 3600),
    )


async def session(pool: Pool, digest: bytes) -> str | None:
    """Who is signed in with this cookie."""
    name: str | None = await pool.fetchval("SELECT person FROM session WHERE digest = $1 AND expires > now()", digest)
    return name


async def end_session(pool: Pool, digest: bytes) -> None:
    """Signs out."""
    await pool.execute("DELETE FROM session WHERE digest = $1", digest)


def _action(row: asyncpg.Record) -> StoredAction:
    act = None if row["act"] is None else json.loads(row["act"])
    return StoredAction(row["event_id"], row["person"], row["digest"], row["state"], row["answer"], act)
