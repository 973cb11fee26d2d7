"""Checkpoints are stamped by an authority while the verifier works; one that fails stops nothing and is asked again."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.settings import CommonSettings
from balance_verify.__main__ import main
from balance_verify.checkpoint import Checkpoint
from balance_verify.note import open_note
from balance_verify.timestamp import check_timestamp
from support.authority import Authority
from support.ports import free_ports
from support.processes import Processes
from support.smallledger import SOURCE, SmallLedger
from support.waiting import wait_until
from support.writtenledger import Written, caught_up

FAST = {"verifier_retry_seconds": 0.2, "verifier_poll_seconds": 0.1, "timestamp_look_seconds": 0.2}
SECONDS = 60

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs OpenSSL")


class Moody(Authority):
    """An authority that gives nonsense until told to work."""

    works = False

    def answer(self, query: bytes) -> bytes:
        return super().answer(query) if self.works else b"not now"


@pytest.fixture
def authority(tmp_path: Path) -> Moody:
    return Moody(tmp_path / "authority")


@pytest.fixture
def address(authority: Moody) -> Iterator[str]:
    with authority.serving() as address:
        yield address


@pytest.fixture
def written(topics: CommonSettings, keys: KeyDirectory) -> Written:
    return Written(topics, SmallLedger(keys.log, keys.sealer, keys.gateway, topics.partitions))


@pytest.fixture
async def pool(topics: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "verifier"}) as made:
        yield made


async def test_checkpoints_are_stamped_served_kept_in_the_archive_and_checked(
    written: Written,
    processes: Processes,
    pool: asyncpg.Pool,
    keys: KeyDirectory,
    authority: Moody,
    address: str,
    tmp_path: Path,
) -> None:
    ledger, settings = written.ledger, written.settings
    health, port = free_ports(2)
    await written.rounds(2)
    asked = {"timestamp_authority": address, "timestamp_certificates": authority.root, "timestamp_seconds": 0}
    processes.start("balance-verifier", "worker", settings=settings, env={**FAST, **asked, "health_port": health})
    api = processes.start(
        "balance-verifier",
        "api",
        settings=settings,
        env={"verifier_api_port": port},
        ready_url=f"http://127.0.0.1:{port}/readyz",
    )
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:

        async def noticed() -> bool:
            answer = await client.get(f"http://127.0.0.1:{health}/readyz")
            told = [text for text in answer.json()["notices"] if "no timestamp of size" in text]
            return bool(told) and await caught_up(pool, ledger) and answer.status_code == 200

        await wait_until(noticed, SECONDS, "an authority that gives nonsense is a notice, and all goes on")
        authority.works = True
        await api.ready()

        async def stamped() -> bool:
            found = (await client.get(f"http://127.0.0.1:{port}/log/timestamps")).json()["timestamps"]
            return [each["size"] for each in found][-1:] == [ledger.size]

        await wait_until(stamped, SECONDS, "the last checkpoint is stamped")
        first = ledger.size
        await written.rounds(1)
        await wait_until(stamped, SECONDS, "the next one too")
        url = f"http://127.0.0.1:{port}"
        note = (await client.get(f"{url}/log/timestamps/{first}.note")).content
        token = (await client.get(f"{url}/log/timestamps/{first}.tsr")).content
        text = open_note(note, [keys.log_vkey]).text
        assert Checkpoint.parse(text).size == first
        assert check_timestamp(text, token, authority.root.read_bytes()).result == "matches"
        assert (await client.get(f"{url}/log/timestamps/1.tsr")).status_code == 404
        metrics = (await client.get(f"http://127.0.0.1:{health}/metrics")).text
        assert f"balance_verifier_timestamped_size {float(ledger.size)}" in metrics

    proof, tsr, vkey = tmp_path / "p.json", tmp_path / "p.tsr", tmp_path / "log.vkey"
    vkey.write_text(str(keys.log_vkey), encoding="utf-8")
    arguments = ("prove", SOURCE, "e-0-0", "--url", url, "-o", str(proof), "--timestamp", str(tsr))
    await processes.run("balance-chain", *arguments, settings=settings)
    checked = [str(proof), "--vkey", str(vkey), "--operator-only", "--timestamp", str(tsr)]
    assert main([*checked, "--tsa-cert", str(authority.root)]) == 0
    assert main([*checked, "--tsa-cert", str(Authority(tmp_path / "stranger").root)]) == 1

    archive = tmp_path / "archive"
    await processes.run("balance-chain", "archive", "export", str(archive), settings=settings)
    assert (archive / "timestamps" / f"{first}.tsr").read_bytes() == token
    fsck = ("fsck", "--archive", str(archive), "--vkey", str(vkey))
    await processes.run("balance-chain", *fsck, settings=settings)
    shutil.copy(archive / "timestamps" / f"{ledger.size}.tsr", archive / "timestamps" / f"{first}.tsr")
    found = processes.start("balance-chain", *fsck, settings=settings)
    assert await found.ended() == 1
    assert f"timestamps/{first}.tsr" in found.log
