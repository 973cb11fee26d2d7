"""The gateway beside a FastAPI service that inserts one row and signs: single events, and NDJSON batches of 1,000.

    python bench/gateway.py [--events N] [--rounds N] [--clients N]

Both have the same PostgreSQL, the same HTTP server and the same client here: keep-alive connections that each send
the next request after the answer. The gateway does more: it checks source and schema, puts the event on Kafka, and
commits twice, once before and once after. CPU is that of the service's process alone.
"""

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop
from balance_chain.simulator import generate, registrations
from report import Row, row, show, write
from started import bench_stack, free_ports

ECHO = Path(__file__).resolve().parent / "peers" / "echo.py"
SINGLE, NDJSON = "application/cloudevents+json", "application/x-ndjson"
BATCH = 1000
BATCH_CLIENTS = 4
SECONDS = 120.0
SINGLE_TARGET, BATCH_TARGET = 0.3, 10.0
EVENTS_A_CASE = 30
"""Fewer than a simulated case has of HTTP sources, on average."""


@dataclass(frozen=True)
class Request:
    """A body and whose it is."""

    token: str
    media_type: str
    body: bytes


@dataclass(frozen=True)
class Run:
    """One measurement."""

    seconds: float
    cpu_seconds: float


def events(count: int, seed: int) -> list[tuple[str, bytes]]:
    """Token and JSON bytes of `count` simulated events of HTTP sources; a seed's events are its own."""
    tokens = {each.uri: each.token for each in registrations() if each.transport == "http" and each.token}
    made = [
        (tokens[event["source"]], json.dumps(event, ensure_ascii=False).encode())
        for event in generate(count // EVENTS_A_CASE + 10, seed).events
        if event["source"] in tokens
    ]
    if len(made) < count:
        raise RuntimeError(f"the simulator made {len(made)} events, {count} were asked for")
    return made[:count]


def singles(made: Sequence[tuple[str, bytes]]) -> list[Request]:
    return [Request(token, SINGLE, body) for token, body in made]


def batches(made: Sequence[tuple[str, bytes]]) -> list[Request]:
    """NDJSON bodies, each of one source; the last of a source is smaller."""
    by_token: dict[str, list[bytes]] = defaultdict(list)
    for token, body in made:
        by_token[token].append(body)
    return [
        Request(token, NDJSON, b"\n".join(bodies[first : first + BATCH]))
        for token, bodies in by_token.items()
        for first in range(0, len(bodies), BATCH)
    ]


async def client(port: int, requests: Iterator[Request]) -> None:
    """One keep-alive connection: sends what is next until there is no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in requests:
            head = (
                f"POST /v1/events HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {request.token}\r\n"
                f"content-type: {request.media_type}\r\ncontent-length: {len(request.body)}\r\n\r\n"
            )
            writer.write(head.encode() + request.body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = next(int(x[15:]) for x in answer.lower().split(b"\r\n") if x.startswith(b"content-length:"))
            body = await reader.readexactly(length)
            if answer[9:12] not in (b"200", b"202"):
                raise RuntimeError(f"answered {answer[9:12]!r}: {body[:300]!r}")
    finally:
        writer.close()


async def drive(port: int, process: psutil.Process, requests: list[Request], clients: int) -> Run:
    """All requests through so many connections."""
    shared = iter(requests)
    before, started = process.cpu_times(), time.perf_counter()
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client(port, shared))
    seconds, after = time.perf_counter() - started, process.cpu_times()
    return Run(seconds, after.user + after.system - before.user - before.system)


async def listening(port: int) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


async def measure(count: int, rounds: int, clients: int) -> list[Row]:
    """`count` single events and ten times as many in batches, a round."""
    single: list[Run] = []
    batched: list[Run] = []
    echoed: list[Run] = []
    seeds = itertools.count(1)
    with tempfile.TemporaryDirectory(prefix="bc-", dir="/tmp") as folder:
        async with bench_stack(Path(folder)) as stack:
            await stack.start(only=frozenset({"gateway"}))
            ours, gateway = stack.options.ports.gateway, psutil.Process(stack.supervisor.pids()["gateway"])
            port = free_ports(1)[0]
            peer = await asyncio.create_subprocess_exec(sys.executable, str(ECHO), str(port), stack.settings.database)
            try:
                await listening(port)
                echo = psutil.Process(peer.pid)
                warm = singles(events(200, next(seeds)))
                await drive(ours, gateway, warm, clients)
                await drive(port, echo, warm, clients)
                for _ in range(rounds):
                    requests = singles(events(count, next(seeds)))
                    echoed.append(await drive(port, echo, requests, clients))
                    single.append(await drive(ours, gateway, requests, clients))
                    requests = batches(events(10 * count, next(seeds)))
                    batched.append(await drive(ours, gateway, requests, BATCH_CLIENTS))
            finally:
                peer.terminate()
                await asyncio.wait_for(peer.wait(), 10)
    rate, echo_rate = [count / each.seconds for each in single], [count / each.seconds for each in echoed]
    batch_rate = [10 * count / each.seconds for each in batched]
    return [
        row("gateway, single events / FastAPI echo", _ratios(rate, echo_rate), "x", at_least=SINGLE_TARGET),
        row("gateway, NDJSON / single events", _ratios(batch_rate, rate), "x", at_least=BATCH_TARGET),
        row("gateway, single events", rate, "events/s", note=f"{clients} clients"),
        row("gateway, NDJSON batches of 1,000", batch_rate, "events/s", note=f"{BATCH_CLIENTS} clients"),
        row("FastAPI echo", echo_rate, "events/s", note=f"{clients} clients"),
        row("gateway CPU, single events", [1e6 * each.cpu_seconds / count for each in single], "CPU-µs/event"),
        row("gateway CPU, NDJSON", [1e5 * each.cpu_seconds / count for each in batched], "CPU-µs/event"),
        row("FastAPI echo CPU", [1e6 * each.cpu_seconds / count for each in echoed], "CPU-µs/event"),
    ]


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [own / their for own, their in zip(ours, theirs, strict=True)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=16)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(measure(arguments.events, arguments.rounds, arguments.clients))
    show(rows)
    return 0 if write("gateway", rows)["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
