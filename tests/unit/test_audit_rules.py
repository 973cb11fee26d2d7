"""Each rule says what its readable cases in rules/tests say, and a wrong rule file is refused by file and key."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_judge_audit import rulebook
from balance_judge_audit.engine.statement import NUMBERS, section_of, statement_of
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.ruletest import RuleCase, load_cases, play, run_case

RULES = data_dir("rules")
BOOK = rulebook.load(RULES)
CASES = [(each.rule, case) for each in load_cases(RULES / "tests") for case in each.cases]


@pytest.fixture(scope="module")
def places() -> PlaceFinder:
    return PlaceFinder(Courts.load(data_dir("catalogue")))


@pytest.mark.parametrize(("rule", "case"), CASES, ids=[f"{rule}: {case.name}" for rule, case in CASES])
def test_the_rule_says_what_its_case_says(rule: str, case: RuleCase, places: PlaceFinder) -> None:
    assert run_case(BOOK, places, rule, case).problem == ""


def test_every_rule_has_a_case_that_alerts_and_one_that_does_not() -> None:
    for rule in BOOK.rules:
        own = [case for name, case in CASES if name == rule]
        assert any(not case.expect for case in own), rule
        assert any(want.state == "open" for case in own for want in case.expect), rule


@pytest.mark.parametrize(
    ("old", "new", "file", "key"),
    [
        ("severity: H", "severity: X", "R01.yaml", "severity"),
        ("kind: deadline", "kind: oracle", "R01.yaml", "kind"),
        ("limit: {period: $days}", "limit: {period: $weeks}", "R01.yaml", "deadline.limit.period"),
        ("unit: days", "unit: hours", "R01.yaml", "deadline.limit.period"),
        ("owner: audit-office", "owner: audit-office\nowner: me", "R01.yaml", ""),
        ("id: R01", "id: R02", "R01.yaml", "id"),
        ("valid_from: 2015-05-01", "valid_from: 2015-05-01\nsequence: {act: [], requires: []}", "R01.yaml", ""),
    ],
)
def test_a_mistake_is_named_by_file_and_key(tmp_path: Path, old: str, new: str, file: str, key: str) -> None:
    shutil.copy(RULES / rulebook.SCHEMA, tmp_path)
    text = (RULES / "R01.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "R01.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    found = rulebook.problems(tmp_path)
    assert any(problem.file == file and problem.key.startswith(key) for problem in found), [str(each) for each in found]


def test_a_rule_names_only_what_the_catalogue_has() -> None:
    types: dict[str, dict[str, Any]] = {
        name: {"properties": {}} for watches in [BOOK.types] for name in watches if name != "hearing.held"
    }
    found = [str(problem) for problem in rulebook.problems(RULES, types)]
    assert any("no event type 'hearing.held'" in each for each in found)
    assert any("judge.reassigned has no field 'data.reason'" in each for each in found)


def test_an_empty_directory_is_no_rule_book(tmp_path: Path) -> None:
    assert len(rulebook.problems(tmp_path)) == 1


def rule_directory(folder: Path, **changed: str) -> Path:
    """A copy of the book in which some rules have another text."""
    for path in [RULES / rulebook.SCHEMA, *rulebook.rule_files(RULES)]:
        shutil.copy(path, folder)
    for name, text in changed.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("rule", "old", "new", "said"),
    [
        ("R01", "limit: {period: $days}", "limit: {period: $weeks}", "R01.yaml:28: deadline.limit.period"),
        ("R25", "key: {start: data.recusal_id", "key: {start: data.nothing", "also.decision.deadline.starts[0]"),
        ("R15", "key: data.evidence_id", "key: data.cert", "evidence.ruled has no field 'data.cert'"),
        ("R07", "level, is: division", "rank, is: division", "limit.extended has no field 'data.rank'"),
        ("R21", "person: data.judge", "person: data.boss", "judge.assigned has no field 'data.boss'"),
        ("R21", "data.division]", "data.room]", "peer_deviation.share.of[0]: judge.assigned has no field 'data.room'"),
        ("R21", "share:\n", "portion:\n", "R21.yaml:34: peer_deviation"),
        ("R22", "({with})", "({friend})", "R22.yaml:19: statement.zh: {friend} is no number of such an alert"),
        ("R22", "({with})", "({with)", "statement.zh: unexpected"),
        ("R23", "window: {value: 364", "window: {value: 360", "concentration.window: is not a whole number of periods"),
        ("R23", "size: data.rota_size", "size: data.length", "evidence.appraised has no field 'data.length'"),
        ("R34", "floor: {value: 20", "floor: {value: 0", "peer_deviation.measure.floor: is no spread"),
        ("R20", "[leave, retirement", "[sick, retirement", "data.reason of judge.reassigned is never 'sick'"),
        ("R20", "at_least: $changes", "at_least: 2", "R20.yaml:15: parameters.changes: changes nothing"),
    ],
)
def test_a_mistake_is_explained_with_its_line(tmp_path: Path, rule: str, old: str, new: str, said: str) -> None:
    text = (RULES / f"{rule}.yaml").read_text(encoding="utf-8")
    assert old in text
    types = {name: dict(kind.schema) for name, kind in Catalogue.load(data_dir("catalogue")).types.items()}
    found = rulebook.problems(rule_directory(tmp_path, **{rule: text.replace(old, new, 1)}), types)
    assert any(said in str(problem) for problem in found), [str(each) for each in found]
    for problem in found:
        assert problem.line is not None


LISTENING = """
parameters:
  changes: {{value: 2, unit: count, zh: 次数, en: Times}}
threshold:
  count:
    - event: alert.raised
      where:
        - {{field: data.rule, {which}}}
  at_least: $changes
"""


def listening(rule: str, which: str) -> str:
    """A rule that counts the alerts of others."""
    text = (RULES / "R20.yaml").read_text(encoding="utf-8").replace("id: R20", f"id: {rule}")
    head, _, rest = text.partition("parameters:")
    return head + LISTENING.format(which=which).lstrip() + rest[rest.index("false_alarms:") :]


def test_rules_that_hear_each_others_alerts_are_refused(tmp_path: Path) -> None:
    alone = rule_directory(tmp_path, R20=listening("R20", "is: R01"))
    assert rulebook.problems(alone) == []
    ring = rule_directory(alone, R01=listening("R01", "in: [R05, R20]"), R20=listening("R20", "is: R01"))
    assert [problem.file for problem in rulebook.problems(ring) if "R01 -> R20 -> R01" in str(problem)] == ["R01.yaml"]
    all_of_them = rule_directory(alone, R01=listening("R01", "present: true"))
    assert any("R01 -> R01" in str(problem) for problem in rulebook.problems(all_of_them))


@pytest.mark.parametrize("rule", ["R21", "R22", "R23", "R34"])
def test_a_statistical_alert_says_with_whom_how_far_and_how_likely(rule: str, places: PlaceFinder) -> None:
    case = next(case for name, case in CASES if name == rule and any(want.state == "open" for want in case.expect))
    (said,) = [each for each in play(BOOK, places, case.events, case.until) if each.rule == rule]
    section = section_of(BOOK.rules[rule])
    assert section is not None
    assert NUMBERS[section] == said.numbers.keys()
    found = statement_of(BOOK.rules[rule], [said.numbers, {}])
    assert found is not None
    assert found.keys() == {"zh", "en"}
    assert all("{" not in text and str(said.numbers["group"]) in text for text in found.values())
    assert said.subject not in "".join(found.values())
