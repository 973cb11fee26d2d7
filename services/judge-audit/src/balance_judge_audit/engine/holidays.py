"""The calendar of Chinese courts: public holidays and the weekend days worked in their place.

The State Council names each year's days in the autumn before. `chinesecalendar` has them up to 2026; for other years
only weekends and the holidays of a fixed day are known, and what is counted with them is provisional: it says so in
the alert (`calendar: provisional`).
"""

from datetime import date
from functools import lru_cache
from typing import Final

import chinese_calendar
from chinese_calendar.constants import holidays

from balance_judge_audit.engine.lawtime import SATURDAY

FIRST_YEAR: Final = min(holidays).year
LAST_YEAR: Final = max(holidays).year
FIXED: Final = frozenset({(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)})
"""Statutory holidays whose day does not move: New Year, Labour Day, National Day (全国年节及纪念日放假办法, 2025)."""


class ChineseCalendar:
    """Which days a Chinese court works, and whether that is known or only supposed."""

    def is_working_day(self, day: date) -> bool:
        return _works(day)

    def is_confirmed(self, day: date) -> bool:
        return bool(FIRST_YEAR <= day.year <= LAST_YEAR)


@lru_cache(maxsize=4096)
def _works(day: date) -> bool:
    if FIRST_YEAR <= day.year <= LAST_YEAR:
        return bool(chinese_calendar.is_workday(day))
    return day.weekday() < SATURDAY and (day.month, day.day) not in FIXED
