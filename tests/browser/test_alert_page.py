"""The page of one alert in a real Chromium: it explains itself and takes acts, in both languages, light and dark,
narrow and wide, by keyboard, under a strict policy.
"""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import yaml
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.privacy import associated_data, encrypt_field
from balance_chain.core.sources import token_digest
from balance_chain.core.times import format_ms, parse_ms
from balance_chain.runtime.casekeys import CaseKeyStore, migrate_keys
from balance_chain.runtime.settings import CommonSettings
from balance_judge_audit import repository_alerts
from balance_judge_audit.engine.alerts import Revision, State, Trigger, alert_id
from balance_judge_audit.engine.noted import ACTED, ROLE, Noted
from balance_judge_audit.life.keeper import LifeKeeper
from balance_judge_audit.life.people import load_people
from balance_judge_audit.life.policy import load_policy, policy_file
from balance_judge_audit.places import PlaceFinder
from playwright.async_api import Browser, Page, async_playwright
from support.contrast import CONTRAST
from support.ports import free_ports
from support.processes import Processes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
SHOTS = os.environ.get("BALANCE_SCREENSHOTS")
CASE, SOURCE = "（2026）京0491民初88号", "urn:balance-demo:judge-audit"
JUDGE, MONITOR, SUPERVISOR = (f"r_{letter * 32}" for letter in "abc")
PEOPLE = (
    ("mo", "莫监督", "monitor", ["京0491"], MONITOR),
    ("su", "苏负责", "supervisor", ["*"], SUPERVISOR),
    ("judge", "张法官", "subject", [], JUDGE),
)
START = "2026-02-11T02:00:00.000Z"
NUMBERS: dict[str, str | int] = {
    "start_day": "2026-02-11",
    "counted_from": "next_day",
    "period": "7 days",
    "excluded_days": 3,
    "excluded": "2026-02-13/2026-02-15",
    "last_day": "2026-02-24",
    "late_days": 2,
}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


def revision(number: int, judged: str, state: State = "open") -> Revision:
    """A late filing: the judge decided after the last day."""
    names = (
        ("start", "case.submitted", START, None),
        ("suspend", "limit.suspended", "2026-02-13T01:00:00.000Z", None),
        ("end", "case.accepted", "2026-02-26T03:00:00.000Z", JUDGE),
    )
    triggers = tuple(
        Trigger(role, "urn:balance-demo:case-system", f"e-{place}", type_, time, "9f" * 32, place, 0, actor)
        for place, (role, type_, time, actor) in enumerate(names)
    )
    return Revision(
        id=alert_id("R01", "1", CASE, START), revision=number, rule="R01", version="1.0.0", severity="H", state=state,
        private=False, subject=CASE, start=START, courtcode="京0491", shard=0, judged=judged, triggers=triggers,
        numbers=NUMBERS if state == "open" else {},
    )  # fmt: skip


LATE = revision(1, "2026-02-26T03:00:01.000Z")


