"""Concentration: people who meet in more cases than chance brings together (R22), and one of a list who is chosen more
often than its length allows (R23).
"""

from collections.abc import Iterator
from typing import Final

from balance_judge_audit.engine.across import HeldFact, KeyState, States
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.clauses import names_in
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.statistics import Chance, binomial_tail, hypergeometric_tail
from balance_judge_audit.engine.windows import Finding, Span, Windowed, known, per_mille, seen_of
from balance_judge_audit.engine.windowstates import Met, Tally, Window, shortest

PEOPLE_KEPT: Final = 64
"""People of one side that are kept of a case, so that none grows without bound."""


class Limits:
    """From where on a concentration is spoken of: sample, times together, and two bounds of chance in millionths."""

    def __init__(self, least: int, together: int, chance: int, alpha: int) -> None:
        self.least = least
        self.together = together
        self._chance = chance
        self._alpha = alpha

    def passed(self, chance: Chance, comparisons: int) -> bool:
        """Whether chance does not account for it: alone, and among all comparisons of the window."""
        return chance.below(self._chance) and chance.below(self._alpha, comparisons)


class Cases(Windowed):
    """A judge that remembers of each case whom it has counted there, so that nobody is counted twice."""

    def __init__(self, rule: Rule, group: tuple[str, ...], span: Span, limits: Limits) -> None:
        super().__init__(rule, group, span)
        self._limits = limits

    def keys(self, fact: HeldFact) -> list[str]:
        return [f"{self._rule.id} c {fact.case}", *super().keys(fact)]

    def wake(self, key: str, state: KeyState) -> int | None:
        return None if isinstance(state, Met) else super().wake(key, state)

    def _met(self, fact: HeldFact, states: States) -> Met:
        state = states.setdefault(f"{self._rule.id} c {fact.case}", Met())
        assert isinstance(state, Met)
        return state


class Pairs(Cases):
    """Who of one kind appears before whom of the other more often than the other's share of all appearances."""

    def take(self, fact: HeldFact, states: States) -> list[Revision]:
        case = self._met(fact, states)
        for value in fact.values.values():
            for name in sorted(names_in(value)):
                if fact.role == "one" and len(case.one) < PEOPLE_KEPT:
                    case.one.setdefault(name, seen_of(fact))
                elif fact.role != "one" and name not in case.other and len(case.other) < PEOPLE_KEPT:
                    case.other.append(name)
        for one, seen in sorted(case.one.items()):
            for other in case.other:
                pair = f"{other} {one}"
                tally = None if pair in case.counted else self._tally(fact, states)
                if tally is not None:
                    case.counted.append(pair)
                    tally.counts[pair] = tally.counts.get(pair, 0) + 1
                    tally.note(pair, seen)
        return []

    def findings(self, window: Window, total: Tally, group: str) -> Iterator[tuple[str, Finding]]:
        of_one: dict[str, int] = {}
        of_other: dict[str, int] = {}
        for pair, count in total.counts.items():
            other, _, one = pair.partition(" ")
            of_one[one] = of_one.get(one, 0) + count
            of_other[other] = of_other.get(other, 0) + count
        everything = sum(total.counts.values())
        judged = sum(count >= self._limits.least for count in of_one.values())
        comparisons = judged * len(of_other) * self._span.periods
        for pair, count in total.counts.items():
            other, _, one = pair.partition(" ")
            drawn, share = of_one[one], of_other[other]
            if drawn < self._limits.least or count < self._limits.together or count * everything <= drawn * share:
                continue
            if not (known(one) and known(other)):
                continue
            chance = hypergeometric_tail(count, drawn, share, everything)
            if not self._limits.passed(chance, comparisons):
                continue
            numbers: dict[str, str | int] = {
                "group": group,
                "window_days": self._span.days,
                "with": one,
                "together": count,
                "acts": drawn,
                "share_per_mille": per_mille(count, drawn),
                "peers": len(of_other) - 1,
                "peer_acts": everything - drawn,
                "peer_share_per_mille": per_mille(share - count, everything - drawn),
                "chance_one_in": chance.one_in,
                "comparisons": comparisons,
            }
            yield pair, Finding(len(str(chance.one_in)), numbers, total.seen[pair])


class Draws(Cases):
    """Who of a list is chosen in more cases than an equal chance for all of it brings about."""

    def __init__(self, rule: Rule, group: tuple[str, ...], span: Span, limits: Limits, person: str, size: str) -> None:
        super().__init__(rule, group, span, limits)
        self._person = person
        self._size = size

    def take(self, fact: HeldFact, states: States) -> list[Revision]:
        person, size = fact.values.get(self._person), fact.values.get(self._size)
        if not isinstance(person, str) or not isinstance(size, int):
            return []
        case = self._met(fact, states)
        drawn = f"{person} {self._group_of(fact)}"  # from two lists in one case: once in each
        tally = None if drawn in case.counted else self._tally(fact, states)
        if tally is not None:
            case.counted.append(drawn)
            tally.counts[person] = tally.counts.get(person, 0) + 1
            tally.size = shortest(tally.size, size)
            tally.note(person, seen_of(fact))
        return []

    def findings(self, window: Window, total: Tally, group: str) -> Iterator[tuple[str, Finding]]:
        draws, size = sum(total.counts.values()), total.size
        if draws < self._limits.least:
            return
        comparisons = size * self._span.periods
        for name, count in total.counts.items():
            if count < self._limits.together or count * size <= draws or not known(name):
                continue
            chance = binomial_tail(count, draws, size)
            if not self._limits.passed(chance, comparisons):
                continue
            numbers: dict[str, str | int] = {
                "group": group,
                "window_days": self._span.days,
                "acts": draws,
                "marked": count,
                "share_per_mille": per_mille(count, draws),
                "peers": size - 1,
                "peer_share_per_mille": per_mille(1, size),
                "chance_one_in": chance.one_in,
                "comparisons": comparisons,
            }
            yield name, Finding(len(str(chance.one_in)), numbers, total.seen[name])
