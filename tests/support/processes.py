"""Run our own services as real processes in a test, and kill, stop and continue them by process number."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

import httpx
from balance_chain.runtime.settings import CommonSettings
from balance_local.children import Child, Folder, Process, script_argv
from balance_local.stack import environment
from support.waiting import wait_until

READY_SECONDS = 30.0


class Running:
    """One process of ours that a test started."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self.name = child.process.name

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.exit_code() is None

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code()

    @property
    def log(self) -> str:
        return self._child.last_lines(200)

    def kill(self) -> None:
        self._child.signal(signal.SIGKILL)

    def terminate(self) -> None:
        self._child.signal(signal.SIGTERM)

    def stop(self) -> None:
        """Freeze it (SIGSTOP): a zombie to be, once continued."""
        self._child.signal(signal.SIGSTOP)

    def cont(self) -> None:
        self._child.signal(signal.SIGCONT)

    async def ended(self, seconds: float = 60.0) -> int:
        """Its exit code, once it has ended; negative where a signal ended it."""
        await wait_until(lambda: not self.alive, seconds, f"{self.name} has ended; its log:\n{self.log}")
        code = self.exit_code
        assert code is not None
        return code

    async def ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait for its `ready_url`."""
        url = self._child.process.ready_url
        assert url is not None, f"{self.name} was started without a ready_url"
        async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:

            async def answers() -> bool:
                assert self.alive, f"{self.name} ended with {self.exit_code}"
                return (await client.get(url)).status_code == 200

            try:
                await wait_until(answers, seconds, f"{self.name} is ready")
            except AssertionError as error:
                raise AssertionError(f"{error}\nits log:\n{self.log}") from None


class Processes:
    """Starts processes with one settings object; the fixture ends what is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = Folder(folder)
        self.folder.create()
        self._children: list[Child] = []

    def start(
        self,
        script: str,
        *arguments: str,
        settings: CommonSettings | None,
        name: str | None = None,
        ready_url: str | None = None,
        env: Mapping[str, object] | None = None,
    ) -> Running:
        """Start a console script of ours, e.g. `start("balance-sealer", "sealer", settings=settings)`.

        `env` holds more settings by field name (`{"port": 8081}`) or whole variables by upper-case name. A process with
        a configuration file of its own has no settings.
        """
        more = dict(env or {})
        whole = {key: str(value) for key, value in more.items() if key.isupper()}
        fields = {key: value for key, value in more.items() if not key.isupper()}
        process = Process(
            name=name or "-".join((script, *arguments[:1], str(len(self._children)))),
            argv=script_argv(script, *arguments),
            env={**(environment(settings, **fields) if settings else {}), **whole},
            ready_url=ready_url,
            stop_seconds=10.0,
        )
        child = Child(process, self.folder)
        self._children.append(child)
        return Running(child)

    async def run(
        self, script: str, *arguments: str, settings: CommonSettings | None, seconds: float = 60.0
    ) -> Running:
        """Run a command to its end and expect success."""
        running = self.start(script, *arguments, settings=settings)
        code = await running.ended(seconds)
        assert code == 0, f"{script} {' '.join(arguments)} ended with {code}:\n{running.log}"
        return running

    async def close(self) -> None:
        for child in self._children:
            child.signal(signal.SIGCONT)
            child.signal(signal.SIGKILL)
        for child in self._children:
            await asyncio.to_thread(child.popen.wait, 10)
