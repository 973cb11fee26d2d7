"""The Kafka and the PostgreSQL that tests run against: containers where a Docker engine answers, else embedded ones.

One of each serves the whole run, started when the first test asks. Start them from the main thread: an embedded
server ends with the thread that started it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from balance_local import jars
from balance_local.children import Child, Folder, Process
from balance_local.kafka import Kafka, answers
from balance_local.postgres import Postgres
from support.needs import REPOSITORY, docker_answers
from support.ports import free_ports

START_SECONDS = 90.0
KAFKA_IMAGE = "apache/kafka:4.3.1"
POSTGRES_IMAGE = "postgres:18"
JARS = REPOSITORY / ".balance" / "jars"


@dataclass
class Servers:
    """Starts each server once and stops what it started."""

    _kafka: str | None = None
    _postgres: str | None = None
    _stops: list[Callable[[], object]] = field(default_factory=list)
    _root: Path | None = None

    def kafka(self) -> str:
        """host:port of a broker; `BALANCE_TEST_KAFKA` names one that runs already."""
        if self._kafka is None:
            self._kafka = os.environ.get("BALANCE_TEST_KAFKA") or (
                self._kafka_container() if docker_answers() else self._embedded_kafka()
            )
        return self._kafka

    def postgres(self) -> str:
        """Address of a PostgreSQL whose user may create databases; `BALANCE_TEST_DATABASE` names one."""
        if self._postgres is None:
            self._postgres = os.environ.get("BALANCE_TEST_DATABASE") or (
                self._postgres_container() if docker_answers() else self._embedded_postgres()
            )
        return self._postgres

    def stop(self) -> None:
        while self._stops:
            self._stops.pop()()
        self._kafka = self._postgres = None
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None

    def _folder(self) -> Folder:
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="balance-test-"))
        folder = Folder(self._root)
        folder.create()
        return folder

    def _run(self, process: Process) -> None:
        child = Child(process, self._folder())
        self._stops.append(child.stop)
        deadline = time.monotonic() + START_SECONDS
        assert process.ready is not None
        while not _answer(process.ready()):
            if child.exit_code() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.name} did not start:\n{child.last_lines()}")
            time.sleep(0.05)

    def _embedded_kafka(self) -> str:
        runtime = jars.fetch(JARS)
        port, controller_port = free_ports(2)
        broker = Kafka(self._folder().root / "kafka", runtime, port, controller_port)
        broker.prepare()
        self._run(broker.process())
        return broker.bootstrap

    def _embedded_postgres(self) -> str:
        server = Postgres(self._folder().root / "postgres")
        server.prepare()
        self._run(server.process())
        return server.dsn()

    def _kafka_container(self) -> str:
        from testcontainers.core.container import DockerContainer

        (port,) = free_ports(1)
        container = (
            DockerContainer(KAFKA_IMAGE)
            .with_bind_ports(9092, port)
            .with_env("KAFKA_NODE_ID", "1")
            .with_env("KAFKA_PROCESS_ROLES", "broker,controller")
            .with_env("KAFKA_LISTENERS", "PLAINTEXT://:9092,CONTROLLER://:9093")
            .with_env("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://127.0.0.1:{port}")
            .with_env("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
            .with_env("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT")
            .with_env("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093")
            .with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
            .with_env("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1")
            .with_env("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
        )
        container.start()
        self._stops.append(container.stop)
        bootstrap = f"127.0.0.1:{port}"
        deadline = time.monotonic() + START_SECONDS
        while not _answer(answers(bootstrap)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the container of {KAFKA_IMAGE} does not answer at {bootstrap}")
            time.sleep(0.2)
        return bootstrap

    def _postgres_container(self) -> str:
        from testcontainers.postgres import PostgresContainer

        container = PostgresContainer(POSTGRES_IMAGE, driver=None)
        container.start()
        self._stops.append(container.stop)
        return str(container.get_connection_url())


def _answer(probe: Awaitable[bool]) -> bool:
    # A loop of its own: asyncio.run would take the current loop away from pytest-asyncio.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(probe)
    finally:
        loop.close()
