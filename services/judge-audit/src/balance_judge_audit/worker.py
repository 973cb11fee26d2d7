"""The worker: Faust carries batches of `litigation.events`, at least once; the applier decides what they
change.

Faust's own positions, tables and transactions are not trusted: the applied position is in PostgreSQL, and where
the stream begins after it, the records between are read by offset first. Nothing that goes wrong with a batch
reaches Faust: it is tried again until it is applied, while Faust keeps the membership alive.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import faust
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
from balance_judge_audit.carrier import Fetched, application
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.errors import Fenced, WorkerCrashed
from balance_judge_audit.loading import clocks, life_keeper, load_book, projections
from balance_judge_audit.outbox import drain
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.repository import Pool
from balance_judge_audit.settings import WorkerSettings

STREAM: Final = "stream"
ACROSS: Final = "across"
ACROSS_SECONDS: Final = 0.5
WATCH_SECONDS: Final = 0.5
FINISH_SECONDS: Final = 15.0
GAP_READ_RECORDS: Final = 5000

T = TypeVar("T")
AWAY: Final[tuple[type[Exception], ...]] = (KafkaUnavailable, *BROKEN)

_log: Final = get_logger("balance_judge_audit.worker")
_tracer: Final = tracer("balance_judge_audit")


async def run_worker(settings: WorkerSettings, service: Service, *, sends: bool = True) -> None:
    """Carries and applies until stopped; then finishes the batch in hand and leaves the group. One that does not send
    keeps to itself what it says.
    """
    book = load_book(settings)
    pool = await connect(settings, settings.audit_schema, by_key=True)
    try:
        await _Worker(settings, service, book, pool, sends).run()
    finally:
        await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)


class _Worker:
    def __init__(self, settings: WorkerSettings, service: Service, book: RuleBook, pool: Pool, sends: bool) -> None:
        self._settings = settings
        self._stop = service.stop
        self._health: Health = service.health
        self._pool = pool
        self._sends = sends
        places = PlaceFinder(Courts.load(data_dir("catalogue")))
        self._applier = Applier(
            pool,
            book,
            places,
            clocks(settings),
            life_keeper(settings, places),
            projections(settings),
            settings.partitions,
            settings.audit_case_cache,
        )
        self._passed = asyncio.Event()
        """Something was applied since the rules across shards were last asked."""
        self._hand = asyncio.Lock()
        """Held while a batch is in hand."""
        self._app = application(
            settings.topic_prefix + settings.audit_group,
            settings.kafka,
            settings.audit_batch_events,
            settings.audit_batch_seconds,
        )
        self._app.agent(self._app.topic(settings.topic(EVENTS), value_serializer="raw", key_serializer="raw"))(
            self._carry
        )
        self._app.on_partitions_assigned.connect(self._assigned)

    async def run(self) -> None:
        self._health.problem(STREAM, "not yet a member of the group")
        self._health.add_check("database", lambda: database_problems(self._pool))
        self._health.add_check("topics", lambda: topic_problems(self._settings))
        work = drain(self._settings, self._pool, self._health, self._stop) if self._sends else self._stop.wait()
        sending = asyncio.ensure_future(asyncio.gather(work, self._across()))
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
        stream.enable_acks = False
        applied: Fetched | None = None
        async for _ in stream:
            event = stream.current_event
            fetched: Fetched = event.message.value
            async with self._hand:
                if self._stop.is_set():
                    return
                if fetched is not applied:
                    if not await self._apply_fetch(fetched):
                        return
                    applied = fetched
                await stream.ack(event)

    async def _apply_fetch(self, fetched: Fetched) -> bool:
        """Applies what a fetch brought of all shards, when the first of its messages comes."""
        for part in parts(fetched.records, self._settings.audit_batch_events):
            records = {shard: [Record(each.offset, each.value or b"") for each in some] for shard, some in part.items()}
            headers = (each.headers for some in part.values() for each in some)
            count = sum(map(len, records.values()))
            with batch_span(_tracer, "judge", headers, shards=",".join(map(str, sorted(part))), count=count):
                if not await self._apply(records):
                    return False
        return True

    async def _apply(self, carried: Mapping[int, Sequence[Record]]) -> bool:
        """Applies the records, however often it takes; False when stopped meanwhile."""
        while True:
            try:
                for shard, records in carried.items():
                    await self._catch_up(shard, records[0].offset)
                await self._applier.apply(carried)
            except Fenced as error:
                metrics.FENCED.inc()
                _log.warning("fenced", error=str(error))
                continue
            except AWAY as error:
                problem = f"waits: {type(error).__name__}"
            except Exception as error:
                # Never into Faust, which would drop the batch: said aloud, and tried again.
                _log.exception("cannot_go_on", shards=sorted(carried))
                problem = f"cannot go on: {type(error).__name__}: {error}"
            else:
                self._health.problem(STREAM, None)
                self._passed.set()
                for shard, records in carried.items():
                    self._note_behind(shard, records[-1].offset + 1)
                return True
            self._applier.forget()
            self._health.problem(STREAM, problem)
            _log.warning("waiting", shards=sorted(carried), problem=problem)
            if await pause(self._stop, self._settings.audit_retry_seconds):
                return False

    async def _across(self) -> None:
        """Takes what every shard has passed to the rules across shards, soon after something was applied."""
        self._passed.set()  # what another worker has left
        while not await pause(self._stop, ACROSS_SECONDS):
            if not self._passed.is_set():
                continue
            self._passed.clear()
            try:
                await self._applier.across()
            except Exception as error:
                away = isinstance(error, AWAY)
                (_log.warning if away else _log.exception)("across_waits", error=repr(error))
                self._health.problem(ACROSS, f"{'waits' if away else 'cannot go on'}: {type(error).__name__}")
                self._passed.set()
                await pause(self._stop, self._settings.audit_retry_seconds)
            else:
                self._health.problem(ACROSS, None)

    async def _catch_up(self, shard: int, first: int) -> None:
        """Reads what lies between the applied position and the first record carried, by offset."""
        position = await self._applier.position(shard)
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
                    await self._applier.apply({shard: records})
                    position = await self._applier.position(shard)

    def _note_behind(self, shard: int, applied: int) -> None:
        high = self._app.consumer.highwater(faust.types.TP(self._settings.topic(EVENTS), shard))
        if high is not None:
            self._health.behind(f"shard {shard}", max(0, int(high) - applied), self._settings.audit_behind_bound)


def parts(records: Mapping[int, Sequence[T]], most: int) -> Iterator[dict[int, list[T]]]:
    """A fetch cut into batches of at most so many records, each shard's in order."""
    part: dict[int, list[T]] = {}
    room = most
    for shard in sorted(records):
        rest = list(records[shard])
        while rest:
            part[shard], rest = rest[:room], rest[room:]
            room -= len(part[shard])
            if not room:
                yield part
                part, room = {}, most
    if part:
        yield part
