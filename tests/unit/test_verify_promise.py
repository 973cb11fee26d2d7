"""A receipt with a bundle shows a promise kept or broken, and what was sent shows whether it is what was sealed."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from balance_verify import promise
from balance_verify.__main__ import main
from balance_verify.errors import VerifyError
from balance_verify.jcs import dumps
from balance_verify.note import SigningKey
from balance_verify.promise import gateway_keys, sent_bytes, verify_promise
from balance_verify.receipt import Receipt
from support.bundles import GATEWAY, LOG, ORIGIN, SOURCE, TIME, OneBlock, event

SENT: dict[str, Any] = {"id": "e-1", "source": SOURCE, "data": {"who": "张三", "n": 3}}
RAW = json.dumps(SENT, indent=2).encode()
S = "5a" * 32
SOURCEDIGEST = hmac.digest(bytes.fromhex(S), dumps(SENT), "sha256").hex()
LEDGER = OneBlock((event(sourcedigest=SOURCEDIGEST), event("e-2")))
RECEIPT = Receipt(
    by="2026-11-24T21:03:00.000Z",
    digest=sha256(dumps(SENT)).hexdigest(),
    id="e-1",
    key=GATEWAY.vkey.id,
    origin=ORIGIN,
    s=S,
    source=SOURCE,
)


def signed(**changes: str) -> Any:
    return Receipt.parse_signed(replace(RECEIPT, **changes).encode_signed(GATEWAY))


def results(receipt: Any = None, **given: Any) -> list[str]:
    report = verify_promise(receipt or signed(), [GATEWAY.vkey], log_key=LOG.vkey, **given)
    return [step.result for step in report.steps]


def test_a_promise_kept_matches_at_every_step() -> None:
    report = verify_promise(signed(), [GATEWAY.vkey], log_key=LOG.vkey, bundle=LEDGER.bundle(), sent=RAW)
    assert [step.result for step in report.steps] == ["matches"] * 6
    assert report.kept
    assert not report.broken


def test_a_block_later_than_promised_is_a_broken_promise_with_both_times() -> None:
    late = OneBlock(LEDGER.events, "2026-11-24T21:03:00.001Z")
    report = verify_promise(signed(), [GATEWAY.vkey], log_key=LOG.vkey, bundle=late.bundle())
    step = report.steps[3]
    assert (step.result, step.expected, step.got) == ("differs", f"no later than {RECEIPT.by}", late.time)
    assert report.broken
    assert not report.kept


def test_the_promised_moment_itself_is_in_time() -> None:
    assert results(signed(by=TIME), bundle=LEDGER.bundle())[3] == "matches"


def test_without_a_bundle_it_is_not_yet() -> None:
    assert results() == ["matches", "matches", "not yet", "not yet", "not checkable", "not checkable"]
    assert results(sent=RAW)[4:] == ["matches", "not yet"]


def test_another_events_bundle_keeps_no_promise() -> None:
    assert results(bundle=LEDGER.bundle(1), sent=RAW)[2:] == ["differs", "not checkable", "matches", "not checkable"]


def test_what_was_sent_is_compared_by_its_value_not_by_its_spelling() -> None:
    assert results(bundle=LEDGER.bundle(), sent=dumps(SENT))[4:] == ["matches", "matches"]
    assert sent_bytes(b'{"a": 1.5}') == b'{"a": 1.5}'


def test_something_else_sealed_than_sent_is_shown_by_the_sender() -> None:
    altered = OneBlock((event(sourcedigest="00" * 32),))
    report = verify_promise(signed(), [GATEWAY.vkey], log_key=LOG.vkey, bundle=altered.bundle(), sent=RAW)
    assert [step.result for step in report.steps][4:] == ["matches", "differs"]
    assert (report.steps[5].expected, report.steps[5].got) == (SOURCEDIGEST, "00" * 32)
    assert report.altered
    bare = OneBlock((event(),))
    assert results(bundle=bare.bundle(), sent=RAW)[5] == "differs"


def test_something_else_given_than_sent_accuses_nobody() -> None:
    other = dumps({**SENT, "data": {}})
    report = verify_promise(signed(), [GATEWAY.vkey], log_key=LOG.vkey, bundle=LEDGER.bundle(), sent=other)
    assert [step.result for step in report.steps][4:] == ["differs", "differs"]
    assert not report.altered
    assert not report.kept


def test_a_reject_that_names_the_event_keeps_the_promise_and_says_why() -> None:
    reject = event(
        "0-0-3",
        source=f"urn:balance:{ORIGIN}",
        type="ledger.rejected",
        data={"digest": "ab" * 32, "id": "e-1", "reason": "field_invalid", "source": SOURCE},
    )
    report = verify_promise(signed(), [GATEWAY.vkey], log_key=LOG.vkey, bundle=OneBlock((reject,)).bundle(), sent=RAW)
    assert [step.result for step in report.steps] == [*["matches"] * 5, "not checkable"]
    assert "reject (field_invalid)" in report.steps[2].detail
    assert report.kept


@pytest.mark.parametrize("value", [b"", b"[]", b"\xff", b'{"type":"ledger.rejected"}', event() + b"\n"])
def test_an_event_that_is_none_keeps_no_promise(value: bytes) -> None:
    assert results(bundle=OneBlock((value,)).bundle(), sent=RAW)[2] == "differs"


def test_a_receipt_by_a_stranger_or_changed_or_of_another_log_is_told() -> None:
    stranger = SigningKey.generate(GATEWAY.name, bytes(32))
    assert verify_promise(signed(), [stranger.vkey]).steps[0].result == "signer not recognised"
    assert verify_promise(signed(), []).steps[0].result == "not checkable"
    assert not verify_promise(signed(), []).kept
    changed = replace(signed(), receipt=replace(RECEIPT, by="2027-01-01T00:00:00.000Z"))
    assert results(changed)[0] == "differs"
    assert results(signed(origin="other.example/1"))[1] == "differs"


def test_the_gateways_key_comes_from_the_genesis_entry_that_the_log_signed() -> None:
    assert gateway_keys(LEDGER.genesis, LOG.vkey) == (GATEWAY.vkey,)
    with pytest.raises(VerifyError):
        gateway_keys(LEDGER.genesis, GATEWAY.vkey)
    with pytest.raises(VerifyError):
        gateway_keys(LEDGER.bundle().entry, LOG.vkey)
    with pytest.raises(VerifyError):
        gateway_keys(LEDGER.genesis[:-1], LOG.vkey)


def test_steps_are_numbered_and_named_as_the_documented_list() -> None:
    for step in verify_promise(signed(), []).steps:
        assert f"\n{step.number}. {step.name}: " in (promise.__doc__ or "")


class Files:
    """What a sender keeps, on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("log.vkey", str(LOG.vkey).encode() + b"\n")
        self.write("gateway.vkey", str(GATEWAY.vkey).encode() + b"\n")
        self.write("genesis", LEDGER.genesis)
        self.write("receipt.json", RECEIPT.encode_signed(GATEWAY))
        self.write("e.proof.json", LEDGER.bundle().encode())
        self.write("raw.json", RAW)

    def write(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)

    def run(self, *arguments: str) -> int:
        return main([str(self.folder / a) if (self.folder / a).exists() else a for a in arguments])


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


