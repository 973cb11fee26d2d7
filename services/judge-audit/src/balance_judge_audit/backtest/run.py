"""One back-test from question to answer."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, get_args

import msgspec
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.times import format_ms

from balance_judge_audit import rulebook
from balance_judge_audit.backtest.compare import Difference, Verdict, compare
from balance_judge_audit.backtest.history import History
from balance_judge_audit.backtest.replay import Show, Side, replay
from balance_judge_audit.backtest.spill import Spill
from balance_judge_audit.engine.book import RuleBook, compile_book
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.policy import apply_policies, narrowed
from balance_judge_audit.engine.shard import Clocks
from balance_judge_audit.errors import NoSuchRule
from balance_judge_audit.loading import event_schemas
from balance_judge_audit.places import PlaceFinder

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)


class Versions(msgspec.Struct, frozen=True):
    """Which two rules were held against each other; `current` is none where the rule book has none."""

    current: str | None
    new: str


class Answer(msgspec.Struct, frozen=True):
    """What a back-test found. `cases` has the first of each kind, `counts` all. Times are ledger time."""

    rule: str
    versions: Versions
    since: str
    until: str
    records: int
    unreadable: int
    reached: str
    counts: dict[Verdict, int]
    cases: dict[Verdict, tuple[Difference, ...]]


def read_candidate(path: Path, schema_from: Path) -> Rule:
    """The rule in a file, checked as one of the book would be."""
    return rulebook.load_one(path, schema_from, event_schemas())


def rule_of(directory: Path, rule: str) -> Rule | None:
    """The rule of that name in a directory of rules."""
    path = directory / f"{rule}.yaml"
    return read_candidate(path, directory) if path.is_file() else None


def chosen(rule: str, current: Path, candidate: Path | None) -> tuple[Rule | None, Rule]:
    """The current rule and the new one: from a file or a directory of rules. Where none is given the current one stands
    alone, and all that it says is new.
    """
    standing = rule_of(current, rule)
    if candidate is None:
        if standing is None:
            raise NoSuchRule("rule", f"{rule} is not in {current}", "give its file with --file")
        return None, standing
    new = rule_of(candidate, rule) if candidate.is_dir() else read_candidate(candidate, current)
    if new is None or new.id != rule:
        has = "has no such rule" if new is None else f"is {new.id}"
        raise NoSuchRule("rule", f"{rule} was asked for, and {candidate} {has}", "name the rule that it holds")
    return standing, new


async def backtest(
    history: History, rules: tuple[Rule | None, Rule], span: tuple[int, int], clocks: Clocks, most: int, show: Show
) -> Answer:
    """What the new rule would have raised within a span of ledger time, against the current one."""
    standing, new = rules
    since, until = span
    places = PlaceFinder(Courts.load(data_dir("catalogue")))
    async with history:
        with ExitStack() as files:

            def side(rule: Iterable[Rule]) -> tuple[Side, Spill]:
                spill = files.enter_context(Spill())
                return Side(_book(rule, clocks), places, clocks, history.shards, spill), spill

            one, before = side([standing] if standing else [])
            other, after = side([new])
            done = await replay(history, [one, other], until, show)
            counts = dict.fromkeys(VERDICTS, 0)
            cases: dict[Verdict, list[Difference]] = {verdict: [] for verdict in VERDICTS}
            for each in compare(before.said(since, until), after.said(since, until)):
                counts[each.verdict] += 1
                if len(cases[each.verdict]) < most:
                    cases[each.verdict].append(each)
    return Answer(
        rule=new.id,
        versions=Versions(standing.version if standing else None, new.version),
        since=format_ms(since),
        until=format_ms(until),
        records=done.records,
        unreadable=done.unreadable + one.failed + other.failed,
        reached=format_ms(done.ledger_time),
        counts=counts,
        cases={verdict: tuple(found) for verdict, found in cases.items()},
    )


def _book(rules: Iterable[Rule], clocks: Clocks) -> RuleBook:
    """The rules alone, with what the installed policies say of them."""
    tried = list(rules)
    policies = narrowed(rulebook.load_policies(data_dir("rules")), {rule.id for rule in tried})
    return compile_book(apply_policies(tried, policies), clocks.lateness_ms)
