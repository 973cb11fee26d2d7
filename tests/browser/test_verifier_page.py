"""The verifier's page in a real browser: quiet console, whole at 360 px, usable by keyboard, readable colours."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.db import migrate
from balance_chain.runtime.health import Health, serve_app
from balance_chain.runtime.service import Service
from balance_chain.runtime.settings import CommonSettings
from balance_verifier.api import build_app
from balance_verifier.settings import ApiSettings, WorkerSettings
from balance_verifier.worker import run_worker
from playwright.async_api import Browser, Page, async_playwright
from support.contrast import CONTRAST
from support.ports import free_ports
from support.smallledger import SOURCE, SmallLedger
from support.waiting import wait_until
from support.writtenledger import Written, caught_up

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

EVENT = f"/find?source={quote(SOURCE, safe='')}&id=e-0-1"
CASE = f"/find?caseid={quote('（2026）京0491民初1号')}"
PICTURES = os.environ.get("BALANCE_SCREENSHOTS")
"""Where set, a folder that gets a picture of each page."""


@pytest.fixture
async def address(topics: CommonSettings, keys: KeyDirectory) -> AsyncIterator[str]:
    """The application over a ledger with a proof to show and a fault to show."""
    written = Written(topics, SmallLedger(keys.log, keys.sealer, keys.gateway, topics.partitions))
    await written.rounds(1)
    written.ledger.add_event(1, rawpos=9)
    await written.flush()
    common = topics.model_dump()
    (port,) = free_ports(1)
    service = Service("verifier", Health(), asyncio.Event())
    app = build_app(ApiSettings(**common, verifier_page_size=4), service.health)
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "verifier"}) as pool:
        await migrate(pool, "balance_verifier", "verifier")
        worker = asyncio.ensure_future(run_worker(WorkerSettings(**common), service))
        await wait_until(lambda: caught_up(pool, written.ledger), 40)
    serving = asyncio.ensure_future(serve_app(app, "127.0.0.1", port, service.stop))
    try:
        await wait_until(lambda: _open(port), 20)
        yield f"http://127.0.0.1:{port}"
    finally:
        service.stop.set()
        await asyncio.wait_for(asyncio.gather(worker, serving), 30)


async def _open(port: int) -> bool:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return True


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def open_page(browser: Browser, url: str, width: int, scheme: str, locale: str) -> tuple[Page, list[str]]:
    """A page in a context of its own, and what it says on the console."""
    context = await browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        locale=locale,
    )
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(url)
    return page, said


async def test_every_page_is_whole_readable_and_quiet_at_any_width_scheme_and_language(
    address: str, browser: Browser
) -> None:
    for name, path in (("home", "/"), ("event", EVENT), ("case", CASE), ("nothing", "/find")):
        for width, scheme, locale in ((360, "light", "zh-CN"), (360, "dark", "en-GB"), (1100, "dark", "zh-CN")):
            page, said = await open_page(browser, address + path, width, scheme, locale)
            if PICTURES:
                await page.screenshot(path=Path(PICTURES) / f"verifier-{name}-{width}-{scheme}.png", full_page=True)
            where = (name, width, scheme)
            expected = [] if name != "nothing" else said
            assert said == expected, where
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, where
            assert await page.evaluate(CONTRAST) == [], where
            notice = "无需登录" if locale == "zh-CN" else "demo, no login"
            assert notice in await page.inner_text("header"), where
            await page.context.close()


async def test_an_event_is_found_and_its_proof_downloaded_by_keyboard_alone(address: str, browser: Browser) -> None:
    page, said = await open_page(browser, address, 800, "light", "en-GB")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.id") == "source":
            break
    await page.keyboard.type(SOURCE)
    await page.keyboard.press("Tab")
    await page.keyboard.type("e-0-1")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    assert "under a signed checkpoint" in await page.inner_text("main")
    await page.focus("a.button")
    async with page.expect_download() as download:
        await page.keyboard.press("Enter")
    assert (await download.value).suggested_filename == "e-0-1.proof.json"
    assert said == []


async def test_the_certificate_of_an_event_opens_from_its_page_and_checks_itself(
    address: str, browser: Browser
) -> None:
    page, said = await open_page(browser, address + EVENT, 800, "light", "en-GB")
    await page.click("text=Certificate")
    await page.wait_for_selector("#verdict[data-word=matches]")
    assert await page.inner_text("h1") == "Certificate of evidence"
    assert said == []
