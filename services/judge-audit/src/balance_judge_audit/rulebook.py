"""Reads the rule book from `rules/`: one rule a file, checked by rule.schema.json and against the event
catalogue, then compiled.

What is wrong is a RuleFileError that names the file and the key.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import msgspec
from balance_chain.core.catalogue_files import CatalogueError, read_yaml

from balance_judge_audit.engine.book import RuleBook, compile_book
from balance_judge_audit.engine.conditions import RuleError
from balance_judge_audit.engine.model import ANY_TYPE, Rule

SCHEMA: Final = "rule.schema.json"


class RuleFileError(Exception):
    """A rule file is wrong; says which, where in it, and what."""

    def __init__(self, file: str, key: str, problem: str) -> None:
        super().__init__(f"{file}: {key or 'file'}: {problem}")
        self.file = file
        self.key = key
        self.problem = problem


def problems(directory: Path, types: dict[str, dict[str, Any]] | None = None) -> list[RuleFileError]:
    """Everything that is wrong with the rules of a directory. `types` has each event type's JSON Schema, where
    it is known.
    """
    found: list[RuleFileError] = []
    rules: list[Rule] = []
    for path in rule_files(directory):
        faults, rule = _read(path, directory / SCHEMA)
        if rule is not None:
            if rule.id != path.stem:
                faults.append(
                    RuleFileError(path.name, "id", f"{rule.id} is not the file's name; call the file {rule.id}.yaml")
                )
            faults += _compile_alone(path.name, rule)
            faults += _names(path.name, rule, types) if types is not None else []
            rules.append(rule)
        found += faults
    if not found and not rules:
        found.append(RuleFileError(str(directory), "", "holds no rule; put R01.yaml and the like there"))
    if not found:
        try:
            compile_book(rules)
        except RuleError as error:
            found.append(RuleFileError(str(directory), error.field, f"{error.problem}; {error.remedy}"))
    return found


def load(directory: Path, types: dict[str, dict[str, Any]] | None = None, lateness_ms: int = 0) -> RuleBook:
    """The compiled book; the first problem, if there is any, is raised."""
    for problem in problems(directory, types):
        raise problem
    read = (_read(path, directory / SCHEMA)[1] for path in rule_files(directory))
    return compile_book((rule for rule in read if rule is not None), lateness_ms)


def rule_files(directory: Path) -> list[Path]:
    """The rule files of a directory, in order."""
    return sorted(directory.glob("R*.yaml"))


def _read(path: Path, schema_path: Path) -> tuple[list[RuleFileError], Rule | None]:
    try:
        content = read_yaml(path)
        schema = json.loads(schema_path.read_text(encoding="utf-8"))
    except CatalogueError as error:
        return [RuleFileError(path.name, error.key, error.problem)], None
    except (OSError, ValueError) as error:
        return [RuleFileError(schema_path.name, "", f"cannot be read: {error}")], None
    validator = jsonschema_rs.validator_for(schema)
    faults = [
        RuleFileError(path.name, ".".join(str(part) for part in error.instance_path), error.message)
        for error in validator.iter_errors(content)
    ]
    if faults:
        return faults, None
    try:
        return [], msgspec.convert(content, Rule)
    except msgspec.ValidationError as error:
        return [RuleFileError(path.name, "", str(error))], None


def _compile_alone(file: str, rule: Rule) -> list[RuleFileError]:
    try:
        compile_book([rule])
    except RuleError as error:
        return [RuleFileError(file, error.field, f"{error.problem}; {error.remedy}")]
    return []


def _names(file: str, rule: Rule, types: dict[str, dict[str, Any]]) -> list[RuleFileError]:
    """Types and fields that the catalogue does not have."""
    section = msgspec.to_builtins(getattr(rule, rule.kind))
    found: list[RuleFileError] = []
    for key, event, paths in _mentions(section, rule.kind):
        if event == ANY_TYPE:
            continue
        if event not in types:
            found.append(RuleFileError(file, key, f"the catalogue has no event type {event!r}"))
            continue
        fields = types[event].get("properties", {})
        for path in paths:
            name = path.split(".")[1]
            if name not in fields:
                found.append(
                    RuleFileError(file, key, f"{event} has no field {path!r}; it has {', '.join(sorted(fields))}")
                )
    return found


def _mentions(value: Any, key: str) -> Iterator[tuple[str, str, list[str]]]:
    if isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _mentions(each, f"{key}[{number}]")
    elif isinstance(value, dict):
        if "event" in value:
            yield key, value["event"], list(_paths(value))
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
