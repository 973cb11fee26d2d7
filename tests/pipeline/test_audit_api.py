"""What the alert API answers: filters, pages, histories, the rule book, a stream that can be resumed; never a
private warning.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from balance_chain.core.data import data_dir
from balance_chain.core.times import format_ms
from balance_chain.runtime.settings import CommonSettings
from balance_judge_audit import repository, repository_alerts
from balance_judge_audit.engine.alerts import Revision, State, alert_id
from support.ports import free_ports
from support.processes import Processes

T0 = 1_772_000_000_000
SECONDS = 30.0


def revision(
    rule: str, case: int, number: int = 1, *, state: State = "open", severity: str = "H", private: bool = False
) -> Revision:
    subject = f"（2026）京0491民初{case}号"
    return Revision(
        id=alert_id(rule, "1", subject, "case"),
        revision=number,
        rule=rule,
        version="1.0.0",
        severity=severity,
        state=state,
        private=private,
        subject=subject,
        start="case",
        courtcode="京0491" if case < 5 else "浙0192",
        shard=0,
        judged=format_ms(T0 + case * 1000 + number),
        triggers=(),
        numbers={"acts": number},
    )


@pytest.fixture
async def pool(settings: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(settings.database, min_size=0, server_settings={"search_path": "audit"}) as pool:
        yield pool


@pytest.fixture
async def client(settings: CommonSettings, processes: Processes) -> AsyncIterator[httpx.AsyncClient]:
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    api = processes.start(
        "balance-judge-audit", "api", settings=settings, env={"port": port}, ready_url=f"{base}/readyz"
    )
    await api.ready(SECONDS)
    async with httpx.AsyncClient(base_url=base, timeout=SECONDS, trust_env=False) as client:
        yield client


async def say(pool: asyncpg.Pool, *revisions: Revision) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await repository_alerts.say(connection, revisions)


async def listed(client: httpx.AsyncClient, **query: Any) -> list[tuple[str, int]]:
    answer = await client.get("/v1/alerts", params=query)
    assert answer.status_code == 200, answer.text
    return [(each["rule"], each["revision"]) for each in answer.json()["alerts"]]


async def test_alerts_are_filtered_and_the_latest_revision_stands_first(
    client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await say(pool, revision("R14", 1), revision("R18", 2, severity="C"), revision("R20", 7))
    await say(pool, revision("R14", 1, 2, state="cured"))
    assert await listed(client) == [("R14", 2), ("R20", 1), ("R18", 1)]
    assert await listed(client, severity="C") == [("R18", 1)]
    assert await listed(client, rule=["R18", "R20"]) == [("R20", 1), ("R18", 1)]
    assert await listed(client, state="cured") == [("R14", 2)]
    assert await listed(client, court="浙0192") == [("R20", 1)]
    assert await listed(client, since=format_ms(T0 + 2000), until=format_ms(T0 + 5000)) == [("R18", 1)]
    assert await listed(client, subject="（2026）京0491民初2号") == [("R18", 1)]


async def test_pages_follow_one_another_without_a_gap_or_a_repeat(
    client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await say(pool, *(revision("R14", case) for case in range(7)))
    seen: list[str] = []
    query: dict[str, str] = {"limit": "3"}
    while True:
        page = (await client.get("/v1/alerts", params=query)).json()
        seen += [each["subject"] for each in page["alerts"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == [f"（2026）京0491民初{case}号" for case in reversed(range(7))]


async def test_an_alert_shows_its_history_and_its_rule_and_a_private_warning_shows_nowhere(
    client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    warned, alone = revision("R05", 1, private=True, state="warning"), revision("R05", 2, private=True, state="warning")
    await say(pool, warned, alone)
    await say(pool, revision("R05", 1, 2))
    detail = (await client.get(f"/v1/alerts/{warned.id}")).json()
    assert [each["revision"] for each in detail["revisions"]] == [2]
    assert detail["rule"]["basis"][0] == {"law": "民事诉讼法(2023)", "article": "152", "confirmed": True}
    assert detail["alert"]["raised"] == format_ms(T0 + 1002)
    assert (await client.get(f"/v1/alerts/{alone.id}")).status_code == 404
    assert await listed(client) == [("R05", 2)]
    assert (await client.get("/v1/status")).json()["alerts"] == {"R05": {"open": 1}}
    assert await repository.outbox_size(pool) == {"topic": 1, "gateway": 1}


async def test_the_rule_book_is_readable_and_wrong_questions_are_answered_field_by_field(
    client: httpx.AsyncClient,
) -> None:
    rules = (await client.get("/v1/rules")).json()
    assert [rule["id"] for rule in rules] == sorted(path.stem for path in data_dir("rules").glob("R*.yaml"))
    assert (await client.get("/v1/rules/R14")).json()["title"]["zh"] == "未立先审"
    assert (await client.get("/v1/rules/R99")).status_code == 404
    for query in ({"cursor": "x"}, {"severity": "Z"}, {"since": "2026-01-01T00:00:00"}, {"limit": "0"}):
        answer = await client.get("/v1/alerts", params=query)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert next(iter(query)) in answer.json()["errors"][0]["pointer"]


async def test_a_stream_that_broke_is_resumed_after_the_last_event_received(
    client: httpx.AsyncClient, pool: asyncpg.Pool
) -> None:
    await say(pool, *(revision("R14", case) for case in range(3)), revision("R05", 9, private=True, state="warning"))

    async def read(count: int, **headers: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        name = {name.replace("_", "-"): value for name, value in headers.items()}
        async with client.stream("GET", "/v1/stream", headers=name, params={} if headers else {"after": 0}) as answer:
            number = ""
            async for line in answer.aiter_lines():
                if line.startswith("id: "):
                    number = line.removeprefix("id: ")
                if line.startswith("data: "):
                    found.append((number, json.loads(line.removeprefix("data: "))["subject"]))
                if len(found) == count:
                    break
        return found

    first = await read(2)
    assert [subject for _, subject in first] == ["（2026）京0491民初0号", "（2026）京0491民初1号"]
    await say(pool, revision("R14", 4))
    second = await read(2, last_event_id=first[-1][0])
    assert [subject for _, subject in second] == ["（2026）京0491民初2号", "（2026）京0491民初4号"]


async def test_status_says_what_is_still_to_be_judged_or_sent(client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await pool.execute("INSERT INTO shard VALUES (0, 12, 0, 11, $1)", T0)
    status = (await client.get("/v1/status")).json()
    assert status["shards"] == [{"shard": 0, "applied": 12, "ledger_time": format_ms(T0)}]
    assert status["settled"]
    await pool.execute("INSERT INTO case_state VALUES ('c', 0, '', $1), ('far', 0, '', $2)", T0 + 1, T0 + 10**10)
    status = (await client.get("/v1/status")).json()
    assert (status["timers"], status["settling"], status["settled"]) == (2, 1, False)
