"""Every projection can be made again from the log, beside the running product, and is then the same row for row."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from balance_chain.core.topics import ALERTS, CHECKPOINTS, EVENTS
from balance_chain.runtime.kafka import PartitionReader, topic_ends
from balance_chain.runtime.rebuild import RebuildRefused
from balance_chain.simulator import generate
from balance_intake.rebuild import refuse_while_running
from balance_intake.settings import NormaliserSettings
from balance_local.children import script_argv
from balance_local.stack import environment
from support.waiting import wait_until
from support.wholestack import Whole, whole_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = 7
CASES = 12
CLOCK = {"grace_seconds": 5.0, "lateness_seconds": 5.0}
COMMAND_SECONDS = 180
VERIFIER = ("event", "digest", "block", "log_node", "checkpoint", "finding", "shard", "log")
AUDIT = (
    "shard", "case_state", "case_facts", "source_state", "alert", "alert_revision", "outbox", "own_event",
    "own_sequence", "freed_sequence", "unreadable",
)  # fmt: skip
INTAKE = ("dedup", "sealed_shard", "rejected")
PROJECTIONS = (("verifier", "verifier", VERIFIER), ("judge-audit", "audit", AUDIT), ("intake", "intake", INTAKE))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(kafka: str, postgres: str) -> AsyncIterator[Whole]:
    """The running product with some cases in it, all of them sealed, recomputed and judged."""
    async with whole_stack(kafka, postgres, **CLOCK) as started:
        await started.publish(generate(CASES, SEED).events)
        await settled(started)
        yield started


async def settled(whole: Whole) -> None:
    """Everything published is sealed, recomputed and judged."""
    await whole.sealed()
    await whole.verified()
    await whole.judged()


@asynccontextmanager
async def at_rest(whole: Whole) -> AsyncIterator[None]:
    """The normaliser is frozen, out of its group, and all the others have taken everything that there is."""
    whole.stack.supervisor.signal("normaliser", signal.SIGSTOP)
    try:
        await wait_until(lambda: refused_for_the_normaliser(whole, False), 60, "the group has let go of it")

        async def at_the_end() -> bool:
            settings = whole.stack.settings
            events = await topic_ends(settings, EVENTS, settings.partitions)
            checkpoints = await topic_ends(settings, CHECKPOINTS, 1)
            verifier, audit = await rows(whole, "verifier", ["shard", "log"]), await rows(whole, "audit", ["shard"])
            sealed = {each[0]: each[5] for each in (await rows(whole, "intake", ["sealed_shard"]))["sealed_shard"]}
            return (
                {each[0]: each[1] for each in verifier["shard"]} == events
                and {each[0]: each[7] for each in verifier["shard"]} == events
                and {each[0]: each[1] for each in audit["shard"]} == events
                and sealed == events
                and verifier["log"][0][1] == checkpoints[0]
            )

        await wait_until(at_the_end, 60, "everything has taken everything")
        yield
    finally:
        whole.stack.supervisor.signal("normaliser", signal.SIGCONT)


async def refused_for_the_normaliser(whole: Whole, expected: bool) -> bool:
    settings = NormaliserSettings(**whole.stack.settings.model_dump())
    try:
        await refuse_while_running(settings)
    except RebuildRefused:
        return expected
    return not expected


async def rebuild(whole: Whole, name: str) -> tuple[int, str]:
    """Run the command as an operator would; exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *script_argv("balance-chain", "rebuild", name, "--json"),
        env=environment(whole.stack.settings, **CLOCK),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
    return process.returncode or 0, out.decode()


async def rows(whole: Whole, schema: str, tables: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of these tables, sorted."""
    connection = await asyncpg.connect(whole.database, timeout=20)
    try:
        return {
            table: sorted(
                (tuple(row) for row in await connection.fetch(f'SELECT * FROM "{schema}"."{table}"')), key=repr
            )
            for table in tables
        }
    finally:
        await connection.close(timeout=20)


async def oid(whole: Whole, table: str) -> int:
    connection = await asyncpg.connect(whole.database, timeout=20)
    try:
        return int(await connection.fetchval("SELECT $1::text::regclass::oid::bigint", table))
    finally:
        await connection.close(timeout=20)


async def alerts_on_topic(whole: Whole) -> list[tuple[str, int]]:
    settings, found = whole.stack.settings, []
    for shard in range(settings.partitions):
        async with PartitionReader(settings, settings.topic(ALERTS), shard) as reader:
            end, read = await reader.end_offset(), 0
            while read < end:
                records = await reader.read(500, 1.0)
                read += len(records)
                told = [json.loads(record.value) for record in records]
                found += [(each["id"], each["revision"]) for each in told]
    return sorted(found)


async def test_intake_is_not_rebuilt_while_a_normaliser_runs(whole: Whole) -> None:
    table = await oid(whole, "intake.dedup")
    code, out = await rebuild(whole, "intake")
    assert code == 1, out
    assert "stop every normaliser" in out
    assert await oid(whole, "intake.dedup") == table


async def test_a_rebuild_gives_the_same_rows_beside_the_running_services_and_sends_nothing_again(whole: Whole) -> None:
    async with at_rest(whole):
        for name, schema, tables in PROJECTIONS:
            before, sent = await rows(whole, schema, tables), await alerts_on_topic(whole)
            assert all(before[table] for table in tables[:2]), "there is something to compare"
            table = await oid(whole, f"{schema}.{tables[0]}")
            code, out = await rebuild(whole, name)
            assert code == 0, out
            assert json.loads(out.splitlines()[-1])["records"] > 0
            assert await oid(whole, f"{schema}.{tables[0]}") != table
            after = await rows(whole, schema, tables)
            for each in tables:
                assert after[each] == before[each], each
            assert await alerts_on_topic(whole) == sent
            with pytest.raises((asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError)):
                await oid(whole, f"{schema}_rebuild.{tables[0]}")


async def test_the_services_go_on_from_what_was_rebuilt(whole: Whole) -> None:
    known = {event_id for _, event_id in whole.published}
    await whole.publish([event for event in generate(CASES + 4, SEED).events if event["id"] not in known])
    await settled(whole)
    status = await whole.verified()
    assert status["findings"]["by_code"] == {}
    sent = await alerts_on_topic(whole)
    assert len(sent) == len(set(sent))
    await whole.projected()
