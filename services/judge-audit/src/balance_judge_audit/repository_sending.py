"""All SQL of sending out: what goes to which target, what is tried again and when, and what was given up.

Private warnings are not read: no statement here sees one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from balance_judge_audit.queries import StoredRevision
from balance_judge_audit.repository import Connection, Pool


@dataclass(frozen=True, slots=True)
class Delivery:
    """One revision on its way to one target."""

    id: str
    target: str
    alert: str
    revision: int
    attempts: int
    raised: int
    body: str


@dataclass(frozen=True, slots=True)
class Dead:
    """A delivery that was given up."""

    id: str
    target: str
    alert: str
    revision: int
    attempts: int
    problem: str


async def cursor(connection: Connection, target: str) -> int:
    """The number up to which a target's revisions are queued; one that is new begins with what is said from now on."""
    await connection.execute(
        "INSERT INTO sending_cursor (target, number) SELECT $1, coalesce(max(number), 0) FROM alert_revision"
        " ON CONFLICT DO NOTHING",
        target,
    )
    return int(await connection.fetchval("SELECT number FROM sending_cursor WHERE target = $1 FOR UPDATE", target))


async def revisions(connection: Connection, after: int, most: int) -> list[StoredRevision]:
    """What was said after a number, but what is private."""
    rows = await connection.fetch(
        "SELECT number, 0 AS raised, body FROM alert_revision"
        " WHERE number > $1 AND NOT private ORDER BY number LIMIT $2",
        after,
        most,
    )
    return [StoredRevision(row["number"], row["raised"], row["body"]) for row in rows]


async def queue(connection: Connection, target: str, number: int, found: Sequence[tuple[str, str, int]]) -> None:
    """Queues deliveries (id, alert, revision), and moves the target's cursor."""
    await connection.executemany(
        "INSERT INTO delivery (id, target, alert_id, revision) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        [(id_, target, alert, revision) for id_, alert, revision in found],
    )
    await connection.execute("UPDATE sending_cursor SET number = $2 WHERE target = $1", target, number)


async def claim(pool: Pool, target: str, most: int, lease: timedelta) -> list[Delivery]:
    """Takes deliveries that are due, for so long: a sender that dies meanwhile leaves them to the next."""
    rows = await pool.fetch(
        "UPDATE delivery d SET next_at = now() + $3 FROM alert_revision r, alert a WHERE d.id IN"
        " (SELECT id FROM delivery WHERE target = $1 AND dead IS NULL AND next_at <= now()"
        "  ORDER BY next_at, id LIMIT $2 FOR UPDATE SKIP LOCKED)"
        " AND r.id = d.alert_id AND r.revision = d.revision AND NOT r.private AND a.id = d.alert_id"
        " RETURNING d.id, d.target, d.alert_id, d.revision, d.attempts, a.raised, r.body, r.number",
        target,
        most,
        lease,
    )
    return [Delivery(*tuple(row)[:7]) for row in sorted(rows, key=lambda row: row["number"])]


async def delivered(pool: Pool, id_: str) -> None:
    """It arrived."""
    await pool.execute("DELETE FROM delivery WHERE id = $1", id_)


async def failed(pool: Pool, id_: str, problem: str, wait: timedelta | None) -> None:
    """It did not: try again after a wait, or give up."""
    await pool.execute(
        "UPDATE delivery SET attempts = attempts + 1, problem = $2, next_at = now() + coalesce($3, interval '0'),"
        " dead = CASE WHEN $3::interval IS NULL THEN now() END WHERE id = $1",
        id_,
        problem[:500],
        wait,
    )


async def open_alerts(pool: Pool, after: str, most: int) -> list[tuple[str, StoredRevision]]:
    """Alerts that stand and that nobody has closed, by their id."""
    rows = await pool.fetch(
        "SELECT a.id, a.number, a.raised, a.body FROM alert a LEFT JOIN alert_life l ON l.alert_id = a.id"
        " WHERE NOT a.private AND a.state = 'open' AND coalesce(l.stage, '') <> 'closed' AND a.id > $1"
        " ORDER BY a.id LIMIT $2",
        after,
        most,
    )
    return [(row["id"], StoredRevision(row["number"], row["raised"], row["body"])) for row in rows]


async def counts(pool: Pool) -> dict[str, tuple[int, int]]:
    """How many deliveries of each target wait, and how many were given up."""
    rows = await pool.fetch(
        "SELECT target, count(*) FILTER (WHERE dead IS NULL) AS waiting, count(dead) AS dead"
        " FROM delivery GROUP BY target"
    )
    return {row["target"]: (row["waiting"], row["dead"]) for row in rows}


async def dead(pool: Pool, most: int) -> list[Dead]:
    """What was given up, the latest first."""
    rows = await pool.fetch(
        "SELECT id, target, alert_id, revision, attempts, problem FROM delivery WHERE dead IS NOT NULL"
        " ORDER BY dead DESC, id LIMIT $1",
        most,
    )
    return [Dead(*row) for row in rows]


async def again(pool: Pool, target: str | None) -> int:
    """Tries what was given up once more, of one target or of all; says how many."""
    status = await pool.execute(
        "UPDATE delivery SET dead = NULL, attempts = 0, next_at = now()"
        " WHERE dead IS NOT NULL AND ($1::text IS NULL OR target = $1)",
        target,
    )
    return int(str(status).split()[-1])
