"""`balance-verify` tells a person each step and a script the answer: 0 verified, 1 not, 2 wrong use, 3 unreadable."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from balance_verify.__main__ import main
from balance_verify.cosignature import CosigningKey
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
    assert main([str(files.bundle)]) == 2
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2


WITNESS = CosigningKey.generate("witness.example/w1", bytes(32))


@pytest.fixture
def policy(files: Files) -> Path:
    """The good bundle cosigned, and a policy that lists its log and the witness."""
    bundle = ProofBundle.parse(GOOD["bundle"].encode())
    note = bundle.log_proof.note
    signed = replace(note, signatures=(*note.signatures, WITNESS.cosign(note.text, 1_795_554_162)))
    files.bundle.write_bytes(replace(bundle, log_proof=replace(bundle.log_proof, note=signed)).encode())
    path = files.bundle.with_name("policy.txt")
    path.write_text(f"log {GOOD['vkey']}\nwitness w1 {WITNESS.vkey}\nquorum w1\n", encoding="utf-8")
    return path


def test_a_policy_alone_verifies_and_says_since_when(
    files: Files, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(files.bundle), "--policy", str(policy)]) == 0
    assert capsys.readouterr().out.endswith(
        "verified (final by the policy: 1 of 1 witnesses cosigned (w1), existed no later than 2026-11-24T21:02:42Z)\n"
    )
    assert main([str(files.bundle), "--policy", str(policy), "--vkey", str(files.vkey)]) == 0


def test_a_policy_that_is_not_met_does_not_verify_not_even_on_the_operators_word(
    files: Files, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.bundle.write_text(GOOD["bundle"], encoding="utf-8")
    arguments = [str(files.bundle), "--policy", str(policy), "--operator-only"]
    assert main(arguments) == 1
    assert capsys.readouterr().out.endswith(
        "not verified (not final by the policy: 0 of 1 witnesses cosigned (nobody); missing w1)\n"
    )


def test_a_bad_policy_is_wrong_use_and_names_its_line(
    files: Files, policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy.write_text(policy.read_text(encoding="utf-8") + "quorum w1\n", encoding="utf-8")
    assert main([str(files.bundle), "--policy", str(policy)]) == 2
    assert "policy line 4: is a second quorum line" in capsys.readouterr().err
    policy.write_text(f"witness w1 {WITNESS.vkey}\nquorum w1\n", encoding="utf-8")
    assert main([str(files.bundle), "--policy", str(policy)]) == 2
    assert main([str(files.bundle), "--policy", str(policy.with_name("missing"))]) == 3
