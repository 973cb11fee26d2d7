"""`balance-chain verify` is `balance-verify`; `equivocation show` says whether two histories are proven."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from balance_chain.cli.main import run
from balance_verify.checkpoint import Checkpoint
from balance_verify.equivocation import Evidence
from balance_verify.note import sign_note
from balance_verify.receipt import Receipt
from support.bundles import GATEWAY, LOG, ORIGIN, SEALER, SOURCE, OneBlock, event

LEDGER = OneBlock((event(),))
ONE, OTHER = (sign_note(Checkpoint(ORIGIN, 5, bytes([n]) * 32).text(), LOG) for n in (1, 2))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    receipt = Receipt("2027-01-01T00:00:00.000Z", "0" * 64, "e-1", GATEWAY.vkey.id, ORIGIN, "1" * 64, SOURCE)
    (tmp_path / "receipt.json").write_bytes(receipt.encode_signed(GATEWAY))
    (tmp_path / "e.proof.json").write_bytes(LEDGER.bundle().encode())
    (tmp_path / "genesis").write_bytes(LEDGER.genesis)
    (tmp_path / "log.vkey").write_text(str(LOG.vkey))
    (tmp_path / "sealer.vkey").write_text(str(SEALER.vkey))
    (tmp_path / "evidence.json").write_bytes(Evidence.collect(LOG.vkey, ONE, OTHER).encode())
    return tmp_path


def test_the_command_checks_bundle_and_receipt_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verify", "e.proof.json", "--vkey", "log.vkey", "--operator-only", "--sealer-vkey", "sealer.vkey"]
    assert run(arguments) == 0
    assert run([*arguments, "--receipt", "receipt.json", "--genesis", "genesis", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["receipt"]["kept"] is True
    (folder / "sent.json").write_text("{}")
    assert run([*arguments, "--receipt", "receipt.json", "--genesis", "genesis", "--against", "sent.json"]) == 1


def test_wrong_use_of_the_command_has_its_code(folder: Path) -> None:
    assert run(["verify"]) == 2
    assert run(["verify", "e.proof.json", "--vkey", "log.vkey", "--against", "genesis"]) == 2
    assert run(["verify", "e.proof.json", "--vkey", "genesis"]) == 2


def test_two_histories_are_shown_with_both_roots(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["equivocation", "show", "evidence.json", "--vkey", "log.vkey"]) == 0
    out = capsys.readouterr().out
    assert "01" * 32 in out
    assert "02" * 32 in out
    assert out.endswith("proven: this key signed two checkpoints that cannot both be true (by your key)\n")
    assert run(["equivocation", "show", "evidence.json", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["proven"] is True
    assert [step["result"] for step in report["steps"]] == ["not checkable", *["matches"] * 3, "differs"]


def test_evidence_that_proves_nothing_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["equivocation", "show", "evidence.json", "--vkey", "sealer.vkey"]) == 1
    assert "signer not recognised" in capsys.readouterr().out
    (folder / "evidence.json").write_bytes(Evidence.collect(LOG.vkey, ONE, ONE).encode())
    assert run(["equivocation", "show", "evidence.json"]) == 1
    assert capsys.readouterr().out.endswith("not proven\n")
    assert run(["equivocation", "show", "genesis"]) == 1
    assert run(["equivocation", "show", "absent"]) == 3
    assert run(["equivocation", "show", "evidence.json", "--vkey", "genesis"]) == 2
