"""What falls due in a case: every period that runs, and how it is counted. Pure.

A running period is the alert that would be raised if nothing else ever happened. So it is found by the rules
themselves, judged as if all time had passed: there is no second way of counting that could say another day.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from balance_judge_audit.engine.alerts import Episode, Trigger
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.clauses import CLAUSE
from balance_judge_audit.engine.conditions import Parameters
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.lawtime import day_of, end_of, start_of
from balance_judge_audit.engine.model import Deadline, Rule
from balance_judge_audit.engine.view import Place, View

EVER: Final = 1 << 62
"""Later than all dates."""
PAST: Final = frozenset({"late_days", "days_short"})
"""Numbers of a period that has ended: it is no longer running."""


@dataclass(frozen=True, slots=True)
class Due:
    """One period that runs in a case."""

    rule: str
    clause: str | None
    caseid: str
    court: str | None
    start: str
    last_day: date
    due: int
    """The first instant after it, in milliseconds."""
    warned_from: int | None
    """From when on its judge, and nobody else, is warned."""
    days_left: int
    """From the day of ledger time; negative where it has passed."""
    numbers: Mapping[str, str | int]
    triggers: tuple[Trigger, ...]


def running(book: RuleBook, caseid: str, state: CaseState, place: Place, shard: int, now: int) -> list[Due]:
    """Every period that runs in the case at this ledger time, the first to end first."""
    found: list[Due] = []
    named = {mark.partition(":")[0] for mark in state.by_mark}
    view = View(
        place=place, now=EVER, quiet_from=0, shard=shard, facts=state.facts, by_mark=state.by_mark, extra=state.extra
    )
    for name in sorted(named & book.cases.keys()):
        case = book.cases[name]
        if any(_deadlines(case.rule)):
            found += [
                _due(case.rule, caseid, state.court, place, now, episode)
                for episode in case.judge(view.of(name, {}))
                if "last_day" in episode.numbers and PAST.isdisjoint(episode.numbers)
            ]
    return sorted(found, key=lambda each: (each.last_day, each.rule, each.start))


def _due(rule: Rule, caseid: str, court: str | None, place: Place, now: int, episode: Episode) -> Due:
    clause = episode.numbers.get(CLAUSE)
    last = date.fromisoformat(str(episode.numbers["last_day"]))
    spec = next((each for name, each in _deadlines(rule) if name == (clause or "")), None)
    warn = None
    if spec is not None and spec.warn_before is not None and spec.warns == "judge":
        warn = Parameters(rule.parameters).length_ms(spec.warn_before, "warn_before")
    return Due(
        rule=rule.id,
        clause=str(clause) if clause is not None else None,
        caseid=caseid,
        court=court,
        start=episode.start,
        last_day=last,
        due=end_of(last, place.zone),
        warned_from=start_of(last, place.zone) - warn if warn is not None else None,
        days_left=(last - day_of(now, place.zone)).days,
        numbers={name: value for name, value in episode.numbers.items() if name != CLAUSE},
        triggers=episode.triggers,
    )


def _deadlines(rule: Rule) -> Iterable[tuple[str, Deadline]]:
    """The rule's clauses that are deadlines, by name."""
    own = [("", rule.deadline), *((each.name, each.deadline) for each in rule.also)]
    return [(name, spec) for name, spec in own if spec is not None]
