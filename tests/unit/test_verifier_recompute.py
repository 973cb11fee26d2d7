"""The verifier finds every change of a sealed shard, names the place, and gives both values."""

from __future__ import annotations

import pytest
from balance_verifier.findings import Finding
from balance_verifier.recompute import ShardCheck, Waiting
from balance_verifier.rows import BlockRow, EventRow, ShardState, digests_in, raw_problem
from balance_verify.entry import Entry, sign_block
from balance_verify.note import SigningKey
from balance_verify.topicvalues import BlockRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from support.smallledger import ORIGIN, SmallLedger

COUNTS = (3, 1, 4)
"""Events of each block of the ledger under test."""


def small() -> SmallLedger:
    ledger = SmallLedger.of_seed(shards=1)
    for count in COUNTS:
        for _ in range(count):
            ledger.add_event(0)
        ledger.seal(0)
    return ledger


def check_of(ledger: SmallLedger, state: ShardState | None = None, leaves: bytes = b"") -> ShardCheck:
    sealer = ledger.sealer_key.vkey
    return ShardCheck(
        state or ShardState(shard=0),
        leaves,
        origin=ORIGIN,
        sealers=lambda *_: [sealer],
        events_topic="events",
        blocks_topic="blocks",
    )


def recompute(ledger: SmallLedger) -> tuple[list[EventRow], list[BlockRow], list[Finding]]:
    """All of shard 0, as the worker would go through it: until the end or the first fault that halts."""
    check, findings = check_of(ledger), []
    events, blocks = [], []
    for offset, value in enumerate(ledger.events[0]):
        taken = check.take_event(offset, value, findings)
        assert taken is not None
        events.append(taken[0])
    for offset, value in enumerate(ledger.blocks[0]):
        outcome = check.take_block(offset, value)
        assert not isinstance(outcome, Waiting)
        if isinstance(outcome, Finding):
            findings.append(outcome)
            if outcome.halts:
                break
        else:
            blocks.append(outcome)
    return events, blocks, findings


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    assert findings[0].expected != findings[0].got
    return findings[0]


def test_a_true_ledger_has_no_findings_and_every_block_is_recomputed() -> None:
    ledger = small()
    events, blocks, findings = recompute(ledger)
    assert findings == []
    assert [row.pos for row in events] == list(range(sum(COUNTS)))
    assert [(row.height, row.from_pos, row.count) for row in blocks] == [(0, 0, 3), (1, 3, 1), (2, 4, 4)]
    assert [row.entry for row in blocks] == ledger.entries[0]


@given(st.integers(0, sum(COUNTS) - 1), st.data())
@settings(max_examples=60, deadline=None)
def test_any_changed_byte_of_an_event_is_found_at_its_offset(offset: int, data: st.DataObject) -> None:
    ledger = small()
    value = bytearray(ledger.events[0][offset])
    at = data.draw(st.integers(0, len(value) - 1))
    value[at] ^= data.draw(st.integers(1, 255))
    ledger.events[0][offset] = bytes(value)
    _, blocks, findings = recompute(ledger)
    leaf = [finding for finding in findings if finding.code == "leaf"]
    assert only(leaf).place == f"events/0@{offset}"
    assert only(leaf).halts
    assert all(offset >= row.from_pos + row.count for row in blocks), "blocks before it stand, it and later do not"


@given(st.integers(0, len(COUNTS) - 1), st.data())
@settings(max_examples=40, deadline=None)
def test_any_changed_leaf_is_found_with_the_hash_that_was_due(height: int, data: st.DataObject) -> None:
    ledger = small()
    record = BlockRecord.parse(ledger.blocks[0][height])
    leaves = bytearray(record.leaves)
    at = data.draw(st.integers(0, len(leaves) - 1))
    leaves[at] ^= data.draw(st.integers(1, 255))
    ledger.blocks[0][height] = BlockRecord(record.entry, bytes(leaves)).encode()
    finding = only(recompute(ledger)[2])
    place = at // 32 * 32
    assert finding.code == "leaf"
    assert finding.expected == record.leaves[place : place + 32].hex()
    assert finding.got == bytes(leaves[place : place + 32]).hex()


