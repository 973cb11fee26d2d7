"""The sender: queues what was said for each target, and delivers it at least once, each target by itself.

One that fails or hangs is tried again, less and less often, and at last given up where everybody sees it; the others do
not notice.
"""

import asyncio
import json
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from balance_chain.core.times import format_ms
from balance_chain.runtime.db import BROKEN, connect, database_problems
from balance_chain.runtime.health import Health
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.service import Service, pause

from balance_judge_audit import metrics, repository_sending
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.loading import load_book
from balance_judge_audit.repository import Pool
from balance_judge_audit.repository_sending import Delivery
from balance_judge_audit.sending.payload import alertmanager_alert, delivery_id, retry_after, webhook_body
from balance_judge_audit.sending.routes import Plan, Target, load_plan
from balance_judge_audit.sending.signing import headers
from balance_judge_audit.settings import SenderSettings

QUEUE_BATCH: Final = 500
AT_ONCE: Final = 8
"""Deliveries to one target at the same time."""
REFRESH_BATCH: Final = 200
IDLE_SECONDS: Final = 1.0
LEASE: Final = timedelta(seconds=30)
GONE: Final = 410
"""The receiver wants no more of it."""
TOLD: Final = 200
AWAY: Final[tuple[type[Exception], ...]] = (*BROKEN, httpx.HTTPError)

_log: Final = get_logger("balance_judge_audit.sending")


async def run_sender(settings: SenderSettings, service: Service) -> None:
    """Sends until stopped."""
    plan, book = load_plan(settings.sending), load_book(settings)
    pool = await connect(settings, settings.audit_schema)
    service.health.add_check("database", lambda: database_problems(pool))
    try:
        async with asyncio.TaskGroup() as group:
            for target in plan.targets.values():
                courier = Courier(settings, plan, target, book, pool)
                group.create_task(_loop(courier.step, target.name, service.stop, service.health))
                if target.kind == "alertmanager":
                    group.create_task(_refreshing(courier, settings, service.stop))
            group.create_task(_counting(plan, pool, service.stop))
    finally:
        await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)


async def _loop(step: Any, name: str, stop: asyncio.Event, health: Health) -> None:
    while not stop.is_set():
        try:
            busy = await step()
        except BROKEN as error:
            _log.warning("database_away", target=name, error=repr(error))
            busy = False
        health.progress(name)
        if not busy:
            await pause(stop, IDLE_SECONDS)


async def _refreshing(courier: "Courier", settings: SenderSettings, stop: asyncio.Event) -> None:
    """Alertmanager forgets what is not said again."""
    while not stop.is_set():
        try:
            await courier.refresh()
        except AWAY as error:
            _log.warning("not_refreshed", target=courier.name, error=repr(error))
        await pause(stop, settings.sending_refresh_seconds)


