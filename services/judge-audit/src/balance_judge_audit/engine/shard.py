"""One shard's step: (state, event at an offset) to (state, alerts), on the shard's ledger time.

Ledger time is the greatest `receivedtime` of the events that count. A timer fires when ledger time has passed
it, before the event that moved time on is applied, and speaks as of its own instant: so it does not matter in
what batches the events come.
"""

import hashlib
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from datetime import date
from heapq import heapify, heappop, heappush
from typing import TypeVar

from balance_chain.core.counting import EventCounter
from balance_chain.core.events import TYPE_REJECTED, CanonicalEvent
from balance_chain.core.times import format_ms, parse_ms

from balance_judge_audit.engine.across import HeldFact
from balance_judge_audit.engine.alerts import Episode, Revision, Trigger, alert_id, digest
from balance_judge_audit.engine.book import OWN_TYPES, RuleBook, Watch
from balance_judge_audit.engine.clauses import names_in, people_of
from balance_judge_audit.engine.facts import FACTS_KEPT, LIST_KEPT, Announced, CaseState, Fact, Value
from balance_judge_audit.engine.gap import SequenceFact
from balance_judge_audit.engine.lawtime import day_of
from balance_judge_audit.engine.view import Place, View, index

T = TypeVar("T")
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


@dataclass(frozen=True, slots=True)
class Incoming:
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
    uncounted: int = 0


class ShardEngine:
    """Applies batches of one shard. Pure: it holds the rule book and places, no state of its own."""

    def __init__(self, book: RuleBook, places: Places, clocks: Clocks) -> None:
        self._book = book
        self._places = places
        self._clocks = clocks

    def apply(self, shard: ShardState, cases: MutableMapping[str, CaseState], batch: Iterable[Incoming]) -> Applied:
        """Applies the batch. `cases` has those that it touches, and all that are due before its ledger time."""
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
            own = event.type.startswith(OWN_TYPES)
            if event.caseid is not None and (not own or self._book.names(event.type)):
                self._take(shard, cases, timers, incoming, leaf, result)
        return result

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
        place = self._places(state.court, caseid)
        day = day_of(event.time_ms, place.zone)
        for watch in self._book.across_watches(event.type):
            if place.jurisdiction in watch.jurisdictions and watch.test(event, place.zone):
                leaf = leaf or hashlib.sha256(b"\x00" + incoming.value).digest()
                if _in_force(watch, day):
                    result.across.append(_held(watch, shard, state, place, incoming, leaf))
        marks: list[tuple[Watch, bool]] = []
        for watch in self._book.watches(event.type):
            if place.jurisdiction in watch.jurisdictions:
                met = watch.test(event, place.zone)
                if (met or watch.keep_unmet) and _in_force(watch, day):
                    marks.append((watch, met))
        if marks:
            leaf = leaf or hashlib.sha256(b"\x00" + incoming.value).digest()
            changed = _remember(state, incoming, leaf, marks)
            self._judge(shard.shard, caseid, state, sorted(changed), shard.ledger_time, result)
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
            self._judge(shard.shard, caseid, state, due, wake, result)
            result.touched.add(caseid)
            if (again := state.wake(grace)) is not None:
                heappush(timers, (again, caseid))

    def _judge(
        self, shard: int, caseid: str, state: CaseState, rules: Iterable[str], now: int, result: Applied
    ) -> None:
        place = self._places(state.court, caseid)
        by_mark = index(state.facts)
        for rule_id in rules:
            rule = self._book.cases.get(rule_id)
            if rule is None:  # a rule that left the book says nothing more
                state.pending.pop(rule_id, None)
                continue
            view = View(
                rule=rule_id,
                place=place,
                now=now,
                quiet_from=state.last + self._clocks.grace_ms,
                shard=shard,
                facts=state.facts,
                by_mark=by_mark,
                extra=state.extra,
                judged_before=state.judged.get(rule_id, {}),
            )
            episodes = rule.judge(view)
            _store(state.judged, rule_id, view.judged)
            _store(state.pending, rule_id, sorted(view.pending))
            if episodes or rule_id in state.announced:
                self._announce(rule_id, caseid, state, view, episodes, result)

    def _announce(
        self, rule_id: str, caseid: str, state: CaseState, view: View, episodes: list[Episode], result: Applied
    ) -> None:
        """Says what is new: episodes that began or changed, and those that later facts have put in order."""
        rule = self._book.rules[rule_id]
        announced = state.announced.setdefault(rule_id, {})

        def say(episode: Episode, known: Announced | None, mark: str, private: bool) -> None:
            number = known.revision + 1 if known else 1
            announced[episode.start] = Announced(number, episode.state, mark, private)
            result.revisions.append(
                Revision(
                    id=alert_id(rule.id, rule.major, caseid, episode.start),
                    revision=number,
                    rule=rule.id,
                    version=rule.version,
                    severity=rule.severity,
                    state=episode.state,
                    private=private,
                    subject=caseid,
                    start=episode.start,
                    courtcode=state.court,
                    shard=view.shard,
                    judged=format_ms(view.now),
                    triggers=episode.triggers,
                    numbers=episode.numbers,
                )
            )

        for episode in episodes:
            known, mark = announced.get(episode.start), digest(episode)
            if known is None or known.digest != mark:
                warned = known is None or known.private
                say(episode, known, mark, private=episode.state == "warning" and warned)
        standing = {episode.start for episode in episodes}
        for start, known in list(announced.items()):
            if start not in standing and known.state != "cured":
                say(Episode(start, "cured", _last_facts(view), {}), known, "", private=known.private)


