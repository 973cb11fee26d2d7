"""One shard's step: (state, event at an offset) to (state, alerts), on the shard's ledger time.

Ledger time is the greatest `receivedtime` of the events that count. A timer fires when ledger time has passed
it, before the event that moved time on is applied, and speaks as of its own instant: so it does not matter in
what batches the events come.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Final, TypeVar

import msgspec
from balance_chain.core.counting import EventCounter
from balance_chain.core.events import TYPE_REJECTED, CanonicalEvent
from balance_chain.core.times import parse_ms

from balance_judge_audit.engine.across import HeldFact
from balance_judge_audit.engine.alerts import Revision, Trigger
from balance_judge_audit.engine.announce import announce
from balance_judge_audit.engine.book import OWN_TYPES, RuleBook, Watch, in_force
from balance_judge_audit.engine.courtcalendar import CALENDAR_TYPE, Calendars
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.gap import SequenceFact
from balance_judge_audit.engine.lawtime import day_of
from balance_judge_audit.engine.noted import NOTED, Noted, note
from balance_judge_audit.engine.remember import held, remember
from balance_judge_audit.engine.view import Place, View

T = TypeVar("T")
NEVER: Final[Mapping[str, int]] = {}
Places = Callable[[str | None, str], Place]
"""Where a case is heard, from its court code and its id."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """How long silence is waited for, on ledger time."""

    grace_ms: int
    lateness_ms: int


@dataclass(slots=True)
class ShardState:
    """How far a shard is applied."""

    shard: int
    applied: int = 0
    """Offset of the first record not applied."""
    counter: EventCounter = field(default_factory=EventCounter)
    ledger_time: int = 0
    calendars: Calendars = field(default_factory=Calendars)


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A record of `litigation.events`: decoded, and the bytes that were hashed."""

    offset: int
    event: CanonicalEvent
    value: bytes


@dataclass(slots=True)
class Applied:
    """What a batch brought: alerts, facts for rules across shards, and the cases whose state changed."""

    revisions: list[Revision] = field(default_factory=list)
    held: list[SequenceFact] = field(default_factory=list)
    across: list[HeldFact] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    noted: list[Noted] = field(default_factory=list)
    counted: list[Incoming] = field(default_factory=list)
    """The records that count, in order."""
    uncounted: int = 0
    declared: bool = False
    """Whether a court's calendar changed."""


def courts_declared(batch: Iterable[Incoming]) -> list[str]:
    """The courts of which a batch has a calendar: their open cases are loaded with it."""
    own = (each.event.data.get("court") for each in batch if each.event.type == CALENDAR_TYPE)
    return sorted({court for court in own if isinstance(court, str)})


