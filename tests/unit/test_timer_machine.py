"""A deadline fires by ledger time alone, once a revision, whatever batches come, fail, come again and however often.

The worker's own coroutine (`Applier.apply`, with the SQL modules that load and move its state) is played step by step
over a model of its tables: several workers believe to own a shard, what they keep in memory grows stale, a commit is
lost or its answer is, records come again. What is said is held against one engine that takes one record after another
and never fails, and at the end against a plain account of each case.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from balance_chain.core.canonical import decode_event, encode_event
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms
from balance_judge_audit import applier, rulebook
from balance_judge_audit.applier import Applier, Record
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.book import compile_book
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.lawtime import DAY_MS
from balance_judge_audit.engine.shard import Clocks, Incoming, ShardEngine, ShardState
from balance_judge_audit.places import PlaceFinder
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from support.schedules import schedules
from support.stepping import Played, step

SHARDS = 2
WORKERS = 2
CASES = 2
HOUR = 3_600_000
START = 1_767_600_000_000
LIMIT = 7 * DAY_MS
CLOCKS = Clocks(grace_ms=HOUR, lateness_ms=2 * HOUR)
PLACES = PlaceFinder(Courts.load(data_dir("catalogue")))
BOOK = compile_book([rulebook.load(data_dir("rules")).rules["R01"]])
GONE = ConnectionResetError("the connection is gone")


@dataclass
class Tables:
    """What is committed."""

    shards: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    cases: dict[str, tuple[int, bytes, int | None]] = field(default_factory=dict)
    facts: dict[tuple[str, int], bytes] = field(default_factory=dict)
    said: list[Revision] = field(default_factory=list)


class Pool:
    """PostgreSQL: what a transaction writes is seen when it commits; who moves a shard locks it until then."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.locked = False

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        await step("acquire")
        yield Connection(self)


