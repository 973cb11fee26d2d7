"""`python -m chaos.threebrokers`: a quorum of three brokers, replication 3, min.insync 2; each is lost in turn.

With one lost the ledger goes on; with two lost it waits, and loses nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from balance_chain.cli.publishing import Event, PublishUnavailable
from balance_chain.core.errors import BalanceError
from balance_chain.simulator import generate
from balance_local import jars
from balance_local.children import Folder
from balance_local.kafka import Kafka, new_cluster_id
from balance_local.postgres import Postgres
from balance_local.supervisor import Supervisor
from support.ports import free_ports
from support.servers import JARS
from support.waiting import wait_until
from support.wholestack import Whole, whole_stack

NODES = (1, 2, 3)
SECONDS = 120.0
LOST_SECONDS = 8.0


async def load(whole: Whole, seed: int, stop: asyncio.Event) -> None:
    """Case after case; what failed is sent again."""
    cases = 0
    while not stop.is_set():
        cases += 1
        new: list[Event] = [e for e in generate(cases, seed).events if (e["source"], e["id"]) not in whole.published]
        while True:
            try:
                await whole.publish(new)
                break
            except (PublishUnavailable, BalanceError):
                await asyncio.sleep(0.5)


async def run(seed: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bc-", dir="/tmp"))
    ports = free_ports(6)
    voters = tuple(zip(NODES, ports[3:], strict=True))
    runtime, cluster = await asyncio.to_thread(jars.fetch, JARS), new_cluster_id()
    brokers = [
        Kafka(folder / f"kafka-{node}", runtime, port, controller, node=node, voters=voters, cluster=cluster)
        for node, port, controller in zip(NODES, ports[:3], ports[3:], strict=True)
    ]
    postgres = Postgres(folder / "postgres")
    for each in (*brokers, postgres):
        await asyncio.to_thread(each.prepare)
    try:
        async with Supervisor(Folder(folder)) as servers:
            await servers.start([*(each.process() for each in brokers), postgres.process()], SECONDS)
            bootstrap = ",".join(each.bootstrap for each in brokers)
            async with whole_stack(bootstrap, postgres.dsn("postgres"), partitions=2, replication=3) as whole:
                await lose_each(whole, servers, seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def lose_each(whole: Whole, servers: Supervisor, seed: int) -> None:
    stop = asyncio.Event()
    loading = asyncio.create_task(load(whole, seed, stop))
    names = [servers_name(node) for node in NODES]
    try:
        for name in names:
            before = len(whole.published)
            servers.signal(name, signal.SIGSTOP)
            await wait_until(lambda n=before: len(whole.published) > n + 50, SECONDS, f"load flows without {name}")
            servers.signal(name, signal.SIGKILL)
            await wait_until(lambda: servers.not_ready() == [], SECONDS, f"{name} is back")
            print(f"{name} lost and back: the load went on, {len(whole.published)} events acknowledged", flush=True)
        for name in names[:2]:
            servers.signal(name, signal.SIGSTOP)
        await asyncio.sleep(LOST_SECONDS)
        for name in names[:2]:
            servers.signal(name, signal.SIGCONT)
        before = len(whole.published)
        await wait_until(lambda: len(whole.published) > before, SECONDS, "load flows again after two were away")
    finally:
        stop.set()
    await asyncio.wait_for(loading, SECONDS)
    await whole.sealed()
    await whole.verified()
    places = (await whole.read()).places()
    wrong = [name for name in whole.published if len(places[name]) != 1]
    assert not wrong, f"{len(wrong)} events lost or doubled: {wrong[:3]}"


def servers_name(node: int) -> str:
    return "kafka" if node == 1 else f"kafka-{node}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    started = time.monotonic()
    asyncio.run(run(parser.parse_args().seed))
    print(f"three brokers, each lost in turn, then two at once: nothing lost, in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
