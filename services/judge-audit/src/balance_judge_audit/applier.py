"""Applies shards' records to rule state: load what is touched, let the engine decide, write all in one
transaction.

Each shard's applied position is moved in that transaction by compare-and-swap, so records carried twice are
skipped and a worker that should be dead changes nothing. What was computed before a failure is thrown away.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from balance_chain.core.canonical import NotCanonical, decode_event
from balance_chain.core.errors import BalanceError
from balance_chain.core.times import parse_ms
from balance_chain.runtime.killpoints import hit
from balance_chain.runtime.logs import get_logger

from balance_judge_audit import (
    metrics,
    repository,
    repository_alerts,
    repository_calendar,
    repository_cases,
    repository_held,
)
from balance_judge_audit.engine.across import AcrossEngine, HeldFact
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.gap import GapEngine, SequenceFact
from balance_judge_audit.engine.shard import Applied, Clocks, Incoming, Places, ShardEngine, ShardState, courts_declared
from balance_judge_audit.life.keeper import LifeKeeper
from balance_judge_audit.projecting import Projections
from balance_judge_audit.repository import Connection, Pool, Unreadable
from balance_judge_audit.repository_held import HeldRow

SILENT_SECONDS: Final = 5.0
"""Longest pause within a transaction: the engine's own work on a batch is far shorter."""

_log: Final = get_logger("balance_judge_audit")


class _Poisoned(Exception):
    """The engine itself failed on a record: the record's fault or ours, but not the database's."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of `litigation.events` as it was carried here."""

    offset: int
    value: bytes


@dataclass(slots=True)
class _Part:
    """One shard's share of a batch."""

    state: ShardState
    before: int
    after: int
    incoming: list[Incoming]
    unreadable: list[Unreadable]
    cases: dict[str, CaseState] = field(default_factory=dict)
    result: Applied = field(default_factory=Applied)

    @property
    def caseids(self) -> set[str]:
        """The cases that its records name."""
        return {each.event.caseid for each in self.incoming if each.event.caseid is not None}

    @property
    def latest(self) -> int:
        """Ledger time after it."""
        return max([self.state.ledger_time, *(each.event.received_ms for each in self.incoming)])


