"""The kinds of rules across cases: many cases of one person within a window, reports that a unit owes, and related
people who meet in a case.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from balance_chain.core.privacy import BYNAME_PREFIX
from balance_chain.core.times import format_ms

from balance_judge_audit.engine.across import (
    KEPT,
    Act,
    Acts,
    CasePeople,
    HeldFact,
    KeyState,
    Person,
    Relation,
    Reported,
    Seat,
    States,
    revision,
)
from balance_judge_audit.engine.alerts import Revision, State
from balance_judge_audit.engine.clauses import names_in
from balance_judge_audit.engine.lawtime import add_months, day_of, start_of
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.modelacross import Conflict


class Quiet:
    """A judge without timers, whose facts name all their keys."""

    def further_keys(self, fact: HeldFact, states: Mapping[str, KeyState]) -> list[str]:
        return []

    def closing_keys(self, key: str, state: KeyState | None, watermark: int) -> list[str]:
        return []

    def touches(self, key: str) -> list[str]:
        return []

    def wake(self, key: str, state: KeyState) -> int | None:
        return None

    def fire(self, key: str, states: States, now: int) -> list[Revision]:
        return []


class Bursts(Quiet):
    """Different cases of one person within a window, at least so many (R30)."""

    def __init__(self, rule: Rule, by: str, window_ms: int, least: int) -> None:
        self._rule = rule
        self._by = by
        self._window = window_ms
        self._least = least

    def keys(self, fact: HeldFact) -> list[str]:
        person = fact.values.get(self._by)
        return [f"{self._rule.id} {person}"] if isinstance(person, str) else []

    def take(self, fact: HeldFact, states: States) -> list[Revision]:
        for key in self.keys(fact):
            state = states.setdefault(key, Acts())
            assert isinstance(state, Acts)
            return self._take(key.partition(" ")[2], state, fact)
        return []

    def _take(self, person: str, state: Acts, fact: HeldFact) -> list[Revision]:
        acts = [*state.acts, Act(fact.at, fact.leaf, fact.case, fact.trigger())]
        acts.sort(key=lambda act: (act.at, act.leaf))
        state.acts = [act for act in acts if act.at > acts[-1].at - 2 * self._window][-KEPT:]
        most: list[Act] = []
        for last in state.acts:
            if fact.at <= last.at < fact.at + self._window:
                within = [act for act in state.acts if last.at - self._window < act.at <= last.at]
                if len({act.case for act in within}) > len({act.case for act in most}):
                    most = within
        count = len({act.case for act in most})
        if count < self._least:
            return []
        if state.revision == 0 or most[0].at > state.until:
            state.start, state.revision, state.said = most[0].at, 0, 0
        state.until = max(state.until, most[-1].at + self._window)
        if state.revision and count < 2 * state.said:
            return []
        state.revision += 1
        state.said = count
        numbers: dict[str, str | int] = {"cases": count, "limit": self._least, "window_seconds": self._window // 1000}
        start, triggers = format_ms(state.start), [act.trigger for act in most]
        return [revision(self._rule, person, start, state.revision, "open", fact.time, triggers, numbers, fact.court)]


class Reports(Quiet):
    """A unit that has reported once reports every month, by a day of the next one (R28)."""

    def __init__(self, rule: Rule, unit: str, month: str, day: int, lateness_ms: int) -> None:
        self._rule = rule
        self._unit = unit
        self._month = month
        self._day = day
        self._lateness = lateness_ms

    def keys(self, fact: HeldFact) -> list[str]:
        unit = fact.values.get(self._unit)
        return [f"{self._rule.id} {fact.court or ''} {unit}"] if isinstance(unit, str) else []

    def take(self, fact: HeldFact, states: States) -> list[Revision]:
        month = fact.values.get(self._month)
        if not isinstance(month, str):
            return []
        for key in self.keys(fact):
            state = states.get(key)
            if state is None:
                states[key] = Reported(_next(month), fact.zone, fact.court, fact.trigger(), [])
                continue
            assert isinstance(state, Reported)
            state.last = fact.trigger()
            if (number := state.missing.pop(month, 0)) > 0:
                return [self._say(key, state, month, number + 1, fact.time, cured=True)]
            if month >= state.due:
                state.months = sorted({*state.months, month})
                self._advance(state)
        return []

    def wake(self, key: str, state: KeyState) -> int | None:
        assert isinstance(state, Reported)
        first = date.fromisoformat(f"{_next(state.due)}-01")
        return start_of(first + timedelta(days=self._day), ZoneInfo(state.zone)) + self._lateness

    def fire(self, key: str, states: States, now: int) -> list[Revision]:
        state = states[key]
        assert isinstance(state, Reported)
        month = state.due
        state.missing[month] = 1
        state.due = _next(month)
        self._advance(state)
        return [self._say(key, state, month, 1, now, cured=False)]

    def _advance(self, state: Reported) -> None:
        while state.due in state.months:
            state.months.remove(state.due)
            state.due = _next(state.due)

    def _say(self, key: str, state: Reported, month: str, number: int, now: int, cured: bool) -> Revision:
        unit = key.partition(" ")[2].strip()
        last_day = date.fromisoformat(f"{_next(month)}-01") + timedelta(days=self._day - 1)
        numbers: dict[str, str | int] = {"month": month, "last_day": last_day.isoformat()}
        state_word: State = "cured" if cured else "open"
        return revision(self._rule, unit, month, number, state_word, now, [state.last], numbers, state.court)


class Related(Quiet):
    """Two people who declared that they are related, one of the court and one of the other side of a case (R24)."""

    def __init__(self, rule: Rule, spec: Conflict) -> None:
        self._rule = rule
        self._spec = spec.declared

    def keys(self, fact: HeldFact) -> list[str]:
        people = [self._person(name) for name in self._people(fact)]
        return people if fact.role == "declared" else [self._case(fact.case), *people]

    def further_keys(self, fact: HeldFact, states: Mapping[str, KeyState]) -> list[str]:
        if fact.role != "declared":
            return []
        people = [states.get(self._person(name)) for name in self._people(fact)]
        return [self._case(case) for each in people if isinstance(each, Person) for case in each.cases]

    def take(self, fact: HeldFact, states: States) -> list[Revision]:
        if fact.role == "declared":
            return self._declare(fact, states)
        case = states.setdefault(self._case(fact.case), CasePeople())
        assert isinstance(case, CasePeople)
        said: list[Revision] = []
        for name in self._people(fact):
            said += self._leave(fact, case, name) if fact.role == "ended" else self._join(fact, case, name, states)
        return said

    def _people(self, fact: HeldFact) -> list[str]:
        """Those whom the register knows by an id: two people may share a name, so a name is nobody here."""
        if fact.role == "declared":
            both = [fact.values.get(path) for path in (self._spec.person, self._spec.other)]
            known = [name for name in both if isinstance(name, str) and not name.startswith(BYNAME_PREFIX)]
            return known if len(set(known)) == 2 else []
        names = {name for value in fact.values.values() for name in names_in(value)}
        return sorted(name for name in names if not name.startswith(BYNAME_PREFIX))

    def _person(self, name: str) -> str:
        return f"{self._rule.id} p {name}"

    def _case(self, case: str) -> str:
        return f"{self._rule.id} c {case}"

    def _of(self, states: States, name: str) -> Person:
        state = states.setdefault(self._person(name), Person())
        assert isinstance(state, Person)
        return state

    def _declare(self, fact: HeldFact, states: States) -> list[Revision]:
        people = self._people(fact)
        if len(people) != 2:
            return []
        until = fact.values.get(self._spec.until)
        end = until if isinstance(until, str) else None
        one, other = (self._of(states, name) for name in people)
        one.relations.append(Relation(people[1], end, fact.trigger()))
        other.relations.append(Relation(people[0], end, fact.trigger()))
        said: list[Revision] = []
        for name in sorted(set(one.cases) & set(other.cases)):
            case = states[self._case(name)]
            assert isinstance(case, CasePeople)
            said += self._meet(name, case, people[0], one.relations[-1], fact)
        return said

    def _join(self, fact: HeldFact, case: CasePeople, name: str, states: States) -> list[Revision]:
        seat = case.people.get(name)
        if seat is not None and not seat.left and seat.side == fact.role:
            return []
        case.people[name] = Seat(fact.role, fact.at, fact.trigger(), fact.court)
        person = self._of(states, name)
        if fact.case not in person.cases:
            person.cases = [*person.cases, fact.case][-KEPT:]
        met = (self._meet(fact.case, case, name, relation, fact) for relation in person.relations)
        return [each for found in met for each in found]

    def _meet(self, name: str, case: CasePeople, person: str, relation: Relation, fact: HeldFact) -> list[Revision]:
        seats = case.people.get(person), case.people.get(relation.other)
        if seats[0] is None or seats[1] is None or seats[0].left or seats[1].left or seats[0].side == seats[1].side:
            return []
        later = day_of(max(seat.at for seat in seats if seat), ZoneInfo(fact.zone)).isoformat()
        pair = " ".join(sorted((person, relation.other)))
        number, stands = case.said.get(pair, (0, False))
        if stands or (relation.until is not None and relation.until < later):
            return []
        case.said[pair] = (number + 1, True)
        triggers = [relation.trigger, *(seat.trigger for seat in seats if seat)]
        return [
            revision(self._rule, name, pair, number + 1, "open", fact.time, triggers, {"people": 2}, seats[0].court)
        ]

    def _leave(self, fact: HeldFact, case: CasePeople, name: str) -> list[Revision]:
        seat = case.people.get(name)
        if seat is None or seat.left:
            return []
        seat.left = True
        said: list[Revision] = []
        for pair, (number, stands) in sorted(case.said.items()):
            if stands and name in pair.split(" "):
                case.said[pair] = (number + 1, False)
                said.append(
                    revision(
                        self._rule, fact.case, pair, number + 1, "cured", fact.time, [fact.trigger()], {}, seat.court
                    )
                )
        return said


def _next(month: str) -> str:
    return add_months(date.fromisoformat(f"{month}-01"), 1).isoformat()[:7]
