"""Start processes in stages, keep them running, and stop them in order with nothing left behind.

Promises: `start` returns when every process of the stage is ready, or raises with the end of the log that tells why;
what dies is started again with growing pauses and a visible note; `stop` ends the stages last to first; one
supervisor a data folder; Ctrl-C or SIGTERM anywhere inside the block leaves it and stops everything; a run that was
killed leaves nothing (the kernel ends its children, and what still lives is ended at the next start). Use it inside
one event loop:

    async with Supervisor(Folder(path), note=print) as supervisor:
        await supervisor.start([kafka.process(), postgres.process()])
        await supervisor.start(services)
        await supervisor.until_asked_to_stop()
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import IO, Self

import httpx

from balance_local.children import Child, Folder, Process, end_leftovers

POLL_SECONDS = 0.1
PROBE_SECONDS = 2.0
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""The pause before each restart in a row; the last one repeats."""
STEADY_SECONDS = 30.0
"""A process that ran this long starts again from the shortest pause."""
DEATHS_BEFORE_READY = 3
"""A process that dies this often before it was ever ready does not work: starting fails."""
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StartFailed(Exception):
    """A process did not become ready; the message holds the end of its log."""


class AlreadyRunning(Exception):
    """Another supervisor holds the data folder."""


@dataclass
class _Watched:
    """A process, its present child, and what happened to it. Owned by the supervisor's event loop."""

    process: Process
    child: Child
    started: float
    deaths: int = 0
    restarts: int = 0
    ready: bool = False
    watcher: asyncio.Task[None] | None = None


