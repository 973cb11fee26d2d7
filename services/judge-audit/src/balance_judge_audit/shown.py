"""An alert's numbers as the pages show them: in a fixed order, in the reader's language."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from balance_chain.core.times import format_ms

from balance_judge_audit.engine.escalation import LEVELS
from balance_judge_audit.queries import StoredRevision
from balance_judge_audit.site import SITE

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_ORDER: Final = {
    name: place
    for place, name in enumerate(
        (
            *("procedure", "start_day", "counted_from", "period", "excluded_days", "excluded", "extended_until"),
            *("last_day", "late_days", "acts", "count_at_least", "limit"),
            *("first_missing", "last_missing", "missing", "still_missing_from"),
            *("of_rule", "level", "untouched_until"),
        )
    )
}
"""In what order an alert's numbers are read."""


def shown(stored: StoredRevision) -> dict[str, Any]:
    """A revision as the templates take it."""
    content: dict[str, Any] = {
        **json.loads(stored.body),
        "raised": format_ms(stored.raised),
        "stage": stored.stage,
        "level": None if stored.level is None else LEVELS[stored.level],
    }
    content["numbers"] = ordered(content["numbers"])
    return content


def ordered(numbers: Mapping[str, str | int]) -> dict[str, str | int]:
    """Numbers in the order in which they are read."""
    return {name: numbers[name] for name in sorted(numbers, key=lambda name: _ORDER.get(name, 99))}


def number(value: str | int, texts: Mapping[str, str]) -> str:
    """A number, word or instant of an alert in the reader's language; a period is a count and a unit."""
    text = str(value)
    if _INSTANT.fullmatch(text):
        return f"{text[:10]} {text[11:16]} UTC"
    count, _, unit = text.partition(" ")
    if count.isdigit() and (name := texts.get("u_" + unit.replace(" ", "_"))):
        return count + name
    return texts.get("v_" + text, text)


SITE.templates.filters["number"] = number
