"""The verifier recomputes the global log: only the tree over entries that it has recomputed itself counts."""

from __future__ import annotations

import pytest
from balance_verifier.logcheck import Advance, LogCheck, LogState, Opened, Skipped, history_of
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import GenesisHeader, sign_genesis
from balance_verify.merkle import assemble_path, inclusion_nodes, leaf_hash, verify_inclusion
from balance_verify.note import SigningKey, sign_note
from balance_verify.topicvalues import CheckpointRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from support.smallledger import ORIGIN, SmallLedger

SHARDS = 2


def check_of(ledger: SmallLedger) -> LogCheck:
    return LogCheck(ledger.log_key.vkey, origin=ORIGIN, shards=SHARDS, topic="checkpoints")


def outcome_of(ledger: SmallLedger, state: LogState, offset: int, value: bytes) -> Advance | Skipped:
    """One checkpoint record, with the entries of the ledger's blocks, as the worker would carry it."""
    check = check_of(ledger)
    opened = check.open(state, offset, value)
    if isinstance(opened, Skipped):
        return opened
    if not state.genesis:
        return check.genesis(state, opened)
    if opened.record.generation is not None:
        return check.generation(state, opened)
    covered = check.coverage(state, opened)
    if isinstance(covered, Skipped):
        return covered
    entries = []
    for shard, first, last in covered:
        kept = ledger.entries[shard][first : last + 1]
        if len(kept) < last - first + 1:
            return check.never_came(state, opened, shard, first + len(kept) - 1)
        entries += kept
    return check.take(state, opened, entries)


def follow(ledger: SmallLedger) -> tuple[LogState, list[Advance], list[Skipped]]:
    state, advances, skipped = LogState(), [], []
    for offset, value in enumerate(ledger.checkpoints):
        outcome = outcome_of(ledger, state, offset, value)
        (advances if isinstance(outcome, Advance) else skipped).append(outcome)  # type: ignore[arg-type]
        state = outcome.state
    return state, advances, skipped


def grown(rounds: list[tuple[int, int]]) -> SmallLedger:
    """A ledger with so many blocks of each shard before each checkpoint."""
    ledger = SmallLedger.of_seed(shards=SHARDS)
    for blocks in rounds:
        for shard, count in enumerate(blocks):
            for _ in range(count):
                ledger.add_event(shard)
                ledger.seal(shard)
        ledger.checkpoint()
    return ledger


def record(ledger: SmallLedger, size: int, root: bytes, heights: tuple[int, ...], *keys: SigningKey) -> bytes:
    """A checkpoint with these words, signed by these keys (the log's by default)."""
    note = sign_note(Checkpoint(ORIGIN, size, root).text(), *(keys or (ledger.log_key,)))
    return CheckpointRecord(heights, note.encode().decode()).encode()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(any), max_size=5))
@settings(max_examples=40, deadline=None)
def test_every_true_checkpoint_counts_and_its_nodes_prove_every_entry(rounds: list[tuple[int, int]]) -> None:
    ledger = grown(rounds)
    state, advances, skipped = follow(ledger)
    assert skipped == []
    assert (state.size, state.root) == (ledger.size, ledger.root)
    nodes = {(node.level, node.index): node.hash for advance in advances for node in advance.nodes}
    order, covered = [ledger.genesis], [-1] * SHARDS
    for advance in advances[1:]:
        for shard, height in enumerate(advance.checkpoint.heights):
            order += ledger.entries[shard][covered[shard] + 1 : height + 1]
            covered[shard] = height
    for index, entry in enumerate(order):
        path = assemble_path(inclusion_nodes(index, state.size), nodes)
        verify_inclusion(leaf_hash(entry), index, state.size, path, state.root)


def test_the_genesis_entry_names_the_sealer() -> None:
    ledger = SmallLedger.of_seed(shards=SHARDS)
    state, _, _ = follow(ledger)
    assert history_of(state).sealers(0, 0) == (ledger.sealer_key.vkey,)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_any_changed_byte_of_a_checkpoint_record_is_found(data: st.DataObject) -> None:
    ledger = grown([(1, 1), (0, 2)])
    number = data.draw(st.integers(0, 2))
    value = bytearray(ledger.checkpoints[number])
    at = data.draw(st.integers(0, len(value) - 1))
    value[at] ^= data.draw(st.integers(1, 255))
    ledger.checkpoints[number] = bytes(value)
    _, _, skipped = follow(ledger)
    assert skipped
    finding = skipped[0].finding
    assert finding.place == f"checkpoints/0@{number}"
    assert finding.expected != finding.got


