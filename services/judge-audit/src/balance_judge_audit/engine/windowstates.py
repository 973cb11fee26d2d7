"""What statistical rules remember: counts by day, joined into periods, and what was said of whom.

A day's counts change often and are kept in small pieces, of which only the last one is touched; a window's are large
and are touched once a period. So taking an event costs the same however long the window is and however busy the day.
"""

from typing import Final

import msgspec
from balance_chain.core.times import format_ms

from balance_judge_audit.engine.alerts import Trigger

PIECE: Final = 32
"""Entries after which a day's counts are put aside."""
SEEN_KEPT: Final = 4
"""Events of one person or pair that are kept of a day, and of a period, so that an alert can name them."""


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """An event that an alert may name, small enough to be kept."""

    role: str
    source: str
    id: str
    type: str
    at: int
    leaf: bytes
    offset: int
    shard: int

    def trigger(self) -> Trigger:
        """The event as an alert names it."""
        return Trigger(
            self.role, self.source, self.id, self.type, format_ms(self.at), self.leaf.hex(), self.offset, self.shard
        )


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A case that is compared when the period is over, with its part of the whole."""

    case: str
    part: int
    court: str | None
    seen: Seen


class Tally(msgspec.Struct, array_like=True, tag="tally"):
    """Counts of a day or a period, by person, pair or value."""

    counts: dict[str, int] = {}
    marked: dict[str, int] = {}
    seen: dict[str, list[Seen]] = {}
    size: int = 0
    """The shortest list that was drawn from; 0 where none was named."""
    waiting: list[Waiting] = []
    court: str | None = None
    pieces: int = 0
    """Of a day: how often what was counted was put into a state of its own, so that the day itself stays small."""

    @property
    def full(self) -> bool:
        """Whether what comes next is counted in another piece."""
        return len(self.counts) + len(self.marked) + len(self.seen) + len(self.waiting) >= PIECE

    def note(self, name: str, seen: Seen) -> None:
        """Keeps an event by which an alert may be explained, the first ones of a day."""
        kept = self.seen.setdefault(name, [])
        if len(kept) < SEEN_KEPT:
            kept.append(seen)

    def add(self, other: "Tally") -> None:
        """Joins another day's counts to these."""
        for mine, more in ((self.counts, other.counts), (self.marked, other.marked)):
            for name, count in more.items():
                mine[name] = mine.get(name, 0) + count
        for name, events in other.seen.items():
            self.seen[name] = [*self.seen.get(name, ()), *events][:SEEN_KEPT]
        self.size = shortest(self.size, other.size)
        self.waiting = [*self.waiting, *other.waiting]
        self.court = other.court if self.court is None else self.court


def shortest(one: int, other: int) -> int:
    """The shorter of two lists of which either may not be known."""
    return min(one, other) if one and other else one or other


class Said(msgspec.Struct, array_like=True):
    """What was last said of a person or pair: `start` names the group and the day of the episode, `level` rises with
    how far out it is.
    """

    start: str
    revision: int
    level: int
    stands: bool
    period: int
    seen: Seen


class Window(msgspec.Struct, array_like=True, tag="window"):
    """A group's counts within the window, by period; `due` is the period that is judged next."""

    due: int
    periods: dict[int, Tally] = {}
    said: dict[str, Said] = {}


class Met(msgspec.Struct, array_like=True, tag="met"):
    """Who was seen in a case: people of two sides and their pairs that are counted; or who was drawn from where."""

    one: dict[str, Seen] = {}
    other: list[str] = []
    counted: list[str] = []


class Measured(msgspec.Struct, array_like=True, tag="measured"):
    """A case's whole, whether it is excused, and what was said of it."""

    whole: int | None = None
    excused: bool = False
    revision: int = 0
    stands: bool = False
    seen: Seen | None = None
    court: str | None = None
