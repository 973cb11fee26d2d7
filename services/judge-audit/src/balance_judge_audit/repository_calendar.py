"""All SQL of courts' calendars: what each shard has, and the open cases that a new one re-times."""

from collections.abc import Sequence
from typing import Final

from balance_judge_audit.engine.courtcalendar import Calendars, DeclaredYear
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.repository import Connection
from balance_judge_audit.repository_cases import STATE, case_of

READ_CASES: Final = 500
"""Cases in memory at once while the open ones are looked for."""


async def load_calendars(connection: Connection, shard: int) -> Calendars:
    """What the courts have declared on a shard."""
    rows = await connection.fetch("SELECT court, year, holidays, worked FROM court_calendar WHERE shard = $1", shard)
    return Calendars(
        DeclaredYear(row["court"], row["year"], frozenset(row["holidays"]), frozenset(row["worked"])) for row in rows
    )


async def save_calendars(connection: Connection, shard: int, calendars: Calendars) -> None:
    """Keeps what they have declared."""
    await connection.executemany(
        "INSERT INTO court_calendar (shard, court, year, holidays, worked) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (shard, court, year) DO UPDATE SET holidays = excluded.holidays, worked = excluded.worked",
        [(shard, each.court, each.year, sorted(each.holidays), sorted(each.worked)) for each in calendars.declared],
    )


async def open_cases(connection: Connection, shard: int, courts: Sequence[str]) -> dict[str, CaseState]:
    """The cases of these courts in which something is waited for or an alert stands. Calendars are rare: the court is
    read from the case number, and no index is kept for it.
    """
    found: dict[str, CaseState] = {}
    rows = connection.cursor(
        f"SELECT c.caseid, {STATE} FROM case_state c WHERE c.shard = $1 AND c.caseid LIKE ANY($2::text[])",  # noqa: S608
        shard,
        [pattern for court in courts for pattern in (f"（____）{court}%", f"{court}/%")],
        prefetch=READ_CASES,
    )
    async for row in rows:
        state = case_of(row["state"], row["pieces"])
        if state.court in courts and state.open:
            found[row["caseid"]] = state
    return found
