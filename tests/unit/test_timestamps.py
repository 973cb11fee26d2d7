"""A checkpoint stamped by an authority is shown to have existed by then, and a token of anything else shows nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from balance_chain.cli.main import run
from balance_chain.cli.stamping import request_token
from balance_verify import timestamp
from balance_verify.__main__ import main
from balance_verify.errors import MalformedError
from balance_verify.note import SignedNote
from balance_verify.timestamp import check_timestamp, query_for, time_of
from support.authority import Authority
from support.bundles import LOG, OneBlock, event

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs OpenSSL")

BUNDLE = OneBlock((event(), event("e-2"))).bundle()
TEXT = BUNDLE.log_proof.note.text


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def address(authority: Authority) -> Iterator[str]:
    with authority.serving() as address:
        yield address


@pytest.fixture(scope="module")
def token(address: str) -> bytes:
    return request_token(TEXT, address)[0]


def test_a_stamped_checkpoint_existed_no_later_than_the_authority_says(authority: Authority, token: bytes) -> None:
    step = check_timestamp(TEXT, token, authority.root.read_bytes())
    assert step.result == "matches", step
    assert "existed no later than 20" in step.detail
    assert "Test authority root" in step.detail


def test_a_token_of_another_checkpoint_differs_with_both_values(authority: Authority, token: bytes) -> None:
    step = check_timestamp("another\n", token, authority.root.read_bytes())
    assert step.result == "differs"
    assert step.expected != step.got
    assert len(step.got) == 64


def test_a_token_of_an_authority_that_is_not_trusted_is_not_recognised(token: bytes, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger")
    assert check_timestamp(TEXT, token, stranger.root.read_bytes()).result == "signer not recognised"


def test_no_changed_token_matches(authority: Authority, token: bytes) -> None:
    roots = authority.root.read_bytes()
    time = token.index(b"\x18\x0f20")
    assert check_timestamp(TEXT, token[: time + 5] + b"0" + token[time + 6 :], roots).result != "matches"
    for at in range(40, len(token), 97):
        changed = token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :]
        step = check_timestamp(TEXT, changed, roots)
        # Some bytes of an envelope nobody signs, such as an optional certificate; what is signed stays as it was.
        assert step.result != "matches" or step.detail == check_timestamp(TEXT, token, roots).detail
    for data in (b"", b"0", token[:100], token + b"0"):
        assert check_timestamp(TEXT, data, roots).result == "differs"


def test_without_the_extra_the_step_is_not_checkable(
    authority: Authority, token: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timestamp, "AVAILABLE", False)
    step = check_timestamp(TEXT, token, authority.root.read_bytes())
    assert (step.result, step.needed) == ("not checkable", True)
    assert "balance-verify[timestamp]" in step.detail


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.proof.json").write_bytes(BUNDLE.encode())
    (tmp_path / "log.vkey").write_text(str(LOG.vkey))
    return tmp_path


def test_the_command_keeps_token_and_note_beside_the_archive(
    folder: Path, authority: Authority, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["timestamp", "e.proof.json", "--tsa", address, "--tsa-cert", str(authority.root), "-o", "e.tsr"]
    assert run([*arguments, "--archive", "archive"]) == 0
    assert capsys.readouterr().out.startswith("size 2 root ")
    kept = folder / "archive" / "timestamps"
    assert SignedNote.parse((kept / "2.note").read_bytes()) == BUNDLE.log_proof.note
    assert (kept / "2.tsr").read_bytes() == (folder / "e.tsr").read_bytes()
    assert run(["timestamp", str(kept / "2.note"), "--tsa", address, "-o", "again.tsr"]) == 0
    assert "was not checked" in capsys.readouterr().err


def test_verify_takes_the_token_as_its_eighth_step(
    folder: Path, authority: Authority, token: bytes, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (folder / "e.tsr").write_bytes(token)
    arguments = ["e.proof.json", "--vkey", "log.vkey", "--operator-only", "--timestamp", "e.tsr", "--json"]
    assert main([*arguments, "--tsa-cert", str(authority.root)]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert (steps[7]["number"], steps[7]["name"], steps[7]["result"]) == (8, "timestamp", "matches")
    assert run(["verify", *arguments, "--tsa-cert", str(authority.root)]) == 0
    # When it was is no witness: the operator's word stays alone.
    assert main([arguments[0], *arguments[1:3], *arguments[4:], "--tsa-cert", str(authority.root)]) == 1
    stranger = Authority(tmp_path / "stranger")
    assert main([*arguments, "--tsa-cert", str(stranger.root)]) == 1
    assert main([*arguments, "--tsa-cert", "log.vkey"]) == 2
    assert main([*arguments, "--tsa-cert", "absent"]) == 3
    with pytest.raises(SystemExit):
        main(arguments)


def test_what_cannot_be_stamped_or_reached_is_told(folder: Path, address: str, authority: Authority) -> None:
    assert run(["timestamp", "e.proof.json", "-o", "e.tsr"]) == 2
    assert run(["timestamp", "e.proof.json", "--tsa", address]) == 2
    assert run(["timestamp", "log.vkey", "--tsa", address, "-o", "e.tsr"]) == 1
    assert run(["timestamp", "e.proof.json", "--tsa", "http://127.0.0.1:9/", "-o", "e.tsr"]) == 3
    stranger = Authority(folder / "stranger")
    arguments = ["timestamp", "e.proof.json", "--tsa", address, "--tsa-cert", str(stranger.root), "-o", "e.tsr"]
    assert run(arguments) == 1
    assert not (folder / "e.tsr").exists()


def test_an_answer_to_another_question_is_no_timestamp(authority: Authority) -> None:
    mine, other, text = query_for(TEXT), query_for(TEXT), query_for("another\n")
    assert time_of(mine, authority.answer(mine.der)).startswith("20")
    for asked in (other, text):
        with pytest.raises(MalformedError, match="something else"):
            time_of(mine, authority.answer(asked.der))
    with pytest.raises(MalformedError, match="gave none"):
        time_of(mine, b"not now")
