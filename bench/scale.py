"""What grows with the ledger: proofs, restarts, memory and disk at 10 k, 100 k and 1 M events in the whole system.

    python bench/scale.py [--sizes 10000 100000 1000000]

Simulated events go through `litigation.raw`, all services run. At each size, once all have caught up: proofs by event
id for eight clients, the time from the start of each process until it is ready, resident memory, bytes on disk. The
growth of a figure is the power of n that fits between the sizes: 0 is constant, 1 linear. Beside it, what the peers do
for one proof: a PostgreSQL hash chain hashes on to the head, pymerkle asks its SQLite tree.
"""

import argparse
import asyncio
import itertools
import json
import math
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx
import psutil
import pymerkle
import uvloop
from balance_chain.core.topics import BLOCKS, CHECKPOINTS, EVENTS, RAW
from balance_chain.runtime.kafka import topic_ends
from balance_local.stack import Stack
from peers import postgreschain
from rawload import RawRecord, publish, quantile, records, simulated
from report import Row, row, show, write
from started import bench_stack

CLIENTS = 8
PROOFS = 1600
PART_EVENTS = 20_000
IDLE_CORES = 0.25
CAUGHT_UP_SECONDS = 3600.0
READY_SECONDS = 300.0
SERVICES = ("gateway", "normaliser", "sealer", "notary", "verifier", "verifier-api", "judge-audit", "judge-audit-api")
MEBIBYTE = 1024 * 1024
LINEAR_MOST = 100_000
"""The peers that are linear are not asked beyond this."""
PEER_PROOFS = 20
KEPT_NAMES = 20_000


@dataclass
class Seen:
    """Everything measured at one size."""

    events: int
    proofs_ms: list[float] = field(default_factory=list)
    proofs_per_second: float = 0.0
    ready_seconds: dict[str, float] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    topic_bytes: dict[str, float] = field(default_factory=dict)
    database_bytes: float = 0.0
    catch_up_rate: float = 0.0


@dataclass
class Filler:
    """Publishes the simulator's events part by part, and remembers some names to ask for."""

    stack: Stack
    load: Iterator[RawRecord]
    published: int = 0
    names: list[tuple[str, str]] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(1))

    async def to(self, size: int) -> None:
        while self.published < size:
            part = list(itertools.islice(self.load, min(PART_EVENTS, size - self.published)))
            self.published += await publish(self.stack.settings, part)
            self.names += [each.name for each in self._random.sample(part, min(len(part), 500))]
        self._random.shuffle(self.names)
        del self.names[KEPT_NAMES:]


def cpu(stack: Stack) -> float:
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in stack.supervisor.pids().values())


async def caught_up(stack: Stack) -> None:
    """Until everything raw is an event, every event is sealed and proved, and the machine is at rest."""
    settings = stack.settings
    until = time.monotonic() + CAUGHT_UP_SECONDS
    while time.monotonic() < until:
        raw = sum(await topic_ends(settings, RAW, settings.partitions))
        events = sum(await topic_ends(settings, EVENTS, settings.partitions))
        before, started = cpu(stack), time.monotonic()
        await asyncio.sleep(3.0)
        cores = (cpu(stack) - before) / (time.monotonic() - started)
        if raw <= events + settings.partitions and cores < IDLE_CORES:
            return
    raise SystemExit(f"not caught up within {CAUGHT_UP_SECONDS:g} s")


async def prove(stack: Stack, names: Sequence[tuple[str, str]]) -> tuple[list[float], float]:
    """Each client asks for one proof after another; milliseconds of each, and proofs a second in all."""
    queue = list(names)
    times: list[float] = []

    async def client() -> None:
        async with httpx.AsyncClient(base_url=stack.urls.verifier, timeout=60, trust_env=False) as http:
            while queue:
                source, name = queue.pop()
                started = time.perf_counter()
                answer = await http.get(f"/v1/events/{quote(source, safe='')}/{quote(name, safe='')}/proof")
                times.append(1000 * (time.perf_counter() - started))
                if answer.status_code != 200:
                    raise SystemExit(f"no proof of {source} {name}: {answer.status_code} {answer.text[:300]}")

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return times, len(times) / (time.perf_counter() - started)


async def restart(stack: Stack, name: str) -> float:
    """Seconds from the start of a new process until it is ready."""
    supervisor = stack.supervisor
    old = supervisor.pids()[name]
    supervisor.signal(name, signal.SIGTERM)
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        pid = supervisor.pids().get(name, old)
        if pid != old and name not in supervisor.not_ready():
            return time.time() - psutil.Process(pid).create_time()
        await asyncio.sleep(0.05)
    raise SystemExit(f"{name} was not ready {READY_SECONDS:g} s after it was stopped")


def folder_bytes(folder: Path, prefix: str) -> int:
    """Bytes of the log segments of a topic's partitions."""
    return sum(file.stat().st_size for part in folder.glob(f"**/{prefix}-*") for file in part.glob("*.log"))


