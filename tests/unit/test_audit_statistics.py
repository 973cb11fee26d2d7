"""Exact tails and robust distances are what slow arithmetic with fractions says."""

import statistics as reference
from collections import Counter
from fractions import Fraction
from math import comb

import pytest
from balance_judge_audit.engine.statistics import (
    RAREST,
    Chance,
    binomial_tail,
    deviation,
    hypergeometric_tail,
    spread,
)
from hypothesis import given
from hypothesis import strategies as st

SMALL = st.integers(0, 25)


@given(SMALL, SMALL, SMALL, SMALL)
def test_a_hypergeometric_tail_is_the_sum_of_its_terms(marked: int, drawn: int, all_marked: int, more: int) -> None:
    everything = max(drawn, all_marked) + more
    ways = sum(comb(all_marked, hit) * comb(everything - all_marked, drawn - hit) for hit in range(marked, drawn + 1))
    chance = hypergeometric_tail(marked, drawn, all_marked, everything)
    assert Fraction(chance.part, chance.whole) == Fraction(ways, comb(everything, drawn))


@given(SMALL, SMALL, st.integers(1, 30))
def test_a_binomial_tail_is_the_sum_of_its_terms(hits: int, more: int, size: int) -> None:
    draws, one = hits + more, Fraction(1, size)
    terms = (comb(draws, hit) * one**hit * (1 - one) ** (draws - hit) for hit in range(hits, draws + 1))
    chance = binomial_tail(hits, draws, size)
    assert Fraction(chance.part, chance.whole) == sum(terms, Fraction(0))


@given(SMALL, st.integers(1, 25), SMALL, st.integers(2, 60))
def test_a_deviation_is_counted_from_the_mean_of_a_random_draw(
    marked: int, drawn: int, all_marked: int, more: int
) -> None:
    everything = max(drawn, all_marked) + more
    share = Fraction(all_marked, everything)
    variance = drawn * share * (1 - share) * Fraction(everything - drawn, everything - 1)
    over = marked - drawn * share
    found = deviation(marked, drawn, all_marked, everything)
    if over <= 0 or variance <= 0:
        assert found == 0
    else:
        assert Fraction(found, 100) ** 2 * variance <= over**2 < Fraction(found + 1, 100) ** 2 * variance


@given(st.lists(st.integers(0, 1200), min_size=1, max_size=40), st.integers(0, 1200), st.integers(1, 30))
def test_a_robust_distance_is_counted_from_median_and_median_deviation(
    values: list[int], value: int, floor: int
) -> None:
    exact = [Fraction(each) for each in values]
    middle = reference.median(exact)
    off = max(reference.median([abs(each - middle) for each in exact]), Fraction(floor))
    assert spread(Counter(values)).distance(value, floor) == Fraction(6745, 100) * abs(value - middle) // off


@pytest.mark.parametrize(("chance", "one_in"), [(Chance(1, 1000), 1000), (Chance(2, 3), 1), (Chance(0, 1), RAREST)])
def test_a_chance_is_given_as_once_in_how_many_times(chance: Chance, one_in: int) -> None:
    assert chance.one_in == one_in


def test_a_bound_is_shared_among_all_comparisons() -> None:
    assert Chance(1, 1000).below(1000)
    assert Chance(1, 1000).below(50_000, comparisons=50)
    assert not Chance(1, 1000).below(50_000, comparisons=51)
