"""Where cases wait, from events on a real broker to the API's answer; a rebuild makes the same rows again."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from balance_chain.runtime.settings import CommonSettings
from support.auditlog import DAY, HOUR, Log
from support.ports import free_ports
from support.processes import Processes
from support.waiting import wait_until

SECONDS = 60.0
TABLES = ("flow_case", "flow_span")


@pytest.fixture
async def pool(topics: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(topics.database, min_size=0) as pool:
        yield pool


async def rows(pool: asyncpg.Pool) -> list[list[tuple[object, ...]]]:
    return [sorted(tuple(row) for row in await pool.fetch(f"SELECT * FROM audit.{table}")) for table in TABLES]


async def test_the_time_in_each_phase_is_answered_by_court_and_procedure_and_a_rebuild_makes_it_again(
    topics: CommonSettings, pool: asyncpg.Pool, processes: Processes
) -> None:
    log = Log(topics)
    records = []
    for case, days in ((1, 4), (2, 6), (3, 20)):
        procedure = "simplified" if case == 3 else "ordinary"
        records += [
            log.event(0, "case.submitted", {"cause": "买卖合同纠纷"}, case=case, ago=100 * DAY),
            log.event(0, "case.accepted", {"procedure": procedure}, case=case, ago=(100 - days) * DAY),
        ]
    waits = log.event(1, "case.submitted", {"cause": "借款合同纠纷"}, case=4, ago=30 * DAY)
    again = records[0]  # what another writer repeats does not count
    await log.write([*records, waits, again, *log.later(HOUR)])

    async def applied() -> bool:
        if not await pool.fetchval("SELECT to_regclass('audit.flow_span') IS NOT NULL"):
            return False
        at = [row[0] for row in await pool.fetch("SELECT applied FROM audit.shard ORDER BY shard")]
        return at == [log.applied()[0] + 1, log.applied()[1]]

    worker = processes.start(
        "balance-judge-audit", "worker", settings=topics, env={"health_port": 0, "audit_batch_events": 2}
    )
    await wait_until(applied, SECONDS)
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    api = processes.start("balance-judge-audit", "api", settings=topics, env={"port": port}, ready_url=f"{base}/readyz")
    await api.ready(SECONDS)
    async with httpx.AsyncClient(base_url=base, timeout=SECONDS, trust_env=False) as client:
        answer = (await client.get("/v1/flow", params={"court": "京0491"})).json()
        filing = next(each for each in answer["groups"][0]["phases"] if each["phase"] == "filing")
        figures = {"count": 3, "first_quartile": 5.0, "median": 6.0, "third_quartile": 13.0, "waiting": 1}
        assert filing == {"phase": "filing", **figures, "waiting_median": 30.0}
        by = (await client.get("/v1/flow", params={"by": "procedure"})).json()["groups"]
        medians = {group["name"]: group["phases"][0]["median"] for group in by if group["phases"][0]["count"]}
        assert medians == {"ordinary": 5.0, "simplified": 20.0}
        trial = {group["name"]: each["waiting"] for group in by for each in group["phases"] if each["phase"] == "trial"}
        assert trial == {"ordinary": 2, "simplified": 1}
        assert [each["caseid"] for each in answer["longest"] if each["phase"] == "filing"] == ["（2026）京0491民初42号"]
        assert (await client.get("/v1/flow", params={"court": "浙0192"})).json()["groups"] == []
        assert (await client.get("/v1/flow", params={"since": "2026-01-01T00:00:00"})).status_code == 422
        assert (await client.get("/v1/flow", params={"court": "\0"})).status_code == 422
    worker.terminate()
    assert await worker.ended() == 0
    before = await rows(pool)
    await processes.run("balance-chain", "rebuild", "judge-audit", settings=topics)
    assert await rows(pool) == before
    assert len(before[1]) == 13
