"""A certificate is one file that holds the whole proof, fetches nothing, and is made of a bundle that verifies."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from balance_chain.certificate.render import STEPS, content_policy, file_name, render_certificate
from balance_chain.cli.main import run
from balance_verify.note import SigningKey
from balance_verify.policy import Policy
from balance_verify.proof import ProofBundle
from balance_verify.verify import verify_bundle
from support.bundles import LOG, SEALER, OneBlock, event
from support.mutations import WITNESSES, with_cosignatures

BUNDLE = OneBlock((event(), event("e-2"), event("e-3"))).bundle(1)
HTML = render_certificate(BUNDLE, LOG.vkey, sealer_keys=[SEALER.vkey])


class Elements(HTMLParser):
    """Tags with their attributes, and the text inside scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append((self.tags[-1][0] if self.tags else "", data))


def test_the_file_holds_the_bundle_and_the_printed_command_gets_it_out(tmp_path: Path) -> None:
    if shutil.which("sed") is None or shutil.which("base64") is None:
        pytest.skip("needs sed and base64")
    (tmp_path / "e-2.html").write_text(HTML, encoding="utf-8")
    command = re.search(r"<pre>(sed .*)\n", HTML)
    assert command is not None
    line = command[1].replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"').replace("&#39;", "'")
    subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True, timeout=20)
    assert (tmp_path / "e-2.proof.json").read_bytes() == BUNDLE.encode()


def test_nothing_outside_the_file_is_named_or_allowed() -> None:
    elements = Elements(HTML)
    attributes = {name for _, attributes in elements.tags for name in attributes}
    assert not attributes & {"src", "href", "style", "onclick", "onload", "action"}
    policy = next(a["content"] for tag, a in elements.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == content_policy()
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_the_policy_allows_exactly_the_one_script_and_style_in_the_file() -> None:
    for tag in ("script", "style"):
        text = HTML.rpartition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in content_policy()


def test_equal_bundles_give_equal_bytes() -> None:
    assert render_certificate(BUNDLE, LOG.vkey, sealer_keys=[SEALER.vkey]) == HTML
    assert render_certificate(BUNDLE, LOG.vkey, lang="en") != HTML


def test_the_pages_steps_are_those_of_the_verifier_and_one_of_its_own() -> None:
    names = [step.name for step in verify_bundle(BUNDLE, LOG.vkey).steps]
    assert len(STEPS) == len(names) + 1
    assert [en.startswith(name) for name, (_, en) in zip(names, STEPS, strict=False)] == [True] * 7
    assert all(f'id="result-{number}"' in HTML for number in range(1, 9))


def test_an_event_cannot_write_into_the_page() -> None:
    evil = event("e-2", subject="</script><script>alert(1)</script><img src=x>", caseid="'\"><b>")
    html = render_certificate(OneBlock((evil,)).bundle(), LOG.vkey)
    assert len(Elements(html).tags) == len(Elements(HTML).tags)
    assert "<img" not in html
    assert "<b>" not in html


def test_an_event_that_is_no_event_has_a_certificate_too() -> None:
    bundle = OneBlock((b"\xff\x00",)).bundle()
    assert file_name(bundle) == "event"
    assert "\N{REPLACEMENT CHARACTER}" in render_certificate(bundle, LOG.vkey)


def test_since_when_is_told_by_witnesses_alone() -> None:
    text = f"log {LOG.vkey}\nwitness w {WITNESSES[0].vkey}\nquorum w\n"
    policy = Policy.parse(text.encode())
    cosigned = ProofBundle.parse(with_cosignatures(BUNDLE, 1))
    assert "2027-01-15T08:00:00Z" in render_certificate(cosigned, LOG.vkey, policy=policy)
    for html in (HTML, render_certificate(BUNDLE, LOG.vkey, policy=policy), render_certificate(cosigned, LOG.vkey)):
        assert "No independent witness" in html


def write_files(folder: Path, bundle: ProofBundle) -> None:
    (folder / "e.proof.json").write_bytes(bundle.encode())
    (folder / "log.vkey").write_text(str(LOG.vkey))
    (folder / "sealer.vkey").write_text(str(SEALER.vkey))


def test_the_command_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, BUNDLE)
    arguments = ["certificate", "e.proof.json", "--vkey", "log.vkey", "--sealer-vkey", "sealer.vkey"]
    assert run(arguments) == 0
    assert (tmp_path / "e-2.html").read_text(encoding="utf-8") == HTML
    assert run([*arguments, "-o", "c.html", "--lang", "en"]) == 0
    assert '<html lang="en">' in (tmp_path / "c.html").read_text(encoding="utf-8")


def test_a_bundle_that_does_not_hold_gets_no_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, replace(BUNDLE, event=event("e-9")))
    assert run(["certificate", "e.proof.json", "--vkey", "log.vkey", "-o", "c.html"]) == 1
    assert "step 2, event in block: differs" in capsys.readouterr().err
    assert not (tmp_path / "c.html").exists()
    write_files(tmp_path, BUNDLE)
    (tmp_path / "log.vkey").write_text(str(SigningKey.generate(LOG.name, bytes(32)).vkey))
    assert run(["certificate", "e.proof.json", "--vkey", "log.vkey", "-o", "c.html"]) == 1
    assert run(["certificate", "log.vkey", "--vkey", "log.vkey", "-o", "c.html"]) == 1
    assert run(["certificate", "absent", "--vkey", "log.vkey", "-o", "c.html"]) == 3
