"""How fast the sealer works off a backlog, against aiokafka reading the same topic and doing nothing.

    python bench/sealer_backlog.py [--events N] [--rounds N] [--kafka HOST:PORT]

Starts a Kafka of its own, or takes a running one (`BALANCE_KAFKA` or --kafka): it makes topics there and deletes
them. Each round measures both
in turn; CPU is this process's user and system time alone. Writes build/reports/sealer_backlog.json.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import secrets
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from balance_chain.core.counting import BlockChain
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.times import format_ms
from balance_chain.core.topics import BLOCKS, EVENTS, SPECS
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.tailwriter import TailWriter
from balance_chain.runtime.topics import create_topics
from balance_sealer.sealer import Sealer
from balance_sealer.settings import SealerSettings
from balance_verify.entry import GenesisHeader
from balance_verify.keyset import KeyHistory
from started import bench_stack

ORIGIN = "bench.example/balance-chain/1"
EVENT_BYTES = 350
TARGET = 0.35
REPORT = Path(__file__).resolve().parents[1] / "build" / "reports" / "sealer_backlog.json"


@dataclass(frozen=True)
class Run:
    """One measurement."""

    seconds: float
    cpu_seconds: float


class Clocked:
    """Wall and CPU time of a block of code."""

    def __enter__(self) -> "Clocked":
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.run = Run(time.perf_counter() - self._wall, time.process_time() - self._cpu)


async def fill(settings: SealerSettings, events: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", max_batch_size=1_000_000)
    await producer.start()
    try:
        for begin in range(0, events, 2000):
            batch = producer.create_batch()
            for number in range(begin, min(begin + 2000, events)):
                batch.append(key=None, value=b"%0*d" % (EVENT_BYTES, number), timestamp=None)
            await (await producer.send_batch(batch, settings.topic(EVENTS), partition=0))
    finally:
        await producer.stop()


async def read_only(settings: SealerSettings, events: int) -> Run:
    async with PartitionReader(settings, settings.topic(EVENTS), 0) as reader:
        with Clocked() as clocked:
            seen = 0
            while seen < events:
                seen += len(await reader.read(settings.max_events, 1.0))
    return clocked.run


async def seal(settings: SealerSettings, keys: KeyDirectory, events: int) -> Run:
    """The sealer's own loop over the whole backlog, into a partition that grows with each round."""
    sealer = Sealer(settings, keys, Health())
    writer = TailWriter(settings, settings.topic(BLOCKS), 0)
    await writer.open()
    end = writer.next_offset + events // settings.max_events
    chain = BlockChain(0)
    genesis = GenesisHeader("0" * 64, (str(keys.sealer_vkey),), ORIGIN, 1, format_ms(0))
    # No key set and no end appear during a round, and the watch is not to read a topic that has no genesis.
    watch = KeyWatch(settings, keys.log_vkey, KeyHistory.begin(genesis))
    try:
        async with PartitionReader(settings, settings.topic(EVENTS), 0) as reader:
            with Clocked() as clocked:
                work = asyncio.ensure_future(sealer.seal_chain(chain, reader, writer, keys.sealer, watch))
                while writer.next_offset < end:
                    await asyncio.wait({work}, timeout=0.005)
                    if work.done():
                        work.result()
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
    finally:
        await writer.close()
    return clocked.run


async def measure(kafka: str, events: int, rounds: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        keys = KeyDirectory.generate(Path(folder) / "keys", ORIGIN)
        settings = SealerSettings(
            kafka=kafka, origin=ORIGIN, partitions=1, topic_prefix=f"bench{secrets.token_hex(4)}.", keys=keys.path
        )
        # Whole blocks, so that no measurement waits for max_wait at its end.
        events -= events % settings.max_events
        await create_topics(settings)
        try:
            await fill(settings, events)
            await read_only(settings, events)
            pairs = [(await read_only(settings, events), await seal(settings, keys, events)) for _ in range(rounds)]
        finally:
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
            await admin.start()
            await admin.delete_topics([settings.topic(spec.name) for spec in SPECS])
            await admin.close()
    ratios = [bare.seconds / sealed.seconds for bare, sealed in pairs]
    cpu_ratios = [bare.cpu_seconds / sealed.cpu_seconds for bare, sealed in pairs]
    ratio = statistics.median(ratios)

    def row(name: str, runs: list[float], unit: str, target: float | None = None) -> dict[str, object]:
        value = statistics.median(runs)
        met = None if target is None else value >= target
        return {"name": name, "value": value, "unit": unit, "target": target, "met": met, "runs": runs}

    rows = [
        row("sealer over a backlog / bare read", ratios, "x", TARGET),
        row("the same by CPU", cpu_ratios, "x"),
        row("sealer", [events / sealed.seconds for _, sealed in pairs], "events/s"),
        row("bare read", [events / bare.seconds for bare, _ in pairs], "events/s"),
        row("sealer CPU", [1e6 * sealed.cpu_seconds / events for _, sealed in pairs], "us/event"),
        row("bare read CPU", [1e6 * bare.cpu_seconds / events for bare, _ in pairs], "us/event"),
    ]
    machine = f"{platform.machine()} {os.cpu_count()} cores, Python {platform.python_version()}"
    return {"name": "sealer_backlog", "machine": machine, "ok": ratio >= TARGET, "rows": rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kafka", default=os.environ.get("BALANCE_KAFKA"))
    arguments = parser.parse_args()

    async def run() -> dict[str, object]:
        if arguments.kafka:
            return await measure(arguments.kafka, arguments.events, arguments.rounds)
        with tempfile.TemporaryDirectory(prefix="bc-", dir="/tmp") as folder:
            async with bench_stack(Path(folder)) as stack:
                await stack.start_servers()
                return await measure(stack.settings.kafka, arguments.events, arguments.rounds)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(run())
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    for line in report["rows"]:
        print(f"{line['name']:36} {line['value']:12.2f} {line['unit']}")
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
