"""What a shard's step passes on besides its judgements: acts on alerts, who became responsible for a case, roles."""

from dataclasses import dataclass
from typing import Any, Final

from balance_chain.core.events import TYPE_REJECTED, CanonicalEvent

from balance_judge_audit.engine.about import new_judge

ACTED: Final = "alert.acted"
CLOSED: Final = "alert.closed"
ROLE: Final = "role.changed"
ASSIGNED: Final = frozenset({"judge.assigned", "judge.reassigned"})
NOTED: Final = frozenset({ACTED, CLOSED, ROLE, TYPE_REJECTED}) | ASSIGNED


@dataclass(frozen=True, slots=True)
class Noted:
    """One such event with its place in the log; `time` is ledger time."""

    time: int
    shard: int
    offset: int
    leaf: str
    type: str
    source: str
    id: str
    caseid: str | None
    content: dict[str, Any]
    """What is kept of it: the data of an act, the judge, the person, or why it was refused."""


def note(event: CanonicalEvent, time: int, shard: int, offset: int, leaf: str) -> Noted | None:
    """What is to be passed on of an event of one of these types."""
    source, id_, content = event.source, event.id, event.data
    if event.type in ASSIGNED:
        judge = new_judge(event)
        if judge is None:
            return None
        content = {"judge": judge}
    elif event.type == TYPE_REJECTED:
        named = (content.get("source"), content.get("id"))
        if not (isinstance(named[0], str) and isinstance(named[1], str)):
            return None
        source, id_ = named[0], named[1]
        content = {"reason": content.get("reason")}
    elif event.type == ROLE:
        content = {"person": content.get("person")}
    else:
        content = {**content, "actor": event.actorref, "at": event.time}
    return Noted(time, shard, offset, leaf, event.type, source, id_, event.caseid, content)
