"""What people do with an alert goes through the gateway, is sealed, and counts when it comes back from the log."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest
import yaml
from balance_chain.core.sources import token_digest
from balance_chain.runtime.settings import CommonSettings
from support.intake import an_event
from support.ports import free_ports
from support.processes import Processes
from support.waiting import wait_until

SECONDS = 60.0
CASES, CASES_TOKEN = "urn:test:case-system", "token-of-the-case-system"
AUDIT, AUDIT_TOKEN = "urn:test:judge-audit", "token-of-judge-audit"
CASE = "（2026）京0491民初123号"
PEOPLE = [
    {"id": "mo", "name": "Mo", "staff": "X1", "role": "monitor", "courts": ["京0491"]},
    {"id": "su", "name": "Su", "staff": "X2", "role": "supervisor", "courts": ["*"]},
    {"id": "far", "name": "Far", "staff": "X3", "role": "presiding", "courts": ["浙0192"]},
    {"id": "judge", "name": "Judge", "staff": "J44", "role": "subject", "courts": []},
    {"id": "other", "name": "Other", "staff": "J31", "role": "subject", "courts": []},
    {"id": "dep", "name": "Dep", "staff": "X5", "role": "supervisor", "courts": ["*"], "deputy_of": ["judge"]},
]


@dataclass
class Court:
    """A ledger with its people."""

    url: str
    gateway: str
    client: httpx.AsyncClient
    sent: int = 0
    acts: list[str] = field(default_factory=list)

    async def publish(self, type_: str, **data: Any) -> None:
        self.sent += 1
        event = an_event(self.sent, CASES, type=type_, subject=CASE, data=data, time=f"2026-03-0{self.sent}T02:00:00Z")
        headers = {"authorization": f"Bearer {CASES_TOKEN}", "content-type": "application/cloudevents+json"}
        answer = await self.client.post(f"{self.gateway}/v1/events", content=json.dumps(event), headers=headers)
        assert answer.status_code == 202, answer.text

    async def get(self, who: str | None, path: str) -> httpx.Response:
        return await self.client.get(f"{self.url}{path}", headers=as_(who))

    async def act(self, who: str | None, alert: str, act: str, **more: Any) -> httpx.Response:
        body = {"id": f"{act}-{len(self.acts)}", "act": act, **more}
        self.acts.append(act)
        return await self.client.post(f"{self.url}/v1/alerts/{alert}/actions", json=body, headers=as_(who))

    async def life(self, alert: str, who: str = "su") -> dict[str, Any]:
        answer = await self.get(who, f"/v1/alerts/{alert}")
        assert answer.status_code == 200, answer.text
        life: dict[str, Any] = answer.json()["life"]
        return life

    async def becomes(self, alert: str, stage: str) -> dict[str, Any]:
        async def there() -> dict[str, Any] | None:
            life = await self.life(alert)
            return life if life["stage"] == stage and not life["waiting"] else None

        life: dict[str, Any] = await wait_until(there, SECONDS, f"the alert is {stage}")
        return life


def as_(who: str | None) -> dict[str, str]:
    return {} if who is None else {"authorization": f"Bearer token-of-{who}"}


@pytest.fixture
def partitions() -> int:
    return 1


@pytest.fixture
async def court(topics: CommonSettings, processes: Processes) -> AsyncIterator[Court]:
    register = [
        {"uri": uri, "transport": "http", "token_sha256": token_digest(token), "types": types, "courts": ["*"]}
        | {"staff": "urn:test:staff"}
        for uri, token, types in (
            (CASES, CASES_TOKEN, ["*"]),
            (AUDIT, AUDIT_TOKEN, ["alert.raised", "alert.acted", "alert.closed", "role.changed"]),
        )
    ]
    topics.sources.write_text(yaml.safe_dump({"sources": register}), encoding="utf-8")
    people = topics.sources.parent / "people.yaml"
    entries = [{**each, "token_sha256": token_digest(f"token-of-{each['id']}")} for each in PEOPLE]
    people.write_text(yaml.safe_dump({"people": entries}), encoding="utf-8")
    await asyncio.gather(
        *(processes.run(f"balance-{name}", "migrate", settings=topics) for name in ("intake", "judge-audit"))
    )
    ports = free_ports(4)
    gateway, api = f"http://127.0.0.1:{ports[0]}", f"http://127.0.0.1:{ports[3]}"
    common = {"audit_source": AUDIT}
    started = [
        processes.start(
            *("balance-intake", "gateway"), settings=topics, env={"port": ports[0]}, ready_url=f"{gateway}/readyz"
        ),
        processes.start(
            *("balance-intake", "normaliser"), settings=topics, env={"health_port": ports[1], "genesis": 1},
            ready_url=f"http://127.0.0.1:{ports[1]}/readyz",
        ),
        processes.start(
            *("balance-judge-audit", "worker"), settings=topics, ready_url=f"http://127.0.0.1:{ports[2]}/readyz",
            env={**common, "health_port": ports[2], "gateway_url": gateway, "audit_token": AUDIT_TOKEN},
        ),
        processes.start(
            *("balance-judge-audit", "api"), settings=topics, ready_url=f"{api}/readyz",
            env={**common, "port": ports[3], "people": people},
        ),
    ]  # fmt: skip
    await asyncio.gather(*(each.ready(SECONDS) for each in started))
    async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
        yield Court(api, gateway, client)


async def raised(court: Court) -> str:
    """The case changes hands twice: R20."""
    by = [{"role": "judge", "id": "J44"}]
    await court.publish("judge.assigned", actors=by, judge={"id": "J31"}, role="responsible", mode="random")
    for judge in ("J31", "J44"):
        await court.publish("judge.reassigned", actors=by, judge={"id": judge}, reason="other")

    async def found() -> str | None:
        answer = await court.get("su", "/v1/alerts?rule=R20")
        assert answer.status_code == 200, answer.text
        alerts = answer.json()["alerts"]
        return alerts[0]["id"] if alerts and alerts[0]["stage"] == "raised" else None

    alert: str = await wait_until(found, SECONDS, "R20 is raised")

    async def known() -> bool:
        """The roles of all are sealed, the last one last: an act of somebody unknown would be a matter of waiting."""
        answer = await court.act("dep", alert, "comment", reason="我在")
        return answer.status_code == 202

    await wait_until(known, SECONDS, "the roles are sealed")
    return alert


async def test_an_alert_lives_from_raised_to_closed_and_opens_again_and_nothing_said_is_lost(
    court: Court, topics: CommonSettings
) -> None:
    alert = await raised(court)
    await who_sees_it(court, alert)
    await illegal_acts_are_refused(court, alert)

    first = await court.client.post(
        f"{court.url}/v1/alerts/{alert}/actions", json={"id": "ack-1", "act": "acknowledge"}, headers=as_("mo")
    )
    assert first.status_code == 202, first.text
    assert first.json()["state"] in ("pending", "sent", "sealed")
    assert (await court.act("su", alert, "acknowledge")).json()["type"].endswith("wrong_stage")
    life = await court.becomes(alert, "acknowledged")
    again = await court.client.post(
        f"{court.url}/v1/alerts/{alert}/actions", json={"id": "ack-1", "act": "acknowledge"}, headers=as_("mo")
    )
    assert (again.status_code, again.json()["event"]) == (202, first.json()["event"])
    assert again.json()["state"] == "sealed"
    assert again.json()["receipt"]["id"] == first.json()["event"]
    other = await court.client.post(
        f"{court.url}/v1/alerts/{alert}/actions",
        json={"id": "ack-1", "act": "comment", "reason": "x"},
        headers=as_("mo"),
    )
    assert other.status_code == 409
    assert life["timeline"][0]["name"] == "Mo"
    assert life["timeline"][0]["proof"].endswith("/proof")

    early = await court.act("su", alert, "dismiss", verdict="excused", reason="有正当理由")
    assert early.status_code == 409
    assert early.json()["type"].endswith("unheard")
    assert life["reply_until"] in early.json()["errors"][0]["remedy"]
    assert (await court.act("judge", alert, "respond", reason="当事人申请回避")).status_code == 202

    async def heard() -> bool:
        return len((await court.life(alert))["replied"]) == 1

    await wait_until(heard, SECONDS, "the reply is sealed")
    assert (await court.act("su", alert, "dismiss", verdict="excused", reason="有正当理由")).status_code == 202
    await court.becomes(alert, "dismissed")
    assert (await court.act("su", alert, "close")).status_code == 202
    closed = await court.becomes(alert, "closed")
    assert (closed["cause"], closed["verdict"]) == ("dismissed", "excused")
    assert {"当事人申请回避", "有正当理由"} <= {line["reason"] for line in closed["timeline"]}

    for judge in ("J31", "J44"):
        await court.publish(
            "judge.reassigned", actors=[{"role": "judge", "id": "J44"}], judge={"id": judge}, reason="other"
        )
    opened = await court.becomes(alert, "reopened")
    # Each of the two changes of hands may be a revision of its own: the first of them re-opens.
    said_since = opened["timeline"][: -len(closed["timeline"])]
    assert [(line["kind"], line["reopened"]) for line in said_since][-1] == ("revision", True)
    assert sum(line["reopened"] for line in said_since) == 1
    assert opened["timeline"][-len(closed["timeline"]) :] == closed["timeline"]
    assert (await court.get("su", "/v1/alerts?stage=reopened")).json()["alerts"][0]["id"] == alert
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(asyncpg.create_pool(topics.database, min_size=0))
        assert await pool.fetchval("SELECT count(*) FROM audit.action WHERE state <> 'sealed'") == 0
        assert await pool.fetchval("SELECT count(*) FROM audit.action WHERE event IS NOT NULL") == 0


async def who_sees_it(court: Court, alert: str) -> None:
    """Everybody sees what is his: his courts, or what is about himself."""
    assert (await court.get(None, "/v1/alerts")).status_code == 401
    assert (await court.get("nobody", "/v1/alerts")).status_code == 401
    assert (await court.get("far", f"/v1/alerts/{alert}")).status_code == 404
    assert (await court.get("far", "/v1/alerts")).json()["alerts"] == []
    assert (await court.get("other", f"/v1/alerts/{alert}")).status_code == 404
    assert (await court.get("judge", f"/v1/alerts/{alert}")).status_code == 200
    assert [each["id"] for each in (await court.get("judge", "/v1/alerts?rule=R20")).json()["alerts"]] == [alert]
    assert (await court.act("far", alert, "acknowledge")).status_code == 404
    assert (await court.act(None, alert, "acknowledge")).status_code == 401


async def illegal_acts_are_refused(court: Court, alert: str) -> None:
    """Each with its reason, and none is sealed."""
    for who, act, code, status in (
        ("judge", "acknowledge", "role", 403),
        ("dep", "acknowledge", "deputy", 403),
        ("mo", "dismiss", "role", 403),
        ("mo", "respond", "not_subject", 403),
        ("su", "close", "wrong_stage", 409),
        ("su", "assign", "no_assignee", 409),
        ("mo", "comment", "no_reason", 409),
    ):
        answer = await court.act(who, alert, act)
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (status, code), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await court.act("su", alert, "fly")).status_code == 422
