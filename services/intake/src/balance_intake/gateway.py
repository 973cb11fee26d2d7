"""The gateway without HTTP: from the bytes of a request to one outcome an event.

Promise: a receipt is given only for what Kafka has acknowledged; an event without one was not promised and may be sent
again, with the same outcome. Events of all requests share commits: one round trip for reservations, one batch a
partition to raw, one round trip for receipts.
"""

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from balance_chain.core import jsonguard, times
from balance_chain.core.errors import BalanceError
from balance_chain.core.partition import partition_for
from balance_chain.core.privacy import CaseKey, source_secret
from balance_chain.core.rawrecord import mac_raw, make_headers
from balance_chain.core.rejects import REMEDIES, Reason
from balance_chain.core.sources import Source
from balance_chain.runtime import killpoints
from balance_chain.runtime.casekeys import CaseKeyStore
from balance_chain.runtime.kafka import asked_to_end
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.telemetry import inject
from balance_verify.receipt import Receipt

from balance_intake import metrics
from balance_intake.checks import FUTURE_MS, Checked, Checker, Fault
from balance_intake.deployment import Deployment
from balance_intake.errors import CommitFailed, DatabaseAway, IntakeFull
from balance_intake.model import EventKey, Promise
from balance_intake.rawproducer import RawOut, RawProducer
from balance_intake.repository import DATABASE_ERRORS, Repository
from balance_intake.settings import GatewaySettings

Clock = Callable[[], float]
PENDING: Final = "pending"
SEALED: Final = "sealed"
REJECTED: Final = "rejected"
_log = get_logger("balance_intake.gateway")


@dataclass(frozen=True, slots=True)
class Accepted:
    """Promised: the signed receipt, new or as stored before."""

    key: EventKey
    receipt: bytes
    repeat: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Not taken, and why: every fault."""

    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Not promised: send it again."""

    problem: BalanceError


Outcome = Accepted | Refused | Unavailable


@dataclass(slots=True)
class _Pending:
    """One event on its way."""

    key: EventKey
    checked: Checked
    value: bytes
    digest: bytes
    traceparent: str | None
    outcome: "asyncio.Future[Outcome]" = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReceiptState:
    """A receipt and what became of its event."""

    receipt: bytes | None
    state: str
    partition: int | None = None
    rawgen: int | None = None
    rawpos: int | None = None
    reason: str | None = None
    field: str | None = None
    broken: bool = False
    """Whether it was found that the receipt's promise was not kept."""


