"""The walk-through for strangers is true: its commands run as they stand, and find out what was changed."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.db import migrate
from balance_chain.runtime.health import Health, serve_app
from balance_chain.runtime.service import Service
from balance_chain.runtime.settings import CommonSettings
from balance_verifier.api import build_app
from balance_verifier.settings import ApiSettings, WorkerSettings
from balance_verifier.worker import run_worker
from support.archived import grow
from support.needs import REPOSITORY
from support.ports import free_ports
from support.smallledger import SOURCE, SmallLedger
from support.waiting import wait_until
from support.writtenledger import Written, caught_up

PAGE = (REPOSITORY / "docs" / "verify-it-yourself.md").read_text(encoding="utf-8")
SCRIPT = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
SECONDS = 60

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "openssl", "python3"))), reason="needs bash, curl, openssl and python3"
)


@pytest.fixture
async def ledger(topics: CommonSettings, keys: KeyDirectory) -> SmallLedger:
    ledger = SmallLedger(keys.log, keys.sealer, keys.gateway, topics.partitions)
    grow(ledger, 135)
    await Written(topics, ledger).flush()
    return ledger


@pytest.fixture
async def url(topics: CommonSettings, ledger: SmallLedger) -> AsyncIterator[str]:
    """A running verifier that has all of the ledger."""
    service = Service("worker", Health(), asyncio.Event())
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "verifier"}) as pool:
        await migrate(pool, "balance_verifier", "verifier")
        worker = asyncio.ensure_future(run_worker(WorkerSettings(**topics.model_dump()), service))
        await wait_until(lambda: caught_up(pool, ledger), 40)
        service.stop.set()
        await asyncio.wait_for(worker, 20)
    (port,), stop = free_ports(1), asyncio.Event()
    app = build_app(ApiSettings(**topics.model_dump()), Health())
    serving = asyncio.ensure_future(serve_app(app, "127.0.0.1", port, stop))
    yield f"http://127.0.0.1:{port}"
    stop.set()
    await asyncio.wait_for(serving, 20)


async def walk(folder: Path, url: str, vkey: str, id: str, script: str = SCRIPT) -> tuple[int, str]:
    """Runs the page's commands in a folder; exit code and all that was said."""
    os.makedirs(folder)
    environment = {
        "PATH": os.environ["PATH"],
        "LOG": url,
        "VKEY": vkey,
        "SOURCE": SOURCE,
        "ID": id,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    process = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script, cwd=folder, env=environment, stdout=-1, stderr=-2
    )
    said, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_stranger_checks_an_event_with_curl_openssl_and_python_alone(
    url: str, ledger: SmallLedger, tmp_path: Path
) -> None:
    vkey = str(ledger.log_key.vkey)
    code, said = await walk(tmp_path / "true", url, vkey, "e-1-200")
    assert code == 0, said
    assert said.count("Signature Verified Successfully") == 2
    assert "event e-1-200 is in block 66 of shard 1" in said
    assert f"all {ledger.size} entries give the signed root" in said
    assert "is of the same history" in said
    # Changed on the way, at each place in turn: it does not go through.
    changes = {
        "event": ('b64(bundle["event"])', 'b64(bundle["event"]).replace(b"phase", b"phrase")'),
        "entry": ("entries.append(bundle[at + 2 : end])", "entries.append(bundle[at + 3 : end])"),
        "tile": ('open(f"leaves-{index}", "rb").read()', 'open(f"leaves-{index}", "rb").read()[::-1]'),
        "checkpoint": ("python3 note.py checkpoint", "sed -i '2s/.*/999/' checkpoint; python3 note.py checkpoint"),
    }
    for name, (right, wrong) in changes.items():
        assert right in SCRIPT, name
        code, said = await walk(tmp_path / name, url, vkey, "e-1-200", SCRIPT.replace(right, wrong))
        assert code != 0, (name, said)
    other = SmallLedger.of_seed(7)
    code, said = await walk(tmp_path / "key", url, str(other.log_key.vkey), "e-1-200")
    assert code != 0
    assert "the key given has not signed this note" in said
