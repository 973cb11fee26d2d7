"""Compiles the conditions of a rule, which are data, once to closures over an event.

A condition on a field that the event does not have does not hold (except `present: false`, `is_not` and
`not_in`), so a rule never fires on what was not said.
"""

from collections.abc import Callable
from datetime import date, datetime
from operator import ge, gt, lt
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from balance_chain.core.errors import BalanceError
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import parse_ms

from balance_judge_audit.engine.lawtime import DAY_MS, Period, add_months, day_of, day_of_text
from balance_judge_audit.engine.modelparts import Condition, Elapsed, Hours, Parameter, Scalar

Test = Callable[[CanonicalEvent, ZoneInfo], bool]
Read = Callable[[CanonicalEvent], Any]
ENVELOPE: Final = frozenset(
    {"id", "source", "type", "phase", "courtcode", "actorref", "actorrole", "precision", "sequence", "recordedtime"}
)
TIMES: Final = frozenset({"time", "recordedtime", "receivedtime"})
HOUR_MS: Final = 3_600_000
COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {"more_than": gt, "less_than": lt, "at_least": ge}


class RuleError(BalanceError):
    """A rule file that says something the engine cannot mean."""


class Parameters:
    """A rule's parameters, by `$name`."""

    def __init__(self, parameters: dict[str, Parameter]) -> None:
        self._parameters = parameters

    def _get(self, reference: str, key: str) -> Parameter:
        if not reference.startswith("$") or reference[1:] not in self._parameters:
            raise RuleError(key, f"{reference!r} names no parameter", "write $name of one under parameters")
        return self._parameters[reference[1:]]

    def scalar(self, value: str | int, key: str) -> int:
        """A number written here or as a parameter."""
        found = self._get(value, key).value if isinstance(value, str) else value
        if not isinstance(found, int):
            raise RuleError(key, f"{found!r} is not a whole number", "give one")
        return found

    def words(self, value: tuple[Scalar, ...] | str, key: str) -> frozenset[Scalar]:
        """A list written here or as a parameter."""
        found = self._get(value, key).value if isinstance(value, str) else value
        if not isinstance(found, tuple):
            raise RuleError(key, f"{found!r} is not a list", "give one")
        return frozenset(found)

    def word(self, reference: str, key: str) -> str:
        """A parameter that is a choice."""
        value = self._get(reference, key).value
        if not isinstance(value, str):
            raise RuleError(key, f"{value!r} is not a word", "give one of the choices")
        return value

    def word_or_none(self, reference: str, key: str) -> str | None:
        """A parameter that is a choice, or none where it is switched off."""
        return None if self._get(reference, key).value is None else self.word(reference, key)

    def period(self, reference: str, key: str) -> Period:
        """A parameter in days, working days or months."""
        parameter = self._get(reference, key)
        if not isinstance(parameter.value, int) or parameter.unit not in ("days", "working_days", "months"):
            raise RuleError(key, f"{reference} is not a period", "give a number of days, working_days or months")
        return Period(parameter.value, parameter.unit)

    def months(self, reference: str) -> int | None:
        """A parameter in months; None where it is of another unit."""
        parameter = self._parameters.get(reference[1:])
        months = parameter is not None and parameter.unit == "months" and isinstance(parameter.value, int)
        return parameter.value if months and isinstance(parameter.value, int) else None  # type: ignore[union-attr]

    def length_ms(self, reference: str, key: str) -> int | None:
        """A parameter in days or hours as milliseconds; None where it is switched off."""
        parameter = self._get(reference, key)
        if parameter.value is None:
            return None
        if not isinstance(parameter.value, int) or parameter.unit not in ("days", "hours"):
            raise RuleError(key, f"{reference} is not a length of time", "give a number of days or hours")
        return parameter.value * (DAY_MS if parameter.unit == "days" else HOUR_MS)


def reader(path: str, key: str) -> Read:
    """Reads `data.…` or a name of the envelope; None where the event does not have it."""
    if path in ENVELOPE:
        return lambda event: getattr(event, path)
    names = path.split(".")
    if names[0] != "data" or len(names) < 2:
        raise RuleError(key, f"{path!r} is no field of an event", "write data.NAME or a name of the envelope")
    if len(names) == 2:
        name = names[1]
        return lambda event: event.data.get(name)

    def deep(event: CanonicalEvent) -> Any:
        value: Any = event.data
        for step in names[1:]:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    return deep


class Moment(NamedTuple):
    """One time of an event: an instant, or only a day."""

    ms: int | None
    day: date


Clock = Callable[[CanonicalEvent, ZoneInfo], Moment | None]


def clock(name: str, key: str) -> Clock:
    """Reads a time of the envelope, or a field of the data that holds an instant or a day."""
    if name in TIMES:

        def envelope(event: CanonicalEvent, zone: ZoneInfo) -> Moment | None:
            ms = parse_ms(_time(event, name))
            return Moment(None if event.precision == "day" else ms, day_of(ms, zone))

        return envelope
    read = reader(name, key)

    def field(event: CanonicalEvent, zone: ZoneInfo) -> Moment | None:
        text = read(event)
        day = day_of_text(text, zone) if isinstance(text, str) else None
        if day is None:
            return None
        if len(text) == len("2026-01-31"):
            return Moment(None, day)
        return Moment(int(datetime.fromisoformat(text).timestamp() * 1000), day)

    return field


def _time(event: CanonicalEvent, name: str) -> str:
    if name == "recordedtime":
        return event.recordedtime or event.receivedtime
    return event.time if name == "time" else event.receivedtime


