"""All SQL of what the log says about the rule book: its sealed changes, and a shadow book beside the live one."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from balance_judge_audit.repository import Connection, Pool
from balance_judge_audit.rulechanges import Change, Standing

COLUMNS = "source, id, rule, before, after, digest, happened, received, shard, record_offset, leaf"


@dataclass(frozen=True, slots=True)
class ShadowCount:
    """How the alerts of a rule in the shadow book stand to those of the live one."""

    rule: str
    added: int
    gone: int
    same: int
    changed: int


@dataclass(frozen=True, slots=True)
class ShadowPair:
    """One episode as the live book and the shadow book have it: first raised, and the last revision's JSON."""

    subject: str
    start: str
    verdict: str
    live_raised: int | None
    live: str | None
    shadow_raised: int | None
    shadow: str | None


async def note_changes(connection: Connection, changes: Sequence[Change]) -> None:
    """Keeps sealed changes; one that is there already stays as it is."""
    await connection.executemany(
        f"INSERT INTO rule_change ({COLUMNS})"  # noqa: S608 (a constant)
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        [
            (
                each.source,
                each.id,
                each.rule,
                each.before,
                each.after,
                each.digest,
                each.happened,
                each.received,
                each.shard,
                each.offset,
                each.leaf,
            )
            for each in changes
        ],
    )


async def standing(pool: Pool, source: str) -> dict[str, Standing]:
    """What the last sealed change of each rule by this source says, and how many there were."""
    rows = await pool.fetch(
        "SELECT DISTINCT ON (rule) rule, after, digest, count(*) OVER (PARTITION BY rule) AS changes"
        " FROM rule_change WHERE source = $1 ORDER BY rule, record_offset DESC",
        source,
    )
    return {row["rule"]: Standing(row["after"], row["digest"], row["changes"]) for row in rows}


async def history(pool: Pool, rule: str | None = None) -> list[Change]:
    """Sealed changes, the latest first."""
    rows = await pool.fetch(
        f"SELECT {COLUMNS} FROM rule_change"  # noqa: S608 (a constant)
        " WHERE $1::text IS NULL OR rule = $1 ORDER BY received DESC, leaf LIMIT 1000",
        rule,
    )
    return [Change(*row) for row in rows]


async def positions(pool: Pool) -> dict[int, int]:
    """How far each shard is applied."""
    return {row["shard"]: row["applied"] for row in await pool.fetch("SELECT shard, applied FROM shard")}


# Both books' public alerts of a rule, side by side.
_PAIRS = (
    "SELECT coalesce(c.subject, n.subject) AS subject, coalesce(c.body->>'start', n.body->>'start') AS start,"
    " coalesce(c.rule, n.rule) AS rule, c.raised AS live_raised, c.body AS live, n.raised AS shadow_raised,"
    " n.body AS shadow, CASE WHEN c.id IS NULL THEN 'added' WHEN n.id IS NULL THEN 'gone'"
    " WHEN (c.state, c.severity, c.raised, c.body->'numbers') = (n.state, n.severity, n.raised, n.body->'numbers')"
    " THEN 'same' ELSE 'changed' END AS verdict"
    ' FROM (SELECT * FROM "{live}".alert WHERE NOT private AND rule = ANY($1)) c'
    ' FULL JOIN (SELECT * FROM "{shadow}".alert WHERE NOT private AND rule = ANY($1)) n'
    " ON n.rule = c.rule AND n.subject = c.subject AND n.body->>'start' = c.body->>'start'"
)


async def has_shadow(pool: Pool, shadow: str) -> bool:
    """Whether a shadow book was ever applied here."""
    return bool(await pool.fetchval("SELECT to_regclass($1) IS NOT NULL", f'"{shadow}".rule_change'))


async def shadow_behind(pool: Pool, live: str, shadow: str) -> int:
    """Records that the live book has applied and the shadow book has not."""
    return int(
        await pool.fetchval(
            "SELECT coalesce(sum(greatest(c.applied - coalesce(n.applied, 0), 0)), 0)::bigint"  # noqa: S608 (our schemas)
            f' FROM "{live}".shard c LEFT JOIN "{shadow}".shard n USING (shard)'
        )
    )


async def shadow_counts(pool: Pool, live: str, shadow: str, rules: Sequence[str]) -> list[ShadowCount]:
    """How many alerts of each rule are added, gone, the same and changed."""
    pairs = _PAIRS.format(live=live, shadow=shadow)
    rows = await pool.fetch(
        "SELECT rule, count(*) FILTER (WHERE verdict = 'added') AS added,"  # noqa: S608 (our schemas)
        " count(*) FILTER (WHERE verdict = 'gone') AS gone, count(*) FILTER (WHERE verdict = 'same') AS same,"
        f" count(*) FILTER (WHERE verdict = 'changed') AS changed FROM ({pairs}) p GROUP BY rule",
        rules,
    )
    found = {row["rule"]: ShadowCount(*row) for row in rows}
    return [found.get(rule, ShadowCount(rule, 0, 0, 0, 0)) for rule in rules]


async def shadow_pairs(pool: Pool, live: str, shadow: str, rule: str, most: int) -> list[ShadowPair]:
    """The alerts of a rule on which the two books differ."""
    pairs = _PAIRS.format(live=live, shadow=shadow)
    rows: list[asyncpg.Record] = await pool.fetch(
        f"SELECT subject, start, verdict, live_raised, live, shadow_raised, shadow FROM ({pairs}) p"  # noqa: S608
        " WHERE verdict <> 'same' ORDER BY verdict, subject, start LIMIT $2",
        [rule],
        most,
    )
    return [ShadowPair(*row) for row in rows]
