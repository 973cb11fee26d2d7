"""Exact tails and robust distances in whole numbers, so that every replay on every machine says the same.

Nothing here is rounded before it is compared: chances are fractions of big integers, distances compare squares.
"""

from collections.abc import Mapping
from math import comb, isqrt
from typing import Final, NamedTuple

MILLION: Final = 1_000_000
RAREST: Final = 10**12
"""What is rarer than one in so many is given as that."""
CONSISTENCY: Final = 6745
"""Of the median absolute deviation, in ten-thousandths: 0.6745 of a standard deviation where values are normal."""


class Chance(NamedTuple):
    """A probability as a fraction of whole numbers."""

    part: int
    whole: int

    def below(self, per_million: int, comparisons: int = 1) -> bool:
        """Whether it is at most so many millionths, with all comparisons taken together (Bonferroni)."""
        return self.part * comparisons * MILLION <= per_million * self.whole

    @property
    def one_in(self) -> int:
        """Once in how many times chance alone does this, rounded down."""
        return min(self.whole // self.part, RAREST) if self.part else RAREST


def hypergeometric_tail(marked: int, drawn: int, all_marked: int, everything: int) -> Chance:
    """The chance that at least `marked` of `drawn` are marked, where `all_marked` of `everything` are and the draw is
    random without return.
    """
    low, high = max(marked, 0, drawn + all_marked - everything), min(drawn, all_marked)
    if low > high:
        return Chance(0, 1)
    rest = everything - all_marked
    term = comb(all_marked, low) * comb(rest, drawn - low)
    total = term
    for hit in range(low, high):
        term = term * (all_marked - hit) * (drawn - hit) // ((hit + 1) * (rest - drawn + hit + 1))
        total += term
    return Chance(total, comb(everything, drawn))


def binomial_tail(hits: int, draws: int, size: int) -> Chance:
    """The chance that one of `size` equals is drawn at least `hits` times in `draws` draws."""
    miss = size - 1
    if not miss:
        return Chance(1, 1)
    term = comb(draws, hits) * miss ** (draws - hits)
    total = term
    for hit in range(hits, draws):
        term = term * (draws - hit) // ((hit + 1) * miss)
        total += term
    return Chance(total, size**draws)


def deviation(marked: int, drawn: int, all_marked: int, everything: int) -> int:
    """By how many hundredths of a standard deviation a random draw is exceeded, rounded down; 0 where it is not."""
    over = marked * everything - drawn * all_marked
    spread = drawn * all_marked * (everything - all_marked) * (everything - drawn)
    if over <= 0 or spread <= 0:
        return 0
    return isqrt(over * over * (everything - 1) * 10_000 // spread)


class Spread(NamedTuple):
    """Twice the median of some values, four times their median absolute deviation from it, and how many they are."""

    median2: int
    deviation4: int
    values: int

    def distance(self, value: int, floor: int) -> int:
        """By how many hundredths of a robust standard deviation a value is off, rounded down; no spread is less than
        the floor.
        """
        return CONSISTENCY * 2 * abs(2 * value - self.median2) // (100 * max(self.deviation4, 4 * floor))


def spread(counts: Mapping[int, int]) -> Spread:
    """Median and deviation of values, each given with how often it is there."""
    median2 = _median2(counts)
    off: dict[int, int] = {}
    for value, count in counts.items():
        distance = abs(2 * value - median2)
        off[distance] = off.get(distance, 0) + count
    return Spread(median2, _median2(off), sum(counts.values()))


def _median2(counts: Mapping[int, int]) -> int:
    """Twice the median: the sum of the two values in the middle."""
    total = sum(counts.values())
    lower, upper = (total - 1) // 2, total // 2
    passed, found = 0, 0
    for value in sorted(counts):
        before, passed = passed, passed + counts[value]
        found += value * ((before <= lower < passed) + (before <= upper < passed))
        if passed > upper:
            break
    return found
