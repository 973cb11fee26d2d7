"""A rule on trial is judged beside the live one, stored apart, compared, and never published."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from balance_chain.core.data import data_dir
from balance_chain.core.topics import ALERTS
from balance_chain.runtime.kafka import topic_ends
from balance_chain.runtime.settings import CommonSettings
from support.auditlog import DAY, HOUR, Log
from support.ports import free_ports
from support.processes import Processes, Running
from support.waiting import wait_until

SECONDS = 60.0
TIMES = {"health_port": 0, "grace_seconds": 60, "lateness_seconds": 60}


@pytest.fixture
async def pool(topics: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(topics.database, min_size=0) as pool:
        yield pool


@pytest.fixture
def book(tmp_path: Path) -> Path:
    folder = tmp_path / "trial"
    folder.mkdir()
    text = (data_dir("rules") / "R01.yaml").read_text(encoding="utf-8")
    changed = text.replace("version: 1.0.0", "version: 1.1.0").replace("value: 7", "value: 14")
    (folder / "R01.yaml").write_text(changed, encoding="utf-8")
    return folder


def shadow(processes: Processes, topics: CommonSettings, book: Path, name: str) -> Running:
    return processes.start(
        "balance-judge-audit", "shadow", settings=topics, name=name, env={**TIMES, "shadow_rules": book}
    )


async def judged(pool: asyncpg.Pool, schema: str, log: Log) -> bool:
    if not await pool.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{schema}.shard"):
        return False
    rows = await pool.fetch(f"SELECT applied FROM {schema}.shard ORDER BY shard")
    return [row[0] for row in rows] == log.applied()


async def test_a_rule_on_trial_is_compared_with_the_live_one_and_never_published(
    topics: CommonSettings, pool: asyncpg.Pool, processes: Processes, book: Path
) -> None:
    log = Log(topics)
    filed = [log.event(0, "case.submitted", {}, case=n, ago=days * DAY) for n, days in ((1, 30), (2, 10))]
    await log.write([*filed, *log.reassigned(1, 3), *log.later(HOUR)])
    trial = shadow(processes, topics, book, "trial")
    await wait_until(lambda: judged(pool, "audit_shadow", log), SECONDS)
    assert await pool.fetchval("SELECT count(*) FROM audit_shadow.alert") == 1
    assert await pool.fetchval("SELECT count(*) FROM audit_shadow.outbox") == 0
    assert sum((await topic_ends(topics, ALERTS, topics.partitions)).values()) == 0
    processes.start("balance-judge-audit", "worker", settings=topics, env=TIMES)
    await wait_until(lambda: judged(pool, "audit", log), SECONDS)
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    env = {"port": port, "shadow_rules": book}
    api = processes.start("balance-judge-audit", "api", settings=topics, env=env, ready_url=f"{base}/readyz")
    await api.ready(SECONDS)
    async with httpx.AsyncClient(base_url=base, timeout=SECONDS, trust_env=False) as client:
        told = (await client.get("/v1/shadow")).json()
        counts = {"added": 0, "gone": 1, "same": 0, "changed": 1}
        assert told == {"behind": 0, "rules": [{"rule": "R01", "version": "1.1.0", "live": "1.0.0", **counts}]}
        changed, gone = (await client.get("/v1/shadow/R01")).json()
        assert (changed["verdict"], gone["verdict"]) == ("changed", "gone")
        assert changed["live"]["numbers"]["period"] == "7 days"
        assert changed["shadow"]["numbers"]["period"] == "14 days"
        assert gone["shadow"] is None
        assert (await client.get("/v1/shadow/R20")).status_code == 404
        assert {each["rule"] for each in (await client.get("/v1/alerts")).json()["alerts"]} == {"R01", "R20"}
    # Another book on trial begins again at the first record.
    trial.terminate()
    assert await trial.ended() == 0
    shutil.copy(data_dir("rules") / "R20.yaml", book)
    shadow(processes, topics, book, "again")
    await log.write(log.later(HOUR))
    await wait_until(lambda: judged(pool, "audit_shadow", log), SECONDS)
    assert await pool.fetchval("SELECT count(*) FROM audit_shadow.alert WHERE rule = 'R20'") == 1
