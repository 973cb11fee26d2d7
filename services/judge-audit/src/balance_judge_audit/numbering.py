"""The numbers of our own source's counter, and what an answer of the gateway means for one. Pure.

An event keeps its number, whatever crashes, until the gateway has answered for that event: then the number is used, or
free for another. So no number goes to two events, and each that is left out is given before a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import httpx

REFUSED_FROM: Final = 400
REFUSED_TO: Final = 500
NOT_YET: Final = frozenset({401, 403, 404, 415})
"""Not the event's fault: somebody will put the register or an address right."""
UNSURE: Final = frozenset({408, 429})


class Verdict(Enum):
    """What the gateway has said to one event under one number."""

    ACCEPTED = "accepted"
    """Now or before: the number is used."""
    KNOWN = "known"
    """It has the event with other bytes. What a number is given to never changes, so it is under another number."""
    REFUSED = "refused"
    """For good."""
    NOT_YET = "not yet"
    """It was not taken now and is to be sent again, under whatever number."""
    UNSURE = "unsure"
    """It may have been taken or not: it is to be sent again as it was."""

    @property
    def settles(self) -> bool:
        """Whether nothing is left to be sent."""
        return self in (Verdict.ACCEPTED, Verdict.KNOWN, Verdict.REFUSED)

    @property
    def frees(self) -> bool:
        """Whether the number is certainly not that of this event."""
        return self in (Verdict.KNOWN, Verdict.REFUSED, Verdict.NOT_YET)


def verdict_of(status: int) -> Verdict:
    """By the HTTP status of an event's own result."""
    if httpx.codes.is_success(status):
        return Verdict.ACCEPTED
    if status == httpx.codes.CONFLICT:
        return Verdict.KNOWN
    if status in NOT_YET:
        return Verdict.NOT_YET
    if REFUSED_FROM <= status < REFUSED_TO and status not in UNSURE:
        return Verdict.REFUSED
    return Verdict.UNSURE


def weighed(verdict: Verdict) -> Verdict:
    """The verdict on an event that the gateway refuses now and has after all, from a sending whose answer was lost:
    its number is not free.
    """
    return {Verdict.REFUSED: Verdict.ACCEPTED, Verdict.NOT_YET: Verdict.UNSURE}.get(verdict, verdict)


@dataclass(frozen=True, slots=True)
class Counter:
    """The next new number, and those that are free below it, the least first."""

    next: int
    freed: Sequence[int]

    def take(self, count: int) -> "tuple[list[int], Counter]":
        """So many numbers, rising, and the counter without them."""
        again = list(self.freed[:count])
        after = self.next + count - len(again)
        return [*again, *range(self.next, after)], Counter(after, self.freed[count:])
