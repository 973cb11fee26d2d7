"""Witnesses around a log: true ones as processes or in this process, and some that are slow, lie or are not there."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from balance_chain.core.topics import CHECKPOINTS
from balance_chain.runtime.health import serve_app
from balance_chain.runtime.settings import CommonSettings
from balance_verifier.witness.process import initialise
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import CosigningKey
from balance_verify.note import SigningKey, open_note, sign_note
from balance_verify.topicvalues import CheckpointRecord
from balance_verify.witness import AddCheckpoint
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from support.ledger import read_values
from support.ports import free_ports
from support.processes import Processes, Running

Answer = Callable[[AddCheckpoint], Awaitable[Response]]


class Village:
    """The witnesses of one policy; each is added in its own way."""

    def __init__(self, folder: Path, log: SigningKey, processes: Processes) -> None:
        self._folder = folder
        self._log = log
        self._processes = processes
        self._stop = asyncio.Event()
        self._serving: list[asyncio.Task[None]] = []
        self.keys: dict[str, CosigningKey] = {}
        self.urls: dict[str, str] = {}

    async def process(self, name: str) -> Running:
        """A true witness, as a partner would run it; called again, it is started again."""
        folder = self._folder / name
        if name not in self.keys:
            self._add(name)
            initialise(folder, f"{name}.example", (str(self._log.vkey),))
            (folder / "witness.skey").write_text(self.keys[name].encode(), encoding="utf-8")
            configuration = folder / "witness.toml"
            port = self.urls[name].rpartition(":")[2]
            configuration.write_text(configuration.read_text().replace("8089", port), encoding="utf-8")
        running = self._processes.start(
            "balance-verifier",
            "witness",
            "--config",
            str(folder / "witness.toml"),
            settings=None,
            ready_url=f"{self.urls[name]}/readyz",
        )
        await running.ready()
        return running

    def absent(self, name: str) -> None:
        """A witness that is not there."""
        self._add(name)

    async def answering(self, name: str, answer: Answer, checkpoint: bytes | None = None) -> None:
        """A witness that answers as `answer` says, and shows `checkpoint` as its latest."""
        self._add(name)

        async def add_checkpoint(request: Request) -> Response:
            return await answer(AddCheckpoint.parse(await request.body()))

        async def latest(_: Request) -> Response:
            return Response(checkpoint or b"", 200 if checkpoint else 404)

        routes = [
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route(f"/{hashlib.sha256(self._log.name.encode()).hexdigest()}/checkpoint", latest),
        ]
        port = int(self.urls[name].rpartition(":")[2])
        self._serving.append(asyncio.ensure_future(serve_app(Starlette(routes=routes), "127.0.0.1", port, self._stop)))

    def cosign(self, name: str, request: AddCheckpoint, time: int = 1_790_000_000) -> Response:
        """A true answer, in place of one of the witness's own."""
        return Response(str(self.keys[name].cosign(request.note.text, time)))

    def policy(self, rule: str) -> Path:
        """The policy file over all of them."""
        lines = [f"log {self._log.vkey}"]
        lines += [f"witness {name} {key.vkey} {self.urls[name]}" for name, key in self.keys.items()]
        path = self._folder / "policy.txt"
        path.write_text("\n".join([*lines, rule, ""]), encoding="utf-8")
        return path

    async def close(self) -> None:
        self._stop.set()
        for task in self._serving:
            await asyncio.wait_for(task, 15)

    def _add(self, name: str) -> None:
        self.keys[name] = CosigningKey.generate(f"{name}.example", hashlib.sha256(name.encode()).digest())
        (port,) = free_ports(1)
        self.urls[name] = f"http://127.0.0.1:{port}"

    async def records(self, settings: CommonSettings) -> list[tuple[int, tuple[str, ...]]]:
        """Of each record of checkpoints, the size and who has cosigned it; every signature on it must hold."""
        names = {key.vkey.name: name for name, key in self.keys.items()}
        found = []
        for value in await read_values(settings, CHECKPOINTS, 0):
            data = CheckpointRecord.parse(value).note.encode()
            note = open_note(data, [self._log.vkey, *(key.vkey for key in self.keys.values())])
            assert note.encode() == data, "a signature that nobody knows was published"
            size = Checkpoint.parse(note.text).size
            found.append((size, tuple(names[s.name] for s in note.signatures if s.name in names)))
        return found


@asynccontextmanager
async def village(folder: Path, log: SigningKey, processes: Processes) -> AsyncIterator[Village]:
    """A village that is left empty."""
    made = Village(folder, log, processes)
    try:
        yield made
    finally:
        await made.close()


def other_history(log: SigningKey, size: int) -> bytes:
    """A checkpoint that the log's own key has signed, of a log that is not this one."""
    return sign_note(Checkpoint(log.name, size, hashlib.sha256(b"other").digest()).text(), log).encode()