def _store(table: dict[str, T], rule: str, value: T) -> None:
    if value:
        table[rule] = value
    else:
        table.pop(rule, None)


def _last_facts(view: View) -> tuple[Trigger, ...]:
    """What the rule knows of the case now: the facts that put it in order are among them."""
    prefix = view.rule + ":"
    named: list[tuple[str, Fact]] = []
    for fact in sorted(view.facts, key=lambda each: (each.time, each.offset)):
        role = next((mark.removeprefix(prefix) for mark in fact.marks if mark.startswith(prefix)), None)
        if role is not None:
            named.append((role, fact))
    return view.triggers(named)


def _held(watch: Watch, shard: ShardState, state: CaseState, place: Place, incoming: Incoming, leaf: bytes) -> HeldFact:
    event = incoming.event
    assert event.caseid is not None
    return HeldFact(
        time=shard.ledger_time,
        leaf=leaf,
        rule=watch.rule,
        role=watch.mark.partition(":")[2],
        at=event.time_ms,
        zone=place.zone.key,
        case=event.caseid,
        court=state.court,
        values={path: _value(read(event)) for path, read in watch.fields},
        source=event.source,
        id=event.id,
        type=event.type,
        shard=shard.shard,
        offset=incoming.offset,
    )


def _in_force(watch: Watch, day: date) -> bool:
    """Whether the rule was in force on the day of the event."""
    return watch.valid_from <= day and (watch.valid_to is None or day <= watch.valid_to)


def _remember(state: CaseState, incoming: Incoming, leaf: bytes, marks: list[tuple[Watch, bool]]) -> set[str]:
    """Keeps the event as a fact for the rules that name it, or only counts it where there are too many; says
    which rules.
    """
    event = incoming.event
    kept: list[Watch] = []
    met: list[str] = []
    changed: set[str] = set()
    for watch, holds in marks:
        if watch.distinct is not None and not _names_anyone_new(state, watch, event):
            continue
        changed.add(watch.rule)
        if sum(watch.mark in fact.marks for fact in state.facts) >= FACTS_KEPT:
            state.extra[watch.mark] = state.extra.get(watch.mark, 0) + 1
            continue
        kept.append(watch)
        if holds and watch.keep_unmet:
            met.append(watch.mark)
    if kept:
        state.facts.append(
            Fact(
                time=event.time_ms,
                day=event.precision == "day",
                offset=incoming.offset,
                type=event.type,
                source=event.source,
                id=event.id,
                leaf=leaf.hex(),
                marks=tuple(watch.mark for watch in kept),
                values={path: _value(read(event)) for watch in kept for path, read in watch.fields},
                met=tuple(met),
            )
        )
    return changed


def _names_anyone_new(state: CaseState, watch: Watch, event: CanonicalEvent) -> bool:
    """Whether a fact kept for the people that it names would add one to those of the same role."""
    assert watch.distinct is not None
    named = {name for _, read in watch.fields for name in names_in(read(event))}
    for fact in state.facts:
        if not named:
            break
        if watch.mark in fact.marks:
            named -= people_of(watch.distinct, fact)
    return bool(named)


def _value(value: object) -> Value:
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str)][:LIST_KEPT]
    return value if isinstance(value, str | int) else None
