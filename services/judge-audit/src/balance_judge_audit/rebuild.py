"""Makes rule state and alerts again from `litigation.events`, beside the running ones.

The outbox is never drained again: what the running projection has said stays said under the number it had, what it has
still to send stays to be sent, and only revisions that it had not reached are sent after the swap. Where there is
nothing to compare with (its schema is lost) nothing is sent at all.
"""

import asyncio
from typing import Final

from balance_chain.core.canonical import NotCanonical, decode_event
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.db import connect, migrate
from balance_chain.runtime.kafka import TopicReader, topic_ends
from balance_chain.runtime.rebuild import (
    Rebuilt,
    Show,
    clear_shadow,
    count_rows,
    drop_replaced,
    swap_schemas,
)

from balance_judge_audit.applier import Applier, Record
from balance_judge_audit.loading import clocks, life_keeper, load_book, projections
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.repository import Connection, Pool
from balance_judge_audit.settings import WorkerSettings

PACKAGE: Final = "balance_judge_audit"
TABLES: Final = (
    "case_state",
    "case_facts",
    "source_state",
    "alert",
    "alert_revision",
    "outbox",
    "unreadable",
    "alert_act",
    "alert_life",
    "rule_change",
    "flow_case",
    "flow_span",
)
READ_SECONDS: Final = 0.5

# Numbers are given again, negative first because they are unique at each moment.
_CARRY_OVER: Final = (
    "UPDATE alert_revision SET number = -number",
    "UPDATE alert SET number = -number",
    "UPDATE alert_revision n SET number = o.number FROM {old}.alert_revision o"
    " WHERE o.id = n.id AND o.revision = n.revision",
    "UPDATE alert_revision n SET number = last.number + fresh.place"
    " FROM (SELECT id, revision, row_number() OVER (ORDER BY number DESC) AS place FROM alert_revision"
    "  WHERE number < 0) fresh,"
    " (SELECT coalesce(max(number), 0) AS number FROM {old}.alert_revision) last"
    " WHERE fresh.id = n.id AND fresh.revision = n.revision",
    "UPDATE alert a SET number = r.number FROM alert_revision r WHERE r.id = a.id AND r.revision = a.revision",
    "DELETE FROM outbox b WHERE NOT EXISTS (SELECT FROM {old}.shard WHERE applied > 0)"
    " OR EXISTS (SELECT FROM {old}.alert_revision o WHERE o.id = b.id AND o.revision = b.revision)",
    "UPDATE outbox SET number = -number",
    "UPDATE outbox b SET number = r.number FROM alert_revision r WHERE r.id = b.id AND r.revision = b.revision",
    "INSERT INTO outbox SELECT * FROM {old}.outbox",
    "INSERT INTO undeliverable SELECT * FROM {old}.undeliverable",
    "INSERT INTO sending_cursor SELECT * FROM {old}.sending_cursor",
    "INSERT INTO delivery SELECT * FROM {old}.delivery",
    "INSERT INTO action SELECT * FROM {old}.action",
    "SELECT setval(pg_get_serial_sequence('action', 'number'), (SELECT coalesce(max(number), 1) FROM action))",
    "INSERT INTO session SELECT * FROM {old}.session",
    "INSERT INTO own_event SELECT * FROM {old}.own_event",
    "SELECT setval(pg_get_serial_sequence('own_event', 'place'), (SELECT coalesce(max(place), 1) FROM own_event))",
    "INSERT INTO freed_sequence SELECT * FROM {old}.freed_sequence",
    "UPDATE own_sequence SET next = greatest(own_sequence.next, o.next) FROM {old}.own_sequence o",
    "SELECT setval('alert_number', greatest((SELECT coalesce(max(number), 1) FROM alert_revision), 1))",
)


async def rebuild(show: Show) -> Rebuilt:
    """The entry point `judge-audit` of `balance_chain.rebuild`."""
    settings = WorkerSettings()
    schema = settings.audit_schema
    running = await connect(settings, schema, size=2)
    try:
        await migrate(running, PACKAGE, schema)
        shadow = await clear_shadow(running, schema)
        pool = await connect(settings, shadow)
        try:
            await migrate(pool, PACKAGE, shadow)
            builder = _Builder(settings, pool, show)
            await builder.reach(await topic_ends(settings, EVENTS, settings.partitions))
            async with running.acquire() as connection, connection.transaction():
                await connection.execute(f'LOCK TABLE "{schema}".shard IN ACCESS EXCLUSIVE MODE')
                rows = await connection.fetch(f'SELECT shard, applied FROM "{schema}".shard')  # noqa: S608
                # A position beyond the topic is one in a topic that was lost, of which this one was restored.
                ends = await topic_ends(settings, EVENTS, settings.partitions)
                await builder.reach({row["shard"]: min(row["applied"], ends[row["shard"]]) for row in rows})
                await builder.note_own_sequence()
                await carry_over(connection, schema, shadow)
                await swap_schemas(connection, schema)
        finally:
            await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)
        await drop_replaced(running, schema)
        return Rebuilt(builder.records, await count_rows(running, schema, TABLES))
    finally:
        await asyncio.wait_for(running.close(), settings.database_timeout_seconds)


async def carry_over(connection: Connection, schema: str, shadow: str) -> None:
    """Give the shadow the numbers of what was said, and the outbox what is still to be sent."""
    await connection.execute(f'LOCK TABLE "{schema}".outbox IN ACCESS EXCLUSIVE MODE')
    await connection.execute(f'SET LOCAL search_path TO "{shadow}"')
    for statement in _CARRY_OVER:
        await connection.execute(statement.format(old=f'"{schema}"'))


class _Builder:
    """Applies the log to the shadow schema, as the worker would: through the same applier, without Faust."""

    def __init__(self, settings: WorkerSettings, pool: Pool, show: Show) -> None:
        self._settings = settings
        self._pool = pool
        self._show = show
        book, places = load_book(settings), PlaceFinder(Courts.load(data_dir("catalogue")))
        life = life_keeper(settings, places)
        cache, more = settings.audit_case_cache, projections(settings)
        self._applier = Applier(pool, book, places, clocks(settings), life, more, settings.partitions, cache)
        self._own = f'"source":"{settings.audit_source}"'.encode()
        self._sequence = 0
        self.records = 0

    async def reach(self, wanted: dict[int, int]) -> None:
        """Apply until every shard is at its offset or past it."""
        settings = self._settings
        at = {shard: await self._applier.position(shard) for shard in range(settings.partitions)}
        total = max(sum(wanted.values()), sum(at.values()))
        async with TopicReader(settings, settings.topic(EVENTS), at) as reader:
            while any(at[shard] < offset for shard, offset in wanted.items()):
                found = await reader.read_all(settings.audit_batch_events, READ_SECONDS)
                carried = {
                    shard: [Record(each.offset, each.value or b"") for each in records]
                    for shard, records in found.items()
                }
                await self._applier.apply(carried)
                for shard, records in carried.items():
                    self._note_own(records)
                    at[shard] = records[-1].offset + 1
                await self._applier.across()
                self.records = sum(at.values())
                self._show(self.records, total)

    def _note_own(self, records: list[Record]) -> None:
        """The greatest number of our own counter that the log has."""
        for record in records:
            if self._own in record.value:
                try:
                    event = decode_event(record.value)
                except NotCanonical:
                    continue
                if event.source == self._settings.audit_source and event.sequence is not None:
                    self._sequence = max(self._sequence, int(event.sequence))

    async def note_own_sequence(self) -> None:
        """Our counter as a source goes on after what the log has."""
        await self._pool.execute("UPDATE own_sequence SET next = $1", self._sequence + 1)