@given(st.integers(0, len(COUNTS) - 1), st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_of_an_entry_is_never_taken_for_a_block(height: int, data: st.DataObject) -> None:
    ledger = small()
    record = BlockRecord.parse(ledger.blocks[0][height])
    entry = bytearray(record.entry)
    at = data.draw(st.integers(0, len(entry) - 1))
    entry[at] ^= data.draw(st.integers(1, 255))
    ledger.blocks[0][height] = BlockRecord(bytes(entry), record.leaves).encode()
    _, blocks, findings = recompute(ledger)
    assert len(blocks) == height, "the chain does not go on without it"
    assert findings[0].code in {"block_unreadable", "block_signature", "block_not_counting"}
    assert findings[0].place == f"blocks/0@{height}"


CHANGES = {
    "root": ("root", "f" * 64),
    "height": ("block_not_counting", 7),
    "prev": ("block_not_counting", "e" * 64),
    "from_": ("block_not_counting", 5),
    "start": ("block_not_counting", 5),
    "gen": ("block_not_counting", 1),
    "shard": ("block_not_counting", 1),
    "time": ("block_not_counting", "2001-01-01T00:00:00.000Z"),
    "origin": ("block_header", "other.example/log"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_header_that_the_sealer_signed_wrongly_is_found(name: str) -> None:
    code, wrong = CHANGES[name]
    ledger = small()
    ledger.add_event(0)
    ledger.seal(0, **{name: wrong})
    finding = only(recompute(ledger)[2])
    assert finding.code == code
    assert finding.place == "blocks/0@3"
    assert str(wrong) in finding.got + finding.detail


def test_a_block_of_another_key_is_not_taken() -> None:
    ledger = small()
    stranger = SigningKey.generate(f"{ORIGIN}/sealer", b"s" * 32)
    record = BlockRecord.parse(ledger.blocks[0][1])
    header = Entry.parse(record.entry).block_header()
    ledger.blocks[0][1] = BlockRecord(sign_block(header, stranger).encode(), record.leaves).encode()
    findings = recompute(ledger)[2]
    assert findings[0].code == "block_signature"
    assert stranger.vkey.id in findings[0].got
    assert ledger.sealer_key.vkey.id in findings[0].expected


def test_fewer_or_more_leaves_than_events_are_found() -> None:
    ledger = small()
    record = BlockRecord.parse(ledger.blocks[0][0])
    ledger.blocks[0][0] = BlockRecord(record.entry, record.leaves + bytes(32)).encode()
    assert only(recompute(ledger)[2]).code == "leaf_count"


@given(st.permutations(range(sum(COUNTS))).filter(lambda order: order != sorted(order)))
@settings(max_examples=30, deadline=None)
def test_events_in_another_order_are_found(order: list[int]) -> None:
    ledger = small()
    ledger.events[0] = [ledger.events[0][n] for n in order]
    codes = {finding.code for finding in recompute(ledger)[2]}
    assert "leaf" in codes
    assert "event_not_counting" in codes or "raw_gap" in codes


def test_a_block_that_comes_twice_does_not_count_and_stops_nothing() -> None:
    ledger = small()
    ledger.blocks[0].insert(1, ledger.blocks[0][0])
    _, blocks, findings = recompute(ledger)
    assert len(blocks) == len(COUNTS)
    assert only(findings).code == "block_not_counting"
    assert only(findings).severity == "medium"


def test_an_event_that_comes_twice_does_not_count_and_is_sealed_all_the_same() -> None:
    ledger = SmallLedger.of_seed(shards=1)
    for rawpos in (0, 1, 1, 2):
        ledger.add_event(0, rawpos=rawpos)
    ledger.seal(0)
    events, blocks, findings = recompute(ledger)
    assert [row.counts for row in events] == [True, True, False, True]
    assert len(blocks) == 1
    assert only(findings).place == "events/0@2"


def test_a_raw_record_without_an_event_is_found() -> None:
    ledger = SmallLedger.of_seed(shards=1)
    for rawpos in (0, 1, 3):
        ledger.add_event(0, rawpos=rawpos)
    finding = only(recompute(ledger)[2])
    assert (finding.code, finding.place) == ("raw_gap", "events/0@2")
    assert "raw offset 2" in finding.expected


def test_a_record_that_is_not_an_event_is_found_and_sealed_all_the_same() -> None:
    ledger = SmallLedger.of_seed(shards=1)
    ledger.add_event(0)
    ledger.events[0].append(b"\xff not an event")
    ledger.seal(0)
    events, blocks, findings = recompute(ledger)
    assert [row.counts for row in events] == [True, False]
    assert len(blocks) == 1
    assert only(findings).code == "event_unreadable"


def test_an_event_whose_bytes_are_not_canonical_is_found() -> None:
    ledger = SmallLedger.of_seed(shards=1)
    ledger.add_event(0)
    ledger.events[0][0] = ledger.events[0][0].replace(b'"rawgen":0', b'"rawgen": 0')
    ledger.seal(0)
    events, blocks, findings = recompute(ledger)
    assert only(findings).code == "event_not_canonical"
    assert events[0].counts
    assert len(blocks) == 1


def test_a_hole_in_a_topic_halts_the_shard() -> None:
    ledger = small()
    check, findings = check_of(ledger), []
    assert check.take_event(1, ledger.events[0][1], findings) is None
    assert (only(findings).code, only(findings).halts) == ("event_missing", True)
    outcome = check.take_block(1, ledger.blocks[0][1])
    assert isinstance(outcome, Finding)
    assert (outcome.code, outcome.halts) == ("block_missing", True)


def test_a_block_waits_for_its_events() -> None:
    ledger = small()
    check, findings = check_of(ledger), []
    for offset in (0, 1):
        check.take_event(offset, ledger.events[0][offset], findings)
    assert check.take_block(0, ledger.blocks[0][0]) == Waiting(3)
    check.take_event(2, ledger.events[0][2], findings)
    assert isinstance(check.take_block(0, ledger.blocks[0][0]), BlockRow)


@given(st.integers(0, sum(COUNTS)), st.integers(0, len(COUNTS)))
@settings(max_examples=40, deadline=None)
def test_going_on_from_any_committed_state_gives_the_same_rows(events_taken: int, blocks_wanted: int) -> None:
    ledger = small()
    whole = recompute(ledger)
    first, findings = check_of(ledger), []
    rows = []
    for offset in range(events_taken):
        taken = first.take_event(offset, ledger.events[0][offset], findings)
        assert taken is not None
        rows.append(taken[0])
    blocks = []
    for offset in range(blocks_wanted):
        outcome = first.take_block(offset, ledger.blocks[0][offset])
        if not isinstance(outcome, BlockRow):
            break
        blocks.append(outcome)
    state = first.state()
    second = check_of(ledger, state, b"".join(row.leaf for row in rows[state.sealed_next :]))
    for offset in range(events_taken, len(ledger.events[0])):
        taken = second.take_event(offset, ledger.events[0][offset], findings)
        assert taken is not None
        rows.append(taken[0])
    for offset in range(len(blocks), len(ledger.blocks[0])):
        outcome = second.take_block(offset, ledger.blocks[0][offset])
        assert isinstance(outcome, BlockRow)
        blocks.append(outcome)
    assert (rows, blocks, findings) == whole


def test_the_same_fault_has_the_same_id_and_another_place_another() -> None:
    one = Finding(code="leaf", place="events/0@1", expected="a", got="b")
    assert one.id(ORIGIN) == Finding(code="leaf", place="events/0@1", expected="a", got="b", detail="x").id(ORIGIN)
    assert one.id(ORIGIN) != Finding(code="leaf", place="events/0@2", expected="a", got="b").id(ORIGIN)
    assert one.id(ORIGIN) != one.id("other.example/log")


def test_every_digest_that_an_event_names_is_found_wherever_it_is() -> None:
    data = {"digests": {"sha-256": "AB", "sm3": "cd"}, "files": [{"digests": {"sha-256": "ef"}}], "digest": {"x": "y"}}
    assert set(digests_in(data)) == {("sha-256", "ab"), ("sm3", "cd"), ("sha-256", "ef")}


def test_an_event_must_say_of_its_raw_record_what_the_broker_says() -> None:
    ledger = SmallLedger.of_seed(shards=1)
    event = ledger.add_event(0)
    row = recompute(ledger)[0][0]
    assert raw_problem(row, event.source, event.received_ms) is None
    assert raw_problem(row, event.source, event.received_ms + 1) is not None
    assert raw_problem(row, "https://other.example", event.received_ms) is not None
