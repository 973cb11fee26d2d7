"""From append to a signed checkpoint: our sealer and notary beside Tessera, immudb's store and a PostgreSQL chain.

    python bench/append.py [--events N] [--rounds N]

Ours: events are appended to `litigation.events` by one producer while sealer and notary run; the clock stops when a
published checkpoint covers them all. Tessera (POSIX, antispam off): the clock stops when a published checkpoint covers
all entries. immudb's embedded store and the PostgreSQL chain have no checkpoint: it stops at the last commit. Kafka
keeps what it acknowledged by replication and does not sync each batch to disk; the three peers do sync.
"""

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil
import uvloop
from aiokafka import AIOKafkaProducer
from balance_chain.core.topics import BLOCKS, CHECKPOINTS, EVENTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_local.stack import Stack
from balance_verify.entry import BlockHeader, Entry
from balance_verify.topicvalues import BlockRecord, CheckpointRecord
from peers import gopeers, postgreschain
from report import Row, row, show, write
from started import bench_stack

EVENT_BYTES = 350
PRODUCE_AT_ONCE = 4000
IN_FLIGHT = 4
SECONDS = 300.0
TARGET = 1.5
TESSERA_BATCHES = (4096, 65536)
CHAIN_BATCH = 1000
CHAIN_SHARE = 10
"""The chain is given a tenth of the events: its rate does not depend on how many there are."""


@dataclass(frozen=True)
class Run:
    """One measurement of ours; CPU is that of all processes, broker and producer included."""

    seconds: float
    cpu_seconds: float


def blocks_bytes(data: Path) -> int:
    """Bytes of the log segments of `ledger.blocks`."""
    return sum(file.stat().st_size for part in data.glob(f"kafka/**/{BLOCKS}-*") for file in part.glob("*.log"))


def cpu_of(stack: Stack) -> float:
    """User and system time of the broker, our processes and this one."""
    pids = [pid for name, pid in stack.supervisor.pids().items() if name != "postgres"]
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(each.user + each.system for each in times) + time.process_time()


async def produce(settings: CommonSettings, producer: AIOKafkaProducer, events: int) -> None:
    """The events, evenly over the partitions, several batches on their way at a time."""
    pending: list[asyncio.Future[object]] = []
    topic = settings.topic(EVENTS)
    for number, begin in enumerate(range(0, events, PRODUCE_AT_ONCE)):
        batch = producer.create_batch()
        for n in range(begin, min(begin + PRODUCE_AT_ONCE, events)):
            if batch.append(key=None, value=b"%0*d" % (EVENT_BYTES, n), timestamp=None) is None:
                raise RuntimeError("a batch is too small")
        pending.append(await producer.send_batch(batch, topic, partition=number % settings.partitions))
        if len(pending) >= IN_FLIGHT:
            await pending.pop(0)
    await asyncio.gather(*pending)


async def last_value(settings: CommonSettings, topic: str, partition: int) -> bytes | None:
    async with PartitionReader(settings, settings.topic(topic), partition) as reader:
        end = await reader.end_offset()
        found = await reader.read_at(end - 1) if end else None
        return None if found is None else found.value


async def sealed_to(settings: CommonSettings, partition: int, end: int) -> int:
    """The height of the block that holds the record before `end`, once there is one."""
    while True:
        value = await last_value(settings, BLOCKS, partition)
        if value is not None:
            header = Entry.parse(BlockRecord.parse(value).entry).header
            if isinstance(header, BlockHeader) and header.from_ + header.count >= end:
                return header.height
        await asyncio.sleep(0.02)


async def covered(settings: CommonSettings, heights: list[int]) -> None:
    """Until a published checkpoint covers these heights."""
    while True:
        value = await last_value(settings, CHECKPOINTS, 0)
        if value is not None:
            found = CheckpointRecord.parse(value).heights
            if all(have >= wanted for have, wanted in zip(found, heights, strict=True)):
                return
        await asyncio.sleep(0.02)


async def ends(settings: CommonSettings) -> list[int]:
    found = []
    for partition in range(settings.partitions):
        async with PartitionReader(settings, settings.topic(EVENTS), partition) as reader:
            found.append(await reader.end_offset())
    return found


async def ours(stack: Stack, events: int) -> Run:
    settings = stack.settings
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", max_batch_size=4_000_000,
                                max_request_size=8_000_000)  # fmt: skip
    await producer.start()
    try:
        started, cpu = time.perf_counter(), cpu_of(stack)
        async with asyncio.timeout(SECONDS):
            await produce(settings, producer, events)
            wanted = await ends(settings)
            heights = [await sealed_to(settings, each, wanted[each]) for each in range(settings.partitions)]
            await covered(settings, heights)
        return Run(time.perf_counter() - started, cpu_of(stack) - cpu)
    finally:
        await producer.stop()


async def chain(stack: Stack, events: int) -> float:
    """Events a second into the PostgreSQL chain."""
    connection = await asyncpg.connect(stack.settings.database)
    try:
        await postgreschain.create(connection)
        seconds = await postgreschain.fill(connection, events, EVENT_BYTES, CHAIN_BATCH)
        await postgreschain.drop(connection)
        return events / seconds
    finally:
        await connection.close()


async def measure(events: int, rounds: int) -> list[Row]:
    peers = {name: gopeers.build(name) for name in ("tessera", "immudb")}
    our_runs: list[Run] = []
    tessera: list[gopeers.PeerRun] = []
    immudb: list[gopeers.PeerRun] = []
    chains: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bc-", dir="/tmp") as folder:
        async with bench_stack(Path(folder), partitions=2) as stack:
            await stack.start(only=frozenset({"sealer", "notary"}))
            await ours(stack, events // 10)
            disk = []
            for _ in range(rounds):
                before = blocks_bytes(Path(folder))
                our_runs.append(await ours(stack, events))
                disk.append((blocks_bytes(Path(folder)) - before) / events)
                tries = [
                    await asyncio.to_thread(gopeers.run, peers["tessera"], events, "-batch", str(each))
                    for each in TESSERA_BATCHES
                ]
                tessera.append(min(tries, key=lambda each: each.seconds))
                immudb.append(await asyncio.to_thread(gopeers.run, peers["immudb"], events))
                chains.append(await chain(stack, events // CHAIN_SHARE))
    ratios = [peer.seconds / own.seconds for own, peer in zip(our_runs, tessera, strict=True)]
    return [
        row("append to signed checkpoint / Tessera POSIX", ratios, "x", at_least=TARGET, note=tessera[0].version),
        row("append to signed checkpoint", [events / each.seconds for each in our_runs], "events/s"),
        row("Tessera POSIX, its better batch size", [events / each.seconds for each in tessera], "entries/s"),
        row("immudb, commit only", [events / each.seconds for each in immudb], "entries/s", note=immudb[0].version),
        row("PostgreSQL hash chain, commit only", chains, "events/s", note="1,000 a transaction"),
        row("disk of ledger.blocks, large blocks", disk, "bytes/event", at_most=48),
        row(
            "append to checkpoint: CPU, all processes", [1e6 * e.cpu_seconds / events for e in our_runs], "CPU-µs/event"
        ),
        row("Tessera: CPU", [1e6 * each.cpu_seconds / events for each in tessera], "CPU-µs/event"),
        row("immudb: CPU", [1e6 * each.cpu_seconds / events for each in immudb], "CPU-µs/event"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(measure(arguments.events, arguments.rounds))
    show(rows)
    return 0 if write("append", rows)["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