@pytest.fixture
async def pool(settings: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    path = {"search_path": "audit"}
    async with asyncpg.create_pool(settings.database, min_size=0, server_settings=path) as pool:
        yield pool


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.yaml"
    entries = [
        {"id": id_, "name": name, "role": role, "courts": courts, "staff": f"S-{id_}"}
        | {"token_sha256": token_digest(f"token-of-{id_}")}
        for id_, name, role, courts, _ in PEOPLE
    ]
    file.write_text(yaml.safe_dump({"people": entries}, allow_unicode=True), encoding="utf-8")
    return file


class Ledger:
    """Says alerts and seals acts as the worker does, without Kafka."""

    def __init__(self, pool: asyncpg.Pool, keys: CaseKeyStore) -> None:
        self._pool = pool
        self._keys = keys
        places = PlaceFinder(Courts.load(data_dir("catalogue")))
        self._keeper = LifeKeeper(load_policy(policy_file(None)), places, SOURCE)
        self._offset = 0

    async def say(self, *revisions: Revision) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await repository_alerts.say(connection, revisions)
            await self._keeper.take(connection, (), revisions)

    async def until(self, time: str) -> None:
        """Ledger time passes."""
        async with self._pool.acquire() as connection, connection.transaction():
            await repository_alerts.say(connection, await self._keeper.due(connection, parse_ms(time)))
        await self._pool.execute(
            "INSERT INTO shard VALUES (0, 1, 0, 0, $1) ON CONFLICT (shard) DO UPDATE SET ledger_time = $1",
            parse_ms(time),
        )

    async def act(self, act: str, actor: str, time: str, reason: str = "", **more: str | int) -> None:
        self._offset += 1
        content: dict[str, object] = {"alert_id": LATE.id, "act": act, "actor": actor, "at": time, **more}
        id_ = f"{LATE.id}.{self._offset}"
        if reason:
            key = (await self._keys.get_many([CASE]))[CASE]
            content["reason"] = encrypt_field(key, associated_data(SOURCE, id_, ACTED, "/reason"), reason)
        await self._take(Noted(parse_ms(time), 0, self._offset, "ab" * 32, ACTED, SOURCE, id_, CASE, content))

    async def knows(self, grant: str, ref: str) -> None:
        self._offset += 1
        await self._take(Noted(0, 0, self._offset, "ab" * 32, ROLE, SOURCE, grant, SOURCE, {"person": ref}))

    async def _take(self, noted: Noted) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await self._keeper.take(connection, [noted], ())


@pytest.fixture
async def url(settings: CommonSettings, processes: Processes, people: Path) -> str:
    [port] = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    api = processes.start(
        *("balance-judge-audit", "api"), settings=settings, ready_url=f"{base}/readyz",
        env={"port": port, "people": people, "open_reading": 1},
    )  # fmt: skip
    await api.ready()
    return base


@pytest.fixture
async def ledger(url: str, settings: CommonSettings, pool: asyncpg.Pool, people: Path) -> Ledger:
    await migrate_keys(pool)
    made = Ledger(pool, CaseKeyStore(pool, KeyDirectory.load(settings.keys).master_key))
    for person, (*_, ref) in zip(load_people(people).all, PEOPLE, strict=True):
        await made.knows(person.grant, ref)
    await made.say(LATE)
    return made


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def visit(browser: Browser, url: str, width: int, scheme: str, who: str | None = None) -> tuple[Page, list[str]]:
    """A page in a context of its own, signed in where somebody is named, and what it says on the console."""
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    if who is not None:
        await sign_in(page, url.split("/alerts/")[0], who)
    await page.goto(url)
    return page, said


async def sign_in(page: Page, base: str, who: str) -> None:
    await page.goto(f"{base}/sign-in?lang=en")
    await page.fill("input[name=token]", f"token-of-{who}")
    await page.press("input[name=token]", "Enter")
    await page.wait_for_url(f"{base}/")


async def whole_life(ledger: Ledger) -> None:
    """Untouched for three working days, then acknowledged, refused, answered, dismissed, and said anew."""
    await ledger.until("2026-03-04T00:00:00.000Z")
    await ledger.act("acknowledge", MONITOR, "2026-03-04T02:00:00.000Z")
    await ledger.act("dismiss", SUPERVISOR, "2026-03-04T03:00:00.000Z", "太早", verdict="excused", revision=1)
    await ledger.act(
        "respond", JUDGE, "2026-03-04T06:00:00.000Z", "当事人两次补正材料，均有回执。\n补正期间未录入系统。"
    )
    await ledger.act("dismiss", SUPERVISOR, "2026-03-05T03:00:00.000Z", "补正期间属实", verdict="excused", revision=1)
    await ledger.say(revision(2, "2026-03-06T03:00:00.000Z", "cured"))
    await ledger.until("2026-03-07T00:00:00.000Z")


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_an_alert_explains_itself_and_what_was_done_at_any_width_and_scheme(
    url: str, ledger: Ledger, browser: Browser, lang: str
) -> None:
    await whole_life(ledger)
    for who, width, scheme in (
        ("su", 360, "light"),
        ("su", 1200, "dark"),
        (None, 1200, "light"),
        ("judge", 360, "dark"),
    ):
        page, said = await visit(browser, f"{url}/alerts/{LATE.id}?lang={lang}", width, scheme, who)
        where = f"{lang}-{scheme}-{width}-{who}"
        if SHOTS:
            await page.screenshot(path=f"{SHOTS}/life-{where}.png", full_page=True)
        text = await page.inner_text("main")
        assert ("逐日计算" if lang == "zh" else "Counted day by day") in text, where
        assert await page.locator("table tbody tr").count() == 5 + 3, where
        assert await page.locator(".timeline li").count() == 7, where
        assert await page.locator(".timeline li.void").count() == 1, where
        assert await page.locator("a[href$='/proof']").count() == 3 + 4, where
        assert ("当事人两次补正材料" in text) == (who is not None), where
        assert ("莫监督" in text) == (who is not None), where
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, where
        assert await page.evaluate(CONTRAST) == [], where
        assert said == [], where
        await page.context.close()


async def test_an_act_is_made_by_keyboard_alone_waits_to_be_sealed_and_is_made_once(
    url: str, ledger: Ledger, browser: Browser, pool: asyncpg.Pool
) -> None:
    page, said = await visit(browser, f"{url}/alerts/{LATE.id}?lang=en", 800, "light", "mo")
    await page.locator("details.act summary", has_text="Acknowledge").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".waiting")
    assert "Acknowledge · pending until sealed" in await page.inner_text(".waiting")
    assert await page.locator("details.act summary", has_text="Acknowledge").count() == 0
    assert await pool.fetchval("SELECT count(*) FROM action WHERE alert_id IS NOT NULL") == 1
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/life-pending.png", full_page=True)
    await ledger.act("acknowledge", MONITOR, format_ms(parse_ms(LATE.judged) + 5000))
    assert said == []


