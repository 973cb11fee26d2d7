"""The gateway promises only what Kafka has acknowledged, and one bad event never spoils its neighbours."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from balance_chain.core import jsonguard
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.privacy import CaseKey
from balance_chain.core.rejects import Reason
from balance_chain.core.sources import Sources
from balance_chain.core.times import parse_ms
from balance_chain.runtime.kafka import KafkaUnavailable
from balance_intake.deployment import Deployment
from balance_intake.gateway import Accepted, Gateway, Outcome, Refused, Unavailable
from balance_intake.model import EventKey, Promise
from balance_intake.rawproducer import RawOut
from balance_intake.repository import Reservation
from balance_intake.settings import GatewaySettings
from balance_verify.receipt import Receipt
from support.intake import HTTP_SOURCE, an_event, as_bytes, write_sources

NOW = 1_790_000_000.0


@dataclass
class Memory:
    """Reservations, case keys and raw, as the gateway sees them; `away` is a Kafka that acknowledges nothing."""

    rows: dict[EventKey, Reservation] = field(default_factory=dict)
    raw: list[RawOut] = field(default_factory=list)
    away: bool = False

    async def reserve(self, wanted: Sequence[tuple[EventKey, bytes, str]]) -> dict[EventKey, Reservation]:
        for key, digest, _ in wanted:
            self.rows.setdefault(key, Reservation(digest, None, True))
        return {key: self.rows[key] for key, _, _ in wanted}

    async def keep_receipts(self, receipts: Mapping[EventKey, Promise]) -> dict[EventKey, bytes]:
        for key, receipt in receipts.items():
            row = self.rows[key]
            self.rows[key] = Reservation(row.digest, row.receipt or receipt.value, False)
        return {key: self.rows[key].receipt or b"" for key in receipts}

    async def get_many(self, caseids: Iterable[str]) -> dict[str, CaseKey]:
        return {caseid: CaseKey(caseid, 1, b"k" * 32) for caseid in caseids}

    async def send(self, partition: int, records: Sequence[RawOut]) -> None:
        if self.away:
            raise KafkaUnavailable("kafka", "is away", "wait")
        self.raw += records


@asynccontextmanager
async def gateway(folder: Path, memory: Memory) -> AsyncIterator[tuple[Gateway, Deployment]]:
    write_sources(folder / "sources.yaml")
    deployment = Deployment(
        Catalogue.load(data_dir("catalogue")),
        Courts.load(data_dir("catalogue")),
        Sources.load(folder / "sources.yaml"),
        KeyDirectory.generate(folder / "keys", "test.example/log"),
    )
    door = Gateway(GatewaySettings(), deployment, memory, memory, memory, clock=lambda: NOW)  # type: ignore[arg-type]
    running = asyncio.create_task(door.run())
    try:
        yield door, deployment
    finally:
        running.cancel()
        await asyncio.wait({running})


async def sent(door: Gateway, deployment: Deployment, *values: bytes) -> list[Outcome]:
    source = deployment.sources.get(HTTP_SOURCE)
    assert source is not None
    return await asyncio.wait_for(door.accept(values, source), 20)


async def test_nothing_is_promised_that_kafka_has_not_acknowledged(tmp_path: Path) -> None:
    memory = Memory(away=True)
    async with gateway(tmp_path, memory) as (door, deployment):
        (outcome,) = await sent(door, deployment, as_bytes(an_event()))
        assert isinstance(outcome, Unavailable)
        assert [row.receipt for row in memory.rows.values()] == [None]
        memory.away = False
        (again,) = await sent(door, deployment, as_bytes(an_event()))
        assert isinstance(again, Accepted)
        assert len(memory.raw) == 1


async def test_a_promise_names_what_was_sent_and_a_time_still_to_come(tmp_path: Path) -> None:
    memory = Memory()
    async with gateway(tmp_path, memory) as (door, deployment):
        (outcome,) = await sent(door, deployment, as_bytes(an_event()))
        assert isinstance(outcome, Accepted)
        receipt = Receipt.parse_signed(outcome.receipt).receipt
        assert receipt.digest == hashlib.sha256(jsonguard.parse(as_bytes(an_event())).canonical).hexdigest()
        assert parse_ms(receipt.by) > NOW * 1000
        (repeat,) = await sent(door, deployment, as_bytes(an_event()))
        assert isinstance(repeat, Accepted)
        assert repeat.receipt == outcome.receipt
        assert len(memory.raw) == 1


async def test_what_a_restore_has_lost_is_taken_again_once_under_the_receipt_that_it_has(tmp_path: Path) -> None:
    memory = Memory()
    async with gateway(tmp_path, memory) as (door, deployment):
        (first,) = await sent(door, deployment, as_bytes(an_event()))
        assert isinstance(first, Accepted)
        (key,) = memory.rows
        memory.rows[key] = replace(memory.rows[key], lost=True)
        for repeat in (False, True):
            (again,) = await sent(door, deployment, as_bytes(an_event()))
            assert isinstance(again, Accepted)
            assert (again.receipt, again.repeat) == (first.receipt, repeat)
            assert len(memory.raw) == 2
        memory.rows[key] = replace(memory.rows[key], lost=True)
        (other,) = await sent(door, deployment, as_bytes(an_event(1, time="2026-03-02T09:00:01+08:00")))
        assert isinstance(other, Refused)


async def test_a_bad_event_is_refused_by_itself_and_its_neighbours_are_accepted(tmp_path: Path) -> None:
    memory = Memory()
    async with gateway(tmp_path, memory) as (door, deployment):
        good = [as_bytes(an_event(number)) for number in (1, 2)]
        first, bad, other, last = await sent(
            door, deployment, good[0], b"{", as_bytes(an_event(1, sequence="9")), good[1]
        )
        assert isinstance(first, Accepted)
        assert isinstance(last, Accepted)
        assert isinstance(bad, Refused)
        assert bad.faults[0].reason is Reason.NOT_JSON
        assert isinstance(other, Refused)
        assert other.faults[0].reason is Reason.ID_CONFLICT
        assert len(memory.raw) == 2


async def test_a_conflict_with_what_was_accepted_before_is_refused_by_itself(tmp_path: Path) -> None:
    memory = Memory()
    async with gateway(tmp_path, memory) as (door, deployment):
        await sent(door, deployment, as_bytes(an_event(1)))
        values = as_bytes(an_event(2)), as_bytes(an_event(1, sequence="9")), as_bytes(an_event(3))
        before, conflict, after = await sent(door, deployment, *values)
        assert isinstance(before, Accepted)
        assert isinstance(after, Accepted)
        assert isinstance(conflict, Refused)
        assert conflict.faults[0].reason is Reason.ID_CONFLICT
        assert len(memory.raw) == 3
