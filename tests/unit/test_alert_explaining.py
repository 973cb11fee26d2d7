"""Every rule of the book explains its alerts in both languages: what would have been in order, the law, the proofs."""

from typing import Any

import msgspec
import pytest
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_judge_audit.engine.alerts import Revision, Trigger, alert_id
from balance_judge_audit.engine.life import STAGES
from balance_judge_audit.explaining import Explainer, Explanation
from balance_judge_audit.inorder import in_order
from balance_judge_audit.life.acting import REASONS
from balance_judge_audit.life.lives import ACTS
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.rulebook import load, rule_files
from balance_judge_audit.site import SITE

BOOK = load(data_dir("rules"))
EXPLAINER = Explainer(BOOK, PlaceFinder(Courts.load(data_dir("catalogue"))), "http://verifier.example/")
CASE = "（2026）京0491民初88号"


def explained(rule: str, **numbers: Any) -> Explanation:
    seen = Trigger("act", "urn:court/x", "e 1", "hearing.held", "2026-03-02T00:00:00.000Z", "9f" * 32, 1, 0)
    said = Revision(
        id=alert_id(rule, "1", CASE, "case"), revision=1, rule=rule, version="1.0.0", severity="H", state="open",
        private=False, subject=CASE, start="case", courtcode="京0491", shard=0, judged="2026-03-02T00:00:00.000Z",
        triggers=(seen,), numbers=numbers,
    )  # fmt: skip
    return EXPLAINER.explain([msgspec.json.encode(said).decode()])


@pytest.mark.parametrize("rule", [path.stem for path in rule_files(data_dir("rules"))])
def test_each_rule_says_what_would_have_been_in_order(rule: str) -> None:
    found = explained(rule, last_day="2026-03-09")
    assert found.in_order
    for each in found.in_order:
        assert each["zh"]
        assert each["en"]
        assert "{" not in each["zh"] + each["en"]
    assert found.basis
    assert found.false_alarms["zh"] != [] or found.false_alarms["en"] == []


def test_a_late_filing_says_by_which_day_which_act_was_due() -> None:
    assert explained("R01", last_day="2026-03-09").in_order[0] == {
        "zh": "2026-03-09 届满前有：立案、不予受理",
        "en": "By the end of 2026-03-09: Case accepted, Case not accepted",
    }


def test_an_event_leads_to_its_proof_whatever_its_name_holds() -> None:
    [evidence] = explained("R14").evidence
    assert evidence.proof == "http://verifier.example/v1/events/urn%3Acourt%2Fx/e%201/proof"
    assert evidence.title["zh"] != evidence.title["en"]


def test_an_escalation_has_no_rule_and_says_what_was_expected() -> None:
    found = explained("ESCALATION", of_rule="R01", alert="a" * 32)
    assert (found.title, found.basis) == (None, [])
    assert [each["en"] for each in found.in_order] == ["Somebody acts on the alert within its time"]
    assert in_order(None, {}, {}) == []


def test_every_code_by_which_an_act_is_refused_has_words_in_both_languages() -> None:
    for texts in SITE.texts.values():
        for key in (*(f"refused_{code}" for code in REASONS), *(f"act_{act}" for act in ACTS)):
            assert texts[key]
        assert all(texts[f"stage_{stage}"] for stage in STAGES)
