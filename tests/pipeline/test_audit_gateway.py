"""Alerts go through the real gateway as events of their own source: once each, numbered without a gap, and
never twice.
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import pytest
import yaml
from balance_chain.core.sources import token_digest
from balance_chain.core.topics import RAW
from balance_chain.runtime.db import connect, migrate
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_judge_audit import repository, repository_alerts, repository_numbers
from balance_judge_audit.engine.alerts import Revision, State, Trigger, alert_id
from balance_judge_audit.errors import NotTaken
from balance_judge_audit.gatewaysender import GatewaySender
from balance_judge_audit.settings import WorkerSettings
from pydantic import SecretStr
from support.ports import free_ports
from support.processes import Processes

SOURCE = "urn:balance-demo:judge-audit"
TOKEN = "a-token-for-the-test"
CASE = "（2026）京0491民初88号"
SECONDS = 40.0


@pytest.fixture
def registered(settings: CommonSettings) -> None:
    """Our source in the register."""
    entry = {
        "uri": SOURCE,
        "transport": "http",
        "token_sha256": token_digest(TOKEN),
        "types": ["alert.raised"],
        "courts": ["*"],
    }
    settings.sources.write_text(yaml.safe_dump({"sources": [entry]}), encoding="utf-8")


@pytest.fixture
async def gateway(registered: None, topics: CommonSettings, processes: Processes) -> str:
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    await processes.run("balance-intake", "migrate", settings=topics)
    started = processes.start(
        "balance-intake", "gateway", settings=topics, env={"port": port}, ready_url=f"{url}/readyz"
    )
    await started.ready(SECONDS)
    return url


def settings_of(topics: CommonSettings, gateway: str) -> WorkerSettings:
    fields: Mapping[str, Any] = topics.model_dump()
    return WorkerSettings(
        **{**fields, "gateway_url": gateway, "audit_token": SecretStr(TOKEN), "gateway_timeout_seconds": SECONDS}
    )


@pytest.fixture
async def pool(topics: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    pool = await connect(topics, "audit")
    await migrate(pool, "balance_judge_audit", "audit")
    yield pool
    await pool.close()


def revision(number: int, subject: str = CASE, state: State = "open", severity: str = "H") -> Revision:
    seen = Trigger("act", "urn:x:y", "e-1", "hearing.held", "2026-03-02T01:00:00.000Z", "9f" * 32, 3, 0)
    return Revision(
        id=alert_id("R14", "1", subject, "case"),
        revision=number,
        rule="R14",
        version="1.0.0",
        severity=severity,
        state=state,
        private=False,
        subject=subject,
        start="case",
        courtcode="京0491" if subject == CASE else None,
        shard=0,
        judged="2026-03-02T02:00:00.000Z",
        triggers=(seen,),
        numbers={"acts": 1},
    )


async def say(pool: asyncpg.Pool, *revisions: Revision) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await repository_alerts.say(connection, revisions)


async def sent(topics: CommonSettings) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for partition in range(topics.partitions):
        async with PartitionReader(topics, topics.topic(RAW), partition) as reader:
            position, end = 0, await reader.end_offset()
            while position < end:
                for record in await reader.read(100, 1):
                    found.append(json.loads(record.value))
                    position = record.offset + 1
    return sorted(found, key=lambda event: int(event["sequence"]))


async def test_each_revision_becomes_one_event_and_the_numbers_have_no_gap(
    topics: CommonSettings, gateway: str, pool: asyncpg.Pool
) -> None:
    await say(pool, revision(1), revision(2, state="cured"), revision(1, subject="urn:balance-demo:access-gate"))
    sender = GatewaySender(settings_of(topics, gateway), pool)
    assert await sender.step() == 3
    assert await sender.step() == 0
    await sender.close()
    events = await sent(topics)
    assert [event["sequence"] for event in events] == ["1", "2", "3"]
    assert [event["data"]["revision"] for event in events] == [1, 2, 1]
    assert [event["subject"] for event in events] == [CASE, CASE, SOURCE]
    assert events[2]["data"]["subject"] == "urn:balance-demo:access-gate"
    assert await repository.outbox_size(pool) == {"topic": 3, "gateway": 0}


async def test_a_crash_between_the_answer_and_its_record_sends_the_same_event_again_and_adds_none(
    topics: CommonSettings, gateway: str, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say(pool, revision(1))
    sender = GatewaySender(settings_of(topics, gateway), pool)

    class Crash(Exception):
        pass

    async def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(repository_numbers, "settle", crash)
        with pytest.raises(Crash):
            await sender.step()
    assert await sender.step() == 1
    await say(pool, revision(2))
    assert await sender.step() == 1
    await sender.close()
    assert [event["sequence"] for event in await sent(topics)] == ["1", "2"]


async def test_what_the_gateway_refuses_for_good_is_kept_and_its_number_used_again(
    topics: CommonSettings, gateway: str, pool: asyncpg.Pool
) -> None:
    await say(pool, revision(1, subject="us-nowhere/15-1"), revision(1))
    sender = GatewaySender(settings_of(topics, gateway), pool)
    assert await sender.step() == 2
    assert [event["sequence"] for event in await sent(topics)] == ["2"]
    await say(pool, revision(2))
    assert await sender.step() == 1
    await sender.close()
    assert [(event["sequence"], event["data"]["revision"]) for event in await sent(topics)] == [("1", 2), ("2", 1)]
    row = await pool.fetchrow("SELECT status, answer FROM undeliverable")
    assert row is not None
    assert row["status"] == 422


async def test_what_the_gateway_has_under_another_number_uses_none(
    topics: CommonSettings, gateway: str, pool: asyncpg.Pool
) -> None:
    await say(pool, revision(1))
    await pool.execute("CREATE TABLE again AS SELECT * FROM outbox WHERE channel = 'gateway'")
    sender = GatewaySender(settings_of(topics, gateway), pool)
    assert await sender.step() == 1
    await pool.execute("INSERT INTO outbox SELECT * FROM again")
    assert await sender.step() == 1
    await say(pool, revision(2))
    assert await sender.step() == 1
    await sender.close()
    assert [event["sequence"] for event in await sent(topics)] == ["1", "2"]
    assert await pool.fetchval("SELECT count(*) FROM undeliverable") == 0


async def test_one_that_was_taken_unheard_keeps_its_number_though_the_register_has_changed(
    topics: CommonSettings,
    gateway: str,
    pool: asyncpg.Pool,
    processes: Processes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = topics.sources.read_text(encoding="utf-8")
    topics.sources.write_text(text.replace("alert.raised", "rule.changed"), encoding="utf-8")
    [port] = free_ports(1)
    stricter = f"http://127.0.0.1:{port}"
    started = processes.start(
        "balance-intake",
        "gateway",
        settings=topics,
        name="stricter",
        env={"port": port},
        ready_url=f"{stricter}/readyz",
    )
    await started.ready(SECONDS)

    async def unheard(*_: object) -> None:
        raise ConnectionError

    await say(pool, revision(1))
    taken, refused = (GatewaySender(settings_of(topics, each), pool) for each in (gateway, stricter))
    with monkeypatch.context() as patch:
        patch.setattr(repository_numbers, "settle", unheard)
        with pytest.raises(ConnectionError):
            await taken.step()
    await say(pool, revision(2))
    with pytest.raises(NotTaken):
        await refused.step()
    assert await taken.step() == 2
    for each in (taken, refused):
        await each.close()
    events = await sent(topics)
    assert [(event["sequence"], event["data"]["revision"]) for event in events] == [("1", 1), ("2", 2)]


async def test_without_a_token_alerts_wait_and_nothing_else_does(topics: CommonSettings, pool: asyncpg.Pool) -> None:
    await say(pool, revision(1))
    fields: Mapping[str, Any] = topics.model_dump()
    sender = GatewaySender(WorkerSettings(**fields), pool)
    assert await sender.step() == 0
    await sender.close()
    assert (await repository.outbox_size(pool))["gateway"] == 1
    assert await Health().ready_problems() == []
