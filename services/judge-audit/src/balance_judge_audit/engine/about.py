"""Whom an alert is about: those of the court whose conduct it rests on, as the register knows them by an id.

They are heard before anybody settles it, and settle nothing themselves. Names alone are nobody: two people may share
one. Parties, lawyers and agencies may stand in an alert, but it is about the court.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from balance_chain.core.events import CanonicalEvent
from balance_chain.core.privacy import REGISTRY_PREFIX

from balance_judge_audit.engine.alerts import Trigger

COURT_ROLES: Final = frozenset({"judge", "clerk", "officer", "approver", "member", "signer"})
CONDUCT: Final = frozenset({"act", "count", "end"})
"""Roles of a trigger in which it is what somebody did, not what went before."""
RESPONSIBLE: Final = frozenset({None, "responsible", "sole"})
_PERSON: Final = re.compile(rf"{REGISTRY_PREFIX}[0-9a-f]{{32}}")


def court_actor(event: CanonicalEvent) -> str | None:
    """Who of the court acted first in this event."""
    ref = event.actorref
    return ref if event.actorrole in COURT_ROLES and ref is not None and ref.startswith(REGISTRY_PREFIX) else None


def new_judge(event: CanonicalEvent) -> str | None:
    """Who is responsible for the case from this assignment on."""
    ref = event.data.get("judge")
    known = isinstance(ref, str) and ref.startswith(REGISTRY_PREFIX)
    return ref if known and event.data.get("role") in RESPONSIBLE else None


def about(subject: str, start: str, triggers: Iterable[Trigger], judges: Sequence[str]) -> frozenset[str]:
    """Whom a revision is about; `judges` were responsible for the case until then, the last one last."""
    named = _PERSON.findall(f"{subject} {start}")
    if named:  # a rule across cases, whose episode is a person's
        return frozenset(named)
    acted = {each.actor for each in triggers if each.actor and each.role.rpartition(".")[2] in CONDUCT}
    return frozenset(acted | set(judges[-1:]))
