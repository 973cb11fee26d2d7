"""However notaries die, freeze, run side by side and meet a topic that lost its end, what they sign is one history.

The notary's own coroutine (`Notary._turn`: recovery, guard row, signature, publication) is played step by step over a
model of Kafka and of the guard row. The lock is not modelled: every notary gets it at once, as where PostgreSQL has
forgotten who held it, so that what holds here holds by the guard row alone.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from balance_chain.core.counting import CheckpointCounter
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS
from balance_chain.runtime.health import Health
from balance_sealer import notary, recovery
from balance_sealer.errors import GuardMoved, NotaryRefusal
from balance_sealer.log import Anchor, State, genesis_draft
from balance_sealer.notary import Notary
from balance_sealer.repository import Guard
from balance_sealer.settings import NotarySettings
from balance_verify.checkpoint import Checkpoint
from balance_verify.merkle import leaf_hash, tree_root
from balance_verify.note import open_note
from balance_verify.topicvalues import CheckpointRecord
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from support.modelkafka import Batch, ModelPartition, ModelReader, ModelTopicReader, ModelWriter
from support.schedules import schedules
from support.smallledger import ORIGIN, SmallLedger
from support.stepping import Played, step

SHARDS = 2
NOTARIES = 2
STEPS_TO_SETTLE = 60
STEPS_TO_A_CHECKPOINT = 12
OUTCOMES = st.sampled_from(["lost", "unanswered", "frozen", "dies"])
GONE = ConnectionResetError("the connection is gone")


def nothing(*_: object, **__: object) -> None:
    """Logs nothing."""


class GuardRow:
    """The guard row: a statement is carried out whole or not at all, and its answer may be lost."""

    def __init__(self, first: Guard) -> None:
        self.row = first
        self.rows = [first]
        self.held = {first.state}
        """Every state that the row has had."""

    async def read(self) -> Guard:
        await step("row")
        return self.row

    async def acquire(self, _lease_seconds: float) -> bool:
        return True

    async def renew(self) -> None:
        return

    async def asked(self) -> list[Any]:
        return []

    async def swap(self, old: State, new: State, base: Anchor, nodes: object = (), *, key_sets: int = 0) -> None:
        outcome = await step("swap")
        if outcome == "lost":
            raise GONE
        if self.row.state != old or key_sets != len(self.row.keys):
            raise GuardMoved("guard row", f"is not at size {old.size} any more", "another notary is at work")
        self.row = replace(self.row, state=new, base=base)
        self.rows.append(self.row)
        self.held.add(new)
        if outcome == "unanswered":
            raise GONE


class NoWitnesses:
    """Cosignatures have a machine of their own (test_gathering.py)."""

    wanted = gathers = False

    @contextlib.asynccontextmanager
    async def running(self, _state: State, _offset: int) -> AsyncIterator[None]:
        yield

    def holds(self) -> bool:
        return False

    def record(self, *, closing: bool) -> None:
        return

    def published(self, state: State) -> None:
        return


class Notaries(RuleBasedStateMachine):
    """Any interleaving of notaries, blocks, late batches, lost answers, deaths and restored topics."""

    keys: KeyDirectory
    number = st.integers(0, NOTARIES - 1)

    def __init__(self) -> None:
        super().__init__()
        self.ledger = SmallLedger(self.keys.log, self.keys.sealer, self.keys.gateway, SHARDS, ORIGIN)
        genesis = self.ledger.genesis
        first = genesis_draft(genesis, SHARDS).state
        self.guard = GuardRow(Guard(ORIGIN, genesis, first, Anchor.empty(SHARDS)))
        self.blocks = [ModelPartition() for _ in range(SHARDS)]
        self.checkpoints = ModelPartition()
        self.played: list[Played | None] = [None] * NOTARIES
        self.signed: dict[int, tuple[bytes, tuple[int, ...]]] = {}
        self.known: list[Batch] = []
        self.lost: list[Any] = []
        self.newer: Guard | None = None
        self.now = 0.0
        self.settings = NotarySettings(origin=ORIGIN, partitions=SHARDS, keys=self.keys.path)
        self.patches = contextlib.ExitStack()
        for module, name, model in (
            (notary, "TailWriter", lambda *_: ModelWriter(self.checkpoints)),
            (notary, "TopicReader", lambda settings, topic, starts: ModelTopicReader(self.blocks, starts)),
            (recovery, "PartitionReader", self._reader),
            (notary, "_log", SimpleNamespace(info=nothing, warning=nothing)),
            (notary, "time", SimpleNamespace(monotonic=self._tell_time)),
        ):
            self.patches.enter_context(patch.object(module, name, model))

    def teardown(self) -> None:
        """When all is well again every block comes under a checkpoint."""
        try:
            self._restore_what_was_lost()
            self.put_the_row_back()
            self._kill_all()
            self._start(0)
            for _ in range(STEPS_TO_SETTLE):
                played = self.played[0]
                assert played is not None, "a notary with nothing in its way goes on"
                if self._covered() == [len(each) - 1 for each in self.ledger.entries]:
                    return
                if isinstance(played.waits_for, Batch):
                    played.waits_for.arrive()
                    self._play(0, True)
                else:
                    self._play(0)
            raise AssertionError(f"never covered: {self._covered()}")
        finally:
            self._kill_all()
            self.patches.close()

    def _seen(self) -> set[int]:
        """Sizes that the topic states."""
        notes = (CheckpointRecord.parse(stored.value).note for stored in self.checkpoints.records)
        return {Checkpoint.parse(open_note(note.encode(), [self.keys.log_vkey]).text).size for note in notes}

    def _tell_time(self) -> float:
        self.now += 1.0
        return self.now

    def _reader(self, _settings: object, topic: str, partition: int, start: int = 0) -> ModelReader:
        return ModelReader(self.blocks[partition] if topic == BLOCKS else self.checkpoints, start)

    def _play(self, number: int, answer: object = None) -> None:
        played = self.played[number]
        assert played is not None
        played.go(answer)
        self._after(number)

    def _after(self, number: int) -> None:
        """What a notary has signed is out as soon as it is sent; one that has failed is gone until started again."""
        played = self.played[number]
        assert played is not None
        waits = played.waits_for
        if isinstance(waits, Batch) and waits not in self.known:
            self.known.append(waits)
            self._note_signed(waits)
        if isinstance(played.error, NotaryRefusal):
            assert self.lost or self.newer, f"refused though nothing was lost: {played.error}"
        if played.ended:
            self.played[number] = None

    def _note_signed(self, batch: Batch) -> None:
        for out in batch.records:
            record = CheckpointRecord.parse(out.value)
            text = open_note(record.note.encode(), [self.keys.log_vkey]).text
            told = Checkpoint.parse(text)
            state = State(told.size, told.root, record.heights)
            assert state in self.guard.held, "signed before the guard row had it"
            assert self.signed.setdefault(told.size, (told.root, record.heights)) == (told.root, record.heights)

    def _covered(self) -> list[int]:
        """Heights of the last checkpoint that counts."""
        counter = CheckpointCounter()
        for stored in self.checkpoints.records:
            record = CheckpointRecord.parse(stored.value)
            told = Checkpoint.parse(open_note(record.note.encode(), [self.keys.log_vkey]).text)
            at = (told.size, told.root, record.heights, frozenset({"log"}))
            if counter.check(*at, consistent=True) is None:
                counter.take(*at)
        return list(counter.heights)

    def _kill_all(self) -> None:
        for number in range(NOTARIES):
            self._die(number)

    @rule(shard=st.integers(0, SHARDS - 1), count=st.integers(1, 2), repeat=st.booleans())
    def seal(self, shard: int, count: int, repeat: bool) -> None:
        """Blocks come; a zombie sealer may repeat one, which does not count."""
        for _ in range(count):
            self.ledger.add_event(shard)
            value = self.ledger.seal(shard)
            self.blocks[shard].store(value)
        if repeat:
            self.blocks[shard].store(value)

    @rule(number=number, steps=st.sampled_from([1, 2, 3, 5, 8, 16]))
    def go_on(self, number: int, steps: int) -> None:
        """All goes well for some steps: statements are carried out, batches stored and acknowledged."""
        for _ in range(steps):
            played = self.played[number]
            if played is None:
                self._start(number)
            elif isinstance(played.waits_for, Batch):
                played.waits_for.arrive()
                self._play(number, True)
            else:
                self._play(number)

    @rule(number=number, upto=st.sampled_from(["swap", "batch"]), outcome=OUTCOMES)
    def go_wrong(self, number: int, upto: str, outcome: str) -> None:
        """It comes to a statement or a batch; that does not happen, or happens without its being told, or late."""
        for _ in range(STEPS_TO_A_CHECKPOINT):
            played = self.played[number]
            waits = "" if played is None else "batch" if isinstance(played.waits_for, Batch) else played.waits_for
            if waits == upto:
                break
            self.go_on(number, 1)
        played = self.played[number]
        if outcome == "frozen" or played is None:
            return
        if outcome == "dies":
            self._die(number)
        elif isinstance(played.waits_for, Batch):
            if outcome == "unanswered":
                played.waits_for.arrive()
            self._play(number, False)
        elif played.waits_for == "swap":
            self._play(number, outcome)
        else:
            played.fail(GONE)
            self._after(number)

    def _start(self, number: int) -> None:
        service = Notary(self.settings, self.keys, Health(), clock=lambda: 0)
        stop = SimpleNamespace(is_set=lambda: False)
        self.played[number] = Played(service._turn(self.guard, NoWitnesses(), stop))  # type: ignore[arg-type]
        self._after(number)

    def _die(self, number: int) -> None:
        played = self.played[number]
        if played is not None:
            played.kill()
            self.played[number] = None

    @precondition(lambda self: self.checkpoints.under_way)
    @rule(which=st.integers(0, 9))
    def arrive(self, which: int) -> None:
        """A batch that its writer gave up, or waits for, is stored."""
        self.checkpoints.under_way[which % len(self.checkpoints.under_way)].arrive()

    @precondition(lambda self: not self.lost and self.newer is None and len(self.checkpoints.records) > 1)
    @rule(count=st.integers(1, 3))
    def lose_the_end_of_the_topic(self, count: int) -> None:
        """Kafka was restored from a copy that is some checkpoints short."""
        self._kill_all()
        self.checkpoints.under_way.clear()
        left = max(1, len(self.checkpoints.records) - count)
        self.lost = self.checkpoints.records[left:]
        del self.checkpoints.records[left:]

    @precondition(lambda self: not self.lost and self.newer is None and self.signed.keys() <= self._seen())
    @rule(which=st.integers(0, 9))
    def restore_an_older_row(self, which: int) -> None:
        """PostgreSQL was restored from a backup; all that was signed is on the topic."""
        self._kill_all()
        self.checkpoints.under_way.clear()
        self.newer = self.guard.row
        self.guard.row = self.older = self.guard.rows[which % len(self.guard.rows)]

    @precondition(lambda self: self.newer is not None)
    @rule()
    def put_the_row_back(self) -> None:
        """A better backup is found, unless the notary could go on with the older row."""
        if self.newer is not None and self.guard.row is self.older:
            self._kill_all()
            self.guard.row = self.newer
        self.newer = None

    @precondition(lambda self: self.lost)
    @rule()
    def restore_the_end(self) -> None:
        """What was lost is found again, unless the notary has gone on without it, publishing the same once more."""
        self._restore_what_was_lost()

    def _restore_what_was_lost(self) -> None:
        if self.lost and self.lost[0].offset == len(self.checkpoints.records):
            self._kill_all()
            self.checkpoints.under_way.clear()
            self.checkpoints.records += self.lost
        self.lost = []

    @invariant()
    def all_that_was_ever_signed_is_one_history(self) -> None:
        leaves, heights = [leaf_hash(self.ledger.genesis)], (-1,) * SHARDS
        for size in sorted(self.signed):
            root, covered = self.signed[size]
            assert all(new >= old for new, old in zip(covered, heights, strict=True))
            for shard in range(SHARDS):
                run = self.ledger.entries[shard][heights[shard] + 1 : covered[shard] + 1]
                leaves += map(leaf_hash, run)
            heights = covered
            assert (size, root) == (len(leaves), tree_root(leaves))


@pytest.fixture(scope="module", autouse=True)
def _keys() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        Notaries.keys = KeyDirectory.generate(Path(folder) / "keys", ORIGIN)
        yield


def test_whatever_happens_to_notaries_what_they_sign_is_one_history_and_covers_every_block() -> None:
    run_state_machine_as_test(Notaries, settings=schedules(300, 30))
