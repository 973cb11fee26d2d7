"""What falls due in a case is what an alert would say if nothing else happened: the same day, counted the same way."""

from datetime import date
from typing import Any

import pytest
from balance_chain.core.canonical import encode_event
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.times import format_ms, parse_time
from balance_judge_audit import rulebook
from balance_judge_audit.deadlines import Due, running
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.shard import Incoming, ShardEngine, ShardState
from balance_judge_audit.places import CN_ZONE, PlaceFinder
from balance_judge_audit.ruletest import CASE, CLOCKS, COURT, Step, play, written
from hypothesis import given, settings
from hypothesis import strategies as st

BOOK = rulebook.load(data_dir("rules"))
PLACES = PlaceFinder(Courts.load(data_dir("catalogue")))
ACTS: list[tuple[str, dict[str, Any]]] = [
    ("case.submitted", {}),
    ("case.materials_requested", {}),
    ("case.accepted", {"procedure": "small_claims"}),
    ("case.accepted", {"procedure": "ordinary"}),
    ("case.converted", {"to": "ordinary"}),
    ("service.sent", {}),
    ("hearing.held", {"kind": "trial"}),
    ("limit.extended", {"until": "2026-09-01"}),
    ("limit.suspended", {"action": "start", "suspension_id": "K"}),
    ("limit.suspended", {"action": "resume", "suspension_id": "K"}),
    ("payment.received", {"payment_id": "K-1", "amount": 5}),
    ("enforcement.filed", {}),
    ("judgment.pronounced", {}),
    ("case.closed", {"mode": "judgment"}),
]


def due(steps: list[Step], now: str) -> list[Due]:
    """What runs in the case after these events, at this ledger time."""
    state, cases = ShardState(0), dict[str, CaseState]()
    engine = ShardEngine(BOOK, PLACES, CLOCKS)
    for _, event in written(steps, steps[-1].time)[: len(steps)]:
        engine.apply(state, cases, [Incoming(state.applied, event, encode_event(event))])
    at = parse_time(now, CN_ZONE).ms
    return running(BOOK, CASE, cases[CASE], PLACES(COURT, CASE), 0, at)


def at(day: int, what: tuple[str, dict[str, Any]]) -> Step:
    moment = parse_time("2026-01-05T09:00:00+08:00", CN_ZONE).ms + day * 86_400_000
    return Step(type=what[0], time=format_ms(moment), data=what[1])


def test_a_trial_limit_is_shown_with_its_exclusions_and_its_private_warning() -> None:
    steps = [
        at(0, ("case.accepted", {"procedure": "small_claims"})),
        at(10, ("limit.suspended", {"action": "start", "suspension_id": "K"})),
        at(20, ("limit.suspended", {"action": "resume", "suspension_id": "K"})),
    ]
    [found] = [each for each in due(steps, "2026-03-05T12:00:00+08:00") if each.rule == "R05"]
    assert found.last_day == date(2026, 3, 16)  # 5 March and ten days, moved off a Sunday
    assert found.numbers["excluded_days"] == 10
    assert found.days_left == 11
    assert found.warned_from is not None
    assert format_ms(found.warned_from) == "2026-02-28T16:00:00.000Z"
    assert format_ms(found.due) == "2026-03-16T16:00:00.000Z"
    assert {each.type for each in found.triggers} == {"case.accepted", "limit.suspended"}


def test_a_period_that_stands_still_or_has_ended_is_not_running() -> None:
    accepted = at(0, ("case.accepted", {"procedure": "small_claims"}))
    stopped = at(10, ("limit.suspended", {"action": "start", "suspension_id": "K"}))
    closed = at(11, ("case.closed", {"mode": "withdrawal"}))
    late = at(300, ("case.closed", {"mode": "withdrawal"}))
    for steps in ([accepted, stopped], [accepted, closed], [accepted, late]):
        assert [each for each in due(steps, "2027-01-05") if each.rule == "R05"] == []


def test_a_period_that_has_passed_without_its_end_is_over_by_so_many_days() -> None:
    [found] = [each for each in due([at(0, ("case.submitted", {}))], "2026-01-20") if each.rule == "R01"]
    assert (found.last_day, found.days_left, found.warned_from) == (date(2026, 1, 12), -8, None)


@pytest.mark.parametrize("now", ["2026-01-05", "2030-01-05"])
def test_the_time_of_asking_changes_no_day(now: str) -> None:
    steps = [at(0, ("case.accepted", {"procedure": "ordinary"})), at(3, ("enforcement.filed", {}))]
    assert {(each.rule, each.last_day) for each in due(steps, now)} >= {
        ("R05", date(2026, 7, 6)),
        ("R12", date(2026, 1, 19)),
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from(ACTS)), min_size=1, max_size=12))
def test_what_falls_due_is_what_the_alert_says_when_nothing_else_happens(
    acts: list[tuple[int, tuple[str, dict[str, Any]]]],
) -> None:
    steps = [at(day, what) for day, what in sorted(acts, key=lambda each: each[0])]
    said = {}
    for each in play(BOOK, PLACES, steps, "2040-01-05T00:00:00+08:00"):
        said[each.id] = each
    raised = {
        (each.rule, each.start, each.numbers["last_day"])
        for each in said.values()
        if each.state == "open" and "last_day" in each.numbers and not {"late_days", "days_short"} & each.numbers.keys()
    }
    found = due(steps, "2026-01-05")
    clause = {(each.rule, each.start): each for each in found}
    assert {(rule, start, clause[rule, start].last_day.isoformat()) for rule, start in clause} == raised
