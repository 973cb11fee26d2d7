"""Where cases wait, in a real Chromium: both languages, light and dark, narrow and wide, readable, no complaint."""

import os
import shutil
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from balance_chain.core.data import data_dir
from balance_chain.core.times import parse_ms
from balance_chain.runtime.db import migrate
from balance_chain.runtime.settings import CommonSettings
from balance_judge_audit import repository_flow
from balance_judge_audit.flow import CaseFlow, Span, load_flow
from playwright.async_api import Browser, async_playwright
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
DAY = 86_400_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture
async def url(settings: CommonSettings, processes: Processes, database: str) -> str:
    """Forty stays in each phase, in two courts; every fifth still lasts."""
    now, spans = parse_ms(NOW), []
    for place, phase in enumerate(load_flow(data_dir("rules")).phases):
        for n in range(40):
            started = now - (60 + n) * DAY
            ended = None if n % 5 == 0 else started + (3 + place * 5 + n % 17) * DAY
            where = ("京0491" if n % 2 else "浙0192", "网络服务合同纠纷", "simplified" if n % 3 else "ordinary")
            spans.append(Span(f"（2026）京0491民初{n + 1}号", phase.id, 1, *where, started, ended))
    async with asyncpg.create_pool(database, min_size=0, server_settings={"search_path": "audit"}) as pool:
        await migrate(pool, "balance_judge_audit", "audit")
        await pool.execute("INSERT INTO shard VALUES (0, 6, 0, 5, $1)", now)
        async with pool.acquire() as connection, connection.transaction():
            await repository_flow.save(connection, {span.caseid: CaseFlow() for span in spans}, spans)
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    api = processes.start(
        "balance-judge-audit", "api", settings=settings, env={"port": port}, ready_url=f"{base}/readyz"
    )
    await api.ready()
    return base


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.mark.parametrize(("lang", "scheme", "width"), LOOKS)
async def test_the_page_fits_is_readable_and_shows_every_phase(
    url: str, browser: Browser, lang: str, scheme: Any, width: str
) -> None:
    page = await browser.new_page(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    await page.goto(f"{url}/flow?lang={lang}&by=procedure")
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/flow-{lang}-{scheme}-{width}.png", full_page=True)
    assert await page.locator("svg .half").count() == 10
    assert await page.locator("table").count() == 3
    assert await page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
    assert await page.evaluate(CONTRAST) == []
    assert faults == []
