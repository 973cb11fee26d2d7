"""All SQL of the API: alerts, their revisions, the stream, and how far rule state is. Private ones are never
read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from balance_judge_audit.repository import Pool

COLUMNS = "number, raised, body"


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """What a list of alerts is narrowed to; None means any. Times are ledger time in milliseconds."""

    rules: Sequence[str] | None = None
    severities: Sequence[str] | None = None
    court: str | None = None
    state: str | None = None
    subject: str | None = None
    since: int | None = None
    until: int | None = None
    before: int | None = None
    """Numbers below this one: the cursor."""


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """A revision as it was said: `body` is its JSON."""

    number: int
    raised: int
    body: str


async def alerts(pool: Pool, wanted: AlertFilter, most: int) -> list[StoredRevision]:
    """The last revision of each alert, the latest first."""
    rows = await pool.fetch(
        f"SELECT {COLUMNS} FROM alert WHERE NOT private"  # noqa: S608 (a constant)
        " AND ($1::text[] IS NULL OR rule = ANY($1)) AND ($2::text[] IS NULL OR severity = ANY($2))"
        " AND ($3::text IS NULL OR courtcode = $3) AND ($4::text IS NULL OR state = $4)"
        " AND ($5::text IS NULL OR subject = $5) AND ($6::bigint IS NULL OR raised >= $6)"
        " AND ($7::bigint IS NULL OR raised < $7) AND ($8::bigint IS NULL OR number < $8)"
        " ORDER BY number DESC LIMIT $9",
        wanted.rules,
        wanted.severities,
        wanted.court,
        wanted.state,
        wanted.subject,
        wanted.since,
        wanted.until,
        wanted.before,
        most,
    )
    return [_stored(row) for row in rows]


async def alert(pool: Pool, id_: str) -> StoredRevision | None:
    """The last revision of one alert."""
    if "\0" in id_:
        return None  # PostgreSQL can hold none
    row = await pool.fetchrow(
        f"SELECT {COLUMNS} FROM alert WHERE id = $1 AND NOT private",  # noqa: S608 (a constant)
        id_,
    )
    return None if row is None else _stored(row)


async def revisions(pool: Pool, id_: str) -> list[StoredRevision]:
    """Every revision of one alert, the first first."""
    rows = await pool.fetch(
        "SELECT number, 0 AS raised, body FROM alert_revision WHERE id = $1 AND NOT private ORDER BY revision", id_
    )
    return [_stored(row) for row in rows]


async def revisions_after(pool: Pool, number: int, most: int) -> list[StoredRevision]:
    """What was said after a number, in that order."""
    rows = await pool.fetch(
        "SELECT number, 0 AS raised, body FROM alert_revision"
        " WHERE number > $1 AND NOT private ORDER BY number LIMIT $2",
        number,
        most,
    )
    return [_stored(row) for row in rows]


async def last_number(pool: Pool) -> int:
    """The number of the last revision; 0 where there is none."""
    return int(await pool.fetchval("SELECT coalesce(max(number), 0) FROM alert_revision"))


async def counts(pool: Pool) -> list[tuple[str, str, int]]:
    """Alerts by rule and state."""
    rows = await pool.fetch(
        "SELECT rule, state, count(*) AS alerts FROM alert WHERE NOT private GROUP BY rule, state ORDER BY rule, state"
    )
    return [(row["rule"], row["state"], row["alerts"]) for row in rows]


async def shards(pool: Pool) -> list[dict[str, int]]:
    """Applied position and ledger time of each shard."""
    rows = await pool.fetch("SELECT shard, applied, ledger_time FROM shard ORDER BY shard")
    return [dict(row) for row in rows]


async def waiting(pool: Pool, grace_ms: int) -> dict[str, Any]:
    """What is not yet judged: cases with a timer, those whose timer only waits for quiet, open gaps, held
    facts.
    """
    row = await pool.fetchrow(
        "SELECT (SELECT count(*) FROM case_state WHERE wake IS NOT NULL) AS timers,"
        " (SELECT count(*) FROM case_state c JOIN shard s USING (shard)"
        " WHERE c.wake <= s.ledger_time + $1) AS settling,"
        " (SELECT count(*) FROM source_state WHERE wake IS NOT NULL) AS gaps,"
        " (SELECT count(*) FROM held) AS held,"
        " (SELECT count(*) FROM outbox WHERE channel = 'topic') AS unsent,"
        " (SELECT count(*) FROM outbox WHERE channel = 'gateway') AS unsent_events,"
        " (SELECT count(*) FROM unreadable) AS unreadable,"
        " (SELECT count(*) FROM undeliverable) AS undeliverable",
        grace_ms,
    )
    assert row is not None
    return dict(row)


def _stored(row: asyncpg.Record) -> StoredRevision:
    return StoredRevision(row["number"], row["raised"], row["body"])