class Supervisor:
    """Runs processes for one data folder; see the module's docstring."""

    def __init__(self, folder: Folder, note: Callable[[str], None] = lambda text: None) -> None:
        self.folder = folder
        self.note = note
        self._stages: list[list[_Watched]] = []
        self._lock: IO[str] | None = None
        self._http: httpx.AsyncClient | None = None
        self._stop_asked = asyncio.Event()
        self._owner: asyncio.Task[object] | None = None
        self._waiting = False
        self._interrupted = False

    async def __aenter__(self) -> Self:
        self.folder.create()
        self._take_lock()
        self._listen()
        for name in await asyncio.to_thread(end_leftovers, self.folder):
            self.note(f"ended {name}, left over from an earlier run")
        self._http = httpx.AsyncClient(timeout=PROBE_SECONDS, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        try:
            await self.stop()
        finally:
            self._stop_listening()
            if self._http is not None:
                await self._http.aclose()
            if self._lock is not None:
                self._lock.close()
        if self._interrupted and self._owner is not None:
            self._owner.uncancel()
            return kind is asyncio.CancelledError
        return False

    async def start(self, processes: Sequence[Process], ready_seconds: float = 90.0) -> None:
        """Start a stage, all at once, and return when all of it is ready."""
        stage: list[_Watched] = []
        self._stages.append(stage)
        for process in processes:
            watched = _Watched(process, Child(process, self.folder), time.monotonic())
            stage.append(watched)
            watched.watcher = asyncio.create_task(self._watch(watched), name=f"watch {process.name}")
        deadline = time.monotonic() + ready_seconds
        try:
            async with asyncio.TaskGroup() as group:
                for watched in stage:
                    group.create_task(self._wait_ready(watched, deadline))
        except BaseExceptionGroup as group_error:
            # Not `except*`: what is raised inside one is a group again on some Pythons.
            failed, other = group_error.split(StartFailed)
            if failed is None or other is not None:
                raise
            raise StartFailed("\n\n".join(str(each) for each in failed.exceptions)) from None

    async def stop(self) -> None:
        """End all stages, the last one first; every child is waited for."""
        while self._stages:
            stage = self._stages.pop()
            for watched in stage:
                if watched.watcher is not None:
                    watched.watcher.cancel()
            await asyncio.gather(*(self._end(watched) for watched in stage))

    async def until_asked_to_stop(self) -> None:
        """Return at Ctrl-C, SIGTERM or `ask_to_stop`."""
        self._waiting = True
        try:
            await self._stop_asked.wait()
        finally:
            self._waiting = False

    def ask_to_stop(self) -> None:
        """Leave the block: at `until_asked_to_stop`, or by cancelling whatever its owner is doing."""
        if self._stop_asked.is_set():
            return
        self._stop_asked.set()
        if not self._waiting and self._owner is not None:
            self._interrupted = True
            self._owner.cancel()

    @property
    def stop_asked(self) -> bool:
        """Whether a signal or `ask_to_stop` ended the run."""
        return self._stop_asked.is_set()

    def _listen(self) -> None:
        self._owner = asyncio.current_task()
        if threading.current_thread() is threading.main_thread():
            for number in _STOP_SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, self.ask_to_stop)

    def _stop_listening(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in _STOP_SIGNALS:
                asyncio.get_running_loop().remove_signal_handler(number)

    def pids(self) -> dict[str, int]:
        """The process number of each child, by name."""
        return {watched.process.name: watched.child.pid for watched in self._all()}

    def restarts(self, name: str) -> int:
        """How often a process was started again."""
        return self._named(name).restarts

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process by name: SIGKILL to see it come back, SIGSTOP to freeze it."""
        self._named(name).child.signal(number)

    def set_environment(self, name: str, **variables: str) -> None:
        """Give a process more environment from its next start on."""
        watched = self._named(name)
        watched.process = replace(watched.process, env={**watched.process.env, **variables})

    def not_ready(self) -> list[str]:
        """The names of what is being restarted or is not ready yet."""
        return [watched.process.name for watched in self._all() if not watched.ready]

    def _named(self, name: str) -> _Watched:
        return next(watched for watched in self._all() if watched.process.name == name)

    def _all(self) -> list[_Watched]:
        return [watched for stage in self._stages for watched in stage]

    def _take_lock(self) -> None:
        path = self.folder.run / "supervisor.lock"
        lock = path.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise AlreadyRunning(
                f"{self.folder.root} is in use by process {holder}; stop that one or choose another --data folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    async def _wait_ready(self, watched: _Watched, deadline: float) -> None:
        process = watched.process
        while not watched.ready:
            if watched.deaths >= DEATHS_BEFORE_READY or time.monotonic() > deadline:
                why = "keeps dying" if watched.deaths else "is not ready in time"
                raise StartFailed(
                    f"{process.name} {why}; the end of {watched.child.log_file}:\n{watched.child.last_lines()}"
                )
            watched.ready = watched.child.exit_code() is None and await self._is_ready(process)
            if not watched.ready:
                await asyncio.sleep(POLL_SECONDS)

    async def _is_ready(self, process: Process) -> bool:
        if process.ready is not None:
            return await process.ready()
        if process.ready_url is None:
            return True
        assert self._http is not None, "used outside `async with`"
        try:
            return (await self._http.get(process.ready_url)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def _watch(self, watched: _Watched) -> None:
        name = watched.process.name
        while True:
            code = watched.child.exit_code()
            if code is None:
                await asyncio.sleep(POLL_SECONDS)
                continue
            if time.monotonic() - watched.started > STEADY_SECONDS:
                watched.deaths = 0
            watched.ready = False
            pause = BACKOFF_SECONDS[min(watched.deaths, len(BACKOFF_SECONDS) - 1)]
            watched.deaths += 1
            self.note(f"{name} ended ({_reason(code)}); starting it again in {pause:g} s, see {watched.child.log_file}")
            await asyncio.sleep(pause)
            watched.child = Child(watched.process, self.folder)
            watched.started = time.monotonic()
            watched.restarts += 1
            await self._wait_ready_again(watched)

    async def _wait_ready_again(self, watched: _Watched) -> None:
        while watched.child.exit_code() is None:
            if await self._is_ready(watched.process):
                watched.ready = True
                self.note(f"{watched.process.name} is ready again")
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _end(self, watched: _Watched) -> None:
        child = watched.child
        child.signal(watched.process.stop_signal)
        child.signal(signal.SIGCONT)
        if not await ended(child, watched.process.stop_seconds):
            self.note(f"{watched.process.name} did not end in {watched.process.stop_seconds:g} s and is killed")
            child.signal(signal.SIGKILL)
            await ended(child, 10.0)
        child.forget()
        if watched.watcher is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await watched.watcher


async def ended(child: Child, seconds: float) -> bool:
    """Wait for a child's end, within a bound; whether it has ended."""
    deadline = time.monotonic() + seconds
    while child.exit_code() is None:
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def _reason(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
