"""A small TCP proxy between our processes and what they talk to: it delays, resets, refuses and repeats.

It understands no protocol. To repeat is to send everything that a client said on one connection once more, on a
connection of its own, after the client has gone: what a late and doubled request looks like to a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from pathlib import Path

CHUNK_BYTES = 64 * 1024
REPEATED_BYTES = 4 * 1024 * 1024
"""What is remembered of a connection, at most; one that said more is not repeated."""
CONNECT_SECONDS = 5.0
REPEAT_SECONDS = 3.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Target:
    """A port of this machine, or a Unix socket."""

    port: int = 0
    path: Path | None = None

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.path is not None:
            return await asyncio.wait_for(asyncio.open_unix_connection(self.path), CONNECT_SECONDS)
        return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port), CONNECT_SECONDS)


@dataclass
class Proxy:
    """Listens on `port` and passes everything on to `target`; the faults are fields that take effect at once."""

    port: int
    target: Target
    delay_seconds: float = 0.0
    """Each piece of data waits so long, in both directions."""
    refuse: bool = False
    """New connections are reset."""
    repeat: bool = False
    """What is said on connections from now on is said once more afterwards."""
    connections: int = 0
    resets: int = 0
    repeats: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _repeating: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in self._repeating:
            task.cancel()
        await asyncio.gather(*self._repeating, return_exceptions=True)

    def heal(self) -> None:
        """No faults from now on."""
        self.delay_seconds, self.refuse, self.repeat = 0.0, False, False

    def reset(self) -> int:
        """Break every open connection off, as a firewall does; how many."""
        broken = list(self._open)
        for writer in broken:
            _break_off(writer)
        self.resets += len(broken)
        return len(broken)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.refuse:
            _break_off(writer)
            return
        try:
            there_reader, there_writer = await self.target.connect()
        except (OSError, TimeoutError):
            _break_off(writer)
            return
        said = bytearray() if self.repeat else None
        self._open.add(writer)
        try:
            await asyncio.gather(self._pass_on(reader, there_writer, said), self._pass_on(there_reader, writer, None))
        finally:
            self._open.discard(writer)
            writer.close()
            there_writer.close()
            if said and len(said) <= REPEATED_BYTES:
                task = asyncio.create_task(self._say_again(bytes(said)))
                self._repeating.add(task)
                task.add_done_callback(self._repeating.discard)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytearray | None
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if said is not None and len(said) <= REPEATED_BYTES:
                    said += data
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    async def _say_again(self, said: bytes) -> None:
        """The answers are read and thrown away: nobody waits for them."""
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await self.target.connect()
            try:
                writer.write(said)
                await asyncio.wait_for(writer.drain(), REPEAT_SECONDS)
                self.repeats += 1
                async with asyncio.timeout(REPEAT_SECONDS):
                    while await reader.read(CHUNK_BYTES):
                        continue
            finally:
                writer.close()


def _break_off(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of an orderly end."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
