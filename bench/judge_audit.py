"""CPU time an event costs in judge-audit, with the whole rule book in the real worker, database and broker beside it.

    python bench/judge_audit.py [--cases N] [--seed N] [--order time|case] [--rate N] [--flame]

Starts Kafka, PostgreSQL and one worker in a temporary folder, and a gateway that only says 202, so that alerts leave
by both ways. Simulated events, protected as the normaliser does it, are written to `litigation.events`: first all at
once (a backlog, in large batches), then as many again at a steady rate (small batches). Each process's user and system
time is divided by the events; what it uses while idle is taken off. --flame needs py-spy and writes a flame graph of
each run to build/flame/. Writes build/reports/judge_audit.json.
"""

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from aiokafka import AIOKafkaProducer
from balance_chain.core.canonical import encode_event
from balance_chain.core.casenumber import parse_subject
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.partition import partition_for
from balance_chain.core.privacy import CaseKey, Protected, Protector
from balance_chain.core.times import format_ms, parse_time
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.settings import CommonSettings
from balance_chain.simulator import ANCHOR_MS, Event, generate
from balance_local.stack import Stack
from flames import flames
from pipeline import cpu_seconds
from report import Row, row, show, write
from started import bench_stack

REPOSITORY = Path(__file__).resolve().parents[1]
TARGET_MICROSECONDS = 100
WORKER = "judge-audit"
IDLE_SECONDS = 5.0
WAIT_SECONDS = 600.0
SETTLED_SECONDS = 1.0
EVENTS_A_MILLISECOND = 20
STEADY_SLICE_SECONDS = 0.05
CHINA = ZoneInfo("Asia/Shanghai")
STAFF = "urn:balance-demo:staff"