class ShardEngine:
    """Applies batches of one shard. Pure: it holds the rule book and places, no state of its own."""

    def __init__(self, book: RuleBook, places: Places, clocks: Clocks) -> None:
        self._book = book
        self._places = places
        self._clocks = clocks

    def apply(self, shard: ShardState, cases: MutableMapping[str, CaseState], batch: Iterable[Incoming]) -> Applied:
        """Applies the batch. `cases` has those that it touches, all that are due before its ledger time, and all that
        are open in the courts of which it has a calendar.
        """
        result = Applied()
        grace = self._clocks.grace_ms
        timers = [(wake, caseid) for caseid, state in cases.items() if (wake := state.wake(grace)) is not None]
        heapify(timers)
        gap = self._book.gap
        for incoming in batch:
            event = incoming.event
            shard.applied = incoming.offset + 1
            if not shard.counter.counts(event.rawgen, event.rawpos):
                result.uncounted += 1
                continue
            result.counted.append(incoming)
            received = parse_ms(event.receivedtime)
            if received > shard.ledger_time:
                self._fire(shard, cases, timers, received, result)
                shard.ledger_time = received
            leaf = None
            if gap is not None:
                source, sequence = event.source, event.sequence
                if event.type == TYPE_REJECTED and event.data.get("reason") not in gap.ignored_rejects:
                    source, sequence = event.data.get("source", source), event.data.get("sequence")
                if sequence is not None:
                    leaf = hashlib.sha256(b"\x00" + incoming.value).digest()
                    result.held.append(
                        SequenceFact(
                            shard.ledger_time,
                            leaf,
                            source,
                            int(sequence),
                            event.id,
                            event.type,
                            shard.shard,
                            incoming.offset,
                        )
                    )
                if gap.entries:
                    self._number(shard, incoming, result)
            if event.type in NOTED:
                leaf = leaf or hashlib.sha256(b"\x00" + incoming.value).digest()
                noted = note(event, shard.ledger_time, shard.shard, incoming.offset, leaf.hex())
                result.noted += [noted] if noted is not None else []
            if event.type == CALENDAR_TYPE:
                self._retime(shard, cases, timers, incoming, result)
            own = event.type.startswith(OWN_TYPES)
            if event.caseid is not None and (not own or self._book.names(event.type)):
                self._take(shard, cases, timers, incoming, leaf, result)
            elif not own:
                # What concerns no case, such as the report of a unit, is for the rules across cases alone.
                self._hold(shard, incoming, event.courtcode, leaf, result)
        return result

    def _number(self, shard: ShardState, incoming: Incoming, result: Applied) -> None:
        """Keeps the number of a case's own entry, where they are watched."""
        event, gap = incoming.event, self._book.gap
        if gap is None or event.caseid is None:
            return
        numbers = gap.entries.get(self._places(event.courtcode, event.caseid).jurisdiction)
        number = numbers.of(event) if numbers is not None else None
        if numbers is not None and number is not None:
            leaf = hashlib.sha256(b"\x00" + incoming.value).digest()
            at = (shard.ledger_time, leaf, event.caseid, number, event.id, event.type, shard.shard, incoming.offset)
            result.held.append(SequenceFact(*at, least=numbers.least, partial=True))

    def _hold(
        self, shard: ShardState, incoming: Incoming, court: str | None, leaf: bytes | None, result: Applied
    ) -> None:
        """Keeps the event for the rules across cases that name it."""
        event = incoming.event
        watches = self._book.across_watches(event.type)
        if not watches:
            return
        place = self._places(court, event.caseid or "")
        day = day_of(event.time_ms, place.zone)
        for watch in watches:
            if place.jurisdiction in watch.jurisdictions and watch.test(event, place.zone) and in_force(watch, day):
                leaf = leaf or hashlib.sha256(b"\x00" + incoming.value).digest()
                at = (shard.ledger_time, shard.shard, incoming.offset)
                result.across.append(held(watch, event, at, court, place.zone, leaf))

    def _take(
        self,
        shard: ShardState,
        cases: MutableMapping[str, CaseState],
        timers: list[tuple[int, str]],
        incoming: Incoming,
        leaf: bytes | None,
        result: Applied,
    ) -> None:
        event = incoming.event
        caseid = event.caseid
        assert caseid is not None
        state = cases.get(caseid)
        if state is None:
            state = cases[caseid] = CaseState()
        if not event.type.startswith(OWN_TYPES):
            state.last = shard.ledger_time
        if event.courtcode is not None:
            state.court = event.courtcode
        result.touched.add(caseid)
        place = shard.calendars.place(state.court, self._places(state.court, caseid))
        day = day_of(event.time_ms, place.zone)
        self._hold(shard, incoming, state.court, leaf, result)
        zone = place.zone
        marks: list[tuple[Watch, bool]] = []
        for watch in self._book.heard(event.type, place.jurisdiction).on(day):
            met = watch.test(event, zone)
            if met or watch.keep_unmet:
                marks.append((watch, met))
        if marks:
            leaf = leaf or hashlib.sha256(b"\x00" + incoming.value).digest()
            changed = remember(state, event, incoming.offset, leaf, marks)
            self._judge(shard, caseid, state, sorted(changed), shard.ledger_time, result)
        if (wake := state.wake(self._clocks.grace_ms)) is not None:
            heappush(timers, (wake, caseid))

    def _retime(
        self,
        shard: ShardState,
        cases: MutableMapping[str, CaseState],
        timers: list[tuple[int, str]],
        incoming: Incoming,
        result: Applied,
    ) -> None:
        """Takes a court's calendar, and counts the deadlines of its open cases anew."""
        event = incoming.event
        declared = shard.calendars.declare(event.data)
        if declared is None:
            return
        result.declared = True
        leaf = hashlib.sha256(b"\x00" + incoming.value).hexdigest()
        at = (event.type, event.time, leaf, incoming.offset, shard.shard)
        cause = Trigger("calendar", event.source, event.id, *at)
        for caseid in sorted(cases):
            state = cases[caseid]
            rules = self._book.deadlines & (state.pending.keys() | state.announced.keys())
            if state.court != declared.court or not state.open or not rules:
                continue
            self._judge(shard, caseid, state, sorted(rules), shard.ledger_time, result, cause)
            result.touched.add(caseid)
            if (wake := state.wake(self._clocks.grace_ms)) is not None:
                heappush(timers, (wake, caseid))

    def _fire(
        self,
        shard: ShardState,
        cases: MutableMapping[str, CaseState],
        timers: list[tuple[int, str]],
        until: int,
        result: Applied,
    ) -> None:
        """Every timer that ledger time is about to pass, in the order of their instants."""
        grace = self._clocks.grace_ms
        while timers and timers[0][0] < until:
            wake, caseid = heappop(timers)
            state = cases[caseid]
            if state.wake(grace) != wake:
                continue  # an event came meanwhile and the case waits for another instant
            quiet = state.last + grace
            due = sorted(rule for rule, dues in state.pending.items() if max(min(dues), quiet) <= wake)
            self._judge(shard, caseid, state, due, wake, result)
            result.touched.add(caseid)
            if (again := state.wake(grace)) is not None:
                heappush(timers, (again, caseid))

    def _judge(
        self,
        shard: ShardState,
        caseid: str,
        state: CaseState,
        rules: Iterable[str],
        now: int,
        result: Applied,
        cause: Trigger | None = None,
    ) -> None:
        view = View(
            place=shard.calendars.place(state.court, self._places(state.court, caseid)),
            now=now,
            quiet_from=state.last + self._clocks.grace_ms,
            shard=shard.shard,
            facts=state.facts,
            by_mark=state.by_mark,
            extra=state.extra,
        )
        for rule_id in rules:
            rule = self._book.cases.get(rule_id)
            if rule is None:  # a rule that left the book says nothing more
                state.pending.pop(rule_id, None)
                continue
            if rule.needs.isdisjoint(state.by_mark):
                continue
            episodes = rule.judge(view.of(rule_id, state.judged.get(rule_id, NEVER)))
            _store(state.judged, rule_id, view.judged)
            _store(state.pending, rule_id, sorted(view.pending))
            if episodes or rule_id in state.announced:
                result.revisions += announce(rule.rule, caseid, state, view, episodes, cause)


def _store(table: dict[str, T], rule: str, value: T) -> None:
    if value:
        table[rule] = value
    elif rule in table:
        del table[rule]
