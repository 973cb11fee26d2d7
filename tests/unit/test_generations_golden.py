"""The golden vectors of an entry that begins a generation, of its checkpoint record and of the block behind it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from balance_verify import jcs
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import BlockHeader, Entry, entry_hash, sign_generation
from balance_verify.errors import MalformedError, MismatchError, UnknownSignerError
from balance_verify.generation import GenerationHeader
from balance_verify.keyset import KeySet, open_generation
from balance_verify.merkle import leaf_hash, verify_consistency
from balance_verify.note import SigningKey, VerifierKey, open_note
from balance_verify.topicvalues import CheckpointRecord

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
VECTORS = {each["kind"]: each for each in json.loads((GOLDEN / "generations.json").read_text(encoding="utf-8"))}
BEFORE = json.loads((GOLDEN / "entries.json").read_text(encoding="utf-8"))
BEGUN = VECTORS["generation"]
LOG_KEY = VerifierKey.parse(BEGUN["vkey"])
KEYS = KeySet.of_genesis(Entry.parse(BEFORE[0]["entry"].encode()).genesis_header())


def test_the_entry_is_read_signed_and_a_leaf_of_the_log() -> None:
    entry = Entry.parse(BEGUN["entry"].encode())
    assert entry.encode().decode() == BEGUN["entry"]
    assert leaf_hash(entry.encode()).hex() == BEGUN["leaf_hash"]
    header = open_generation(entry.encode(), KEYS)
    assert header.encode().decode() == BEGUN["header"]
    assert (header.gen, header.size, header.heights) == (1, len(BEFORE), (1, 0))


def test_its_checkpoint_record_carries_it_and_grows_the_log_by_it_alone() -> None:
    record = CheckpointRecord.parse(VECTORS["record"]["value"].encode())
    assert record.encode().decode() == VECTORS["record"]["value"]
    assert record.generation == BEGUN["entry"].encode()
    checkpoint = Checkpoint.parse(open_note(record.note.encode(), [LOG_KEY]).text)
    proof = VECTORS["consistency"]
    roots = (bytes.fromhex(proof["old_root"]), bytes.fromhex(proof["root"]))
    assert (checkpoint.size, checkpoint.root) == (proof["old_size"] + 1, roots[1])
    path = [bytes.fromhex(each) for each in proof["path"]]
    verify_consistency(proof["old_size"], roots[0], checkpoint.size, roots[1], path)


def test_the_block_behind_it_names_the_generation_and_goes_on_with_the_shard() -> None:
    entry = Entry.parse(VECTORS["block"]["entry"].encode())
    header = entry.header
    assert isinstance(header, BlockHeader)
    assert (header.gen, header.height, header.prev) == (1, 1, entry_hash(BEFORE[3]["entry"].encode()))
    assert header.from_ == header.start
    entry.verify(VerifierKey.parse(VECTORS["block"]["vkey"]))


def test_it_is_neither_a_block_nor_the_genesis_entry() -> None:
    entry = Entry.parse(BEGUN["entry"].encode())
    for read in (entry.block_header, entry.genesis_header):
        with pytest.raises(MalformedError, match="generation entry"):
            read()
    with pytest.raises(MalformedError, match="begins no generation"):
        Entry.parse(BEFORE[1]["entry"].encode()).generation_header()


def test_only_the_logs_own_key_begins_it() -> None:
    keys = json.loads((GOLDEN / "keys.json").read_text(encoding="utf-8"))
    sealer = next(SigningKey.parse(each["skey"]) for each in keys if each["vkey"] == BEFORE[1]["vkey"])
    forged = sign_generation(GenerationHeader.parse(BEGUN["header"].encode()), sealer)
    with pytest.raises(UnknownSignerError):
        open_generation(forged.encode(), KEYS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gen", 0),
        ("generation", False),
        ("hash", "sha-512"),
        ("heights", []),
        ("heights", [-2, 0]),
        ("root", "00"),
        ("size", 0),
        ("time", "2026-11-24"),
        ("v", 2),
        ("follows", 1),
    ],
)
def test_a_header_has_one_form(name: str, value: object) -> None:
    members = json.loads(BEGUN["header"])
    with pytest.raises(MalformedError):
        GenerationHeader.parse(jcs.dumps({**members, name: value}))


@pytest.mark.parametrize("what", ["generation", "origin", "size", "heights", "root"])
def test_it_says_where_it_goes_on_and_nowhere_else(what: str) -> None:
    header = GenerationHeader.parse(BEGUN["header"].encode())
    place = {
        "generation": header.gen,
        "origin": header.origin,
        "size": header.size,
        "heights": header.heights,
        "root": bytes.fromhex(header.root),
    }
    header.check_place(*place.values())  # type: ignore[arg-type]
    other = {"generation": 2, "origin": "other.example/log", "size": 9, "heights": (1, 1), "root": bytes(32)}
    with pytest.raises(MismatchError, match=what):
        header.check_place(*{**place, what: other[what]}.values())  # type: ignore[arg-type]
