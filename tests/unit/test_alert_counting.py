"""An alert's count, day by day, ends on the very day on which its rule said that the period ends."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from balance_judge_audit.engine.counting import count_days, intervals_text
from balance_judge_audit.engine.holidays import ChineseCalendar
from balance_judge_audit.engine.lawtime import Interval, Period, StartDay, last_day, next_working_day, subtract
from hypothesis import assume, given, settings
from hypothesis import strategies as st

CALENDAR = ChineseCalendar()


def numbers_of(
    start: date, period: Period, mode: StartDay, intervals: list[Interval], until: date | None = None
) -> dict[str, str | int] | None:
    day, excluded = subtract(until or last_day(start, period, CALENDAR, mode), intervals)
    if day is None:
        return None
    last = day if until else next_working_day(day, CALENDAR)
    numbers: dict[str, str | int] = {
        "start_day": start.isoformat(),
        "counted_from": mode,
        "period": str(period),
        "excluded_days": excluded,
        "last_day": last.isoformat(),
    }
    if until:
        numbers["extended_until"] = until.isoformat()
    if text := intervals_text(intervals):
        numbers["excluded"] = text
    return numbers


def said(numbers: dict[str, str | int]) -> list[tuple[str, str, str]]:
    return [
        (each.first.isoformat()[5:], each.last.isoformat()[5:], each.what) for each in count_days(numbers, CALENDAR)
    ]


def test_seven_days_over_the_spring_festival_end_on_the_first_day_of_work_after_it() -> None:
    numbers = numbers_of(date(2026, 2, 11), Period(7, "days"), "next_day", [])
    assert numbers is not None
    assert numbers["last_day"] == "2026-02-24"
    assert said(numbers) == [("02-11", "02-11", "start"), ("02-12", "02-18", "counted"), ("02-19", "02-24", "moved")]


def test_working_days_leave_out_weekends_and_holidays_and_excluded_days_push_the_end() -> None:
    numbers = numbers_of(date(2026, 4, 29), Period(5, "working_days"), "next_day", [])
    assert numbers is not None
    assert said(numbers) == [
        ("04-29", "04-29", "start"),
        ("04-30", "04-30", "counted"),
        ("05-01", "05-05", "no_work"),
        ("05-06", "05-09", "counted"),
    ]
    suspended = [Interval(date(2026, 3, 4), date(2026, 3, 9))]
    numbers = numbers_of(date(2026, 3, 2), Period(7, "days"), "same_day", suspended)
    assert numbers is not None
    assert said(numbers) == [
        ("03-02", "03-03", "counted"),
        ("03-04", "03-08", "excluded"),
        ("03-09", "03-13", "counted"),
    ]


def test_beyond_the_known_calendar_a_count_says_that_it_is_provisional() -> None:
    numbers = numbers_of(date(2031, 6, 2), Period(3, "working_days"), "next_day", [])
    assert numbers is not None
    assert [each.confirmed for each in count_days(numbers, CALENDAR)] == [True, False]


def test_an_alert_without_a_period_has_no_count() -> None:
    assert count_days({"acts": 2}, CALENDAR) == []
    assert count_days({"start_day": "x", "last_day": "y", "period": "z"}, CALENDAR) == []


@settings(max_examples=400, deadline=None)
@given(
    start=st.dates(date(2024, 1, 1), date(2028, 1, 1)),
    period=st.builds(Period, st.integers(1, 12), st.sampled_from(["days", "working_days", "months"])),
    mode=st.sampled_from(["next_day", "same_day"]),
    spans=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 40)), max_size=4),
    extended=st.none() | st.integers(1, 300),
)
def test_a_count_ends_on_the_day_that_the_rule_named_and_has_each_day_once(
    start: date, period: Period, mode: StartDay, spans: list[tuple[int, int]], extended: int | None
) -> None:
    intervals = [
        Interval(start + timedelta(days=first), start + timedelta(days=first + length)) for first, length in spans
    ]
    until = start + timedelta(days=extended) if extended else None
    numbers = numbers_of(start, period, mode, intervals, until)
    assume(numbers is not None)
    assert numbers is not None
    runs = count_days(numbers, CALENDAR)
    assume(bool(runs))
    assert runs[-1].last.isoformat() == numbers["last_day"]
    assert runs[0].first == start
    for one, other in pairwise(runs):
        assert other.first == one.last + timedelta(days=1)
        assert other.counted >= one.counted
    if until is None and period.unit == "days" and not intervals:
        assert max(each.counted for each in runs) == period.count


@pytest.mark.parametrize("unit", ["days", "working_days"])
def test_a_plain_period_counts_exactly_its_days(unit: str) -> None:
    numbers = numbers_of(date(2026, 9, 28), Period(10, unit), "next_day", [])  # type: ignore[arg-type]
    assert numbers is not None
    assert count_days(numbers, CALENDAR)[-1].counted == 10
