"""The sealer on a real Kafka: every event in exactly one counting block, whatever dies."""

from __future__ import annotations

from pathlib import Path

import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from support.ledger import put_events, read_shard, read_values
from support.processes import Processes
from support.waiting import wait_until

EVENTS = 300
SMALL = {"max_events": 16, "max_wait_ms": 50, "genesis": True, "group_session_seconds": 2}


@pytest.fixture
async def ledger(topics: CommonSettings, processes: Processes) -> CommonSettings:
    """Topics with a genesis checkpoint."""
    await processes.run("balance-sealer", "genesis", settings=topics)
    return topics


async def all_sealed(settings: CommonSettings, keys: KeyDirectory, shard: int, events: int) -> bool:
    return (await read_shard(settings, keys, shard)).sealed == events


async def test_every_event_is_in_exactly_one_block(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes
) -> None:
    for shard in range(ledger.partitions):
        await put_events(ledger, shard, EVENTS)
    processes.start("balance-sealer", "sealer", settings=ledger, env=SMALL)
    for shard in range(ledger.partitions):
        await wait_until(lambda shard=shard: all_sealed(ledger, keys, shard, EVENTS), 30, f"shard {shard} sealed")
        found = await read_shard(ledger, keys, shard)
        assert found.not_counting == 0
        assert [header.height for header in found.headers] == list(range(len(found.headers)))
        assert max(header.count for header in found.headers) <= 16


@pytest.mark.parametrize("point", ["sealer.before_append:3", "sealer.after_append:3"])
async def test_a_sealer_killed_at_any_point_loses_and_doubles_nothing(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes, tmp_path: Path, point: str
) -> None:
    await put_events(ledger, 0, EVENTS)
    marker = tmp_path / "marker"
    kill = {"BALANCE_KILL_POINT": point, "BALANCE_KILL_MARKER": marker}
    first = processes.start("balance-sealer", "sealer", settings=ledger, env={**SMALL, **kill})
    assert await first.ended(30) == -9
    assert marker.exists()
    await put_events(ledger, 0, EVENTS, start=EVENTS)
    processes.start("balance-sealer", "sealer", settings=ledger, env={**SMALL, **kill})
    await wait_until(lambda: all_sealed(ledger, keys, 0, 2 * EVENTS), 40, "all sealed after the restart")


async def test_a_frozen_sealer_that_goes_on_beside_a_second_one_harms_nothing(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes
) -> None:
    await put_events(ledger, 0, EVENTS)
    zombie = processes.start("balance-sealer", "sealer", settings=ledger, env=SMALL)
    await wait_until(lambda: all_sealed(ledger, keys, 0, EVENTS), 30, "first events sealed")
    zombie.stop()
    second = processes.start("balance-sealer", "sealer", settings=ledger, env=SMALL)
    await put_events(ledger, 0, EVENTS, start=EVENTS)
    # The group gives the frozen one's shards away when its session ends.
    await wait_until(lambda: all_sealed(ledger, keys, 0, 2 * EVENTS), 60, "second sealer took over")
    zombie.cont()
    await put_events(ledger, 0, EVENTS, start=2 * EVENTS)
    await wait_until(lambda: all_sealed(ledger, keys, 0, 3 * EVENTS), 60, "sealed with both alive")
    assert second.alive


async def test_an_empty_output_is_refused_without_the_genesis_command(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes
) -> None:
    await put_events(ledger, 0, 10)
    refused = processes.start("balance-sealer", "sealer", settings=ledger, env={"genesis": False})
    await wait_until(lambda: "BALANCE_GENESIS" in refused.log, 30, "it says what to do")
    assert (await read_shard(ledger, keys, 0)).sealed == 0


async def test_a_tail_of_records_that_do_not_count_is_passed_over(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes
) -> None:
    await put_events(ledger, 0, EVENTS)
    first = processes.start("balance-sealer", "sealer", settings=ledger, env=SMALL)
    await wait_until(lambda: all_sealed(ledger, keys, 0, EVENTS), 30, "sealed before")
    first.terminate()
    assert await first.ended() == 0
    values = await read_values(ledger, BLOCKS, 0)
    writer = TailWriter(ledger, ledger.topic(BLOCKS), 0)
    await writer.open()
    await writer.append([OutRecord(None, value) for value in [values[3], values[-1], *[b"no block"] * 20]])
    await writer.close()
    await put_events(ledger, 0, EVENTS, start=EVENTS)
    processes.start("balance-sealer", "sealer", settings=ledger, env=SMALL)
    await wait_until(lambda: all_sealed(ledger, keys, 0, 2 * EVENTS), 30, "sealed after")
    assert (await read_shard(ledger, keys, 0)).not_counting == 22
