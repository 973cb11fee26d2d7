"""All SQL of cases' rule state.

A case's facts only ever become more: every `PIECE` of them are written once, and what is written anew with each event
is small however long the case lasts.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from balance_judge_audit.engine.facts import CaseState, Fact
from balance_judge_audit.repository import Connection

PIECE: Final = 6
"""Facts of one row of `case_facts`."""
STATE: Final = "c.state, ARRAY(SELECT f.facts FROM case_facts f WHERE f.caseid = c.caseid ORDER BY f.number) AS pieces"
"""What `case_of` reads of `case_state c`."""

_pack: Final = msgspec.msgpack.Encoder()
_case: Final = msgspec.msgpack.Decoder(CaseState)
_facts: Final = msgspec.msgpack.Decoder(list[Fact])


def case_of(state: bytes, pieces: Sequence[bytes]) -> CaseState:
    """A case's state as its rows in `case_state` and `case_facts` have it."""
    case = _case.decode(state)
    case.facts[:0] = [fact for piece in pieces for fact in _facts.decode(piece)]
    case.pieces = len(pieces)
    return case


async def load_cases(
    connection: Connection, caseids: Sequence[str], before: Mapping[int, int]
) -> tuple[dict[str, CaseState], dict[int, list[str]]]:
    """These cases, and all whose timers their shard's ledger time is about to pass; also says which those are, by
    shard.
    """
    rows = await connection.fetch(
        f"SELECT c.caseid, NULL::int AS due, {STATE} FROM case_state c WHERE c.caseid = ANY($1::text[])"  # noqa: S608
        f" UNION ALL SELECT c.caseid, t.shard, {STATE} FROM unnest($2::int[], $3::bigint[]) AS t (shard, before)"
        # Ordered, so that no plan reads the whole table: it cannot know how few are due.
        " CROSS JOIN LATERAL (SELECT caseid, state FROM case_state WHERE shard = t.shard AND wake < t.before"
        "  ORDER BY wake) AS c",
        caseids,
        list(before.keys()),
        list(before.values()),
    )
    due: dict[int, list[str]] = {}
    for row in rows:
        if row["due"] is not None:
            due.setdefault(row["due"], []).append(row["caseid"])
    return {row["caseid"]: case_of(row["state"], row["pieces"]) for row in rows}, due


async def save_cases(connection: Connection, changed: Mapping[str, tuple[int, CaseState]], grace_ms: int) -> None:
    """Writes back the cases that changed, each with its shard."""
    names = sorted(changed)
    if not names:
        return
    pieces = [row for name in names for row in _new_pieces(name, changed[name][1])]
    await connection.execute(
        "WITH kept AS (INSERT INTO case_facts (caseid, number, facts)"
        " SELECT * FROM unnest($5::text[], $6::int[], $7::bytea[]))"
        " INSERT INTO case_state (caseid, shard, state, wake)"
        " SELECT * FROM unnest($1::text[], $2::int[], $3::bytea[], $4::bigint[])"
        " ON CONFLICT (caseid) DO UPDATE SET shard = excluded.shard, state = excluded.state, wake = excluded.wake",
        names,
        [changed[name][0] for name in names],
        [_latest(changed[name][1]) for name in names],
        [changed[name][1].wake(grace_ms) for name in names],
        *([row[column] for row in pieces] for column in range(3)),
    )


def _new_pieces(name: str, case: CaseState) -> list[tuple[str, int, bytes]]:
    """The rows of facts that are complete and not yet written."""
    first, case.pieces = case.pieces, len(case.facts) // PIECE
    return [
        (name, number, _pack.encode(case.facts[number * PIECE : (number + 1) * PIECE]))
        for number in range(first, case.pieces)
    ]


def _latest(case: CaseState) -> bytes:
    """The state without the facts that are in rows of their own."""
    facts = case.facts[case.pieces * PIECE :]
    return _pack.encode(CaseState(case.court, case.last, facts, case.extra, case.pending, case.judged, case.announced))
