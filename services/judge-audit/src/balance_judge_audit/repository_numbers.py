"""All SQL of the events of our own source: queued, numbered, and settled by what the gateway has answered.

Each transaction begins with `enter`. Whoever sends holds a session with `sole_sender`, which ends with its connection.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from balance_judge_audit.numbering import Counter, Verdict
from balance_judge_audit.repository import Connection, Pool

Kind = Literal["act", "alert", "rule"]
SENDER_LOCK: Final = 0x42414C03


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that has no number yet."""

    id: str
    kind: Kind
    event: bytes
    """The CloudEvent's JSON without its sequence."""
    revision_number: int | None = None
    traceparent: str | None = None
    """The span that judged."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event with its number."""

    id: str
    kind: Kind
    event: bytes
    traceparent: str | None
    sequence: int
    first: bool
    """Whether it was never sent under this number."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the gateway said to an event: a receipt, or what is wrong with it."""

    event: Numbered
    verdict: Verdict
    status: int
    text: str


async def waiting(pool: Pool) -> bool:
    """Whether there is anything to send."""
    return bool(
        await pool.fetchval(
            "SELECT EXISTS (SELECT FROM own_event) OR EXISTS (SELECT FROM action WHERE state = 'pending')"
            " OR EXISTS (SELECT FROM outbox WHERE channel = 'gateway')"
        )
    )


async def sole_sender(session: Connection, seconds: float) -> bool:
    """Makes this session the one that sends, if none is. The server ends it after so long a silence: a frozen worker
    must not keep the others from sending, and cannot settle anything when it wakes.
    """
    await session.execute(
        "SELECT set_config('idle_session_timeout', $1, false),"
        " set_config('idle_in_transaction_session_timeout', $1, false)",
        str(int(seconds * 1000)),
    )
    return bool(await session.fetchval("SELECT pg_try_advisory_lock($1)", SENDER_LOCK))


async def enter(connection: Connection) -> None:
    """Shuts out a rebuild until the end of the transaction: it takes the numbers over as they are then."""
    await connection.execute("LOCK TABLE outbox IN ROW EXCLUSIVE MODE")


async def room(connection: Connection, kind: Kind, most: int) -> int:
    """How many events of this kind may still be queued."""
    queued = await connection.fetchval("SELECT count(*) FROM own_event WHERE kind = $1", kind)
    return max(0, most - int(queued))


async def queue(connection: Connection, drafts: Sequence[Draft]) -> int:
    """Queues events for a number; one that is queued already stays as it is. Says how many are new."""
    if not drafts:
        return 0
    status = await connection.execute(
        "INSERT INTO own_event (id, kind, event, revision_number, traceparent)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::text[])"
        " ON CONFLICT (id) DO NOTHING",
        [each.id for each in drafts],
        [each.kind for each in drafts],
        [each.event for each in drafts],
        [each.revision_number for each in drafts],
        [each.traceparent for each in drafts],
    )
    return int(status.split()[-1])


async def number(connection: Connection) -> list[Numbered]:
    """Gives each queued event a number that stays with it; what is to be sent, the acts of people first."""
    places = await _places(connection)
    if places:
        following = await connection.fetchval("SELECT next FROM own_sequence FOR UPDATE")
        freed = await connection.fetch("SELECT number FROM freed_sequence ORDER BY number LIMIT $1", len(places))
        numbers, counter = Counter(following, [row["number"] for row in freed]).take(len(places))
        await connection.execute(
            "UPDATE own_event o SET sequence = t.sequence"
            " FROM unnest($1::bigint[], $2::bigint[]) AS t (place, sequence) WHERE o.place = t.place",
            *(places, numbers),
        )
        await connection.execute("DELETE FROM freed_sequence WHERE number = ANY($1::bigint[])", numbers)
        await connection.execute("UPDATE own_sequence SET next = $1", counter.next)
    rows = await connection.fetch(
        "SELECT id, kind, event, traceparent, sequence, place = ANY($1::bigint[]) FROM own_event"
        " WHERE sequence IS NOT NULL ORDER BY kind <> 'act', sequence",
        places,
    )
    return [Numbered(*row) for row in rows]


async def _places(connection: Connection) -> list[int]:
    rows = await connection.fetch("SELECT place FROM own_event WHERE sequence IS NULL ORDER BY kind <> 'act', place")
    return [row["place"] for row in rows]


async def settle(connection: Connection, answers: Sequence[Answered]) -> None:
    """Takes out what is settled and frees the numbers that no event has."""
    freed = [each.event.sequence for each in answers if each.verdict.frees]
    again = [each.event.id for each in answers if each.verdict is Verdict.NOT_YET]
    if again:
        await connection.execute("UPDATE own_event SET sequence = NULL WHERE id = ANY($1::text[])", again)
    refused = [each for each in answers if each.verdict is Verdict.REFUSED and each.event.kind == "alert"]
    for each in refused:
        await connection.execute(
            "INSERT INTO undeliverable (id, revision, status, answer)"
            " SELECT b.id, b.revision, $2, $3 FROM own_event o"
            " JOIN outbox b ON b.channel = 'gateway' AND b.number = o.revision_number WHERE o.id = $1"
            " ON CONFLICT DO NOTHING",
            *(each.event.id, each.status, each.text),
        )
    await connection.execute(
        "WITH gone AS (DELETE FROM own_event WHERE id = ANY($1::text[]) RETURNING revision_number)"
        " DELETE FROM outbox WHERE channel = 'gateway'"
        " AND number = ANY(ARRAY(SELECT revision_number FROM gone WHERE revision_number IS NOT NULL))",
        [each.event.id for each in answers if each.verdict.settles],
    )
    if freed:
        await connection.execute("INSERT INTO freed_sequence (number) SELECT * FROM unnest($1::bigint[])", freed)