KEPT = ("e.proof.json", "--receipt", "receipt.json", "--vkey", "log.vkey", "--genesis", "genesis", "--operator-only")


def test_the_command_says_kept_or_broken(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert files.run(*KEPT, "--against", "raw.json") == 0
    out = capsys.readouterr().out
    assert out.endswith("verified: the promise was kept (operator's word alone)\n")
    assert f"receipt  {SOURCE} e-1, to be sealed by {RECEIPT.by}" in out
    assert files.run(*KEPT[:-1]) == 1
    assert "operator's word alone; --operator-only accepts that" in capsys.readouterr().out
    files.write("e.proof.json", OneBlock(LEDGER.events, "2027-01-01T00:00:00.000Z").bundle().encode())
    assert files.run(*KEPT) == 1
    assert "the promise was broken: sealed in a block of 2027-01-01" in capsys.readouterr().out
    files.write("e.proof.json", OneBlock((event(sourcedigest="00" * 32),)).bundle().encode())
    assert files.run(*KEPT, "--against", "raw.json") == 1
    assert "what was sealed is not what was sent" in capsys.readouterr().out
    files.write("e.proof.json", LEDGER.bundle(1).encode())
    assert files.run(*KEPT) == 1
    assert "the receipt does not go with the bundle" in capsys.readouterr().out


def test_a_bundle_that_does_not_hold_breaks_no_promise(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    late = OneBlock(LEDGER.events, "2027-01-01T00:00:00.000Z").bundle()
    files.write("e.proof.json", replace(late, log_proof=LEDGER.bundle().log_proof).encode())
    assert files.run(*KEPT) == 1
    assert capsys.readouterr().out.endswith("\nnot verified\n")


def test_a_receipt_alone_is_not_yet(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--receipt", "receipt.json", "--gateway-vkey", "gateway.vkey")
    assert files.run(*arguments) == 1
    assert "not yet; the event's proof bundle" in capsys.readouterr().out
    assert files.run(*arguments, "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert [step["result"] for step in report["receipt"]["steps"]][:4] == [
        "matches",
        "not checkable",
        "not yet",
        "not yet",
    ]
    assert (report["verified"], report["receipt"]["kept"], report["receipt"]["broken"]) == (False, False, False)


def test_a_machine_reads_both_reports(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert files.run(*KEPT, "--json", "--against", "raw.json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verified"] is report["ok"] is report["receipt"]["kept"] is True
    assert len(report["steps"]) == 7


def test_a_genesis_entry_that_the_log_did_not_sign_names_no_key(
    files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write("log.vkey", str(SigningKey.generate(ORIGIN, bytes(32)).vkey).encode())
    assert files.run(*KEPT) == 1
    assert "the genesis entry does not hold" in capsys.readouterr().err


def test_wrong_use_has_its_code(files: Files) -> None:
    assert files.run("--receipt", "missing") == 3
    assert files.run("--receipt", "receipt.json", "--genesis", "genesis") == 2
    assert files.run("--receipt", "raw.json") == 1
    for arguments in ((), ("e.proof.json", "--vkey", "log.vkey", "--against", "raw.json")):
        with pytest.raises(SystemExit) as caught:
            files.run(*arguments)
        assert caught.value.code == 2
