"""The rule book's pages in a real Chromium: both languages, light and dark, narrow and wide, readable, no complaint."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from balance_chain.core.data import data_dir
from balance_chain.core.times import format_ms
from balance_chain.runtime.db import connect, migrate
from balance_chain.runtime.settings import CommonSettings
from balance_judge_audit import repository_alerts, repository_rules
from balance_judge_audit.engine.alerts import Revision, alert_id
from balance_judge_audit.rulechanges import Change
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
T0 = 1_772_000_000_000
WIDTHS = {"narrow": 360, "wide": 1280}
LOOKS = [(lang, scheme, width) for lang in ("zh", "en") for scheme in ("light", "dark") for width in WIDTHS]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def late(days: int, period: str) -> Revision:
    subject, start = "（2026）京0491民初88号", "2026-02-25T06:13:20.000Z"
    numbers: dict[str, str | int] = {"period": period, "last_day": "2026-03-09", "late_days": days}
    return Revision(
        id=alert_id("R01", "1", subject, start), revision=1, rule="R01", version="1.0.0", severity="H", state="open",
        private=False, subject=subject, start=start, courtcode="京0491", shard=0, judged=format_ms(T0), triggers=(),
        numbers=numbers,
    )  # fmt: skip


@pytest.fixture
async def url(settings: CommonSettings, processes: Processes, tmp_path: Path) -> str:
    trial = tmp_path / "trial"
    trial.mkdir()
    shutil.copy(data_dir("rules") / "R01.yaml", trial)
    for schema, said in (("audit", late(9, "7 days")), ("audit_shadow", late(2, "14 days"))):
        pool = await connect(settings, schema, size=1)
        await migrate(pool, "balance_judge_audit", schema)
        async with pool.acquire() as connection, connection.transaction():
            await repository_alerts.say(connection, [said])
            await repository_rules.note_changes(connection, list(changes()))
        await pool.close()
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    env = {"port": port, "shadow_rules": trial}
    api = processes.start("balance-judge-audit", "api", settings=settings, env=env, ready_url=f"{base}/readyz")
    await api.ready()
    return base


def changes() -> list[Change]:
    source = "urn:balance-demo:judge-audit"
    return [
        Change(source, f"c{n}", rule, before, after, "9f" * 32, T0 + n, T0 + n, 0, n, "ab" * 32)
        for n, (rule, before, after) in enumerate(
            [("R01", None, "1.0.0"), ("R01", "1.0.0", "1.1.0"), ("R99", "2.0.0", "withdrawn")]
        )
    ]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.mark.parametrize(("lang", "scheme", "width"), LOOKS)
async def test_the_rule_book_and_a_rule_fit_are_readable_and_make_no_complaint(
    url: str, browser: Browser, lang: str, scheme: Any, width: str
) -> None:
    page = await browser.new_page(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    for path, name in (("/rules", "rules"), ("/rules/R01", "rule")):
        await page.goto(f"{url}{path}?lang={lang}")
        if SHOTS:
            await page.screenshot(path=f"{SHOTS}/{name}-{lang}-{scheme}-{width}.png", full_page=True)
        assert await page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
        assert await page.evaluate(CONTRAST) == []
        assert await page.locator("table").count() >= 2
    assert faults == []
    assert await page.locator("td", has_text="1.0.0 → 1.1.0").count() == 1


async def test_a_rule_that_is_not_there_is_said_so_in_a_page(url: str, browser: Browser) -> None:
    page = await browser.new_page()
    answer = await page.goto(f"{url}/rules/R77?lang=en")
    assert answer is not None
    assert answer.status == 404
    assert "no such rule" in await page.locator("h1").inner_text()
