"""`python -m chaos.backpressure --seconds 120`: Kafka, then PostgreSQL, away for so long under load.

Held: the gateway answers 429 or 503 with Retry-After and goes on answering, no service grows, what was acknowledged is
sealed once, and all go on by themselves when it is back.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpx
import psutil
from balance_chain.simulator import generate
from chaos.checks import judge, settle
from chaos.proxy import Proxy
from chaos.world import SERVICES, World, world
from support.needs import REPOSITORY
from support.wholestack import SOURCES

REPORT = REPOSITORY / "build" / "reports" / "backpressure.json"
SOURCE = "urn:balance-demo:party-platform"
CLIENTS = 8
CASES = 100
BATCH_EVENTS = 500
MEBIBYTE = 1024 * 1024
GROWTH_MIB = 60.0
"""More than allocators and caches take by themselves, less than any queue without a bound would in this time."""
REQUEST_SECONDS = 60.0
WARM_SECONDS = 15.0
SAMPLE_SECONDS = 1.0


@dataclass
class Outage:
    """What was seen while one server was away."""

    name: str
    seconds: float
    answers: Counter[str] = field(default_factory=Counter)
    without_retry_after: int = 0
    before: dict[str, float] = field(default_factory=dict)
    peak: dict[str, float] = field(default_factory=dict)
    recovered_seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def growth(self) -> dict[str, float]:
        return {name: round(self.peak[name] - self.before[name], 1) for name in self.before}


def memory(harmed: World) -> dict[str, float]:
    """Resident MiB of each service."""
    return {name: psutil.Process(harmed.pid(name)).memory_info().rss / MEBIBYTE for name in SERVICES}


def fresh(harmed: World, client: int) -> Iterator[bytes]:
    """Batches of events that were never sent before, each client's its own, without end."""
    for seed in itertools.count(harmed.load.seed + 1 + client, CLIENTS):
        made = [each for each in generate(CASES, seed).events if each["source"] == SOURCE]
        for batch in (made[first : first + BATCH_EVENTS] for first in range(0, len(made), BATCH_EVENTS)):
            harmed.load.attempted.update((each["source"], each["id"]) for each in batch)
            yield b"\n".join(json.dumps(each, ensure_ascii=False).encode() for each in batch)


async def flood(harmed: World, outage: Outage, until: float, batches: Iterator[bytes]) -> None:
    """A client that takes no for an answer, and asks again at once; a batch that was taken is followed by the next."""
    url, token = f"http://127.0.0.1:{harmed.gateway.port}/v1/events", SOURCES[SOURCE].token
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
    body = next(batches)
    async with httpx.AsyncClient(timeout=REQUEST_SECONDS, trust_env=False) as client:
        while time.monotonic() < until:
            try:
                response = await client.post(url, content=body, headers=headers)
            except httpx.TransportError as error:
                outage.answers[type(error).__name__] += 1
                await asyncio.sleep(0.1)
                continue
            outage.answers[str(response.status_code)] += 1
            if response.status_code in (429, 503):
                outage.without_retry_after += "Retry-After" not in response.headers
                await asyncio.sleep(0.05)
            else:
                body = next(batches)


async def watch(harmed: World, outage: Outage, until: float) -> None:
    while time.monotonic() < until:
        for name, size in memory(harmed).items():
            outage.peak[name] = max(outage.peak[name], size)
        await asyncio.sleep(SAMPLE_SECONDS)


async def take_away(
    harmed: World, name: str, proxy: Proxy, seconds: float, clients: Sequence[Iterator[bytes]]
) -> Outage:
    """One server is away while the load goes on, then back."""
    outage = Outage(name, seconds)
    restarts = {each: harmed.whole.stack.supervisor.restarts(each) for each in SERVICES}
    warm = time.monotonic() + WARM_SECONDS
    harmed.load.resume()
    await asyncio.gather(*(flood(harmed, outage, warm, each) for each in clients))
    outage.answers.clear()
    outage.before = memory(harmed)
    outage.peak = dict(outage.before)
    proxy.refuse = True
    proxy.reset()
    until = time.monotonic() + seconds
    await asyncio.gather(watch(harmed, outage, until), *(flood(harmed, outage, until, each) for each in clients))
    proxy.heal()
    back = time.monotonic()
    await settle(harmed)
    outage.recovered_seconds = round(time.monotonic() - back, 1)
    verdict = await judge(harmed)
    # A promise made just before an outage that is longer than the promise cannot be kept; it is alerted.
    outage.problems += [each for each in verdict.problems if "receipts" not in each]
    if outage.without_retry_after:
        outage.problems.append(f"{outage.without_retry_after} refusals without Retry-After")
    if not outage.answers["503"] + outage.answers["429"]:
        outage.problems.append(f"the gateway never said 429 or 503: {dict(outage.answers)}")
    if other := set(outage.answers) - {"200", "207", "429", "503"}:
        outage.problems.append(f"other answers: {sorted(other)}")
    outage.problems += [f"{k} grew by {v} MiB" for k, v in outage.growth.items() if v > GROWTH_MIB]
    died = [each for each, count in restarts.items() if harmed.whole.stack.supervisor.restarts(each) != count]
    outage.problems += [f"{each} died" for each in died]
    return outage


async def run(seconds: float, seed: int) -> list[Outage]:
    async with world(seed) as harmed:
        servers = harmed.servers
        clients = [fresh(harmed, number) for number in range(CLIENTS)]
        return [
            await take_away(harmed, "Kafka", servers.kafka, seconds, clients),
            await take_away(harmed, "PostgreSQL", servers.postgres, seconds, clients),
        ]
    raise SystemExit("interrupted")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long each server is away")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    outages = asyncio.run(run(chosen.seconds, chosen.seed))
    rows = []
    for outage in outages:
        rows.append({
            "name": f"{outage.name} away {outage.seconds:g} s: most growth of a service", "unit": "MiB",
            "value": max(outage.growth.values()), "target": GROWTH_MIB, "met": not outage.problems, "runs": 1,
            "growth": outage.growth, "answers": dict(outage.answers), "recovered_seconds": outage.recovered_seconds,
            "problems": outage.problems,
        })  # fmt: skip
        print(f"{outage.name} away {outage.seconds:g} s: answers {dict(outage.answers)}; MiB before {outage.before}")
        print(f"  growth {outage.growth}; settled {outage.recovered_seconds} s after it was back")
        print("\n".join(f"  PROBLEM {each}" for each in outage.problems) or "  all held")
    ok = all(row["met"] for row in rows)
    told = {"name": "backpressure", "machine": f"{platform.machine()}, {os.cpu_count()} cores", "ok": ok, "rows": rows}
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(told, indent=1) + "\n")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