async def test_a_refusal_names_its_reason_and_the_time_and_seals_nothing(
    url: str, ledger: Ledger, browser: Browser, pool: asyncpg.Pool
) -> None:
    await ledger.act("acknowledge", MONITOR, format_ms(parse_ms(LATE.judged) + 5000))
    page, _ = await visit(browser, f"{url}/alerts/{LATE.id}?lang=en", 800, "light", "su")
    await page.click("details.act summary:has-text('Dismiss')")
    form = page.locator("form:has(input[value=dismiss])")
    await form.locator("select").select_option("excused")
    await form.locator("textarea").fill("It was excused.")
    await form.locator("button").click()
    await page.wait_for_selector(".refused")
    said = await page.inner_text(".refused")
    assert "has not been heard" in said
    assert "2026-03-04 16:00 UTC" in said
    assert await pool.fetchval("SELECT count(*) FROM action WHERE alert_id IS NOT NULL") == 0
    await page.context.close()
    page, _ = await visit(browser, f"{url}/alerts/{LATE.id}?lang=en", 800, "light", "judge")
    offered = [await each.inner_text() for each in await page.locator("details.act summary").all()]
    assert offered == ["Reply", "Comment"]


async def test_signing_in_and_out(url: str, ledger: Ledger, browser: Browser) -> None:
    page, _ = await visit(browser, f"{url}/sign-in?lang=zh&next=//evil.example/", 360, "dark")
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/sign-in.png", full_page=True)
    await page.fill("input[name=token]", "nobody's")
    await page.press("input[name=token]", "Enter")
    await page.wait_for_selector("[role=alert]")
    await page.fill("input[name=token]", "token-of-su")
    await page.press("input[name=token]", "Enter")
    await page.wait_for_url(f"{url}/")
    [cookie] = await page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert "苏负责" in await page.inner_text("header")
    await page.click("header .person button")
    await page.wait_for_selector("header a[href^='/sign-in']")
    assert await page.context.cookies() == []


async def test_the_list_is_filtered_by_stage_and_level_and_an_escalation_leads_to_its_alert(
    url: str, ledger: Ledger, browser: Browser
) -> None:
    await ledger.until("2026-03-04T00:00:00.000Z")
    page, said = await visit(browser, f"{url}/?lang=en&level=supervisor", 1200, "light")
    assert await page.locator(".alert h2").all_inner_texts() == ["R01 Filing decided late"]
    await page.goto(f"{url}/?lang=en&stage=closed")
    assert await page.locator(".alert").count() == 0
    await page.goto(f"{url}/?lang=en&rule=ESCALATION")
    if SHOTS:
        await page.goto(f"{url}/?lang=zh")
        await page.screenshot(path=f"{SHOTS}/life-list.png", full_page=True)
        await page.goto(f"{url}/?lang=en&rule=ESCALATION")
    await page.click("text=Alert left untouched")
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/life-escalation.png", full_page=True)
    await page.click("main dl a")
    await page.wait_for_selector(".timeline .escalation")
    assert [each for each in said if "/v1/stream" not in each] == []
