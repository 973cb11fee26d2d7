"""What docs/portable.md shows is what the commands say."""

from __future__ import annotations

import hmac
import itertools
import shlex
from hashlib import sha256
from pathlib import Path

import pytest
from balance_chain.cli.main import run
from balance_verify.__main__ import main
from balance_verify.checkpoint import Checkpoint
from balance_verify.equivocation import Evidence
from balance_verify.jcs import dumps
from balance_verify.note import sign_note
from balance_verify.receipt import Receipt
from support.bundles import GATEWAY, LOG, ORIGIN, SOURCE, OneBlock, event
from support.needs import REPOSITORY

PROGRAMS = {"balance-verify": main, "balance-chain": run}
SENT = {"id": "e-1", "source": SOURCE}
S = "5a" * 32
BY = "2026-11-24T21:03:00.000Z"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that the page names, in the current folder."""
    monkeypatch.chdir(tmp_path)
    sealed = event(sourcedigest=hmac.digest(bytes.fromhex(S), dumps(SENT), "sha256").hex())
    receipt = Receipt(BY, sha256(dumps(SENT)).hexdigest(), "e-1", GATEWAY.vkey.id, ORIGIN, S, SOURCE)
    one, other = (sign_note(Checkpoint(ORIGIN, 5, bytes([n]) * 32).text(), LOG) for n in (1, 2))
    for name, content in {
        "e.proof.json": OneBlock((sealed,)).bundle().encode(),
        "late.proof.json": OneBlock((sealed,), "2027-01-01T00:00:00.000Z").bundle().encode(),
        "receipt.json": receipt.encode_signed(GATEWAY),
        "sent.json": dumps(SENT),
        "genesis": OneBlock((sealed,)).genesis,
        "log.vkey": str(LOG.vkey).encode(),
        "gateway.vkey": str(GATEWAY.vkey).encode(),
        "evidence.json": Evidence.collect(LOG.vkey, one, other).encode(),
    }.items():
        (tmp_path / name).write_bytes(content)


def test_each_command_ends_with_the_line_that_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    lines = (REPOSITORY / "docs" / "portable.md").read_text(encoding="utf-8").splitlines()
    shown = [(line[2:], answer) for line, answer in itertools.pairwise(lines) if line.startswith("$ ")]
    assert len(shown) == 4
    for command, answer in shown:
        program, *arguments = shlex.split(command)
        code = PROGRAMS[program](arguments)
        assert capsys.readouterr().out.splitlines()[-1] == answer
        assert code == (1 if answer.startswith("not ") else 0)