def _elapsed(elapsed: Elapsed, condition: Condition, parameters: Parameters, key: str) -> Test:
    """More or less than a length of time from one moment to another; in whole days where either is only a day."""
    first, last = clock(elapsed.from_, key), clock(elapsed.to, key)
    comparisons = {"more_than": condition.more_than, "less_than": condition.less_than, "at_least": condition.at_least}
    given = [(name, reference) for name, reference in comparisons.items() if isinstance(reference, str)]
    if len(given) != 1:
        raise RuleError(key, "elapsed needs more_than, less_than or at_least: $parameter", "name one under parameters")
    name, reference = given[0]
    compare = COMPARE[name]
    months = parameters.months(reference)
    limit = None if months is not None else parameters.length_ms(reference, key)
    if months is None and limit is None:
        return lambda event, zone: False

    instants = months is None and elapsed.from_ in TIMES and elapsed.to in TIMES

    def test(event: CanonicalEvent, zone: ZoneInfo) -> bool:
        if instants and event.precision != "day":
            return compare(parse_ms(_time(event, elapsed.to)) - parse_ms(_time(event, elapsed.from_)), limit)
        start, end = first(event, zone), last(event, zone)
        if start is None or end is None:
            return False
        if months is not None:
            bound = add_months(start.day, months)
            return compare(end.day, bound)
        assert limit is not None
        days_only = start.ms is None or end.ms is None
        length = (end.day - start.day).days * DAY_MS if days_only else end.ms - start.ms  # type: ignore[operator]
        return compare(length, limit)

    return test


def _hours(hours: Hours, parameters: Parameters, key: str) -> Test:
    first, last = parameters.scalar(hours.from_, key), parameters.scalar(hours.to, key)

    def test(event: CanonicalEvent, zone: ZoneInfo) -> bool:
        if event.precision == "day":
            return False
        hour = datetime.fromtimestamp(event.time_ms / 1000, zone).hour
        return first <= hour < last if first <= last else hour >= first or hour < last

    return test


def compile_condition(condition: Condition, parameters: Parameters, key: str) -> Test:
    """One comparison as a closure."""
    if sum(each is not None for each in (condition.field, condition.count, condition.elapsed, condition.hours)) != 1:
        raise RuleError(key, "says not exactly one of field, count, elapsed, hours", "give one of them")
    if condition.elapsed is not None:
        return _elapsed(condition.elapsed, condition, parameters, key)
    if condition.hours is not None:
        return _hours(condition.hours, parameters, key)
    if condition.count is not None:
        items = reader(condition.count, key)
        if isinstance(condition.at_least, msgspec.UnsetType):
            raise RuleError(key, "count has nothing to compare with", "give at_least")
        least = parameters.scalar(condition.at_least, key)
        return lambda event, zone: isinstance(found := items(event), list) and len(found) >= least
    assert condition.field is not None
    return _compare(reader(condition.field, key), condition, parameters, key)


def _compare(read: Read, condition: Condition, parameters: Parameters, key: str) -> Test:
    """Values are equal where their types are: true is not 1, as in CEL."""
    if not isinstance(condition.is_, msgspec.UnsetType):
        return _is(read, condition.is_)
    if not isinstance(condition.is_not, msgspec.UnsetType):
        unwanted = _is(read, condition.is_not)
        return lambda event, zone: not unwanted(event, zone)
    if not isinstance(condition.in_, msgspec.UnsetType):
        return _among(read, parameters.words(condition.in_, key))
    if not isinstance(condition.not_in, msgspec.UnsetType):
        outside = _among(read, parameters.words(condition.not_in, key))
        return lambda event, zone: not outside(event, zone)
    if not isinstance(condition.present, msgspec.UnsetType):
        present = condition.present
        return lambda event, zone: (read(event) is not None) == present
    if not isinstance(condition.same_as, msgspec.UnsetType):
        other = reader(condition.same_as, key)
        return lambda event, zone: (value := read(event)) is not None and _same(value, other(event))
    if not isinstance(condition.differs_from, msgspec.UnsetType):
        against = reader(condition.differs_from, key)
        return lambda event, zone: (
            (value := read(event)) is not None and (seen := against(event)) is not None and not _same(value, seen)
        )
    if not isinstance(condition.at_least, msgspec.UnsetType):
        least = parameters.scalar(condition.at_least, key)
        return lambda event, zone: type(value := read(event)) is int and value >= least
    if not isinstance(condition.more_than, msgspec.UnsetType):
        bound = parameters.scalar(condition.more_than, key)
        return lambda event, zone: type(value := read(event)) is int and value > bound
    raise RuleError(key, "has nothing to compare with", "give is, is_not, in, not_in, same_as and so on")


def _is(read: Read, wanted: Scalar) -> Test:
    kind = type(wanted)
    return lambda event, zone: type(value := read(event)) is kind and value == wanted


def _among(read: Read, members: frozenset[Scalar]) -> Test:
    typed = frozenset((type(each), each) for each in members)

    def test(event: CanonicalEvent, zone: ZoneInfo) -> bool:
        value = read(event)
        return isinstance(value, str | int) and (type(value), value) in typed

    return test


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def compile_all(conditions: tuple[Condition, ...], parameters: Parameters, key: str) -> Test:
    """All of them must hold."""
    tests = [compile_condition(each, parameters, f"{key}.where[{number}]") for number, each in enumerate(conditions)]
    if not tests:
        return lambda event, zone: True
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda event, zone: first(event, zone) and second(event, zone)

    def test_all(event: CanonicalEvent, zone: ZoneInfo) -> bool:
        for test in tests:  # noqa: SIM110 (a generator costs more than the tests)
            if not test(event, zone):
                return False
        return True

    return test_all
