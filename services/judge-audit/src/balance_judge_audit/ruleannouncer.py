"""Seals a changed rule book: when the worker has started with another one than the last sealed, it says so, once.

It waits until everything that the log had at the start is applied, so that it knows the last sealed book, and compares
one time. Two workers with different books therefore never answer each other for ever.
"""

import time
from collections.abc import Mapping
from typing import Final

import httpx
import msgspec
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.kafka import topic_ends
from balance_chain.runtime.logs import get_logger

from balance_judge_audit import repository, repository_rules
from balance_judge_audit.repository import Pool
from balance_judge_audit.rulechanges import Announcement, Version, announcements, event_of
from balance_judge_audit.settings import WorkerSettings

MEDIA_TYPE: Final = "application/cloudevents+json"
REFUSED: Final = frozenset({400, 409, 413, 422})
"""Answers that will not change: 409 says that the event is there already."""

_log: Final = get_logger("balance_judge_audit.rules")


class RuleAnnouncer:
    """Announces one book."""

    def __init__(self, settings: WorkerSettings, pool: Pool, book: Mapping[str, Version]) -> None:
        self._settings = settings
        self._pool = pool
        self._book = book
        self._started: Mapping[int, int] | None = None
        self._left: list[Announcement] | None = None
        self._client = httpx.AsyncClient(timeout=settings.gateway_timeout_seconds, trust_env=False)

    async def step(self) -> int:
        """Sends one announcement; says how many were settled."""
        token = self._settings.token()
        if token is None or self._left == []:
            return 0
        if self._left is None:
            if self._started is None:
                self._started = await topic_ends(self._settings, EVENTS, self._settings.partitions)
            at = await repository_rules.positions(self._pool)
            if any(at.get(shard, 0) < end for shard, end in self._started.items()):
                return 0
            self._left = announcements(
                self._book, await repository_rules.standing(self._pool, self._settings.audit_source)
            )
            return 0
        return await self._send(self._left, token)

    async def _send(self, left: list[Announcement], token: str) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            await repository.bound(connection, 2 * self._settings.gateway_timeout_seconds)
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", repository.GATEWAY_LOCK):
                return 0
            number = await repository.own_sequence(connection)
            event = event_of(left[0], self._settings.audit_source, number, int(time.time() * 1000))
            answer = await self._client.post(
                self._settings.gateway_url.rstrip("/") + "/v1/events",
                content=msgspec.json.encode(event),
                headers={"content-type": MEDIA_TYPE, "authorization": f"Bearer {token}"},
            )
            if answer.is_success:
                await repository.use_sequence(connection, number)
            elif answer.status_code not in REFUSED:
                answer.raise_for_status()
            elif answer.status_code != httpx.codes.CONFLICT:
                _log.error(
                    "rule_change_refused", rule=left[0].rule, status=answer.status_code, answer=answer.text[:500]
                )
        left.pop(0)
        return 1

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.aclose()
