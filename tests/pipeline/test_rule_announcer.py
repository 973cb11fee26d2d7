"""A worker that starts with another rule book than the last sealed one says so through the gateway, once, and the API
shows it as history.
"""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import yaml
from balance_chain.core.data import data_dir
from balance_chain.core.sources import token_digest
from balance_chain.core.topics import RAW
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from support.ports import free_ports
from support.processes import Processes, Running
from support.waiting import wait_until

SOURCE = "urn:balance-demo:judge-audit"
TOKEN = "a-token-for-the-test"
SECONDS = 120.0


@pytest.fixture
async def gateway(topics: CommonSettings, processes: Processes) -> str:
    """Gateway and normaliser, with our source in the register."""
    entry = {
        "uri": SOURCE,
        "transport": "http",
        "token_sha256": token_digest(TOKEN),
        "types": ["alert.raised", "rule.changed"],
        "courts": ["*"],
    }
    topics.sources.write_text(yaml.safe_dump({"sources": [entry]}), encoding="utf-8")
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    await processes.run("balance-intake", "migrate", settings=topics)
    started = processes.start(
        "balance-intake", "gateway", settings=topics, env={"port": port}, ready_url=f"{url}/readyz"
    )
    processes.start("balance-intake", "normaliser", settings=topics, env={"BALANCE_GENESIS": 1, "health_port": 0})
    await started.ready(SECONDS)
    return url


@pytest.fixture
async def pool(topics: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "audit"}) as pool:
        yield pool


@pytest.fixture
def book(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    for name in ("R01.yaml", "R20.yaml"):
        shutil.copy(data_dir("rules") / name, folder)
    return folder


def worker(processes: Processes, topics: CommonSettings, gateway: str, book: Path, name: str) -> Running:
    env: dict[str, object] = {
        "health_port": 0, "rules": book, "gateway_url": gateway, "audit_token": TOKEN, "grace_seconds": 60,
    }  # fmt: skip
    return processes.start("balance-judge-audit", "worker", settings=topics, name=name, env=env)


async def sealed(pool: asyncpg.Pool) -> list[tuple[str, str | None, str]]:
    rows = await pool.fetch("SELECT rule, before, after FROM rule_change ORDER BY record_offset")
    return [tuple(row) for row in rows]


async def in_raw(topics: CommonSettings) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for partition in range(topics.partitions):
        async with PartitionReader(topics, topics.topic(RAW), partition) as reader:
            position, end = 0, await reader.end_offset()
            while position < end:
                for record in await reader.read(100, 1):
                    found.append(json.loads(record.value))
                    position = record.offset + 1
    return [each for each in found if each["type"] == "rule.changed"]


async def test_another_rule_book_is_sealed_once_and_shown_as_history(
    topics: CommonSettings, gateway: str, pool: asyncpg.Pool, processes: Processes, book: Path
) -> None:
    first = worker(processes, topics, gateway, book, "first")
    beside = worker(processes, topics, gateway, book, "beside")
    begun = [("R01", None, "1.0.0"), ("R20", None, "1.0.0")]

    async def has(count: int) -> bool:
        return await pool.fetchval("SELECT to_regclass('rule_change') IS NOT NULL") and len(await sealed(pool)) == count

    await wait_until(lambda: has(2), SECONDS)
    assert await sealed(pool) == begun
    for running in (first, beside):
        running.terminate()
        assert await running.ended() == 0
    rule = book / "R01.yaml"
    rule.write_text(
        rule.read_text(encoding="utf-8").replace("version: 1.0.0", "version: 1.1.0").replace("value: 7", "value: 14"),
        encoding="utf-8",
    )
    (book / "R20.yaml").unlink()
    worker(processes, topics, gateway, book, "second")
    await wait_until(lambda: has(4), SECONDS)
    assert await sealed(pool) == [*begun, ("R01", "1.0.0", "1.1.0"), ("R20", "1.0.0", "withdrawn")]
    assert len(await in_raw(topics)) == 4
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    api = processes.start(
        "balance-judge-audit", "api", settings=topics, env={"port": port, "rules": book}, ready_url=f"{base}/readyz"
    )
    await api.ready(SECONDS)
    async with httpx.AsyncClient(base_url=base, timeout=SECONDS, trust_env=False) as client:
        shown = (await client.get("/v1/rules/R01/history")).json()
        assert [(each["before"], each["to"]) for each in shown] == [("1.0.0", "1.1.0"), (None, "1.0.0")]
        assert shown[0]["digest"] != shown[1]["digest"]
        # One that has left the book keeps its history; one that never was has none.
        assert (await client.get("/v1/rules/R20/history")).json()[0]["to"] == "withdrawn"
        assert (await client.get("/v1/rules/R99/history")).status_code == 404
        page = await client.get("/rules/R01", params={"lang": "en"})
        assert "1.0.0 → 1.1.0" in page.text
