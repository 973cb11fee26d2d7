"""CPU time an event costs in each stage of the whole pipeline, broker and database included.

    python bench/pipeline.py [--cases N] [--seed N] [--flame]

Starts all of it in a temporary folder on free ports, publishes simulated cases through the gateway as NDJSON, waits
until everything is sealed and every process is idle again, and divides each process's user and system time by the
events. What the processes use while idle is measured before and after, and taken off. The alerts that judge-audit
raises on these cases are events too and pass through everything once more: their cost is in it.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import httpx
import psutil
from balance_chain.core.topics import RAW
from balance_chain.runtime.kafka import topic_ends
from balance_chain.simulator import Event, generate, registrations
from balance_local.stack import Stack
from flames import flames
from report import Row, row, show, write
from started import bench_stack

TARGET_MICROSECONDS = 350
BATCH = 1000
IDLE_SECONDS = 10.0
SETTLE_WINDOW_SECONDS = 3.0
SETTLE_SECONDS = 300.0
NEAR_IDLE_CORES = 0.1
COMMITS = "balance_gateway_commit_events_count"


def cpu_seconds(pids: dict[str, int]) -> dict[str, float]:
    """User and system time of each process with its children."""
    used: dict[str, float] = {}
    for name, pid in pids.items():
        process = psutil.Process(pid)
        times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        own = process.cpu_times()
        used[name] = sum(each.user + each.system for each in times) + own.children_user + own.children_system
    return used


async def publish(client: httpx.AsyncClient, events: list[Event]) -> int:
    """Send the events of the HTTP sources, each source's with its token; how many were accepted."""
    tokens = {each.uri: each.token for each in registrations() if each.transport == "http"}
    accepted = 0
    for source, token in tokens.items():
        own = [each for each in events if each["source"] == source]
        for first in range(0, len(own), BATCH):
            batch = own[first : first + BATCH]
            body = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in batch)
            answer = await client.post(
                "/v1/events",
                content=body.encode(),
                headers={"content-type": "application/x-ndjson", "authorization": f"Bearer {token}"},
            )
            if answer.status_code >= 400:
                raise SystemExit(f"the gateway answered {answer.status_code}: {answer.text[:500]}")
            accepted += len(batch)
    return accepted


async def settle(pids: dict[str, int], idle_cores: float) -> None:
    """Wait until all processes together use hardly more than they do when idle."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        before, start = sum(cpu_seconds(pids).values()), time.monotonic()
        await asyncio.sleep(SETTLE_WINDOW_SECONDS)
        cores = (sum(cpu_seconds(pids).values()) - before) / (time.monotonic() - start)
        if cores < idle_cores + NEAR_IDLE_CORES:
            return
    raise SystemExit(f"not idle again within {SETTLE_SECONDS:g} s")


async def idle_cores(pids: dict[str, int]) -> dict[str, float]:
    """What each process uses while nothing comes in."""
    before, start = cpu_seconds(pids), time.monotonic()
    await asyncio.sleep(IDLE_SECONDS)
    seconds = time.monotonic() - start
    return {name: (after - before[name]) / seconds for name, after in cpu_seconds(pids).items()}


async def measure(cases: int, seed: int, flamed: bool) -> list[Row]:
    """CPU-µs an event of each process, idle time taken off, and of all but the gateway."""
    with tempfile.TemporaryDirectory(prefix="bc-", dir="/tmp") as folder:
        async with bench_stack(Path(folder)) as stack:
            await stack.start()
            pids = stack.supervisor.pids()
            events = list(generate(cases, seed).events)
            await settle(pids, 1.0)
            idle_before, raw_before = await idle_cores(pids), await records_of_raw(stack)
            commits_before = await gateway_commits(stack)
            before, start = cpu_seconds(pids), time.monotonic()
            async with httpx.AsyncClient(base_url=stack.urls.gateway, timeout=60, trust_env=False) as client:
                with flames(python_only(pids) if flamed else {}, "pipeline"):
                    count = await publish(client, events)
                    await settle(pids, sum(idle_before.values()))
            seconds, after = time.monotonic() - start, cpu_seconds(pids)
            raw = await records_of_raw(stack) - raw_before
            commits = await gateway_commits(stack) - commits_before
            # A JVM uses less when it is warm: idle is what lies between before and after.
            idle_after = await idle_cores(pids)
            if stack.supervisor.pids() != pids:
                raise SystemExit("a process was restarted while measuring")
    idle = {name: (idle_before[name] + idle_after[name]) / 2 for name in pids}
    per_event = {name: (after[name] - before[name] - idle[name] * seconds) * 1e6 / count for name in pids}
    total = sum(value for name, value in per_event.items() if name != "gateway")
    return [
        *(row(name, [value], "CPU-µs/event") for name, value in per_event.items()),
        row(f"all but the gateway, {count} events", [total], "CPU-µs/event", at_most=TARGET_MICROSECONDS),
        row("records of raw, alerts and ticks included, an event", [raw / count], "records"),
        row("commits of the gateway, for these events and for alerts", [commits], "commits"),
        row("all processes while idle", [sum(idle.values())], "cores"),
    ]


def python_only(pids: dict[str, int]) -> dict[str, int]:
    """The services: py-spy reads neither the broker nor the database."""
    return {name: pid for name, pid in pids.items() if "python" in Path(psutil.Process(pid).exe()).name}


async def records_of_raw(stack: Stack) -> int:
    return sum((await topic_ends(stack.settings, RAW, stack.settings.partitions)).values())


async def gateway_commits(stack: Stack) -> int:
    """How many commits the gateway has made since it started, by its own metrics."""
    async with httpx.AsyncClient(base_url=stack.urls.gateway, timeout=60, trust_env=False) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return sum(int(float(line.split()[1])) for line in lines if line.startswith(COMMITS))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flame", action="store_true", help="record a flame graph of each service")
    arguments = parser.parse_args()
    rows = asyncio.run(measure(arguments.cases, arguments.seed, arguments.flame))
    show(rows)
    return 0 if write("pipeline", rows)["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
