"""A court's calendar that arrives in the stream re-times its open cases, and is remembered."""

from collections.abc import AsyncIterator
from datetime import date, timedelta

import asyncpg
import pytest
from balance_chain.runtime.settings import CommonSettings
from support.auditlog import DAY, HOUR, Log
from support.processes import Processes, Running
from support.waiting import wait_until

SECONDS = 40.0
STATES = "SELECT array_agg(state || ' ' || revision ORDER BY subject) FROM alert WHERE rule = 'R01'"


@pytest.fixture
async def pool(topics: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "audit"}) as pool:
        yield pool


def start(processes: Processes, settings: CommonSettings, name: str) -> Running:
    env = {"health_port": 0, "grace_seconds": 60, "lateness_seconds": 60, "audit_case_cache": 1}
    return processes.start("balance-judge-audit", "worker", settings=settings, name=name, env=env)


async def test_a_calendar_cures_what_it_puts_in_order_and_holds_after_a_restart(
    pool: asyncpg.Pool, processes: Processes, topics: CommonSettings
) -> None:
    log = Log(topics)

    async def applied() -> bool:
        rows = await pool.fetch("SELECT applied FROM shard ORDER BY shard")
        return [row[0] for row in rows] == log.applied()

    worker = start(processes, topics, "before")
    submitted = [log.event(1, "case.submitted", {}, case=case, ago=30 * DAY) for case in (1, 2)]
    await log.write([*submitted, *log.later(HOUR)])
    await wait_until(lambda: pool.fetchval(f"SELECT ({STATES}) = '{{open 1,open 1}}'"), SECONDS)
    worker.terminate()
    assert await worker.ended() == 0

    first = date(2026, 1, 26)
    holidays = [(first + timedelta(days=day)).isoformat() for day in range(90)]
    declared = {"court": "京0491", "year": 2026, "holidays": holidays}
    await log.write([log.event(1, "calendar.declared", declared, case=None), *log.later(HOUR)])
    worker = start(processes, topics, "with")
    await wait_until(lambda: pool.fetchval(f"SELECT ({STATES}) = '{{cured 2,cured 2}}'"), SECONDS)
    worker.terminate()
    assert await worker.ended() == 0

    await log.write([log.event(1, "case.submitted", {}, case=3, ago=30 * DAY), *log.later(HOUR)])
    start(processes, topics, "after")
    await wait_until(applied, SECONDS)
    assert await pool.fetchval(STATES) == ["cured 2", "cured 2"]
