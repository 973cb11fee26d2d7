"""What a round of chaos acts on: the running product, its fragile servers, the load, and the copies beside it."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from balance_local.children import Child
from balance_local.stack import Ports, begun, services
from chaos.load import Load
from chaos.proxy import Proxy, Target
from chaos.servers import FragileServers, fragile_servers
from support.ports import free_ports
from support.waiting import wait_until
from support.wholestack import Whole, whole_stack

SERVICES = ("gateway", "normaliser", "sealer", "notary", "verifier", "judge-audit")
PARTITIONS = 2
TAIL_BATCH_BYTES = 8192
"""Small, so that an append is several batches and may die between two of them."""
READY_SECONDS = 120.0
QUICK = {
    "BALANCE_GROUP_SESSION_SECONDS": "5",
    "BALANCE_RECEIPT_SLACK_SECONDS": "5",
    "BALANCE_RECEIPT_CHECK_SECONDS": "1",
}
"""So that a frozen process loses its shards, and a broken promise is told, within a round."""
CLOCK = Path(__file__).parent / "clock"


@dataclass
class World:
    """Everything that may be harmed, and how to heal it."""

    whole: Whole
    servers: FragileServers
    gateway: Proxy
    load: Load
    folder: Path
    note: Callable[[str], None] = lambda text: None
    copies: list[Child] = field(default_factory=list)
    frozen: set[int] = field(default_factory=set)
    clocks_were_ahead: bool = False
    """The sealer once wrote times of the future: later promises cannot be held against the times of blocks."""

    @property
    def proxies(self) -> tuple[Proxy, ...]:
        return self.servers.kafka, self.servers.postgres, self.gateway

    def pid(self, name: str) -> int:
        if name in ("kafka", "postgres"):
            return self.servers.supervisor.pids()[name]
        return self.whole.stack.supervisor.pids()[name]

    def signal(self, name: str, number: signal.Signals) -> None:
        owner = self.servers.supervisor if name in ("kafka", "postgres") else self.whole.stack.supervisor
        owner.signal(name, number)

    def arm(self, service: str, point: str) -> Path:
        """From its next start on the service dies at this point, once; gives the file that says it did."""
        marker = Path(tempfile.mkdtemp(dir=self.folder)) / "hit"
        self.whole.stack.supervisor.set_environment(service, BALANCE_KILL_POINT=point, BALANCE_KILL_MARKER=str(marker))
        return marker

    def disarm(self) -> None:
        for service in SERVICES:
            self.whole.stack.supervisor.set_environment(service, BALANCE_KILL_POINT="")

    def copy(self, service: str, **environment: str) -> Child:
        """A second process of a service beside the first."""
        options = replace(self.whole.stack.options, ports=Ports(*free_ports(8)))
        settings = self.whole.stack.settings
        found = next(p for p in services(settings, options, genesis=False) if p.name == service)
        name = f"{service}-copy-{len(self.copies)}"
        child = Child(replace(found, name=name, env={**found.env, **environment}), self.whole.stack.folder)
        self.copies.append(child)
        return child

    def clock(self, script: str, seconds: float) -> None:
        """Set a process's clock off."""
        (self.folder / script).write_text(str(seconds))

    async def begin(self) -> None:
        """Until every output has had a record: from then on an empty one is a loss, which its writer must refuse."""
        self.load.resume()
        settings, folder = self.whole.stack.settings, self.whole.stack.folder
        await wait_until(lambda: begun(settings, folder), READY_SECONDS, "every output has begun")
        for name in SERVICES:
            self.whole.stack.supervisor.set_environment(
                name, BALANCE_GENESIS="0", BALANCE_TAIL_BATCH_BYTES=str(TAIL_BATCH_BYTES)
            )

    async def heal(self) -> None:
        """End every fault that lasts: proxies, frozen processes, clocks, copies, arms."""
        for proxy in self.proxies:
            proxy.heal()
        for pid in self.frozen:
            with_process(pid, signal.SIGCONT)
        self.frozen.clear()
        for file in self.folder.glob("balance-*"):
            file.unlink()
        for child in self.copies:
            child.signal(signal.SIGCONT)
            child.signal(signal.SIGTERM)
        for child in self.copies:
            await asyncio.to_thread(child.stop)
        self.copies.clear()
        self.disarm()

    async def ready(self) -> None:
        """Until everything runs and says that it is ready."""

        def all_ready() -> bool:
            return not (self.servers.supervisor.not_ready() + self.whole.stack.supervisor.not_ready())

        await wait_until(all_ready, READY_SECONDS, "all are ready again")


def with_process(pid: int, number: signal.Signals) -> None:
    """Signal a process if it is still there."""
    try:
        psutil.Process(pid).send_signal(number)
    except psutil.Error:
        return


@asynccontextmanager
async def world(seed: int) -> AsyncIterator[World]:
    """Everything started and the load running; nothing is left behind."""
    with tempfile.TemporaryDirectory(prefix="bc-clock-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(CLOCK), os.environ.get("PYTHONPATH", "")]))
        patch.setenv("BALANCE_TEST_CLOCK", folder)
        async with (
            fragile_servers() as servers,
            whole_stack(
                servers.bootstrap,
                servers.dsn,
                env=QUICK,
                partitions=PARTITIONS,
                max_wait_ms=400,
                checkpoint_interval_ms=1000,
                tick_after_seconds=10.0,
                grace_seconds=3.0,
                lateness_seconds=3.0,
            ) as whole,
        ):
            (port,) = free_ports(1)
            gateway = Proxy(port, Target(port=whole.stack.options.ports.gateway))
            await gateway.start()
            load = Load(whole.stack.settings, f"http://127.0.0.1:{port}", seed)
            harmed = World(whole, servers, gateway, load, Path(folder))
            load.start()
            try:
                await harmed.begin()
                yield harmed
            finally:
                await load.close()
                await harmed.heal()
                await gateway.stop()
