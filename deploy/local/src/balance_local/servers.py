"""Kafka and PostgreSQL for one run: existing ones where the environment names them, else embedded ones.

`BALANCE_KAFKA` (host:port) and `BALANCE_DATABASE` (a connection string) name existing servers; either may be given
alone. Embedded servers are prepared and started in parallel.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass

from balance_local import jars
from balance_local.children import Process
from balance_local.kafka import Kafka
from balance_local.postgres import Postgres
from balance_local.supervisor import Supervisor

KAFKA_PORT = 19092
READY_SECONDS = 120.0


class PortTaken(Exception):
    """Something else listens on a port that we need."""


@dataclass(frozen=True)
class LocalServers:
    """Where the two servers of this run are."""

    kafka: str
    database: str

    @classmethod
    async def start(cls, supervisor: Supervisor, kafka_port: int = KAFKA_PORT) -> LocalServers:
        """Start what is not given, as one stage of the supervisor, and return when both answer."""
        folder = supervisor.folder
        given_kafka, given_database = os.environ.get("BALANCE_KAFKA"), os.environ.get("BALANCE_DATABASE")
        postgres = Postgres(folder.root / "postgres")

        async def prepare_kafka() -> Kafka | None:
            if given_kafka:
                return None
            for port in (kafka_port, kafka_port + 1):
                require_free(port)
            runtime = await asyncio.to_thread(jars.fetch, folder.jars)
            broker = Kafka(folder.root / "kafka", runtime, kafka_port, kafka_port + 1)
            await asyncio.to_thread(broker.prepare)
            return broker

        async def prepare_postgres() -> None:
            if not given_database:
                await asyncio.to_thread(postgres.prepare)

        broker, _ = await asyncio.gather(prepare_kafka(), prepare_postgres())
        stage: list[Process] = []
        if broker is not None:
            stage.append(broker.process())
        if not given_database:
            stage.append(postgres.process())
        await supervisor.start(stage, READY_SECONDS)
        return cls(
            kafka=given_kafka or f"127.0.0.1:{kafka_port}",
            database=given_database or postgres.dsn(),
        )


def require_free(port: int) -> None:
    """Raise `PortTaken` where a port of the loopback address is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortTaken(
                f"port {port} on 127.0.0.1 is in use by another program; stop it, or set BALANCE_KAFKA to use it"
            ) from error
