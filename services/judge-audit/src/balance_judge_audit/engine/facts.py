"""What the engine remembers of a case: the few facts that its rules name, what was announced, and what is
waited for.

A rule is judged anew from its facts, ordered by the events' own times, whenever one arrives: so an event that
arrives late is simply put where it belongs, and the state needs no history of how it came to be.
"""

from bisect import insort
from functools import cached_property

import msgspec

FACTS_KEPT = 64
"""Facts of one rule and role kept for a case; what comes after is only counted, so that no case grows without
bound.
"""


LIST_KEPT = 64
"""People of one field that are kept."""
Value = str | int | bool | None | list[str]
"""What a fact keeps of a field; lists are those of people."""


class Fact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event that a rule names. `marks` are `rule:role`; `values` the fields that those rules read."""

    time: int
    day: bool
    offset: int
    type: str
    source: str
    id: str
    leaf: str
    """Leaf hash, hex."""
    marks: tuple[str, ...]
    values: dict[str, Value] = {}
    met: tuple[str, ...] = ()
    """Marks whose conditions hold, where a rule keeps the fact either way."""
    actor: str | None = None
    """Who of the court acted, as the register knows him by an id."""


def own_order(fact: Fact) -> tuple[int, int]:
    """The order of the events' own times."""
    return (fact.time, fact.offset)


class Announced(msgspec.Struct, array_like=True, gc=False):
    """The last revision of one episode that was given out."""

    revision: int
    state: str
    digest: str
    private: bool


class CaseState(msgspec.Struct, array_like=True, dict=True):
    """One case's rule state: small, and loaded only when an event or a timer touches the case.

    What is not stored but follows from the facts is kept beside them, so that it is not made again for each event.
    """

    court: str | None = None
    last: int = 0
    """Ledger time of the case's last event, the ledger's own apart."""
    facts: list[Fact] = []
    extra: dict[str, int] = {}
    """Facts beyond FACTS_KEPT, by mark."""
    pending: dict[str, list[int]] = {}
    """By rule: instants not before which an absence is judged (and not before the case has been quiet for the
    grace).
    """
    judged: dict[str, dict[str, int]] = {}
    """By rule and episode: the instant for which an absence was judged, so that it stays judged."""
    announced: dict[str, dict[str, Announced]] = {}
    """By rule and start of the episode."""

    @property
    def open(self) -> bool:
        """Whether something is waited for, or an alert stands: then a new calendar can change what is said."""
        said = (each.state for starts in self.announced.values() for each in starts.values())
        return bool(self.pending) or any(state != "cured" for state in said)

    @cached_property
    def pieces(self) -> int:
        """How often some of its facts, the first ones, were stored by themselves."""
        return 0

    @cached_property
    def by_mark(self) -> dict[str, list[Fact]]:
        """The facts by rule and role, in the order of their own times. To be read only; `keep` adds to it."""
        found: dict[str, list[Fact]] = {}
        for fact in sorted(self.facts, key=own_order):
            for mark in dict.fromkeys(fact.marks):
                found.setdefault(mark, []).append(fact)
        return found

    @cached_property
    def people(self) -> dict[str, set[str]]:
        """Whom the facts of a role name, where a rule has asked."""
        return {}

    def keep(self, fact: Fact) -> None:
        """Adds a fact."""
        by_mark = self.by_mark
        self.facts.append(fact)
        order = own_order(fact)
        for mark in dict.fromkeys(fact.marks):
            own = by_mark.get(mark)
            if own is None:
                by_mark[mark] = [fact]
            elif own_order(own[-1]) <= order:
                own.append(fact)
            else:
                insort(own, fact, key=own_order)

    def wake(self, grace: int) -> int | None:
        """When the case is to be looked at again if nothing else happens."""
        if not self.pending:
            return None
        return max(min(map(min, self.pending.values())), self.last + grace)
