"""How a period was counted, day by day: so that a due day can be checked by a person with a calendar.

It is counted anew from an alert's numbers, with the functions of law's time by which the rule counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal, cast

from balance_judge_audit.engine.lawtime import Calendar, Interval, Period, StartDay, last_day, merged, subtract

ONE_DAY: Final = timedelta(days=1)
What = Literal["start", "counted", "no_work", "excluded", "moved"]
"""The day of the start, not counted; counted; a day without work in a period of working days; excluded by law; a last
day without work, so that the period ends later.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Days one after the other that count alike. `counted`: how many days of the period are over at its end."""

    first: date
    last: date
    what: What
    counted: int
    confirmed: bool
    """Whether the calendar is known for all of them, where it matters."""

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1


def intervals_text(intervals: Iterable[Interval]) -> str:
    """Excluded days as an alert keeps them: first and last day of each."""
    closed = [each for each in merged(intervals) if each.end is not None]
    return " ".join(f"{each.first}/{each.end - ONE_DAY}" for each in closed if each.end is not None)


def count_days(numbers: Mapping[str, str | int], calendar: Calendar) -> list[Run]:
    """The runs from the start to the last day; empty where the alert counts no period."""
    try:
        start, last = date.fromisoformat(str(numbers["start_day"])), date.fromisoformat(str(numbers["last_day"]))
        period = _period(str(numbers["period"]))
    except (KeyError, ValueError):
        return []
    intervals = _intervals(str(numbers.get("excluded", "")))
    mode = cast(StartDay, numbers.get("counted_from", "next_day"))
    until = numbers.get("extended_until")
    base = date.fromisoformat(str(until)) if until else last_day(start, period, calendar, mode)
    ended = subtract(base, intervals)[0] or last
    runs: list[Run] = []
    counted = 0
    day = start
    while day <= last:
        what = _what(day, start, ended, period, mode, intervals, calendar)
        counted += what == "counted"
        known = what in ("start", "excluded") or (period.unit != "working_days" and what == "counted")
        confirmed = known or calendar.is_confirmed(day)
        previous = runs[-1] if runs else None
        if previous is not None and (previous.what, previous.confirmed) == (what, confirmed):
            runs[-1] = Run(previous.first, day, what, counted, confirmed)
        else:
            runs.append(Run(day, day, what, counted, confirmed))
        day += ONE_DAY
    return runs


def _what(
    day: date,
    start: date,
    ended: date,
    period: Period,
    mode: StartDay,
    intervals: Iterable[Interval],
    calendar: Calendar,
) -> What:
    if any(each.first <= day and (each.end is None or day < each.end) for each in intervals):
        return "excluded"
    if day == start and mode == "next_day":
        return "start"
    if day > ended:
        # The last one of these is worked on, and is the day on which the period ends.
        return "moved"
    return "no_work" if period.unit == "working_days" and not calendar.is_working_day(day) else "counted"


def _period(text: str) -> Period:
    count, _, unit = text.partition(" ")
    if unit not in ("days", "working days", "months"):
        raise ValueError(unit)
    return Period(int(count), cast(Literal["days", "working_days", "months"], unit.replace(" ", "_")))


def _intervals(text: str) -> list[Interval]:
    pairs = (each.split("/") for each in text.split())
    return [Interval(date.fromisoformat(first), date.fromisoformat(last) + ONE_DAY) for first, last in pairs]