async def look(stack: Stack, filler: Filler, data: Path) -> Seen:
    seen = Seen(filler.published)
    seen.memory_mib = {n: psutil.Process(stack.supervisor.pids()[n]).memory_info().rss / MEBIBYTE for n in SERVICES}
    await prove(stack, filler.names[:200])
    seen.proofs_ms, seen.proofs_per_second = await prove(stack, filler.names[-PROOFS:])
    for name in SERVICES:
        seen.ready_seconds[name] = await restart(stack, name)
    seen.topic_bytes = {each: folder_bytes(data / "kafka", each) for each in (RAW, EVENTS, BLOCKS, CHECKPOINTS)}
    connection = await asyncpg.connect(stack.settings.database)
    try:
        seen.database_bytes = float(await connection.fetchval("select pg_database_size(current_database())"))
    finally:
        await connection.close()
    return seen


def growth(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The power of n fitted to values at sizes, by least squares of the logarithms."""
    xs, ys = [math.log(each) for each in sizes], [math.log(max(each, 1e-9)) for each in values]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    over = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return over / sum((x - mean_x) ** 2 for x in xs)


async def chain_proofs(database: str, sizes: Sequence[int]) -> list[tuple[int, float]]:
    """Milliseconds for one proof in a PostgreSQL hash chain of each size."""
    connection = await asyncpg.connect(database)
    found = []
    try:
        await postgreschain.create(connection)
        have, chance = 0, random.Random(1)
        for size in sizes:
            await postgreschain.fill(connection, size - have, 350, 1000)
            have = size
            started = time.perf_counter()
            for _ in range(PEER_PROOFS):
                await postgreschain.prove(connection, chance.randrange(size))
            found.append((size, 1000 * (time.perf_counter() - started) / PEER_PROOFS))
        await postgreschain.drop(connection)
    finally:
        await connection.close()
    return found


def pymerkle_proofs(sizes: Sequence[int], folder: Path) -> list[tuple[int, float]]:
    """Milliseconds for one inclusion proof of pymerkle's SQLite tree at each size."""
    found, chance = [], random.Random(1)
    with pymerkle.SqliteTree(str(folder / "tree.db")) as tree:
        have = 0
        for size in sizes:
            tree.append_entries((b"%0350d" % number for number in range(have, size)), chunksize=10_000)
            have = size
            started = time.perf_counter()
            for _ in range(PEER_PROOFS):
                tree.prove_inclusion(chance.randrange(size) + 1, size)
            found.append((size, 1000 * (time.perf_counter() - started) / PEER_PROOFS))
    return found


def rows_of(all_seen: Sequence[Seen], chain: list[tuple[int, float]], merkle: list[tuple[int, float]]) -> list[Row]:
    sizes = [each.events for each in all_seen]
    rows: list[Row] = []

    def series(name: str, unit: str, values: Sequence[float]) -> None:
        rows.extend(row(f"{name}, {size:,} events", [value], unit) for size, value in zip(sizes, values, strict=True))
        if len(sizes) > 1:
            rows.append(row(f"{name}: growth", [growth(sizes, values)], "power of n"))

    series("proof by event id, median, 8 clients", "ms", [quantile(each.proofs_ms, 0.5) for each in all_seen])
    series("proof by event id, p99, 8 clients", "ms", [quantile(each.proofs_ms, 0.99) for each in all_seen])
    if len(sizes) > 1:
        last, before = (quantile(each.proofs_ms, 0.5) for each in (all_seen[-1], all_seen[-2]))
        rows.append(row(f"proof: {sizes[-1]:,} / {sizes[-2]:,} events", [last / before], "x", at_most=1.5))
    series("proofs by 8 clients", "proofs/s", [each.proofs_per_second for each in all_seen])
    for name in SERVICES:
        series(f"restart of {name}", "s", [each.ready_seconds[name] for each in all_seen])
    series("memory of the largest service", "MiB", [max(each.memory_mib.values()) for each in all_seen])
    for name in all_seen[0].topic_bytes:
        series(f"disk of {name}", "bytes/event", [each.topic_bytes[name] / each.events for each in all_seen])
    series("disk of PostgreSQL", "bytes/event", [each.database_bytes / each.events for each in all_seen])
    rows += [row(f"one proof, PostgreSQL hash chain, {size:,} rows", [ms], "ms") for size, ms in chain]
    rows += [row(f"one proof, pymerkle on SQLite, {size:,} entries", [ms], "ms") for size, ms in merkle]
    rows.append(
        row("memory of a service at most", [max(max(e.memory_mib.values()) for e in all_seen)], "MiB", at_most=300)
    )
    return rows


async def measure(sizes: Sequence[int]) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="bc-", dir="/tmp") as folder:
        data = Path(folder)
        async with bench_stack(data) as stack:
            await stack.start()
            filler = Filler(stack, records(simulated(max(sizes) + PART_EVENTS, 1), stack.settings))
            all_seen = []
            for size in sizes:
                started, before = time.monotonic(), filler.published
                await filler.to(size)
                await caught_up(stack)
                rate = (size - before) / (time.monotonic() - started)
                all_seen.append(await look(stack, filler, data))
                all_seen[-1].catch_up_rate = rate
                print(f"{size:,} events: {rate:,.0f} events/s from raw to all caught up", flush=True)
                print(json.dumps(all_seen[-1].ready_seconds), json.dumps(all_seen[-1].memory_mib), flush=True)
            linear = [each for each in sizes if each <= LINEAR_MOST]
            chain = await chain_proofs(stack.settings.database, linear)
        merkle = await asyncio.to_thread(pymerkle_proofs, linear, data)
    return rows_of(all_seen, chain, merkle)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(measure(sorted(arguments.sizes)))
    show(rows)
    return 0 if write("scale", rows)["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
