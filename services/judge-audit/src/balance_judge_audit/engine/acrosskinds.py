"""Kinds of rules across cases: many cases of one person within a window, and reports that a unit owes."""

from collections.abc import Mapping
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from balance_chain.core.times import format_ms

from balance_judge_audit.engine.across import (
    KEPT,
    Act,
    Acts,
    HeldFact,
    KeyState,
    Reported,
    States,
    revision,
)
from balance_judge_audit.engine.alerts import Revision, State
from balance_judge_audit.engine.lawtime import add_months, start_of
from balance_judge_audit.engine.model import Rule


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


def _next(month: str) -> str:
    return add_months(date.fromisoformat(f"{month}-01"), 1).isoformat()[:7]
