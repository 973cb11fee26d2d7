"""How long a case stays in a phase, folded from its events; and the chart that shows it."""

from pathlib import Path
from typing import Any

import pytest
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms
from balance_judge_audit.errors import PhasesWrong
from balance_judge_audit.flow import CaseFlow, Span, load_flow
from balance_judge_audit.flowpages import PhaseTime, chart, scale
from hypothesis import given
from hypothesis import strategies as st

FLOW = load_flow(data_dir("rules"))
CASE, COURT = "（2026）京0491民初1号", "京0491"
DAY = 86_400_000
T0 = 1_772_000_000_000


def event(day: float, kind: str, **data: Any) -> CanonicalEvent:
    moment = format_ms(T0 + int(day * DAY))
    return CanonicalEvent(
        specversion="1.0", id=f"e{day}", source="urn:balance:test", type=kind, time=moment, phase="test",
        receivedtime=moment, rawgen=0, rawpos=0, data=data, caseid=CASE, courtcode=COURT,
    )  # fmt: skip


def spans(*events: CanonicalEvent) -> dict[tuple[str, int], Span]:
    state, changed = CaseFlow(), dict[tuple[str, str, int], Span]()
    for each in events:
        FLOW.apply(state, each, changed)
    return {(phase, number): span for (_, phase, number), span in changed.items()}


def days(span: Span) -> float | None:
    return None if span.ended is None else (span.ended - span.started) / DAY


WHOLE = (
    event(0, "case.submitted", cause="买卖合同纠纷"),
    event(5, "case.accepted", procedure="simplified"),
    event(7, "judge.assigned"),
    event(9, "service.completed"),
    event(30, "hearing.held"),
    event(44, "judgment.pronounced"),
    event(50, "case.closed"),
)


def test_each_phase_of_a_whole_case_has_its_days_and_its_place() -> None:
    found = spans(*WHOLE)
    assert {phase: days(span) for (phase, _), span in found.items()} == {
        "filing": 5, "assignment": 2, "service": 4, "hearing": 23, "decision": 14, "trial": 45,
    }  # fmt: skip
    last = found["decision", 1]
    assert (last.court, last.cause, last.procedure) == (COURT, "买卖合同纠纷", "simplified")


def test_a_case_may_pass_through_a_phase_again_and_another_start_within_it_changes_nothing() -> None:
    again = (event(60, "case.accepted", procedure="appeal"), event(61, "judge.assigned"), event(62, "judge.assigned"))
    found = spans(*WHOLE, *again, event(80, "hearing.held"))
    assert days(found["hearing", 1]) == 23
    assert days(found["hearing", 2]) == 19
    assert found["hearing", 2].procedure == "appeal"


def test_a_closed_case_waits_for_nothing_and_what_follows_it_begins_anew() -> None:
    found = spans(
        event(0, "case.accepted", procedure="ordinary"), event(1, "judge.assigned"), event(9, "case.closed"),
        event(20, "enforcement.filed"), event(50, "case.closed"),
    )  # fmt: skip
    assert (found["hearing", 1].dropped, found["hearing", 1].ended) == (True, None)
    assert days(found["trial", 1]) == 9
    assert days(found["enforcement", 1]) == 30


def test_what_ended_before_it_began_by_its_own_time_ends_nothing() -> None:
    found = spans(event(10, "hearing.held"), event(4, "judgment.pronounced"), event(15, "judgment.pronounced"))
    assert days(found["decision", 1]) == 5


def test_the_phases_name_what_the_catalogue_has_and_a_wrong_file_is_refused(tmp_path: Path) -> None:
    assert set(Catalogue.load(data_dir("catalogue")).types) >= FLOW.types
    text = (data_dir("rules") / "flow.yaml").read_text(encoding="utf-8")
    for wrong in (text.replace("id: appeal,", "id: filing,"), text.replace("zh: 二审, ", ""), "phases: 7\n"):
        (tmp_path / "flow.yaml").write_text(wrong, encoding="utf-8")
        with pytest.raises(PhasesWrong):
            load_flow(tmp_path)


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(sorted(FLOW.types))), max_size=30), st.integers(0, 30))
def test_a_fold_over_batches_is_the_fold_over_all(acts: list[tuple[int, str]], cut: int) -> None:
    events = [event(day, kind, procedure="ordinary", to="ordinary") for day, kind in acts]
    state, first, second = CaseFlow(), dict[tuple[str, str, int], Span](), dict[tuple[str, str, int], Span]()
    for each in events[:cut]:
        FLOW.apply(state, each, first)
    for each in events[cut:]:
        FLOW.apply(state, each, second)
    whole = spans(*events)
    assert {(phase, number): span for (_, phase, number), span in {**first, **second}.items()} == whole
    assert all(span.ended is None or span.ended >= span.started for span in whole.values())
    running = {phase for (phase, _), span in whole.items() if span.ended is None and not span.dropped}
    assert running == state.running.keys()


@pytest.mark.parametrize(
    ("longest", "step", "last"), [(0, 1, 1), (1, 1, 1), (8, 1, 8), (9, 2, 10), (41, 10, 50), (365, 50, 400)]
)
def test_the_scale_of_a_chart_is_in_round_days_and_holds_the_longest(longest: float, step: int, last: int) -> None:
    assert scale(longest) == (step, last)


def test_a_chart_has_a_row_for_each_phase_that_ended_and_none_where_nothing_did() -> None:
    ended = PhaseTime(
        phase="filing", count=3, first_quartile=2, median=4, third_quartile=8, waiting=0, waiting_median=None
    )
    waiting = PhaseTime(
        phase="trial", count=0, first_quartile=None, median=None, third_quartile=None, waiting=2, waiting_median=1
    )
    drawn = chart([ended, waiting])
    assert drawn is not None
    [box] = drawn.boxes
    assert (box.first, box.median, box.third) == (160.0, 320.0, 640.0)
    assert [days for _, days in drawn.ticks] == list(range(9))
    assert chart([waiting]) is None
