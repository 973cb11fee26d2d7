"""Sealed rejects for the people who answer for them: found in the log, explained, and sent again.

A reject is in `litigation.events` for ever; what was refused is in raw while raw keeps it. Sending again never changes
the reject: what is accepted now is another record, with a reject before it that anybody can see.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from balance_chain.core.counting import EventCounter
from balance_chain.core.errors import BalanceError
from balance_chain.core.events import TYPE_REJECTED
from balance_chain.core.rejects import EXPLANATIONS, REMEDIES, Reason
from balance_chain.core.topics import EVENTS, RAW
from balance_chain.runtime.kafka import PartitionReader, PositionGone, TopicReader

from balance_intake.deployment import Deployment
from balance_intake.normalise import Normaliser
from balance_intake.rawproducer import RawOut, RawProducer
from balance_intake.settings import IntakeSettings
from balance_intake.stages import Draft, RawRecord, Reject

READ_RECORDS: Final = 4000
READ_SECONDS: Final = 0.5


class _Event(msgspec.Struct):
    type: str
    rawgen: int
    rawpos: int
    receivedtime: str
    data: msgspec.Raw


class _Data(msgspec.Struct):
    reason: Reason
    field: str | None = None
    partition: int | None = None
    source: str | None = None
    id: str | None = None


_event: Final = msgspec.json.Decoder(_Event)
_data: Final = msgspec.json.Decoder(_Data)


class NotSent(BalanceError):
    """What was refused cannot be sent again as it is."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One sealed reject."""

    shard: int
    rawgen: int
    rawpos: int
    received: str
    reason: Reason
    field: str | None
    partition: int | None
    source: str | None
    event_id: str | None

    @property
    def name(self) -> str:
        """The id of its event on the ledger: shard, generation and raw position."""
        return f"{self.shard}-{self.rawgen}-{self.rawpos}"

    def told(self) -> dict[str, Any]:
        """All that is known, with what it means and what to do, in both languages."""
        en, zh, remedy_zh = EXPLANATIONS[self.reason]
        return {
            "name": self.name,
            "received": self.received,
            "reason": self.reason.value,
            "field": self.field,
            "right_partition": self.partition,
            "source": self.source,
            "id": self.event_id,
            "en": en,
            "remedy_en": REMEDIES[self.reason],
            "zh": zh,
            "remedy_zh": remedy_zh,
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rejects; what is None does not matter. Times are canonical text, both ends included."""

    reason: str | None = None
    source: str | None = None
    since: str | None = None
    until: str | None = None

    def has(self, refusal: Refusal) -> bool:
        return (
            self.reason in (None, refusal.reason.value)
            and self.source in (None, refusal.source)
            and (self.since is None or refusal.received >= self.since)
            and (self.until is None or refusal.received <= self.until)
        )


async def find(settings: IntakeSettings, wanted: Wanted) -> AsyncIterator[Refusal]:
    """Every counting reject of the log that is wanted, from the beginning to where the log ends now."""
    shards = dict.fromkeys(range(settings.partitions), 0)
    counters = {shard: EventCounter() for shard in shards}
    async with TopicReader(settings, settings.topic(EVENTS), shards) as reader:
        ends = await reader.ends()
        while any(shards[shard] < end for shard, end in ends.items()):
            for shard, records in (await reader.read_all(READ_RECORDS, READ_SECONDS)).items():
                for record in records:
                    refusal = _refusal(shard, record.value or b"", counters[shard])
                    if refusal is not None and wanted.has(refusal):
                        yield refusal
                shards[shard] = records[-1].offset + 1


def _refusal(shard: int, value: bytes, counter: EventCounter) -> Refusal | None:
    """The counting reject that a record is, or None."""
    try:
        event = _event.decode(value)
        if not counter.counts(event.rawgen, event.rawpos) or event.type != TYPE_REJECTED:
            return None
        data = _data.decode(event.data)
    except msgspec.MsgspecError:
        return None
    return Refusal(
        shard,
        event.rawgen,
        event.rawpos,
        event.receivedtime,
        data.reason,
        data.field,
        data.partition,
        data.source,
        data.id,
    )


async def raw_record(settings: IntakeSettings, refusal: Refusal) -> RawRecord:
    """What was refused, byte for byte, while raw has it."""
    if refusal.rawgen != settings.raw_generation:
        raise NotSent(refusal.name, "is of another generation of raw", "publish the event from its source's own files")
    try:
        async with PartitionReader(settings, settings.topic(RAW), refusal.shard) as reader:
            if await reader.begin_offset() > refusal.rawpos:
                raise NotSent(refusal.name, "has left raw", "publish the event from its source's own files")
            record = await reader.read_at(refusal.rawpos)
    except PositionGone as error:
        raise NotSent(refusal.name, f"is not on raw ({error.problem})", "see which Kafka this is") from error
    return RawRecord(refusal.shard, record.offset, record.timestamp, record.value or b"", record.headers)


def checked(rules: Normaliser, record: RawRecord) -> Draft:
    """The record as it would be accepted now, on its right partition; `NotSent` says why it would not be."""
    outcome = rules.read(record)
    if isinstance(outcome, Reject) and outcome.partition is not None:
        outcome = rules.read(msgspec.structs.replace(record, partition=outcome.partition))
    if isinstance(outcome, Draft):
        return outcome
    reason = outcome.reason if isinstance(outcome, Reject) else Reason.TYPE_UNKNOWN
    raise NotSent("event", f"would be refused again: {EXPLANATIONS[reason][0]}", REMEDIES[reason])


async def send_again(settings: IntakeSettings, refusal: Refusal) -> int:
    """Put what was refused on raw again, unchanged, if it would be accepted now; gives the partition."""
    rules = Deployment.load(settings).normaliser(settings)
    draft = checked(rules, await raw_record(settings, refusal))
    producer = RawProducer(settings)
    try:
        out = RawOut(draft.caseid.encode(), draft.record.value, draft.record.headers)
        await producer.send(draft.record.partition, [out])
    finally:
        await producer.close()
    return draft.record.partition