class Connection:
    """A connection as the worker's SQL modules ask it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._writes: list[Callable[[Tables], None]] = []
        self._locks = False

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        try:
            yield
            outcome = await step("commit")
            if outcome == "lost":
                raise GONE
            for write in self._writes:
                write(self._pool.tables)
            if outcome == "unanswered":
                raise GONE
        finally:
            if self._locks:
                self._pool.locked = self._locks = False

    async def fetchrow(self, query: str, shard: int) -> dict[str, int]:
        assert "FROM shard WHERE" in query, query
        row = self._pool.tables.shards.get(shard, (0, 0, -1, 0))
        return dict(zip(("applied", "rawgen", "rawpos", "ledger_time"), row, strict=True))

    async def fetch(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        if "court_calendar" in query:
            return []
        assert "FROM case_state" in query, query
        await step("read")
        names, shards, before = arguments
        tables, rows = self._pool.tables, []
        for name, (shard, state, wake) in tables.cases.items():
            pieces = [piece for (case, _), piece in sorted(tables.facts.items()) if case == name]
            row = {"caseid": name, "state": state, "pieces": pieces}
            if name in names:
                rows.append({**row, "due": None})
            if any(
                shard == own and wake is not None and wake < until for own, until in zip(shards, before, strict=True)
            ):
                rows.append({**row, "due": shard})
        return rows

    async def execute(self, query: str, *arguments: Any) -> str:
        if "UPDATE shard SET applied" in query:
            return await self._move(*arguments)
        if "INSERT INTO case_facts" in query:
            self._writes.append(lambda tables: save(tables, *arguments))
        return ""

    async def _move(self, *columns: Sequence[int]) -> str:
        while self._pool.locked:
            await step("lock")
        self._pool.locked = self._locks = True
        moved = 0
        for shard, before, *after in zip(*columns, strict=True):
            if self._pool.tables.shards.get(shard, (0,))[0] == before:
                moved += 1
                self._writes.append(lambda tables, at=shard, to=tuple(after): tables.shards.__setitem__(at, to))
        return f"UPDATE {moved}"

    async def say(self, revisions: Sequence[Revision]) -> None:
        self._writes.append(lambda tables: tables.said.extend(revisions))


def save(tables: Tables, names: Any, shards: Any, states: Any, wakes: Any, *pieces: Sequence[Any]) -> None:
    """What repository_cases writes."""
    for name, shard, state, wake in zip(names, shards, states, wakes, strict=True):
        tables.cases[name] = (shard, state, wake)
    for name, number, facts in zip(*pieces, strict=True):
        assert (name, number) not in tables.facts, "facts are stored twice"
        tables.facts[name, number] = facts


class Plain:
    """One engine of a shard that takes one record after another and never fails."""

    def __init__(self, shard: int) -> None:
        self._state, self._cases = ShardState(shard), dict[str, CaseState]()
        self.said: list[Revision] = []

    def upto(self, log: list[bytes], end: int) -> list[Revision]:
        for offset in range(self._state.applied, end):
            incoming = Incoming(offset, decode_event(log[offset]), log[offset])
            engine = ShardEngine(BOOK, PLACES, CLOCKS)
            self.said += engine.apply(self._state, self._cases, [incoming]).revisions
        return self.said


async def nothing(*_: object) -> None:
    """Life of alerts, other projections and facts across shards are not played here."""


async def say(connection: Connection, revisions: Sequence[Revision]) -> None:
    await connection.say(revisions)


class Timers(RuleBasedStateMachine):
    """Any interleaving of events, ticks, repeats, workers, lost commits and deaths."""

    shard = st.integers(0, SHARDS - 1)
    worker = st.integers(0, WORKERS - 1)

    def __init__(self) -> None:
        super().__init__()
        self.logs: list[list[bytes]] = [[] for _ in range(SHARDS)]
        self.rawpos = [0] * SHARDS
        self.now = START
        self.own: dict[str, dict[str, list[int]]] = {}
        self.pool = Pool()
        self.plain = [Plain(shard) for shard in range(SHARDS)]
        self.appliers = [self._applier() for _ in range(WORKERS)]
        self.played: list[Played | None] = [None] * WORKERS
        self.patches = contextlib.ExitStack()
        for name, model in (
            ("repository_alerts", SimpleNamespace(say=say)),
            ("repository_held", SimpleNamespace(hold=nothing, HeldRow=lambda *_: None)),
        ):
            self.patches.enter_context(patch.object(applier, name, SimpleNamespace(**vars(model))))

    def teardown(self) -> None:
        """When all is well again and time has passed, who was late is told, and nobody else."""
        try:
            for number in range(WORKERS):
                # One that stands by goes on with what it has in memory.
                if self.played[number] is not None:
                    self._die(number)
            for shard in range(SHARDS):
                self.tick(shard, 60)
                for _ in range(40):
                    self.carry(0, shard, 100, 0)
                    self.go_on(0, 20)
                assert self._applied(shard) == len(self.logs[shard]), "a worker stands still"
            self.what_is_said_is_what_the_plain_engine_says()
            self._told()
        finally:
            for number in range(WORKERS):
                self._die(number)
            self.patches.close()

    def _told(self) -> None:
        last: dict[str, str] = {}
        numbers: dict[str, list[int]] = {}
        for revision in self.pool.tables.said:
            last[revision.subject] = revision.state
            numbers.setdefault(revision.id, []).append(revision.revision)
        assert all(each == list(range(1, len(each) + 1)) for each in numbers.values())
        for case, times in self.own.items():
            filed, accepted = times.get("case.submitted", []), times.get("case.accepted", [])
            if filed and not accepted:
                assert last.get(case) == "open", "late, and nobody was told"
            elif len(filed) == 1 and len(accepted) == 1 and filed[0] < accepted[0] <= filed[0] + LIMIT - DAY_MS:
                assert last.get(case) in (None, "cured"), "in time, and told late"

    def _applier(self) -> Applier:
        aside = SimpleNamespace(take=nothing, forget=lambda: None)
        return Applier(self.pool, BOOK, PLACES, CLOCKS, aside, aside, SHARDS, 3)  # type: ignore[arg-type]

    def _applied(self, shard: int) -> int:
        return self.pool.tables.shards.get(shard, (0,))[0]

    def _append(self, shard: int, kind: str, case: str | None, time: int) -> None:
        number = self.rawpos[shard]
        made = CanonicalEvent(
            specversion="1.0", id=f"e-{shard}-{number}", source="urn:balance:test:a", type=kind, time=format_ms(time),
            recordedtime=format_ms(time), receivedtime=format_ms(self.now), phase="test", rawgen=0, rawpos=number,
            subject=case, caseid=case, courtcode="京0491" if case else None,
            data={"procedure": "ordinary"} if kind == "case.accepted" else {},
        )  # fmt: skip
        self.rawpos[shard] += 1
        self.logs[shard].append(encode_event(made))

    def _after(self, number: int, played: Played) -> None:
        self.played[number] = None if played.ended else played

    def _die(self, number: int) -> None:
        played = self.played[number]
        if played is not None:
            played.kill()
        self.played[number] = None
        self.appliers[number] = self._applier()

    @rule(
        shard=shard,
        number=st.integers(1, CASES),
        kind=st.sampled_from(["case.submitted", "case.submitted", "case.accepted", "case.fee_paid"]),
        days=st.sampled_from([0, 0, 1, 6, 9]),
        passed=st.sampled_from([0, 1, HOUR, DAY_MS]),
    )
    def happens(self, shard: int, number: int, kind: str, days: int, passed: int) -> None:
        """Something of a case, some days ago by its own time."""
        self.now += passed
        case = f"（2026）京0491民初{shard * CASES + number}号"
        self.own.setdefault(case, {}).setdefault(kind, []).append(self.now - days * DAY_MS)
        self._append(shard, kind, case, self.now - days * DAY_MS)

    @rule(shard=shard, days=st.sampled_from([0, 1, 3, 8]))
    def tick(self, shard: int, days: int) -> None:
        """Nothing happens but time."""
        self.now += days * DAY_MS + 1
        self._append(shard, "ledger.tick", None, self.now)

    @rule(shard=shard, which=st.integers(0, 9))
    def repeat(self, shard: int, which: int) -> None:
        """Another writer repeats a record, which does not count."""
        log = self.logs[shard]
        if log:
            log.append(log[which % len(log)])

    @rule(worker=worker, shard=shard, size=st.integers(1, 6), back=st.integers(0, 3))
    def carry(self, worker: int, shard: int, size: int, back: int) -> None:
        """Records are carried to a worker: those at the position that it believes in, and some before them again."""

        async def carried(to: Applier) -> None:
            at = await to.position(shard)
            first = max(0, at - back)
            records = [Record(offset, value) for offset, value in enumerate(self.logs[shard])]
            await to.apply({shard: records[first : at + size]})

        if self.played[worker] is None:
            self._after(worker, Played(carried(self.appliers[worker])))

    @rule(worker=worker, steps=st.sampled_from([1, 2, 5]))
    def go_on(self, worker: int, steps: int) -> None:
        for _ in range(steps):
            played = self.played[worker]
            if played is None:
                return
            played.go()
            self._after(worker, played)

    @rule(worker=worker, shard=shard, size=st.integers(1, 6), back=st.integers(0, 1))
    def all_goes_well(self, worker: int, shard: int, size: int, back: int) -> None:
        """The usual case: carried, judged, committed."""
        self.carry(worker, shard, size, back)
        self.go_on(worker, 5)

    @rule(worker=worker, shard=shard, outcome=st.sampled_from(["lost", "unanswered", "frozen", "dies"]))
    def go_wrong(self, worker: int, shard: int, outcome: str) -> None:
        """It comes to a commit; that does not happen, or happens without its being told, or late."""
        self.carry(worker, shard, 3, 0)
        for _ in range(5):
            played = self.played[worker]
            if played is None or played.waits_for == "commit":
                break
            self.go_on(worker, 1)
        played = self.played[worker]
        if outcome == "dies":
            self._die(worker)
        elif played is not None and outcome != "frozen" and played.waits_for == "commit":
            played.go(outcome)
            self._after(worker, played)

    @invariant()
    def what_is_said_is_what_the_plain_engine_says(self) -> None:
        for shard, plain in enumerate(self.plain):
            said = [each for each in self.pool.tables.said if each.shard == shard]
            assert said == plain.upto(self.logs[shard], self._applied(shard))


def test_a_deadline_fires_by_ledger_time_alone_and_once_whatever_happens_to_workers() -> None:
    run_state_machine_as_test(Timers, settings=schedules(500, 35))
