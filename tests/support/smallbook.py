"""The rule book with samples and windows so small that short histories have something to say across cases."""

import msgspec
from balance_chain.core.data import data_dir
from balance_judge_audit import rulebook
from balance_judge_audit.engine.book import RuleBook, compile_book

SMALL: dict[str, dict[str, int]] = {
    "R21": {"window": 14, "every": 7, "sample": 2, "far": 50, "alpha": 1_000_000},
    "R22": {"window": 14, "every": 7, "sample": 2, "together": 2, "chance": 700_000, "alpha": 9_000_000},
    "R23": {"window": 14, "every": 7, "sample": 2, "together": 2, "chance": 500_000, "alpha": 1_000_000},
    "R30": {"cases": 3},
    "R34": {"window": 14, "every": 7, "sample": 3, "far": 100, "floor": 1},
}


def small_book(lateness_ms: int) -> RuleBook:
    """The book of `rules/` with these parameters."""
    rules = dict(rulebook.load(data_dir("rules")).rules)
    for name, values in SMALL.items():
        changed = {each: msgspec.structs.replace(rules[name].parameters[each], value=to) for each, to in values.items()}
        rules[name] = msgspec.structs.replace(rules[name], parameters={**rules[name].parameters, **changed})
    return compile_book(rules.values(), lateness_ms)
