"""A real Kafka 4 broker as our own child: KRaft, on the loopback address, one node alone or one of a quorum.

Promises a broker that never creates a topic by itself, whose folder is formatted once, and that is ready when it
answers ApiVersions and names itself in its metadata.
"""

from __future__ import annotations

import asyncio
import base64
import signal
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from balance_local.children import Process
from balance_local.jars import JavaRuntime

HEAP_MEGABYTES = 512
FORMAT_SECONDS = 120
PROBE_SECONDS = 3.0
_PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
unclean.leader.election.enable=false
default.replication.factor={replicas}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
background.threads=4
log.cleaner.dedupe.buffer.size=16777216
"""
_LOG4J2 = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


class KafkaUnusable(Exception):
    """The broker cannot be prepared; the message says why."""


@dataclass(frozen=True)
class Kafka:
    """The broker of one data folder: `prepare()` once, then run `process()`."""

    data: Path
    """The broker's own folder, below the data folder."""
    runtime: JavaRuntime
    port: int
    controller_port: int
    advertised_port: int | None = None
    """Where clients are told to find it: a proxy in front of it, else its own port."""
    node: int = 1
    voters: tuple[tuple[int, int], ...] = ()
    """Node and controller port of each broker of the quorum; none: this one alone."""
    cluster: str | None = None
    """Id of the cluster, the same for all of a quorum; none: a new one."""

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def _properties(self) -> Path:
        return self.data / "server.properties"

    @property
    def _logging(self) -> Path:
        return self.data / "log4j2.properties"

    def _java(self, main: str, *arguments: str, heap: int = HEAP_MEGABYTES) -> tuple[str, ...]:
        return (
            str(self.runtime.java), f"-Xmx{heap}m", f"-Xms{min(heap, 256)}m", "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={self._logging.resolve().as_uri()}",
            "-cp", self.runtime.classpath, main, *arguments,
        )  # fmt: skip

    def prepare(self) -> None:
        """Write the settings; format the folder where that has not been done."""
        logs = self.data / "logs"
        self.data.mkdir(parents=True, exist_ok=True)
        voters = self.voters or ((self.node, self.controller_port),)
        self._properties.write_text(
            _PROPERTIES.format(
                port=self.port,
                controller_port=self.controller_port,
                advertised=self.advertised_port or self.port,
                node=self.node,
                voters=",".join(f"{node}@127.0.0.1:{port}" for node, port in voters),
                replicas=len(voters),
                logs=logs.resolve(),
            )
        )
        self._logging.write_text(_LOG4J2)
        if not (logs / "meta.properties").exists():
            cluster = self.cluster or new_cluster_id()
            argv = self._java(
                "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster, "-c", str(self._properties),
                heap=128,
            )  # fmt: skip
            made = subprocess.run(argv, capture_output=True, text=True, timeout=FORMAT_SECONDS, check=False)  # noqa: S603
            if made.returncode != 0:
                raise KafkaUnusable(f"formatting {logs} failed: {(made.stderr + made.stdout).strip()[-1500:]}")

    def process(self) -> Process:
        return Process(
            name="kafka" if self.node == 1 else f"kafka-{self.node}",
            argv=self._java("kafka.Kafka", str(self._properties)),
            death_signal=signal.SIGTERM,
            ready=lambda: answers(self.bootstrap),
            stop_seconds=30.0,
            cwd=self.data,
        )


def new_cluster_id() -> str:
    """A random id as Kafka writes it: 16 bytes in base64, not beginning with a dash."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


async def answers(bootstrap: str) -> bool:
    """Whether a broker answers ApiVersions there and is registered in the cluster's metadata."""
    host, _, port = bootstrap.rpartition(":")
    try:
        # A closed port is the usual case while the broker starts; aiokafka would log an error for each try.
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), PROBE_SECONDS)
        writer.close()
        await asyncio.wait_for(writer.wait_closed(), PROBE_SECONDS)
    except (OSError, TimeoutError):
        return False
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=int(PROBE_SECONDS * 1000))
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()
