"""Publishes events: over HTTP in NDJSON batches, or signed straight onto `litigation.raw` as a Kafka source does.

Promises that every event has an outcome or the call fails saying how far it came; sending all again is safe, because
the gateway answers what it took before with the same receipt. Order is kept within a call.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
from aiokafka import AIOKafkaProducer

from balance_chain.core.casenumber import parse_subject
from balance_chain.core.errors import BalanceError
from balance_chain.core.partition import partition_for
from balance_chain.core.rawrecord import make_headers, sign_raw
from balance_chain.core.topics import RAW
from balance_chain.runtime.kafka import in_time
from balance_chain.runtime.settings import CommonSettings

Event = dict[str, Any]
BATCH_EVENTS: Final = 500
BATCH_BYTES: Final = 4_000_000
ATTEMPTS: Final = 8
"""Tries of one batch before the call gives up."""
LONGEST_WAIT_SECONDS: Final = 30.0
REQUEST_SECONDS: Final = 120.0
_WAIT_AND_TRY: Final = frozenset({429, 502, 503, 504})
_KAFKA_ATONCE: Final = 500
_encode: Final = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Rejected:
    """An event that the gateway did not take: the reason code and each fault as `pointer: problem`."""

    id: str
    status: int
    reason: str
    faults: tuple[str, ...]


@dataclass(slots=True)
class PublishReport:
    """What became of the events: `accepted` are new, `duplicates` were accepted before."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    receipts: list[bytes] = field(default_factory=list)

    def add(self, other: "PublishReport") -> None:
        """Counts another report in."""
        self.accepted += other.accepted
        self.duplicates += other.duplicates
        self.rejected += other.rejected
        self.receipts += other.receipts


class PublishUnavailable(BalanceError):
    """The gateway or Kafka did not answer in time; `report` says how far it came."""

    def __init__(self, field_: str, problem: str, remedy: str, report: PublishReport) -> None:
        super().__init__(field_, problem, remedy)
        self.report = report


class PublishRefused(BalanceError):
    """The gateway refused the request as a whole: a wrong token, a wrong address."""


async def publish_http(
    events: Iterable[Event],
    url: str,
    token: str,
    *,
    batch_events: int = BATCH_EVENTS,
    attempts: int = ATTEMPTS,
    advance: Callable[[int], None] | None = None,
    client: httpx.AsyncClient | None = None,
) -> PublishReport:
    """Sends all events of one source to the gateway at `url`, one batch after another."""
    report = PublishReport()
    own = client or httpx.AsyncClient(timeout=REQUEST_SECONDS, trust_env=uses_proxy(url))
    try:
        for batch in _batches(events, batch_events):
            response = await _post(own, url, token, batch, attempts, report)
            _count(batch, response, report)
            if advance is not None:
                advance(len(batch))
    finally:
        if client is None:
            await own.aclose()
    return report


async def publish_kafka(
    events: Iterable[Event], settings: CommonSettings, seeds: Mapping[str, tuple[bytes, bytes]]
) -> PublishReport:
    """Signs each event with its source's key (seed and public key by source URI) and puts it onto raw.

    A Kafka source gets no answer but the broker's: `accepted` counts records that are on the topic.
    """
    report = PublishReport()
    limit = settings.kafka_timeout_seconds
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", enable_idempotence=True)
    try:
        await in_time(producer.start(), limit, "connect producer")
        waiting: list[asyncio.Future[Any]] = []
        for event in events:
            value = _encode(event)
            source = str(event["source"])
            if source not in seeds:
                raise PublishRefused(source, "has no key to sign with", "give the seed of this Kafka source")
            caseid = parse_subject(event["subject"]).caseid
            waiting.append(
                await producer.send(
                    settings.topic(RAW),
                    value,
                    key=caseid.encode(),
                    partition=partition_for(caseid, settings.partitions),
                    headers=make_headers(source, sign_raw(value, *seeds[source])),
                )
            )
            if len(waiting) >= _KAFKA_ATONCE:
                await in_time(asyncio.gather(*waiting), limit, "write to raw")
                report.accepted += len(waiting)
                waiting = []
        await in_time(asyncio.gather(*waiting), limit, "write to raw")
        report.accepted += len(waiting)
    finally:
        await producer.stop()
    return report


