"""`balance-chain archive export` and `balance-chain fsck`, as a person or a timer runs them on a running ledger."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.db import migrate
from balance_chain.runtime.health import Health
from balance_chain.runtime.service import Service
from balance_chain.runtime.settings import CommonSettings
from balance_verifier.api import build_app
from balance_verifier.archive.layout import events_path
from balance_verifier.settings import ApiSettings, WorkerSettings
from balance_verifier.worker import run_worker
from support.archived import grow, last_note
from support.smallledger import SmallLedger
from support.waiting import wait_until
from support.writtenledger import Written, caught_up

SECONDS = 60
KILLED = -9


@pytest.fixture
def ledger(keys: KeyDirectory, partitions: int) -> SmallLedger:
    ledger = SmallLedger(keys.log, keys.sealer, keys.gateway, partitions)
    grow(ledger, 12)
    return ledger


@pytest.fixture
async def projected(topics: CommonSettings, ledger: SmallLedger) -> CommonSettings:
    """The ledger on the topics and in the projection."""
    written = Written(topics, ledger)
    await written.flush()
    service = Service("worker", Health(), asyncio.Event())
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "verifier"}) as pool:
        await migrate(pool, "balance_verifier", "verifier")
        worker = asyncio.ensure_future(run_worker(WorkerSettings(**topics.model_dump()), service))
        await wait_until(lambda: caught_up(pool, ledger), 40)
        service.stop.set()
        await asyncio.wait_for(worker, 20)
    return topics


async def balance_chain(settings: CommonSettings, *arguments: str, **more: str) -> tuple[int, str]:
    """Runs the command with the ledger's settings; exit code and stdout."""
    values = {f"BALANCE_{name.upper()}": str(value) for name, value in settings.model_dump(exclude_none=True).items()}
    program = os.path.join(os.path.dirname(sys.executable), "balance-chain")
    process = await asyncio.create_subprocess_exec(
        program, *arguments, env={**os.environ, **values, **more}, stdout=-1, stderr=-1
    )
    out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return process.returncode, out.decode()


def flip_an_event(folder: Path) -> str:
    path = events_path(1, 4)
    file = folder / path
    file.write_bytes(file.read_bytes().replace(b"evidence", b"evidense", 1))
    return path


async def test_an_archive_is_made_found_whole_and_its_faults_are_named(
    projected: CommonSettings, ledger: SmallLedger, keys: KeyDirectory, tmp_path: Path
) -> None:
    folder, kept = tmp_path / "archive", tmp_path / "kept.note"
    kept.write_bytes(last_note(ledger))
    # It is killed within its first stretch, and goes on when it is run again.
    code, _ = await balance_chain(
        projected,
        "archive",
        "export",
        str(folder),
        BALANCE_KILL_POINT="archive.block:9",
        BALANCE_KILL_MARKER=str(tmp_path / "marker"),
    )
    assert code == KILLED
    code, out = await balance_chain(projected, "archive", "export", str(folder), "--json")
    assert (code, json.loads(out)["size"], json.loads(out)["blocks"]) == (0, ledger.size, 24)
    vkey = str(keys.path / "log.vkey")
    arguments = ("fsck", "--archive", str(folder), "--vkey", vkey, "--checkpoint", str(kept), "--json")
    code, out = await balance_chain(projected, *arguments)
    report = json.loads(out)
    assert (code, report["ok"], report["faults"], report["events"]) == (0, True, [], 72)
    assert report["unpublished"] == 0
    # Run again, it adds nothing.
    code, out = await balance_chain(projected, "archive", "export", str(folder), "--json")
    assert (code, json.loads(out)["blocks"]) == (0, 0)
    await served_alike(projected, folder)
    path = flip_an_event(folder)
    code, out = await balance_chain(projected, *arguments)
    assert code == 1
    faults: list[dict[str, Any]] = json.loads(out)["faults"]
    assert faults[0]["place"] == path
    assert {fault["step"] for fault in faults} == {"block root", "leaf hash"}


def log_files(folder: Path) -> dict[str, bytes]:
    files = filter(Path.is_file, [folder / "checkpoint", *folder.glob("tile/**/*")])
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


async def served_alike(settings: CommonSettings, folder: Path) -> None:
    """The verifier serves the same bytes that the archive has."""
    app = build_app(ApiSettings(**settings.model_dump()), Health())
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://log") as http:
        for path, data in log_files(folder).items():
            assert (await http.get(f"/log/{path}")).content == data, path


async def test_a_running_ledger_is_found_whole_and_a_changed_row_is_named(
    projected: CommonSettings, ledger: SmallLedger, tmp_path: Path
) -> None:
    code, out = await balance_chain(projected, "fsck", "--live", "--json")
    report = json.loads(out)
    assert (code, report["faults"], report["size"]) == (0, [], ledger.size)
    connection = await asyncpg.connect(projected.database, server_settings={"search_path": "verifier"})
    await connection.execute("UPDATE event SET time = '2001-01-01T00:00:00.000Z' WHERE shard = 1 AND pos = 5")
    await connection.close()
    code, out = await balance_chain(projected, "fsck", "--live", "--json", "--jobs", "1")
    faults = json.loads(out)["faults"]
    assert code == 1
    assert [(fault["place"], fault["step"], fault["got"]) for fault in faults] == [
        ("table event, 1@5", "time", "2001-01-01T00:00:00.000Z")
    ]
    code, out = await balance_chain(projected, "fsck", "--live", "--topics-only", "--json", "--jobs", "1")
    assert (code, json.loads(out)["faults"]) == (0, [])


async def test_what_is_not_there_or_not_said_has_an_exit_code_of_its_own(
    settings: CommonSettings, tmp_path: Path
) -> None:
    assert (await balance_chain(settings, "fsck"))[0] == 2
    assert (await balance_chain(settings, "fsck", "--archive", str(tmp_path / "none")))[0] == 3
    away = settings.model_copy(update={"kafka": "127.0.0.1:1", "kafka_timeout_seconds": 2.0})
    assert (await balance_chain(away, "fsck", "--live", "--topics-only"))[0] == 3
