"""Times on the wire and inside: RFC 3339 with any offset comes in, whole milliseconds UTC go out as one fixed form.

Inside, a time is an integer of milliseconds since 1970 UTC. `format_ms` and `parse_ms` are inverse to each other, and
the form that they write (`2026-11-24T21:02:42.123Z`) is the only one that `parse_ms` reads.
"""

import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from balance_chain.core.errors import BalanceError

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_CANONICAL: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.([0-9]{3})Z")


class TimeError(BalanceError):
    """A text is not a time that we accept."""


class ParsedTime(NamedTuple):
    """A point in time, whether its source knew more than the day, and its canonical text."""

    ms: int
    precision: Literal["ms", "day"]
    text: str


def _wrong(problem: str) -> TimeError:
    return TimeError("time", problem, "send RFC 3339 with an offset (2026-03-02T09:00:00+08:00) or a date (2026-03-02)")


def parse_time(text: str, zone: ZoneInfo) -> ParsedTime:
    """Read RFC 3339 with any offset, or a date alone, which is 00:00 in the zone; cut below a millisecond."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        if _DATE.fullmatch(text) is None:
            raise _wrong("is not a time")
        ms = start_of_day(_day(text), zone)
        return ParsedTime(ms, "day", format_ms(ms))
    day, hour, minute, second, fraction, offset = match.groups()
    if minute > "59" or second > "59":
        raise _wrong(_NOT_THERE)
    begin, hour_text = _hour(day, hour, offset)
    milliseconds = "000" if fraction is None else fraction[:3].ljust(3, "0")
    ms = begin + (int(minute) * 60 + int(second)) * 1000 + int(milliseconds)
    return ParsedTime(ms, "ms", f"{hour_text}:{minute}:{second}.{milliseconds}Z" if hour_text else format_ms(ms))


@lru_cache(maxsize=65_536)
def _hour(day: str, hour: str, offset: str) -> tuple[int, str]:
    """When an hour begins, and its canonical text where it is a whole hour of UTC too."""
    try:
        moment = datetime.fromisoformat(f"{day}T{hour}:00:00{'+00:00' if offset in 'Zz' else offset}")
    except ValueError:
        raise _wrong(_NOT_THERE) from None
    delta = moment - _EPOCH
    ms = (delta.days * 86_400 + delta.seconds) * 1000
    return ms, "" if ms % HOUR_MS else format_ms(ms)[: len("2026-03-02T09")]


_NOT_THERE: Final = "names a day, an hour or an offset that does not exist"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _wrong("names a day that does not exist") from None


@lru_cache(maxsize=4096)
def start_of_day(day: date, zone: ZoneInfo) -> int:
    """The first millisecond of a day in a zone."""
    delta = datetime(day.year, day.month, day.day, tzinfo=zone) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000


def day_of(ms: int, zone: ZoneInfo) -> date:
    """The day on which a point in time falls in a zone."""
    return datetime.fromtimestamp(ms // 1000, zone).date()


def format_ms(ms: int) -> str:
    """Write milliseconds since 1970 as `2026-11-24T21:02:42.123Z`."""
    seconds, milliseconds = divmod(ms, 1000)
    return f"{_second_text(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)
def _second_text(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_day_text(days)}T{hour:02d}:{minute:02d}:{second:02d}"


@lru_cache(maxsize=16_384)
def parse_ms(text: str) -> int:
    """Read what `format_ms` writes, and nothing else."""
    match = _CANONICAL.fullmatch(text)
    if match is None:
        raise TimeError("time", "is not in canonical form", "write UTC milliseconds like 2026-11-24T21:02:42.123Z")
    day, hour, minute, second, milliseconds = match.groups()
    if hour > "23" or minute > "59" or second > "59":
        raise TimeError("time", "names an hour that does not exist", "write UTC milliseconds with hours up to 23:59:59")
    clock = (int(hour) * 60 + int(minute)) * 60 + int(second)
    return _day_number(day) * DAY_MS + clock * 1000 + int(milliseconds)


@lru_cache(maxsize=4096)
def _day_text(days: int) -> str:
    try:
        return date.fromordinal(days + _EPOCH_ORDINAL).isoformat()
    except (ValueError, OverflowError):
        raise TimeError("time", "lies outside the years 1 to 9999", "use a time within them") from None


@lru_cache(maxsize=4096)
def _day_number(text: str) -> int:
    return _day(text).toordinal() - _EPOCH_ORDINAL
