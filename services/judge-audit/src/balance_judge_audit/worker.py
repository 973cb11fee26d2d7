"""The worker: Faust carries batches of `litigation.events`, at least once; the applier decides what they
change.

Faust's own positions, tables and transactions are not trusted: the applied position is in PostgreSQL, and where
the stream begins after it, the records between are read by offset first. Nothing that goes wrong with a batch
reaches Faust: it is tried again until it is applied, while Faust keeps the membership alive.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import faust
from balance_chain.core.canonical import encode
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.db import BROKEN, connect, database_problems
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import KafkaUnavailable, PartitionReader
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.service import Service, pause
from balance_chain.runtime.telemetry import batch_span, tracer
from balance_chain.runtime.topics import topic_problems

from balance_judge_audit import metrics
from balance_judge_audit.applier import Applier, Record
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.errors import Fenced, WorkerCrashed
from balance_judge_audit.loading import clocks, life_keeper, load_book
from balance_judge_audit.outbox import drain
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.repository import Pool
from balance_judge_audit.settings import WorkerSettings

STREAM: Final = "stream"
SESSION_SECONDS: Final = 8.0
HEARTBEAT_SECONDS: Final = 2.0
WATCH_SECONDS: Final = 0.5
FINISH_SECONDS: Final = 15.0
GAP_READ_RECORDS: Final = 5000

AWAY: Final[tuple[type[Exception], ...]] = (KafkaUnavailable, *BROKEN)

_log: Final = get_logger("balance_judge_audit.worker")
_tracer: Final = tracer("balance_judge_audit")


async def run_worker(settings: WorkerSettings, service: Service, *, sends: bool = True) -> None:
    """Carries and applies until stopped; then finishes the batch in hand and leaves the group. One that does not send
    keeps to itself what it says.
    """
    book = load_book(settings)
    pool = await connect(settings, settings.audit_schema)
    try:
        await _Worker(settings, service, book, pool, sends).run()
    finally:
        await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)


class _Worker:
    def __init__(self, settings: WorkerSettings, service: Service, book: RuleBook, pool: Pool, sends: bool) -> None:
        self._settings = settings
        self._stop = service.stop
        self._health: Health = service.health
        self._book = book
        self._pool = pool
        self._sends = sends
        self._places = PlaceFinder(Courts.load(data_dir("catalogue")))
        self._appliers: dict[int, Applier] = {}
        self._hand = asyncio.Lock()
        """Held while a batch is in hand."""
        self._app = _application(settings)
        self._app.agent(self._app.topic(settings.topic(EVENTS), value_serializer="raw", key_serializer="raw"))(
            self._carry
        )
        self._app.on_partitions_assigned.connect(self._assigned)

    async def run(self) -> None:
        self._health.problem(STREAM, "not yet a member of the group")
        self._health.add_check("database", lambda: database_problems(self._pool))
        self._health.add_check("topics", lambda: topic_problems(self._settings))
        work = drain(self._settings, self._pool, self._health, self._stop) if self._sends else self._stop.wait()
        sending: asyncio.Future[Any] = asyncio.ensure_future(work)
        try:
            await self._app.start()
            await self._watch(sending)
            await self._finish()
        finally:
            self._stop.set()
            await self._app.stop()
            await sending

    async def _watch(self, sending: "asyncio.Future[Any]") -> None:
        while not await pause(self._stop, WATCH_SECONDS):
            self._health.progress("worker")
            if self._app.should_stop or self._app.crashed:
                raise WorkerCrashed("faust", f"stopped by itself: {self._app.crash_reason!r}", "see the log")
            if sending.done():
                await sending
                raise WorkerCrashed("outbox", "ended by itself", "see the log")

    async def _finish(self) -> None:
        """Lets the batch in hand be committed; no other is begun."""
        try:
            await asyncio.wait_for(self._hand.acquire(), FINISH_SECONDS)
        except TimeoutError:
            _log.warning("batch_given_up", reason="it could not be committed in time; it will be carried again")

    async def _assigned(self, *arguments: Any, **named: Any) -> None:
        self._health.problem(STREAM, None)

    async def _carry(self, stream: Any) -> None:
        batches = stream.noack_take(self._settings.audit_batch_events, within=self._settings.audit_batch_seconds)
        async for events in batches:
            async with self._hand:
                if self._stop.is_set():
                    return
                shards: dict[int, list[Any]] = {}
                for event in events:
                    shards.setdefault(event.message.partition, []).append(event)
                for shard, carried in shards.items():
                    records = [Record(event.message.offset, _value(event)) for event in carried]
                    headers = (_headers(event) for event in carried)
                    with batch_span(_tracer, "judge", headers, shard=shard, count=len(records)):
                        applied = await self._apply(shard, records)
                    if not applied:
                        return
                    for event in carried:
                        await stream.ack(event)

    async def _apply(self, shard: int, records: Sequence[Record]) -> bool:
        """Applies the records, however often it takes; False when stopped meanwhile."""
        applier = self._appliers.get(shard)
        if applier is None:
            applier = self._appliers[shard] = Applier(
                self._pool,
                self._book,
                self._places,
                clocks(self._settings),
                life_keeper(self._settings, self._places),
                shard,
                self._settings.partitions,
                self._settings.audit_case_cache,
            )
        while True:
            try:
                await self._catch_up(applier, shard, records[0].offset)
                await applier.apply(records)
                await applier.across()
            except Fenced as error:
                metrics.FENCED.inc()
                _log.warning("fenced", shard=shard, error=str(error))
                continue
            except AWAY as error:
                problem = f"shard {shard} waits: {type(error).__name__}"
            except Exception as error:
                # Never into Faust, which would drop the batch: said aloud, and tried again.
                _log.exception("cannot_go_on", shard=shard)
                problem = f"shard {shard} cannot go on: {type(error).__name__}: {error}"
            else:
                self._health.problem(STREAM, None)
                self._note_behind(shard, records[-1].offset + 1)
                return True
            applier.forget()
            self._health.problem(STREAM, problem)
            _log.warning("waiting", shard=shard, problem=problem)
            if await pause(self._stop, self._settings.audit_retry_seconds):
                return False

    async def _catch_up(self, applier: Applier, shard: int, first: int) -> None:
        """Reads what lies between the applied position and the first record carried, by offset."""
        position = await applier.position()
        if position >= first:
            return
        _log.info("catching_up", shard=shard, applied=position, carried=first)
        async with PartitionReader(self._settings, self._settings.topic(EVENTS), shard, position) as reader:
            while position < first:
                found = await reader.read(GAP_READ_RECORDS, self._settings.audit_batch_seconds)
                records = [Record(each.offset, each.value or b"") for each in found if each.offset < first]
                self._health.progress(STREAM)
                if records:
                    metrics.GAP_RECORDS.inc(len(records))
                    await applier.apply(records)
                    position = await applier.position()

    def _note_behind(self, shard: int, applied: int) -> None:
        high = self._app.consumer.highwater(faust.types.TP(self._settings.topic(EVENTS), shard))
        if high is not None:
            self._health.behind(f"shard {shard}", max(0, int(high) - applied), self._settings.audit_behind_bound)


def _value(event: Any) -> bytes:
    value = event.message.value
    return value if isinstance(value, bytes) else encode(value)


def _headers(event: Any) -> list[tuple[str, bytes]]:
    """The Kafka headers of a record, in whichever of its forms Faust gives them."""
    found = event.message.headers or ()
    return list(found.items()) if isinstance(found, dict) else list(found)


def _application(settings: WorkerSettings) -> Any:
    servers = [f"aiokafka://{server.strip()}" for server in settings.kafka.split(",")]
    return faust.App(
        settings.topic_prefix + settings.audit_group,
        broker=servers,
        store="memory://",
        web_enabled=False,
        autodiscover=False,
        value_serializer="raw",
        key_serializer="raw",
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        broker_commit_interval=1.0,
        broker_max_poll_records=settings.audit_batch_events,
        stream_buffer_maxsize=2 * settings.audit_batch_events,
    )
