"""Policies: a jurisdiction has the rules that its policy names, with its parameters, and no other."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from balance_chain.adapters.recap import map_dockets, parse_docket
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.simulator.model import ANCHOR_MS
from balance_judge_audit import rulebook
from balance_judge_audit.engine.lawtime import DAY_MS
from balance_judge_audit.engine.shard import Clocks
from balance_judge_audit.places import PlaceFinder, rule_at
from balance_judge_audit.replay import Plain, Replay
from support.needs import DOCKETS, needs_dockets

POLICY = "us-federal"
TAKEN = {"R08", "R20", "R36", "R38"}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rule book, to be spoiled."""
    return Path(shutil.copytree(data_dir("rules"), tmp_path / "rules"))


def edit(rules: Path, old: str, new: str) -> list[str]:
    """Changes the policy; what `rules check` says of it."""
    file = rules / "policies" / f"{POLICY}.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return [str(problem) for problem in rulebook.problems(rules)]


def test_where_there_is_a_policy_only_the_rules_that_it_names_hold() -> None:
    book = rulebook.load(data_dir("rules"))
    everywhere = {
        watch.rule.partition("@")[0]
        for kind in book.types
        for watch in book.watches(kind)
        if "us" in watch.jurisdictions
    }
    assert everywhere == TAKEN - {"R38"}
    assert not any("us" in watch.jurisdictions for kind in book.types for watch in book.across_watches(kind))
    assert book.gap is not None
    assert set(book.gap.entries) == {"us"}


def test_a_rule_that_claims_a_jurisdiction_with_a_policy_does_not_run_there(rules: Path) -> None:
    file = rules / "R05.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("jurisdiction: [cn]", "jurisdiction: [cn, us]"))
    book = rulebook.load(rules)
    assert {
        place for watch in book.watches("case.accepted") if watch.rule == "R05" for place in watch.jurisdictions
    } == {"cn"}


def test_a_rule_taken_over_keeps_its_own_parameters_where_it_was_written_for() -> None:
    book = rulebook.load(data_dir("rules"))
    assert book.rules["R36"].parameters["delay"].value == 3
    assert book.policies[f"R36@{POLICY}"].parameters["delay"].value == 4
    assert all(basis.jurisdiction == "us" for rule in book.policies.values() for basis in rule.basis)


def test_an_alert_is_explained_by_the_law_of_its_place() -> None:
    book, places = rulebook.load(data_dir("rules")), PlaceFinder(Courts.load(data_dir("catalogue")))
    for rule in TAKEN:
        abroad = rule_at(book, places, rule, "us-nysb", "us-nysb/15-10001")
        at_home = rule_at(book, places, rule, "京0491", "（2026）京0491民初1号")
        assert abroad is not None
        assert {basis.jurisdiction for basis in abroad.basis} == {"us"}
        assert at_home == book.rules[rule]
    assert rule_at(book, places, "R38", None, "urn:balance:test:case-system") == book.rules["R38"]


def test_a_policy_that_names_no_rule_or_no_parameter_is_explained(rules: Path) -> None:
    (problem,) = edit(rules, "  R08:\n", "  R99:\n")
    assert problem.startswith("policies/us-federal.yaml:12: rules.R99: is no rule of the book")
    (problem,) = edit(rules, "  R99:\n", "  R08:\n") or edit(rules, "{ordinary: 5}", "{ordinery: 5}")
    assert "rules.R08.parameters.ordinery: is no parameter of the rule" in problem


def test_a_policy_takes_over_no_rule_across_cases(rules: Path) -> None:
    (problem,) = edit(rules, "  R20:\n", "  R30:\n")
    assert "is a rule across cases" in problem


def test_a_policy_that_is_not_well_formed_is_explained(rules: Path) -> None:
    (problem,) = edit(rules, "jurisdiction: us\n", "")
    assert "policies/us-federal.yaml" in problem
    assert "jurisdiction" in problem


def test_two_policies_of_one_jurisdiction_are_refused(rules: Path) -> None:
    text = (rules / "policies" / f"{POLICY}.yaml").read_text(encoding="utf-8")
    other = text.replace(f"id: {POLICY}", "id: us-other", 1)
    (rules / "policies" / "us-other.yaml").write_text(other, encoding="utf-8")
    (problem,) = [str(each) for each in rulebook.problems(rules)]
    assert problem.startswith("policies/us-other.yaml:4: jurisdiction: has two policies")


@needs_dockets
def test_on_real_dockets_only_the_policys_rules_speak() -> None:
    dockets = [parse_docket(path.read_bytes(), path.name) for path in sorted(DOCKETS.glob("*.json"))]
    plain = Plain(Catalogue.load(data_dir("catalogue")))
    places = PlaceFinder(Courts.load(data_dir("catalogue")))
    replay = Replay(rulebook.load(data_dir("rules")), places, Clocks(grace_ms=600_000, lateness_ms=60_000))
    events = map_dockets(dockets, "urn:test:recap").events
    said = replay.take(plain.event(event, ANCHOR_MS) for event in events)
    said += replay.pass_time(ANCHOR_MS + 30 * DAY_MS)
    alerts = Counter(each.rule for each in said if each.state == "open" and each.revision == 1)
    assert set(alerts) == TAKEN
    assert sum(alerts.values()) < 0.5 * len({event["subject"] for event in events})
