"""The alert page in a real Chromium: both languages, light and dark, narrow and wide, live, by keyboard, under
a strict policy.
"""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from balance_chain.core.times import format_ms
from balance_chain.runtime.settings import CommonSettings
from balance_judge_audit import repository_alerts
from balance_judge_audit.engine.alerts import Revision, State, Trigger, alert_id
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeout
from support.ports import free_ports
from support.processes import Processes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SHOTS = os.environ.get("BALANCE_SCREENSHOTS")
T0 = 1_772_000_000_000
CASE = "（2026）京0491民初88号"
WIDTHS = {"narrow": 360, "wide": 1280}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def revision(
    rule: str, severity: str, subject: str, numbers: dict[str, str | int], number: int = 1, state: State = "open"
) -> Revision:
    times = {"judged": format_ms(T0 + number), "courtcode": "京0491" if subject == CASE else None}
    seen = Trigger("start", "urn:balance-demo:case-system", "e-1", "case.submitted", format_ms(T0), "9f" * 32, 3, 0)
    start = "2026-02-25T06:13:20.000Z"
    return Revision(
        id=alert_id(rule, "1", subject, start), revision=number, rule=rule, version="1.0.0", severity=severity,
        state=state, private=False, subject=subject, start=start, shard=0, triggers=(seen,), numbers=numbers, **times,
    )  # fmt: skip


LATE = revision(
    "R01", "H", CASE, {"period": "7 days", "counted_from": "next_day", "last_day": "2026-03-09", "late_days": 2}
)
FIRST = [
    LATE,
    revision("R18", "C", CASE, {"acts": 1}),
    revision("R36", "M", "us-nysb/15-10001", {"count_at_least": 4, "limit": 1}),
    revision("R38", "C", "urn:balance-demo:access-gate", {"first_missing": 7, "last_missing": 9, "missing": 3}),
]


@pytest.fixture
async def pool(settings: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(settings.database, min_size=0, server_settings={"search_path": "audit"}) as pool:
        yield pool


@pytest.fixture
async def url(settings: CommonSettings, processes: Processes, pool: asyncpg.Pool) -> str:
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    api = processes.start(
        "balance-judge-audit", "api", settings=settings, env={"port": port}, ready_url=f"{base}/readyz"
    )
    await api.ready()
    async with pool.acquire() as connection, connection.transaction():
        await repository_alerts.say(connection, FIRST)
    return base


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def visit(browser: Browser, url: str, width: int = 1280, scheme: Any = "light") -> tuple[Page, list[str]]:
    page = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(f"{request.url} failed"))
    await page.goto(url, wait_until="domcontentloaded")
    return page, faults


async def is_live(page: Page, faults: list[str]) -> None:
    """Waits until the page says that it is live."""
    try:
        await page.locator("#live[data-state=live]").wait_for(timeout=10_000)
    except PlaywrightTimeout:
        raise AssertionError(f"not live; the page said {faults}") from None


async def shoot(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_the_list_and_an_alert_fit_and_make_no_complaint(
    url: str, browser: Browser, lang: str, scheme: str, width: str
) -> None:
    page, faults = await visit(browser, f"{url}/?lang={lang}", WIDTHS[width], scheme)
    await is_live(page, faults)
    assert await page.locator(".alert").count() == 4
    await shoot(page, f"list-{lang}-{scheme}-{width}")
    for path in ("/", f"/alerts/{LATE.id}"):
        if path != "/":
            await page.goto(f"{url}{path}?lang={lang}")
            await shoot(page, f"alert-{lang}-{scheme}-{width}")
        assert await page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
        assert await page.locator("html").get_attribute("lang") == ("zh-CN" if lang == "zh" else "en")
    assert [fault for fault in faults if "/v1/stream" not in fault] == []


async def test_a_new_alert_appears_by_itself_and_a_revision_replaces_what_it_revises(
    url: str, browser: Browser, pool: asyncpg.Pool
) -> None:
    page, faults = await visit(browser, f"{url}/?lang=en")
    await is_live(page, faults)
    async with pool.acquire() as connection, connection.transaction():
        await repository_alerts.say(
            connection,
            [
                revision("R20", "H", CASE, {"count_at_least": 2, "limit": 2}),
                revision("R01", "H", CASE, {}, number=2, state="cured"),
            ],
        )
    await page.locator(".alert", has_text="Repeated reassignment").wait_for()
    assert await page.locator(".alert").count() == 5
    assert await page.locator(".alert.cured").count() == 1
    assert faults == []


async def test_the_page_is_used_by_keyboard_alone_and_filters_are_in_the_address(url: str, browser: Browser) -> None:
    page, _ = await visit(browser, f"{url}/?lang=en")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
    await page.locator("select[name=severity]").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await page.locator("form button").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**severity=C**")
    assert await page.locator(".alert").count() == 2


async def test_the_page_works_without_scripts(url: str, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{url}/?lang=en&rule=R38")
    assert await page.locator(".alert").count() == 1
    assert await page.locator("noscript").count() == 1


async def test_every_answer_has_a_strict_policy(url: str, browser: Browser) -> None:
    page, _ = await visit(browser, "about:blank")
    answer = await page.goto(f"{url}/")
    assert answer is not None
    policy = (await answer.all_headers())["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
