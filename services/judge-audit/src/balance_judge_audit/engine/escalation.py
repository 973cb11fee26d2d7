"""An alert that was left untouched becomes an alert of its own, to the next level, and is cured when somebody acts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from balance_chain.core.times import format_ms

from balance_judge_audit.engine.alerts import Revision, State, Trigger, alert_id
from balance_judge_audit.engine.life import Escalation, Life

RULE: Final = "ESCALATION"
"""Stands where other alerts name a rule of the book."""
LEVELS: Final = ("monitor", "supervisor", "presiding")
NOTHING, TOLD, ANSWERED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Head:
    """What does not change of an alert."""

    id: str
    rule: str
    severity: str
    subject: str
    start: str
    courtcode: str | None
    shard: int
    triggers: tuple[Trigger, ...]


def wake(life: Life, said: Sequence[int]) -> int | None:
    """The ledger time from which there is more to say, if nothing else happens."""
    dues = [due for number, each in enumerate(life.escalations) for due in _left(each, _of(said, number))]
    return min([*dues, *([life.due] if life.due is not None else [])], default=None)


def tell(
    head: Head, life: Life, said: Sequence[int], before: int, version: str
) -> tuple[list[Revision], tuple[int, ...]]:
    """What is to be said of escalations before a ledger time, and what has been said of each after that."""
    revisions: list[Revision] = []
    told = [_of(said, number) for number in range(len(life.escalations))]
    for number, each in enumerate(life.escalations):
        if told[number] == NOTHING and each.due < before:
            told[number] = TOLD
            revisions.append(_revision(head, number, each, "open", each.due, version))
        if told[number] == TOLD and each.answered is not None and each.answered < before:
            told[number] = ANSWERED
            revisions.append(_revision(head, number, each, "cured", each.answered, version))
    return revisions, tuple(told)


def _left(each: Escalation, said: int) -> list[int]:
    if said == NOTHING:
        return [each.due]
    return [each.answered] if said == TOLD and each.answered is not None else []


def _of(said: Sequence[int], number: int) -> int:
    return said[number] if number < len(said) else NOTHING


def _revision(head: Head, number: int, each: Escalation, state: State, now: int, version: str) -> Revision:
    start = f"{head.id} {number + 1}"
    return Revision(
        id=alert_id(RULE, version.partition(".")[0], head.subject, start),
        revision=1 if state == "open" else 2,
        rule=RULE,
        version=version,
        severity=head.severity,
        state=state,
        private=False,
        subject=head.subject,
        start=start,
        courtcode=head.courtcode,
        shard=head.shard,
        judged=format_ms(now),
        triggers=head.triggers,
        numbers={
            "alert": head.id,
            "of_rule": head.rule,
            "level": LEVELS[each.level],
            "untouched_until": format_ms(each.due),
        },
    )
