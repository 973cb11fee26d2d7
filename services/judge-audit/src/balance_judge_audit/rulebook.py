"""Reads the rule book from `rules/`: one rule a file, checked by rule.schema.json and against the event
catalogue, then compiled.

What is wrong is a RuleFileError that names the file and the key.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import msgspec
from balance_chain.core.catalogue_files import CatalogueError, read_yaml
from balance_chain.core.data import data_dir

from balance_judge_audit.engine.book import RuleBook, compile_book
from balance_judge_audit.engine.conditions import RuleError
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.policy import Policy, apply_policies
from balance_judge_audit.engine.statement import statement_faults
from balance_judge_audit.rulechanges import Version
from balance_judge_audit.rulenames import Types, unknown_names, unused_parameters
from balance_judge_audit.ruleplaces import alert_cycle, line_of

SCHEMA: Final = "rule.schema.json"


class RuleFileError(Exception):
    """A rule file is wrong; says which, where in it, and what."""

    def __init__(self, file: str, key: str, problem: str, line: int | None = None) -> None:
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {key or 'file'}: {problem}")
        self.file = file
        self.line = line
        self.key = key
        self.problem = problem


def problems(directory: Path, types: dict[str, dict[str, Any]] | None = None) -> list[RuleFileError]:
    """Everything that is wrong with the rules of a directory, by file, line and key. `types` has each event type's JSON
    Schema, where it is known.
    """
    return [
        RuleFileError(each.file, each.key, each.problem, line_of(directory / each.file, each.key))
        for each in _problems(directory, types)
    ]


def _problems(directory: Path, types: dict[str, dict[str, Any]] | None) -> list[RuleFileError]:
    found: list[RuleFileError] = []
    rules: list[Rule] = []
    for path in rule_files(directory):
        faults, rule = _read(path, _schema_of(directory))
        if rule is not None:
            if rule.id != path.stem:
                faults.append(
                    RuleFileError(path.name, "id", f"{rule.id} is not the file's name; call the file {rule.id}.yaml")
                )
            faults += _meaning(path.name, rule, types)
            rules.append(rule)
        found += faults
    if not found and not rules:
        found.append(RuleFileError(str(directory), "", "holds no rule; put R01.yaml and the like there"))
    if not found:
        try:
            compile_book(rules)
        except RuleError as error:
            found.append(RuleFileError(str(directory), error.field, f"{error.problem}; {error.remedy}"))
        else:
            found += _policy_problems(directory, rules)
    if cycle := alert_cycle(rules):
        through = " -> ".join([*cycle, cycle[0]])
        problem = f"its alerts come back to itself through alert events ({through}); name other rules in data.rule"
        found.append(RuleFileError(f"{cycle[0]}.yaml", "", problem))
    return found


def load(directory: Path, types: dict[str, dict[str, Any]] | None = None, lateness_ms: int = 0) -> RuleBook:
    """The compiled book; the first problem, if there is any, is raised."""
    for problem in problems(directory, types):
        raise problem
    read = (_read(path, _schema_of(directory))[1] for path in rule_files(directory))
    rules = (rule for rule in read if rule is not None)
    return compile_book(apply_policies(rules, load_policies(directory)), lateness_ms)


def load_policies(directory: Path) -> list[Policy]:
    """The policies of a directory that `problems` finds nothing wrong with."""
    return [msgspec.convert(read_yaml(path), Policy) for path in policy_files(directory)]


def load_one(path: Path, schema_from: Path, types: dict[str, dict[str, Any]]) -> Rule:
    """The rule in one file, by the schema of a directory of rules; its first problem, if there is any, is raised."""
    faults, rule = _read(path, _schema_of(schema_from))
    if rule is not None:
        faults = _meaning(path.name, rule, types)
    for each in faults:
        raise RuleFileError(each.file, each.key, each.problem, line_of(path, each.key))
    assert rule is not None
    return rule


def fingerprints(directory: Path) -> dict[str, Version]:
    """Each rule and policy of a directory by its version and the SHA-256 of its file."""
    found: dict[str, Version] = {}
    for path in rule_files(directory):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found[path.stem] = Version(str(read_yaml(path)["version"]), digest)
    for path in policy_files(directory):
        # A policy states no version of its own: it is known by its file.
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found[f"policy.{path.stem}"[:40]] = Version(digest[:12], digest)
    return found


def rule_files(directory: Path) -> list[Path]:
    """The rule files of a directory, in order."""
    return sorted(directory.glob("R*.yaml"))


def policy_files(directory: Path) -> list[Path]:
    """The policies of a directory, in order."""
    return sorted((directory / "policies").glob("*.yaml"))


def _policy_problems(directory: Path, rules: list[Rule]) -> list[RuleFileError]:
    """What is wrong with the policies, one after another."""
    found: list[RuleFileError] = []
    good: list[Policy] = []
    for path in policy_files(directory):
        name = f"policies/{path.name}"
        try:
            policy = msgspec.convert(read_yaml(path), Policy)
            compile_book(apply_policies(rules, [*good, policy]))
        except CatalogueError as error:
            found.append(RuleFileError(name, error.key, error.problem))
        except msgspec.ValidationError as error:
            found.append(RuleFileError(name, "", str(error)))
        except RuleError as error:
            found.append(RuleFileError(name, error.field, f"{error.problem}; {error.remedy}"))
        else:
            good.append(policy)
            if policy.id != path.stem:
                found.append(RuleFileError(name, "id", f"{policy.id} is not the file's name"))
    return found


def _schema_of(directory: Path) -> Path:
    """The directory's own schema, else that of the rules that are installed."""
    own = directory / SCHEMA
    return own if own.is_file() else data_dir("rules") / SCHEMA


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


def _meaning(file: str, rule: Rule, types: Types | None) -> list[RuleFileError]:
    """What is wrong with a rule whose file is well-formed."""
    faults = [*statement_faults(rule), *unused_parameters(rule), *(unknown_names(rule, types) if types else ())]
    return [*_compile_alone(file, rule), *(RuleFileError(file, key, problem) for key, problem in faults)]


def _compile_alone(file: str, rule: Rule) -> list[RuleFileError]:
    try:
        compile_book([rule])
    except RuleError as error:
        return [RuleFileError(file, error.field, f"{error.problem}; {error.remedy}")]
    return []
