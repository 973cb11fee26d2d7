"""What a kind of rule sees when it judges a case: its facts in order of the events' own times, the place, and
ledger time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from balance_chain.core.times import format_ms

from balance_judge_audit.engine.alerts import TRIGGERS_SHOWN, Trigger
from balance_judge_audit.engine.facts import Fact
from balance_judge_audit.engine.lawtime import DAY_MS, Calendar, day_of

ALMOST_DAY_MS: Final = DAY_MS - 1
NONE: Final[list[Fact]] = []


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case is heard: whose law, which clock, which calendar."""

    jurisdiction: str
    zone: ZoneInfo
    calendar: Calendar


@dataclass(slots=True)
class View:
    """One judgement of one rule on one case; collects what was judged absent and what is still waited for."""

    place: Place
    now: int
    quiet_from: int
    """Ledger time of the case's last event plus the grace: before it nothing is called absent."""
    shard: int
    facts: list[Fact]
    by_mark: Mapping[str, list[Fact]]
    """The same facts by rule and role, in the order of their own times."""
    extra: Mapping[str, int]
    rule: str = ""
    judged_before: Mapping[str, int] = field(default_factory=dict)
    judged: dict[str, int] = field(default_factory=dict)
    pending: list[int] = field(default_factory=list)
    clause: str = ""
    """Prefix of the roles and keys of the clause that is judged."""

    def of(self, rule: str, judged_before: Mapping[str, int]) -> "View":
        """The same moment for another rule; what was collected is left to the one before."""
        self.rule, self.judged_before, self.judged, self.pending = rule, judged_before, {}, []
        return self

    def role(self, name: str) -> list[Fact]:
        """Facts in this role, in the order of their own times; to be read only."""
        return self.by_mark.get(f"{self.rule}:{self.clause}{name}", NONE)

    def has(self, fact: Fact, role: str) -> bool:
        """Whether the fact plays this role in the rule."""
        return f"{self.rule}:{self.clause}{role}" in fact.marks

    def met(self, fact: Fact, role: str) -> bool:
        """Whether the conditions of this role hold, where the rule keeps the fact either way."""
        return f"{self.rule}:{self.clause}{role}" in fact.met

    def count(self, role: str) -> int:
        """How many facts there are in a role, with those that were only counted."""
        mark = f"{self.rule}:{self.clause}{role}"
        return len(self.by_mark.get(mark, NONE)) + self.extra.get(mark, 0)

    def earlier(self, one: Fact, other: Fact) -> bool:
        """Whether one is certainly before the other: where either knows only its day, by days."""
        if one.day or other.day:
            return day_of(one.time, self.place.zone) < day_of(other.time, self.place.zone)
        return one.time < other.time

    def absent(self, key: str, due: int) -> bool:
        """Whether what was due at this instant can be called absent; if not yet, the case is looked at again.

        What was judged absent once for the same instant stays so, however the case goes on.
        """
        key = self.clause + key
        if self.judged_before.get(key) == due or self.now >= max(due, self.quiet_from):
            self.judged[key] = due
            return True
        self.pending.append(due)
        return False

    def triggers(self, facts: Iterable[tuple[str, Fact]]) -> tuple[Trigger, ...]:
        """The facts as an alert names them, the first ones where there are many."""
        chosen = list(facts)[:TRIGGERS_SHOWN]
        return tuple(
            Trigger(
                role,
                fact.source,
                fact.id,
                fact.type,
                format_ms(fact.time),
                fact.leaf,
                fact.offset,
                self.shard,
                fact.actor,
            )
            for role, fact in chosen
        )
