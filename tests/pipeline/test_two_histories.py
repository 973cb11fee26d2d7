"""A log that shows two histories: the verifier keeps a file that convinces anybody, serves it, and raises the alarm."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import ALERTS
from balance_chain.runtime.health import Health
from balance_chain.runtime.settings import CommonSettings
from balance_verifier.api import build_app
from balance_verifier.settings import ApiSettings
from balance_verify.checkpoint import Checkpoint
from balance_verify.equivocation import Evidence, check, checkpoint_of
from balance_verify.note import sign_note
from balance_verify.topicvalues import CheckpointRecord
from support.bundles import OneBlock, event
from support.ledger import read_values
from support.processes import Processes
from support.smallledger import SmallLedger
from support.waiting import wait_until
from support.writtenledger import Written, caught_up

FAST = {"verifier_retry_seconds": 0.2, "verifier_poll_seconds": 0.1}
SECONDS = 60


@pytest.fixture
def written(topics: CommonSettings, keys: KeyDirectory) -> Written:
    return Written(topics, SmallLedger(keys.log, keys.sealer, keys.gateway, topics.partitions))


@pytest.fixture
async def pool(topics: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "verifier"}) as made:
        yield made


def sign_another(ledger: SmallLedger, size: int) -> None:
    """On the topic: a checkpoint of this size by the log's own key, over another history."""
    heights = CheckpointRecord.parse(ledger.checkpoints[-1]).heights
    note = sign_note(Checkpoint(ledger.origin, size, bytes([size % 256]) * 32).text(), ledger.log_key)
    ledger.checkpoints.append(CheckpointRecord(heights, note.encode().decode()).encode())


async def test_whatever_the_logs_key_has_signed_twice_becomes_a_file_of_evidence(
    written: Written, processes: Processes, pool: asyncpg.Pool, keys: KeyDirectory, tmp_path: Path
) -> None:
    ledger, folder = written.ledger, tmp_path / "evidence"
    await written.rounds(2)
    sizes = [ledger.size, ledger.size - 2, ledger.size + 2]
    for size in sizes:
        sign_another(ledger, size)
    await written.flush()
    worker = processes.start(
        "balance-verifier", "worker", settings=written.settings, env={**FAST, "verifier_evidence": folder}
    )

    async def kept() -> list[str]:
        if not await pool.fetchval("SELECT to_regclass('verifier.equivocation')"):
            return []
        return [row["id"] for row in await pool.fetch("SELECT id FROM equivocation ORDER BY id")]

    async def two() -> bool:
        return len(await kept()) == 2

    await wait_until(two, SECONDS, f"what is no larger than the log is judged; {worker.log}")
    # The third is larger than the log: it is judged when the log has grown, by a process that has started since.
    worker.kill()
    await worker.ended()
    await written.rounds(2)
    processes.start("balance-verifier", "worker", settings=written.settings, env={**FAST, "verifier_evidence": folder})

    async def all_three() -> bool:
        return len(await kept()) == 3 and await caught_up(pool, ledger)

    await wait_until(all_three, SECONDS, "the third is judged")
    found = {}
    for path in folder.iterdir():
        evidence = Evidence.parse(path.read_bytes())
        assert check(evidence, keys.log_vkey).proven
        shown = ("equivocation", "show", str(path), "--vkey", str(keys.path / "log.vkey"))
        assert (await processes.run("balance-chain", *shown, settings=written.settings)).exit_code == 0
        found[path.name.split(".")[0]] = evidence
    assert sorted(found) == await kept()
    assert sorted({checkpoint_of(each.first).size for each in found.values()}) == sorted(sizes)

    async def alerted() -> list[dict[str, object]]:
        values = [v for shard in range(ledger.shards) for v in await read_values(written.settings, ALERTS, shard)]
        return [alert for alert in map(json.loads, values) if alert["rule"] == "verifier.two_histories"]

    async def three_alerts() -> bool:
        return len(await alerted()) == 3

    await wait_until(three_alerts, SECONDS, "the alarm is raised")
    for alert in await alerted():
        assert alert["severity"] == "C"
        (id,) = [id for id in found if id in str(alert["detail"])]
        assert str(folder / f"{id}.equivocation.json") in str(alert["detail"])

    app = build_app(ApiSettings(**written.settings.model_dump()), Health())
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://v") as client:
        listed = (await client.get("/log/equivocations")).json()["equivocations"]
        assert sorted(each["id"] for each in listed) == sorted(found)
        for each in listed:
            assert Evidence.parse((await client.get(each["file"])).content) == found[each["id"]]
        assert (await client.get("/log/equivocations/none")).status_code == 404
        # What somebody brings is held against the log as well.
        brought = OneBlock((event("e-1"),), log=ledger.log_key).bundle()
        told = (await client.post("/v1/verify", content=brought.encode())).json()
        file = (await client.get(told["equivocation"])).content
        assert check(Evidence.parse(file), keys.log_vkey).proven
        assert len((await client.get("/log/equivocations")).json()["equivocations"]) == 4


async def test_a_rebuild_keeps_what_the_log_alone_does_not_show_again(
    written: Written, processes: Processes, pool: asyncpg.Pool
) -> None:
    ledger = written.ledger
    await written.rounds(1)
    processes.start("balance-verifier", "worker", settings=written.settings, env=FAST)

    async def taken() -> bool:
        return await caught_up(pool, ledger)

    await wait_until(taken, SECONDS, "the worker has all")
    await pool.execute("INSERT INTO equivocation (id, data) VALUES ('kept', 'x')")
    await pool.execute("INSERT INTO stray (pos, size, root, note) VALUES (99, 99, 'r', 'n')")
    await pool.execute("INSERT INTO timestamp_token (size, time, note, token) VALUES (2, 't', 'n', 'x')")
    await processes.run("balance-chain", "rebuild", "verifier", settings=written.settings)
    for table in ("equivocation", "stray", "timestamp_token"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 1, table
    await wait_until(taken, SECONDS, "the worker goes on")
