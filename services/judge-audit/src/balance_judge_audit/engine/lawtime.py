"""Law's time: counts periods as the procedure law does (CPL art. 85), so that a due day can be explained to a
court.

The calendar is an argument: who knows holidays passes one that knows them. Days are counted in the court's own
time zone, with the first day excluded; a last day that is not a working day moves to the next that is; a month
ends on the day of the same number, or on the month's last day where it has none.
"""

import calendar as _calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

StartDay = Literal["next_day", "same_day"]
SATURDAY: Final = 5
DAY_MS: Final = 86_400_000


class Calendar(Protocol):
    """Which days a court works."""

    def is_working_day(self, day: date) -> bool:
        """Whether the court works on this day."""
        ...

    def is_confirmed(self, day: date) -> bool:
        """Whether that is known, not only supposed."""
        ...


@dataclass(frozen=True, slots=True)
class WeekendCalendar:
    """Saturdays and Sundays off, and the days it is told; a weekend day that is worked instead (调休) can be
    named too.
    """

    holidays: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()

    def is_confirmed(self, day: date) -> bool:
        return False

    def is_working_day(self, day: date) -> bool:
        if day in self.worked:
            return True
        return day.weekday() < SATURDAY and day not in self.holidays


@dataclass(frozen=True, slots=True)
class Period:
    """A length that the law gives: calendar days, working days or calendar months."""

    count: int
    unit: Literal["days", "working_days", "months"]

    def __str__(self) -> str:
        return f"{self.count} {self.unit.replace('_', ' ')}"


@dataclass(frozen=True, slots=True)
class Interval:
    """Days that do not run: `first` is the first excluded day, `end` the first that runs again; None: not
    resumed yet.
    """

    first: date
    end: date | None


@lru_cache(maxsize=1 << 16)
def day_of(ms: int, zone: ZoneInfo) -> date:
    """The day on which an instant falls in this zone."""
    return datetime.fromtimestamp(ms / 1000, zone).date()


def day_of_text(text: str, zone: ZoneInfo) -> date | None:
    """The day that a date names, or on which an instant falls in this zone; None for what is neither."""
    try:
        if len(text) == len("2026-01-31"):
            return date.fromisoformat(text)
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.astimezone(zone).date() if instant.tzinfo is not None else None


@lru_cache(maxsize=1 << 14)
def start_of(day: date, zone: ZoneInfo) -> int:
    """The first instant of a day in this zone, in milliseconds since 1970 UTC."""
    return int(datetime.combine(day, time(), zone).astimezone(UTC).timestamp() * 1000)


def end_of(day: date, zone: ZoneInfo) -> int:
    """The first instant after a day: what happens before it is within the day."""
    return start_of(day + timedelta(days=1), zone)


def add_months(day: date, months: int) -> date:
    """The day of the same number so many months on, or the last day of a month that has none."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, _calendar.monthrange(year, month + 1)[1]))


def next_working_day(day: date, calendar: Calendar) -> date:
    """The day itself where the court works on it, else the first after it on which it does."""
    while not calendar.is_working_day(day):
        day += timedelta(days=1)
    return day


def last_day(start: date, period: Period, calendar: Calendar, start_day: StartDay = "next_day") -> date:
    """The last day of a period, before it is moved off a day without work.

    With `next_day` the day of the start is not counted (CPL 85: 期间开始的时和日,不计算在期间内); with
    `same_day` it is the first day.
    """
    back = timedelta(days=1 if start_day == "same_day" else 0)
    if period.unit == "months":
        return add_months(start, period.count) - back
    if period.unit == "days":
        return start + timedelta(days=period.count) - back
    day, left = start - back, period.count
    while left > 0:
        day += timedelta(days=1)
        left -= calendar.is_working_day(day)
    return day


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same days without overlaps, in order."""
    result: list[Interval] = []
    for interval in sorted(intervals, key=lambda each: each.first):
        if interval.end is not None and interval.end <= interval.first:
            continue
        last = result[-1] if result else None
        if last is None or (last.end is not None and interval.first > last.end):
            result.append(interval)
        elif last.end is not None and (interval.end is None or interval.end > last.end):
            result[-1] = Interval(last.first, interval.end)
    return result


def subtract(day: date, intervals: Iterable[Interval]) -> tuple[date | None, int]:
    """The last day when these days do not run, and how many they are; None while an exclusion has not ended.

    An exclusion counts only where it begins while the period still runs.
    """
    excluded = 0
    for interval in merged(intervals):
        if interval.first > day:
            break
        if interval.end is None:
            return None, excluded
        length = (interval.end - interval.first).days
        day += timedelta(days=length)
        excluded += length
    return day, excluded