def uses_proxy(url: str) -> bool:
    """Whether the environment's proxy settings hold for an address: never for this machine's own services."""
    return urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1")


def _batches(events: Iterable[Event], most: int) -> Iterator[list[tuple[str, bytes]]]:
    """Batches of (id, bytes), small enough for one request."""
    batch: list[tuple[str, bytes]] = []
    size = 0
    for event in events:
        line = _encode(event)
        if batch and (len(batch) >= most or size + len(line) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((str(event.get("id", "")), line))
        size += len(line) + 1
    if batch:
        yield batch


async def _post(
    client: httpx.AsyncClient,
    url: str,
    token: str,
    batch: Sequence[tuple[str, bytes]],
    attempts: int,
    report: PublishReport,
) -> list[Any]:
    """One batch until it is answered for good: waits as Retry-After says, a bounded number of times."""
    body = b"\n".join(line for _, line in batch)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    problem = "did not answer"
    for attempt in range(attempts):
        wait = min(0.5 * 2**attempt, LONGEST_WAIT_SECONDS)
        try:
            response = await client.post(f"{url.rstrip('/')}/v1/events", content=body, headers=headers)
        except httpx.TransportError as error:
            problem = f"cannot be reached ({error})" if str(error) else f"cannot be reached ({type(error).__name__})"
            # A refused connection does not heal within seconds unless the service is just starting.
            wait = min(wait, 2.0)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise PublishRefused(url, f"is not an address ({error})", "give one like http://127.0.0.1:8081") from None
        else:
            if response.status_code in (200, 207):
                return _results(response, len(batch), url)
            if response.status_code not in _WAIT_AND_TRY:
                raise PublishRefused(url, _problem(response), "see --url and --token")
            problem = _problem(response)
            wait = _retry_after(response, wait)
        if attempt + 1 < attempts:
            await asyncio.sleep(wait)
    raise PublishUnavailable(url, f"{problem}, {attempts} times", "see that the gateway runs, then send again", report)


def _results(response: httpx.Response, expected: int, url: str) -> list[Any]:
    try:
        results = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        results = None
    if not isinstance(results, list) or len(results) != expected:
        raise PublishRefused(url, "answered with something that is no list of results", "see that --url is a gateway")
    return results


def _count(batch: Sequence[tuple[str, bytes]], results: Sequence[Any], report: PublishReport) -> None:
    for (event_id, _), result in zip(batch, results, strict=True):
        status = int(result["status"])
        if status == 202:
            report.accepted += 1
        elif status == 200:
            report.duplicates += 1
        else:
            problem = result.get("problem") or {}
            reason = str(problem.get("type", "")).rsplit(":", 1)[-1]
            faults = tuple(
                f"{each.get('pointer', '')}: {each.get('problem', '')}" for each in problem.get("errors") or ()
            )
            report.rejected.append(Rejected(event_id, status, reason, faults))
        if result.get("receipt") is not None:
            report.receipts.append(_encode(result["receipt"]))


def _problem(response: httpx.Response) -> str:
    """What problem details say, else the status."""
    try:
        told = msgspec.json.decode(response.content)
        words = [str(told[name]) for name in ("title", "detail") if told.get(name)]
    except (msgspec.DecodeError, AttributeError):
        words = []
    return f"answered {response.status_code}" + (f" ({' '.join(words)})" if words else "")


def _retry_after(response: httpx.Response, otherwise: float) -> float:
    try:
        return min(max(float(response.headers["Retry-After"]), 0.0), LONGEST_WAIT_SECONDS)
    except (KeyError, ValueError):
        return otherwise
