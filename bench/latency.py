"""How long an event waits from the moment it should have been sent until it is sealed, at a steady offered rate.

    python bench/latency.py [--rate N] [--seconds N] [--rounds N]

Open loop: every event has its moment, whatever became of those before it, and its wait counts from that moment. It
ends when a reader of `ledger.blocks` sees the block. All services run; events come over Kafka, signed or authenticated
as sources and gateway do it. The target is the sealer's `max_wait` and five round trips to Kafka, measured beside it.
"""

import argparse
import asyncio
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from balance_chain.core.topics import BLOCKS, RAW
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_local.stack import Stack
from balance_verify.entry import BlockHeader, Entry
from balance_verify.topicvalues import BlockRecord
from rawload import RawRecord, quantile, records, send, simulated
from report import Row, row, show, write
from started import bench_stack

MAX_WAIT_MS = 200
ROUND_TRIPS = 5
PING = "bench.ping"
PINGS = 100
LATE_SECONDS = 120.0
"""Longest wait, after the last event, for those still under way."""


@dataclass
class Watch:
    """Which raw offsets were sealed when, by shard. An event has the offset of its raw record (generation 0)."""

    settings: CommonSettings
    sealed: dict[tuple[int, int], float] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    async def follow(self, shard: int, start: int) -> None:
        async with PartitionReader(self.settings, self.settings.topic(BLOCKS), shard, start) as reader:
            while True:
                for record in await reader.read(1000, 1.0):
                    now = time.perf_counter()
                    header = Entry.parse(BlockRecord.parse(record.value).entry).header
                    if isinstance(header, BlockHeader):
                        for offset in range(header.from_, header.from_ + header.count):
                            self.sealed.setdefault((shard, offset), now)


async def round_trip_ms(settings: CommonSettings) -> float:
    """Median of single acknowledged writes to a topic of its own, one after another."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        # An answer that it exists already comes as a code, not as an exception.
        await admin.create_topics([NewTopic(PING, 1, settings.replication)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all")
    await producer.start()
    try:
        times = []
        for _ in range(PINGS):
            started = time.perf_counter()
            await producer.send_and_wait(PING, b"ping")
            times.append(1000 * (time.perf_counter() - started))
        return quantile(times, 0.5)
    finally:
        await producer.stop()


async def offer(settings: CommonSettings, load: list[RawRecord], rate: float) -> dict[tuple[int, int], float]:
    """Send each record at its moment; gives the moment by shard and raw offset."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all")
    await producer.start()
    sent: list[tuple[float, asyncio.Future[object]]] = []
    try:
        begun = time.perf_counter()
        for number, each in enumerate(load):
            moment = begun + number / rate
            if (early := moment - time.perf_counter()) > 0.001:
                await asyncio.sleep(early)
            sent.append((moment, await send(producer, settings, each)))
        answers = [(moment, await future) for moment, future in sent]
    finally:
        await producer.stop()
    return {(answer.partition, answer.offset): moment for moment, answer in answers}  # type: ignore[attr-defined]


async def one_round(stack: Stack, load: list[RawRecord], rate: float) -> tuple[list[float], float]:
    """Waits in milliseconds, and the round trip measured before."""
    settings = stack.settings
    trip = await round_trip_ms(settings)
    watch = Watch(settings)
    starts = []
    for shard in range(settings.partitions):
        async with PartitionReader(settings, settings.topic(BLOCKS), shard) as reader:
            starts.append(await reader.end_offset())
    followers = [asyncio.create_task(watch.follow(shard, start)) for shard, start in enumerate(starts)]
    try:
        moments = await offer(settings, load, rate)
        until = time.monotonic() + LATE_SECONDS
        while not all(place in watch.sealed for place in moments):
            if time.monotonic() > until:
                raise SystemExit(f"{settings.topic(RAW)}: events not sealed {LATE_SECONDS:g} s after the last was sent")
            for each in followers:
                if each.done():
                    each.result()
            await asyncio.sleep(0.1)
    finally:
        for each in followers:
            each.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
    return [1000 * (watch.sealed[place] - moment) for place, moment in moments.items()], trip


async def measure(rate: float, seconds: float, rounds: int) -> list[Row]:
    size = int(rate * seconds)
    with tempfile.TemporaryDirectory(prefix="bc-", dir="/tmp") as folder:
        async with bench_stack(Path(folder), max_wait_ms=MAX_WAIT_MS) as stack:
            await stack.start()
            load = list(records(simulated(size * (rounds + 1), 1), stack.settings))
            # The first part warms everything up and is not counted.
            await one_round(stack, load[: size // 3], rate)
            medians, tails, trips, over = [], [], [], []
            for number in range(rounds):
                waits, trip = await one_round(stack, load[size * number + size // 3 : size * (number + 1)], rate)
                medians.append(quantile(waits, 0.5))
                tails.append(quantile(waits, 0.99))
                trips.append(trip)
                over.append(tails[-1] / (MAX_WAIT_MS + ROUND_TRIPS * trip))
    offered = f"{rate:g} events/s offered"
    return [
        row(f"sealed, p99 / (max_wait + 5 round trips), {offered}", over, "x", at_most=1.0),
        row(f"wait until sealed, p99, {offered}", tails, "ms"),
        row(f"wait until sealed, median, {offered}", medians, "ms"),
        row("one round trip to Kafka, idle", trips, "ms"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(measure(arguments.rate, arguments.seconds, arguments.rounds))
    show(rows)
    return 0 if write("latency", rows)["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
