"""Compiles the conditions of a rule, which are data, once to closures over an event.

A condition on a field that the event does not have does not hold (except `present: false`, `is_not` and
`not_in`), so a rule never fires on what was not said.
"""

from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from balance_chain.core.errors import BalanceError
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import parse_ms

from balance_judge_audit.engine.lawtime import DAY_MS, Period, day_of
from balance_judge_audit.engine.model import Condition, Parameter, Scalar

Test = Callable[[CanonicalEvent, ZoneInfo], bool]
Read = Callable[[CanonicalEvent], Any]
ENVELOPE: Final = frozenset(
    {"id", "source", "type", "phase", "courtcode", "actorref", "actorrole", "precision", "sequence", "recordedtime"}
)
TIMES: Final = frozenset({"time", "recordedtime", "receivedtime"})
HOUR_MS: Final = 3_600_000


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

    def period(self, reference: str, key: str) -> Period:
        """A parameter in days, working days or months."""
        parameter = self._get(reference, key)
        if not isinstance(parameter.value, int) or parameter.unit not in ("days", "working_days", "months"):
            raise RuleError(key, f"{reference} is not a period", "give a number of days, working_days or months")
        return Period(parameter.value, parameter.unit)

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


def elapsed_ms(event: CanonicalEvent, zone: ZoneInfo, start: str, end: str) -> int:
    """Between two times of the envelope; in whole days of the court where the event knows only its day."""
    first, last = parse_ms(_time(event, start)), parse_ms(_time(event, end))
    if event.precision == "day":
        return (day_of(last, zone) - day_of(first, zone)).days * DAY_MS
    return last - first


def _time(event: CanonicalEvent, name: str) -> str:
    if name == "recordedtime":
        return event.recordedtime or event.receivedtime
    return event.time if name == "time" else event.receivedtime


def compile_condition(condition: Condition, parameters: Parameters, key: str) -> Test:
    """One comparison as a closure."""
    if sum(each is not None for each in (condition.field, condition.count, condition.elapsed)) != 1:
        raise RuleError(key, "says not exactly one of field, count, elapsed", "give one of them")
    if condition.elapsed is not None:
        start, end = condition.elapsed.from_, condition.elapsed.to
        if not {start, end} <= TIMES or not isinstance(condition.more_than, str):
            raise RuleError(key, "elapsed needs two times and more_than: $parameter", f"use {sorted(TIMES)}")
        limit = parameters.length_ms(condition.more_than, key)
        return lambda event, zone: limit is not None and elapsed_ms(event, zone, start, end) > limit
    if condition.count is not None:
        items = reader(condition.count, key)
        if isinstance(condition.at_least, msgspec.UnsetType):
            raise RuleError(key, "count has nothing to compare with", "give at_least")
        least = parameters.scalar(condition.at_least, key)
        return lambda event, zone: isinstance(found := items(event), list) and len(found) >= least
    assert condition.field is not None
    return _compare(reader(condition.field, key), condition, parameters, key)


def _compare(read: Read, condition: Condition, parameters: Parameters, key: str) -> Test:
    if not isinstance(condition.is_, msgspec.UnsetType):
        wanted = condition.is_
        return lambda event, zone: read(event) == wanted
    if not isinstance(condition.is_not, msgspec.UnsetType):
        unwanted = condition.is_not
        return lambda event, zone: read(event) != unwanted
    if not isinstance(condition.in_, msgspec.UnsetType):
        members = parameters.words(condition.in_, key)
        return lambda event, zone: _plain(read(event)) in members
    if not isinstance(condition.not_in, msgspec.UnsetType):
        outsiders = parameters.words(condition.not_in, key)
        return lambda event, zone: _plain(read(event)) not in outsiders
    if not isinstance(condition.present, msgspec.UnsetType):
        present = condition.present
        return lambda event, zone: (read(event) is not None) == present
    if not isinstance(condition.at_least, msgspec.UnsetType):
        least = parameters.scalar(condition.at_least, key)
        return lambda event, zone: isinstance(value := read(event), int) and value >= least
    if not isinstance(condition.more_than, msgspec.UnsetType):
        bound = parameters.scalar(condition.more_than, key)
        return lambda event, zone: isinstance(value := read(event), int) and value > bound
    raise RuleError(key, "has nothing to compare with", "give is, is_not, in, not_in, present, at_least or more_than")


def _plain(value: Any) -> Scalar:
    """Lists and objects are equal to no word."""
    return value if value is None or isinstance(value, str | int) else None


def compile_all(conditions: tuple[Condition, ...], parameters: Parameters, key: str) -> Test:
    """All of them must hold."""
    tests = [compile_condition(each, parameters, f"{key}.where[{number}]") for number, each in enumerate(conditions)]
    if not tests:
        return lambda event, zone: True
    if len(tests) == 1:
        return tests[0]
    return lambda event, zone: all(test(event, zone) for test in tests)
