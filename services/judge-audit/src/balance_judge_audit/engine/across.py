"""Rules over people and units of the register, across all cases and shards (R24, R28, R30).

Facts are taken in one order, (ledger time, leaf hash), once every shard's ledger time has passed them; timers fire
between them on the same time. So the answer depends neither on how the shards are read nor on who reads them. What a
rule remembers is one small state a key, and a fact itself says which keys it touches.
"""

from collections.abc import Collection, Iterable, Mapping, MutableMapping
from heapq import heapify, heappop, heappush
from typing import Final, Protocol

import msgspec
from balance_chain.core.times import format_ms

from balance_judge_audit.engine.alerts import TRIGGERS_SHOWN, Revision, State, Trigger, alert_id
from balance_judge_audit.engine.facts import Value
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.windowstates import Measured, Met, Tally, Window

KEPT: Final = 1000
"""Acts of one person that are kept within a window, and cases of one person that a later declaration can touch."""
PIECE: Final = 40
"""Of how many cases of one person a piece is made; PIECES of them are all that are kept."""
PIECES: Final = KEPT // PIECE


class HeldFact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event in one role of one rule; `time` is its shard's ledger time, which never goes back."""

    time: int
    leaf: bytes
    rule: str
    role: str
    at: int
    """The event's own time."""
    zone: str
    case: str
    court: str | None
    values: dict[str, Value]
    source: str
    id: str
    type: str
    shard: int
    offset: int

    def trigger(self) -> Trigger:
        """The event as an alert names it."""
        at = format_ms(self.at)
        return Trigger(self.role, self.source, self.id, self.type, at, self.leaf.hex(), self.offset, self.shard)


class Act(msgspec.Struct, frozen=True, array_like=True):
    """One act of a person in a case."""

    at: int
    leaf: bytes
    case: str
    trigger: Trigger


class Acts(msgspec.Struct, array_like=True, tag="acts"):
    """One person's acts within the last two windows, and the burst that was spoken of."""

    acts: list[Act] = []
    start: int = 0
    until: int = 0
    said: int = 0
    revision: int = 0


class Reported(msgspec.Struct, array_like=True, tag="reported"):
    """One unit's monthly reports: `due` is the first month that was neither reported nor found missing."""

    due: str
    zone: str
    court: str | None
    last: Trigger
    months: list[str] = []
    missing: dict[str, int] = {}
    """Months found missing, with the number of their revision."""


class Seat(msgspec.Struct, array_like=True):
    """A person's place in a case."""

    side: str
    at: int
    trigger: Trigger
    court: str | None
    left: bool = False
    place: int = 0
    """Which of the person's cases it is, counted from 0."""


class CasePeople(msgspec.Struct, array_like=True, tag="case"):
    """Who of the register takes part in a case, and which relations were spoken of."""

    people: dict[str, Seat] = {}
    said: dict[str, tuple[int, bool]] = {}
    """By pair: the last revision, and whether it stands."""


class Relation(msgspec.Struct, frozen=True, array_like=True):
    """A declared relation, as one of the two people has it."""

    other: str
    until: str | None
    trigger: Trigger


class Person(msgspec.Struct, array_like=True, tag="person"):
    """A person's relations and latest cases; `pieces`: how often `PIECE` of them were put into states of their own."""

    relations: list[Relation] = []
    cases: list[str] = []
    pieces: int = 0

    @property
    def count(self) -> int:
        """How many cases there were."""
        return self.pieces * PIECE + len(self.cases)

    @property
    def full(self) -> bool:
        """Whether the next case begins another piece."""
        return len(self.cases) >= PIECE


class CasesBefore(msgspec.Struct, frozen=True, array_like=True, tag="cases"):
    """Cases of a person before the latest ones, in the order of appearance."""

    cases: list[str]


KeyState = Acts | Reported | CasePeople | Person | CasesBefore | Tally | Window | Met | Measured
States = MutableMapping[str, KeyState]


