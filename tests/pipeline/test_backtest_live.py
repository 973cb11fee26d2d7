"""A back-test over a real topic, by the command and by the API: bounded, one at a time, and honest where it cannot."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from balance_chain.core.data import data_dir
from balance_chain.core.times import format_ms
from balance_chain.runtime.settings import CommonSettings
from support.auditlog import DAY, HOUR, T0, Log
from support.ports import free_ports
from support.processes import Processes
from support.waiting import wait_until

SECONDS = 40.0
RULE = data_dir("rules") / "R01.yaml"
SPAN = {"from": format_ms(T0 - 100 * DAY), "to": format_ms(T0 + 100 * DAY)}


@pytest.fixture
async def log(topics: CommonSettings) -> Log:
    """Two filings that nobody decided on, one of them for ten days only."""
    log = Log(topics)
    await log.write(
        [
            log.event(0, "case.submitted", {}, case=1, ago=30 * DAY),
            log.event(1, "case.submitted", {}, case=2, ago=10 * DAY),
            *log.later(HOUR),
            *log.later(HOUR),
        ]
    )
    return log


@pytest.fixture
async def client(topics: CommonSettings, processes: Processes) -> AsyncIterator[httpx.AsyncClient]:
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    api = processes.start("balance-judge-audit", "api", settings=topics, env={"port": port}, ready_url=f"{base}/readyz")
    await api.ready(SECONDS)
    async with httpx.AsyncClient(base_url=base, timeout=SECONDS, trust_env=False) as client:
        yield client


def longer() -> str:
    return RULE.read_text(encoding="utf-8").replace("value: 7", "value: 14")


async def ended(client: httpx.AsyncClient, place: str) -> dict[str, Any]:
    async def done() -> dict[str, Any] | None:
        job: dict[str, Any] = (await client.get(place)).json()
        return job if job["state"] != "running" else None

    found = await wait_until(done, SECONDS)
    assert found is not None
    return found


async def test_the_api_holds_a_changed_rule_against_the_current_one_in_the_background(
    log: Log, client: httpx.AsyncClient
) -> None:
    answer = await client.post("/v1/rules/backtest", json={"rule": "R01", "rule_file": longer(), **SPAN})
    assert answer.status_code == 202, answer.text
    place = answer.headers["location"]
    again = await client.post("/v1/rules/backtest", json={"rule": "R01", **SPAN})
    assert again.status_code == 409
    assert place in again.json()["detail"]
    job = await ended(client, place)
    assert job["problem"] is None
    assert job["answer"]["counts"] == {"added": 0, "gone": 1, "same": 0, "changed": 1}
    assert job["answer"]["records"] == sum(log.applied()) == job["records"]
    assert [each["subject"] for each in job["answer"]["cases"]["gone"]] == ["（2026）京0491民初22号"]


async def test_a_question_that_cannot_be_answered_says_why(log: Log, client: httpx.AsyncClient) -> None:
    wrong = longer().replace("event: case.submitted", "event: case.imagined")
    for asked, status, field in (
        ({"rule": "R01", "rule_file": wrong}, 422, "/rule_file/deadline/starts[0]"),
        ({"rule": "R99"}, 404, "rule"),
        ({"rule": "R02", "rule_file": longer()}, 404, "rule"),
    ):
        begun = await client.post("/v1/rules/backtest", json={**asked, **SPAN})
        job = await ended(client, begun.headers["location"])
        assert job["state"] == "failed"
        assert (job["problem"]["status"], job["problem"]["field"]) == (status, field)
    backwards = {"rule": "R01", "from": SPAN["to"], "to": SPAN["from"]}
    assert (await client.post("/v1/rules/backtest", json=backwards)).status_code == 422
    assert (await client.get("/v1/rules/backtest/none")).status_code == 404


async def test_the_command_prints_what_is_gone_and_changed(
    log: Log, topics: CommonSettings, processes: Processes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("rules") / "new.yaml"
    file.write_text(longer(), encoding="utf-8")
    span = ("--from", SPAN["from"], "--to", SPAN["to"])
    run = await processes.run(
        "balance-chain", "rules", "backtest", "R01", *span, "--file", str(file), "--json", settings=topics
    )
    answer = json.loads(next(line for line in run.log.splitlines() if line.startswith("{")))
    assert answer["counts"] == {"added": 0, "gone": 1, "same": 0, "changed": 1}
    alone = await processes.run("balance-chain", "rules", "backtest", "R01", *span, settings=topics)
    assert "R01 1.0.0 against nothing" in alone.log
    assert "added 2, gone 0, same 0, changed 0" in alone.log
