"""Key sets and the end of a log, as the notary decides on them and as the verifier takes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from balance_chain.cli.main import run
from balance_chain.core.keys import KeyDirectory
from balance_sealer.changes import Change, decide
from balance_sealer.log import State
from balance_verifier.answers import keys_json
from balance_verifier.logcheck import Advance, LogCheck, LogState, Opened, Skipped, history_of
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry
from balance_verify.final import sign_final
from balance_verify.keyset import KeyHistory, KeySet, sign_keys
from balance_verify.note import SigningKey, sign_note
from balance_verify.topicvalues import CheckpointRecord
from support.smallledger import ORIGIN, SmallLedger

NEXT = SigningKey.generate(f"{ORIGIN}/sealer", b"\x0a" * 32)


def grown() -> tuple[SmallLedger, LogCheck, LogState]:
    """A log of a genesis entry and a block of each shard, and the verifier's state after it."""
    ledger = SmallLedger.of_seed()
    for shard in (0, 1):
        ledger.add_event(shard)
        ledger.seal(shard)
    ledger.checkpoint()
    check = LogCheck(ledger.log_key.vkey, origin=ORIGIN, shards=2, topic="checkpoints")
    first, second = (CheckpointRecord.parse(value) for value in ledger.checkpoints)
    begun = check.genesis(LogState(), opened_of(check, LogState(), first))
    assert isinstance(begun, Advance)
    entries = [kept[0] for kept in ledger.entries]
    after = check.take(begun.state, opened_of(check, begun.state, second), entries)
    assert isinstance(after, Advance)
    return ledger, check, after.state


def opened_of(check: LogCheck, state: LogState, record: CheckpointRecord) -> Opened:
    opened = check.open(state, state.next, record.encode())
    assert isinstance(opened, Opened)
    return opened


def stating(
    ledger: SmallLedger,
    state: LogState,
    keys: KeySet | None = None,
    *,
    final: bool = False,
    by: SigningKey | None = None,
) -> CheckpointRecord:
    """The last checkpoint once more with these statements, signed by the log's key or by another."""
    checkpoint = Checkpoint(ORIGIN, state.size, state.root)
    signer = by or ledger.log_key
    return CheckpointRecord(
        state.heights,
        sign_note(checkpoint.text(), ledger.log_key).encode().decode(),
        keys=sign_keys(keys, signer).encode().decode() if keys else None,
        final=sign_final(checkpoint, signer).encode().decode() if final else None,
    )


def next_set(state: LogState) -> KeySet:
    return history_of(state).last.after(state.size, state.heights, add=[NEXT.vkey])


def test_a_key_set_beside_the_last_checkpoint_counts_once() -> None:
    ledger, check, state = grown()
    record = stating(ledger, state, next_set(state))
    taken = check.statement(state, opened_of(check, state, record))
    assert isinstance(taken, Advance)
    assert NEXT.vkey in history_of(taken.state).sealers(0, 1)
    assert NEXT.vkey not in history_of(taken.state).sealers(0, 0)
    again = check.statement(taken.state, opened_of(check, taken.state, record))
    assert isinstance(again, Skipped)
    assert again.finding.severity != "critical"


@pytest.mark.parametrize("wrong", ["size", "heights", "signer", "a new key from the past"])
def test_a_key_set_that_does_not_belong_here_is_a_finding_and_changes_nothing(wrong: str) -> None:
    ledger, check, state = grown()
    keys, by = next_set(state), None
    if wrong == "size":
        keys = replace(keys, size=state.size - 1)
    elif wrong == "heights":
        keys = replace(keys, heights=(9, 9))
    elif wrong == "signer":
        by = SigningKey.generate(ORIGIN, b"\x0b" * 32)
    else:
        keys = replace(keys, keys=(*keys.keys[:-1], replace(keys.keys[-1], from_size=0)))
    skipped = check.statement(state, opened_of(check, state, stating(ledger, state, keys, by=by)))
    assert isinstance(skipped, Skipped)
    assert skipped.finding.code == "key_set"
    assert skipped.state.keys == ()


