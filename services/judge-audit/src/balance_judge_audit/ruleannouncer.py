"""Seals a changed rule book: when the worker has started with another one than the last sealed, it says so, once.

It waits until everything that the log had at the start is applied, so that it knows the last sealed book, and compares
one time. Two workers with different books therefore never answer each other for ever. What two workers both announce,
or one again after a restart, the gateway has already: it takes the first.
"""

import time
from collections.abc import Mapping

import msgspec
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.kafka import topic_ends

from balance_judge_audit import repository_numbers, repository_rules
from balance_judge_audit.repository import Pool
from balance_judge_audit.repository_numbers import Draft
from balance_judge_audit.rulechanges import Version, announcements, event_of
from balance_judge_audit.settings import WorkerSettings


class RuleAnnouncer:
    """Announces one book: queues its changes, which leave with the alerts."""

    def __init__(self, settings: WorkerSettings, pool: Pool, book: Mapping[str, Version]) -> None:
        self._settings = settings
        self._pool = pool
        self._book = book
        self._started: Mapping[int, int] | None = None
        self._done = False

    async def step(self) -> int:
        """Queues all announcements when it is time; says how many are new."""
        if self._done or self._settings.token() is None:
            return 0
        if self._started is None:
            self._started = await topic_ends(self._settings, EVENTS, self._settings.partitions)
        at = await repository_rules.positions(self._pool)
        if any(at.get(shard, 0) < end for shard, end in self._started.items()):
            return 0
        source, now = self._settings.audit_source, int(time.time() * 1000)
        left = announcements(self._book, await repository_rules.standing(self._pool, source))
        drafts = [Draft(each.id, "rule", msgspec.json.encode(event_of(each, source, now))) for each in left]
        async with self._pool.acquire() as connection, connection.transaction():
            await repository_numbers.enter(connection)
            queued = await repository_numbers.queue(connection, drafts)
        self._done = True
        return queued
