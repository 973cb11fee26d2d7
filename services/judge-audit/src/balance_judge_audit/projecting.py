"""What else is kept of the stream, beside alerts: written once a batch in the transaction that moves the position, and
made again by a rebuild.
"""

import hashlib
from collections.abc import Iterable

from balance_judge_audit import repository_rules
from balance_judge_audit.engine.shard import Incoming
from balance_judge_audit.repository import Connection
from balance_judge_audit.rulechanges import RULE_CHANGED, Change


async def project(connection: Connection, shard: int, batch: Iterable[Incoming]) -> None:
    """Keeps what the batch says. What was said twice by mistake is kept once."""
    found = (_change(shard, each) for each in batch if each.event.type == RULE_CHANGED)
    if changes := [each for each in found if each is not None]:
        await repository_rules.note_changes(connection, changes)


def _change(shard: int, incoming: Incoming) -> Change | None:
    event = incoming.event
    words = [event.data.get(name) for name in ("rule", "to", "from", "digest")]
    if not all(isinstance(each, str) and "\0" not in each for each in words[:2]) or "\0" in str(words[2:]):
        return None  # no gateway lets it through, and PostgreSQL could not keep it
    return Change(
        source=event.source,
        id=event.id,
        rule=event.data["rule"],
        before=event.data.get("from"),
        after=event.data["to"],
        digest=event.data.get("digest"),
        happened=event.time_ms,
        received=event.received_ms,
        shard=shard,
        offset=incoming.offset,
        leaf=hashlib.sha256(b"\x00" + incoming.value).hexdigest(),
    )
