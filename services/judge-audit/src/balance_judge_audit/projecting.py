"""What else is kept of the stream, beside alerts: written once a batch in the transaction that moves the position, and
made again by a rebuild.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from balance_judge_audit import repository_flow, repository_rules
from balance_judge_audit.engine.shard import Incoming
from balance_judge_audit.flow import CaseFlow, Flow, Span
from balance_judge_audit.repository import Connection
from balance_judge_audit.rulechanges import RULE_CHANGED, Change


class Projections:
    """Where cases wait, and how the rule book changed. What is kept in memory is true as long as nobody else moves the
    shards; `forget` when somebody did, or a transaction failed.
    """

    def __init__(self, flow: Flow, cached_cases: int) -> None:
        self._flow = flow
        self._cached = cached_cases
        self._cases: OrderedDict[str, CaseFlow] = OrderedDict()

    async def take(self, connection: Connection, batches: Sequence[tuple[int, Sequence[Incoming]]]) -> None:
        """Keeps what the records of shards say that count."""
        said = [(shard, each) for shard, batch in batches for each in batch if each.event.type == RULE_CHANGED]
        changes = [change for shard, each in said if (change := _change(shard, each)) is not None]
        if changes:
            await repository_rules.note_changes(connection, changes)
        await self._take_flow(connection, [each for _, batch in batches for each in batch])

    def forget(self) -> None:
        """Drops what is in memory."""
        self._cases.clear()

    async def _take_flow(self, connection: Connection, batch: Sequence[Incoming]) -> None:
        types = self._flow.types
        events = [
            (each.event.caseid, each.event)
            for each in batch
            if each.event.type in types and each.event.caseid is not None
        ]
        touched = {caseid for caseid, _ in events}
        if not touched:
            return
        if unknown := sorted(touched - self._cases.keys()):
            self._cases.update(await repository_flow.load(connection, unknown))
        changed: dict[tuple[str, str, int], Span] = {}
        for caseid, event in events:
            state = self._cases.get(caseid)
            if state is None:
                state = self._cases[caseid] = CaseFlow()
            self._flow.apply(state, event, changed)
        await repository_flow.save(connection, {name: self._cases[name] for name in touched}, changed.values())
        for name in touched:
            self._cases.move_to_end(name)
        while len(self._cases) > self._cached:
            self._cases.popitem(last=False)


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
