"""Makes `dedup`, and what receipts are held against, again from events and blocks; the normaliser is stopped meanwhile.

Reservations, the register of people, case keys and broken receipts are no projections and are not touched. `digest`,
which serves receipts of Kafka sources alone and is not on the log, is kept where its row is the same as before.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from balance_chain.core.counting import EventCounter
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.times import parse_ms
from balance_chain.core.topics import BLOCKS, EVENTS
from balance_chain.runtime.db import connect
from balance_chain.runtime.kafka import TopicReader, in_time, topic_ends
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.rebuild import OLD, RebuildRefused, Rebuilt, Show, clear_shadow, count_rows

from balance_intake.normaliser import GROUP
from balance_intake.receiptkeeper import SealFollower, has_begun
from balance_intake.repository import SCHEMA, migrate_intake
from balance_intake.settings import NormaliserSettings

TABLES: Final = ("dedup", "sealed_shard", "seal", "rejected")
READ_RECORDS: Final = 4000
READ_SECONDS: Final = 0.5
DESCRIBED_MEMBERS: Final = 5
"""Where DescribeGroups has the members of a group."""

_INSERT: Final = """
INSERT INTO dedup (source, id, partition, rawgen, rawpos, caseid, sourcedigest)
SELECT * FROM unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::bigint[], $6::text[], $7::bytea[])
ON CONFLICT DO NOTHING
"""
_MARK_LOST: Final = f"""
UPDATE {SCHEMA}.reservation r SET lost = true WHERE receipt IS NOT NULL AND created < $1
AND NOT EXISTS (SELECT FROM {SCHEMA}.dedup d WHERE d.source = r.source AND d.id = r.id)
AND NOT EXISTS (SELECT FROM {SCHEMA}.rejected j WHERE j.source = r.source AND j.id = r.id)
"""  # noqa: S608
_LOOK_AGAIN: Final = f"""
UPDATE {SCHEMA}.judged SET due = least(due, (SELECT min(due) - 1 FROM {SCHEMA}.reservation WHERE lost))
"""  # noqa: S608
"""A promise that a lost block had kept is kept no longer; the seals are all there again, so all is judged as before."""
_NOTE_GENERATION: Final = f"""
INSERT INTO {SCHEMA}.rebuilt (generation) VALUES ($1) ON CONFLICT (one) DO UPDATE SET generation = excluded.generation
"""  # noqa: S608
_KEEP_DIGESTS: Final = f"""
UPDATE dedup n SET digest = o.digest FROM {SCHEMA}.dedup o
WHERE o.digest IS NOT NULL AND (n.source, n.id, n.partition, n.rawgen, n.rawpos)
    = (o.source, o.id, o.partition, o.rawgen, o.rawpos)