def test_a_log_that_has_ended_does_not_grow() -> None:
    ledger, check, state = grown()
    ended = check.statement(state, opened_of(check, state, stating(ledger, state, final=True)))
    assert isinstance(ended, Advance)
    assert ended.state.final
    ledger.add_event(0)
    ledger.seal(0)
    larger = CheckpointRecord.parse(ledger.checkpoint())
    refused = check.take(ended.state, opened_of(check, ended.state, larger), [ledger.entries[0][1]])
    assert isinstance(refused, Skipped)
    assert refused.finding.code == "after_final"
    assert refused.state.size == state.size


def history() -> KeyHistory:
    return KeyHistory.begin(Entry.parse(SmallLedger.of_seed().genesis).genesis_header())


def test_the_notary_makes_one_set_of_all_that_was_asked() -> None:
    old = history().last.at("sealer", 1)[0]
    decision = decide(history(), State(7, b"", (2, 3)), [Change(1, "end", old.id), Change(2, "add", str(NEXT.vkey))])
    assert decision.keys is not None
    after = history().taking(decision.keys)
    assert after.sealers(0, 2) == (old,)
    assert after.sealers(0, 3) == (NEXT.vkey,)
    assert decision.done == [1, 2]
    assert not decision.freeze


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("add", "no vkey"),
        ("add", str(SigningKey.generate("other.example/sealer", b"\x0c" * 32).vkey)),
        ("add", str(SigningKey.generate(ORIGIN, b"\x0c" * 32).vkey)),
        ("add", str(history().last.at("sealer", 1)[0])),
        ("end", f"{ORIGIN}/sealer+00000000"),
        ("end", history().last.at("log", 1)[0].id),
        ("freeze", "other.example/log"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(kind: str, subject: str) -> None:
    decision = decide(history(), State(7, b"", (2, 3)), [Change(1, kind, subject)])  # type: ignore[arg-type]
    assert decision.keys is None
    assert not decision.freeze
    assert list(decision.refused) == [1]


def test_the_next_key_signs_only_once_it_is_promoted(tmp_path: Path) -> None:
    keys = KeyDirectory.generate(tmp_path / "keys", ORIGIN)
    first = keys.signing_key("sealer")
    after = keys.prepare("sealer")
    assert keys.prepare("sealer").vkey == after.vkey
    assert keys.signing_key("sealer").vkey == first.vkey
    assert keys.promote("sealer") == (first.vkey, after.vkey)
    assert keys.signing_key("sealer").vkey == after.vkey
    assert not list(keys.path.glob("*.next.*"))


def test_a_key_directory_is_checked_file_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "keys"
    KeyDirectory.generate(path, ORIGIN)
    assert run(["keys", "verify", str(path), "--json"]) == 0
    other = KeyDirectory.generate(tmp_path / "other", ORIGIN)
    (path / "sealer.vkey").write_text(str(other.sealer_vkey), encoding="ascii")
    (path / "master.key").unlink()
    (path / "reject.key").chmod(0o644)
    capsys.readouterr()
    assert run(["keys", "verify", str(path), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [problem.split(":")[0] for problem in problems] == ["sealer.vkey", "master.key", "reject.key"]


def test_the_verifier_lists_every_key_with_the_sizes_between_which_it_holds() -> None:
    old = history().last.at("sealer", 1)[0]
    keys = history().last.after(7, (2, 3), add=[NEXT.vkey], end=[old.id])
    listed = keys_json(ORIGIN, str(history().last.at("log", 1)[0]), keys)["keys"]
    assert [(key["role"], key["from_size"], key["until_size"]) for key in listed] == [
        ("log", 0, None),
        ("sealer", 0, 7),
        ("gateway", 0, None),
        ("sealer", 7, None),
    ]
