"""A judge's own desk: what falls due in his cases, counted day by day; nobody else reads it, whatever his office."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
import yaml
from balance_chain.core.canonical import encode_event
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.sources import token_digest
from balance_chain.core.times import parse_ms
from balance_chain.runtime.db import migrate
from balance_chain.runtime.settings import CommonSettings
from balance_judge_audit import queries_judges, repository_alerts, rulebook
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.shard import Incoming, ShardEngine, ShardState
from balance_judge_audit.life.people import load_people
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.ruletest import CASE, CLOCKS, Step, written
from support.ports import free_ports
from support.processes import Processes

SECONDS = 60.0
JUDGE, OTHER = "r_" + "1" * 32, "r_" + "2" * 32
PEOPLE = (("zhang", "subject", JUDGE), ("wang", "subject", OTHER), ("li", "supervisor", "r_" + "3" * 32))
STEPS = [
    Step(type="case.accepted", time="2026-01-05T09:00:00+08:00", data={"procedure": "small_claims"}),
    Step(type="limit.suspended", time="2026-01-15T09:00:00+08:00", data={"action": "start", "suspension_id": "K"}),
    Step(type="limit.suspended", time="2026-01-25T09:00:00+08:00", data={"action": "resume", "suspension_id": "K"}),
]
NOW = "2026-03-05T00:00:00.000Z"
"""Within the fifteen days in which the judge is warned: the last day is 16 March."""


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database, min_size=0, server_settings={"search_path": "audit"}) as pool:
        await migrate(pool, "balance_judge_audit", "audit")
        yield pool


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.yaml"
    entries = [
        {
            "id": name,
            "name": name,
            "token_sha256": token_digest(f"token of {name}"),
            "staff": f"J-{name}",
            "role": role,
            "courts": ["*"],
        }
        for name, role, _ in PEOPLE
    ]
    file.write_text(yaml.safe_dump({"people": entries}), encoding="utf-8")
    return file


@pytest.fixture
async def warned(pool: asyncpg.Pool, people: Path) -> list[Revision]:
    """A case of the judge's, as the worker would have left it at that ledger time; gives what was said in it."""
    book = rulebook.load(data_dir("rules"))
    places = PlaceFinder(Courts.load(data_dir("catalogue")))
    state, cases, said = ShardState(0), dict[str, CaseState](), list[Revision]()
    engine = ShardEngine(book, places, CLOCKS)
    for shard, event in written(STEPS, NOW):
        if shard == 0:
            said += engine.apply(state, cases, [Incoming(state.applied, event, encode_event(event))]).revisions
    packed = msgspec.msgpack.encode(cases[CASE])
    await pool.execute("INSERT INTO shard VALUES (0, 4, 0, 3, $1)", parse_ms(NOW))
    await pool.execute("INSERT INTO case_state VALUES ($1, 0, $2, $3)", CASE, packed, cases[CASE].wake(CLOCKS.grace_ms))
    await pool.execute("INSERT INTO case_judge VALUES ($1, 0, 0, $2), ($1, 1, 1, $3)", CASE, OTHER, JUDGE)
    for person in load_people(people).all:
        ref = next(ref for name, _, ref in PEOPLE if name == person.id)
        await pool.execute("INSERT INTO person VALUES ($1, $2)", person.grant, ref)
    async with pool.acquire() as connection, connection.transaction():
        await repository_alerts.say(connection, said)
    return said


async def api(settings: CommonSettings, processes: Processes, **more: object) -> httpx.AsyncClient:
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    running = processes.start(
        "balance-judge-audit", "api", settings=settings, env={"port": port, **more}, ready_url=f"{base}/readyz"
    )
    await running.ready(SECONDS)
    return httpx.AsyncClient(base_url=base, timeout=SECONDS, trust_env=False)


