"""Sends what our own source has to say through the gateway, many events in a request: alerts, acts of people, changes
of rules.

At least once, each under the number that was kept for it before it was first sent: a repeat is the same bytes, which
the gateway tells by (source, id). See docs/decisions/0018-numbers-kept.md.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec
from balance_chain.core import canonical
from balance_chain.runtime.db import session
from balance_chain.runtime.killpoints import hit
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.telemetry import TRACEPARENT

from balance_judge_audit import metrics, repository, repository_life, repository_numbers
from balance_judge_audit.chainsubject import chain_subject
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.errors import GatewayUnclear, NotTaken
from balance_judge_audit.numbering import Verdict, verdict_of, weighed
from balance_judge_audit.repository import Connection, Outgoing, Pool
from balance_judge_audit.repository_life import Waiting
from balance_judge_audit.repository_numbers import Answered, Draft, Numbered
from balance_judge_audit.settings import WorkerSettings

BATCH: Final = 300
"""Alerts in one request, at most; and acts of people beside them."""
PACE_SECONDS: Final = 0.25
"""After a request that was not full the next follows no sooner, so that what is said meanwhile goes together."""
SEVERITIES: Final = {"L": "low", "M": "medium", "H": "high", "C": "critical"}
MEDIA_TYPE: Final = "application/x-ndjson"
ANSWER_CHARACTERS: Final = 2000

_log: Final = get_logger("balance_judge_audit.gateway")
_revision: Final = msgspec.json.Decoder(Revision)


class _Result(msgspec.Struct):
    """One event's part of the gateway's answer."""

    status: int
    receipt: msgspec.Raw = msgspec.Raw(b"")
    problem: msgspec.Raw = msgspec.Raw(b"")


class _Receipt(msgspec.Struct):
    digest: str


class _Found(msgspec.Struct):
    """What the gateway has under an id; no receipt where the event was reserved and not promised."""

    receipt: _Receipt | None


_receipt: Final = msgspec.json.Decoder(_Found)
_results: Final = msgspec.json.Decoder(list[_Result])


class GatewaySender:
    """The one sender of our source, whatever number of workers there is."""

    def __init__(self, settings: WorkerSettings, pool: Pool, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        self._pool = pool
        self._base = settings.gateway_url.rstrip("/")
        self._client = httpx.AsyncClient(timeout=settings.gateway_timeout_seconds, trust_env=False, transport=transport)

    async def step(self) -> int:
        """Sends what waits, so much as fits; says how many events were settled. NotTaken where none was."""
        token = self._settings.token()
        if token is None or not await repository_numbers.waiting(self._pool):
            return 0
        async with session(self._pool, self._settings.database_timeout_seconds) as connection:
            if not await repository_numbers.sole_sender(connection, 2 * self._settings.gateway_timeout_seconds):
                return 0
            async with connection.transaction():
                await repository_numbers.enter(connection)
                await self._queue(connection)
                events = await repository_numbers.number(connection)
            hit("audit-after-numbering")
            settled = 0
            # A request has one parent span: those that were judged together go together.
            for traceparent, run in groupby(events, key=lambda event: event.traceparent):
                settled += await self._send(connection, list(run), token, traceparent)
        if events and not settled:
            raise NotTaken("events", "were all refused as things stand", "see the source's entry in the register")
        return settled

    async def _queue(self, connection: Connection) -> None:
        """Takes acts and revisions that are not on their way yet."""
        acts = await repository_life.waiting_actions(
            connection, await repository_numbers.room(connection, "act", BATCH)
        )
        alerts = await repository.not_queued(connection, await repository_numbers.room(connection, "alert", BATCH))
        drafts = [*map(_act, acts), *(_alert(item, self._settings.audit_source) for item in alerts)]
        await repository_numbers.queue(connection, drafts)

    async def _send(
        self, connection: Connection, events: Sequence[Numbered], token: str, traceparent: str | None
    ) -> int:
        """Sends these in one request, or in halves where the gateway takes fewer; each answer is settled at once."""
        answer = await self._post(events, token, traceparent)
        if answer.is_success:
            results = _each(answer, len(events))
            answers = [_answered(event, result) for event, result in zip(events, results, strict=True)]
        elif verdict_of(answer.status_code) is not Verdict.REFUSED:
            answer.raise_for_status()
            raise GatewayUnclear("answer", f"has status {answer.status_code}", "see what is at gateway_url")
        elif len(events) > 1:
            half = len(events) // 2
            first = await self._send(connection, events[:half], token, traceparent)
            return first + await self._send(connection, events[half:], token, traceparent)
        else:
            text = answer.text[:ANSWER_CHARACTERS]
            answers = [Answered(events[0], Verdict.REFUSED, answer.status_code, text)]
        answers = [await self._weigh(each, token) for each in answers]
        await self._settle(connection, answers)
        return sum(each.verdict.settles for each in answers)

    async def _weigh(self, answered: Answered, token: str) -> Answered:
        """Makes sure that a number is free before it is given to another event."""
        if answered.event.first or answered.verdict not in (Verdict.REFUSED, Verdict.NOT_YET):
            return answered
        async with asyncio.timeout(self._settings.gateway_timeout_seconds):
            found = await self._client.get(
                f"{self._base}/v1/receipts/{quote(self._settings.audit_source, safe='')}/{answered.event.id}",
                headers={"authorization": f"Bearer {token}"},
            )
        if found.status_code != httpx.codes.NOT_FOUND:
            found.raise_for_status()
        if not found.is_success or not _may_be(answered.event, found):
            return answered
        return replace(answered, verdict=weighed(answered.verdict), text="")

    async def _post(self, events: Sequence[Numbered], token: str, traceparent: str | None) -> httpx.Response:
        async with asyncio.timeout(self._settings.gateway_timeout_seconds):
            return await self._client.post(
                f"{self._base}/v1/events",
                content=b"\n".join(map(line, events)),
                headers={
                    "content-type": MEDIA_TYPE,
                    "authorization": f"Bearer {token}",
                    **({TRACEPARENT: traceparent} if traceparent else {}),
                },
            )

    async def _settle(self, connection: Connection, answers: Sequence[Answered]) -> None:
        hit("audit-after-answer")
        for each in answers:
            if each.verdict is Verdict.REFUSED:
                metrics.REFUSED.inc()
                _log.error("refused_by_gateway", id=each.event.id, status=each.status, answer=each.text)
            elif each.verdict is Verdict.NOT_YET:
                _log.warning("not_taken_yet", id=each.event.id, status=each.status, answer=each.text)
        async with connection.transaction():
            await repository_numbers.enter(connection)
            await repository_numbers.settle(connection, answers)
            for each in answers:
                if each.event.kind == "act" and each.verdict.settles:
                    await repository_life.settle_action(connection, *_of_act(each))

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.aclose()


def pace(settled: int) -> float:
    """How long to wait after a step that has settled so many, in seconds."""
    return 0.0 if settled >= BATCH else PACE_SECONDS


def line(event: Numbered) -> bytes:
    """An event as it is sent: the same bytes each time."""
    return event.event[:-1] + b',"sequence":"%d"}' % event.sequence


def _may_be(event: Numbered, found: httpx.Response) -> bool:
    """Whether what the gateway has under this id may be what we have sent: by the digest, if there is a receipt."""
    try:
        receipt = _receipt.decode(found.content).receipt
    except msgspec.MsgspecError as error:
        raise GatewayUnclear("answer", f"is not a receipt: {error}", "see what is at gateway_url") from None
    sent = canonical.encode(msgspec.json.decode(line(event)))
    return receipt is None or receipt.digest == hashlib.sha256(sent).hexdigest()


def _each(answer: httpx.Response, count: int) -> list[_Result]:
    try:
        results = _results.decode(answer.content)
    except msgspec.MsgspecError as error:
        raise GatewayUnclear("answer", f"is not a list of results: {error}", "see what is at gateway_url") from None
    if len(results) != count:
        raise GatewayUnclear("answer", f"has {len(results)} results for {count} events", "see what is at gateway_url")
    return results


def _answered(event: Numbered, result: _Result) -> Answered:
    verdict = verdict_of(result.status)
    if verdict is Verdict.ACCEPTED:
        return Answered(event, verdict, result.status, bytes(result.receipt).decode())
    return Answered(event, verdict, result.status, bytes(result.problem).decode()[:ANSWER_CHARACTERS])


def _of_act(answered: Answered) -> tuple[str, str, str | None]:
    """The act's event, its new state, and what is kept with it: the receipt, or why it was refused."""
    state = "refused" if answered.verdict is Verdict.REFUSED else "sent"
    return answered.event.id, state, None if answered.verdict is Verdict.KNOWN else answered.text or None


def _act(action: Waiting) -> Draft:
    return Draft(action.event_id, "act", msgspec.json.encode(action.event))


def _alert(item: Outgoing, source: str) -> Draft:
    event = raised(item, source)
    return Draft(event["id"], "alert", msgspec.json.encode(event), item.number, item.traceparent)


def raised(item: Outgoing, source: str) -> dict[str, Any]:
    """The event that says that an alert was raised or revised, without its number."""
    revision = _revision.decode(item.value)
    data: dict[str, Any] = {
        "alert_id": revision.id,
        "rule": revision.rule,
        "rule_version": revision.version,
        "severity": SEVERITIES[revision.severity],
        "subject": revision.subject,
        "revision": revision.revision,
        "state": revision.state,
        "at": revision.judged,
        "digest": hashlib.sha256(item.value).hexdigest(),
        "trigger": [trigger.leaf for trigger in revision.triggers],
    }
    return {
        "specversion": "1.0",
        "id": f"{revision.id}.{revision.revision}",
        "source": source,
        "type": "alert.raised",
        "subject": chain_subject(revision.subject, source),
        "time": revision.judged,
        "recordedtime": revision.judged,
        "data": data,
    }
