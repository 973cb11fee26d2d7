"""The whole product on one machine: servers, genesis on the first start, and our eight processes.

The demo and the tests use it like this:

    options = StackOptions(data=Path(".balance"))
    async with Stack(options, note=print, register_sources=write_sources) as stack:
        await stack.start()                     # returns when every process answers /readyz
        await publish(stack.urls.gateway)       # do something with it
        await stack.until_asked_to_stop()       # Ctrl-C or SIGTERM

Leaving the block stops services first, then the servers, and leaves nothing behind. Ctrl-C or SIGTERM anywhere inside
the block leaves it; `stack.stop_asked` says afterwards whether that was so. `stack.settings` are the settings that the
processes share, for code that reads the topics or the database itself; `stack.supervisor` restarts what dies and
knows each process number; `stack.first_start` is true where this start made the ledger.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS, EVENTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.topics import create_topics, topic_problems

from balance_local.children import Child, Folder, Process, script_argv
from balance_local.servers import KAFKA_PORT, LocalServers, require_free
from balance_local.supervisor import StartFailed, Supervisor, ended
from balance_local.witness import configuration_file, policy_file, prepare_witness

ORIGIN = "demo.example/balance-chain/1"
READY_SECONDS = 90.0
COMMAND_SECONDS = 60.0
GENESIS_FILE = "genesis.json"
MIGRATED_FILE = "migrated"
BEGUN_FILE = "begun"
_MIGRATING = ("balance-intake", "balance-sealer", "balance-verifier", "balance-judge-audit")
_PACKAGES = ("balance_chain", "balance_intake", "balance_sealer", "balance_verifier", "balance_judge_audit")

RegisterSources = Callable[[CommonSettings], None]
"""Writes `settings.sources` (the register) where it is absent or out of date. It runs at each start."""


class StackError(Exception):
    """The stack cannot start on this data folder; the message says what to do."""


@dataclass(frozen=True)
class Ports:
    """The port of each process on 127.0.0.1."""

    gateway: int = 8081
    verifier_api: int = 8082
    judge_audit_api: int = 8083
    sealer: int = 8084
    normaliser: int = 8085
    notary: int = 8086
    verifier: int = 8087
    judge_audit: int = 8088


@dataclass(frozen=True)
class StackOptions:
    """How this run differs from another: the demo's values are the defaults."""

    data: Path
    """The one folder of data, keys, logs and process files."""
    origin: str = ORIGIN
    partitions: int = 4
    ports: Ports = Ports()
    kafka_port: int = KAFKA_PORT
    topic_prefix: str = ""
    replication: int = 1
    """Replicas of each topic: 3 where the servers are a quorum of three brokers."""
    tick_after_seconds: float = 2.0
    max_wait_ms: int = 200
    checkpoint_interval_ms: int = 300
    grace_seconds: float = 5.0
    lateness_seconds: float = 5.0
    witness_port: int | None = None
    """Port of a witness of this run's own; None for none, and then nothing is ever final."""
    log_level: str = "INFO"


@dataclass(frozen=True)
class Urls:
    """Where a person or a program finds what."""

    gateway: str
    verifier: str
    judge_audit: str

    @classmethod
    def of(cls, ports: Ports) -> Urls:
        return cls(*(f"http://127.0.0.1:{port}" for port in (ports.gateway, ports.verifier_api, ports.judge_audit_api)))


