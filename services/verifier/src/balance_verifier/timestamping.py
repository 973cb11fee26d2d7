"""Has checkpoints stamped by an RFC 3161 authority, now and then: they existed no later than a stranger says.

Promise: an authority that is away, refuses or answers something else stops nothing: it is a notice, a metric and
another try. What is kept stamps the checkpoint's text and, where certificates are given, is signed by one of them.
"""

from __future__ import annotations

import asyncio
from typing import Final

import httpx
from balance_chain.core.errors import BalanceError
from balance_chain.runtime.health import Health
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.service import pause
from balance_verify.errors import MalformedError
from balance_verify.note import SignedNote
from balance_verify.timestamp import check_authorities, check_timestamp, query_for, time_of
from balance_verify.verify import MATCHES

from balance_verifier import metrics
from balance_verifier.repository_timestamps import Stamped, TimestampsRepository
from balance_verifier.settings import WorkerSettings

log = get_logger(__name__)

PART: Final = "timestamps"
MAX_ANSWER_BYTES: Final = 1_000_000
RETRY_FIRST_SECONDS: Final = 5.0
RETRY_LAST_SECONDS: Final = 300.0


class AuthorityFailed(BalanceError):
    """The authority gave no timestamp that can be kept."""


async def keep_stamping(
    settings: WorkerSettings, repository: TimestampsRepository, health: Health, stop: asyncio.Event
) -> None:
    """Ask for a timestamp whenever one is due, until `stop`; without an authority there is nothing to do."""
    address = settings.timestamp_authority
    if address is None:
        return
    certificates = settings.timestamp_certificates.read_bytes() if settings.timestamp_certificates else None
    check_authorities(certificates or b"") if certificates else None
    delay = RETRY_FIRST_SECONDS
    while not stop.is_set():
        wait = settings.timestamp_look_seconds
        due = await repository.due(settings.timestamp_seconds)
        if due is not None:
            try:
                await repository.keep(await _stamp(settings, address, certificates, *due))
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, BalanceError) as error:
                reason = f"{type(error).__name__}: {error}".rstrip(": ")
                metrics.TIMESTAMP_FAILURES.inc()
                health.notice(PART, f"no timestamp of size {due[0]}: {reason}")
                log.warning("timestamp_failed", size=due[0], error=reason)
                wait, delay = delay, min(delay * 2, RETRY_LAST_SECONDS)
            else:
                metrics.TIMESTAMPS.inc()
                metrics.TIMESTAMPED_SIZE.set(due[0])
                health.notice(PART, None)
                log.info("timestamped", size=due[0])
                delay = RETRY_FIRST_SECONDS
        health.progress(PART)
        health.problem(PART, None)
        await pause(stop, wait)


async def _stamp(settings: WorkerSettings, address: str, certificates: bytes | None, size: int, note: str) -> Stamped:
    text = SignedNote.parse(note.encode()).text
    query = query_for(text)
    answer = await _ask(settings, address, query.der)
    try:
        time = time_of(query, answer)
    except MalformedError as error:
        raise AuthorityFailed(address, error.problem, error.remedy) from None
    if certificates is not None:
        step = check_timestamp(text, answer, certificates)
        if step.result != MATCHES:
            raise AuthorityFailed(address, f"{step.result}: {step.got}", "see timestamp_certificates")
    return Stamped(size, time, note, answer)


async def _ask(settings: WorkerSettings, address: str, query: bytes) -> bytes:
    limit = settings.timestamp_timeout_seconds
    async with (
        asyncio.timeout(limit),
        httpx.AsyncClient(timeout=limit, trust_env=False, proxy=settings.timestamp_proxy) as client,
        client.stream(
            "POST", address, content=query, headers={"Content-Type": "application/timestamp-query"}
        ) as response,
    ):
        if response.status_code != 200:
            raise AuthorityFailed(address, f"answered {response.status_code}", "ask its operator")
        answer = bytearray()
        async for chunk in response.aiter_bytes():
            answer += chunk
            if len(answer) > MAX_ANSWER_BYTES:
                raise AuthorityFailed(address, f"answers more than {MAX_ANSWER_BYTES} bytes", "ask its operator")
        return bytes(answer)
