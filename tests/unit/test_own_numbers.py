"""The numbers of our own source: what is free is given first, and what an answer means for a number."""

from __future__ import annotations

import pytest
from balance_judge_audit.numbering import Counter, Verdict, verdict_of, weighed
from hypothesis import given
from hypothesis import strategies as st


@given(st.sets(st.integers(1, 50)), st.integers(0, 60))
def test_what_is_free_is_given_first_and_nothing_is_left_out(freed: set[int], count: int) -> None:
    counter = Counter(51, sorted(freed))
    numbers, after = counter.take(count)
    assert numbers == sorted(set(numbers))
    assert len(numbers) == count
    assert set(numbers) | set(after.freed) == freed | set(range(51, after.next))
    assert not set(numbers) & set(after.freed)
    assert after.next == 51 or not after.freed


@pytest.mark.parametrize(
    ("status", "settles", "frees"),
    [
        (202, True, False), (200, True, False), (409, True, True), (422, True, True), (413, True, True),
        (403, False, True), (429, False, False), (503, False, False), (500, False, False), (302, False, False),
    ],
)  # fmt: skip
def test_a_number_is_free_where_its_event_was_certainly_not_taken(status: int, settles: bool, frees: bool) -> None:
    verdict = verdict_of(status)
    assert (verdict.settles, verdict.frees) == (settles, frees)


@pytest.mark.parametrize("verdict", Verdict)
def test_what_the_gateway_has_after_all_frees_no_number_unless_it_has_it_under_another(verdict: Verdict) -> None:
    assert weighed(verdict).frees == (verdict is Verdict.KNOWN)
    assert weighed(verdict).settles == verdict.settles
