"""What a plain copy costs: aiokafka's exactly-once consume and produce, 2,000 records a transaction, in CPU an event.

    python bench/exactlyonce.py [--events N] [--rounds N]

Nothing of ours runs; it is what the whole pipeline is held against. CPU is the client's and the broker's.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import psutil
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from balance_local.stack import Stack
from report import REPORTS, Row, row, show, write
from started import bench_stack

EVENT_BYTES = 350
AT_ONCE = 2000
SECONDS = 120.0


def cpu(stack: Stack) -> float:
    times = psutil.Process(stack.supervisor.pids()["kafka"]).cpu_times()
    return times.user + times.system + time.process_time()


async def fill(kafka: str, topic: str, events: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", max_batch_size=1_000_000)
    await producer.start()
    try:
        for begin in range(0, events, AT_ONCE):
            batch = producer.create_batch()
            for number in range(begin, begin + AT_ONCE):
                batch.append(key=None, value=b"%0*d" % (EVENT_BYTES, number), timestamp=None)
            await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()


async def copy(kafka: str, source: str, target: str, events: int, name: str) -> None:
    """Read, write and commit the position in one transaction, again and again."""
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=kafka, group_id=name, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=name, max_batch_size=1_000_000)
    await consumer.start()
    await producer.start()
    try:
        done = 0
        while done < events:
            found = await consumer.getmany(timeout_ms=1000, max_records=AT_ONCE)
            for place, records in found.items():
                async with producer.transaction():
                    batch = producer.create_batch()
                    for each in records:
                        batch.append(key=each.key, value=each.value, timestamp=None)
                    await (await producer.send_batch(batch, target, partition=0))
                    after = {TopicPartition(place.topic, place.partition): records[-1].offset + 1}
                    await producer.send_offsets_to_transaction(after, name)
                done += len(records)
    finally:
        await producer.stop()
        await consumer.stop()


async def measure(events: int, rounds: int) -> list[Row]:
    events -= events % AT_ONCE
    cost, rate = [], []
    with tempfile.TemporaryDirectory(prefix="bc-", dir="/tmp") as folder:
        async with bench_stack(Path(folder)) as stack:
            await stack.start_servers()
            kafka = stack.settings.kafka
            admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
            await admin.start()
            await admin.create_topics([NewTopic(each, 1, 1) for each in ("bench.from", "bench.to")])
            await admin.close()
            await fill(kafka, "bench.from", events)
            for number in range(rounds):
                before, started = cpu(stack), time.perf_counter()
                async with asyncio.timeout(SECONDS):
                    await copy(kafka, "bench.from", "bench.to", events, f"bench-{number}")
                cost.append(1e6 * (cpu(stack) - before) / events)
                rate.append(events / (time.perf_counter() - started))
    rows = [
        row("aiokafka exactly-once copy: CPU, client and broker", cost, "CPU-µs/event"),
        row("aiokafka exactly-once copy", rate, "events/s"),
    ]
    pipeline = REPORTS / "pipeline.json"
    if pipeline.is_file():
        # Of the same `make bench`: the pipeline is measured just before.
        ours = next(r for r in json.loads(pipeline.read_text())["rows"] if r["name"].startswith("all but the gateway"))
        rows.append(row("whole pipeline / exactly-once copy, by CPU", [ours["value"] / each for each in cost], "x"))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(measure(arguments.events, arguments.rounds))
    show(rows)
    return 0 if write("exactlyonce", rows)["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
