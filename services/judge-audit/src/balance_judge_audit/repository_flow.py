"""All SQL of where cases wait: spans written once a batch, and what is asked of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from balance_judge_audit.flow import CaseFlow, Span
from balance_judge_audit.repository import Connection, Pool

By = Literal["court", "cause", "procedure"]

_pack: Final = msgspec.msgpack.Encoder()
_case: Final = msgspec.msgpack.Decoder(CaseFlow)


@dataclass(frozen=True, slots=True)
class FlowFilter:
    """What is narrowed to; None means any. Times in milliseconds: ended at or after, and before."""

    courts: Sequence[str] | None = None
    cause: str | None = None
    procedure: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Times of the stays that ended, in milliseconds, and of those that wait."""

    group: str
    phase: str
    count: int
    first_quartile: float | None
    median: float | None
    third_quartile: float | None
    waiting: int
    waiting_median: float | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A case that waits."""

    caseid: str
    phase: str
    court: str
    started: int


async def load(connection: Connection, caseids: Sequence[str]) -> dict[str, CaseFlow]:
    """What is remembered of these cases."""
    rows = await connection.fetch("SELECT caseid, state FROM flow_case WHERE caseid = ANY($1::text[])", caseids)
    return {row["caseid"]: _case.decode(row["state"]) for row in rows}


async def save(connection: Connection, cases: Mapping[str, CaseFlow], spans: Iterable[Span]) -> None:
    """Writes cases and spans that changed."""
    names = sorted(cases)
    if not names:
        return
    rows = sorted(spans, key=lambda span: (span.caseid, span.phase, span.round))
    await connection.execute(
        "WITH spans AS (INSERT INTO flow_span"
        " (caseid, phase, round, court, cause, procedure, started, ended, dropped)"
        " SELECT * FROM unnest($3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[],"
        " $9::bigint[], $10::bigint[], $11::boolean[])"
        " ON CONFLICT (caseid, phase, round) DO UPDATE SET court = excluded.court, cause = excluded.cause,"
        " procedure = excluded.procedure, ended = excluded.ended, dropped = excluded.dropped)"
        " INSERT INTO flow_case (caseid, state) SELECT * FROM unnest($1::text[], $2::bytea[])"
        " ON CONFLICT (caseid) DO UPDATE SET state = excluded.state",
        names,
        [_pack.encode(cases[name]) for name in names],
        *([getattr(span, name) for span in rows] for name in Span.__struct_fields__),
    )


# $1 to $5 are those of FlowFilter; $6 is ledger time.
_WANTED: Final = (
    " WHERE NOT dropped AND ($1::text[] IS NULL OR court = ANY($1)) AND ($2::text IS NULL OR cause = $2)"
    " AND ($3::text IS NULL OR procedure = $3)"
    " AND (ended IS NULL OR (($4::bigint IS NULL OR ended >= $4) AND ($5::bigint IS NULL OR ended < $5)))"
)
_QUARTILES: Final = "percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY ended - started)"


async def spreads(pool: Pool, wanted: FlowFilter, by: By | None, most: int) -> list[Spread]:
    """How long stays last, by phase and, where wanted, by court, cause or procedure: the groups with most cases."""
    group = by or "''"
    rows = await pool.fetch(
        f"WITH chosen AS (SELECT {group} AS grp, phase, started, ended FROM flow_span{_WANTED}),"  # noqa: S608
        " large AS (SELECT grp FROM chosen GROUP BY grp ORDER BY count(*) DESC, grp LIMIT $7)"
        f" SELECT grp, phase, count(ended) AS count, {_QUARTILES} FILTER (WHERE ended IS NOT NULL) AS quartiles,"
        " count(*) FILTER (WHERE ended IS NULL) AS waiting,"
        " percentile_cont(0.5) WITHIN GROUP (ORDER BY $6::bigint - started) FILTER (WHERE ended IS NULL) AS waits"
        " FROM chosen JOIN large USING (grp) GROUP BY grp, phase ORDER BY grp, phase",
        *_arguments(wanted),
        await now(pool),
        most,
    )
    return [_spread(row) for row in rows]


def _spread(row: Any) -> Spread:
    first, median, third = row["quartiles"] or (None, None, None)
    return Spread(row["grp"], row["phase"], row["count"], first, median, third, row["waiting"], row["waits"])


async def longest(pool: Pool, wanted: FlowFilter, most: int) -> list[Waiting]:
    """The cases that have waited longest in each phase."""
    rows = await pool.fetch(
        "SELECT caseid, phase, court, started FROM (SELECT *, row_number() OVER (PARTITION BY phase"  # noqa: S608
        f" ORDER BY started, caseid) AS place FROM flow_span{_WANTED} AND ended IS NULL) w WHERE place <= $6"
        " ORDER BY phase, place",
        *_arguments(wanted),
        most,
    )
    return [Waiting(*row) for row in rows]


async def choices(pool: Pool, courts: Sequence[str] | None) -> dict[By, list[str]]:
    """What there is to choose from."""
    found: dict[By, list[str]] = {"court": [], "cause": [], "procedure": []}
    for by in found:
        rows = await pool.fetch(
            f"SELECT {by} AS word FROM flow_span WHERE {by} <> '' AND ($1::text[] IS NULL OR court = ANY($1))"  # noqa: S608
            f" GROUP BY {by} ORDER BY count(*) DESC, {by} LIMIT 200",
            courts,
        )
        found[by] = [row["word"] for row in rows]
    return found


async def now(pool: Pool) -> int:
    """The ledger time that the furthest shard has reached."""
    return int(await pool.fetchval("SELECT coalesce(max(ledger_time), 0) FROM shard"))


def _arguments(wanted: FlowFilter) -> tuple[object, ...]:
    return wanted.courts, wanted.cause, wanted.procedure, wanted.since, wanted.until
