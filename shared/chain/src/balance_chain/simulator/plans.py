"""Which kinds of cases there are: honest ones, and for each rule breaches and near-misses, in a fixed round.

A plan says only what is special; the story tells the rest of the case honestly. Margins keep a label true under any
calendar: a breach lies at least 20 days past its last day, so no holiday can excuse it.
"""

from dataclasses import dataclass
from typing import Final, Literal

Procedure = Literal[
    "ordinary",
    "simplified",
    "small_claims",
    "appeal",
    "retrial_review",
    "retrial",
    "administrative",
    "administrative_simplified",
    "administrative_appeal",
    "criminal",
    "criminal_simplified",
    "criminal_appeal",
    "enforcement",
]
ON_APPEAL: Final = frozenset({"appeal", "administrative_appeal", "criminal_appeal"})
_INSTANCES: Final = {"retrial_review": "retrial", "retrial": "retrial", "enforcement": "enforcement"}


def instance_of(procedure: str) -> str:
    """The instance at which a procedure is heard."""
    return "second" if procedure in ON_APPEAL else _INSTANCES.get(procedure, "first")


@dataclass(frozen=True, slots=True)
class Planted:
    """What a plan plants."""

    rule: str
    kind: Literal["positive", "near_miss"]
    note: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is special about a case."""

    procedure: Procedure
    collegial: bool = False
    filing: Literal["prompt", "last_day", "late", "materials"] = "prompt"
    limit: Literal["within", "last_days", "over", "extended", "extended_over", "suspended", "converted"] = "within"
    early: Literal["none", "trial", "mediation", "never_accepted"] = "none"
    deliberated: bool = True
    reassigned: tuple[str, ...] = ()
    recorded: Literal["prompt", "nearly_late", "late"] = "prompt"
    ending: Literal["judgment", "mediation", "withdrawal"] = "judgment"
    appealed: bool = False
    enforced: bool = False
    appraised: bool = False
    planted: tuple[Planted, ...] = ()


def _plant(rule: str, kind: Literal["positive", "near_miss"], note: str) -> tuple[Planted, ...]:
    return (Planted(rule, kind, note),)


ROUND: Final = (
    Plan("simplified", enforced=True),
    Plan("simplified", filing="late", planted=_plant("R01", "positive", "accepted weeks after the seven days")),
    Plan("ordinary", collegial=True, appealed=True),
    Plan("simplified", filing="last_day", planted=_plant("R01", "near_miss", "accepted on the seventh day")),
    Plan("small_claims"),
    Plan("simplified", limit="over", planted=_plant("R05", "positive", "simplified, weeks over three months")),
    Plan("simplified", ending="mediation"),
    Plan(
        "ordinary",
        collegial=True,
        limit="extended",
        planted=_plant("R05", "near_miss", "over six months, within the extension"),
    ),
    Plan(
        "ordinary",
        collegial=True,
        appraised=True,
        planted=_plant("R09", "near_miss", "deliberated within five working days"),
    ),
    Plan("simplified", early="trial", planted=_plant("R14", "positive", "trial before acceptance")),
    Plan(
        "simplified", early="mediation", planted=_plant("R14", "near_miss", "mediation before acceptance is no trial")
    ),
    Plan(
        "ordinary",
        collegial=True,
        deliberated=False,
        planted=(
            *_plant("R18", "positive", "a panel's judgment signed without deliberation"),
            *_plant("R09", "positive", "and so not deliberated within five working days"),
        ),
    ),
    Plan("ordinary", deliberated=False, planted=_plant("R18", "near_miss", "a sole judge need not deliberate")),
    Plan(
        "simplified",
        reassigned=("workload", "other"),
        planted=_plant("R20", "positive", "two changes of judge without an excuse"),
    ),
    Plan(
        "ordinary",
        collegial=True,
        reassigned=("leave", "workload"),
        planted=_plant("R20", "near_miss", "two changes, one for leave"),
    ),
    Plan(
        "simplified", recorded="late", planted=_plant("R36", "positive", "a transcript entered four days late or more")
    ),
    Plan("simplified", recorded="nearly_late", planted=_plant("R36", "near_miss", "entered within three days")),
    Plan("small_claims", filing="materials", planted=_plant("R01", "near_miss", "materials asked for and supplied")),
    Plan(
        "ordinary",
        collegial=True,
        appraised=True,
        limit="suspended",
        planted=_plant("R05", "near_miss", "over six months, days of the appraisal excluded"),
    ),
    Plan("simplified", limit="converted", planted=_plant("R05", "near_miss", "converted to the ordinary procedure")),
    Plan("appeal", collegial=True, limit="over", planted=_plant("R05", "positive", "appeal, weeks over three months")),
    Plan("appeal", collegial=True),
    Plan(
        "ordinary",
        collegial=True,
        limit="extended_over",
        planted=_plant("R05", "positive", "weeks over the extension"),
    ),
    Plan("small_claims", limit="last_days", planted=_plant("R05", "near_miss", "days before two months are over")),
    Plan("small_claims", limit="over", planted=_plant("R05", "positive", "small claims, weeks over two months")),
    Plan("simplified", ending="withdrawal"),
    Plan(
        "simplified",
        early="never_accepted",
        planted=_plant("R14", "positive", "trial in a case that was never accepted"),
    ),
    Plan(
        "simplified",
        reassigned=("retirement", "leave", "other"),
        planted=_plant("R20", "near_miss", "three changes, two of them excused"),
    ),
    Plan("simplified", enforced=True),
    Plan("ordinary", collegial=True, enforced=True),
)
"""Case number i of a run follows plan i modulo the length: so a longer run only adds cases."""
