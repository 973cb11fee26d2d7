"""Finds the line of a rule file at which a key stands, and cycles of rules that listen to each other's alerts."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from balance_judge_audit.engine.model import Rule

ALERTS: Final = "alert."
_STEP: Final = re.compile(r"[^.\[\]]+")


def line_of(path: Path, key: str) -> int | None:
    """The line of the deepest part of the key that the file has; None where it cannot be read."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    if node is None:
        return None
    line = int(node.start_mark.line)
    for step in _STEP.findall(key):
        found = _child(node, step)
        if found is None:
            break
        line, node = found
    return line + 1


def _child(node: yaml.Node, step: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == step:
                return int(name.start_mark.line), value
    if isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            named = isinstance(value, yaml.MappingNode) and any(
                name.value == "name" and word.value == step for name, word in value.value
            )
            if named or step == str(number):
                return int(value.start_mark.line), value
    return None


def alert_cycle(rules: Iterable[Rule]) -> list[str]:
    """Rules of which each listens to the alerts of the next, and the last to those of the first; empty where none do.

    A selector of an `alert.…` event that does not say whose (`data.rule`) hears all rules.
    """
    book = {rule.id: rule for rule in rules}
    hears = {name: sorted(set(_heard(rule, frozenset(book)))) for name, rule in book.items()}
    done: set[str] = set()
    for start in book:
        found = _walk(start, [], hears, done)
        if found:
            return found
    return []


def _walk(name: str, trail: list[str], hears: Mapping[str, list[str]], done: set[str]) -> list[str]:
    if name in trail:
        return trail[trail.index(name) :]
    if name in done:
        return []
    for other in hears.get(name, ()):
        found = _walk(other, [*trail, name], hears, done)
        if found:
            return found
    done.add(name)
    return []


def _heard(rule: Rule, everyone: frozenset[str]) -> Iterator[str]:
    for selector in _selectors(msgspec.to_builtins(rule)):
        if not str(selector["event"]).startswith(ALERTS):
            continue
        named = everyone
        for condition in selector.get("where", ()):
            if condition.get("field") == "data.rule":
                named = _words(condition.get("is", condition.get("in")), rule) or everyone
        yield from named


def _words(value: Any, rule: Rule) -> frozenset[str]:
    """The rules that a condition names: a word, a list, or a parameter that is one."""
    if isinstance(value, str) and value.startswith("$"):
        parameter = rule.parameters.get(value[1:])
        value = parameter.value if parameter else None
    if isinstance(value, str):
        return frozenset({value})
    return frozenset(map(str, value)) if isinstance(value, list | tuple) else frozenset()


def _selectors(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "event" in value:
            yield value
        for each in value.values():
            yield from _selectors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _selectors(each)