def one_more(ledger: SmallLedger, value: bytes) -> tuple[str, str, str]:
    """What is found of one more checkpoint record."""
    state, _, skipped = follow(ledger)
    assert not skipped
    outcome = outcome_of(ledger, state, len(ledger.checkpoints), value)
    assert isinstance(outcome, Skipped)
    assert outcome.state.next == state.next + 1
    assert (outcome.state.size, outcome.state.root) == (state.size, state.root), "it does not count"
    return outcome.finding.code, outcome.finding.expected, outcome.finding.got


def test_another_root_at_a_new_size_is_found_with_both_roots() -> None:
    ledger = grown([(1, 0)])
    ledger.add_event(0)
    ledger.seal(0)
    code, expected, got = one_more(ledger, record(ledger, 3, b"\7" * 32, (1, -1)))
    assert (code, got) == ("checkpoint_root", "07" * 32)
    ledger.checkpoint()
    assert expected == ledger.root.hex()


def test_another_root_at_the_same_size_is_found() -> None:
    ledger = grown([(1, 0)])
    code, expected, got = one_more(ledger, record(ledger, 2, b"\7" * 32, (0, -1)))
    assert code == "checkpoint_not_counting"
    assert ledger.root.hex() in expected
    assert "07" * 32 in got


def test_a_size_that_is_not_the_number_of_entries_is_found() -> None:
    ledger = grown([(1, 0)])
    ledger.add_event(0)
    ledger.seal(0)
    assert one_more(ledger, record(ledger, 9, b"\7" * 32, (1, -1))) == ("checkpoint_size", "3", "9")


@pytest.mark.parametrize("heights", [(-1, -1), (0,), (0, -1, -1)])
def test_heights_that_go_back_or_are_of_other_shards_are_found(heights: tuple[int, ...]) -> None:
    ledger = grown([(1, 0)])
    assert one_more(ledger, record(ledger, 5, b"\7" * 32, heights))[0] == "checkpoint_coverage"


def test_a_checkpoint_over_blocks_that_do_not_exist_is_found() -> None:
    ledger = grown([(1, 0)])
    code, expected, got = one_more(ledger, record(ledger, 5, b"\7" * 32, (3, -1)))
    assert (code, expected, got) == ("checkpoint_coverage", "shard 0 up to height 0", "shard 0 up to height 3")


def test_a_strangers_checkpoint_is_found() -> None:
    ledger = grown([(1, 0)])
    stranger = SigningKey.generate(ORIGIN, b"s" * 32)
    code, expected, got = one_more(ledger, record(ledger, 2, ledger.root, (0, -1), stranger))
    assert code == "checkpoint_signature"
    assert ledger.log_key.vkey.id in expected
    assert stranger.vkey.id in got


def test_the_same_checkpoint_again_adds_nothing_and_does_not_count() -> None:
    ledger = grown([(1, 0)])
    assert one_more(ledger, ledger.checkpoints[-1])[0] == "checkpoint_not_counting"


def test_a_missing_record_is_found_and_what_follows_is_still_judged() -> None:
    ledger = grown([(1, 0), (0, 1)])
    state, _, _ = follow(ledger)
    lost = outcome_of(ledger, state, 5, ledger.checkpoints[-1])
    assert isinstance(lost, Skipped)
    assert lost.finding.code == "checkpoint_missing"
    assert lost.state.next == 5


@pytest.mark.parametrize("fault", ["signer", "shards", "no sealer", "none"])
def test_a_genesis_that_is_not_of_this_log_is_refused(fault: str) -> None:
    ledger = SmallLedger.of_seed(shards=SHARDS)
    keys = [ledger.log_key, ledger.sealer_key, ledger.gateway_key]
    if fault == "no sealer":
        keys.pop(1)
    header = GenesisHeader(
        "0" * 64,
        tuple(str(key.vkey) for key in keys),
        ORIGIN,
        3 if fault == "shards" else SHARDS,
        "2026-01-01T00:00:00.000Z",
    )
    entry = sign_genesis(header, ledger.sealer_key if fault == "signer" else ledger.log_key).encode()
    note = sign_note(Checkpoint(ORIGIN, 1, leaf_hash(entry)).text(), ledger.log_key).encode().decode()
    value = CheckpointRecord((-1,) * SHARDS, note, None if fault == "none" else entry).encode()
    check = check_of(ledger)
    opened = check.open(LogState(), 0, value)
    assert isinstance(opened, Opened)
    outcome = check.genesis(LogState(), opened)
    assert isinstance(outcome, Skipped)
    assert outcome.finding.code == "genesis"
