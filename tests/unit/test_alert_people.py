"""Who acts on alerts, whom an alert is about, how long it may wait, and what is said when nobody acts."""

from pathlib import Path

import pytest
import yaml
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.sources import token_digest
from balance_chain.core.times import format_ms, parse_ms
from balance_judge_audit.chainsubject import chain_subject
from balance_judge_audit.engine.about import about
from balance_judge_audit.engine.alerts import Trigger
from balance_judge_audit.engine.escalation import ANSWERED, TOLD, Head, tell, wake
from balance_judge_audit.engine.life import Act, Occurrence, live
from balance_judge_audit.life.people import MAY, PeopleError, load_people
from balance_judge_audit.life.policy import load_policy, policy_file
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.rulebook import RuleFileError

ONE, OTHER, THIRD = (f"r_{letter * 32}" for letter in "abc")
CASE = "（2026）京0491民初88号"
GOOD = {
    "id": "li", "name": "李", "token_sha256": token_digest("t"), "staff": "X1", "role": "monitor", "courts": ["京0491"],
}  # fmt: skip


def write(path: Path, *people: dict[str, object]) -> Path:
    file = path / "people.yaml"
    file.write_text(yaml.safe_dump({"people": list(people)}, allow_unicode=True), encoding="utf-8")
    return file


def test_a_person_is_found_by_his_token_and_sees_his_courts(tmp_path: Path) -> None:
    other = {**GOOD, "id": "su", "token_sha256": token_digest("u"), "courts": ["*"]}
    people = load_people(write(tmp_path, GOOD, other))
    found = people.by_token("t")
    assert found is not None
    assert (found.id, found.sees("京0491"), found.sees("浙0192"), found.sees(None)) == ("li", True, False, False)
    everything = people.get("su")
    assert everything is not None
    assert (everything.sees("浙0192"), everything.sees(None)) == (True, True)
    assert people.by_token("nobody's") is None
    assert found.grant != everything.grant


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"id": "Li Jing"}, "/people/0/id"),
        ({"token_sha256": "t"}, "/people/0/token_sha256"),
        ({"role": "king"}, "/people/0/role"),
        ({"courts": []}, "/people/0/courts"),
        ({"deputy_of": ["li"]}, "/people/0/deputy_of"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_mistake_in_the_people_file_is_named_by_its_place(
    tmp_path: Path, change: dict[str, object], where: str
) -> None:
    with pytest.raises(PeopleError, match=where):
        load_people(write(tmp_path, {**GOOD, **change}))


def test_who_is_a_subject_only_speaks_and_only_who_decides_may_settle() -> None:
    assert MAY["subject"] == {"respond", "comment"}
    assert MAY["supervisor"] - MAY["monitor"] == {"confirm", "dismiss", "close", "reopen"}


def trigger(role: str, actor: str | None) -> Trigger:
    return Trigger(role, "urn:x:y", "e", "hearing.held", "2026-03-02T00:00:00.000Z", "9f" * 32, 1, 0, actor)


def test_an_alert_is_about_who_acted_and_the_responsible_judge_and_not_about_who_came_before() -> None:
    triggers = [trigger("start", OTHER), trigger("act", ONE), trigger("six_months.end", THIRD), trigger("count", None)]
    assert about(CASE, "case", triggers, []) == {ONE, THIRD}
    assert about(CASE, "case", triggers[:1], [OTHER, ONE]) == {ONE}
    assert about(CASE, "case", [], []) == frozenset()
    assert about(ONE, "2026-03-02", triggers, [OTHER]) == {ONE}
    assert about(CASE, f"{ONE} {OTHER}", triggers, [THIRD]) == {ONE, OTHER}


def test_time_runs_in_the_working_days_of_the_court_from_the_day_after() -> None:
    place = PlaceFinder(Courts.load(data_dir("catalogue")))("京0491", CASE)
    terms = load_policy(policy_file(None)).terms("H", place)
    friday_before_the_festival = parse_ms("2026-02-13T02:00:00.000Z")
    assert format_ms(terms.untouched_until(friday_before_the_festival)) == "2026-02-25T16:00:00.000Z"
    assert format_ms(terms.reply_until(parse_ms("2026-03-02T02:00:00.000Z"))) == "2026-03-09T16:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("version: 1.0.0\nuntouched: {}\nreply: {value: 5, unit: working_days}\n", "untouched.L"),
        ("version: 1.0.0\nreply: {value: 5, unit: working_days}\n", "untouched"),
        ("version: 1.0.0\nuntouched: {}\nreply: {value: 5, unit: hours}\nmore: 1\n", "more"),
    ],
)
def test_a_mistake_in_the_policy_is_named_by_its_key(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "life.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RuleFileError, match=key):
        load_policy(policy_file(tmp_path))


class Plain:
    def untouched_until(self, since: int) -> int:
        return since + 100

    def reply_until(self, since: int) -> int:
        return since + 250


def test_an_untouched_alert_is_told_once_a_level_and_cured_by_the_first_act() -> None:
    head = Head("a" * 32, "R01", "H", CASE, "case", "京0491", 0, ())
    raised = Occurrence(10, 1, "open")
    assert wake(live([raised], Plain()), ()) == 110
    first, marks = tell(head, live([raised], Plain(), 111), (), 111, "1.0.0")
    assert [(each.revision, each.state, each.numbers["level"]) for each in first] == [(1, "open", "supervisor")]
    assert tell(head, live([raised], Plain(), 150), marks, 150, "1.0.0") == ([], (TOLD,))
    acted = live([raised, Act(160, 0, 1, "x", "acknowledge", ONE)], Plain(), 170)
    assert wake(acted, marks) == 160
    cured, marks = tell(head, acted, marks, 170, "1.0.0")
    assert [(each.id, each.revision, each.state) for each in cured] == [(first[0].id, 2, "cured")]
    assert (marks, wake(acted, marks)) == ((ANSWERED,), 260)


def test_what_concerns_no_case_goes_on_the_chain_under_our_own_address() -> None:
    own = "urn:balance-demo:judge-audit"
    assert chain_subject(CASE, own) == CASE
    assert chain_subject("us-nysb/1:15-10001", own) == "us-nysb/1:15-10001"
    for subject in ("urn:balance-demo:access-gate", ONE, "第一审判庭"):
        assert chain_subject(subject, own) == own
