"""What a statistical alert says in words: compared with whom, how far, how likely by chance; of nobody's conduct."""

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Final

from balance_judge_audit.engine.model import Rule

COMPARED: Final = frozenset({"group", "window_days", "share_per_mille", "comparisons"})
AMONG: Final = COMPARED | {"acts", "peers", "peer_share_per_mille", "chance_one_in"}
NUMBERS: Final[dict[str, frozenset[str]]] = {
    "peer_deviation.share": AMONG | {"marked", "peer_acts", "deviations"},
    "peer_deviation.measure": COMPARED | {"median_per_mille", "cases", "deviations"},
    "concentration.pair": AMONG | {"with", "together", "peer_acts"},
    "concentration.draw": AMONG | {"marked"},
}
"""The numbers that an alert of each statistical section has."""


def section_of(rule: Rule) -> str | None:
    """Which statistical section a rule has."""
    if rule.peer_deviation is not None:
        return f"peer_deviation.{'share' if rule.peer_deviation.share is not None else 'measure'}"
    if rule.concentration is not None:
        return f"concentration.{'pair' if rule.concentration.pair is not None else 'draw'}"
    return None


def statement_faults(rule: Rule) -> list[tuple[str, str]]:
    """Where a statement cannot be read, or asks for a number that the alert does not have."""
    section = section_of(rule)
    has = NUMBERS[section] if section else frozenset[str]()
    found: list[tuple[str, str]] = []
    for language, text in (rule.statement or {}).items():
        try:
            names = _names(text)
        except ValueError as error:
            found.append((f"statement.{language}", f"{error}; write {{name}}, and braces for themselves twice"))
            continue
        numbers = ", ".join(sorted(has)) or "none"
        unknown = (name for name in names if name not in has)
        found += [
            (f"statement.{language}", f"{{{name}}} is no number of such an alert; it has {numbers}") for name in unknown
        ]
    return found


def _names(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name is not None]


def words(rule: Rule, numbers: Mapping[str, str | int], language: str) -> str | None:
    """The statement with its numbers; None where the alert has none to state."""
    text = (rule.statement or {}).get(language)
    if text is None or any(name not in numbers for name in _names(text)):
        return None
    return text.format_map(dict(numbers))


def statement_of(rule: Rule | None, said: Sequence[Mapping[str, str | int]]) -> dict[str, str] | None:
    """In both languages, what the latest of an alert's revisions that has numbers states; None where none does."""
    if rule is None:
        return None
    for numbers in reversed(said):
        found = {each: text for each in rule.statement or () if (text := words(rule, numbers, each)) is not None}
        if found:
            return found
    return None