class Gateway:
    """Accepts events of authenticated sources."""

    def __init__(
        self,
        settings: GatewaySettings,
        deployment: Deployment,
        repository: Repository,
        case_keys: CaseKeyStore,
        producer: RawProducer,
        clock: Clock = time.time,
    ) -> None:
        self._settings = settings
        self._repository = repository
        self._case_keys = case_keys
        self._producer = producer
        self._clock = clock
        self._checker = Checker(deployment.catalogue, deployment.courts)
        self._limits = settings.event_limits
        self._signer = deployment.keys.gateway
        self._mac = deployment.keys.gateway_mac
        self._queue: list[_Pending] = []
        self._waiting = asyncio.Event()
        self._committing: set[str] = set()
        self._in_flight = 0

    async def accept(self, values: Sequence[bytes], source: Source) -> list[Outcome]:
        """One outcome for each event as sent, in order. Events that are refused do not touch the others."""
        if self._in_flight + len(values) > self._settings.in_flight_events:
            metrics.UNAVAILABLE.inc(len(values))
            raise IntakeFull("events", "too many are in flight", "send again after the time in Retry-After")
        self._in_flight += len(values)
        metrics.IN_FLIGHT.set(self._in_flight)
        try:
            traceparent = inject()
            outcomes = [self._admit(value, source, traceparent) for value in values]
            self._waiting.set()
            return [await item.outcome if isinstance(item, _Pending) else item for item in outcomes]
        finally:
            self._in_flight -= len(values)
            metrics.IN_FLIGHT.set(self._in_flight)

    def _admit(self, value: bytes, source: Source, traceparent: str | None) -> "_Pending | Refused":
        """Check one event; what is valid joins the queue."""
        try:
            parsed = jsonguard.parse(value, self._limits)
        except jsonguard.BadJson as error:
            return _refuse(Fault(error.code, error.pointer, error.problem, error.remedy))
        checked = self._checker.check(parsed, source, int(self._clock() * 1000) + FUTURE_MS)
        if not isinstance(checked, Checked):
            return _refuse(*checked)
        pending = _Pending(
            EventKey(checked.event.source, checked.event.id),
            checked,
            value,
            hashlib.sha256(checked.sent).digest(),
            traceparent or checked.event.traceparent,
            asyncio.get_running_loop().create_future(),
        )
        self._queue.append(pending)
        return pending

    async def run(self) -> None:
        """Commit what is queued, for ever."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._settings.commits_at_once):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            await self._waiting.wait()
            batch = self._take()
            if not batch:
                self._waiting.clear()
                continue
            started = time.monotonic()
            try:
                await self._commit(batch)
            except Exception as error:  # whatever it is, these events are not promised and the next commit is tried
                metrics.UNAVAILABLE.inc(sum(not item.outcome.done() for item in batch))
                _log.warning("commit_failed", events=len(batch), error=f"{type(error).__name__}: {error}")
                known = error if isinstance(error, BalanceError) else CommitFailed("gateway", "failed", "send again")
                _settle(batch, Unavailable(known))
            except asyncio.CancelledError:
                _settle(batch, Unavailable(CommitFailed("gateway", "is stopping", "send again")))
                if asked_to_end():
                    raise
            finally:
                self._committing.difference_update(item.key.source for item in batch)
                self._waiting.set()
            metrics.COMMIT_SECONDS.observe(time.monotonic() - started)
            metrics.COMMIT_EVENTS.observe(len(batch))

    def _take(self) -> list[_Pending]:
        """The next commit, of sources that no other commit holds: what a source sent first is on raw first.

        Its keys are distinct, so that a repeat sent at once waits for the first and gets its receipt.
        """
        batch: dict[EventKey, _Pending] = {}
        later: list[_Pending] = []
        for position, item in enumerate(self._queue):
            if len(batch) >= self._settings.commit_events:
                later += self._queue[position:]
                break
            if item.key.source in self._committing or item.key in batch:
                later.append(item)
            else:
                batch[item.key] = item
        self._queue = later
        self._committing.update(key.source for key in batch)
        return list(batch.values())

    async def _commit(self, batch: list[_Pending]) -> None:
        reserved = await self._repository.reserve([(item.key, item.digest, item.checked.case.caseid) for item in batch])
        killpoints.hit("gateway.after_reservation")
        to_send: list[_Pending] = []
        for item in batch:
            row = reserved[item.key]
            if row.digest != item.digest:
                metrics.CONFLICTS.inc()
                reason = Reason.ID_CONFLICT
                fault = Fault(reason, "/id", "was accepted with other content", REMEDIES[reason])
                _settle([item], Refused((fault,)))
            elif row.receipt is not None and not row.lost:
                metrics.REPEATS.inc()
                _settle([item], Accepted(item.key, row.receipt, repeat=True))
            else:
                to_send.append(item)
        if to_send:
            await self._promise(to_send)

    async def _promise(self, batch: list[_Pending]) -> None:
        """Produce, and once Kafka has acknowledged, sign and store the receipts."""
        keys = await self._keys_of(item.checked.case.caseid for item in batch)
        by_partition: dict[int, list[RawOut]] = defaultdict(list)
        for item in batch:
            caseid, source = item.checked.case.caseid, item.checked.event.source
            headers = make_headers(source, mac_raw(source, item.value, self._mac), item.traceparent)
            partition = partition_for(caseid, self._settings.partitions)
            by_partition[partition].append(RawOut(caseid.encode(), item.value, headers))
        sent = await asyncio.gather(
            *(self._producer.send(partition, records) for partition, records in by_partition.items()),
            return_exceptions=True,
        )
        for result in sent:
            if isinstance(result, BaseException):
                raise result
        killpoints.hit("gateway.after_raw")
        receipts = {item.key: self._sign(item.key, item.digest, keys[item.checked.case.caseid]) for item in batch}
        kept = await self._repository.keep_receipts(receipts)
        metrics.ACCEPTED.inc(len(batch))
        for item in batch:
            _settle([item], Accepted(item.key, kept[item.key], repeat=False))

    async def _keys_of(self, caseids: Iterable[str]) -> Mapping[str, CaseKey]:
        try:
            return await self._case_keys.get_many(caseids)
        except DATABASE_ERRORS as error:
            raise DatabaseAway("database", f"no answer ({error!r})", "see that PostgreSQL is up") from error

    def _sign(self, key: EventKey, digest: bytes, case_key: CaseKey) -> Promise:
        by = int((self._clock() + self._settings.receipt_seconds) * 1000)
        receipt = Receipt(
            by=times.format_ms(by),
            digest=digest.hex(),
            id=key.id,
            key=self._signer.vkey.id,
            origin=self._settings.origin,
            s=source_secret(case_key, key.source, key.id).hex(),
            source=key.source,
        )
        return Promise(receipt.encode_signed(self._signer), by)

    async def receipt(self, key: EventKey) -> ReceiptState | None:
        """The receipt of an event and its state: `pending` until a block holds it, then `sealed` or `rejected`.

        An event of a Kafka source gets its receipt when it is first asked for: its record is on raw already, and the
        normaliser has taken it.
        """
        reserved = await self._repository.reservation(key)
        arrival = await self._repository.arrival(key)
        rejection = None if arrival is not None else await self._repository.rejection(key)
        if reserved is None and arrival is None and rejection is None:
            return None
        receipt = None if reserved is None else reserved.receipt
        fate = await self._repository.fate(key, arrival)
        if rejection is not None:
            place = (rejection.partition, rejection.rawgen, rejection.rawpos)
            return ReceiptState(receipt, REJECTED, *place, rejection.reason, rejection.field, fate.broken)
        if arrival is None:
            return ReceiptState(receipt, PENDING, broken=fate.broken)
        digest = arrival.digest if reserved is None else reserved.digest
        if receipt is None and digest is not None:
            receipt = await self._late_receipt(key, digest, arrival.caseid)
        state = SEALED if fate.sealed else PENDING
        return ReceiptState(receipt, state, arrival.partition, arrival.rawgen, arrival.rawpos, broken=fate.broken)

    async def _late_receipt(self, key: EventKey, digest: bytes, caseid: str) -> bytes:
        await self._repository.reserve([(key, digest, caseid)])
        keys = await self._keys_of([caseid])
        kept = await self._repository.keep_receipts({key: self._sign(key, digest, keys[caseid])})
        return kept[key]


def _refuse(*faults: Fault) -> Refused:
    metrics.REFUSED.labels(faults[0].reason.value).inc()
    return Refused(faults)


def _settle(batch: Sequence[_Pending], outcome: Outcome) -> None:
    """Answer those that are not answered; one whose request was cancelled has nobody to answer."""
    for item in batch:
        if not item.outcome.done():
            item.outcome.set_result(outcome)
