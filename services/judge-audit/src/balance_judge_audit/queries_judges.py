"""All SQL of a judge's own desk: the state of the cases for which he is responsible, and the warnings meant for him
alone.
"""

from dataclasses import dataclass

from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.queries import StoredRevision
from balance_judge_audit.repository import Pool
from balance_judge_audit.repository_cases import STATE, case_of

CASES = (
    "SELECT caseid FROM (SELECT DISTINCT ON (caseid) caseid, ref FROM case_judge"
    " WHERE caseid IN (SELECT caseid FROM case_judge WHERE ref = $1) ORDER BY caseid, record_offset DESC) last"
    " WHERE ref = $1"
)
"""Cases whose last responsible judge this is."""


@dataclass(frozen=True, slots=True)
class OwnCase:
    """A case as its rules remember it, and how late it is there."""

    caseid: str
    shard: int
    ledger_time: int
    state: CaseState


async def cases(pool: Pool, ref: str, most: int) -> list[OwnCase]:
    """The cases of this judge, those that have to be looked at first first."""
    rows = await pool.fetch(
        f"SELECT c.caseid, c.shard, s.ledger_time, {STATE} FROM case_state c JOIN shard s USING (shard)"  # noqa: S608
        f" WHERE c.caseid IN ({CASES}) ORDER BY c.wake NULLS LAST, c.caseid LIMIT $2",
        ref,
        most,
    )
    return [
        OwnCase(row["caseid"], row["shard"], row["ledger_time"], case_of(row["state"], row["pieces"])) for row in rows
    ]


async def warnings_after(pool: Pool, ref: str, number: int, most: int) -> list[StoredRevision]:
    """Private warnings in the judge's cases that were said after a number, and have become nothing more since."""
    rows = await pool.fetch(
        "SELECT r.number, 0 AS raised, r.body FROM alert_revision r JOIN alert a USING (id)"  # noqa: S608 (a constant)
        f" WHERE r.private AND a.private AND r.number > $2 AND a.subject IN ({CASES}) ORDER BY r.number LIMIT $3",
        ref,
        number,
        most,
    )
    return [StoredRevision(row["number"], row["raised"], row["body"]) for row in rows]
