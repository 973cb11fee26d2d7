"""What a rule names and the event catalogue does not have: types, fields, and words that a field can never be; and
parameters that nothing uses.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from balance_judge_audit.engine.bookacross import compile_across
from balance_judge_audit.engine.conditions import Parameters, RuleError
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.modelparts import ANY_TYPE

KINDS: Final = (
    *("deadline", "threshold", "forbidden_transition", "sequence", "segregation"),
    *("gap", "concentration", "peer_deviation"),
)
WITHIN_CASES: Final = 5
"""How many of them, the first ones, are about one case."""
ROLES: Final = {"starts": "start", "ends": "end", "stops": "stop"}
COMPARED: Final = frozenset(
    {"start", "end", "stop", "act", "before", "after", "reopened_by", "requires", "then", "not_of"}
)
"""Roles in which a key of one name for all is read from the event."""
WORDS: Final = ("is", "is_not", "in", "not_in")
Types = Mapping[str, Mapping[str, Any]]
"""Each event type's JSON Schema."""
Fault = tuple[str, str]
"""Where in the rule, and what is wrong."""


def unknown_names(rule: Rule, types: Types) -> list[Fault]:
    """Types, fields and words that the catalogue does not have."""
    found: list[Fault] = []
    for where, section in _sections(rule).items():
        for key, event, selector in _mentions(section, where):
            if event == ANY_TYPE:
                continue
            if event not in types:
                found.append((key, f"the catalogue has no event type {event!r}"))
                continue
            fields = types[event].get("properties", {})
            paths = [*_paths(selector), *_key_paths(section, key.removeprefix(where + "."))]
            found += [(key, problem) for problem in _unknown(event, paths, fields)]
            found += [(f"{key}.{place}", problem) for place, problem in _never(rule, event, selector, fields)]
    return found + [fault for fault in _across(rule, types) if fault not in found]


def unused_parameters(rule: Rule) -> list[Fault]:
    """Parameters that a court could set and that would change nothing."""
    used = set(_references([msgspec.to_builtins(each) for each in (*_sections(rule).values(), *rule.also)]))
    return [
        (f"parameters.{name}", "changes nothing; use it as $" + name + " or leave it out")
        for name in rule.parameters
        if name not in used
    ]


def _sections(rule: Rule) -> dict[str, dict[str, Any]]:
    sections = {kind: msgspec.to_builtins(part) for kind in KINDS if (part := getattr(rule, kind)) is not None}
    for each in rule.also:
        parts = ((kind, getattr(each, kind)) for kind in KINDS[:WITHIN_CASES])
        sections |= {f"also.{each.name}.{kind}": msgspec.to_builtins(part) for kind, part in parts if part is not None}
    return sections


def _across(rule: Rule, types: Types) -> Iterator[Fault]:
    """Fields that a section across cases reads of its events beside what the selectors say: the person, the group."""
    try:
        compiled = compile_across(rule, Parameters(rule.parameters), 0)
    except RuleError:
        return  # said where it is compiled
    for role in compiled[1] if compiled else ():
        if role.event in types:
            for problem in _unknown(role.event, role.fields, types[role.event].get("properties", {})):
                yield role.key, problem


def _unknown(event: str, paths: Iterable[str], fields: Mapping[str, Any]) -> Iterator[str]:
    for path in dict.fromkeys(paths):
        name = path.split(".")[1] if path.startswith("data.") else None
        if name is not None and name not in fields:
            yield f"{event} has no field {path!r}; it has {', '.join(sorted(fields))}"


def _never(rule: Rule, event: str, selector: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Fault]:
    """Words that a field of a closed list is compared with and can never be."""
    for number, condition in enumerate(selector.get("where", ())):
        path = str(condition.get("field", ""))
        field = fields.get(path.removeprefix("data."), {}) if path.startswith("data.") else {}
        words: list[str] = field.get("enum", [])
        for name in WORDS if words else ():
            for word in _resolved(condition.get(name), rule):
                if word not in words:
                    yield f"where[{number}]", f"{path} of {event} is never {word!r}; it is one of {', '.join(words)}"


def _resolved(value: Any, rule: Rule) -> list[Any]:
    if isinstance(value, str) and value.startswith("$"):
        parameter = rule.parameters.get(value[1:])
        value = parameter.value if parameter else None
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("$"):
        yield value[1:]
    elif isinstance(value, dict):
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _references(each)


def _key_paths(section: dict[str, Any], role: str) -> list[str]:
    """The fields of the section's key in a role: where there is one for all roles, for those it is compared in."""
    key = section.get("key")
    name = ROLES.get(bare := role.partition("[")[0], bare)
    if isinstance(key, dict):
        return [key[name]] if name in key else []
    return [key] if isinstance(key, str) and name in COMPARED else []


def _mentions(value: Any, key: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _mentions(each, f"{key}[{number}]")
    elif isinstance(value, dict):
        if "event" in value:
            yield key, value["event"], value
        else:
            for name, each in value.items():
                yield from _mentions(each, f"{key}.{name}")


def _paths(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        if value.startswith("data."):
            yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _paths(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _paths(each)
