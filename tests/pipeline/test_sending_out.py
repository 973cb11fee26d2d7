"""Alerts are sent out at least once and signed, whatever the receiver does; private warnings never are."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from balance_chain.core.times import format_ms
from balance_chain.runtime.db import migrate
from balance_judge_audit import repository_alerts, repository_sending
from balance_judge_audit.engine.alerts import Revision, State, alert_id
from balance_judge_audit.loading import load_book
from balance_judge_audit.rebuild import carry_over
from balance_judge_audit.sending.routes import load_plan
from balance_judge_audit.sending.sender import Courier
from balance_judge_audit.settings import SenderSettings
from support.ports import free_ports
from support.processes import Processes
from support.receiver import BREAK_OFF, HANG, Receiver
from support.waiting import wait_until

SECRET = b"0123456789abcdef0123456789abcdef"
T0 = 1_772_000_000_000
SECONDS = 60.0
Make = Callable[[str, str], tuple[SenderSettings, Courier]]


def revision(
    rule: str = "R01",
    case: int = 1,
    number: int = 1,
    *,
    severity: str = "H",
    state: State = "open",
    private: bool = False,
) -> Revision:
    subject = f"（2026）京0491民初{case}号"
    return Revision(
        id=alert_id(rule, "1", subject, "case"), revision=number, rule=rule, version="1.0.0", severity=severity,
        state=state, private=private, subject=subject, start="case", courtcode="京0491", shard=0,
        judged=format_ms(T0 + case * 1000 + number), triggers=(), numbers={"acts": number},
    )  # fmt: skip


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database, min_size=0, server_settings={"search_path": "audit"}) as pool:
        await migrate(pool, "balance_judge_audit", "audit")
        yield pool


@pytest.fixture
def make(pool: asyncpg.Pool, database: str, tmp_path: Path) -> Make:
    """A courier to one target, with short waits."""

    def made(target: str, routes: str) -> tuple[SenderSettings, Courier]:
        file = planned(tmp_path, target, routes)
        settings = SenderSettings(
            database=database,
            sending=file,
            sending_attempts=4,
            sending_retry_seconds=0.01,
            sending_wait_seconds=0.05,
            sending_timeout_seconds=0.5,
        )
        plan = load_plan(file)
        return settings, Courier(settings, plan, plan.targets["there"], load_book(settings), pool)

    return made


def planned(folder: Path, target: str, routes: str) -> Path:
    (folder / "secret").write_text("whsec_" + base64.b64encode(SECRET).decode(), encoding="utf-8")
    file = folder / "sending.yaml"
    file.write_text(
        f"targets:\n  - {{name: there, {target}}}\nroutes:\n  - {{to: [there]{routes}}}\n", encoding="utf-8"
    )
    return file


async def say(pool: asyncpg.Pool, *revisions: Revision) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await repository_alerts.say(connection, revisions)


async def until_nothing_waits(courier: Courier, pool: asyncpg.Pool) -> None:
    """Steps until all is delivered or given up."""

    async def done() -> bool:
        await courier.step()
        waiting, _ = (await repository_sending.counts(pool)).get("there", (0, 0))
        return waiting == 0

    await wait_until(done, SECONDS)


def genuine(got: Any) -> bool:
    """What docs/sending-out.md tells a receiver to check."""
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = base64.b64encode(hmac.new(SECRET, content, hashlib.sha256).digest()).decode()
    return hmac.compare_digest(got.headers["webhook-signature"], f"v1,{expected}")


async def test_what_is_routed_arrives_signed_and_a_private_warning_never_does(pool: asyncpg.Pool, make: Make) -> None:
    async with Receiver() as there:
        _, courier = make(f"webhook: '{there.url}/in', secret_file: secret", ", severities: [H]")
        await say(pool, revision(case=9))  # said before there was a target: history is not sent
        await courier.step()
        await say(
            pool,
            revision(case=1),
            revision("R05", 2, state="warning", private=True),
            revision("R18", 3, severity="C"),
            revision(case=1, number=2, state="cured"),
        )
        await until_nothing_waits(courier, pool)
        got = await there.has(2)
        await courier.step()
        assert [json.loads(each.body)["type"] for each in got] == ["alert.open", "alert.cured"]
        assert {json.loads(each.body)["data"]["subject"] for each in got} == {"（2026）京0491民初1号"}
        assert all(genuine(each) for each in got)
        assert {each.path for each in got} == {"/in"}


async def test_a_receiver_that_refuses_hangs_and_breaks_off_gets_the_same_delivery_again(
    pool: asyncpg.Pool, make: Make
) -> None:
    async with Receiver([500, HANG, BREAK_OFF]) as there:
        _, courier = make(f"webhook: '{there.url}', secret_file: secret", "")
        await courier.step()
        await say(pool, revision())
        await until_nothing_waits(courier, pool)
        assert len(there.got) == 4
        assert len({each.headers["webhook-id"] for each in there.got}) == 1
        assert len({each.body for each in there.got}) == 1
        assert all(genuine(each) for each in there.got)
        assert await repository_sending.dead(pool, 10) == []


async def test_what_is_given_up_is_seen_and_can_be_tried_again(pool: asyncpg.Pool, make: Make) -> None:
    async with Receiver([503] * 4 + [410]) as there:
        _, courier = make(f"webhook: '{there.url}', secret_file: secret", "")
        await courier.step()
        await say(pool, revision())
        await until_nothing_waits(courier, pool)
        [dead] = await repository_sending.dead(pool, 10)
        assert (dead.target, dead.attempts) == ("there", 4)
        assert dead.problem.startswith("answered 503")
        assert await repository_sending.again(pool, "elsewhere") == 0
        assert await repository_sending.again(pool, "there") == 1
        await until_nothing_waits(courier, pool)
        # The receiver says that it wants no more: given up at once.
        assert [each.attempts for each in await repository_sending.dead(pool, 10)] == [1]
        assert await repository_sending.again(pool, None) == 1
        await until_nothing_waits(courier, pool)
        assert await repository_sending.dead(pool, 10) == []
        assert len(there.got) == 6


async def test_a_receiver_may_ask_for_a_wait_but_not_for_a_long_one(pool: asyncpg.Pool, make: Make) -> None:
    async with Receiver([429], {"retry-after": "86400"}) as there:
        _, courier = make(f"webhook: '{there.url}', secret_file: secret", "")
        await courier.step()
        await say(pool, revision())
        await until_nothing_waits(courier, pool)
        assert len(there.got) == 2


async def test_two_senders_deliver_each_revision_once_between_them(pool: asyncpg.Pool, make: Make) -> None:
    async with Receiver() as there:
        _, one = make(f"webhook: '{there.url}', secret_file: secret", "")
        _, other = make(f"webhook: '{there.url}', secret_file: secret", "")
        await one.step()
        await say(pool, *(revision(case=case) for case in range(40)))
        while any(await asyncio.gather(one.step(), other.step())):
            pass
        ids = [each.headers["webhook-id"] for each in await there.has(40)]
        assert len(ids) == len(set(ids)) == 40


async def test_alertmanager_is_told_what_stands_and_what_is_cured(pool: asyncpg.Pool, make: Make) -> None:
    async with Receiver() as there:
        _, courier = make(f"alertmanager: '{there.url}'", ", rules: [R01]")
        await courier.step()
        await say(pool, revision(case=1), revision(case=2), revision("R05", 3, state="warning", private=True))
        await say(pool, revision(case=2, number=2, state="cured"), revision("R18", 4))
        await until_nothing_waits(courier, pool)
        told = [json.loads(each.body) for each in await there.has(3)]
        assert {each.path for each in there.got} == {"/api/v2/alerts"}
        assert [(len(each), each[0]["labels"]["alertname"]) for each in told] == [(1, "R01")] * 3
        await courier.refresh()
        [again] = json.loads((await there.has(4))[3].body)
        assert again["labels"]["subject"] == "（2026）京0491民初1号"
        assert again["endsAt"] > again["startsAt"]


async def test_a_rebuild_sends_nothing_again(pool: asyncpg.Pool, make: Make) -> None:
    async with Receiver() as there:
        _, courier = make(f"webhook: '{there.url}', secret_file: secret", "")
        await courier.step()
        await say(pool, revision(case=1))
        await until_nothing_waits(courier, pool)
        await migrate(pool, "balance_judge_audit", "audit_rebuild")
        async with pool.acquire() as connection, connection.transaction():
            await carry_over(connection, "audit", "audit_rebuild")
            kept = await connection.fetch("SELECT target, number FROM audit_rebuild.sending_cursor")
            assert [tuple(row) for row in kept] == [
                tuple(row) for row in await connection.fetch("SELECT target, number FROM audit.sending_cursor")
            ]


async def test_the_process_sends_while_another_receiver_hangs(
    pool: asyncpg.Pool, database: str, processes: Processes, tmp_path: Path
) -> None:
    async with Receiver() as good, Receiver([HANG] * 100) as bad:
        (tmp_path / "secret").write_text("whsec_" + base64.b64encode(SECRET).decode(), encoding="utf-8")
        file = tmp_path / "sending.yaml"
        file.write_text(
            f"targets:\n  - {{name: bad, webhook: '{bad.url}', secret_file: secret}}\n"
            f"  - {{name: good, webhook: '{good.url}', secret_file: secret}}\nroutes:\n  - {{to: [bad, good]}}\n",
            encoding="utf-8",
        )
        [port] = free_ports(1)
        env = {"BALANCE_DATABASE": database, "BALANCE_SENDING": file, "BALANCE_HEALTH_PORT": port}
        sender = processes.start("balance-judge-audit", "send", settings=None, env=env)
        begun = "SELECT count(*) = 2 FROM sending_cursor"
        await wait_until(lambda: pool.fetchval(begun), SECONDS, f"both targets have begun; {sender.log}")
        await say(pool, *(revision(case=case) for case in range(30)))
        await good.has(30, SECONDS)
        await bad.has(1, SECONDS)
        sender.terminate()
        assert await sender.ended() == 0
