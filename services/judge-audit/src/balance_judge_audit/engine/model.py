"""What a rule is, as typed values: the shape of one file in `rules/`, after the JSON Schema has accepted it.

A rule's meaning is in its kind's section alone; the kinds are the only code. Names written as `$name` stand for
a parameter of the rule.
"""

from datetime import date
from typing import Literal

import msgspec

Severity = Literal["L", "M", "H", "C"]
Kind = Literal["deadline", "threshold", "forbidden_transition", "sequence", "gap"]
Unit = Literal["days", "working_days", "months", "hours", "count", "choice", "choices"]
Text = dict[str, str]
Scalar = str | int | bool | None
ANY_TYPE = "*"


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a rule; unknown keys are refused."""


class Basis(Base, frozen=True):
    """Where the law says it; `confirmed` only where the text itself was read."""

    law: str
    article: str
    confirmed: bool
    jurisdiction: str = "cn"


class Parameter(Base, frozen=True):
    """A number or word that a court may set, with its unit and a name in both languages."""

    value: Scalar | tuple[str, ...]
    unit: Unit
    zh: str
    en: str


class Elapsed(Base, frozen=True, rename={"from_": "from"}):
    """The time from one time of the event's envelope to another."""

    from_: str
    to: str


class Condition(Base, frozen=True):
    """One comparison on an event. Exactly one of field, count and elapsed says what is compared."""

    field: str | None = None
    count: str | None = None
    elapsed: Elapsed | None = None
    is_: Scalar | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="is")
    is_not: Scalar | msgspec.UnsetType = msgspec.UNSET
    in_: tuple[Scalar, ...] | str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="in")
    not_in: tuple[Scalar, ...] | str | msgspec.UnsetType = msgspec.UNSET
    at_least: int | str | msgspec.UnsetType = msgspec.UNSET
    more_than: int | str | msgspec.UnsetType = msgspec.UNSET
    present: bool | msgspec.UnsetType = msgspec.UNSET


class Selector(Base, frozen=True):
    """Events of one type (or of any, `*`) for which all conditions hold."""

    event: str
    where: tuple[Condition, ...] = ()
    final: bool = False


class Limit(Base, frozen=True):
    """The period: one for all, or chosen by a field's value in the fact that starts or re-bases the clock."""

    period: str | None = None
    by: str | None = None
    table: dict[str, str] = {}


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


class Deadline(Base, frozen=True):
    """Something must follow within a period of law."""

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


class ForbiddenTransition(Base, frozen=True):
    """An act that is out of order before a state is reached."""

    act: tuple[Selector, ...]
    before: tuple[Selector, ...]


class Sequence(Base, frozen=True):
    """An act that needs an earlier one, in cases where the last of the `given` events before it satisfies its
    conditions.
    """

    act: tuple[Selector, ...]
    requires: tuple[Selector, ...]
    given: tuple[Selector, ...] = ()


class Threshold(Base, frozen=True):
    """Too many of something in one case."""

    count: tuple[Selector, ...]
    at_least: str | int
    except_types: tuple[str, ...] = ()


class Gap(Base, frozen=True):
    """Numbers of a source's own counter that never arrive, across all shards; or a source that falls silent."""

    heartbeat: str
    ignored_rejects: tuple[str, ...] = ()


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

    @property
    def major(self) -> str:
        """The part of the version that changes when the rule's meaning does."""
        return self.version.split(".", 1)[0]
