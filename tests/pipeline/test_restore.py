"""A lost log comes back from its archive, byte for byte, and goes on only where that begins no second history."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS, CHECKPOINTS, EVENTS, SPECS
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from balance_chain.runtime.topics import create_topics
from balance_verifier.archive.layout import events_path
from balance_verify.entry import Entry
from balance_verify.merkle import leaf_hash
from balance_verify.topicvalues import CheckpointRecord
from balance_verify.witness import SIZE_TYPE, AddCheckpoint
from starlette.responses import Response
from support.archived import export, grow, last_note
from support.intake import an_event, as_bytes, put_raw, read_events, shard_of, vouched, write_sources
from support.ledger import put_events, read_log, read_values
from support.processes import Processes, Running
from support.smallledger import SmallLedger
from support.village import Village, village
from support.waiting import wait_until

FAST = {"checkpoint_interval_ms": 20, "lease_seconds": 5, "max_wait_ms": 20}
SECONDS = 60.0


@pytest.fixture
async def ledger(keys: KeyDirectory, partitions: int, tmp_path: Path) -> SmallLedger:
    """A ledger with an archive of all of it; that it was on topics once is long ago."""
    ledger = SmallLedger(keys.log, keys.sealer, keys.gateway, partitions)
    grow(ledger, 4)
    await export(ledger, tmp_path / "archive")
    return ledger


@pytest.fixture
def archive(ledger: SmallLedger, tmp_path: Path) -> str:
    return str(tmp_path / "archive")


def restoring(processes: Processes, settings: CommonSettings, archive: str, *more: str, **env: object) -> Running:
    return processes.start("balance-chain", "archive", "restore", archive, "--yes", *more, settings=settings, env=env)


async def restored(processes: Processes, settings: CommonSettings, archive: str) -> str:
    done = restoring(processes, settings, archive)
    assert await done.ended(SECONDS) == 0, done.log
    return done.log


async def generation(
    processes: Processes, settings: CommonSettings, number: int, *arguments: str, **env: object
) -> Running:
    running = processes.start(
        "balance-sealer", "generation", str(number), *arguments, settings=settings, env={**FAST, **env}
    )
    await running.ended(SECONDS)
    return running


async def topic_values(settings: CommonSettings) -> dict[str, list[list[bytes]]]:
    shards = range(settings.partitions)
    return {
        EVENTS: [await read_values(settings, EVENTS, shard) for shard in shards],
        BLOCKS: [await read_values(settings, BLOCKS, shard) for shard in shards],
        CHECKPOINTS: [await read_values(settings, CHECKPOINTS, 0)],
    }


def values_of(ledger: SmallLedger) -> dict[str, list[list[bytes]]]:
    return {EVENTS: ledger.events, BLOCKS: ledger.blocks, CHECKPOINTS: [ledger.checkpoints]}


async def guard_sql(settings: CommonSettings, sql: str) -> None:
    connection = await asyncpg.connect(settings.database, timeout=10)
    try:
        assert (await connection.execute(sql)).split()[-1] == "1"
    finally:
        await connection.close(timeout=10)


@pytest.mark.parametrize("point", ["restore.events:1", "restore.blocks:1", "restore.checkpoints:1"])
async def test_a_restore_killed_anywhere_goes_on_and_the_topics_are_what_they_were(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes, tmp_path: Path, point: str
) -> None:
    killed = restoring(
        processes, topics, archive, BALANCE_KILL_POINT=point, BALANCE_KILL_MARKER=str(tmp_path / "marker")
    )
    assert await killed.ended(SECONDS) == -9
    log = await restored(processes, topics, archive)
    assert "balance-sealer generation 1" in log
    assert await topic_values(topics) == values_of(ledger)
    # Again, it finds everything there.
    assert "wrote 0 events, 0 blocks and 0 checkpoints" in await restored(processes, topics, archive)
    assert await topic_values(topics) == values_of(ledger)


async def test_an_archive_that_is_not_whole_restores_nothing_and_the_fault_is_named(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes
) -> None:
    file = Path(archive) / events_path(1, 2)
    file.write_bytes(file.read_bytes().replace(b"evidence", b"evidense", 1))
    refused = restoring(processes, topics, archive)
    assert await refused.ended(SECONDS) == 1
    assert f"{events_path(1, 2)}: block root" in refused.log
    assert all(not values for lists in (await topic_values(topics)).values() for values in lists)


async def test_an_archive_that_does_not_reach_a_checkpoint_kept_elsewhere_is_refused_with_both_sizes(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes, tmp_path: Path
) -> None:
    size = ledger.size
    grow(ledger, 1)
    (tmp_path / "kept.note").write_bytes(last_note(ledger))
    refused = restoring(processes, topics, archive, "--checkpoint", str(tmp_path / "kept.note"))
    assert await refused.ended(SECONDS) == 1
    assert f"expected a log of {ledger.size} entries or more, got {size} entries" in refused.log


@pytest.mark.parametrize("topic", [EVENTS, BLOCKS, CHECKPOINTS])
async def test_topics_that_hold_anything_else_are_left_alone(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes, topic: str
) -> None:
    writer = TailWriter(topics, topics.topic(topic), 0)
    await writer.open()
    await writer.append([OutRecord(None, b"something else")])
    await writer.close()
    refused = restoring(processes, topics, archive)
    assert await refused.ended(SECONDS) == 1
    assert f"{topic}/0@0: is not what the archive has there" in refused.log


async def test_topics_that_have_gone_on_are_left_alone(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes
) -> None:
    await restored(processes, topics, archive)
    assert (await generation(processes, topics, 1, "--remake-guard")).exit_code == 0
    refused = restoring(processes, topics, archive)
    assert await refused.ended(SECONDS) == 1
    assert "the log has gone on in these topics" in refused.log


async def test_without_its_guard_row_a_log_goes_on_at_an_explicit_word_only(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes, keys: KeyDirectory
) -> None:
    looked = await generation(processes, topics, 1, "--look", f"{archive}/checkpoint")
    assert (looked.exit_code, await read_values(topics, CHECKPOINTS, 0)) == (0, [])
    early = await generation(processes, topics, 1, "--remake-guard")
    assert early.exit_code == 1
    await restored(processes, topics, archive)
    refused = await generation(processes, topics, 1)
    assert refused.exit_code == 1
    assert "--remake-guard" in refused.log
    assert (await generation(processes, topics, 2, "--remake-guard")).exit_code == 1
    begun = await generation(processes, topics, 1, "--remake-guard")
    assert begun.exit_code == 0, begun.log
    record = CheckpointRecord.parse((await read_values(topics, CHECKPOINTS, 0))[-1])
    header = Entry.parse(record.generation or b"").generation_header()
    header.check_place(1, ledger.origin, ledger.size, record.heights, ledger.root)
    again = await generation(processes, topics, 1)
    assert again.exit_code == 0
    assert "had begun before" in again.log


async def test_a_generation_is_not_begun_on_topics_that_are_not_restored_to_the_end(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes
) -> None:
    await restored(processes, topics, archive)
    await put_events(topics, 1, 1)
    refused = await generation(processes, topics, 1, "--remake-guard")
    assert refused.exit_code == 1
    assert '"shard 1", "problem": "has 4 blocks and 13 events, checkpoints cover 4 and 12"' in refused.log


@pytest.fixture
async def other(topics: CommonSettings) -> AsyncIterator[CommonSettings]:
    """The topics of a second cluster, with the same database and keys."""
    other = topics.model_copy(update={"topic_prefix": f"r{secrets.token_hex(4)}."})
    await create_topics(other)
    yield other
    admin = AIOKafkaAdminClient(bootstrap_servers=other.kafka, request_timeout_ms=20_000)
    await admin.start()
    try:
        await admin.delete_topics([other.topic(spec.name) for spec in SPECS])
    finally:
        await admin.close()


async def test_a_guard_row_that_knows_more_stops_the_restored_log_with_both_sizes(
    topics: CommonSettings,
    other: CommonSettings,
    ledger: SmallLedger,
    archive: str,
    processes: Processes,
) -> None:
    await restored(processes, topics, archive)
    assert (await generation(processes, topics, 1, "--remake-guard")).exit_code == 0
    sealing = processes.start("balance-sealer", "sealer", settings=topics, env=FAST)
    notary = processes.start("balance-sealer", "notary", settings=topics, env=FAST)
    await put_events(topics, 0, 1)
    records = len(ledger.checkpoints) + 1

    async def covered() -> bool:
        return len(await read_values(topics, CHECKPOINTS, 0)) > records

    await wait_until(covered, SECONDS, "a checkpoint over the new event")
    for running in (sealing, notary):
        running.terminate()
        assert await running.ended() == 0
    # The archive was not written since: what is behind it was signed, and is not in it.
    await restored(processes, other, archive)
    refused = await generation(processes, other, 1, "--remake-guard")
    assert refused.exit_code == 1
    assert f"knows of size {ledger.size + 2}, what is restored ends at size {ledger.size}" in refused.log
    assert len(await read_values(other, CHECKPOINTS, 0)) == len(ledger.checkpoints)
    # The same can be known before anything is restored.
    looked = await generation(processes, other, 1, "--look", f"{archive}/checkpoint")
    assert looked.exit_code == 1
    assert f"knows of size {ledger.size + 2}, what is restored ends at size {ledger.size}" in looked.log


async def test_a_guard_row_set_back_is_made_new_at_an_explicit_word_and_a_changed_one_never(
    topics: CommonSettings, other: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes
) -> None:
    await restored(processes, topics, archive)
    assert (await generation(processes, topics, 1, "--remake-guard")).exit_code == 0
    await restored(processes, other, archive)
    back = "UPDATE notary.guard SET base_size = 0, base_root = root, base_heights = heights, base_offset = -1,"
    await guard_sql(
        topics,
        f"{back} generations = '{{}}', size = {ledger.size}, heights = '{{3,3}}',"
        " root = decode(repeat('ab', 32), 'hex')",
    )
    changed = await generation(processes, other, 1, "--remake-guard")
    assert changed.exit_code == 1
    assert (
        f"says size {ledger.size} root {'ab' * 32}, the topics size {ledger.size} root {ledger.root.hex()}"
        in changed.log
    )
    genesis = leaf_hash(ledger.genesis).hex()
    await guard_sql(
        topics, f"UPDATE notary.guard SET size = 1, heights = '{{-1,-1}}', root = decode('{genesis}', 'hex')"
    )
    assert (await generation(processes, other, 1)).exit_code == 1
    assert len(await read_values(other, CHECKPOINTS, 0)) == len(ledger.checkpoints)
    remade = await generation(processes, other, 1, "--remake-guard")
    assert remade.exit_code == 0, remade.log


async def test_a_generation_cut_off_between_guard_row_and_signature_is_begun_once(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes, tmp_path: Path
) -> None:
    await restored(processes, topics, archive)
    kill = {"BALANCE_KILL_POINT": "generation.after_guard", "BALANCE_KILL_MARKER": str(tmp_path / "marker")}
    assert (await generation(processes, topics, 1, "--remake-guard", **kill)).exit_code == -9
    assert len(await read_values(topics, CHECKPOINTS, 0)) == len(ledger.checkpoints)
    # What was guarded is published, whatever was asked for first, and by the time that it had then.
    begun = await generation(processes, topics, 1)
    assert begun.exit_code == 0, begun.log
    records = [CheckpointRecord.parse(value) for value in await read_values(topics, CHECKPOINTS, 0)]
    assert [record.generation is not None for record in records[-2:]] == [False, True]


@pytest.fixture
async def around(keys: KeyDirectory, processes: Processes, tmp_path: Path) -> AsyncIterator[Village]:
    (tmp_path / "village").mkdir()
    async with village(tmp_path / "village", keys.log, processes) as made:
        yield made


async def test_a_witness_that_knows_more_stops_the_restored_log_with_both_sizes(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes, around: Village
) -> None:
    async def further(_: AddCheckpoint) -> Response:
        return Response(f"{ledger.size + 3}\n", 409, media_type=SIZE_TYPE)

    async def behind(_: AddCheckpoint) -> Response:
        return Response("1\n", 409, media_type=SIZE_TYPE)

    await around.answering("behind", behind)
    await around.answering("further", further)
    around.absent("away")
    policy = around.policy("quorum none")
    await restored(processes, topics, archive)
    refused = await generation(processes, topics, 1, "--remake-guard", witness_policy=policy)
    assert refused.exit_code == 1
    assert (
        f'"witness further", "problem": "knows of size {ledger.size + 3}, what is restored ends at size {ledger.size}:'
        in refused.log
    )
    silent = await generation(processes, topics, 1, "--without", "further", witness_policy=policy)
    assert silent.exit_code == 1
    assert '"witness away", "problem": "does not confirm' in silent.log
    assert len(await read_values(topics, CHECKPOINTS, 0)) == len(ledger.checkpoints)
    begun = await generation(processes, topics, 1, "--without", "further", "--without", "away", witness_policy=policy)
    assert begun.exit_code == 0, begun.log


async def test_sealer_and_notary_go_on_in_the_new_generation_and_nothing_else_counts(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes, keys: KeyDirectory
) -> None:
    await restored(processes, topics, archive)
    assert (await generation(processes, topics, 1, "--remake-guard")).exit_code == 0
    sealing = processes.start("balance-sealer", "sealer", settings=topics, env=FAST)
    notary = processes.start("balance-sealer", "notary", settings=topics, env=FAST)
    for shard in range(topics.partitions):
        await put_events(topics, shard, 3)

    async def covered() -> bool:
        return (await read_log(topics, keys)).heights == (4, 4)

    await wait_until(covered, SECONDS, "the new blocks are covered")
    for running in (sealing, notary):
        running.terminate()
        assert await running.ended() == 0
    log = await read_log(topics, keys)
    assert log.not_counting == 0
    assert log.checkpoints[-1].size == ledger.size + 1 + 2
    # They start again on what they wrote.
    sealing = processes.start("balance-sealer", "sealer", settings=topics, env=FAST)
    notary = processes.start("balance-sealer", "notary", settings=topics, env=FAST)
    await put_events(topics, 0, 1)

    async def further() -> bool:
        return (await read_log(topics, keys)).heights == (5, 4)

    await wait_until(further, SECONDS, "they go on")


async def test_a_normaliser_goes_on_in_the_generation_of_the_log_and_with_its_own_dedup_only(
    topics: CommonSettings, ledger: SmallLedger, archive: str, processes: Processes, keys: KeyDirectory
) -> None:
    await asyncio.to_thread(write_sources, topics.sources)
    await restored(processes, topics, archive)
    assert (await generation(processes, topics, 1, "--remake-guard")).exit_code == 0
    shard = shard_of(topics)
    sent = as_bytes(an_event(1))
    await put_raw(topics, [(shard, sent, vouched(sent, keys.gateway_mac))])

    async def refused(raw_generation: int, words: str) -> None:
        running = processes.start(
            "balance-intake", "normaliser", settings=topics, env={"raw_generation": raw_generation}
        )
        await wait_until(lambda: words in running.log, SECONDS, words)
        running.terminate()
        assert await running.ended() == 0
        assert len(await read_values(topics, EVENTS, shard)) == 12

    await refused(0, "is 0, the log is in generation 1")
    await refused(1, "is of generation 0, the log of 1")
    await processes.run("balance-chain", "rebuild", "intake", settings=topics)
    processes.start("balance-intake", "normaliser", settings=topics, env={"raw_generation": 1})

    async def normalised() -> bool:
        return len(await read_values(topics, EVENTS, shard)) == 13

    await wait_until(normalised, SECONDS, "the first record of the new raw topic is an event")
    event = (await read_events(topics, shard))[-1]
    assert (event.rawgen, event.rawpos, event.id) == (1, 0, "e-1")