class Stack:
    """See the module's docstring for its use."""

    def __init__(
        self,
        options: StackOptions,
        note: Callable[[str], None] = lambda text: None,
        register_sources: RegisterSources = lambda settings: None,
    ) -> None:
        self.options = options
        self.folder = Folder(options.data.resolve())
        self.supervisor = Supervisor(self.folder, note)
        self.urls = Urls.of(options.ports)
        self.first_start = False
        self._note = note
        self._register_sources = register_sources
        self._settings: CommonSettings | None = None

    async def __aenter__(self) -> Self:
        await self.supervisor.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return await self.supervisor.__aexit__(kind, error, trace)

    @property
    def settings(self) -> CommonSettings:
        """What all processes share; known once the servers run."""
        if self._settings is None:
            raise StackError("the servers are not started yet; await stack.start() first")
        return self._settings

    @property
    def log_vkey(self) -> Path:
        """The public key that checks everything the log says."""
        return self.folder.keys / "log.vkey"

    @property
    def policy_file(self) -> Path:
        """The witness policy of this run; written where it has a witness."""
        return policy_file(self.folder)

    @property
    def stop_asked(self) -> bool:
        return self.supervisor.stop_asked

    async def start(self, only: frozenset[str] | None = None) -> None:
        """Start servers, make the ledger on the first start, start our processes (or `only` those named)."""
        ports = [*asdict(self.options.ports).values(), self.options.witness_port]
        for port in filter(None, ports):
            require_free(port)
        await self.start_servers()
        self.first_start = await prepare_genesis(self.settings, self.folder, self._register_sources, self._note)
        if self.options.witness_port is not None:
            prepare_witness(self.folder, self.settings.host, self.options.witness_port)
        genesis = not await begun(self.settings, self.folder)
        wanted = services(self.settings, self.options, genesis=genesis)
        await self.supervisor.start([each for each in wanted if only is None or each.name in only], READY_SECONDS)
        self._note("all processes are ready")

    async def start_servers(self) -> None:
        """Start Kafka and PostgreSQL, or take the ones that the environment names."""
        self._note("starting Kafka and PostgreSQL")
        servers = await LocalServers.start(self.supervisor, self.options.kafka_port)
        self._settings = common_settings(self.options, self.folder, servers)
        self._note("Kafka and PostgreSQL are ready")

    async def until_asked_to_stop(self) -> None:
        await self.supervisor.until_asked_to_stop()


def common_settings(options: StackOptions, folder: Folder, servers: LocalServers) -> CommonSettings:
    """The settings that all processes of this run share."""
    return CommonSettings(
        kafka=servers.kafka,
        database=servers.database,
        origin=options.origin,
        keys=folder.keys,
        sources=folder.root / "sources.yaml",
        partitions=options.partitions,
        topic_prefix=options.topic_prefix,
        replication=options.replication,
        log_level=options.log_level,
    )


def environment(settings: CommonSettings, **more: object) -> dict[str, str]:
    """Settings as `BALANCE_*` variables, with more fields where given."""
    fields = {**settings.model_dump(mode="json", exclude_none=True), **more}
    return {f"BALANCE_{name.upper()}": str(value) for name, value in fields.items()}


async def begun(settings: CommonSettings, folder: Folder) -> bool:
    """Whether every output has had a record: from then on an empty one is a loss, and its writer must refuse it."""
    mark = folder.root / BEGUN_FILE
    if not mark.is_file():
        for topic in (EVENTS, BLOCKS):
            for partition in range(settings.partitions):
                async with PartitionReader(settings, settings.topic(topic), partition) as reader:
                    if await reader.end_offset() == 0:
                        return False
        mark.touch()
    return True