"""  # noqa: S608


class _Event(msgspec.Struct):
    source: str
    id: str
    rawgen: int
    rawpos: int
    caseid: str | None = None
    sourcedigest: str | None = None


_event: Final = msgspec.json.Decoder(_Event)


async def rebuild(show: Show) -> Rebuilt:
    """The entry point `intake` of `balance_chain.rebuild`."""
    settings = NormaliserSettings()
    await refuse_while_running(settings)
    running = await connect(settings, SCHEMA, size=2)
    try:
        await migrate_intake(running)
        shadow = await clear_shadow(running, SCHEMA)
        await running.execute(f"CREATE SCHEMA {shadow}")
        for table in TABLES:
            await running.execute(f"CREATE TABLE {shadow}.{table} (LIKE {SCHEMA}.{table} INCLUDING ALL)")
        pool = await connect(settings, shadow, size=1)
        try:
            async with pool.acquire() as connection:
                records = await _fill_dedup(settings, connection, show)
                await connection.execute(_KEEP_DIGESTS)
                await _follow_blocks(settings, connection)
        finally:
            await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)
        await refuse_while_running(settings)
        begun = await _generations(settings)
        async with running.acquire() as connection, connection.transaction():
            await connection.execute(f"CREATE SCHEMA {SCHEMA}{OLD}")
            for table in TABLES:
                await connection.execute(f"ALTER TABLE {SCHEMA}.{table} SET SCHEMA {SCHEMA}{OLD}")
                await connection.execute(f"ALTER TABLE {shadow}.{table} SET SCHEMA {SCHEMA}")
            await connection.execute(_NOTE_GENERATION, len(begun))
            if begun:
                await connection.execute(_MARK_LOST, begun[-1])
                await connection.execute(_LOOK_AGAIN)
        await clear_shadow(running, SCHEMA)
        return Rebuilt(records, await count_rows(running, SCHEMA, TABLES))
    finally:
        await asyncio.wait_for(running.close(), settings.database_timeout_seconds)


async def _generations(settings: NormaliserSettings) -> tuple[datetime, ...]:
    """When each generation of the log began: what was promised before and is in no event now, a restore has lost."""
    if not await has_begun(settings):
        return ()
    watch = KeyWatch(settings, KeyDirectory.load(settings.keys).log_vkey)
    await watch.refresh()
    return tuple(datetime.fromtimestamp(parse_ms(each.time) / 1000, UTC) for each in watch.generations)


async def refuse_while_running(settings: NormaliserSettings) -> None:
    """A normaliser writes `dedup`: none may be in its group."""
    group, limit = settings.topic_prefix + GROUP, settings.kafka_timeout_seconds
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka, request_timeout_ms=int(limit * 1000))
    try:
        await in_time(admin.start(), limit, "connect admin")
        answers = await in_time(admin.describe_consumer_groups([group]), limit, f"describe group {group}")
    finally:
        await admin.close()
    members = [member for answer in answers for described in answer.groups for member in described[DESCRIBED_MEMBERS]]
    if members:
        raise RebuildRefused(
            "normaliser", f"is running: {len(members)} in group {group}", "stop every normaliser, then try again"
        )


async def _fill_dedup(settings: NormaliserSettings, connection: Any, show: Show) -> int:
    """One row a counting event that is not the ledger's own."""
    ends = await topic_ends(settings, EVENTS, settings.partitions)
    counters = {shard: EventCounter() for shard in ends}
    at, total = dict.fromkeys(ends, 0), sum(ends.values())
    async with TopicReader(settings, settings.topic(EVENTS), at) as reader:
        while any(at[shard] < end for shard, end in ends.items()):
            rows: list[tuple[Any, ...]] = []
            for shard, records in (await reader.read_all(READ_RECORDS, READ_SECONDS)).items():
                for record in records:
                    row = _row(shard, record.value or b"", counters[shard])
                    if row is not None:
                        rows.append(row)
                at[shard] = records[-1].offset + 1
            if rows:
                await connection.execute(_INSERT, *(list(column) for column in zip(*rows, strict=True)))
            show(min(sum(at.values()), total), total)
    return sum(at.values())


def _row(shard: int, value: bytes, counter: EventCounter) -> tuple[Any, ...] | None:
    try:
        event = _event.decode(value)
    except msgspec.MsgspecError:
        return None
    if not counter.counts(event.rawgen, event.rawpos) or event.caseid is None or event.sourcedigest is None:
        return None
    digest = bytes.fromhex(event.sourcedigest)
    return event.source, event.id, shard, event.rawgen, event.rawpos, event.caseid, digest


async def _follow_blocks(settings: NormaliserSettings, connection: Any) -> None:
    """What the gateway's follower keeps, by the same code."""
    if not await has_begun(settings):
        return
    ends = await topic_ends(settings, BLOCKS, settings.partitions)
    log_key = KeyDirectory.load(settings.keys).log_vkey
    async with SealFollower(settings, connection, log_key) as follower:
        while not follower.reached(ends):
            await follower.turn(READ_SECONDS)
