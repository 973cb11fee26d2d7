"""The normaliser's shell: raw partition p in, events partition p out, by whole batches.

Its position is in its own output: the tail event of `litigation.events` names the raw record that it stands for, and
reading goes on after that one. Everything else (group membership, dedup, caches) may be lost or stale without losing
or doubling an event.
"""

import asyncio
import time
from collections.abc import Sequence

from aiokafka import ConsumerRecord
from balance_chain.core import canonical
from balance_chain.core.rawrecord import LEDGER, TICK_VALUE, mac_raw, make_headers
from balance_chain.core.topics import EVENTS, RAW
from balance_chain.runtime import killpoints
from balance_chain.runtime.casekeys import CaseKeyStore
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.shards import ShardRunner
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from balance_chain.runtime.telemetry import batch_span, tracer

from balance_intake import metrics
from balance_intake.errors import GenesisNeeded, RawGone, WrongGeneration
from balance_intake.generations import Generations
from balance_intake.normalise import Normaliser
from balance_intake.rawproducer import RawOut, RawProducer
from balance_intake.repository import Repository
from balance_intake.settings import NormaliserSettings
from balance_intake.stages import Draft, RawRecord, Reject, Tick, Written

GROUP = "intake-normaliser"
_log = get_logger("balance_intake.normaliser")
_tracer = tracer("balance_intake.normaliser")


class Batcher:
    """Turns a batch of raw records into one record of events each, with three questions to PostgreSQL for all."""

    def __init__(
        self, settings: NormaliserSettings, rules: Normaliser, repository: Repository, case_keys: CaseKeyStore
    ) -> None:
        self._rawgen = settings.raw_generation
        self._rules = rules
        self._repository = repository
        self._case_keys = case_keys

    async def normalise(self, shard: int, records: Sequence[RawRecord]) -> list[Written]:
        """One record of events for each raw record, in order."""
        rules = self._rules
        read = [rules.read(record) for record in records]
        drafts = [item for item in read if isinstance(item, Draft)]
        keys = await self._case_keys.get_many(draft.caseid for draft in drafts)
        claims = {draft.record.offset: rules.claim(draft, keys[draft.caseid]) for draft in drafts}
        holders = await self._repository.claim(list(claims.values()), shard, self._rawgen) if claims else {}
        killpoints.hit("normaliser.after_dedup")
        settled = [
            rules.settle(item, claims[item.record.offset], holders[item.key]) if isinstance(item, Draft) else item
            for item in read
        ]
        people = await self._repository.people(
            person for item in settled if isinstance(item, Draft) for person in item.people
        )
        written: list[Written] = []
        for item in settled:
            if isinstance(item, Draft):
                written.append(rules.event(item, claims[item.record.offset], keys[item.caseid], people))
            else:
                written.append(rules.ledger_event(item))
        self._count(shard, settled)
        return written

    def _count(self, shard: int, settled: Sequence[Draft | Reject | Tick]) -> None:
        metrics.NORMALISED.labels(str(shard)).inc(sum(not isinstance(item, Reject) for item in settled))
        for item in settled:
            if isinstance(item, Reject):
                metrics.REJECTED.labels(item.reason.value).inc()


class ShardNormaliser:
    """Keeps the shards that this process owns going; `work` is one shard's life until it fails or is given away."""

    def __init__(
        self,
        settings: NormaliserSettings,
        batcher: Batcher,
        producer: RawProducer,
        gateway_mac: bytes,
        health: Health,
        generations: Generations,
    ) -> None:
        self._settings = settings
        self._generations = generations
        self._batcher = batcher
        self._producer = producer
        self._gateway_mac = gateway_mac
        self._health = health
        self._runner = ShardRunner(settings, GROUP, settings.topic(RAW), self.work, health)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        await self._runner.run(stop)

    async def work(self, shard: int) -> None:
        """Open the tail, go on after it, for ever. Any error leaves; the runner comes back with a new writer."""
        writer = TailWriter(self._settings, self._settings.topic(EVENTS), shard)
        try:
            tail = await writer.open()
            restored = await self._generations.check(shard, empty=tail is None)
            position = self._position(shard, tail, begins=restored or self._settings.genesis)
            pace = self._settings.gather_ms / 1000
            async with PartitionReader(self._settings, self._settings.topic(RAW), shard, position, pace) as reader:
                begin = await reader.begin_offset()
                if begin > position:
                    raise RawGone(
                        f"{self._settings.topic(RAW)}/{shard}",
                        f"begins at {begin}, but the next record to normalise is {position}",
                        "restore raw, or begin a new generation with a signed entry",
                    )
                _log.info("shard_open", shard=shard, position=position, events=writer.next_offset)
                await self._follow(shard, position, reader, writer)
        finally:
            await writer.close()

    def _position(self, shard: int, tail: ConsumerRecord | None, *, begins: bool) -> int:
        """The raw offset after the one that the tail event stands for; a new generation's raw begins at 0.

        `begins`: whether an empty partition of events is a beginning.
        """
        topic = f"{self._settings.topic(EVENTS)}/{shard}"
        if tail is None:
            if not begins:
                raise GenesisNeeded(topic, "is empty", "start with BALANCE_GENESIS=1 if this is a new ledger")
            return 0
        last = canonical.decode_event(tail.value)
        if last.rawgen > self._settings.raw_generation:
            raise WrongGeneration(topic, f"tells of generation {last.rawgen}", "set BALANCE_RAW_GENERATION to it")
        return last.rawpos + 1 if last.rawgen == self._settings.raw_generation else 0

    async def _follow(self, shard: int, position: int, reader: PartitionReader, writer: TailWriter) -> None:
        part = f"shard {shard}"
        busy_at = time.monotonic()
        while True:
            records = await reader.read(self._settings.batch_records, self._settings.poll_seconds)
            if records:
                if records[0].offset != position:
                    raise RawGone(part, f"raw gave {records[0].offset} where {position} was due", "see raw's retention")
                await self._batch(shard, records, writer)
                position += len(records)
                busy_at = time.monotonic()
                # Only a full batch can leave anything waiting.
                full = len(records) == self._settings.batch_records
                behind = await reader.end_offset() - position if full else 0
                self._health.behind(part, behind, self._settings.behind_records)
            elif time.monotonic() - busy_at >= self._settings.tick_after_seconds:
                await self._tick(shard)
                busy_at = time.monotonic()
            self._runner.report(shard, position)

    async def _batch(self, shard: int, records: Sequence[ConsumerRecord], writer: TailWriter) -> None:
        started = time.monotonic()
        with batch_span(_tracer, "normalise", (record.headers for record in records), shard=shard, count=len(records)):
            raw = [
                RawRecord(shard, record.offset, record.timestamp, record.value or b"", record.headers)
                for record in records
            ]
            written = await self._batcher.normalise(shard, raw)
            killpoints.hit("normaliser.before_append")
            await writer.append([OutRecord(out.key, out.value, out.headers, out.timestamp_ms) for out in written])
            killpoints.hit("normaliser.after_append")
        metrics.BATCH_SECONDS.observe(time.monotonic() - started)

    async def _tick(self, shard: int) -> None:
        """Say on raw that time has passed; it comes back as a record like any other."""
        headers = make_headers(LEDGER, mac_raw(LEDGER, TICK_VALUE, self._gateway_mac))
        await self._producer.send(shard, [RawOut(str(shard).encode(), TICK_VALUE, headers)])
        metrics.TICKS.labels(str(shard)).inc()
