"""The kinds of rule a docket text is read by. Pure data types; the rules themselves are in tables/.

A pattern is a regular expression, in which a space stands for any white space and a word in angle brackets for a list
of words; a rule has several, one a line, and any of them matches.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_WORDS: Final = {
    "<hearing>": "(?:hearing|conference|trial|meeting|sentencing|arraignment|oral argument|argument)",
    "<sitting>": "(?:hearing|(?:tele|video)?conference|trial|argument|meeting|sentencing|arraignment|mediation)",
    "<put off>": (
        r"(?:continu(?:e|ing|ance)|adjourn\w*|postpon\w*|reset(?:ting)?|reschedul\w*|cancel\w*"
        r"|vacat(?:e|ing)(?! (?:the )?(?:\w+ )?(?:order|dismissal|judgment|stay)))"
    ),
}


class Family(StrEnum):
    """A head that does not decide alone: its object does."""

    MOTION = "motion"
    ORDER = "order"
    NOTICE = "notice"
    STIPULATION = "stipulation"
    MINUTES = "minutes"
    FILING = "filing"
    """A notice that something was filed: what was filed is read again as a head."""


SKIP: Final = "skip"
"""Not an event of the case: a clerk's or a machine's note about the docket itself."""


@dataclass(frozen=True, slots=True)
class HeadRule:
    """One head: where a pattern matches at the start of a text, the text `gives` this event, or is of this family.

    `example` is an invented text the rule is meant for; a test reads every example back.
    """

    name: str
    gives: str | Family
    patterns: tuple[str, ...]
    example: str
    kind: str = ""
    unstripped: bool = False
    """Match also the text before its qualifiers are dropped (marks of error look like qualifiers)."""
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", _compile(self.patterns, r"\W*"))


@dataclass(frozen=True, slots=True)
class ObjectRule:
    """What a motion, an order or a notice is about. The rule whose pattern matches earliest in the text wins.

    An empty string means that the family's own event stays (motion.filed, motion.decided, notice.issued). `order` holds
    where the court did it, or granted it; where the court refused, the order is only motion.decided, unless
    `refusal_too` (a recusal refused is still decided).
    """

    name: str
    patterns: tuple[str, ...]
    motion: str
    order: str
    notice: str
    example: str
    kind: str = ""
    refusal_too: bool = False
    needs_answer: bool = False
    """The order must say how it answered: evidence spoken of is not evidence ruled upon."""
    compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "compiled", _compile(self.patterns, ""))


def _compile(patterns: tuple[str, ...], before: str) -> re.Pattern[str]:
    joined = "|".join(patterns)
    for word, pattern in _WORDS.items():
        joined = joined.replace(word, pattern)
    return re.compile(f"{before}(?:{joined.replace(' ', chr(92) + 's+')})", re.IGNORECASE)
