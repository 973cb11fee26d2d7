"""All SQL of facts for rules across shards and cases: held until every shard's ledger time has passed them.

A batch's facts are one row of each kind and shard; all rows of a batch are one statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from balance_judge_audit.engine.across import HeldFact
from balance_judge_audit.engine.gap import SequenceFact
from balance_judge_audit.repository import Connection

_pack: Final = msgspec.msgpack.Encoder()
_sequences: Final = msgspec.msgpack.Decoder(list[SequenceFact])
_across: Final = msgspec.msgpack.Decoder(list[HeldFact])


@dataclass(frozen=True, slots=True)
class HeldRow:
    """What one batch brought of a shard: numbers of sources' counters, and facts for the rules across cases."""

    shard: int
    first_offset: int
    sequences: Sequence[SequenceFact]
    across: Sequence[HeldFact]


async def hold(connection: Connection, rows: Sequence[HeldRow]) -> None:
    """Keeps these facts."""
    sequences = _columns([(row, row.sequences) for row in rows if row.sequences])
    across = _columns([(row, row.across) for row in rows if row.across])
    if sequences[0] or across[0]:
        await connection.execute(
            "WITH numbers AS (INSERT INTO held (shard, first_offset, min_time, facts)"
            " SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::bytea[]))"
            " INSERT INTO held_across (shard, first_offset, min_time, facts)"
            " SELECT * FROM unnest($5::int[], $6::bigint[], $7::bigint[], $8::bytea[])",
            *sequences,
            *across,
        )


def _columns(
    rows: Sequence[tuple[HeldRow, Sequence[SequenceFact] | Sequence[HeldFact]]],
) -> tuple[list[int], list[int], list[int], list[bytes]]:
    return (
        [row.shard for row, _ in rows],
        [row.first_offset for row, _ in rows],
        [min([fact.time for fact in facts]) for _, facts in rows],
        [_pack.encode(facts) for _, facts in rows],
    )


async def take(connection: Connection, before: int) -> tuple[list[SequenceFact], list[HeldFact]]:
    """Takes the facts before a ledger time out; those of the same batch that are not before it stay."""
    rows = await connection.fetch(
        "WITH numbers AS (DELETE FROM held WHERE min_time < $1 RETURNING shard, first_offset, facts),"
        " across AS (DELETE FROM held_across WHERE min_time < $1 RETURNING shard, first_offset, facts)"
        " SELECT true AS numbered, * FROM numbers UNION ALL SELECT false, * FROM across",
        before,
    )
    sequences: list[SequenceFact] = []
    across: list[HeldFact] = []
    left: list[HeldRow] = []
    for numbered, shard, first_offset, packed in rows:
        if numbered:
            numbers = _sequences.decode(packed)
            sequences += [fact for fact in numbers if fact.time < before]
            left.append(HeldRow(shard, first_offset, [fact for fact in numbers if fact.time >= before], ()))
        else:
            facts = _across.decode(packed)
            across += [fact for fact in facts if fact.time < before]
            left.append(HeldRow(shard, first_offset, (), [fact for fact in facts if fact.time >= before]))
    await hold(connection, left)
    return sequences, across
