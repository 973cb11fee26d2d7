"""Applies a shard's records to rule state: load what is touched, let the engine decide, write all in one
transaction.

The shard's applied position is moved in that transaction by compare-and-swap, so records carried twice are
skipped and a worker that should be dead changes nothing. What was computed before a failure is thrown away.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from balance_chain.core.canonical import NotCanonical, decode_event
from balance_chain.core.errors import BalanceError
from balance_chain.core.times import parse_ms
from balance_chain.runtime.killpoints import hit
from balance_chain.runtime.logs import get_logger

from balance_judge_audit import metrics, repository
from balance_judge_audit.engine.across import AcrossEngine
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.gap import GapEngine
from balance_judge_audit.engine.shard import Clocks, Incoming, Places, ShardEngine, ShardState
from balance_judge_audit.life.keeper import LifeKeeper
from balance_judge_audit.projecting import project
from balance_judge_audit.repository import Connection, Pool, Unreadable

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


class Applier:
    """One shard's state in this process: its position, and the cases seen of late."""

    def __init__(
        self,
        pool: Pool,
        book: RuleBook,
        places: Places,
        clocks: Clocks,
        life: LifeKeeper,
        shard: int,
        partitions: int,
        cached_cases: int,
    ) -> None:
        self._pool = pool
        self._book = book
        self._clocks = clocks
        self._life = life
        self._engine = ShardEngine(book, places, clocks)
        self._shard = shard
        self._partitions = partitions
        self._cached = cached_cases
        self._state: ShardState | None = None
        self._cases: OrderedDict[str, CaseState] = OrderedDict()

    async def position(self) -> int:
        """Offset of the first record not yet applied."""
        if self._state is None:
            async with self._pool.acquire() as connection:
                self._state = await repository.load_shard(connection, self._shard)
        return self._state.applied

    def forget(self) -> None:
        """Drops everything held in memory: it is read from the database again."""
        self._state = None
        self._cases.clear()

    async def apply(self, records: Sequence[Record]) -> None:
        """Applies records that follow on the position without a gap; those before it are skipped.

        A record that the engine cannot take is found by applying one at a time, kept in `unreadable`, and
        passed over.
        """
        applied = await self.position()
        records = [record for record in records if record.offset >= applied]
        if not records:
            return
        try:
            with metrics.BATCH_SECONDS.time():
                await self._transaction(records, skip=None)
        except _Poisoned as error:
            self.forget()
            _log.exception("not_applied", shard=self._shard, first=records[0].offset, count=len(records))
            if len(records) > 1:
                for record in records:
                    await self.apply([record])
            elif await self.position() <= records[0].offset:
                await self._transaction(records, skip=str(error))
        except BaseException:
            self.forget()
            raise

    async def _transaction(self, records: Sequence[Record], skip: str | None) -> None:
        state = self._state
        assert state is not None
        before = state.applied
        incoming, unreadable = _decode(records, skip)
        latest = max([state.ledger_time, *(parse_ms(each.event.receivedtime) for each in incoming)])
        async with self._pool.acquire() as connection, connection.transaction():
            await repository.bound(connection, SILENT_SECONDS)
            wanted = {each.event.caseid for each in incoming if each.event.caseid is not None}
            unknown = sorted(wanted - self._cases.keys())
            loaded, due = await repository.load_cases(connection, self._shard, unknown, latest)
            for caseid, case in loaded.items():
                self._cases.setdefault(caseid, case)
            cases = {caseid: self._cases[caseid] for caseid in {*wanted, *due} if caseid in self._cases}
            try:
                result = self._engine.apply(state, cases, incoming)
            except Exception as error:
                raise _Poisoned(f"{type(error).__name__}: {error}") from error
            state.applied = records[-1].offset + 1
            await repository.move_shard(connection, before, state)
            await repository.save_cases(connection, self._shard, cases, result.touched, self._clocks.grace_ms)
            await repository.hold(connection, self._shard, before, result.held)
            await repository.hold_across(connection, self._shard, before, result.across)
            await repository.say(connection, result.revisions)
            await self._life.take(connection, result.noted, result.revisions)
            await project(connection, self._shard, incoming)
            if unreadable:
                await repository.note_unreadable(connection, self._shard, unreadable)
            hit("audit-before-commit")
        hit("audit-after-commit")
        self._remember(cases)
        _measure(self._shard, state, len(incoming), result.uncounted, len(unreadable), result.revisions)

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
            revisions = await self._gaps(connection, watermark) + await self._across(connection, watermark)
            await repository.say(connection, revisions)
            await self._life.take(connection, (), revisions)
            untouched = await self._life.due(connection, watermark)
            await repository.say(connection, untouched)
            revisions += untouched
        for revision in revisions:
            metrics.REVISIONS.labels(revision.rule, revision.state).inc()

    async def _gaps(self, connection: Connection, watermark: int) -> list[Revision]:
        rule = self._book.gap
        facts = await repository.take_held(connection, watermark)
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

    async def _across(self, connection: Connection, watermark: int) -> list[Revision]:
        engine = AcrossEngine(self._book.across)
        facts = await repository.take_across(connection, watermark)
        states = await repository.load_across(connection, engine.keys(facts), watermark)
        states |= await repository.load_across(connection, engine.further_keys(facts, states), 0)
        states |= await repository.load_across(connection, engine.closing_keys(facts, states, watermark), 0)
        if not facts and not states:
            return []
        loaded = frozenset(states)
        revisions = engine.apply(states, facts, watermark)
        await repository.drop_across(connection, sorted(loaded - states.keys()))
        await repository.save_across(connection, {key: (each, engine.wake(key, each)) for key, each in states.items()})
        return revisions


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


def _measure(
    shard: int, state: ShardState, events: int, uncounted: int, unreadable: int, revisions: Sequence[Revision]
) -> None:
    name = str(shard)
    metrics.EVENTS.labels(name).inc(events)
    metrics.UNCOUNTED.labels(name).inc(uncounted)
    metrics.UNREADABLE.labels(name).inc(unreadable)
    metrics.LEDGER_TIME.labels(name).set(state.ledger_time / 1000)
    for revision in revisions:
        metrics.REVISIONS.labels(revision.rule, revision.state).inc()
