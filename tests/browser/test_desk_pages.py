"""My deadlines, and where cases wait, in a real Chromium: both languages, light and dark, narrow and wide, readable."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
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
from balance_judge_audit import repository_flow, rulebook
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.shard import Incoming, ShardEngine, ShardState
from balance_judge_audit.flow import CaseFlow, Span, load_flow
from balance_judge_audit.life.people import load_people
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.ruletest import CASE, CLOCKS, Step, written
from playwright.async_api import Browser, Page, async_playwright
from support.contrast import CONTRAST
from support.ports import free_ports
from support.processes import Processes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SHOTS = os.environ.get("BALANCE_SCREENSHOTS")
NOW = "2026-03-05T00:00:00.000Z"
WIDTHS = {"narrow": 360, "wide": 1280}
LOOKS = [("zh", "light", "wide"), ("zh", "dark", "narrow"), ("en", "light", "narrow"), ("en", "dark", "wide")]
JUDGE, TOKEN = "r_" + "1" * 32, "a token for the test"
DAY = 86_400_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database, min_size=0, server_settings={"search_path": "audit"}) as pool:
        await migrate(pool, "balance_judge_audit", "audit")
        yield pool


async def with_case(pool: asyncpg.Pool) -> None:
    """One case whose trial limit is near its end, and whose filing is over by far."""
    steps = [
        Step(type="case.submitted", time="2026-01-02T09:00:00+08:00"),
        Step(type="case.accepted", time="2026-01-05T09:00:00+08:00", data={"procedure": "small_claims"}),
        Step(type="limit.suspended", time="2026-01-15T09:00:00+08:00", data={"action": "start", "suspension_id": "K"}),
        Step(type="limit.suspended", time="2026-01-25T09:00:00+08:00", data={"action": "resume", "suspension_id": "K"}),
        Step(type="payment.received", time="2026-01-06T09:00:00+08:00", data={"payment_id": "K-1", "amount": 5}),
    ]
    engine = ShardEngine(rulebook.load(data_dir("rules")), PlaceFinder(Courts.load(data_dir("catalogue"))), CLOCKS)
    state, cases = ShardState(0), dict[str, CaseState]()
    for shard, event in written(steps, NOW):
        if shard == 0:
            engine.apply(state, cases, [Incoming(state.applied, event, encode_event(event))])
    packed = msgspec.msgpack.encode(cases[CASE])
    await pool.execute("INSERT INTO shard VALUES (0, 6, 0, 5, $1)", parse_ms(NOW))
    await pool.execute("INSERT INTO case_state VALUES ($1, 0, $2, NULL)", CASE, packed)
    await pool.execute("INSERT INTO case_judge VALUES ($1, 0, 0, $2)", CASE, JUDGE)


async def with_flow(pool: asyncpg.Pool) -> None:
    """Forty stays in each phase, in two courts; every fifth still lasts."""
    now, spans = parse_ms(NOW), []
    for place, phase in enumerate(load_flow(data_dir("rules")).phases):
        for n in range(40):
            started = now - (60 + n) * DAY
            ended = None if n % 5 == 0 else started + (3 + place * 5 + n % 17) * DAY
            where = ("京0491" if n % 2 else "浙0192", "网络服务合同纠纷", "simplified" if n % 3 else "ordinary")
            spans.append(Span(f"（2026）京0491民初{n + 1}号", phase.id, 1, *where, started, ended))
    async with pool.acquire() as connection, connection.transaction():
        await repository_flow.save(connection, {span.caseid: CaseFlow() for span in spans}, spans)


@pytest.fixture
async def url(settings: CommonSettings, processes: Processes, pool: asyncpg.Pool, tmp_path: Path) -> str:
    people = tmp_path / "people.yaml"
    entry = {"id": "zhang", "name": "张伟", "token_sha256": token_digest(TOKEN), "staff": "J1", "role": "subject"}
    people.write_text(yaml.safe_dump({"people": [entry]}), encoding="utf-8")
    await with_case(pool)
    await with_flow(pool)
    await pool.execute("INSERT INTO person VALUES ($1, $2)", load_people(people).all[0].grant, JUDGE)
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    env = {"port": port, "people": people, "open_reading": True}
    api = processes.start("balance-judge-audit", "api", settings=settings, env=env, ready_url=f"{base}/readyz")
    await api.ready()
    return base


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def looked_at(page: Page, name: str, width: int) -> None:
    """The page fits, is readable, and is kept as a picture where somebody wants to see it."""
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    assert await page.evaluate(CONTRAST) == []


@pytest.mark.parametrize(("lang", "scheme", "width"), LOOKS)
async def test_my_deadlines_and_where_cases_wait_fit_are_readable_and_make_no_complaint(
    url: str, browser: Browser, lang: str, scheme: Any, width: str
) -> None:
    look = f"{lang}-{scheme}-{width}"
    context = await browser.new_context(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme)
    page = await context.new_page()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    await page.goto(f"{url}/flow?lang={lang}&by=procedure")
    assert await page.locator("svg .half").count() == 10
    assert await page.locator("table").count() == 3
    await looked_at(page, f"flow-{look}", WIDTHS[width])
    assert faults == []
    await page.goto(f"{url}/my?lang={lang}")
    await looked_at(page, f"desk-closed-{look}", WIDTHS[width])
    await context.set_extra_http_headers({"authorization": f"Bearer {TOKEN}"})
    await page.goto(f"{url}/my?lang={lang}")
    assert await page.locator(".due").count() >= 2
    assert await page.locator(".due.warned").count() == 1
    await page.locator(".due.warned summary").focus()
    await page.keyboard.press("Enter")
    await page.locator(".due.warned table").wait_for()
    await looked_at(page, f"desk-{look}", WIDTHS[width])
    assert [fault for fault in faults if "401" not in fault] == []
