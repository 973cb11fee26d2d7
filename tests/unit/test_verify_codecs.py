"""Each format has one spelling: what is written is read back equal; other bytes are refused or mean another value."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from balance_verify import jcs
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import (
    ZERO_PREV,
    BlockHeader,
    Entry,
    GenesisHeader,
    entry_hash,
    sign_block,
    sign_genesis,
)
from balance_verify.errors import BadSignatureError, MalformedError, UnknownSignerError
from balance_verify.note import SigningKey
from balance_verify.proof import MAX_BUNDLE_BYTES, ProofBundle, TlogProof
from balance_verify.receipt import Receipt
from balance_verify.topicvalues import BlockRecord, CheckpointRecord
from hypothesis import given, settings
from hypothesis import strategies as st

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
KEY = SigningKey.generate("court.example/log", bytes(range(32)))
STRANGER = SigningKey.generate("court.example/log", bytes(32))
TIME = "2026-11-24T21:02:42.123Z"
HEADER = BlockHeader(3, 5, 0, 1, "court.example/log", "1" * 64, "2" * 64, 0, 5, TIME)
GENESIS = GenesisHeader("3" * 64, (str(KEY.vkey),), "court.example/log", 4, TIME)
RECEIPT = Receipt(TIME, "4" * 64, "an-id", KEY.vkey.id, "court.example/log", "5" * 64, "urn:example:source")


def golden(name: str) -> list[dict[str, str]]:
    vectors: list[dict[str, str]] = json.loads((GOLDEN / name).read_text(encoding="utf-8"))
    return vectors


def one_spelling(parse: Callable[[bytes], bytes], data: bytes, place: int, value: int) -> None:
    """One byte of `data` changed: refused, or read as something that is written as exactly the changed bytes."""
    changed = bytearray(data)
    changed[place % len(data)] ^= value
    try:
        again = parse(bytes(changed))
    except MalformedError:
        return
    assert again == bytes(changed)


FORMATS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "block header": (HEADER.encode(), lambda data: BlockHeader.parse(data).encode()),
    "genesis header": (GENESIS.encode(), lambda data: GenesisHeader.parse(data).encode()),
    "entry": (sign_block(HEADER, KEY).encode(), lambda data: Entry.parse(data).encode()),
    "genesis entry": (sign_genesis(GENESIS, KEY).encode(), lambda data: Entry.parse(data).encode()),
    "block record": (BlockRecord(b"entry", bytes(64)).encode(), lambda data: BlockRecord.parse(data).encode()),
    "checkpoint record": (
        CheckpointRecord((-1, 7), "a note\n", b"genesis").encode(),
        lambda data: CheckpointRecord.parse(data).encode(),
    ),
    "receipt": (RECEIPT.encode_signed(KEY), lambda data: Receipt.parse_signed(data).encode()),
    "checkpoint": (
        Checkpoint("court.example/log", 42, bytes(32)).text().encode(),
        lambda data: Checkpoint.parse(data.decode("latin-1")).text().encode("latin-1"),
    ),
    "tlog-proof": (
        json.loads(golden("bundles.json")[5]["bundle"])["log"].encode(),
        lambda data: TlogProof.parse(data.decode("utf-8", "surrogateescape")).text().encode(),
    ),
    "bundle": (golden("bundles.json")[5]["bundle"].encode(), lambda data: ProofBundle.parse(data).encode()),
}


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_is_read_back_equal(name: str) -> None:
    data, again = FORMATS[name]
    assert again(data) == data


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=150, deadline=None)
@given(place=st.integers(0, 10_000), value=st.integers(1, 255))
def test_no_value_has_two_spellings(name: str, place: int, value: int) -> None:
    data, again = FORMATS[name]
    one_spelling(again, data, place, value)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("extra", [b"\n", b" ", b"\x00", b"{}"])
def test_trailing_garbage_is_refused(name: str, extra: bytes) -> None:
    data, again = FORMATS[name]
    with pytest.raises(MalformedError):
        again(data + extra)


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name][0].startswith(b"{")])
def test_objects_in_another_form_are_refused(name: str) -> None:
    data, again = FORMATS[name]
    members = json.loads(data)
    last = max(members)
    spellings = [
        json.dumps(members, indent=1).encode(),
        jcs.dumps({**members, "more": 1}),
        jcs.dumps({key: value for key, value in members.items() if key != last}),
        b'{"%s":null,' % last.encode() + data[1:],
        jcs.dumps({**members, last: None}),
        jcs.dumps([members]),
        b"[" * 100_000,
        data[:-1] + b',"n":' + b"1" * 5000 + b"}",
        data[:-1] + b',"n":1.5}',
        data[:-1] + b',"n":NaN}',
        data[:-1] + b',"n":"\\ud800"}',
        data.replace(b":", b":\xff", 1),
        b"",
    ]
    for spelling in spellings:
        with pytest.raises(MalformedError):
            again(spelling)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", 0),
        ("count", True),
        ("count", 2**53),
        ("from_", -1),
        ("gen", -1),
        ("height", 0),
        ("origin", ""),
        ("origin", "two\nlines"),
        ("prev", ZERO_PREV),
        ("prev", "1" * 63),
        ("root", "A" * 64),
        ("shard", -1),
        ("start", -1),
        ("time", "2026-11-24T21:02:42Z"),
        ("time", "2026-02-30T21:02:42.123Z"),
        ("time", "2026-11-24T21:02:42.123+00:00"),
        ("time", "２026-11-24T21:02:42.123Z"),
    ],
)
def test_a_block_header_with_a_wrong_field_is_refused(field: str, value: Any) -> None:
    with pytest.raises(MalformedError, match=field.rstrip("_")):
        dataclasses.replace(HEADER, **{field: value})


@pytest.mark.parametrize(("field", "value"), [("v", 2), ("v", True), ("hash", "sha-512")])
def test_a_header_of_another_version_is_refused(field: str, value: object) -> None:
    with pytest.raises(MalformedError, match=field):
        BlockHeader.parse(jcs.dumps({**json.loads(HEADER.encode()), field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("catalogue", "x"),
        ("shards", 0),
        ("keys", ()),
        ("keys", (str(KEY.vkey), str(KEY.vkey))),
        ("keys", (f"{KEY.vkey}\n",)),
        ("keys", ("not a key",)),
    ],
)
def test_a_genesis_header_with_a_wrong_field_is_refused(field: str, value: Any) -> None:
    with pytest.raises(MalformedError):
        dataclasses.replace(GENESIS, **{field: value})


def test_an_entry_says_who_signed_it() -> None:
    entry = sign_block(HEADER, KEY)
    assert entry.header == entry.block_header() == HEADER
    assert entry.verify(STRANGER.vkey, KEY.vkey) == KEY.vkey
    assert sign_genesis(GENESIS, KEY).genesis_header() == GENESIS
    with pytest.raises(UnknownSignerError):
        entry.verify(STRANGER.vkey)
    with pytest.raises(UnknownSignerError):
        entry.verify()
    with pytest.raises(BadSignatureError):
        dataclasses.replace(entry, signature=bytes(64)).verify(KEY.vkey)
    with pytest.raises(MalformedError):
        entry.genesis_header()
    with pytest.raises(MalformedError):
        sign_genesis(GENESIS, KEY).block_header()


def test_blocks_link_by_the_hash_of_the_entry_before() -> None:
    first, second = (vector for vector in golden("entries.json") if '\\"shard\\":0' in vector["entry"])
    header = Entry.parse(second["entry"].encode()).block_header()
    assert header.prev == entry_hash(first["entry"].encode())


def test_a_receipt_is_accepted_from_the_gateway_alone() -> None:
    signed = Receipt.parse_signed(RECEIPT.encode_signed(KEY))
    assert signed.verify(KEY.vkey) == RECEIPT
    with pytest.raises(UnknownSignerError):
        signed.verify(STRANGER.vkey)
    with pytest.raises(BadSignatureError):
        dataclasses.replace(signed, receipt=dataclasses.replace(RECEIPT, id="another")).verify(KEY.vkey)
    with pytest.raises(MalformedError):
        RECEIPT.encode_signed(STRANGER)


def test_topic_values_without_content_are_refused() -> None:
    for leaves in (b"", bytes(31)):
        with pytest.raises(MalformedError):
            BlockRecord(b"entry", leaves)
    for heights in ((), (-2,)):
        with pytest.raises(MalformedError):
            CheckpointRecord(heights, "note")
    assert CheckpointRecord.parse(CheckpointRecord((0,), "note").encode()).genesis is None


def test_a_bundle_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(MalformedError, match="bytes"):
        ProofBundle.parse(b"{" * (MAX_BUNDLE_BYTES + 1))


@pytest.mark.parametrize(
    "change",
    [
        ("c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v2\n"),
        ("c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\nextra AAAA\n"),
        ("index ", "index 0"),
        ("index ", "index +"),
        ("index ", "index 9999999999999999"),
        ("\n\n", "\n"),
    ],
)
def test_a_tlog_proof_in_another_form_is_refused(change: tuple[str, str]) -> None:
    text = FORMATS["tlog-proof"][0].decode()
    assert change[0] in text
    with pytest.raises(MalformedError):
        TlogProof.parse(text.replace(*change, 1))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-jcs.MAX_INTEGER, jcs.MAX_INTEGER) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(JSON_VALUES)
def test_json_is_written_as_another_rfc_8785_implementation_writes_it(value: object) -> None:
    assert jcs.dumps(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [1.0, 2**53, -(2**53), {"é": 1}, {1: 1}, "\ud800", b"", (1,), {"a": [1.5]}])
def test_json_outside_our_subset_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        jcs.dumps(value)


def test_json_nested_without_end_is_refused() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(MalformedError, match="deep"):
        jcs.dumps(value)