def token(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer token of {name}"}


async def streamed(client: httpx.AsyncClient, path: str, name: str) -> dict[str, Any]:
    async with client.stream("GET", path, headers={**token(name), "last-event-id": "0"}) as answer:
        assert answer.status_code == 200
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                found: dict[str, Any] = json.loads(line.removeprefix("data: "))
                return found
    raise AssertionError("the stream ended")


async def test_a_judge_alone_sees_what_falls_due_and_the_warning_before_it(
    settings: CommonSettings, processes: Processes, pool: asyncpg.Pool, people: Path, warned: list[Revision]
) -> None:
    assert [(each.rule, each.state) for each in warned if each.private] == [("R05", "warning")]
    path = f"/v1/judges/{JUDGE}/deadlines"
    client = await api(settings, processes, people=people)
    async with client:
        mine = (await client.get(path, headers=token("zhang"))).json()
        [limit] = [each for each in mine["deadlines"] if each["rule"] == "R05"]
        assert (limit["caseid"], limit["state"]) == (CASE, "warned")
        assert (limit["last_day"], limit["days_left"], limit["due"]) == ("2026-03-16", 11, "2026-03-16T16:00:00.000Z")
        runs = [(each["what"], each["first"], each["last"], each["days"]) for each in limit["counted"]]
        assert ("excluded", "2026-01-15", "2026-01-24", 10) in runs
        assert runs[0] == ("start", "2026-01-05", "2026-01-05", 1)
        assert runs[-1][0] == "moved"
        assert (await streamed(client, f"/v1/judges/{JUDGE}/stream", "zhang"))["subject"] == CASE
        # His supervisor, a colleague who once had the case, and nobody in particular.
        for headers, status in ((token("li"), 403), (token("wang"), 403), ({}, 401), (token("nobody"), 401)):
            assert (await client.get(path, headers=headers)).status_code == status
            assert (await client.get(f"/v1/judges/{JUDGE}/stream", headers=headers)).status_code == status
            page = await client.get(f"/judges/{JUDGE}/deadlines", headers=headers)
            assert page.status_code == status
            assert CASE not in page.text
        assert (await client.get(f"/v1/judges/{OTHER}/deadlines", headers=token("wang"))).json()["deadlines"] == []
        seen = (await client.get("/v1/alerts", headers=token("li"))).json()["alerts"]
        assert "R05" not in {each["rule"] for each in seen}
        page = await client.get("/my", params={"lang": "zh"}, headers=token("zhang"), follow_redirects=True)
        assert "我的期限" in page.text
        assert CASE in page.text
        assert (await client.get("/v1/judges/anybody/deadlines", headers=token("zhang"))).status_code == 422
        # What speaks of all courts, or of other judges' cases, is not for one who sees what is about himself.
        assert (await client.get("/v1/sending", headers=token("li"))).json() == {"targets": [], "dead": []}
        assert (await client.get("/v1/sending", headers=token("zhang"))).status_code == 403
        assert (await client.get("/v1/shadow", headers=token("zhang"))).status_code == 403
        span = {"rule": "R05", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
        assert (await client.post("/v1/rules/backtest", json=span, headers=token("zhang"))).status_code == 403
        assert (await client.get("/v1/flow", headers=token("zhang"))).json()["longest"] == []
        assert (await client.get("/v1/flow")).status_code == 401
        assert (await client.get("/flow")).headers["location"].startswith("/sign-in?")
        # Over, and so an alert: no warning any more.
        over = msgspec.structs.replace(warned[-1], revision=2, state="open", private=False)
        async with pool.acquire() as connection, connection.transaction():
            await repository_alerts.say(connection, [over])
        assert await queries_judges.warnings_after(pool, JUDGE, 0, 10) == []
        assert (await client.get(f"/v1/alerts/{warned[-1].id}", headers=token("li"))).status_code == 200


async def test_where_nobody_can_sign_in_nobody_reads_a_desk(
    settings: CommonSettings, processes: Processes, warned: list[Revision]
) -> None:
    client = await api(settings, processes)
    async with client:
        assert (await client.get(f"/v1/judges/{JUDGE}/deadlines")).status_code == 403
        assert (await client.get(f"/judges/{JUDGE}/deadlines")).status_code == 403
        assert (await client.get("/my", follow_redirects=True)).status_code == 401