class Events:
    """Makes the records of `litigation.events` of as many simulated cases as are asked for."""

    def __init__(self, partitions: int) -> None:
        catalogue = Catalogue.load(data_dir("catalogue"))
        self._protectors = {name: Protector(kind, catalogue.roles) for name, kind in catalogue.types.items()}
        self._phases = {name: kind.phase for name, kind in catalogue.types.items()}
        self._positions = [0] * partitions
        self._sequences: dict[str, int] = {}
        self._made = 0

    def simulated(self, cases: int, seed: int, order: str) -> list[tuple[int, bytes]]:
        """Shard and value of each, in the order in which their sources entered them, or case by case."""
        events = list(generate(cases, seed).events)
        if order == "time":
            events.sort(key=lambda event: parse_time(event.get("recordedtime") or event["time"], CHINA).ms)
        return [self._record(event, f"{seed}-") for event in events]

    def _number(self, source: str) -> str:
        """Each source counts its events in the order in which they come."""
        self._sequences[source] = self._sequences.get(source, 0) + 1
        return str(self._sequences[source])

    def _now(self) -> str:
        return format_ms(ANCHOR_MS + self._made // EVENTS_A_MILLISECOND)

    def _record(self, event: Event, prefix: str) -> tuple[int, bytes]:
        self._made += 1
        case = parse_subject(event["subject"])
        at, recorded = parse_time(event["time"], CHINA), event.get("recordedtime")
        protected = self._protect(event, case.caseid, case.courtcode)
        return self._encode(
            partition_for(case.caseid, len(self._positions)),
            id=prefix + event["id"],
            source=event["source"],
            type=event["type"],
            time=format_ms(at.ms),
            precision="day" if at.precision == "day" else None,
            recordedtime=format_ms(parse_time(recorded, CHINA).ms) if recorded else None,
            sequence=self._number(event["source"]),
            subject=case.caseid,
            caseid=None if case.form == "source" else case.caseid,
            courtcode=case.courtcode,
            actorref=protected.actorref,
            actorrole=protected.actorrole,
            data=protected.data,
        )

    def _encode(self, shard: int, *, data: dict[str, Any] | None = None, **fields: Any) -> tuple[int, bytes]:
        position = self._positions[shard]
        self._positions[shard] += 1
        made = CanonicalEvent(
            specversion="1.0",
            phase=self._phases[fields["type"]],
            receivedtime=self._now(),
            rawgen=0,
            rawpos=position,
            data=data or {},
            **fields,
        )
        return shard, encode_event(made)

    def _protect(self, event: Event, caseid: str, court: str | None) -> Protected:
        protector = self._protectors[event["type"]]
        return protector.protect(
            event["data"],
            source=event["source"],
            event_id=event["id"],
            court=court,
            case_key=CaseKey(caseid, 1, b"k" * 32),
            registry={ref: f"r_{ref.value}" for ref in protector.lookups(event["data"], STAFF, court)},
            staff=STAFF,
        )


def accepted(events: int) -> bytes:
    """The gateway's answer to so many events in one request: a receipt for each."""
    results = b",".join([b'{"status":202,"receipt":{}}'] * events)
    head = b"HTTP/1.1 207 Multi-Status\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (len(results) + 2) + b"[" + results + b"]"


@contextlib.asynccontextmanager
async def yes_gateway(port: int) -> AsyncIterator[None]:
    """A gateway that takes every event; its time is this process's own and not counted."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line
                )
                body = await reader.readexactly(length)
                writer.write(accepted(len(body.splitlines())))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield


async def publish(settings: CommonSettings, records: Iterable[tuple[int, bytes]], rate: float | None) -> None:
    """Write all at once, or open-loop at a steady rate of events a second."""
    topic = settings.topic(EVENTS)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", linger_ms=5, max_batch_size=1 << 18)
    await producer.start()
    try:
        start, waiting = time.monotonic(), []
        for number, (shard, value) in enumerate(records):
            if rate is not None and (ahead := number / rate - (time.monotonic() - start)) > 0:
                await asyncio.sleep(max(ahead, STEADY_SLICE_SECONDS))
            waiting.append(await producer.send(topic, value, partition=shard))
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()


async def applied(pool: Any, records: int) -> None:
    """Wait until all are applied and no alert is left to be sent."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        done = await pool.fetchval("SELECT coalesce(sum(applied), 0) FROM shard")
        if done == records and not await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
            await asyncio.sleep(SETTLED_SECONDS)
            return
        await asyncio.sleep(0.2)
    raise SystemExit(f"not applied within {WAIT_SECONDS:g} s: {done} of {records}")


@dataclass(frozen=True)
class Run:
    """What one run cost: CPU seconds by process, and what it did."""

    name: str
    events: int
    seconds: float
    used: dict[str, float]
    revisions: int
    batches: int

    def rows(self) -> list[Row]:
        """As rows of the report."""
        each = {process: seconds * 1e6 / self.events for process, seconds in self.used.items()}
        return [
            row(
                f"{self.name}, {self.events} events: {process}",
                [value],
                "CPU-µs/event",
                at_most=TARGET_MICROSECONDS if process == WORKER else None,
            )
            for process, value in each.items()
        ]


class Bench:
    """One started stack and what was written to it."""

    def __init__(self, stack: Stack, pool: Any, idle: dict[str, float]) -> None:
        self._stack = stack
        self._pool = pool
        self._idle = idle
        self._written = 0

    async def run(self, name: str, records: list[tuple[int, bytes]], rate: float | None, flamed: bool) -> Run:
        """Write the records, wait until they are applied, and say what that cost."""
        pids = self._stack.supervisor.pids()
        before, done, start = cpu_seconds(pids), await self._counts(), time.monotonic()
        with flames({WORKER: pids[WORKER]} if flamed else {}, f"judge_audit-{name}"):
            await publish(self._stack.settings, records, rate)
            self._written += len(records)
            await applied(self._pool, self._written)
        seconds = time.monotonic() - start
        after = cpu_seconds(pids)
        used = {process: after[process] - before[process] - self._idle[process] * seconds for process in pids}
        revisions, commits = (new - old for new, old in zip(await self._counts(), done, strict=True))
        return Run(name, len(records), seconds, used, revisions, commits)

    async def _counts(self) -> tuple[int, int]:
        revisions = await self._pool.fetchval("SELECT count(*) FROM alert_revision")
        commits = await self._pool.fetchval(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        )
        return int(revisions), int(commits)


async def measure(cases: int, seed: int, order: str, rate: float, steady: int, flamed: bool) -> list[Run]:
    with tempfile.TemporaryDirectory(prefix="bc-", dir="/tmp") as folder:
        data = Path(folder)
        stack = bench_stack(data)
        events = Events(stack.options.partitions)
        backlog = events.simulated(cases, seed, order)
        stream = events.simulated(steady, seed + 1, order)
        async with stack:
            await stack.start(only=frozenset({WORKER}))
            search = {"search_path": "audit"}
            async with (
                yes_gateway(stack.options.ports.gateway),
                asyncpg.create_pool(stack.settings.database, min_size=1, max_size=2, server_settings=search) as pool,
            ):
                pids = stack.supervisor.pids()
                await asyncio.sleep(IDLE_SECONDS)
                before, start = cpu_seconds(pids), time.monotonic()
                await asyncio.sleep(IDLE_SECONDS)
                seconds = time.monotonic() - start
                idle = {name: (used - before[name]) / seconds for name, used in cpu_seconds(pids).items()}
                bench = Bench(stack, pool, idle)
                return [
                    await bench.run("backlog", backlog, None, flamed),
                    await bench.run(f"steady {rate:g} a second", stream, rate, flamed),
                ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000, help="cases of the backlog")
    parser.add_argument("--steady", type=int, default=250, help="cases of the steady stream")
    parser.add_argument("--rate", type=float, default=400, help="events a second of the steady stream")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--order", choices=("time", "case"), default="time", help="how the events of cases interleave")
    parser.add_argument("--flame", action="store_true", help="record flame graphs with py-spy")
    given = parser.parse_args()
    runs = asyncio.run(measure(given.cases, given.seed, given.order, given.rate, given.steady, given.flame))
    for run in runs:
        print(
            f"{run.name}: {run.events} events in {run.seconds:.1f} s, "
            f"{run.revisions} revisions, {run.batches} transactions"
        )
    rows = [each for run in runs for each in run.rows()]
    show(rows)
    return 0 if write("judge_audit", rows)["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
