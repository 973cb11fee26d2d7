"""What a case keeps beside its stored state follows from the facts alone: state read back goes on as if it had never
been away.
"""

import msgspec
from balance_judge_audit.engine.facts import CaseState, Fact, own_order
from hypothesis import given, settings
from hypothesis import strategies as st

MARKS = ("R01:start", "R01:end", "R02:act")


@st.composite
def facts(draw: st.DrawFn) -> list[Fact]:
    times = draw(st.lists(st.integers(0, 5), max_size=12))
    marks = st.lists(st.sampled_from(MARKS), min_size=1, max_size=3)
    return [
        Fact(time, False, offset, "t", "s", str(offset), "00", tuple(draw(marks))) for offset, time in enumerate(times)
    ]


@settings(deadline=None)
@given(facts(), st.integers(0, 12))
def test_the_index_of_a_case_is_that_of_its_stored_facts_wherever_it_was_read_back(kept: list[Fact], cut: int) -> None:
    whole, state = CaseState(), CaseState()
    for number, fact in enumerate(kept):
        if number == cut:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=CaseState)
        whole.keep(fact)
        state.keep(fact)
    assert state == whole
    assert state.by_mark == whole.by_mark == CaseState(facts=kept).by_mark
    for mark, found in state.by_mark.items():
        assert found == sorted((fact for fact in kept if mark in fact.marks), key=own_order)
