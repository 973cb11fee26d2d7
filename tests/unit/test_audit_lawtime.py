"""Periods are counted as the procedure law says: worked examples."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from balance_judge_audit.engine.holidays import LAST_YEAR, ChineseCalendar
from balance_judge_audit.engine.lawtime import (
    Interval,
    Period,
    WeekendCalendar,
    add_months,
    day_of,
    day_of_text,
    end_of,
    last_day,
    next_working_day,
    start_of,
    subtract,
)
from hypothesis import given
from hypothesis import strategies as st

WEEKENDS = WeekendCalendar()
SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("start", "period", "start_day", "expected"),
    [
        # CPL 85: the day on which a period begins is not counted. Filed on the 2nd, seven days end on the 9th.
        ("2026-03-02", Period(7, "days"), "next_day", "2026-03-09"),
        ("2026-03-02", Period(7, "days"), "same_day", "2026-03-08"),
        # Six months from 15 January end on 15 July; counted from the day itself, on the 14th.
        ("2026-01-15", Period(6, "months"), "next_day", "2026-07-15"),
        ("2026-01-15", Period(6, "months"), "same_day", "2026-07-14"),
        # A month without the day of that number ends with the month; a leap year has its 29th.
        ("2025-08-31", Period(6, "months"), "next_day", "2026-02-28"),
        ("2023-11-30", Period(3, "months"), "next_day", "2024-02-29"),
        ("2025-11-30", Period(3, "months"), "next_day", "2026-02-28"),
        # Five working days after a Thursday end on the next Thursday.
        ("2026-03-05", Period(5, "working_days"), "next_day", "2026-03-12"),
        ("2026-03-05", Period(5, "working_days"), "same_day", "2026-03-11"),
    ],
)
def test_the_last_day_of_a_period(start: str, period: Period, start_day: str, expected: str) -> None:
    got = last_day(date.fromisoformat(start), period, WEEKENDS, "same_day" if start_day == "same_day" else "next_day")
    assert got == date.fromisoformat(expected)


def test_a_last_day_off_work_moves_to_the_next_working_day() -> None:
    national_day = WeekendCalendar(holidays=frozenset(date(2026, 10, day) for day in range(1, 8)))
    assert next_working_day(date(2026, 3, 7), WEEKENDS) == date(2026, 3, 9)
    assert next_working_day(date(2026, 10, 1), national_day) == date(2026, 10, 8)
    assert next_working_day(date(2026, 10, 1), WEEKENDS) == date(2026, 10, 1)


def test_a_weekend_day_that_is_worked_is_a_working_day() -> None:
    saturday = date(2026, 2, 14)
    assert next_working_day(saturday, WeekendCalendar(worked=frozenset({saturday}))) == saturday


def test_a_day_ends_in_the_courts_own_zone() -> None:
    assert end_of(date(2026, 3, 9), SHANGHAI) == start_of(date(2026, 3, 10), SHANGHAI)
    assert day_of(end_of(date(2026, 3, 9), SHANGHAI) - 1, SHANGHAI) == date(2026, 3, 9)
    assert day_of(end_of(date(2026, 3, 9), SHANGHAI) - 1, NEW_YORK) == date(2026, 3, 9)
    # The day on which clocks go forward has 23 hours.
    assert end_of(date(2026, 3, 8), NEW_YORK) - start_of(date(2026, 3, 8), NEW_YORK) == 23 * 3_600_000


def test_excluded_days_move_the_last_day_and_overlaps_count_once() -> None:
    appraisal = Interval(date(2026, 2, 2), date(2026, 3, 4))
    settlement = Interval(date(2026, 2, 20), date(2026, 3, 14))
    assert subtract(date(2026, 4, 15), [appraisal]) == (date(2026, 5, 15), 30)
    assert subtract(date(2026, 4, 15), [settlement, appraisal]) == (date(2026, 5, 25), 40)


def test_an_exclusion_that_begins_after_the_last_day_does_not_count() -> None:
    assert subtract(date(2026, 4, 15), [Interval(date(2026, 4, 16), date(2026, 5, 1))]) == (date(2026, 4, 15), 0)


def test_an_exclusion_counts_where_an_earlier_one_moved_the_last_day_behind_its_beginning() -> None:
    first, second = Interval(date(2026, 4, 1), date(2026, 4, 11)), Interval(date(2026, 4, 20), date(2026, 4, 25))
    assert subtract(date(2026, 4, 15), [first, second]) == (date(2026, 4, 30), 15)


def test_while_an_exclusion_lasts_there_is_no_last_day() -> None:
    assert subtract(date(2026, 4, 15), [Interval(date(2026, 4, 1), None)]) == (None, 0)


@pytest.mark.parametrize(
    ("start", "period", "expected"),
    [
        # Spring Festival 2026 is 15 to 23 February: seven days from the 10th end on the 17th, which moves to the 24th.
        ("2026-02-10", Period(7, "days"), "2026-02-24"),
        # A Saturday that is worked in the place of a holiday is a working day, and a last day on it does not move.
        ("2026-02-07", Period(7, "days"), "2026-02-14"),
        # Labour Day 2026 is 1 to 5 May; worked on Saturday the 9th.
        ("2026-04-29", Period(5, "working_days"), "2026-05-09"),
        ("2026-05-02", Period(7, "days"), "2026-05-09"),
        # Three months from 1 July end on 1 October and move behind the National Day holidays.
        ("2026-07-01", Period(3, "months"), "2026-10-08"),
        ("2025-07-01", Period(3, "months"), "2025-10-09"),
    ],
)
def test_a_chinese_court_does_not_work_on_public_holidays(start: str, period: Period, expected: str) -> None:
    calendar = ChineseCalendar()
    last = next_working_day(last_day(date.fromisoformat(start), period, calendar), calendar)
    assert last == date.fromisoformat(expected)
    assert calendar.is_confirmed(last)


def test_beyond_the_published_years_only_weekends_and_fixed_holidays_are_known_and_that_is_provisional() -> None:
    calendar, year = ChineseCalendar(), LAST_YEAR + 1
    new_year, first_monday = (
        date(year, 1, 1),
        next(date(year, 1, day) for day in range(2, 9) if date(year, 1, day).weekday() == 0),
    )
    assert not calendar.is_working_day(new_year)
    assert not calendar.is_working_day(first_monday - timedelta(days=1))
    assert calendar.is_working_day(first_monday)
    assert not calendar.is_confirmed(first_monday)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-12", date(2026, 3, 12)),
        ("2026-03-11T16:00:00.000Z", date(2026, 3, 12)),
        ("2026-03-11T15:59:59.999Z", date(2026, 3, 11)),
        ("soon", None),
        ("2026-02-30", None),
        ("2026-03-11T16:00:00", None),
    ],
)
def test_a_day_is_read_from_a_date_or_an_instant(text: str, expected: date | None) -> None:
    assert day_of_text(text, SHANGHAI) == expected


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, 40))
def test_months_keep_the_number_of_the_day_or_end_the_month(day: date, months: int) -> None:
    got = add_months(day, months)
    assert (got.year * 12 + got.month) - (day.year * 12 + day.month) == months
    assert got.day == day.day or (got.day < day.day and (got + timedelta(days=1)).day == 1)
