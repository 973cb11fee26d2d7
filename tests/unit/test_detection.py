"""The rule book over a simulated town, in the order of entry: every planted breach is found and no honest case stands
accused. `make detect` does the same at full size on seeds that nobody has seen.
"""

import pytest
from balance_chain.core.data import data_dir
from balance_chain.simulator.world import World, WorldOptions
from balance_judge_audit import rulebook
from balance_judge_audit.detection import Raised, judge_world, score
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.lawtime import DAY_MS
from balance_judge_audit.engine.shard import Clocks

CLOCKS = Clocks(grace_ms=3 * DAY_MS, lateness_ms=60_000)
STATISTICAL = {"R21", "R22", "R23", "R34"}


@pytest.mark.parametrize("mix", ["balanced", "honest"])
def test_every_planted_breach_is_found_and_no_honest_case_stands_accused(mix: str) -> None:
    book = rulebook.load(data_dir("rules"), lateness_ms=CLOCKS.lateness_ms)
    world = World(WorldOptions(500, 11, mix))  # type: ignore[arg-type]
    raised = judge_world(world, book, CLOCKS).raised
    rules = set(book.rules) - STATISTICAL
    scores = score(rules, raised, world.labels)
    assert {rule: each.missed for rule, each in scores.items() if each.missed} == {}
    assert {key for key in raised.standing if key[0] in rules and scores[key[0]].false_standing} == set()
    if mix == "balanced":
        assert {rule for rule, each in scores.items() if not each.positives or not each.near_misses} == set()


def revision(state: str, subject: str = "case", private: bool = False) -> Revision:
    return Revision(
        id=subject,
        revision=1,
        rule="R01",
        version="1.0.0",
        severity="H",
        state=state,  # type: ignore[arg-type]
        private=private,
        subject=subject,
        start="",
        courtcode=None,
        shard=0,
        judged="",
        triggers=(),
        numbers={},
    )


def test_a_cured_alert_does_not_stand_and_a_private_warning_is_none() -> None:
    said = [revision("open"), revision("cured"), revision("open", "other"), revision("warning", "third", private=True)]
    raised = Raised.of(said)
    assert {key[1] for key in raised.ever} == {"case", "other"}
    assert {key[1] for key in raised.standing} == {"other"}
    (found,) = score(["R01"], raised, []).values()
    assert (found.false_standing, found.false_cured) == (1, 1)
