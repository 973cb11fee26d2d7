"""The servers that chaos owns: a broker and a PostgreSQL that may die, each behind a proxy that may misbehave."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from balance_local import jars
from balance_local.children import Folder
from balance_local.kafka import Kafka
from balance_local.postgres import SOCKET_NAME, SUPERUSER, Postgres
from balance_local.supervisor import Supervisor
from chaos.proxy import Proxy, Target
from support.ports import free_ports
from support.servers import JARS

READY_SECONDS = 120.0


@dataclass(frozen=True)
class FragileServers:
    """Where clients find the servers, and what makes them fail."""

    supervisor: Supervisor
    kafka: Proxy
    postgres: Proxy

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.kafka.port}"

    @property
    def dsn(self) -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.postgres.port}/postgres"


@asynccontextmanager
async def fragile_servers() -> AsyncIterator[FragileServers]:
    """Started, and stopped at the end with nothing left behind."""
    folder = Path(tempfile.mkdtemp(prefix="bc-", dir="/tmp"))
    port, controller_port, kafka_proxy, postgres_proxy = free_ports(4)
    runtime = await asyncio.to_thread(jars.fetch, JARS)
    broker = Kafka(folder / "kafka", runtime, port, controller_port, advertised_port=kafka_proxy)
    postgres = Postgres(folder / "postgres")
    await asyncio.gather(asyncio.to_thread(broker.prepare), asyncio.to_thread(postgres.prepare))
    kafka = Proxy(kafka_proxy, Target(port=port))
    database = Proxy(postgres_proxy, Target(path=postgres.sockets / SOCKET_NAME))
    try:
        async with Supervisor(Folder(folder)) as supervisor:
            await asyncio.gather(kafka.start(), database.start())
            await supervisor.start([broker.process(), postgres.process()], READY_SECONDS)
            try:
                yield FragileServers(supervisor, kafka, database)
            finally:
                await asyncio.gather(kafka.stop(), database.stop())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