def services(settings: CommonSettings, options: StackOptions, *, genesis: bool) -> tuple[Process, ...]:
    """Our eight processes, and the witness where there is one, with ports, environments and readiness probes.

    `genesis` lets a writer begin an empty output at the beginning.
    """
    ports = options.ports
    folder = Folder(settings.keys.parent)
    policy: dict[str, object] = {}
    witness: list[Process] = []
    people = settings.sources.with_name("people.yaml")
    acting: dict[str, object] = {"people": people, "open_reading": 1} if people.is_file() else {}
    if options.witness_port is not None:
        policy["witness_policy"] = policy_file(folder)
        argv = script_argv("balance-verifier", "witness", "--config", str(configuration_file(folder)))
        witness.append(Process("witness", argv, ready_url=f"http://{settings.host}:{options.witness_port}/readyz"))

    def process(name: str, script: str, role: str, listens: int, **fields: object) -> Process:
        return Process(
            name=name,
            argv=script_argv(script, role),
            env=environment(settings, genesis=int(genesis), **fields),
            ready_url=f"http://{settings.host}:{listens}/readyz",
        )

    return (
        process(
            "gateway", "balance-intake", "gateway", ports.gateway,
            port=ports.gateway, verifier_url=Urls.of(ports).verifier,
        ),
        process(
            "normaliser", "balance-intake", "normaliser", ports.normaliser,
            health_port=ports.normaliser, tick_after_seconds=options.tick_after_seconds,
        ),
        process(
            "sealer", "balance-sealer", "sealer", ports.sealer,
            health_port=ports.sealer, max_wait_ms=options.max_wait_ms,
        ),
        process(
            "notary", "balance-sealer", "notary", ports.notary,
            health_port=ports.notary, checkpoint_interval_ms=options.checkpoint_interval_ms, **policy,
        ),
        process("verifier", "balance-verifier", "worker", ports.verifier, health_port=ports.verifier, **policy),
        process(
            "verifier-api", "balance-verifier", "api", ports.verifier_api,
            verifier_api_port=ports.verifier_api, **policy,
        ),
        process(
            "judge-audit", "balance-judge-audit", "worker", ports.judge_audit,
            health_port=ports.judge_audit, grace_seconds=options.grace_seconds,
            lateness_seconds=options.lateness_seconds, gateway_url=Urls.of(ports).gateway,
        ),
        process(
            "judge-audit-api", "balance-judge-audit", "api", ports.judge_audit_api,
            port=ports.judge_audit_api, grace_seconds=options.grace_seconds, **acting,
        ),
        *witness,
    )  # fmt: skip


async def prepare_genesis(
    settings: CommonSettings, folder: Folder, register_sources: RegisterSources, note: Callable[[str], None]
) -> bool:
    """Make what the ledger begins with: keys, sources, topics, schemas, the genesis entry. True at the first start.

    Each step may be repeated, so a start that was cut off goes on where it stopped. Later starts only bring schemas
    up to date and check that the folder belongs to the same ledger.
    """
    mark = folder.root / GENESIS_FILE
    identity = {"origin": settings.origin, "partitions": settings.partitions, "topic_prefix": settings.topic_prefix}
    if mark.is_file() and json.loads(mark.read_text()) != identity:
        raise StackError(
            f"{folder.root} holds the ledger {mark.read_text()}, not {json.dumps(identity)}; "
            "choose another --data folder or remove this one"
        )
    first = not mark.is_file()
    KeyDirectory.generate(settings.keys, settings.origin)
    await asyncio.to_thread(register_sources, settings)
    await create_topics(settings)
    problems = await topic_problems(settings)
    if problems:
        raise StackError("the topics are not as they must be: " + "; ".join(problems))
    await _migrate(settings, folder, note)
    if first:
        note("making the genesis entry")
        await run_command(settings, folder, "balance-sealer", "genesis")
        mark.write_text(json.dumps(identity))
    return first


async def _migrate(settings: CommonSettings, folder: Folder, note: Callable[[str], None]) -> None:
    digest = hashlib.sha256((settings.database + migrations_digest()).encode()).hexdigest()
    mark = folder.root / MIGRATED_FILE
    if mark.is_file() and mark.read_text() == digest:
        return
    note("bringing the database schemas up to date")
    await asyncio.gather(*(run_command(settings, folder, script, "migrate") for script in _MIGRATING))
    mark.write_text(digest)


def migrations_digest() -> str:
    """A digest over every migration of the installed packages, found without importing them."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations if spec is not None else None) or ():
            for file in sorted(Path(place).rglob("migrations/*.sql")):
                digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


async def run_command(settings: CommonSettings, folder: Folder, script: str, *arguments: str) -> None:
    """Run one of our commands to its end; a failure shows the end of its log."""
    name = f"{script}-{arguments[0]}"
    child = Child(Process(name, script_argv(script, *arguments), environment(settings)), folder)
    try:
        if not await ended(child, COMMAND_SECONDS):
            raise StartFailed(f"{name} did not end in {COMMAND_SECONDS:g} s:\n{child.last_lines()}")
    finally:
        await asyncio.to_thread(child.stop)
    if child.exit_code() != 0:
        raise StartFailed(f"{name} ended with {child.exit_code()}; the end of {child.log_file}:\n{child.last_lines()}")
