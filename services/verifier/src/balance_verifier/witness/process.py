"""Starts a witness: reads its key, opens its memory, serves it; and makes a new one's key and configuration file."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from balance_chain.runtime.db import connect, database_problems, migrate
from balance_chain.runtime.health import Health, serve_app
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.service import Service, run
from balance_verify.cosignature import CosigningKey
from balance_verify.errors import MalformedError
from balance_verify.mldsa import MlDsaCosigningKey
from balance_verify.note import VerifierKey

from balance_verifier.witness.app import build_app
from balance_verifier.witness.mirror import Mirror
from balance_verifier.witness.service import Witness
from balance_verifier.witness.settings import ConfigurationError, WitnessSettings
from balance_verifier.witness.store import Connection, PostgresConnection, SqliteConnection, Store

log = get_logger(__name__)

PACKAGE = "balance_verifier.witness"
CONFIGURATION = "witness.toml"
KEY = "witness.skey"
MLDSA_KEY = "witness-mldsa.skey"
PUBLIC_KEYS = "witness.vkey"

_TEMPLATE = """# Configuration of a Balance Chain witness (见证). docs/witness.md explains each line.
key = "{key}"
logs = [{logs}]
port = 8089
state = "witness.sqlite"
evidence = "evidence"
"""


def run_witness(path: Path) -> int:
    """Serve until stopped; the exit code."""
    settings = WitnessSettings.load(path)
    key = read_key(settings.key)
    more = (read_mldsa_key(settings.mldsa_key),) if settings.mldsa_key else ()

    async def work(service: Service) -> None:
        app = build_app(lambda: open_witness(settings, key, service.health, more), service.health)
        await serve_app(app, settings.host, settings.port, service.stop)

    return run("witness", settings, work, health_server=False)


@asynccontextmanager
async def open_witness(
    settings: WitnessSettings, key: CosigningKey, health: Health, more_keys: Sequence[MlDsaCosigningKey] = ()
) -> AsyncIterator[Witness]:
    """The witness of these settings."""
    store = Store(await _connection(settings, health))
    mirror = await _mirror(settings, health) if settings.mirror else None
    try:
        witness = Witness(key, settings.log_keys, store, settings.evidence, more_keys=more_keys, mirror=mirror)
        await witness.prepare()
        vkeys = [str(key.vkey), *(str(each.vkey) for each in more_keys)]
        log.info("witness", vkeys=vkeys, logs=witness.origins, mirror=settings.mirror)
        yield witness
    finally:
        if mirror is not None:
            await mirror.close()
        await store.close()


async def _connection(settings: WitnessSettings, health: Health) -> Connection:
    if not settings.in_postgresql:
        return SqliteConnection(Path(settings.state))
    pool = await connect(settings.model_copy(update={"database": settings.state}), settings.state_schema, size=4)
    await migrate(pool, PACKAGE, settings.state_schema)
    health.add_check("state", lambda: database_problems(pool))
    return PostgresConnection(pool)


async def _mirror(settings: WitnessSettings, health: Health) -> Mirror:
    pool = await connect(settings, settings.verifier_schema, size=4)
    health.add_check("mirror", lambda: database_problems(pool))
    return Mirror(pool, settings.mirror_wait_seconds)


def read_key(path: Path) -> CosigningKey:
    """The witness's private key."""
    try:
        return CosigningKey.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, MalformedError) as error:
        raise ConfigurationError(
            str(path), f"is no witness's private key: {error}", "make one with `balance-verifier witness-init`"
        ) from None


def read_mldsa_key(path: Path) -> MlDsaCosigningKey:
    """The witness's second private key, of type ML-DSA-44."""
    try:
        return MlDsaCosigningKey.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, MalformedError) as error:
        raise ConfigurationError(
            str(path),
            f"is no witness's ML-DSA-44 key: {error}",
            "make one with `balance-verifier witness-init --ml-dsa`",
        ) from None


def initialise(folder: Path, name: str, logs: tuple[str, ...], *, ml_dsa: bool = False) -> list[str]:
    """New keys and a configuration file in `folder`, what is there is left alone; the vkeys."""
    try:
        for text in logs:
            VerifierKey.parse(text)
        made = CosigningKey.generate(name, secrets.token_bytes(32))
        second = MlDsaCosigningKey(name, secrets.token_bytes(32)) if ml_dsa else None
    except MalformedError as error:
        raise ConfigurationError(error.field, error.problem, error.remedy) from None
    folder.mkdir(parents=True, exist_ok=True)
    _keep(folder / KEY, made.encode())
    vkeys = [str(read_key(folder / KEY).vkey)]
    if second is not None:
        _keep(folder / MLDSA_KEY, second.encode())
        vkeys.append(str(read_mldsa_key(folder / MLDSA_KEY).vkey))
    (folder / PUBLIC_KEYS).write_text("".join(f"{vkey}\n" for vkey in vkeys), encoding="utf-8")
    configuration = folder / CONFIGURATION
    if not configuration.exists():
        quoted = ", ".join(f'"{text}"' for text in logs)
        more = f'mldsa_key = "{MLDSA_KEY}"\n' if second else ""
        configuration.write_text(_TEMPLATE.format(key=KEY, logs=quoted) + more, encoding="utf-8")
    return vkeys


def _keep(path: Path, secret: str) -> None:
    """Write a private key, readable by its owner alone, unless there is one."""
    if path.exists():
        return
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
