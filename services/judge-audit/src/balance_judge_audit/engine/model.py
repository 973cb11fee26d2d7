"""What a rule is, as typed values: the shape of one file in `rules/`, after the JSON Schema has accepted it.

A rule's meaning is in its kind's section alone; the kinds are the only code. Names written as `$name` stand for
a parameter of the rule.
"""

from datetime import date
from typing import Literal

import msgspec

from balance_judge_audit.engine.modelacross import Across, Concentration, Conflict, PeerDeviation, ReportsDue
from balance_judge_audit.engine.modelparts import Base, Basis, Condition, Key, Parameter, Selector, TeamSource, Text

Severity = Literal["L", "M", "H", "C"]
Kind = Literal[
    "deadline",
    "threshold",
    "forbidden_transition",
    "sequence",
    "concentration",
    "peer_deviation",
    "gap",
    "segregation",
]


class Clause(Base, frozen=True):
    """What clauses of all kinds within a case may say.

    `given`: the last such event not after the act satisfies its conditions. `if_any`: some such event not after the
    act does. `key`: facts belong together where this field agrees, or where one of them does not say.
    """

    given: tuple[Selector, ...] = ()
    if_any: tuple[Selector, ...] = ()
    key: Key | None = None


class Limit(Base, frozen=True):
    """The period: one for all, or chosen by a field's value in the fact that starts or re-bases the clock."""

    period: str | None = None
    by: str | None = None
    table: dict[str, str] = msgspec.field(default_factory=dict)


class Extension(Base, frozen=True):
    """An event that names a new last day."""

    event: str
    until: str
    where: tuple[Condition, ...] = ()


class Suspension(Base, frozen=True):
    """An event that stops the clock or lets it run on; `key` tells apart those that overlap."""

    event: str
    action: str
    stop: tuple[str, ...]
    resume: tuple[str, ...]
    key: str | None = None
    where: tuple[Condition, ...] = ()


class Rebase(Base, frozen=True):
    """An event that changes what the limit is chosen by; the clock keeps its start."""

    event: str
    to: str
    where: tuple[Condition, ...] = ()


class Deadline(Clause, frozen=True, kw_only=True):
    """Something must follow within a period of law; with `minimum` it must not follow before the period is over.

    `restart`: a later start takes the place of the one that runs. `amount`: ends count together, and
    what they sum up to must reach what the start says.
    """

    starts: tuple[Selector, ...]
    ends: tuple[Selector, ...]
    limit: Limit
    start_day: str
    roll: bool = True
    stops: tuple[Selector, ...] = ()
    extended_by: tuple[Extension, ...] = ()
    suspended_by: tuple[Suspension, ...] = ()
    rebased_by: tuple[Rebase, ...] = ()
    warn_before: str | None = None
    warns: Literal["judge"] | None = None
    restart: bool = False
    minimum: bool = False
    amount: str | None = None


class ForbiddenTransition(Clause, frozen=True, kw_only=True):
    """An act that is out of order: before a state is reached, after one is (unless re-opened), or at all.

    `differs`: only where this field of the act differs from that of the state. Or, with `conflict` alone, the meeting
    of two people in any case.
    """

    act: tuple[Selector, ...] = ()
    conflict: Conflict | None = None
    before: tuple[Selector, ...] = ()
    after: tuple[Selector, ...] = ()
    reopened_by: tuple[Selector, ...] = ()
    differs: str | None = None


class People(Base, frozen=True, kw_only=True):
    """Who must have taken part: everyone of the standing list `all_of`, as later events change it; and nobody else but
    the people of `besides`, where that is said.
    """

    present: str
    listed: tuple[Selector, ...]
    all_of: str
    added: str | None = None
    removed: str | None = None
    besides: tuple[TeamSource, ...] = ()


class Sequence(Clause, frozen=True, kw_only=True):
    """An act that needs an earlier one (`any_order`: another one), one that must follow `within` hours, or the
    people who must take part.
    """

    act: tuple[Selector, ...]
    requires: tuple[Selector, ...] = ()
    any_order: bool = False
    then: tuple[Selector, ...] = ()
    within: str | None = None
    people: People | None = None


class Threshold(Clause, frozen=True, kw_only=True):
    """Too many of something in one case; or, with `across`, too many cases of one person within a window."""

    count: tuple[Selector, ...]
    at_least: str | int
    except_types: tuple[str, ...] = ()
    across: Across | None = None


class Segregation(Clause, frozen=True, kw_only=True):
    """Who acts must not be one of `not_in` (fields of the same event), nor among the people of the events `not_of`
    with the same key; or must be one of the case's team. `registered`: only who has an identity of the register,
    for two people may share a name.
    """

    act: tuple[Selector, ...]
    person: str
    not_in: tuple[str, ...] = ()
    not_of: tuple[TeamSource, ...] = ()
    team: tuple[TeamSource, ...] = ()
    registered: bool = False


class Also(Base, frozen=True):
    """A further clause of a rule: one section, with a name of its own."""

    name: str
    zh: str
    en: str
    deadline: Deadline | None = None
    threshold: Threshold | None = None
    forbidden_transition: ForbiddenTransition | None = None
    sequence: Sequence | None = None
    segregation: Segregation | None = None


class Entries(Base, frozen=True):
    """The numbers that a court gives to the entries of one case, from the first that is seen on; `except_courts` do not
    count by case, and fewer than `least` missing ones are passed over.
    """

    number: str
    except_courts: str
    least: str


class Gap(Base, frozen=True):
    """Numbers of a source's own counter that never arrive, across all shards, or a source that falls silent; with
    `entries`, numbers of a case's own entries; or, with `reports`, a unit that does not report.
    """

    heartbeat: str | None = None
    ignored_rejects: tuple[str, ...] = ()
    entries: Entries | None = None
    reports: ReportsDue | None = None


class Rule(Base, frozen=True):
    """One rule of the book."""

    id: str
    version: str
    kind: Kind
    severity: Severity
    jurisdiction: tuple[str, ...]
    title: Text
    explanation: Text
    basis: tuple[Basis, ...]
    parameters: dict[str, Parameter]
    false_alarms: dict[str, tuple[str, ...]]
    owner: str
    valid_from: date
    valid_to: date | None = None
    deadline: Deadline | None = None
    threshold: Threshold | None = None
    forbidden_transition: ForbiddenTransition | None = None
    sequence: Sequence | None = None
    gap: Gap | None = None
    segregation: Segregation | None = None
    peer_deviation: PeerDeviation | None = None
    concentration: Concentration | None = None
    also: tuple[Also, ...] = ()
    statement: Text | None = None
    """What an alert says in words, with its numbers in braces."""
    policy: str | None = None
    """The policy that took it over for another jurisdiction."""

    @property
    def key(self) -> str:
        """Names it within the engine: one rule may hold in two jurisdictions, with different parameters."""
        return self.id if self.policy is None else f"{self.id}@{self.policy}"

    @property
    def major(self) -> str:
        """The part of the version that changes when the rule's meaning does."""
        return self.version.split(".", 1)[0]
