"""The fixtures of all tests: a real Kafka and a real PostgreSQL for the run, everything else fresh for each test."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import hypothesis
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.settings import CommonSettings
from support.processes import Processes
from support.servers import Servers

pytest_plugins = ["support.skiptable"]

ORIGIN = "test.example/balance-chain/1"
SECONDS = 20.0
_SERVERS = pytest.StashKey[Servers]()
# No test asserts a duration, nor does hypothesis for it; all else is as it was chosen (CI, `--hypothesis-profile`).
hypothesis.settings.register_profile(
    "untimed", hypothesis.settings(), deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")
# For tools/mutate.py: the first example that fails is enough, and none is remembered from one mutation to the next.
hypothesis.settings.register_profile(
    "mutate", hypothesis.settings(), database=None, phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SERVERS] = Servers()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_SERVERS].stop()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """With pytest-xdist the controlling process owns the servers and its workers share them."""
    servers = node.config.stash[_SERVERS]
    node.workerinput["balance"] = {"kafka": servers.kafka(), "postgres": servers.postgres()}


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """host:port of a real broker, one for the run."""
    shared = getattr(request.config, "workerinput", {}).get("balance")
    return shared["kafka"] if shared else request.config.stash[_SERVERS].kafka()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """Address of a real PostgreSQL, one for the run."""
    shared = getattr(request.config, "workerinput", {}).get("balance")
    return shared["postgres"] if shared else request.config.stash[_SERVERS].postgres()


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[str]:
    """Address of a new, empty database; dropped after the test."""
    name = f"test_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres, timeout=SECONDS)
    try:
        await admin.execute(f'create database "{name}" template template0')
        yield urlunsplit(urlsplit(postgres)._replace(path=f"/{name}"))
        await admin.execute(f'drop database if exists "{name}" with (force)')
    finally:
        await admin.close(timeout=SECONDS)


@pytest.fixture
def partitions() -> int:
    """Shards in this test; a module may override it."""
    return 2


@pytest.fixture
def keys(tmp_path: Path) -> KeyDirectory:
    """A fresh set of keys for `ORIGIN`."""
    return KeyDirectory.generate(tmp_path / "keys", ORIGIN)


@pytest.fixture
def settings(
    kafka: str, database: str, keys: KeyDirectory, partitions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CommonSettings:
    """Settings of one isolated ledger: own topics by prefix, own database, own keys. Topics are not created yet."""
    for name in ("KAFKA", "DATABASE", "KEYS", "SOURCES", "ORIGIN", "KILL_POINT", "GENESIS"):
        monkeypatch.delenv(f"BALANCE_{name}", raising=False)
    return CommonSettings(
        kafka=kafka,
        database=database,
        origin=ORIGIN,
        keys=keys.path,
        sources=tmp_path / "sources.yaml",
        partitions=partitions,
        topic_prefix=f"t{secrets.token_hex(4)}.",
    )


@pytest.fixture
async def topics(settings: CommonSettings) -> AsyncIterator[CommonSettings]:
    """The same settings, with the five topics created; they are deleted after the test."""
    from balance_chain.core.topics import SPECS
    from balance_chain.runtime.topics import create_topics

    await create_topics(settings)
    yield settings
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka, request_timeout_ms=int(SECONDS * 1000))
    await admin.start()
    try:
        await admin.delete_topics([settings.topic(spec.name) for spec in SPECS])
    finally:
        await admin.close()


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Processes]:
    """Starts services of ours as processes; what still runs after the test is killed."""
    started = Processes(tmp_path / "processes")
    yield started
    await started.close()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="bc-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
