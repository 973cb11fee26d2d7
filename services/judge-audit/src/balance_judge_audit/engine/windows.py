"""Windows of ledger time that statistical rules look at: facts are counted by day as they come, days are joined into
periods, and a group is judged when a period is over, with its last periods together.

Periods begin on Mondays at 00:00 UTC, so that every court and every replay cuts alike.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from balance_chain.core.privacy import BYNAME_PREFIX
from balance_chain.core.times import format_ms

from balance_judge_audit.engine.across import HeldFact, KeyState, States, revision
from balance_judge_audit.engine.alerts import Revision, State, Trigger
from balance_judge_audit.engine.conditions import Parameters, RuleError
from balance_judge_audit.engine.lawtime import DAY_MS
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.modelacross import Peers
from balance_judge_audit.engine.windowstates import Said, Seen, Tally, Window

FIRST_MONDAY: Final = 4
"""Days after 1970-01-01 of the first Monday."""
COURT: Final = "courtcode"


@dataclass(frozen=True, slots=True)
class Span:
    """How long a window is and how often it is looked at, in days."""

    days: int
    every: int

    @property
    def periods(self) -> int:
        """Of how many periods a window is made: so often is each group looked at within one."""
        return self.days // self.every

    def period(self, day: int) -> int:
        """The period of a day."""
        return (day - FIRST_MONDAY) // self.every

    def end(self, period: int) -> int:
        """The instant at which a period is over."""
        return ((period + 1) * self.every + FIRST_MONDAY) * DAY_MS


def span_of(spec: Peers, parameters: Parameters, key: str) -> Span:
    """The span of a section: whole days, and whole periods in a window."""
    lengths = [
        parameters.length_ms(each, f"{key}.{name}") for name, each in (("window", spec.window), ("every", spec.every))
    ]
    days = [0 if length is None else length // DAY_MS for length in lengths]
    if not days[1] or days[0] < days[1] or days[0] % days[1]:
        raise RuleError(f"{key}.window", "is not a whole number of periods", "make window a multiple of every, in days")
    return Span(days[0], days[1])


@dataclass(frozen=True, slots=True)
class Finding:
    """What stands out in a group: about whom (subject, and with whom), how far, and which events show it."""

    level: int
    numbers: dict[str, str | int]
    seen: list[Seen]


class Windowed:
    """A judge of groups within a window. A day's key is `<rule> b <day> <group>`, that of what was put aside of it
    `<rule> q <day> <number> <group>`, a window's `<rule> w <group>`.
    """

    def __init__(self, rule: Rule, group: tuple[str, ...], span: Span) -> None:
        self._rule = rule
        self._group = group
        self._span = span

    def keys(self, fact: HeldFact) -> list[str]:
        """The day's key; none where the fact does not say its group."""
        key = self._day_key(fact)
        return [key] if key else []

    def further_keys(self, fact: HeldFact, states: Mapping[str, KeyState]) -> list[str]:
        return []

    def closing_keys(self, key: str, state: KeyState | None, watermark: int) -> list[str]:
        """What is needed when this one is fired before the watermark."""
        day = self._day(key)
        if day is None or self._span.end(self._span.period(day)) >= watermark:
            return []
        return [*self.touches(key), *(self._pieces(key, state) if isinstance(state, Tally) else ())]

    def touches(self, key: str) -> list[str]:
        """The window into which a day's counts go."""
        return [f"{self._rule.id} w {key.split(' ', 3)[3]}"] if self._day(key) is not None else []

    @abstractmethod
    def take(self, fact: HeldFact, states: States) -> list[Revision]:
        """Counts one fact."""

    @abstractmethod
    def findings(self, window: Window, total: Tally, group: str) -> Iterator[tuple[str, Finding]]:
        """What stands out, by person or pair."""

    def wake(self, key: str, state: KeyState) -> int | None:
        """A day is joined to its period, and a group judged, at the period's end."""
        if isinstance(state, Window):
            return self._span.end(state.due)
        day = self._day(key)
        return None if day is None else self._span.end(self._span.period(day))

    def fire(self, key: str, states: States, now: int) -> list[Revision]:
        state = states[key]
        if isinstance(state, Tally):
            self._join(key, state, states)
            return []
        assert isinstance(state, Window)
        span = self._span
        state.periods = {each: tally for each, tally in state.periods.items() if each > state.due - span.periods}
        self.settle(state.periods.get(state.due), states)
        total = Tally()
        for _, tally in sorted(state.periods.items()):
            total.add(tally)
        said = self.judge(state, total, key.split(" ", 2)[2], states, now)
        state.said = {
            name: each for name, each in state.said.items() if each.stands or state.due - each.period < span.periods
        }
        state.due += 1
        if not state.periods and not state.said:
            del states[key]
        return said

    def settle(self, latest: Tally | None, states: States) -> None:
        """Counts what could not be counted before the period was over."""

    def judge(self, window: Window, total: Tally, group: str, states: States, now: int) -> list[Revision]:
        """Says what is new: what stands out, what stands out further, and what no longer does."""
        found = dict(self.findings(window, total, group))
        said: list[Revision] = []
        for name, finding in sorted(found.items()):
            known = window.said.get(name)
            seen = finding.seen[-1]
            if known is None:
                # One person may stand out in two groups on one day: the episodes, and so their alerts, are two.
                start = f"{group} {format_ms(now)[:10]}".strip()
                known = window.said[name] = Said(start, 0, 0, True, window.due, seen)
            elif known.stands and finding.level <= known.level:
                known.period = window.due
                continue
            known.revision += 1
            known.level, known.stands, known.period, known.seen = finding.level, True, window.due, seen
            triggers = [each.trigger() for each in finding.seen]
            said.append(self._say(name, known, "open", now, triggers, finding.numbers, total.court))
        for name, known in sorted(window.said.items()):
            if known.stands and name not in found:
                known.revision += 1
                known.stands, known.level, known.period = False, 0, window.due
                said.append(self._say(name, known, "cured", now, [known.seen.trigger()], {}, total.court))
        return said

    def _join(self, key: str, day: Tally, states: States) -> None:
        number = self._day(key)
        assert number is not None
        period = self._span.period(number)
        window = states.setdefault(self.touches(key)[0], Window(period))
        assert isinstance(window, Window)
        total = window.periods.setdefault(period, Tally())
        for piece in self._pieces(key, day):
            aside = states.pop(piece)
            assert isinstance(aside, Tally)
            total.add(aside)
        total.add(day)
        del states[key]

    def _pieces(self, key: str, day: Tally) -> list[str]:
        """The keys of what was put aside of a day, in the order in which it was counted."""
        return [self._piece(key, number) for number in range(day.pieces)]

    def _piece(self, key: str, number: int) -> str:
        _, _, day, group = key.split(" ", 3)
        return f"{self._rule.id} q {day} {number} {group}"

    def _say(
        self,
        name: str,
        said: Said,
        state: State,
        now: int,
        triggers: Iterable[Trigger],
        numbers: dict[str, str | int],
        court: str | None,
    ) -> Revision:
        subject, _, other = name.partition(" ")
        start = f"{other} {said.start}" if other else said.start
        return revision(self._rule, subject, start, said.revision, state, now, triggers, numbers, court)

    def _day(self, key: str) -> int | None:
        parts = key.split(" ", 3)
        return int(parts[2]) if parts[1] == "b" else None

    def _is_piece(self, key: str) -> bool:
        return key.split(" ", 2)[1] == "q"

    def _day_key(self, fact: HeldFact) -> str | None:
        """Where a fact is counted: by the day of ledger time, so that it is counted once and never later."""
        named = self._group_of(fact)
        return None if named is None else f"{self._rule.id} b {fact.time // DAY_MS} {named}"

    def _group_of(self, fact: HeldFact) -> str | None:
        """The group as keys have it; None where the fact does not say it."""
        values = [fact.court if path == COURT else fact.values.get(path) for path in self._group]
        if self._group and values[0] is None:
            return None
        return " ".join("" if each is None else str(each) for each in values)

    def _tally(self, fact: HeldFact, states: States) -> Tally | None:
        key = self._day_key(fact)
        if key is None:
            return None
        tally = states.setdefault(key, Tally(court=fact.court if COURT in self._group else None))
        assert isinstance(tally, Tally)
        if tally.full:
            fresh = states[key] = Tally(court=tally.court, pieces=tally.pieces + 1)
            states[self._piece(key, tally.pieces)] = tally
            return fresh
        return tally


def seen_of(fact: HeldFact) -> Seen:
    """The fact as an alert may name it later."""
    return Seen(fact.role, fact.source, fact.id, fact.type, fact.at, fact.leaf, fact.offset, fact.shard)


def known(name: object) -> str | None:
    """A person whom the register knows by an id. Two people may share a name, so of a name nothing is ever said."""
    return name if isinstance(name, str) and not name.startswith(BYNAME_PREFIX) else None


def hundredths(value: int) -> str:
    """A number of hundredths as it is read."""
    return f"{value // 100}.{value % 100:02d}"


def per_mille(part: int, whole: int) -> int:
    """A share, rounded down; 0 of nothing."""
    return part * 1000 // whole if whole else 0
