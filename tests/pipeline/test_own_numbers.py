"""Whatever crashes when and whatever the gateway answers: no number of our own counter goes to two events, and none is
left out.

The real sender over a real PostgreSQL, and a gateway that may lose requests and answers, take a part, refuse for good
or as things stand, or have an event already.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import asyncpg
import httpx
import pytest
from balance_chain.core import canonical
from balance_chain.runtime.db import AWAY, connect, migrate
from balance_judge_audit import gatewaysender, repository_alerts, repository_numbers
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.errors import NotTaken
from balance_judge_audit.gatewaysender import GatewaySender
from balance_judge_audit.settings import WorkerSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from support.waiting import wait_until

TABLES = "own_event, freed_sequence, outbox, action, undeliverable, alert, alert_revision"
BATCH = 6
SECONDS = 20.0
SOURCE = "urn:balance-demo:judge-audit"


class Crash(Exception):
    """The worker dies here."""


@dataclass
class FakeGateway:
    """What the gateway has, by event id: the bytes that it was given first."""

    has: dict[str, bytes] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    forbidden: bool = False
    most: int = 100
    mode: str = "well"
    during: Callable[[], Awaitable[None]] | None = None
    requests: list[list[str]] = field(default_factory=list)
    parents: list[str | None] = field(default_factory=list)

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return self.receipt(unquote(request.url.raw_path.decode()).removeprefix(f"/v1/receipts/{SOURCE}/"))
        mode, self.mode = self.mode, "well"
        lines = request.content.split(b"\n")
        self.parents.append(request.headers.get("traceparent"))
        self.requests.append([json.loads(each)["id"] for each in lines])
        if mode == "lost":
            raise httpx.ConnectError("away")
        if mode == "crash":
            raise Crash
        if len(lines) > self.most:
            return httpx.Response(413)
        results = [self.take(each) for each in (lines[: len(lines) // 2] if mode == "half" else lines)]
        if self.during is not None:
            during, self.during = self.during, None
            await during()
        if mode == "half":
            return httpx.Response(503)
        if mode == "unheard":
            raise Crash
        if mode == "garbled":
            return httpx.Response(200, text="<html>")
        return httpx.Response(207, json=results)

    def receipt(self, id_: str) -> httpx.Response:
        if id_ not in self.has:
            return httpx.Response(404)
        digest = hashlib.sha256(canonical.encode(json.loads(self.has[id_]))).hexdigest()
        return httpx.Response(200, json={"state": "pending", "receipt": {"digest": digest}})

    def take(self, value: bytes) -> dict[str, Any]:
        id_ = json.loads(value)["id"]
        if id_ in self.refused:
            return {"status": 422, "problem": {"status": 422}}
        if self.forbidden:
            return {"status": 403, "problem": {"status": 403}}
        known = self.has.setdefault(id_, value)
        if known != value:
            return {"status": 409, "problem": {"status": 409}}
        return {"status": 202, "receipt": {"id": id_}}

    def numbers(self) -> list[int]:
        """The numbers of what it has from this sender."""
        return sorted(int(json.loads(self.has[each])["sequence"]) for each in self.has.keys() - self.foreign)


@dataclass
class World:
    """A sender, its gateway and its database."""

    pool: asyncpg.Pool
    settings: WorkerSettings
    gateway: FakeGateway
    said: int = 0

    def sender(self) -> GatewaySender:
        return GatewaySender(self.settings, self.pool, httpx.MockTransport(self.gateway.handle))

    async def say(self, count: int, kind: str = "well") -> None:
        """Alerts that the gateway takes, refuses, or has already."""
        async with self.pool.acquire() as connection, connection.transaction():
            for _ in range(count):
                self.said += 1
                revision = Revision(
                    id=f"a{self.said}", revision=1, rule="R14", version="1.0.0", severity="H", state="open",
                    private=False, subject="s", start="case", courtcode=None, shard=0,
                    judged="2026-03-02T02:00:00.000Z", triggers=(), numbers={},
                )  # fmt: skip
                await repository_alerts.say(connection, [revision])
                if kind == "refused":
                    self.gateway.refused.add(f"a{self.said}.1")
                if kind == "known":
                    self.gateway.has[f"a{self.said}.1"] = b'{"another":"event"}'
                    self.gateway.foreign.add(f"a{self.said}.1")

    async def act(self) -> None:
        self.said += 1
        event = {"id": f"act{self.said}", "source": SOURCE}
        await self.pool.execute(
            "INSERT INTO action (event_id, person, digest, event) VALUES ($1, 'p', '', $2)",
            *(event["id"], json.dumps(event)),
        )

    async def step(self, mode: str) -> None:
        """One step of a sender that may die of it; the next step is another's."""
        sender, self.gateway.mode = self.sender(), mode
        try:
            await sender.step()
        except (Crash, NotTaken, httpx.HTTPError, gatewaysender.GatewayUnclear):
            pass
        finally:
            await sender.close()

    async def drain(self) -> None:
        while await repository_numbers.waiting(self.pool):
            await self.step("well")

    async def freed(self) -> list[int]:
        return [row[0] for row in await self.pool.fetch("SELECT number FROM freed_sequence ORDER BY number")]

    async def next(self) -> int:
        return int(await self.pool.fetchval("SELECT next FROM own_sequence"))


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def world(runner: asyncio.Runner, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(gatewaysender, "BATCH", BATCH)
    own = WorkerSettings(database=database, audit_token=SecretStr("t"), audit_source=SOURCE)

    async def open_() -> asyncpg.Pool:
        pool = await connect(own, "audit", by_key=True)
        await migrate(pool, "balance_judge_audit", "audit")
        return pool

    pool = runner.run(open_())
    yield World(pool, own, FakeGateway())
    runner.run(pool.close())


MODES = ("well", "crash", "lost", "half", "unheard", "garbled")
STEPS = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(["well", "well", "refused", "known"])),
    st.tuples(st.just("act"), st.just("")),
    st.tuples(st.just("step"), st.sampled_from(MODES)),
    st.tuples(st.just("gateway"), st.sampled_from(["forbids", "allows", "few", "many", "refuses more"])),
)


