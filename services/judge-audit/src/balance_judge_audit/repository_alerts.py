"""All SQL by which the worker says something: every revision for ever, the last one of each alert, what is to be sent.

Whatever is said in a transaction is a few statements, however many revisions there are.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from balance_chain.core.times import parse_ms
from balance_chain.runtime.telemetry import inject

from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.repository import ALERTS_LOCK, CHANNELS, Connection, lock

_ALERT: Final = (
    "INSERT INTO alert (id, number, revision, rule, severity, state, private, subject, courtcode, raised, judged, body)"
    " SELECT t.id, t.number, t.revision, t.rule, t.severity, t.state, t.private, t.subject, t.courtcode, t.judged,"
    " t.judged, t.body FROM unnest($1::text[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[],"
    " $7::boolean[], $8::text[], $9::text[], $10::bigint[], $11::jsonb[])"
    " AS t (id, number, revision, rule, severity, state, private, subject, courtcode, judged, body)"
    " ON CONFLICT (id) DO UPDATE SET number = excluded.number, revision = excluded.revision,"
    " severity = excluded.severity, state = excluded.state, private = excluded.private,"
    " courtcode = excluded.courtcode, judged = excluded.judged, body = excluded.body,"
    " raised = CASE WHEN alert.private AND NOT excluded.private THEN excluded.raised ELSE alert.raised END"
)
Said = tuple[int, Revision, bytes]
"""A revision with its number and its bytes."""


async def say(connection: Connection, revisions: Sequence[Revision]) -> None:
    """Stores revisions and puts those that are not private into the outbox."""
    if not revisions:
        return
    await lock(connection, ALERTS_LOCK)
    rows = await connection.fetch("SELECT nextval('alert_number') FROM generate_series(1, $1::int)", len(revisions))
    said = [(row[0], each, msgspec.json.encode(each)) for row, each in zip(rows, revisions, strict=True)]
    await connection.execute(
        "INSERT INTO alert_revision (id, revision, number, private, body)"
        " SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::boolean[], $5::jsonb[])",
        [each.id for _, each, _ in said],
        [each.revision for _, each, _ in said],
        [number for number, _, _ in said],
        [each.private for _, each, _ in said],
        [value.decode() for _, _, value in said],
    )
    for some in _once_each(said):
        await _set_last(connection, some)
    public = [each for each in said if not each[1].private]
    if public:
        await connection.execute(
            "INSERT INTO outbox (number, channel, id, revision, value, traceparent)"
            " SELECT t.number, c.channel, t.id, t.revision, t.value, $6"
            " FROM unnest($1::bigint[], $2::text[], $3::int[], $4::bytea[]) AS t (number, id, revision, value)"
            " CROSS JOIN unnest($5::text[]) AS c (channel)",
            [number for number, _, _ in public],
            [each.id for _, each, _ in public],
            [each.revision for _, each, _ in public],
            [value for _, _, value in public],
            list(CHANNELS),
            inject(),
        )


async def _set_last(connection: Connection, said: Sequence[Said]) -> None:
    await connection.execute(
        _ALERT,
        [each.id for _, each, _ in said],
        [number for number, _, _ in said],
        *([getattr(each, name) for _, each, _ in said] for name in _COLUMNS),
        [parse_ms(each.judged) for _, each, _ in said],
        [value.decode() for _, _, value in said],
    )


_COLUMNS: Final = ("revision", "rule", "severity", "state", "private", "subject", "courtcode")


def _once_each(said: Iterable[Said]) -> list[list[Said]]:
    """In as few lots as have each alert once at most, its revisions in order: one statement changes a row once."""
    lots: list[list[Said]] = []
    count: dict[str, int] = {}
    for each in said:
        place = count[each[1].id] = count.get(each[1].id, -1) + 1
        if place == len(lots):
            lots.append([])
        lots[place].append(each)
    return lots
