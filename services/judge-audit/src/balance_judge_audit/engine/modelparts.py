"""The small parts of which every section of a rule is made: parameters, conditions, selectors of events."""

from typing import Literal

import msgspec

Unit = Literal[
    "days",
    "working_days",
    "months",
    "hours",
    "count",
    "per_mille",
    "per_million",
    "hundredths",
    "choice",
    "choices",
    "field",
]
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
    """The time from one time of the event to another: of its envelope, or a field of its data."""

    from_: str
    to: str


class Hours(Base, frozen=True, rename={"from_": "from"}):
    """Hours of the court's day, the last one excluded; over midnight where the first is the greater."""

    from_: str
    to: str


class Condition(Base, frozen=True):
    """One comparison on an event. Exactly one of field, count, elapsed and hours says what is compared."""

    field: str | None = None
    count: str | None = None
    elapsed: Elapsed | None = None
    hours: Hours | None = None
    same_as: str | msgspec.UnsetType = msgspec.UNSET
    differs_from: str | msgspec.UnsetType = msgspec.UNSET
    less_than: int | str | msgspec.UnsetType = msgspec.UNSET
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


Key = str | dict[str, str]
"""Which field of a fact must agree between the roles of a clause: one for all, or one a role."""


class TeamSource(Base, frozen=True, kw_only=True):
    """Events whose fields name people."""

    event: str
    fields: tuple[str, ...]
    where: tuple[Condition, ...] = ()
    without: tuple[str, ...] = ()
