"""Times: any RFC 3339 in, one canonical form out, and a date stands for its first moment in the court's zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from balance_chain.core.times import ParsedTime, TimeError, day_of, format_ms, parse_ms, parse_time, start_of_day
from hypothesis import given, settings
from hypothesis import strategies as st

SHANGHAI = ZoneInfo("Asia/Shanghai")
NEW_YORK = ZoneInfo("America/New_York")
LAST = int(datetime(9999, 12, 30, tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("text", "zone", "canonical", "precision"),
    [
        ("2026-03-02T09:00:00+08:00", SHANGHAI, "2026-03-02T01:00:00.000Z", "ms"),
        ("2026-03-02T01:00:00Z", NEW_YORK, "2026-03-02T01:00:00.000Z", "ms"),
        ("2026-03-02t01:00:00.1234567z", SHANGHAI, "2026-03-02T01:00:00.123Z", "ms"),
        ("2026-03-02 01:00:00.5-05:00", SHANGHAI, "2026-03-02T06:00:00.500Z", "ms"),
        ("2026-03-02", SHANGHAI, "2026-03-01T16:00:00.000Z", "day"),
        ("2026-07-04", NEW_YORK, "2026-07-04T04:00:00.000Z", "day"),
        ("1969-12-31T23:59:59.999Z", SHANGHAI, "1969-12-31T23:59:59.999Z", "ms"),
    ],
)
def test_a_time_becomes_canonical(text: str, zone: ZoneInfo, canonical: str, precision: str) -> None:
    parsed = parse_time(text, zone)
    assert parsed == ParsedTime(parse_ms(canonical), precision, canonical)  # type: ignore[arg-type]
    assert format_ms(parsed.ms) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30",
        "2026-02-30T00:00:00Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T09:00:00",
        "2026-03-02T09:00Z",
        "20260302T090000Z",
        "2026-03-02T09:00:60Z",
        "2026-03-02T09:00:00+25:00",
        "２０２６-03-02",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(TimeError):
        parse_time(text, SHANGHAI)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T09:00:00Z",
        "2026-03-02T09:00:00.0000Z",
        "2026-03-02T24:00:00.000Z",
        "2026-02-30T00:00:00.000Z",
        "2026-03-02T09:00:00.000+00:00",
    ],
)
def test_only_the_canonical_form_is_canonical(text: str) -> None:
    with pytest.raises(TimeError):
        parse_ms(text)


@settings(max_examples=200)
@given(st.integers(-62_000_000_000_000, LAST))
def test_writing_and_reading_are_inverse(ms: int) -> None:
    assert parse_ms(format_ms(ms)) == ms
    assert parse_time(format_ms(ms), SHANGHAI) == ParsedTime(ms, "ms", format_ms(ms))


@settings(max_examples=100)
@given(st.integers(0, 4_000_000_000_000), st.sampled_from([SHANGHAI, NEW_YORK]))
def test_a_moment_falls_on_the_day_that_began_before_it(ms: int, zone: ZoneInfo) -> None:
    assert start_of_day(day_of(ms, zone), zone) <= ms


def test_years_outside_the_calendar_are_refused() -> None:
    with pytest.raises(TimeError):
        format_ms(10**18)