class Applier:
    """Shards' state in this process: their positions, and the cases seen of late.

    What is kept is true as long as nobody else moves the shard; if somebody does, the compare-and-swap fails and all of
    it is forgotten.
    """

    def __init__(
        self,
        pool: Pool,
        book: RuleBook,
        places: Places,
        clocks: Clocks,
        life: LifeKeeper,
        projections: Projections,
        partitions: int,
        cached_cases: int,
    ) -> None:
        self._pool = pool
        self._book = book
        self._clocks = clocks
        self._life = life
        self._projections = projections
        self._engine = ShardEngine(book, places, clocks)
        self._partitions = partitions
        self._cached = cached_cases
        self._states: dict[int, ShardState] = {}
        self._cases: OrderedDict[str, CaseState] = OrderedDict()

    async def position(self, shard: int) -> int:
        """Offset of the shard's first record not yet applied."""
        if shard not in self._states:
            async with self._pool.acquire() as connection:
                state = await repository.load_shard(connection, shard)
                state.calendars = await repository_calendar.load_calendars(connection, shard)
            self._states[shard] = state
        return self._states[shard].applied

    def forget(self) -> None:
        """Drops everything held in memory: it is read from the database again."""
        self._states.clear()
        self._cases.clear()
        self._projections.forget()

    async def apply(self, carried: Mapping[int, Sequence[Record]]) -> None:
        """Applies records that follow on their shards' positions without a gap; those before them are skipped.

        A record that the engine cannot take is found by applying one at a time, kept in `unreadable`, and
        passed over.
        """
        left: dict[int, list[Record]] = {}
        for shard in sorted(carried):
            applied = await self.position(shard)
            if records := [record for record in carried[shard] if record.offset >= applied]:
                left[shard] = records
        if not left:
            return
        try:
            with metrics.BATCH_SECONDS.time():
                await self._transaction(left, skip=None)
        except _Poisoned as error:
            self.forget()
            _log.exception("not_applied", first={shard: records[0].offset for shard, records in left.items()})
            await self._apply_alone([(shard, record) for shard, records in left.items() for record in records], error)
        except BaseException:
            self.forget()
            raise

    async def _apply_alone(self, records: Sequence[tuple[int, Record]], error: _Poisoned) -> None:
        if len(records) > 1:
            for shard, record in records:
                await self.apply({shard: [record]})
            return
        shard, record = records[0]
        if await self.position(shard) <= record.offset:
            await self._transaction({shard: [record]}, skip=str(error))

    async def _transaction(self, carried: Mapping[int, Sequence[Record]], skip: str | None) -> None:
        parts = [_part(self._states[shard], records, skip) for shard, records in carried.items()]
        async with self._pool.acquire() as connection, connection.transaction():
            await repository.bound(connection, SILENT_SECONDS)
            await self._load(connection, parts)
            for part in parts:
                self._judge(part)
            await repository.move_shards(connection, [(part.before, part.state) for part in parts])
            changed = {name: (part.state.shard, part.cases[name]) for part in parts for name in part.result.touched}
            await repository_cases.save_cases(connection, changed, self._clocks.grace_ms)
            await repository_held.hold(
                connection,
                [HeldRow(part.state.shard, part.before, part.result.held, part.result.across) for part in parts],
            )
            for part in parts:
                shard = part.state.shard
                if part.result.declared:
                    await repository_calendar.save_calendars(connection, shard, part.state.calendars)
                await repository.note_unreadable(connection, shard, part.unreadable)
            revisions = [each for part in parts for each in part.result.revisions]
            await repository_alerts.say(connection, revisions)
            await self._life.take(connection, [each for part in parts for each in part.result.noted], revisions)
            await self._projections.take(connection, [(part.state.shard, part.result.counted) for part in parts])
            hit("audit-before-commit")
        hit("audit-after-commit")
        for part in parts:
            self._remember(part.cases)
            _measure(part)

    async def _load(self, connection: Connection, parts: Sequence[_Part]) -> None:
        """Gives each part the cases of its records, and those of its shard whose timers are about to fire or that a
        calendar re-times.
        """
        named = {part.state.shard: part.caseids for part in parts}
        unknown = sorted(set[str]().union(*named.values()) - self._cases.keys())
        latest = {part.state.shard: part.latest for part in parts}
        loaded, due = await repository_cases.load_cases(connection, unknown, latest)
        for part in parts:
            if courts := courts_declared(part.incoming):
                opened = await repository_calendar.open_cases(connection, part.state.shard, courts)
                loaded = {**opened, **loaded}
                due.setdefault(part.state.shard, []).extend(opened)
        for caseid, case in loaded.items():
            self._cases.setdefault(caseid, case)
        for part in parts:
            wanted = named[part.state.shard].union(due.get(part.state.shard, ()))
            part.cases = {caseid: self._cases[caseid] for caseid in wanted if caseid in self._cases}

    def _judge(self, part: _Part) -> None:
        try:
            part.result = self._engine.apply(part.state, part.cases, part.incoming)
        except Exception as error:
            raise _Poisoned(f"{type(error).__name__}: {error}") from error
        part.state.applied = part.after

    def _remember(self, cases: dict[str, CaseState]) -> None:
        for caseid, case in cases.items():
            self._cases[caseid] = case
            self._cases.move_to_end(caseid)
        while len(self._cases) > self._cached:
            self._cases.popitem(last=False)

    async def across(self) -> None:
        """Takes the facts that every shard has passed to the rules across shards. Whoever does it, the answer
        is the same.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await repository.bound(connection, SILENT_SECONDS)
            await repository.lock(connection, repository.ACROSS_LOCK)
            watermark = await repository.watermark(connection, self._partitions)
            sequences, facts = await repository_held.take(connection, watermark)
            revisions = await self._gaps(connection, sequences, watermark)
            revisions += await self._across(connection, facts, watermark)
            await repository_alerts.say(connection, revisions)
            await self._life.take(connection, (), revisions)
            untouched = await self._life.due(connection, watermark)
            await repository_alerts.say(connection, untouched)
            revisions += untouched
        for revision in revisions:
            metrics.REVISIONS.labels(revision.rule, revision.state).inc()

    async def _gaps(self, connection: Connection, facts: list[SequenceFact], watermark: int) -> list[Revision]:
        rule = self._book.gap
        if rule is None:
            return []
        names = sorted({fact.source for fact in facts})
        sources = await repository.load_sources(connection, names, watermark)
        if not facts and not sources:
            return []
        lateness = self._clocks.lateness_ms
        revisions = GapEngine(rule, lateness).apply(sources, facts, watermark)
        timed = {name: (state, state.wake(rule, lateness)) for name, state in sources.items()}
        await repository.save_sources(connection, timed)
        return revisions

    async def _across(self, connection: Connection, facts: list[HeldFact], watermark: int) -> list[Revision]:
        engine = AcrossEngine(self._book.across)
        asked = set(keys := engine.keys(facts))
        stored: dict[str, bytes] = {}
        states = await repository.load_across(connection, keys, watermark, stored)
        while more := engine.more_keys(facts, states, watermark, asked):
            asked.update(more)
            states |= await repository.load_across(connection, more, 0, stored)
        if not facts and not states:
            return []
        revisions = engine.apply(states, facts, watermark)
        await repository.drop_across(connection, sorted(stored.keys() - states.keys()))
        timed = {key: (each, engine.wake(key, each)) for key, each in states.items()}
        await repository.save_across(connection, timed, stored)
        return revisions


def _part(state: ShardState, records: Sequence[Record], skip: str | None) -> _Part:
    return _Part(state, state.applied, records[-1].offset + 1, *_decode(records, skip))


def _decode(records: Sequence[Record], skip: str | None) -> tuple[list[Incoming], list[Unreadable]]:
    incoming: list[Incoming] = []
    unreadable: list[Unreadable] = []
    for record in records:
        problem = skip
        if problem is None:
            try:
                event = decode_event(record.value)
                parse_ms(event.receivedtime)
                incoming.append(Incoming(record.offset, event, record.value))
                continue
            except NotCanonical as error:
                problem = str(error)
            except BalanceError as error:
                problem = f"receivedtime {error}"
        leaf = hashlib.sha256(b"\x00" + record.value).hexdigest()
        unreadable.append(Unreadable(record.offset, leaf, problem))
        _log.error("unreadable", offset=record.offset, leaf=leaf, problem=problem)
    return incoming, unreadable


def _measure(part: _Part) -> None:
    name = str(part.state.shard)
    metrics.EVENTS.labels(name).inc(len(part.incoming))
    metrics.UNCOUNTED.labels(name).inc(part.result.uncounted)
    metrics.UNREADABLE.labels(name).inc(len(part.unreadable))
    metrics.LEDGER_TIME.labels(name).set(part.state.ledger_time / 1000)
    for revision in part.result.revisions:
        metrics.REVISIONS.labels(revision.rule, revision.state).inc()
