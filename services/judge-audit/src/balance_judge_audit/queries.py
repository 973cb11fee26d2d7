"""All SQL of the API: alerts, their revisions, the stream, and how far rule state is. Private ones are never
read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from balance_judge_audit.repository import Pool

COLUMNS: Final = "a.number, a.raised, a.body, l.stage, l.level"
ALERTS: Final = "alert a LEFT JOIN alert_life l ON l.alert_id = a.id"
# The last two parameters: courts, and whom it is about.
IN_SCOPE: Final = "(${0}::text[] IS NULL OR a.courtcode = ANY(${0})) AND (${1}::text IS NULL OR ${1} = ANY(l.subjects))"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a reader may see: alerts of these courts, or those about one person; everything by default."""

    courts: Sequence[str] | None = None
    about: str | None = None


EVERYTHING: Final = Scope()


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
    stages: Sequence[str] | None = None
    level: int | None = None
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """A revision as it was said: `body` is its JSON."""

    number: int
    raised: int
    body: str
    stage: str | None = None
    level: int | None = None
    """Of its life; None where it has none of its own."""


async def alerts(pool: Pool, wanted: AlertFilter, most: int) -> list[StoredRevision]:
    """The last revision of each alert, the latest first."""
    rows = await pool.fetch(
        f"SELECT {COLUMNS} FROM {ALERTS} WHERE NOT a.private"  # noqa: S608 (constants)
        " AND ($1::text[] IS NULL OR a.rule = ANY($1)) AND ($2::text[] IS NULL OR a.severity = ANY($2))"
        " AND ($3::text IS NULL OR a.courtcode = $3) AND ($4::text IS NULL OR a.state = $4)"
        " AND ($5::text IS NULL OR a.subject = $5) AND ($6::bigint IS NULL OR a.raised >= $6)"
        " AND ($7::bigint IS NULL OR a.raised < $7) AND ($8::bigint IS NULL OR a.number < $8)"
        " AND ($10::text[] IS NULL OR l.stage = ANY($10)) AND ($11::integer IS NULL OR l.level = $11)"
        f" AND {IN_SCOPE.format(12, 13)} ORDER BY a.number DESC LIMIT $9",
        wanted.rules,
        wanted.severities,
        wanted.court,
        wanted.state,
        wanted.subject,
        wanted.since,
        wanted.until,
        wanted.before,
        most,
        wanted.stages,
        wanted.level,
        wanted.scope.courts,
        wanted.scope.about,
    )
    return [_stored(row) for row in rows]


async def alert(pool: Pool, id_: str, scope: Scope = EVERYTHING) -> StoredRevision | None:
    """The last revision of one alert."""
    if "\0" in id_:
        return None  # PostgreSQL can hold none
    row = await pool.fetchrow(
        f"SELECT {COLUMNS} FROM {ALERTS} WHERE a.id = $1 AND NOT a.private"  # noqa: S608 (constants)
        f" AND {IN_SCOPE.format(2, 3)}",
        *(id_, scope.courts, scope.about),
    )
    return None if row is None else _stored(row)


async def revisions(pool: Pool, id_: str) -> list[StoredRevision]:
    """Every revision of one alert, the first first."""
    rows = await pool.fetch(
        "SELECT number, 0 AS raised, body FROM alert_revision WHERE id = $1 AND NOT private ORDER BY revision", id_
    )
    return [StoredRevision(*row) for row in rows]


async def revisions_after(pool: Pool, number: int, most: int, scope: Scope = EVERYTHING) -> list[StoredRevision]:
    """What was said after a number, in that order."""
    rows = await pool.fetch(
        "SELECT r.number, 0 AS raised, r.body FROM alert_revision r JOIN alert a USING (id)"  # noqa: S608 (a constant)
        " LEFT JOIN alert_life l ON l.alert_id = a.id"
        f" WHERE r.number > $1 AND NOT r.private AND {IN_SCOPE.format(3, 4)} ORDER BY r.number LIMIT $2",
        *(number, most, scope.courts, scope.about),
    )
    return [StoredRevision(*row) for row in rows]


async def last_number(pool: Pool) -> int:
    """The number of the last revision; 0 where there is none."""
    return int(await pool.fetchval("SELECT coalesce(max(number), 0) FROM alert_revision"))


async def counts(pool: Pool, scope: Scope = EVERYTHING) -> list[tuple[str, str, int]]:
    """Alerts by rule and state."""
    rows = await pool.fetch(
        f"SELECT a.rule, a.state, count(*) AS alerts FROM {ALERTS} WHERE NOT a.private"  # noqa: S608 (constants)
        f" AND {IN_SCOPE.format(1, 2)} GROUP BY a.rule, a.state ORDER BY a.rule, a.state",
        *(scope.courts, scope.about),
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
    return StoredRevision(row["number"], row["raised"], row["body"], row["stage"], row["level"])
