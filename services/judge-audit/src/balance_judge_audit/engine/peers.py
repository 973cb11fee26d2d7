"""Peer deviation: a person's share of marked acts against the others of the group (R21), and a case's number against
the cases of the group (R34).
"""

from collections.abc import Iterator

from balance_judge_audit.engine.across import HeldFact, KeyState, States, revision
from balance_judge_audit.engine.alerts import WHOLE_CASE, Revision, State
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.statistics import deviation, hypergeometric_tail, spread
from balance_judge_audit.engine.windows import (
    Finding,
    Span,
    Windowed,
    hundredths,
    known,
    per_mille,
    seen_of,
)
from balance_judge_audit.engine.windowstates import Measured, Seen, Tally, Waiting, Window


class Shares(Windowed):
    """Whose share of marked acts is far above that of the others, by an exact test."""

    def __init__(
        self, rule: Rule, group: tuple[str, ...], span: Span, person: str, least: int, far: int, alpha: int
    ) -> None:
        super().__init__(rule, group, span)
        self._person = person
        self._least = least
        self._far = far
        self._alpha = alpha

    def take(self, fact: HeldFact, states: States) -> list[Revision]:
        person = fact.values.get(self._person)
        tally = self._tally(fact, states) if isinstance(person, str) else None
        if tally is None or not isinstance(person, str):
            return []
        if fact.role == "marked":
            tally.marked[person] = tally.marked.get(person, 0) + 1
            tally.note(person, seen_of(fact))
        else:
            tally.counts[person] = tally.counts.get(person, 0) + 1
        return []

    def findings(self, window: Window, total: Tally, group: str) -> Iterator[tuple[str, Finding]]:
        everything, all_marked = sum(total.counts.values()), sum(total.marked.values())
        judged = [name for name, count in total.counts.items() if count >= self._least and known(name)]
        comparisons = len(judged) * self._span.periods
        for name in judged:
            drawn, marked = total.counts[name], total.marked.get(name, 0)
            others = everything - drawn
            far = deviation(marked, drawn, all_marked, everything)
            if far < self._far or others < self._least:
                continue
            chance = hypergeometric_tail(marked, drawn, all_marked, everything)
            if not chance.below(self._alpha, comparisons):
                continue
            numbers: dict[str, str | int] = {
                "group": group,
                "window_days": self._span.days,
                "acts": drawn,
                "marked": marked,
                "share_per_mille": per_mille(marked, drawn),
                "peers": len(total.counts) - 1,
                "peer_acts": others,
                "peer_share_per_mille": per_mille(all_marked - marked, others),
                "deviations": hundredths(far),
                "chance_one_in": chance.one_in,
                "comparisons": comparisons,
            }
            yield name, Finding(far // 100, numbers, total.seen[name])


class Ratios(Windowed):
    """Which case's number is far from the median of its group, with nothing in the case that accounts for it."""

    def __init__(
        self,
        rule: Rule,
        group: tuple[str, ...],
        span: Span,
        whole: str,
        part: str,
        least: int,
        far: int,
        floor: int,
    ) -> None:
        super().__init__(rule, group, span)
        self._whole = whole
        self._part = part
        self._least = least
        self._far = far
        self._floor = floor

    def keys(self, fact: HeldFact) -> list[str]:
        return [self._case_key(fact.case), *(super().keys(fact) if fact.role == "part" else ())]

    def closing_keys(self, key: str, state: KeyState | None, watermark: int) -> list[str]:
        keys = super().closing_keys(key, state, watermark)
        # A piece is loaded when its day is closing, and for nothing else.
        closing = bool(keys) or self._is_piece(key)
        waiting = state.waiting if closing and isinstance(state, Tally) else ()
        return [*keys, *(self._case_key(each.case) for each in waiting)]

    def wake(self, key: str, state: KeyState) -> int | None:
        return None if isinstance(state, Measured) else super().wake(key, state)

    def take(self, fact: HeldFact, states: States) -> list[Revision]:
        case = self._case(fact.case, states)
        if fact.role == "whole":
            whole = fact.values.get(self._whole)
            case.whole = whole if isinstance(whole, int) else case.whole
        elif fact.role == "part":
            self._wait(fact, states)
        elif not case.excused:
            case.excused = True
            if case.stands:
                case.stands = False
                return [self._of_case(fact.case, case, fact.time, {}, seen_of(fact))]
        return []

    def _wait(self, fact: HeldFact, states: States) -> None:
        part, tally = fact.values.get(self._part), self._tally(fact, states)
        if tally is not None and isinstance(part, int) and part >= 0:
            tally.waiting.append(Waiting(fact.case, part, fact.court, seen_of(fact)))

    def settle(self, latest: Tally | None, states: States) -> None:
        """Counts the period's shares: whole and part of a case may have come in any order."""
        for each in latest.waiting if latest else ():
            value = self._value(each, states)
            if latest is not None and value is not None:
                latest.counts[str(value)] = latest.counts.get(str(value), 0) + 1

    def judge(self, window: Window, total: Tally, group: str, states: States, now: int) -> list[Revision]:
        latest = window.periods.get(window.due, Tally())
        waiting, latest.waiting = latest.waiting, []
        counts = {int(value): count for value, count in total.counts.items()}
        if sum(counts.values()) < self._least:
            return []
        middle = spread(counts)
        said: list[Revision] = []
        for each in waiting:
            case, value = self._case(each.case, states), self._value(each, states)
            far = 0 if value is None else middle.distance(value, self._floor)
            if value is None or far < self._far or case.excused or case.stands:
                continue
            case.stands, case.court = True, each.court
            numbers: dict[str, str | int] = {
                "group": group,
                "window_days": self._span.days,
                "share_per_mille": value,
                "median_per_mille": middle.median2 // 2,
                "cases": middle.values,
                "deviations": hundredths(far),
                "comparisons": len(waiting),
            }
            said.append(self._of_case(each.case, case, now, numbers, each.seen))
        return said

    def _value(self, each: Waiting, states: States) -> int | None:
        whole = self._case(each.case, states).whole
        return per_mille(each.part, whole) if whole else None

    def _case(self, name: str, states: States) -> Measured:
        case = states.setdefault(self._case_key(name), Measured())
        assert isinstance(case, Measured)
        return case

    def findings(self, window: Window, total: Tally, group: str) -> Iterator[tuple[str, Finding]]:
        yield from ()

    def _of_case(self, name: str, case: Measured, now: int, numbers: dict[str, str | int], seen: Seen) -> Revision:
        case.revision += 1
        state: State = "open" if case.stands else "cured"
        triggers = [seen.trigger()]
        return revision(self._rule, name, WHOLE_CASE, case.revision, state, now, triggers, numbers, case.court)

    def _case_key(self, case: str) -> str:
        return f"{self._rule.id} c {case}"