async def _counting(plan: Plan, pool: Pool, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            found = await repository_sending.counts(pool)
            for name in plan.targets:
                waiting, dead = found.get(name, (0, 0))
                metrics.SENDING.labels(name, "waiting").set(waiting)
                metrics.SENDING.labels(name, "dead").set(dead)
        except BROKEN as error:
            _log.warning("database_away", error=repr(error))
        await pause(stop, 5 * IDLE_SECONDS)


class Courier:
    """Brings one target what is meant for it."""

    def __init__(self, settings: SenderSettings, plan: Plan, target: Target, book: RuleBook, pool: Pool) -> None:
        self._settings = settings
        self._plan = plan
        self._target = target
        self._book = book
        self._pool = pool
        self.name = target.name

    async def step(self) -> bool:
        """Queues what is new and delivers what is due; whether there may be more at once."""
        queued = await self._queue()
        due = await repository_sending.claim(self._pool, self.name, AT_ONCE, LEASE + self._limit)
        if due:
            async with self._client() as client:
                await asyncio.gather(*(self._deliver(client, each) for each in due))
        return queued or bool(due)

    async def refresh(self) -> None:
        """Says again what stands."""
        after = ""
        async with self._client() as client:
            while found := await repository_sending.open_alerts(self._pool, after, REFRESH_BATCH):
                after = found[-1][0]
                alerts = []
                for _, stored in found:
                    said = json.loads(stored.body)
                    if self._takes(said):
                        alerts.append(self._alert(said, stored.raised))
                if alerts:
                    (await client.post(self._target.url, json=alerts)).raise_for_status()

    async def _queue(self) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            after = await repository_sending.cursor(connection, self.name)
            found = await repository_sending.revisions(connection, after, QUEUE_BATCH)
            if not found:
                return False
            chosen = []
            for each in found:
                said = json.loads(each.body)
                if self._takes(said):
                    id_ = delivery_id(self.name, said["id"], said["revision"])
                    chosen.append((id_, said["id"], said["revision"]))
            await repository_sending.queue(connection, self.name, found[-1].number, chosen)
            return len(found) == QUEUE_BATCH

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        problem: str | None = None
        wait: float | None = None
        gone = False
        try:
            answer = await self._post(client, delivery)
            if not answer.is_success:
                problem = f"answered {answer.status_code}: {answer.text[:TOLD]}"
                gone = answer.status_code == GONE
                wait = _asked(answer)
        except httpx.HTTPError as error:
            problem = f"{type(error).__name__}: {error}"[:TOLD]
        if problem is None:
            await repository_sending.delivered(self._pool, delivery.id)
            metrics.DELIVERIES.labels(self.name, "delivered").inc()
            return
        attempts = delivery.attempts + 1
        given_up = gone or attempts >= self._settings.sending_attempts
        most = self._settings.sending_wait_seconds
        backoff = retry_after(attempts, self._settings.sending_retry_seconds, most, random.random())  # noqa: S311
        asked = timedelta(seconds=min(wait or 0.0, most))
        await repository_sending.failed(self._pool, delivery.id, problem, None if given_up else max(backoff, asked))
        metrics.DELIVERIES.labels(self.name, "dead" if given_up else "failed").inc()
        _log.warning("not_delivered", target=self.name, delivery=delivery.id, attempts=attempts, problem=problem)

    async def _post(self, client: httpx.AsyncClient, delivery: Delivery) -> httpx.Response:
        said = json.loads(delivery.body)
        if self._target.signer is None:
            return await client.post(self._target.url, json=[self._alert(said, delivery.raised)])
        body = webhook_body(said, self._book.rules.get(said["rule"]), self._settings.sending_link)
        signed = headers(self._target.signer, delivery.id, int(time.time()), body)
        return await client.post(self._target.url, content=body, headers={"content-type": "application/json", **signed})

    def _alert(self, said: dict[str, Any], raised: int) -> dict[str, Any]:
        now = datetime.now(UTC)
        # Three missed refreshes and it is over; what is cured is over at once.
        stands = timedelta(seconds=3 * self._settings.sending_refresh_seconds)
        ends = now + stands if said["state"] == "open" else now
        rule = self._book.rules.get(said["rule"])
        return alertmanager_alert(said, rule, self._settings.sending_link, format_ms(raised), ends)

    def _takes(self, said: dict[str, Any]) -> bool:
        return self._plan.goes_to(self.name, said["severity"], said.get("courtcode"), said["rule"], said["state"])

    @property
    def _limit(self) -> timedelta:
        return timedelta(seconds=self._settings.sending_timeout_seconds)

    def _client(self) -> httpx.AsyncClient:
        # No redirects: what is signed for one receiver goes to no other.
        limit = self._settings.sending_timeout_seconds
        return httpx.AsyncClient(timeout=limit, trust_env=False, follow_redirects=False)


def _asked(answer: httpx.Response) -> float | None:
    """The wait that a receiver asks for, where it gives seconds."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
