"""Deadlines: something must follow within a period of law (R01 filing, R05 trial limit).

A clock starts, may be stopped, extended, suspended or re-based, and ends. An end after the last day is a breach
by itself; none at all is one when ledger time has passed the last day and the case has been quiet for the
grace. What is granted after the last day does not undo the breach: a limit can be extended only while it runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, cast

from balance_chain.core.times import format_ms

from balance_judge_audit.engine.alerts import Episode, State
from balance_judge_audit.engine.clauses import agree, key_of, reasons
from balance_judge_audit.engine.conditions import Parameters, RuleError
from balance_judge_audit.engine.counting import intervals_text
from balance_judge_audit.engine.facts import Fact, Value
from balance_judge_audit.engine.lawtime import (
    Calendar,
    Interval,
    Period,
    StartDay,
    day_of,
    day_of_text,
    end_of,
    last_day,
    next_working_day,
    start_of,
    subtract,
)
from balance_judge_audit.engine.model import Deadline, Suspension
from balance_judge_audit.engine.view import ALMOST_DAY_MS, View

ORDER: Final = {"start": 0, "rebase": 1, "suspend": 2, "extend": 3, "stop": 4, "end": 5}


@dataclass(slots=True)
class _Clock:
    """One run of the clock: from a start to its end, or to now."""

    start: Fact
    key: Value = None
    changes: list[tuple[str, Fact]] = field(default_factory=list)
    close: tuple[str, Fact] | None = None
    parts: list[Fact] = field(default_factory=list)
    """Ends that do not reach the amount by themselves."""


@dataclass(slots=True)
class _Count:
    """The last day so far and how it came about."""

    base: date
    runs: date
    """The first day that is counted: before it nothing can be excluded."""
    period: Period
    choice: str | None
    until: date | None = None
    intervals: list[tuple[str | None, Interval]] = field(default_factory=list)
    reckoned: int = 0
    """How many exclusions, the first ones, had begun when a court named a day, and so are in that day."""

    @property
    def running(self) -> list[Interval]:
        """The exclusions that move the last day."""
        return [each for _, each in self.intervals[self.reckoned :]]


def compile_deadline(spec: Deadline, parameters: Parameters) -> Callable[[View], list[Episode]]:
    """The judgement of one deadline rule."""
    table = {word: parameters.period(ref, f"deadline.limit.table.{word}") for word, ref in spec.limit.table.items()}
    single = parameters.period(spec.limit.period, "deadline.limit.period") if spec.limit.period else None
    if (single is None) == (spec.limit.by is None):
        raise RuleError(
            "deadline.limit", "says not exactly one of period and by", "give a period, or by with its table"
        )
    start_day = parameters.word(spec.start_day, "deadline.start_day")
    if start_day not in ("next_day", "same_day"):
        raise RuleError("deadline.start_day", f"{start_day!r} is no start day", "choose next_day or same_day")
    warn = parameters.length_ms(spec.warn_before, "deadline.warn_before") if spec.warn_before else None
    judge = _Judge(spec, table, single, cast(StartDay, start_day), warn)
    return judge.episodes


class _Judge:
    def __init__(
        self, spec: Deadline, table: Mapping[str, Period], single: Period | None, start_day: StartDay, warn: int | None
    ) -> None:
        self._spec = spec
        self._table = table
        self._single = single
        self._start_day = start_day
        self._warn = warn

    def episodes(self, view: View) -> list[Episode]:
        return [
            episode
            for clock in _clocks(self._spec, view)
            if reasons(self._spec, view, clock.start) is not None and (episode := self._judge(view, clock)) is not None
        ]

    def _judge(self, view: View, clock: _Clock) -> Episode | None:
        zone, calendar = view.place.zone, view.place.calendar
        first = day_of(clock.start.time, zone)
        choice = clock.start.values.get(self._spec.limit.by or "")
        choice = choice if isinstance(choice, str) else None
        period = self._single or self._table.get(choice or "")
        if period is None:
            # A procedure that the law gives no limit for here, as far as this rule knows: silence, not a guess.
            return None
        runs = first if self._start_day == "same_day" else first + timedelta(days=1)
        count = _Count(first, runs, period, choice)
        for role, fact in clock.changes:
            self._change(view, count, role, fact)
        day, excluded = self._last(count, calendar)
        if day is None:
            return None
        due = end_of(day, zone)
        closing = [clock.close] if clock.close is not None else []
        close = clock.close[1] if clock.close is not None else None
        if self._spec.minimum:
            return None if close is None else self._too_soon(view, clock, count, day, excluded)
        if close is not None and close.time < due:
            return None
        start = _episode(clock)
        if close is not None:
            numbers = self._numbers(view, clock, count, day, excluded)
            numbers["late_days"] = (day_of(close.time, zone) - day).days
            return Episode(start, "open", view.triggers([*_named(clock), *closing]), numbers)
        state: State = "open"
        if not view.absent(start, due):
            if self._warn is None or not view.absent("warning " + start, start_of(day, zone) - self._warn):
                return None
            state = "warning"
        return Episode(start, state, view.triggers(_named(clock)), self._numbers(view, clock, count, day, excluded))

    def _numbers(self, view: View, clock: _Clock, count: _Count, day: date, excluded: int) -> dict[str, str | int]:
        """How the last day came about, as an alert says it."""
        numbers: dict[str, str | int] = {
            "start_day": count.base.isoformat(),
            "counted_from": self._start_day,
            "period": str(count.period),
            "excluded_days": excluded,
            "last_day": day.isoformat(),
        }
        if count.choice:
            numbers["procedure"] = count.choice
        rolled = self._spec.roll or count.period.unit == "working_days"
        if rolled and not view.place.calendar.is_confirmed(day):
            numbers["calendar"] = "provisional"
        if count.until is not None:
            numbers["extended_until"] = count.until.isoformat()
        if days := intervals_text(count.running):
            numbers["excluded"] = days
        if self._spec.amount is not None and clock.parts:
            numbers["amount"] = _amount(self._spec, clock.start) or 0
            numbers["ended"] = sum(_amount(self._spec, each) or 0 for each in clock.parts)
        return numbers

    def _too_soon(self, view: View, clock: _Clock, count: _Count, day: date, excluded: int) -> Episode | None:
        """An end before the last day of a period that has to pass first."""
        assert clock.close is not None
        on = day_of(clock.close[1].time, view.place.zone)
        if on >= day:
            return None
        numbers = self._numbers(view, clock, count, day, excluded)
        numbers["days_short"] = (day - on).days
        return Episode(_episode(clock), "open", view.triggers([("start", clock.start), clock.close]), numbers)

    def _change(self, view: View, count: _Count, role: str, fact: Fact) -> None:
        zone = view.place.zone
        on = day_of(fact.time, zone)
        day, _ = self._last(count, view.place.calendar)
        if day is not None and on > day:
            return
        if role == "rebase":
            to = next((fact.values.get(each.to) for each in self._spec.rebased_by if each.event == fact.type), None)
            if isinstance(to, str) and to in self._table:
                count.period, count.choice = self._table[to], to
                count.until, count.reckoned = None, 0
        elif role == "extend":
            until = next(
                (fact.values.get(each.until) for each in self._spec.extended_by if each.event == fact.type), None
            )
            if isinstance(until, str) and (parsed := day_of_text(until, zone)) is not None:
                # By order and not by day: an exclusion of the day of the start is counted from the next one.
                count.until, count.reckoned = parsed, len(count.intervals)
        elif role == "suspend":
            for spec in self._spec.suspended_by:
                if spec.event == fact.type:
                    key = fact.values.get(spec.key or "")
                    _suspend(count, fact.values.get(spec.action), spec, on, key if isinstance(key, str) else None)

    def _last(self, count: _Count, calendar: Calendar) -> tuple[date | None, int]:
        """The last day as things stand and the days excluded; None while the clock is stopped."""
        if count.until is not None:
            return subtract(count.until, count.running)
        day, excluded = subtract(last_day(count.base, count.period, calendar, self._start_day), count.running)
        if day is not None and self._spec.roll:
            day = next_working_day(day, calendar)
        return day, excluded


def _episode(clock: _Clock) -> str:
    """Names one run of the clock."""
    start = format_ms(clock.start.time)
    return start if clock.key is None else f"{start} {clock.key}"


def _named(clock: _Clock) -> list[tuple[str, Fact]]:
    """What an alert names of it, but for what closed it."""
    return [("start", clock.start), *clock.changes, *(("end", each) for each in clock.parts)]


def _suspend(count: _Count, action: Value, spec: Suspension, on: date, key: str | None) -> None:
    if action in spec.stop:
        count.intervals.append((key, Interval(max(on, count.runs), None)))
    elif action in spec.resume:
        # A resumption that names no suspension ends all of them. The day it names runs again.
        count.intervals = [
            (name, Interval(each.first, on) if each.end is None and key in (None, name) else each)
            for name, each in count.intervals
        ]


def _clocks(spec: Deadline, view: View) -> list[_Clock]:
    """The runs of the clock; where the rule has a key, each value of it has a clock of its own."""
    if not view.role("start"):
        return []
    by_role = {role: facts for role in ORDER if (facts := view.role(role))}
    if spec.key is None:
        return _runs(spec, view, by_role, None)
    clocks: list[_Clock] = []
    for key in dict.fromkeys(_plain(key_of(spec, "start", fact)) for fact in by_role["start"]):
        own = {
            role: [
                fact
                for fact in facts
                if (
                    _plain(key_of(spec, role, fact)) == key if role == "start" else agree(key, key_of(spec, role, fact))
                )
            ]
            for role, facts in by_role.items()
        }
        clocks += _runs(spec, view, own, key)
    return clocks


def _amount(spec: Deadline, fact: Fact) -> int | None:
    value = fact.values.get(spec.amount or "")
    return value if isinstance(value, int) else None


def _reached(spec: Deadline, clock: _Clock, end: Fact) -> bool:
    """Whether this end, with those before it, reaches the amount of the start; where one does not say, it does."""
    wanted = _amount(spec, clock.start)
    amounts = [_amount(spec, fact) for fact in (*clock.parts, end)]
    if spec.amount is None or wanted is None or amounts[-1] is None:
        return True
    return sum(each or 0 for each in amounts) >= wanted


def _plain(key: Value) -> str | int | None:
    return key if isinstance(key, str | int) else None


def _runs(spec: Deadline, view: View, by_role: Mapping[str, list[Fact]], key: Value) -> list[_Clock]:
    """Cuts the facts into runs of one clock."""
    entries: list[tuple[int, int, int, str, Fact]] = []
    for role, facts in by_role.items():
        order = ORDER[role]
        for fact in facts:
            # Where only the day is known, a start is its beginning and all else its end.
            late = ALMOST_DAY_MS if fact.day and role != "start" else 0
            entries.append((fact.time + late, order, fact.offset, role, fact))
    entries.sort(key=lambda entry: entry[:3])
    clocks: list[_Clock] = []
    running: _Clock | None = None
    for _, _, _, role, fact in entries:
        if role == "start":
            if running is not None and spec.restart:
                running.start = fact
            elif running is None:
                running = _Clock(fact, key)
                clocks.append(running)
        elif running is None:
            continue
        elif role == "end" and not _reached(spec, running, fact):
            running.parts.append(fact)
        elif role in ("stop", "end"):
            running.close = (role, fact)
            running = None
            if view.has(fact, "final"):
                break
        else:
            running.changes.append((role, fact))
    return clocks
