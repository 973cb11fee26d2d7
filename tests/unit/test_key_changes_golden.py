"""The golden vectors of key sets, of a log's end and of a genesis entry that follows another log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from balance_verify import jcs
from balance_verify.entry import Entry, Follows, GenesisHeader
from balance_verify.errors import MalformedError, MismatchError, UnknownSignerError
from balance_verify.final import follows, open_final
from balance_verify.keyset import KeyHistory, KeySet, open_keys
from balance_verify.note import VerifierKey
from balance_verify.topicvalues import CheckpointRecord

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
VECTORS = {each["kind"]: each for each in json.loads((GOLDEN / "key-changes.json").read_text(encoding="utf-8"))}
GENESIS = Entry.parse(json.loads((GOLDEN / "entries.json").read_text(encoding="utf-8"))[0]["entry"].encode())
LOG_KEY = GENESIS.genesis_header().verifier_keys()[0]
FOLLOWING = GenesisHeader.parse(VECTORS["genesis"]["header"].encode())


def test_the_key_set_is_read_and_follows_the_genesis_entry() -> None:
    keys = open_keys(VECTORS["keys"]["note"].encode(), LOG_KEY)
    assert keys.text() == VECTORS["keys"]["text"]
    history = KeyHistory.begin(GENESIS.genesis_header()).taking(keys)
    old, new = history.sealers(0, 0), history.sealers(0, 2)
    assert len(old) == len(new) == 1
    assert old != new


def test_the_record_carries_both_statements_beside_the_checkpoint() -> None:
    record = CheckpointRecord.parse(VECTORS["record"]["value"].encode())
    assert record.keys == VECTORS["keys"]["note"]
    assert record.final == VECTORS["final"]["note"]
    assert record.encode() == VECTORS["record"]["value"].encode()


def test_the_next_log_names_the_one_that_ended() -> None:
    entry = Entry.parse(VECTORS["genesis"]["entry"].encode())
    assert entry.header == FOLLOWING
    assert entry.encode() == VECTORS["genesis"]["entry"].encode()
    entry.verify(*FOLLOWING.verifier_keys())
    assert FOLLOWING.follows == follows(open_final(VECTORS["final"]["note"].encode(), LOG_KEY))
    assert KeySet.of_genesis(FOLLOWING).size == 0


def test_only_the_logs_own_key_ends_it() -> None:
    with pytest.raises(UnknownSignerError):
        open_final(VECTORS["final"]["note"].encode(), FOLLOWING.verifier_keys()[0])
    with pytest.raises(MalformedError):
        open_final(VECTORS["keys"]["note"].encode(), LOG_KEY)


def test_a_log_does_not_follow_itself() -> None:
    assert FOLLOWING.follows is not None
    with pytest.raises(MalformedError):
        GenesisHeader("0" * 64, FOLLOWING.keys, FOLLOWING.follows.origin, 2, FOLLOWING.time, FOLLOWING.follows)


@pytest.mark.parametrize(
    "change",
    [{"v": 1}, {"v": 3}, {"follows": None}, {"follows": {"origin": "a", "size": 1}}, {"follows": {}}],
    ids=["version 1", "version 3", "null", "no root", "empty"],
)
def test_version_2_is_exactly_what_names_a_predecessor(change: dict[str, object]) -> None:
    members = json.loads(VECTORS["genesis"]["header"]) | change
    with pytest.raises(MalformedError):
        GenesisHeader.parse(jcs.dumps(members))


def test_version_1_stays_what_it_was() -> None:
    header = GENESIS.genesis_header()
    assert header.follows is None
    assert json.loads(header.encode())["v"] == 1
    with pytest.raises(MalformedError):
        GenesisHeader.parse(jcs.dumps(json.loads(header.encode()) | {"v": 2}))


@pytest.mark.parametrize(("size", "root"), [(0, "0" * 64), (1, "0" * 63)])
def test_a_predecessor_has_a_size_and_a_root(size: int, root: str) -> None:
    with pytest.raises(MalformedError):
        Follows("before.example/log", root, size)


def test_a_key_set_of_another_log_is_refused() -> None:
    stranger = VerifierKey.parse(str(FOLLOWING.verifier_keys()[0]))
    with pytest.raises((UnknownSignerError, MismatchError)):
        open_keys(VECTORS["keys"]["note"].encode(), stranger)
