"""A restored log goes on behind a signed entry: where it is tells by height alone which generation a block is of."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from balance_chain.core.counting import BlockChain
from balance_sealer.log import Anchor, GlobalLog, generation_draft, genesis_draft
from balance_verifier.archive import stores
from balance_verifier.archive.layout import records_path
from balance_verifier.findings import NOT_COUNTING, Finding
from balance_verifier.logcheck import Advance, LogCheck, LogState, Opened, Skipped, history_of
from balance_verifier.recompute import ShardCheck, Unrecognised, Waiting
from balance_verifier.rows import ShardState
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import BlockHeader, Entry, sign_generation
from balance_verify.errors import MismatchError
from balance_verify.generation import GenerationHeader
from balance_verify.keyset import KeyHistory, sign_keys
from balance_verify.merkle import consistency_path, inclusion_path, leaf_hash, tree_root, verify_consistency
from balance_verify.note import SigningKey, open_note
from balance_verify.proof import ProofBundle, TlogProof
from balance_verify.topicvalues import BlockRecord, CheckpointRecord
from balance_verify.verify import verify_bundle
from hypothesis import given, settings
from hypothesis import strategies as st
from support.archived import check, export, grow, last_note
from support.smallledger import ORIGIN, SmallLedger

SHARDS = 2
STEPS = st.lists(st.one_of(st.integers(0, SHARDS - 1), st.just("restore")), max_size=14)
"""A block of a shard, or a restore of all that there is."""


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores.os, "fsync", lambda _: None)


@dataclass
class Grown:
    """A ledger, and in log order for each entry its shard and height, or None for one that begins a generation."""

    ledger: SmallLedger
    order: list[tuple[int, int] | None]


def grown(steps: list[int | str]) -> Grown:
    ledger, order = SmallLedger.of_seed(shards=SHARDS), []
    for step in steps:
        if isinstance(step, int):
            ledger.add_event(step)
            ledger.seal(step)
            ledger.checkpoint()
            order.append((step, len(ledger.entries[step]) - 1))
        else:
            ledger.begin_generation()
            order.append(None)
    return Grown(ledger, order)


def history(ledger: SmallLedger) -> KeyHistory:
    found = KeyHistory.begin(Entry.parse(ledger.genesis).genesis_header())
    for entry in ledger.generations:
        found = found.restored(Entry.parse(entry).generation_header().heights)
    return found


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_a_height_tells_the_generation_that_the_place_in_the_log_tells(steps: list[int | str]) -> None:
    made = grown(steps)
    known, begun = history(made.ledger), 0
    for place in made.order:
        if place is None:
            begun += 1
        else:
            assert known.generation(*place) == begun
            assert Entry.parse(made.ledger.entries[place[0]][place[1]]).block_header().gen == begun


@given(STEPS, st.data())
@settings(max_examples=60, deadline=None)
def test_a_block_counts_in_its_own_generation_only(steps: list[int | str], data: st.DataObject) -> None:
    made = grown(steps)
    known = history(made.ledger)
    for shard in range(SHARDS):
        chain = BlockChain(shard, generation_at=known.generation)
        for entry in made.ledger.entries[shard]:
            header = Entry.parse(entry).block_header()
            wrong = data.draw(st.sampled_from([gen for gen in range(5) if gen != header.gen]))
            fields = {name: getattr(header, name) for name in BlockHeader.__dataclass_fields__}
            reason = chain.check(BlockHeader(**{**fields, "gen": wrong}), entry)
            assert reason == f"gen: expected {header.gen}, got {wrong}"
            assert chain.check(header, entry) is None
            chain.extend(header, entry)
            assert chain.gen == header.gen
            # All that was sealed is in the new topics, so places go on.
            assert chain.next_offset == chain.start


def test_a_generation_never_begins_below_the_one_before() -> None:
    known = history(grown([0, 1, "restore"]).ledger)
    with pytest.raises(MismatchError, match="heights"):
        known.restored((0, -1))
    with pytest.raises(MismatchError, match="shards"):
        known.restored((0,))


def test_keys_change_in_a_restored_log_and_its_generations_stay() -> None:
    ledger = grown([0, 1, "restore"]).ledger
    known = history(ledger)
    sealer = SigningKey.generate(f"{ORIGIN}/sealer", b"\x07" * 32).vkey
    heights = (0, 0)
    changed = sign_keys(known.last.after(ledger.size, heights, add=[sealer]), ledger.log_key)
    after = known.taking_note(changed.encode().decode(), ledger.size, heights)
    assert after.generations == known.generations
    assert (sealer in after.sealers(0, 0), sealer in after.sealers(0, 1)) == (False, True)


def follow(ledger: SmallLedger, state: LogState | None = None, first: int = 0) -> tuple[LogState, list[Finding]]:
    """The verifier's recomputation of every checkpoint record from number `first` on."""
    log = LogCheck(ledger.log_key.vkey, origin=ORIGIN, shards=SHARDS, topic="checkpoints")
    state, found = state or LogState(), []
    for offset, value in enumerate(ledger.checkpoints[first:], first):
        opened = log.open(state, offset, value)
        assert isinstance(opened, Opened)
        outcome: Advance | Skipped
        if not state.genesis:
            outcome = log.genesis(state, opened)
        elif opened.record.generation is not None:
            outcome = log.generation(state, opened)
        else:
            covered = log.coverage(state, opened)
            assert not isinstance(covered, Skipped)
            entries = [e for shard, low, high in covered for e in ledger.entries[shard][low : high + 1]]
            outcome = log.take(state, opened, entries)
        if isinstance(outcome, Skipped) and outcome.finding is not None:
            found.append(outcome.finding)
        state = outcome.state
    return state, found


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_the_verifier_recomputes_a_log_of_many_generations(steps: list[int | str]) -> None:
    made = grown(steps)
    state, found = follow(made.ledger)
    assert found == []
    assert (state.size, state.root) == (made.ledger.size, made.ledger.root)
    assert history_of(state) == history(made.ledger)


