"""Judges history by a rule book, exactly as the worker would, with its state in a file.

Shards are read by turns, the one that is furthest behind in ledger time first: so the facts that rules across shards
still hold are those of a few batches.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import msgspec
from balance_chain.core.canonical import NotCanonical, decode_event
from balance_chain.core.errors import BalanceError
from balance_chain.core.events import TYPE_TICK, CanonicalEvent
from balance_chain.core.times import format_ms, parse_ms

from balance_judge_audit.applier import Record
from balance_judge_audit.backtest.history import History
from balance_judge_audit.backtest.spill import Spill
from balance_judge_audit.engine.across import AcrossEngine, HeldFact
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.gap import GapEngine, SequenceFact, SourceState
from balance_judge_audit.engine.shard import Clocks, Incoming, Places, ShardEngine, ShardState, courts_declared

Show = Callable[[int, int | None], None]
"""Told how many records are done, and of how many where that is known."""


@dataclass(slots=True)
class Replayed:
    """How far history was read, and what could not be."""

    records: int = 0
    unreadable: int = 0
    ledger_time: int = 0


class Side:
    """One rule book over history."""

    def __init__(self, book: RuleBook, places: Places, clocks: Clocks, shards: int, spill: Spill) -> None:
        self._book = book
        self._clocks = clocks
        self._engine = ShardEngine(book, places, clocks)
        self._across = AcrossEngine(book.across)
        self._shards = [ShardState(number) for number in range(shards)]
        self._spill = spill
        self._held: list[SequenceFact] = []
        self._facts: list[HeldFact] = []
        self._sources: dict[str, SourceState] = {}
        self.failed = 0
        """Records on which the engine failed."""

    def time(self, shard: int) -> int:
        """The shard's ledger time."""
        return self._shards[shard].ledger_time

    def apply(self, shard: int, records: Sequence[Incoming]) -> None:
        """Applies records of one shard; one on which the engine fails is passed over alone, as the worker does."""
        before = deepcopy(self._shards[shard])
        try:
            self._apply(shard, records)
        except BalanceError:
            raise
        except Exception:
            self._shards[shard] = before
            if len(records) == 1:
                self.failed += 1
                return
            for record in records:
                self.apply(shard, [record])

    def _apply(self, shard: int, records: Sequence[Incoming]) -> None:
        state, grace = self._shards[shard], self._clocks.grace_ms
        latest = max(state.ledger_time, *(each.event.received_ms for each in records))
        wanted = {each.event.caseid for each in records if each.event.caseid is not None}
        cases = self._spill.load_cases(shard, wanted, latest)
        if courts := courts_declared(records):
            cases = {**self._spill.open_cases(shard, courts), **cases}
        applied = self._engine.apply(state, cases, records)
        self._spill.save_cases(shard, cases, applied.touched, grace)
        self._spill.say(applied.revisions)
        self._held += applied.held
        self._facts += applied.across

    def across(self, final: int) -> None:
        """Takes what every shard has passed to the rules across shards; `final` is the least time at which a shard
        ended, so that what comes after it will never be judged.
        """
        watermark = min(each.ledger_time for each in self._shards)
        held = [each for each in self._held if each.time < watermark]
        facts = [each for each in self._facts if each.time < watermark]
        self._held = [each for each in self._held if watermark <= each.time < final]
        self._facts = [each for each in self._facts if watermark <= each.time < final]
        if self._book.gap is not None:
            self._spill.say(GapEngine(self._book.gap, self._clocks.lateness_ms).apply(self._sources, held, watermark))
        engine = self._across
        asked = set(keys := engine.keys(facts))
        states = self._spill.load_keys(keys, watermark)
        while more := engine.more_keys(facts, states, watermark, asked):
            asked.update(more)
            states |= self._spill.load_keys(more, 0)
        if facts or states:
            loaded = frozenset(states)
            self._spill.say(engine.apply(states, facts, watermark))
            self._spill.drop_keys(loaded - states.keys())
            self._spill.save_keys({key: (each, engine.wake(key, each)) for key, each in states.items()})


async def replay(history: History, sides: Sequence[Side], until: int, show: Show) -> Replayed:
    """Reads history up to a ledger time into every side."""
    done = Replayed()
    reading = dict.fromkeys(range(history.shards), 0)
    times = dict(reading)
    ended: list[int] = []
    while reading:
        shard = min(reading, key=lambda each: (reading[each], each))
        found = await history.read(shard)
        records, unreadable, over = _until(found, until)
        for side in sides:
            if records:
                side.apply(shard, records)
            times[shard] = side.time(shard)
        reading[shard] = times[shard]
        if over or not found:
            ended.append(reading.pop(shard))
        for side in sides:
            side.across(min(ended, default=until))
        done.records += len(found)
        done.unreadable += unreadable
        show(done.records, history.total)
    done.ledger_time = min(times.values(), default=0)
    return done


def _until(found: Sequence[Record], until: int) -> tuple[list[Incoming], int, bool]:
    """The records before a ledger time, then one that only says that it was reached; how many could not be read; and
    whether the time was reached.
    """
    records: list[Incoming] = []
    unreadable = 0
    for record in found:
        try:
            event = decode_event(record.value)
            received = parse_ms(event.receivedtime)
        except (NotCanonical, BalanceError):
            unreadable += 1
            continue
        if received >= until:
            return [*records, Incoming(record.offset, _reached(event, until), record.value)], unreadable, True
        records.append(Incoming(record.offset, event, record.value))
    return records, unreadable, False


def _reached(event: CanonicalEvent, until: int) -> CanonicalEvent:
    """Says that ledger time is so late, and nothing else."""
    return msgspec.structs.replace(
        event,
        type=TYPE_TICK,
        receivedtime=format_ms(until),
        rawgen=event.rawgen + 1,
        rawpos=0,
        caseid=None,
        sequence=None,
        data={},
    )