async def play(world: World, script: list[tuple[str, str]]) -> None:
    gateway = world.gateway = FakeGateway()
    await world.pool.execute(f"TRUNCATE {TABLES}")
    await world.pool.execute("UPDATE own_sequence SET next = 1")
    for what, how in script:
        match what, how:
            case "say", kind:
                await world.say(2, kind)
            case "act", _:
                await world.act()
            case "step", mode:
                await world.step(mode)
            case _, "forbids" | "allows":
                gateway.forbidden = how == "forbids"
            case _, "few" | "many":
                gateway.most = 1 if how == "few" else 100
            case _:
                gateway.refused.add(f"a{world.said}.1")
        numbers = gateway.numbers()
        assert len(numbers) == len(set(numbers)), "a number of two events"
    gateway.forbidden = False
    await world.drain()
    freed = await world.freed()
    assert sorted([*gateway.numbers(), *freed]) == list(range(1, await world.next())), "a number is lost, or had twice"
    await world.say(len(freed) + 1)
    await world.drain()
    assert await world.freed() == []
    assert gateway.numbers() == list(range(1, await world.next()))


@given(st.lists(STEPS, max_size=24))
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_number_is_had_twice_and_none_is_left_out(
    world: World, runner: asyncio.Runner, script: list[tuple[str, str]]
) -> None:
    runner.run(play(world, script))


@pytest.mark.parametrize("mode", ["crash", "unheard"])
def test_a_crash_before_or_after_the_request_neither_loses_nor_doubles_a_number(
    world: World, runner: asyncio.Runner, mode: str
) -> None:
    runner.run(play(world, [("say", "well"), ("step", mode), ("act", ""), ("step", "well")]))


def test_one_that_was_taken_unheard_and_is_refused_afterwards_keeps_its_number(
    world: World, runner: asyncio.Runner
) -> None:
    for later in ("forbids", "refuses more"):
        script = [("say", "well"), ("step", "unheard"), ("gateway", later), ("step", "well"), ("say", "well")]
        runner.run(play(world, [*script, ("gateway", "allows"), ("step", "well")]))


def test_acts_go_first_and_keep_their_receipts(world: World, runner: asyncio.Runner) -> None:
    async def acts() -> None:
        await world.say(BATCH + 1)
        await world.act()
        await world.step("well")
        act = f"act{world.said}"
        assert world.gateway.requests[0] == [act, *(f"a{n}.1" for n in range(1, BATCH + 1))]
        row = await world.pool.fetchrow("SELECT state, answer FROM action")
        assert row is not None
        assert (row["state"], json.loads(row["answer"])) == ("sent", {"id": act})

    runner.run(acts())


def test_each_request_is_of_the_span_that_judged_all_of_it(world: World, runner: asyncio.Runner) -> None:
    async def spans() -> None:
        await world.say(5)
        for trace, numbers in (("one", [1, 2]), ("two", [3])):
            await world.pool.execute(
                "UPDATE outbox SET traceparent = $1 WHERE id = ANY($2)", trace, [f"a{number}" for number in numbers]
            )
        await world.drain()
        assert world.gateway.requests == [["a1.1", "a2.1"], ["a3.1"], ["a4.1", "a5.1"]]
        assert world.gateway.parents == ["one", "two", None]

    runner.run(spans())


def test_a_full_request_is_followed_at_once_and_any_other_after_a_pace(world: World) -> None:
    assert gatewaysender.pace(BATCH) == 0
    assert gatewaysender.pace(BATCH - 1) == gatewaysender.PACE_SECONDS


def test_only_one_sends_and_who_was_given_up_settles_nothing(world: World, runner: asyncio.Runner) -> None:
    async def others() -> None:
        first, second = world.sender(), world.sender()

        async def beside() -> None:
            """In the middle of the first one's request."""
            assert await second.step() == 0
            await world.pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                repository_numbers.SENDER_LOCK,
            )

            async def took_over() -> bool:
                return await second.step() == 2

            await wait_until(took_over, SECONDS, "the second one sends")
            await world.say(1)
            assert await second.step() == 1

        await world.say(2)
        world.gateway.during = beside
        with pytest.raises(AWAY):
            await first.step()
        await first.close()
        await second.close()
        assert world.gateway.numbers() == [1, 2, 3]
        assert not await repository_numbers.waiting(world.pool)
        assert await world.freed() == []

    runner.run(others())
