"""Holds what two rules said of the same history against each other: added, gone, same and changed, with their cases.

Episodes are the same where subject and start are; the identity of an alert would not do, for it changes with the rule's
major version.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from balance_chain.core.times import format_ms

from balance_judge_audit.engine.alerts import Revision

Verdict = Literal["added", "gone", "same", "changed"]
Said = Iterator[tuple[int, Revision]]
Numbers = dict[str, Any]


class Side(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one rule said last of an episode."""

    raised: str
    judged: str
    version: str
    severity: str
    state: str
    revision: int
    numbers: Numbers


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """One episode in one subject, as either rule has it; `differs` names what is not the same."""

    verdict: Verdict
    subject: str
    start: str
    court: str | None = None
    current: Side | None = None
    new: Side | None = None
    differs: tuple[str, ...] = ()


def compare(current: Said, new: Said) -> Iterator[Difference]:
    """Every episode that either side has; both are in order of subject and start."""
    one, other = next(current, None), next(new, None)
    while one is not None or other is not None:
        if other is None or (one is not None and _place(one[1]) < _place(other[1])):
            assert one is not None
            yield _alone("gone", *one)
            one = next(current, None)
        elif one is None or _place(other[1]) < _place(one[1]):
            yield _alone("added", *other)
            other = next(new, None)
        else:
            yield difference(_side(*one), _side(*other), other[1])
            one, other = next(current, None), next(new, None)


def difference(current: Side, new: Side, said: Revision) -> Difference:
    """One episode that both have: the same, or changed in what it says."""
    differs = tuple(
        name for name in ("severity", "state", "raised", "numbers") if getattr(current, name) != getattr(new, name)
    )
    verdict: Verdict = "changed" if differs else "same"
    return Difference(verdict, said.subject, said.start, said.courtcode, current, new, differs)


def _place(said: Revision) -> tuple[bytes, bytes]:
    # As SQLite orders text.
    return said.subject.encode(), said.start.encode()


def _alone(verdict: Verdict, raised: int, said: Revision) -> Difference:
    side = _side(raised, said)
    current, new = (side, None) if verdict == "gone" else (None, side)
    return Difference(verdict, said.subject, said.start, said.courtcode, current, new)


def _side(raised: int, said: Revision) -> Side:
    return Side(format_ms(raised), said.judged, said.version, said.severity, said.state, said.revision, said.numbers)
