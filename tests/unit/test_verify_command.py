"""`balance-verify` tells a person each step and a script the answer: 0 verified, 1 not, 2 wrong use, 3 unreadable."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from balance_verify.__main__ import main
from balance_verify.note import SigningKey
from balance_verify.proof import ProofBundle

VECTORS = json.loads((Path(__file__).resolve().parents[1] / "golden" / "bundles.json").read_text(encoding="utf-8"))
GOOD = next(vector for vector in VECTORS if vector["name"] == "block 1, event 3")


@dataclass(frozen=True)
class Files:
    """A bundle and the keys to check it with, on disk."""

    bundle: Path
    vkey: Path
    sealer: Path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path / "example.proof.json", tmp_path / "log.vkey", tmp_path / "sealer.vkey")
    made.bundle.write_text(GOOD["bundle"], encoding="utf-8")
    made.vkey.write_text(GOOD["vkey"] + "\n", encoding="utf-8")
    made.sealer.write_text(GOOD["sealer_vkey"] + "\n", encoding="utf-8")
    return made


def test_the_operators_word_alone_must_be_asked_for(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(files.bundle), "--vkey", str(files.vkey)]
    assert main(arguments) == 1
    assert "every step holds, on the operator's word alone" in capsys.readouterr().out
    assert main([*arguments, "--operator-only"]) == 0
    out = capsys.readouterr().out
    assert "event  urn:example:filing example-4 case.filed" in out
    assert out.endswith("verified (operator's word alone)\n")


def test_each_step_has_a_line_and_a_failed_one_shows_both_values(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = replace(ProofBundle.parse(GOOD["bundle"].encode()), event=b"\x1b[2Janother")
    files.bundle.write_bytes(bundle.encode())
    assert main([str(files.bundle), "--vkey", str(files.vkey), "--operator-only"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[0] for line in lines if line[0].isdigit()] == list("1234567")
    failed = next(place for place, line in enumerate(lines) if "differs" in line)
    assert lines[failed + 1].split() == ["expected", bundle.header.root]
    assert lines[failed + 2].split()[0] == "got"
    assert lines[-1] == "not verified"
    assert "\x1b" not in "".join(lines)


def test_the_sealers_key_is_checked_where_given(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(files.bundle), "--vkey", str(files.vkey), "--operator-only", "--json", "--sealer-vkey"]
    assert main([*arguments, str(files.sealer)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verified"] is report["ok"] is True
    assert [step["result"] for step in report["steps"]] == GOOD["results"]
    assert main([*arguments, str(files.vkey)]) == 1


def test_a_strangers_key_does_not_verify(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    name = GOOD["vkey"].partition("+")[0]
    files.vkey.write_text(str(SigningKey.generate(name, bytes(32)).vkey), encoding="utf-8")
    assert main([str(files.bundle), "--vkey", str(files.vkey), "--operator-only"]) == 1
    assert "signer not recognised" in capsys.readouterr().out


def test_a_malformed_bundle_is_not_verified(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.bundle.write_text(GOOD["bundle"] + "\n", encoding="utf-8")
    assert main([str(files.bundle), "--vkey", str(files.vkey), "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["verified"] is False
    assert "canonical" in captured.err


def test_wrong_use_and_unreadable_files_have_codes_of_their_own(files: Files) -> None:
    missing = str(files.bundle.with_name("missing"))
    assert main([missing, "--vkey", str(files.vkey)]) == 3
    assert main([str(files.bundle), "--vkey", missing]) == 3
    assert main([str(files.bundle), "--vkey", str(files.bundle)]) == 2
    files.vkey.write_bytes(b"\xff")
    assert main([str(files.bundle), "--vkey", str(files.vkey)]) == 2
    with pytest.raises(SystemExit) as caught:
        main([str(files.bundle)])
    assert caught.value.code == 2
