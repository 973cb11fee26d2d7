"""The notary on a real Kafka and PostgreSQL: one history, also when it dies between guard row and publication."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from balance_chain.core.counting import BlockChain
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS, CHECKPOINTS
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from balance_sealer.blocks import build_block
from support.chains import NOW_MS, Chains
from support.ledger import read_log, read_values
from support.processes import Processes, Running

FAST = {"checkpoint_interval_ms": 20, "lease_seconds": 3}


@pytest.fixture
async def ledger(topics: CommonSettings, processes: Processes) -> CommonSettings:
    """Topics with a genesis checkpoint."""
    await processes.run("balance-sealer", "genesis", settings=topics)
    return topics


@pytest.fixture
def chains(ledger: CommonSettings, keys: KeyDirectory) -> Chains:
    return Chains(ledger, keys)


def start(processes: Processes, settings: CommonSettings, **env: object) -> Running:
    return processes.start("balance-sealer", "notary", settings=settings, env={**FAST, **env})


async def change_guard(settings: CommonSettings, sql: str) -> None:
    connection = await asyncpg.connect(settings.database, timeout=10)
    try:
        assert await connection.execute(f"UPDATE notary.guard SET {sql}") == "UPDATE 1"
    finally:
        await connection.close(timeout=10)


async def guard_row(settings: CommonSettings) -> asyncpg.Record:
    connection = await asyncpg.connect(settings.database, timeout=10)
    try:
        return await connection.fetchrow("SELECT * FROM notary.guard")
    finally:
        await connection.close(timeout=10)


async def restore_guard(settings: CommonSettings, row: asyncpg.Record) -> None:
    values = {name: value for name, value in row.items() if name not in ("single", "updated")}
    columns = ", ".join(f"{name} = ${index}" for index, name in enumerate(values, 1))
    connection = await asyncpg.connect(settings.database, timeout=10)
    try:
        await connection.execute(f"UPDATE notary.guard SET {columns}", *values.values())
    finally:
        await connection.close(timeout=10)


async def test_every_counting_block_comes_under_a_consistent_checkpoint(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes, chains: Chains
) -> None:
    start(processes, ledger)
    for _ in range(3):
        await chains.grow(0, 5)
        await chains.grow(1, 2)
        await chains.covered()
    log = await read_log(ledger, keys)
    assert log.checkpoints[0].size == 1
    assert log.checkpoints[-1].size == 1 + 15 + 6
    assert log.not_counting == 0


@pytest.mark.parametrize("point", ["notary.after_guard", "notary.after_publish"])
async def test_a_notary_killed_around_publication_goes_on_with_the_same_history(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes, chains: Chains, tmp_path: Path, point: str
) -> None:
    await chains.grow(0, 4)
    kill = {"BALANCE_KILL_POINT": f"{point}:1", "BALANCE_KILL_MARKER": tmp_path / "marker"}
    first = start(processes, ledger, **kill)
    assert await first.ended(30) == -9
    assert (await guard_row(ledger))["size"] == 5
    published = len(await read_values(ledger, CHECKPOINTS, 0))
    assert published == (1 if point == "notary.after_guard" else 2)
    await chains.grow(1, 3)
    start(processes, ledger, **kill)
    await chains.covered()
    assert [checkpoint.size for checkpoint in (await read_log(ledger, keys)).checkpoints] == [1, 5, 8]


async def test_a_guard_row_behind_the_log_is_refused(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes, chains: Chains
) -> None:
    await chains.grow(0, 2)
    first = start(processes, ledger)
    await chains.covered()
    old = await guard_row(ledger)
    await chains.grow(0, 2)
    await chains.covered()
    first.terminate()
    assert await first.ended() == 0
    published = len(await read_values(ledger, CHECKPOINTS, 0))
    await restore_guard(ledger, old)
    await chains.grow(0, 1)
    second = start(processes, ledger)
    assert await second.ended(30) == 1
    assert "restore it" in second.log
    assert len(await read_values(ledger, CHECKPOINTS, 0)) == published


DIFFERENCES = {
    "root = decode(repeat('ab', 32), 'hex')": "a signed checkpoint",
    "base_hashes = array[decode(repeat('ab', 32), 'hex')]": "hashes",
    "heights[1] = heights[1] + 5": "a signed checkpoint",
    "origin = 'other.example/log'": "belongs to",
    "base_offset = 99": "ledger.checkpoints",
}


async def test_a_guard_row_that_differs_from_the_log_is_refused(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes, chains: Chains
) -> None:
    await chains.grow(0, 1)
    first = start(processes, ledger)
    await chains.covered()
    first.terminate()
    assert await first.ended() == 0
    await chains.grow(0, 1)
    right = await guard_row(ledger)
    for change, message in DIFFERENCES.items():
        await change_guard(ledger, change)
        refused = start(processes, ledger)
        assert await refused.ended(30) == 1, change
        assert message in refused.log, change
        await restore_guard(ledger, right)
    assert len(await read_values(ledger, CHECKPOINTS, 0)) == 2
    start(processes, ledger)
    await chains.covered()


async def test_an_unpublished_guard_row_whose_root_is_not_that_of_the_blocks_is_never_signed(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes, chains: Chains, tmp_path: Path
) -> None:
    await chains.grow(0, 1)
    kill = {"BALANCE_KILL_POINT": "notary.after_guard", "BALANCE_KILL_MARKER": tmp_path / "marker"}
    first = start(processes, ledger, **kill)
    assert await first.ended(30) == -9
    await change_guard(ledger, "root = decode(repeat('ab', 32), 'hex')")
    second = start(processes, ledger)
    assert await second.ended(30) == 1
    assert "recomputed" in second.log
    assert len(await read_values(ledger, CHECKPOINTS, 0)) == 1


async def test_a_frozen_notary_loses_its_lock_to_the_one_standing_by_and_harms_nothing(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes, chains: Chains
) -> None:
    await chains.grow(0, 2)
    zombie = start(processes, ledger)
    await chains.covered()
    second = start(processes, ledger)
    zombie.stop()
    await chains.grow(0, 2)
    await chains.covered()
    zombie.cont()
    await chains.grow(1, 2)
    await chains.covered()
    assert zombie.alive
    assert second.alive


async def test_blocks_that_do_not_count_stay_out_of_the_log(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes, chains: Chains
) -> None:
    await chains.grow(0, 2)
    values = await read_values(ledger, BLOCKS, 0)
    writer = TailWriter(ledger, ledger.topic(BLOCKS), 0)
    await writer.open()
    foreign = build_block(BlockChain(0), [b"x"], origin=ledger.origin, now_ms=NOW_MS, key=keys.log)
    await writer.append([OutRecord(None, value) for value in (values[0], b"no block", foreign.value)])
    await writer.close()
    start(processes, ledger)
    await chains.grow(0, 1)
    await chains.covered()
    assert (await read_log(ledger, keys)).checkpoints[-1].size == 1 + 3


async def test_genesis_again_changes_nothing(ledger: CommonSettings, keys: KeyDirectory, processes: Processes) -> None:
    before = await read_values(ledger, CHECKPOINTS, 0)
    again = await processes.run("balance-sealer", "genesis", settings=ledger)
    assert "had begun before" in again.log
    assert await read_values(ledger, CHECKPOINTS, 0) == before


async def test_genesis_is_refused_where_the_log_has_lost_its_guard_row(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes
) -> None:
    connection = await asyncpg.connect(ledger.database, timeout=10)
    await connection.execute("DELETE FROM notary.guard")
    await connection.close(timeout=10)
    refused = processes.start("balance-sealer", "genesis", settings=ledger)
    assert await refused.ended(30) == 1
    assert "no guard row" in refused.log
    assert len(await read_values(ledger, CHECKPOINTS, 0)) == 1
