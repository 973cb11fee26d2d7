"""CPU time an event costs in each stage of the whole pipeline, broker and database included.

    python bench/pipeline.py [--cases N] [--seed N]

Starts all of it in a temporary folder on free ports, publishes simulated cases through the gateway as NDJSON, waits
until everything is sealed and every process is idle again, and divides each process's user and system time by the
events. What the processes use while idle is measured first and taken off. Writes build/reports/pipeline.json.
"""

import argparse
import asyncio
import json
import os
import platform
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
from balance_chain.simulator import Event, generate, registrations
from balance_local.demosources import register_demo_sources
from balance_local.stack import Ports, Stack, StackOptions

REPOSITORY = Path(__file__).resolve().parents[1]
REPORT = REPOSITORY / "build" / "reports" / "pipeline.json"
JARS = REPOSITORY / ".balance" / "jars"
TARGET_MICROSECONDS = 350
BATCH = 1000
IDLE_WINDOW_SECONDS = 3.0
SETTLE_SECONDS = 300.0
NEAR_IDLE_CORES = 0.1


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


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
        await asyncio.sleep(IDLE_WINDOW_SECONDS)
        cores = (sum(cpu_seconds(pids).values()) - before) / (time.monotonic() - start)
        if cores < idle_cores + NEAR_IDLE_CORES:
            return
    raise SystemExit(f"not idle again within {SETTLE_SECONDS:g} s")


async def measure(cases: int, seed: int) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="bc-", dir="/tmp") as folder:
        data = Path(folder)
        if JARS.is_dir():
            (data / "jars").symlink_to(JARS)
        kafka_port = free_ports(1)[0]
        options = StackOptions(data=data, kafka_port=kafka_port, ports=Ports(*free_ports(8)))
        async with Stack(options, register_sources=register_demo_sources) as stack:
            await stack.start()
            pids = stack.supervisor.pids()
            events = list(generate(cases, seed).events)
            await settle(pids, 1.0)
            idle_before, start = cpu_seconds(pids), time.monotonic()
            await asyncio.sleep(IDLE_WINDOW_SECONDS)
            seconds = time.monotonic() - start
            before = cpu_seconds(pids)
            idle = {name: (before[name] - idle_before[name]) / seconds for name in pids}
            start = time.monotonic()
            async with httpx.AsyncClient(base_url=stack.urls.gateway, timeout=60, trust_env=False) as client:
                count = await publish(client, events)
            await settle(pids, sum(idle.values()))
            seconds = time.monotonic() - start
            after = cpu_seconds(pids)
            if stack.supervisor.pids() != pids:
                raise SystemExit("a process was restarted while measuring")
    per_event = {name: (after[name] - before[name] - idle[name] * seconds) * 1e6 / count for name in pids}
    total = sum(value for name, value in per_event.items() if name != "gateway")
    rows: list[dict[str, object]] = [
        {"name": name, "value": round(value, 1), "unit": "CPU-µs/event", "target": None, "met": True, "runs": 1}
        for name, value in per_event.items()
    ]
    rows.append(
        {
            "name": f"all but the gateway, {count} events",
            "value": round(total, 1),
            "unit": "CPU-µs/event",
            "target": TARGET_MICROSECONDS,
            "met": total <= TARGET_MICROSECONDS,
            "runs": 1,
        }
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rows = asyncio.run(measure(arguments.cases, arguments.seed))
    machine = f"{platform.machine()} {os.cpu_count()} cores, Python {platform.python_version()}"
    report = {"name": "pipeline", "machine": machine, "ok": all(row["met"] for row in rows), "rows": rows}
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    for row in rows:
        print(f"{row['name']:36} {row['value']:10} {row['unit']}")


if __name__ == "__main__":
    main()
