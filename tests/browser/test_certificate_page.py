"""A certificate checks itself in a real browser, from a file and without a network, and says which step differs."""

from __future__ import annotations

import base64
import os
import random
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from balance_chain.certificate.render import render_certificate
from balance_verify.errors import MalformedError
from balance_verify.mldsa import MlDsaCosigningKey
from balance_verify.note import NoteSignature, SignedNote, SigningKey, VerifierKey
from balance_verify.policy import Policy
from balance_verify.proof import ProofBundle
from balance_verify.verify import verify_bundle
from playwright.async_api import Browser, Page, async_playwright
from support.bundles import LOG, SEALER, OneBlock, event
from support.contrast import CONTRAST
from support.mutations import WITNESSES, Mutator, with_cosignatures

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = os.environ.get("BALANCE_SCREENSHOTS")
"""Where set, a folder that gets pictures of the page."""

LEDGER = OneBlock((event(), event("e-2"), event("e-3"), event("e-4"), event("e-5")))
BUNDLE = LEDGER.bundle(1)
MARK = '<script type="text/plain" id="bundle">'
GOOD = [*["matches"] * 6, "not checkable", "matches"]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page that must stay silent and fetch nothing but the file itself."""
    page = await browser.new_page(viewport={"width": 1100, "height": 900}, locale="zh-CN")
    noise: list[str] = []
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    page.on("request", lambda request: noise.append(request.url) if not request.url.startswith("file:") else None)
    yield page
    assert noise == []


def certificate(bundle: ProofBundle = BUNDLE, log_key: VerifierKey = LOG.vkey) -> str:
    return render_certificate(bundle, log_key, sealer_keys=[SEALER.vkey])


async def show(page: Page, folder: Path, html: str) -> tuple[str, list[str]]:
    """The word of the verdict and of each step, once the page has checked itself."""
    (folder / "c.html").write_text(html, encoding="utf-8")
    await page.goto((folder / "c.html").as_uri())
    # The sentence that stands there before the script has run speaks of scripts.
    await page.wait_for_function("!document.getElementById('verdict').textContent.includes('scripts')", timeout=20_000)
    words = await page.eval_on_selector_all("[id^=result-]", "cells => cells.map(cell => cell.dataset.word)")
    verdict = await page.get_attribute("#verdict", "data-word")
    assert verdict is not None
    return verdict, words


async def test_an_honest_certificate_matches_at_every_step(page: Page, tmp_path: Path) -> None:
    assert await show(page, tmp_path, certificate()) == ("matches", GOOD)
    assert "operator's word alone" in (await page.text_content("#verdict") or "")


TWO_OF_THREE = Policy.parse(
    (
        f"log {LOG.vkey}\n"
        + "".join(f"witness w{n} {key.vkey}\n" for n, key in enumerate(WITNESSES))
        + "group two 2 w0 w1 w2\nquorum two\n"
    ).encode()
)
LASTING = MlDsaCosigningKey("lasting.example", b"\x0d" * 32)
WITH_LASTING = Policy.parse(
    f"witness w0 {WITNESSES[0].vkey}\nwitness lasting {LASTING.vkey}\ngroup both all w0 lasting\nquorum both\n".encode()
)


def cosigned(*signatures: NoteSignature) -> ProofBundle:
    note = BUNDLE.log_proof.note
    more = SignedNote(note.text, (*note.signatures, *signatures))
    return replace(BUNDLE, log_proof=replace(BUNDLE.log_proof, note=more))


def by(number: int, time: int = 1_800_000_000) -> NoteSignature:
    return WITNESSES[number].cosign(BUNDLE.log_proof.note.text, time)


def late(signature: NoteSignature) -> NoteSignature:
    """The same signature, said to be of another time."""
    return replace(signature, signature=(1).to_bytes(8, "big") + signature.signature[8:])


@pytest.mark.parametrize(
    ("signatures", "policy", "step", "each"),
    [
        ([by(0), by(2, 1_800_000_060)], TWO_OF_THREE, "matches", ["matches", "not yet", "matches"]),
        ([by(1)], TWO_OF_THREE, "not yet", ["not yet", "matches", "not yet"]),
        ([by(0), late(by(1)), by(2)], TWO_OF_THREE, "differs", ["matches", "differs", "matches"]),
        ([by(0), by(0, 5)], TWO_OF_THREE, "not yet", ["matches", "not yet", "not yet"]),
        (
            [by(0), LASTING.cosign(BUNDLE.log_proof.note.text, 1_800_000_000)],
            WITH_LASTING,
            "not checkable",
            ["matches", "not checkable"],
        ),
        ([LASTING.cosign(BUNDLE.log_proof.note.text, 1)], WITH_LASTING, "not yet", ["not yet", "not checkable"]),
    ],
)
async def test_the_page_checks_each_witness_and_says_in_words_what_it_cannot(
    page: Page, tmp_path: Path, signatures: list[NoteSignature], policy: Policy, step: str, each: list[str]
) -> None:
    bundle = cosigned(*signatures)
    html = render_certificate(bundle, LOG.vkey, policy=policy, sealer_keys=[SEALER.vkey])
    verdict, words = await show(page, tmp_path, html)
    assert (verdict, words) == (step, [*GOOD[:6], step, "matches"])
    cells = await page.eval_on_selector_all("[id^=witness-]", "cells => cells.map(cell => cell.dataset.word)")
    assert cells == each
    said = await page.text_content("#quorum") or ""
    due = verify_bundle(bundle, LOG.vkey, policy=policy).steps[6].result
    assert step == ("not checkable" if policy is WITH_LASTING and due == "matches" else due)
    if step == "matches":
        assert "no later than 2027-01-15T08:01:00Z" in said
        assert "2027-01-15T08:01:00Z" in (await page.text_content("#verdict") or "")
    if "not checkable" in each:
        assert "ML-DSA-44" in (await page.text_content("#witness-2") or "")
    await page.set_viewport_size({"width": 360, "height": 900})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert await page.evaluate(CONTRAST) == []
        for lang in ("zh", "en"):
            await page.click(f"button[data-lang={lang}]")
            await picture(page, f"witnessed-{step.replace(' ', '-')}-{scheme}-{lang}")


async def test_page_and_library_agree_on_changed_cosignatures(page: Page, tmp_path: Path) -> None:
    mutator = Mutator([ProofBundle.parse(with_cosignatures(BUNDLE, n)) for n in range(4)], random.Random(23))
    html = render_certificate(BUNDLE, LOG.vkey, policy=TWO_OF_THREE, sealer_keys=[SEALER.vkey])
    head, _, rest = html.partition(MARK)
    tail = rest[rest.index("<") :]
    for _ in range(60):
        data = mutator.next()
        verdict, words = await show(page, tmp_path, f"{head}{MARK}{base64.b64encode(data).decode()}{tail}")
        try:
            report = verify_bundle(ProofBundle.parse(data), LOG.vkey, policy=TWO_OF_THREE, sealer_keys=[SEALER.vkey])
        except MalformedError:
            assert verdict == "differs", data
            continue
        assert words[:7] == [step.result for step in report.steps], data


def forged(bundle: ProofBundle) -> ProofBundle:
    note = bundle.log_proof.note
    signature = NoteSignature(LOG.name, LOG.vkey.key_hash, SEALER.sign(note.text.encode()))
    return replace(bundle, log_proof=replace(bundle.log_proof, note=SignedNote(note.text, (signature,))))


@pytest.mark.parametrize(
    ("bundle", "step"),
    [
        (replace(BUNDLE, event=BUNDLE.event.replace(b'"cert_no":"1"', b'"cert_no":"2"')), 2),
        (replace(BUNDLE, path=BUNDLE.path[::-1]), 2),
        (replace(BUNDLE, path=BUNDLE.path[:-1]), 2),
        (replace(BUNDLE, path=(*BUNDLE.path, bytes(32))), 2),
        (replace(BUNDLE, log_proof=replace(BUNDLE.log_proof, index=0)), 3),
        (replace(BUNDLE, log_proof=replace(BUNDLE.log_proof, path=(bytes(32),))), 3),
        (forged(BUNDLE), 5),
    ],
)
async def test_a_changed_proof_names_the_step_with_both_values(
    page: Page, tmp_path: Path, bundle: ProofBundle, step: int
) -> None:
    verdict, words = await show(page, tmp_path, certificate(bundle))
    assert verdict == "differs"
    assert [number for number, word in enumerate(words, 1) if word == "differs"] == [step]
    assert f"step {step}." in (await page.text_content("#verdict") or "")
    assert "expected" in (await page.text_content(f"#result-{step} .values") or "")


async def test_a_position_past_the_block_and_a_strangers_key_are_told(page: Page, tmp_path: Path) -> None:
    _, words = await show(page, tmp_path, certificate(replace(BUNDLE, index=5)))
    assert words[:3] == ["differs", "differs", "matches"]
    stranger = SigningKey.generate(LOG.name, bytes(32)).vkey
    verdict, words = await show(page, tmp_path, certificate(log_key=stranger))
    assert (verdict, words[4]) == ("differs", "signer not recognised")
    _, words = await show(page, tmp_path, certificate(log_key=SEALER.vkey))
    assert words[3:5] == ["differs", "signer not recognised"]


async def test_a_changed_byte_of_what_the_page_shows_is_told(page: Page, tmp_path: Path) -> None:
    for shown, other in (("evidence.deposited</dd>", "evidence.destroyed</dd>"), ("&#34;cert_no", "&#34;cart_no")):
        assert shown in certificate()
        verdict, words = await show(page, tmp_path, certificate().replace(shown, other))
        assert (verdict, words) == ("differs", [*GOOD[:7], "differs"])


async def test_a_changed_byte_of_the_proof_inside_is_told(page: Page, tmp_path: Path) -> None:
    html = certificate()
    start = html.index(MARK) + len(MARK)
    for at in (3, 100, 601):
        changed = html[: start + at] + ("A" if html[start + at] != "A" else "B") + html[start + at + 1 :]
        verdict, _ = await show(page, tmp_path, changed)
        assert verdict == "differs"


async def test_page_and_library_agree_on_changed_bundles(page: Page, tmp_path: Path) -> None:
    mutator = Mutator([LEDGER.bundle(n) for n in range(5)], random.Random(11))
    html = certificate()
    head, _, rest = html.partition(MARK)
    tail = rest[rest.index("<") :]
    for _ in range(60):
        data = mutator.next()
        verdict, words = await show(page, tmp_path, f"{head}{MARK}{base64.b64encode(data).decode()}{tail}")
        try:
            report = verify_bundle(ProofBundle.parse(data), LOG.vkey, sealer_keys=[SEALER.vkey])
        except MalformedError:
            assert verdict == "differs", data
            continue
        assert words[:6] == [step.result for step in report.steps[:6]], data


async def test_where_the_browser_lacks_ed25519_the_page_says_so(page: Page, tmp_path: Path) -> None:
    await page.add_init_script("SubtleCrypto.prototype.importKey = () => Promise.reject(new Error('none'))")
    verdict, words = await show(page, tmp_path, certificate())
    assert verdict == "not checkable"
    assert words[3:7] == ["matches", "not checkable", "not checkable", "not checkable"]


async def test_without_cryptography_nothing_is_said_to_match(page: Page, tmp_path: Path) -> None:
    await page.add_init_script("Object.defineProperty(Crypto.prototype, 'subtle', { get: () => undefined })")
    assert await show(page, tmp_path, certificate()) == ("not checkable", ["not checkable"] * 8)


async def test_without_scripts_the_page_claims_nothing(browser: Browser, tmp_path: Path) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    (tmp_path / "c.html").write_text(certificate(), encoding="utf-8")
    await page.goto((tmp_path / "c.html").as_uri())
    assert "此处无法核验" in await page.inner_text("#verdict")
    assert await page.locator("[data-word=matches]").count() == 0
    await context.close()


async def test_both_languages_fit_a_phone_and_print_on_a4(page: Page, tmp_path: Path) -> None:
    await show(page, tmp_path, certificate())
    for lang, heading in (("zh", "存证证明"), ("en", "Certificate of evidence")):
        await page.click(f"button[data-lang={lang}]")
        assert await page.inner_text("h1") == heading
        for name, width in (("wide", 1100), ("narrow", 360)):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            await picture(page, f"certificate-{lang}-{name}")
        await page.emulate_media(media="print")
        assert not await page.locator("button").first.is_visible()
        await page.set_viewport_size({"width": 688, "height": 970})
        await picture(page, f"certificate-{lang}-print")
        await page.emulate_media(media="screen")
    pdf = await page.pdf(prefer_css_page_size=True)
    # A4 in points, by the page's own rule; a small event needs no more than three sheets.
    assert b"/MediaBox [0 0 594.95" in pdf or b"/MediaBox [0 0 595" in pdf
    assert 1 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") + pdf.count(b"/Type/Page/") <= 3


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_is_readable_in_light_and_dark(
    page: Page, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    await page.emulate_media(color_scheme=scheme)
    for bundle in (BUNDLE, forged(BUNDLE)):
        await show(page, tmp_path, certificate(bundle))
        assert await page.evaluate(CONTRAST) == []


async def test_the_saved_proof_file_is_the_bundle(page: Page, tmp_path: Path) -> None:
    await show(page, tmp_path, certificate())
    async with page.expect_download() as waiting:
        await page.click("#save")
    download = await waiting.value
    assert download.suggested_filename == "e-2.proof.json"
    await download.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == BUNDLE.encode()
