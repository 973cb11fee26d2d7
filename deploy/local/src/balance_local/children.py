"""Start child processes that never outlive us, and find those of a run that ended badly.

Promises: a child gets its death signal from the kernel when the process that started it is gone, even by SIGKILL
(Linux), and a file names it, so that the next run on the same data folder can end what is left. A leftover is only
signalled when its process number and start time are those that the file remembers.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LOG_ROTATE_BYTES = 20_000_000
"""A log longer than this is set aside as `<name>.log.1` when its process starts."""
START_TIME_TOLERANCE_SECONDS = 2.0
_PR_SET_PDEATHSIG = 1
_ORPHANED_EXIT_CODE = 125
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Process:
    """One process to run: what to start, when it is ready, and how it ends.

    `ready_url` answers 200 when the process is ready; `ready` is the same as a coroutine (true when ready). A
    process with neither is ready as soon as it runs. `env` is added to our own environment.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready_url: str | None = None
    ready: Callable[[], Awaitable[bool]] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 10.0
    user: str | None = None
    cwd: Path | None = None


@dataclass(frozen=True)
class Folder:
    """The data folder: one ignored place for data, keys, logs and process files."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def jars(self) -> Path:
        return self.root / "jars"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def create(self) -> None:
        for folder in (self.root, self.logs, self.run):
            folder.mkdir(parents=True, exist_ok=True)


class Child:
    """A started process. Start it from a thread that lives on: the kernel ties its death signal to that thread."""

    def __init__(self, process: Process, folder: Folder) -> None:
        self.process = process
        self.folder = folder
        self.log_file = folder.log(process.name)
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_ROTATE_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        identity = Identity.of(process.user)
        with self.log_file.open("ab") as log:
            self.popen = subprocess.Popen(  # noqa: S603
                process.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **process.env},
                cwd=process.cwd,
                start_new_session=True,  # Ctrl-C goes to us alone: we stop the children in order
                preexec_fn=_die_with_parent(process.death_signal, os.getpid()),
                user=identity.uid,
                group=identity.gid,
                extra_groups=identity.groups,
            )
        self._mark = folder.run / f"{process.name}.json"
        _remember(self._mark, self.popen.pid)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def exit_code(self) -> int | None:
        return self.popen.poll()

    def signal(self, number: signal.Signals) -> None:
        if self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.popen.send_signal(number)

    def forget(self) -> None:
        """The process has ended: take its file away."""
        self._mark.unlink(missing_ok=True)

    def stop(self) -> int:
        """Ask it to end, wait within its bound, then kill it. Blocks; the supervisor has its own way."""
        self.signal(self.process.stop_signal)
        try:
            code = self.popen.wait(self.process.stop_seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            code = self.popen.wait(10)
        self.forget()
        return code

    def last_lines(self, count: int = 20) -> str:
        return last_lines(self.log_file, count)


def last_lines(log_file: Path, count: int) -> str:
    """The end of a log, for messages and for showing it."""
    if not log_file.exists():
        return ""
    with log_file.open("rb") as file:
        file.seek(max(0, log_file.stat().st_size - 64_000))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-count:])


def end_leftovers(folder: Folder, wait_seconds: float = 15.0) -> list[str]:
    """End what a previous run on this folder left behind; returns the names that were still alive."""
    found: list[tuple[str, psutil.Process]] = []
    for mark in sorted(folder.run.glob("*.json")):
        leftover = _recall(mark)
        if leftover is not None:
            found.append((mark.stem, leftover))
        mark.unlink(missing_ok=True)
    for name, leftover in found:
        with contextlib.suppress(psutil.Error):
            # A fast shutdown for PostgreSQL, a plain end for the rest.
            leftover.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
            leftover.send_signal(signal.SIGCONT)
    _, alive = psutil.wait_procs([leftover for _, leftover in found], timeout=wait_seconds)
    for leftover in alive:
        with contextlib.suppress(psutil.Error):
            leftover.kill()
    psutil.wait_procs(alive, timeout=5)
    return [name for name, _ in found]


def _die_with_parent(number: signal.Signals, parent: int) -> Callable[[], None]:
    def before_exec() -> None:
        # Runs between fork and exec, after the change of user (which would clear the setting).
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(_ORPHANED_EXIT_CODE)

    return before_exec


@dataclass(frozen=True)
class Identity:
    """The user that a child runs as; nothing given: our own."""

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None

    @classmethod
    def of(cls, user: str | None) -> Identity:
        if user is None:
            return cls()
        entry = pwd.getpwnam(user)
        return cls(entry.pw_uid, entry.pw_gid, ())


def _remember(mark: Path, pid: int) -> None:
    try:
        started = psutil.Process(pid)
        text = json.dumps({"pid": pid, "created": started.create_time()})
    except psutil.Error:
        return
    mark.write_text(text)


def _recall(mark: Path) -> psutil.Process | None:
    try:
        remembered = json.loads(mark.read_text())
        candidate = psutil.Process(int(remembered["pid"]))
        same = abs(candidate.create_time() - float(remembered["created"])) < START_TIME_TOLERANCE_SECONDS
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
    return candidate if same and candidate.status() != psutil.STATUS_ZOMBIE else None


def python_argv(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module of ours with this interpreter."""
    return (sys.executable, "-m", module, *arguments)


def script_argv(script: str, *arguments: str) -> tuple[str, ...]:
    """The command of a console script that is installed beside this interpreter."""
    return (str(Path(sys.executable).parent / script), *arguments)