@pytest.mark.parametrize(
    "changes",
    [
        {"gen": 2},
        {"heights": (0, -1)},
        {"origin": "other.example/log"},
        {"root": "00" * 32},
        {"size": 2},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_entry_that_does_not_go_on_from_the_log_is_a_finding(changes: dict[str, object]) -> None:
    ledger = grown([0, 1]).ledger
    state, _ = follow(ledger)
    ledger.begin_generation(**changes)
    after, found = follow(ledger, state, len(ledger.checkpoints) - 1)
    assert [(each.code, each.severity) for each in found] == [("generation", "critical")]
    assert (after.size, after.generations) == (state.size, ())


def test_an_entry_by_another_key_begins_nothing() -> None:
    ledger = grown([0]).ledger
    state, _ = follow(ledger)
    true = Entry.parse(CheckpointRecord.parse(ledger.begin_generation()).generation or b"").generation_header()
    forged = sign_generation(true, ledger.sealer_key).encode()
    record = CheckpointRecord.parse(ledger.checkpoints[-1])
    ledger.checkpoints[-1] = CheckpointRecord(record.heights, record.note, generation=forged).encode()
    _, found = follow(ledger, state, len(ledger.checkpoints) - 1)
    assert [each.code for each in found] == ["generation"]


def test_the_same_generation_twice_does_not_count_and_is_no_fault() -> None:
    ledger = grown([0, "restore"]).ledger
    ledger.checkpoints.append(ledger.checkpoints[-1])
    state, found = follow(ledger)
    assert [(each.code, each.severity) for each in found] == [("checkpoint_not_counting", NOT_COUNTING)]
    assert len(state.generations) == 1


def test_a_block_of_a_generation_not_read_yet_waits_for_a_look() -> None:
    ledger = grown([0, "restore", 0]).ledger
    known = [KeyHistory.begin(Entry.parse(ledger.genesis).genesis_header())]
    shard = ShardCheck(
        ShardState(shard=0),
        b"",
        origin=ORIGIN,
        sealers=lambda *place: known[0].sealers(*place),
        generation_at=lambda *place: known[0].generation(*place),
        events_topic="events",
        blocks_topic="blocks",
    )
    findings: list[Finding] = []
    for offset, value in enumerate(ledger.events[0]):
        shard.take_event(offset, value, findings)
    outcomes = [shard.take_block(0, ledger.blocks[0][0]), shard.take_block(1, ledger.blocks[0][1], keys_current=False)]
    assert not isinstance(outcomes[0], (Finding, Waiting, Unrecognised))
    assert isinstance(outcomes[1], Unrecognised)
    known[0] = history(ledger)
    assert not isinstance(shard.take_block(1, ledger.blocks[0][1], keys_current=False), (Finding, Unrecognised))
    assert findings == []
    assert shard.state().gen == 1


def test_the_notarys_log_goes_on_behind_the_entry_as_everybody_recomputes_it() -> None:
    ledger = grown([0, 1, "restore", 1]).ledger
    genesis, known = Entry.parse(ledger.genesis).genesis_header(), history(ledger)
    chains = [BlockChain(shard, generation_at=known.generation) for shard in range(SHARDS)]
    log = GlobalLog(genesis, genesis_draft(ledger.genesis, SHARDS).published_at(0), chains)
    for offset, value in enumerate(ledger.checkpoints[1:], 1):
        record = CheckpointRecord.parse(value)
        for shard in range(SHARDS):
            for height in range(log.height(shard) + 1, record.heights[shard] + 1):
                entry = ledger.entries[shard][height]
                assert log.offer(shard, height, Entry.parse(entry).block_header(), entry) is None
        begun = record.generation
        draft = log.draft() if begun is None else generation_draft(log.anchor, begun)
        said = Checkpoint.parse(open_note(record.note.encode(), [ledger.log_key.vkey]).text)
        assert (draft.state.size, draft.state.root, draft.state.heights) == (said.size, said.root, record.heights)
        log.published(draft, offset)
    assert log.anchor.state.size == ledger.size
    assert Anchor.empty(SHARDS).state.size == 0


def leaves_of(made: Grown) -> list[bytes]:
    begun = iter(made.ledger.generations)
    entries = [made.ledger.entries[at[0]][at[1]] if at else next(begun) for at in made.order]
    return [leaf_hash(entry) for entry in (made.ledger.genesis, *entries)]


def test_the_checkpoint_before_is_consistent_with_those_behind_and_an_old_event_is_proved_under_them() -> None:
    made = grown([0, 1, "restore", 0, "restore", 1])
    ledger, leaves = made.ledger, leaves_of(made)
    old = Checkpoint.parse(open_note(note_of(ledger.checkpoints[2]), [ledger.log_key.vkey]).text)
    for size in range(old.size, len(leaves) + 1):
        path = consistency_path(leaves[:size], old.size)
        verify_consistency(old.size, old.root, size, tree_root(leaves[:size]), path)
    for index, place in enumerate(made.order, 1):
        if place is None:
            continue
        record = BlockRecord.parse(ledger.blocks[place[0]][place[1]])
        event = ledger.events[place[0]][place[1]]
        proof = TlogProof(
            index, tuple(inclusion_path(leaves, index)), open_note(last_note(ledger), [ledger.log_key.vkey])
        )
        report = verify_bundle(
            ProofBundle(event, record.entry, 0, (), proof), ledger.log_key.vkey, sealer_keys=[ledger.sealer_key.vkey]
        )
        assert report.ok, report


def note_of(value: bytes) -> bytes:
    return CheckpointRecord.parse(value).note.encode()


async def test_an_archive_of_many_generations_is_whole(tmp_path: Path) -> None:
    ledger = SmallLedger.of_seed()
    for _ in range(3):
        grow(ledger, 2)
        await export(ledger, tmp_path)
        ledger.begin_generation()
    grow(ledger, 1)
    done = await export(ledger, tmp_path)
    report = check(tmp_path, ledger.log_key.vkey, last_note(ledger))
    assert report.faults == []
    assert (done.size, report.size, report.events) == (ledger.size, 1 + 14 + 3, 42)
    # A run that was stopped goes on over a generation's beginning.
    assert check(tmp_path, ledger.log_key.vkey, state=tmp_path / "state").faults == []


async def test_a_generation_that_begins_elsewhere_is_a_fault_of_the_archive(tmp_path: Path) -> None:
    ledger = SmallLedger.of_seed()
    grow(ledger, 1)
    ledger.begin_generation()
    grow(ledger, 1)
    await export(ledger, tmp_path)
    path = tmp_path / records_path(0, len(ledger.checkpoints))
    lines = path.read_bytes().splitlines(keepends=True)
    record = CheckpointRecord.parse(lines[2].rstrip(b"\n"))
    true = Entry.parse(record.generation or b"").generation_header()
    fields = {name: getattr(true, name) for name in GenerationHeader.__dataclass_fields__}
    moved = sign_generation(GenerationHeader(**{**fields, "heights": (-1, 0)}), ledger.log_key).encode()
    lines[2] = CheckpointRecord(record.heights, record.note, generation=moved).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    first, second, *rest = check(tmp_path, ledger.log_key.vkey).faults
    assert (first.place, first.step, first.expected, first.got) == (
        f"{records_path(0, len(lines))}#2",
        "generation entry",
        "(0, 0)",
        "(-1, 0)",
    )
    assert (second.step, second.got) == ("generation entry", leaf_hash(record.generation or b"").hex())
    assert {fault.step for fault in rest} <= {"chain of shard 0, gen", "chain of shard 1, gen"}


async def test_a_block_that_names_another_generation_is_a_fault_of_the_archive(tmp_path: Path) -> None:
    ledger = SmallLedger.of_seed()
    grow(ledger, 1)
    await export(ledger, tmp_path)
    ledger.begin_generation()
    ledger.add_event(0)
    ledger.seal(0, None, gen=0)
    ledger.checkpoint()
    with pytest.raises(Exception, match="gen: expected 1, got 0"):
        await export(ledger, tmp_path)


def test_a_log_without_generations_has_the_bytes_that_it_had() -> None:
    value = SmallLedger.of_seed().checkpoints[0]
    assert set(json.loads(value)) == {"genesis", "heights", "note"}
    assert CheckpointRecord.parse(value).encode() == value
    assert list(itertools.islice(json.loads(value), 2)) == ["genesis", "heights"]