class AcrossJudge(Protocol):
    """What a rule across cases does with a fact. Its keys begin with the rule's id."""

    def keys(self, fact: HeldFact) -> list[str]:
        """Which states the fact touches."""
        ...

    def further_keys(self, fact: HeldFact, states: Mapping[str, KeyState]) -> list[str]:
        """Which more it may touch, by what those say."""
        ...

    def take(self, fact: HeldFact, states: States) -> list[Revision]:
        """Takes one fact."""
        ...

    def closing_keys(self, key: str, state: KeyState | None, watermark: int) -> list[str]:
        """Which more are needed when this one is due before the watermark; None: it is not there yet."""
        ...

    def touches(self, key: str) -> list[str]:
        """Whose timers change when this one is fired."""
        ...

    def wake(self, key: str, state: KeyState) -> int | None:
        """When there is next something to say if no fact comes."""
        ...

    def fire(self, key: str, states: States, now: int) -> list[Revision]:
        """Says what is due at this time; a state that has served is taken out."""
        ...


class AcrossEngine:
    """Applies facts of all shards to the rules across cases. Pure, like the shards' engine."""

    def __init__(self, judges: Mapping[str, AcrossJudge]) -> None:
        self._judges = judges

    def keys(self, facts: Iterable[HeldFact]) -> list[str]:
        """The states to load first."""
        return sorted({key for fact in facts if (judge := self._of(fact)) for key in judge.keys(fact)})

    def more_keys(
        self, facts: Iterable[HeldFact], states: Mapping[str, KeyState], watermark: int, asked: Collection[str]
    ) -> list[str]:
        """The states to load next, by what is loaded and due, until there are none; `asked`: all keys so far."""
        found = {key for fact in facts if (judge := self._of(fact)) for key in judge.further_keys(fact, states)}
        for key in {*asked, *states}:
            judge = self._judges.get(key.partition(" ")[0])
            if judge is not None:
                found.update(judge.closing_keys(key, states.get(key), watermark))
        return sorted(found.difference(asked, states))

    def wake(self, key: str, state: KeyState) -> int | None:
        """When this state is due."""
        judge = self._judges.get(key.partition(" ")[0])
        return judge.wake(key, state) if judge else None

    def apply(self, states: States, facts: Iterable[HeldFact], watermark: int) -> list[Revision]:
        """Takes the facts, and fires what is due before the watermark. `states` has all that were asked for, and all
        that are due.
        """
        said: list[Revision] = []
        timers = [(wake, key) for key, state in states.items() if (wake := self.wake(key, state)) is not None]
        heapify(timers)
        for fact in sorted(facts, key=lambda each: (each.time, each.leaf, each.rule, each.role)):
            self._fire(states, timers, fact.time, said)
            judge = self._of(fact)
            if judge is None:  # a rule that left the book says nothing more
                continue
            said += judge.take(fact, states)
            self._wait(states, timers, judge.keys(fact))
        self._fire(states, timers, watermark, said)
        return said

    def _of(self, fact: HeldFact) -> AcrossJudge | None:
        return self._judges.get(fact.rule)

    def _fire(self, states: States, timers: list[tuple[int, str]], until: int, said: list[Revision]) -> None:
        while timers and timers[0][0] < until:
            wake, key = heappop(timers)
            state = states.get(key)
            if state is None or self.wake(key, state) != wake:
                continue  # a fact came meanwhile
            judge = self._judges[key.partition(" ")[0]]
            said += judge.fire(key, states, wake)
            self._wait(states, timers, [key, *judge.touches(key)])

    def _wait(self, states: States, timers: list[tuple[int, str]], keys: Iterable[str]) -> None:
        for key in keys:
            state = states.get(key)
            if state is not None and (wake := self.wake(key, state)) is not None:
                heappush(timers, (wake, key))


def revision(
    rule: Rule,
    subject: str,
    start: str,
    number: int,
    state: State,
    now: int,
    triggers: Iterable[Trigger],
    numbers: dict[str, str | int],
    court: str | None,
) -> Revision:
    """A revision of a rule across cases; it is said by no shard of its own."""
    named = tuple(triggers)
    return Revision(
        id=alert_id(rule.id, rule.major, subject, start),
        revision=number,
        rule=rule.id,
        version=rule.version,
        severity=rule.severity,
        state=state,
        private=False,
        subject=subject,
        start=start,
        courtcode=court,
        shard=named[-1].shard,
        judged=format_ms(now),
        triggers=named[:TRIGGERS_SHOWN],
        numbers=numbers,
    )
