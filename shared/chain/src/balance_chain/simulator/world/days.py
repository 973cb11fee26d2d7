"""Working days as the State Council named them for the years that are simulated, and the counting of plain periods.

The simulator counts by itself, so that a label never rests on the engine that it scores. A test holds the table
against the `chinesecalendar` package.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Final

from balance_chain.core.times import DAY_MS
from balance_chain.simulator.casefile import HOUR_MS, MINUTE_MS, day_start, local_day

_SATURDAY: Final = 5
_CLOSED: Final = (
    "2024-01-01 2024-01-01 2024-02-10 2024-02-17 2024-04-04 2024-04-06 2024-05-01 2024-05-05 2024-06-10 2024-06-10 "
    "2024-09-15 2024-09-17 2024-10-01 2024-10-07 2025-01-01 2025-01-01 2025-01-28 2025-02-04 2025-04-04 2025-04-06 "
    "2025-05-01 2025-05-05 2025-05-31 2025-06-02 2025-10-01 2025-10-08 2026-01-01 2026-01-03 2026-02-15 2026-02-23 "
    "2026-04-04 2026-04-06 2026-05-01 2026-05-05 2026-06-19 2026-06-21 2026-09-25 2026-09-27 2026-10-01 2026-10-07"
)
"""First and last days of the public holidays."""
_WORKED: Final = (
    "2024-02-04 2024-02-18 2024-04-07 2024-04-28 2024-05-11 2024-09-14 2024-09-29 2024-10-12 2025-01-26 2025-02-08 "
    "2025-04-27 2025-09-28 2025-10-11 2026-01-04 2026-02-14 2026-02-28 2026-05-09 2026-09-20 2026-10-10"
)
"""Weekend days that are worked in their place."""


def _holidays() -> Iterator[date]:
    days = [date.fromisoformat(each) for each in _CLOSED.split()]
    for first, last in zip(days[::2], days[1::2], strict=True):
        for offset in range((last - first).days + 1):
            yield first + timedelta(days=offset)


HOLIDAYS: Final = frozenset(_holidays())
WORKED: Final = frozenset(date.fromisoformat(each) for each in _WORKED.split())


def works(day: date) -> bool:
    """Whether courts work on this day."""
    return day in WORKED or (day.weekday() < _SATURDAY and day not in HOLIDAYS)


def next_worked(day: date) -> date:
    """The day itself, or the first after it that is worked."""
    while not works(day):
        day += timedelta(days=1)
    return day


def last_day(start: date, days: int) -> date:
    """The last of so many days, the first not counted, moved off a day without work."""
    return next_worked(start + timedelta(days=days))


def last_working_day(start: date, days: int) -> date:
    """The last of so many working days, the first not counted."""
    while days > 0:
        start += timedelta(days=1)
        days -= works(start)
    return start


def within_hours(day: date, rng: Random) -> int:
    """Some moment of a day between nine and five."""
    return day_start(day) + 9 * HOUR_MS + rng.randrange(8 * 60) * MINUTE_MS + rng.randrange(60_000)


def weeks(ms: int) -> int:
    """The least whole weeks that are no shorter: what is moved by them keeps its days of the week."""
    return -(-ms // (7 * DAY_MS)) * 7 * DAY_MS


def day_of(ms: int) -> date:
    """The day on which it falls in China."""
    return local_day(ms)
