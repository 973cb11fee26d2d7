"""However normalisers die, freeze and run side by side, each raw record is answered once and each event speaks once.

The normaliser's own coroutine (`ShardNormaliser.work`: tail, read, claim, append) is played step by step over a model
of Kafka and of the table `dedup`, several of them on each shard. Raw repeats what a source or a gateway's retry
repeats: the same id with the same content, with other content, and in another case, which may be another shard's.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from balance_chain.core.canonical import decode_event
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.counting import EventCounter
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.events import TYPE_REJECTED, CanonicalEvent
from balance_chain.core.partition import partition_for
from balance_chain.core.privacy import CaseKey
from balance_chain.core.sources import Sources
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.health import Health
from balance_intake import normaliser, repository
from balance_intake.normalise import Normaliser, Secrets
from balance_intake.normaliser import Batcher, ShardNormaliser
from balance_intake.repository import Repository
from balance_intake.settings import NormaliserSettings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from support.intake import an_event, as_bytes, vouched, write_sources
from support.modelkafka import Batch, ModelPartition, ModelReader, ModelWriter
from support.schedules import schedules
from support.stepping import Played, step

MAC = b"m" * 32
SHARDS = 2
COPIES = 2
"""Normalisers that believe to own a shard, at most."""
IDS = 3
STEPS_TO_SETTLE = 200
GONE = ConnectionResetError("the connection is gone")


def cases() -> tuple[str, ...]:
    """A case of each shard."""
    names = [f"（2026）京0491民初{number}号" for number in range(1, 40)]
    return tuple(next(name for name in names if partition_for(name, SHARDS) == shard) for shard in range(SHARDS))


CASES = cases()


@cache
def decode(value: bytes) -> CanonicalEvent:
    return decode_event(value)


@cache
def rules() -> Normaliser:
    with tempfile.TemporaryDirectory() as folder:
        write_sources(Path(folder) / "sources.yaml")
        return Normaliser(
            origin="test.example/log",
            partitions=SHARDS,
            rawgen=0,
            catalogue=Catalogue.load(data_dir("catalogue")),
            courts=Courts.load(data_dir("catalogue")),
            sources=Sources.load(Path(folder) / "sources.yaml"),
            secrets=Secrets(MAC, b"r" * 32),
        )


@cache
def raw_value(id_: int, shard: int, content: int, layout: int) -> bytes:
    """What a source sends; `layout` changes the bytes and not the content."""
    value = as_bytes(an_event(id=f"id-{id_}", subject=CASES[shard], sequence=str(content + 1)))
    return value + b" " * layout


class Dedup:
    """The pool as Repository asks it: the table `dedup`, and statements that are carried out whole or not at all."""

    def __init__(self) -> None:
        self.table: dict[tuple[str, str], tuple[int, int, int, bytes]] = {}

    async def fetch(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        if query == repository._CLAIM:
            return await self._claim(*arguments)
        if query == repository._CLAIMED:
            await step("ask")
            return [(*key, *self.table[key]) for key in zip(*arguments, strict=True) if key in self.table]
        raise AssertionError(query)

    async def _claim(
        self, sources: Sequence[str], ids: Sequence[str], rawpos: Sequence[int], *rest: Any
    ) -> list[tuple[Any, ...]]:
        """INSERT ... ON CONFLICT DO NOTHING: what another has put in since the statement began is not seen."""
        _, digests, _, partition, rawgen = rest
        before = dict(self.table)
        outcome = await step("claim")
        if outcome == "lost":
            raise GONE
        made = []
        for source, id_, position, digest in zip(sources, ids, rawpos, digests, strict=True):
            if (source, id_) not in self.table:
                self.table[source, id_] = (partition, rawgen, position, digest)
                made.append((source, id_, partition, rawgen, position, digest))
        if outcome == "unanswered":
            raise GONE
        return made + [(*key, *before[key]) for key in zip(sources, ids, strict=True) if key in before]


class CaseKeys:
    """One key a case."""

    async def get_many(self, caseids: Any) -> dict[str, CaseKey]:
        return {caseid: CaseKey(caseid, 1, b"k" * 32) for caseid in caseids}


class Normalisers(RuleBasedStateMachine):
    """Any interleaving of normalisers, raw records, late batches, lost answers and deaths."""

    shard = st.integers(0, SHARDS - 1)
    copy = st.integers(0, COPIES - 1)

    def __init__(self) -> None:
        super().__init__()
        self.raw = [ModelPartition() for _ in range(SHARDS)]
        self.events = [ModelPartition() for _ in range(SHARDS)]
        self.said: dict[tuple[int, int], bytes] = {}
        self.looked = [0] * SHARDS
        self.played: dict[tuple[int, int], Played] = {}
        self.pool = Dedup()
        self.patches = contextlib.ExitStack()
        for name, model in (
            ("TailWriter", lambda settings, topic, shard: ModelWriter(self.events[shard])),
            ("PartitionReader", self._reader),
            ("_log", SimpleNamespace(info=lambda *_, **__: None)),
            ("time", SimpleNamespace(monotonic=lambda: 0.0)),
        ):
            self.patches.enter_context(patch.object(normaliser, name, model))

    def teardown(self) -> None:
        """When all is well again every raw record has its event, and each id speaks once."""
        try:
            self._kill_all()
            for shard in range(SHARDS):
                self._settle(shard)
            counting = [event for shard in range(SHARDS) for event in self._counting(shard)]
            self._each_speaks_once(counting)
        finally:
            self._kill_all()
            self.patches.close()

    def _settle(self, shard: int) -> None:
        for _ in range(STEPS_TO_SETTLE):
            if len(self._counting(shard)) == len(self.raw[shard].records):
                return
            self.go_on(shard, 0, 1, None)
        raise AssertionError("raw records are left without an event")

    def _each_speaks_once(self, counting: list[CanonicalEvent]) -> None:
        """Of each id that was sent one raw record speaks, and the others are told apart by their content."""
        spoken = {each.id: each for each in counting if each.type != TYPE_REJECTED}
        assert len(spoken) == sum(each.type != TYPE_REJECTED for each in counting), "an event speaks twice"
        for each in counting:
            assert each.type != TYPE_REJECTED or each.data["id"] in spoken, "an event was taken for its own repeat"
            if each.type == TYPE_REJECTED:
                speaks = spoken[each.data["id"]]
                same = (speaks.caseid, speaks.sequence) == self._sent(each)
                assert self._shard(each) != CASES.index(str(speaks.caseid)) or each.rawpos > speaks.rawpos, (
                    "not the first"
                )
                assert each.data["reason"] == ("duplicate" if same else "id_conflict")

    def _sent(self, reject: CanonicalEvent) -> tuple[str, str]:
        """Case and sequence of the raw record that a reject stands for."""
        return CASES[self._shard(reject)], str(reject.data["sequence"])

    def _shard(self, reject: CanonicalEvent) -> int:
        return int(reject.id.split("-")[0])

    def _reader(
        self, settings: NormaliserSettings, topic: str, shard: int, start: int = 0, pace: float = 0.0
    ) -> ModelReader:
        return ModelReader((self.events if topic == EVENTS else self.raw)[shard], start)

    def _counting(self, shard: int) -> list[CanonicalEvent]:
        counter = EventCounter()
        events = [decode(stored.value) for stored in self.events[shard].records]
        return [event for event in events if counter.counts(event.rawgen, event.rawpos)]

    def _kill_all(self) -> None:
        for played in self.played.values():
            played.kill()
        self.played.clear()

    def _start(self, shard: int, copy: int) -> None:
        settings = NormaliserSettings(partitions=SHARDS, genesis=True)
        batcher = Batcher(settings, rules(), Repository(self.pool), CaseKeys())  # type: ignore[arg-type]
        service = ShardNormaliser(settings, batcher, None, MAC, Health(), Restored())  # type: ignore[arg-type]
        self._after((shard, copy), Played(service.work(shard)))

    def _after(self, who: tuple[int, int], played: Played) -> None:
        self.played.pop(who, None)
        if not played.ended:
            self.played[who] = played

    @rule(shard=shard, id_=st.integers(0, IDS - 1), content=st.integers(0, 1), layout=st.integers(0, 1))
    def arrives(self, shard: int, id_: int, content: int, layout: int) -> None:
        """A record comes to raw: new, a repeat in the same or in other bytes, or another event of the same id."""
        value = raw_value(id_, shard, content, layout)
        self.raw[shard].store(value, 1_790_000_000_000, tuple(vouched(value, MAC)))

    @rule(shard=shard, copy=copy, steps=st.sampled_from([1, 2, 4, 8]), most=st.sampled_from([None, 1, 2]))
    def go_on(self, shard: int, copy: int, steps: int, most: int | None) -> None:
        """All goes well for some steps; a read gives `most` records, all by default."""
        for _ in range(steps):
            played = self.played.get((shard, copy))
            if played is None:
                self._start(shard, copy)
                continue
            answer: object = most if played.waits_for == "read" else None
            if isinstance(played.waits_for, Batch):
                played.waits_for.arrive()
                answer = True
            played.go(answer)
            self._after((shard, copy), played)

    @rule(
        shard=shard,
        copy=copy,
        upto=st.sampled_from(["claim", "batch"]),
        outcome=st.sampled_from(["lost", "unanswered", "frozen", "dies"]),
    )
    def go_wrong(self, shard: int, copy: int, upto: str, outcome: str) -> None:
        """It comes to a claim or a batch; that does not happen, or happens without its being told, or late."""
        for _ in range(8):
            played = self.played.get((shard, copy))
            waits = "" if played is None else "batch" if isinstance(played.waits_for, Batch) else played.waits_for
            if waits == upto:
                break
            self.go_on(shard, copy, 1, None)
        played = self.played.get((shard, copy))
        if played is None or outcome == "frozen":
            return
        if outcome == "dies":
            self.played.pop((shard, copy)).kill()
            return
        if isinstance(played.waits_for, Batch):
            if outcome == "unanswered":
                played.waits_for.arrive()
            played.go(False)
        elif played.waits_for == "claim":
            played.go(outcome)
        else:
            played.fail(GONE)
        self._after((shard, copy), played)

    @precondition(lambda self: any(each.under_way for each in self.events))
    @rule(which=st.integers(0, 9))
    def batch_arrives(self, which: int) -> None:
        """A batch that its writer gave up, or waits for, is stored."""
        batches = [batch for each in self.events for batch in each.under_way]
        batches[which % len(batches)].arrive()

    @invariant()
    def what_counts_is_gapless(self) -> None:
        for shard in range(SHARDS):
            counted = [event.rawpos for event in self._counting(shard)]
            assert counted == list(range(len(counted)))

    @invariant()
    def a_raw_record_gives_the_same_bytes_whoever_takes_it(self) -> None:
        for shard in range(SHARDS):
            for stored in self.events[shard].records[self.looked[shard] :]:
                place = (shard, decode(stored.value).rawpos)
                assert self.said.setdefault(place, stored.value) == stored.value
            self.looked[shard] = len(self.events[shard].records)


class Restored:
    """A log that was never restored."""

    async def check(self, shard: int, *, empty: bool) -> bool:
        return False


def test_each_raw_record_is_answered_once_and_each_event_speaks_once_whatever_happens_to_normalisers() -> None:
    run_state_machine_as_test(Normalisers, settings=schedules(300, 30))
