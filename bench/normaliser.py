"""The normaliser alone over a backlog: CPU an event, all checks and protection on, source signatures apart.

    python bench/normaliser.py [--events N] [--rounds N]

Only events of HTTP sources, which carry the gateway's keyed BLAKE2b instead of an Ed25519 signature. The process is
stopped while raw is filled and let go on when all is there; cases and people are new in each round. CPU is that of
the normaliser's process; PostgreSQL and Kafka are told apart where this bench started them.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psutil
import uvloop
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.kafka import topic_ends
from balance_chain.simulator import Event, registrations
from balance_local.stack import Stack
from rawload import RawRecord, publish, records, simulated
from report import Row, row, show, write
from started import bench_stack

TARGET = 80.0
WARM_EVENTS = 2000
SECONDS = 300.0
SERVERS = ("postgres", "kafka")


@dataclass(frozen=True)
class Run:
    """One backlog: wall time, and CPU time of each process, children included."""

    seconds: float
    cpu_seconds: dict[str, float]


def used(stack: Stack) -> dict[str, float]:
    """User and system time so far."""
    found = {}
    for name, pid in stack.supervisor.pids().items():
        process = psutil.Process(pid)
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        found[name] = sum(each.user + each.system for each in times)
    return found


def unsigned(events: int, seed: int) -> Iterator[Event]:
    """So many events of HTTP sources, enough seeds on to have them all."""
    http = {each.uri for each in registrations() if each.transport == "http"}
    return islice((each for each in simulated(2 * events, seed) if each["source"] in http), events)


async def records_of_events(stack: Stack) -> int:
    return sum((await topic_ends(stack.settings, EVENTS, stack.settings.partitions)).values())


async def caught_up(stack: Stack, events: int) -> None:
    """Until so many records of events are there."""
    async with asyncio.timeout(SECONDS):
        while True:
            if await records_of_events(stack) >= events:
                return
            await asyncio.sleep(0.1)


async def backlog(stack: Stack, load: list[RawRecord]) -> Run:
    """Fill raw beside a stopped normaliser, then let it go on."""
    process = psutil.Process(stack.supervisor.pids()["normaliser"])
    before = await records_of_events(stack)
    process.suspend()
    try:
        await publish(stack.settings, load)
    finally:
        started, cpu = time.perf_counter(), used(stack)
        process.resume()
    await caught_up(stack, before + len(load))
    return Run(time.perf_counter() - started, {name: now - cpu[name] for name, now in used(stack).items()})


async def measure(events: int, rounds: int) -> list[Row]:
    """CPU-µs an event; the first, smaller round is not counted."""
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="bc-", dir="/tmp") as folder:
        # No ticks in between: they would be counted as events.
        async with bench_stack(Path(folder), tick_after_seconds=3600.0) as stack:
            await stack.start(only=frozenset({"normaliser"}))
            await backlog(stack, list(records(unsigned(WARM_EVENTS, 1_000), stack.settings)))
            for number in range(rounds):
                load = list(records(unsigned(events, 1_000 * (number + 2)), stack.settings))
                runs.append(await backlog(stack, load))
    own = [1e6 * each.cpu_seconds["normaliser"] / events for each in runs]
    return [
        row("normaliser over a backlog, signatures apart", own, "CPU-µs/event", at_most=TARGET),
        row("normaliser over a backlog", [events / each.seconds for each in runs], "events/s"),
        *(
            row(f"{name} meanwhile", [1e6 * each.cpu_seconds[name] / events for each in runs], "CPU-µs/event")
            for name in SERVERS
            if name in runs[0].cpu_seconds
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(measure(arguments.events, arguments.rounds))
    show(rows)
    return 0 if write("normaliser", rows)["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
