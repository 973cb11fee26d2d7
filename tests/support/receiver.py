"""A real HTTP receiver on loopback that does as it is told: answers, refuses, hangs, or takes and breaks off."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Self

from support.waiting import wait_until

HANG = 0
BREAK_OFF = -1
"""Instead of a status: take the request and close the connection without a word."""


@dataclass
class Got:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers with `script`, one status a request, and with 204 when that is over."""

    script: list[int] = field(default_factory=list)
    more: dict[str, str] = field(default_factory=dict)
    """Headers of every answer."""
    got: list[Got] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._hanging: list[asyncio.StreamWriter] = []
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in self._hanging:
            writer.close()
        self._server.close()
        await self._server.wait_closed()

    async def has(self, count: int, seconds: float = 30.0) -> list[Got]:
        """What arrived, once it is so many."""
        await wait_until(lambda: len(self.got) >= count, seconds, f"{count} requests; {len(self.got)} arrived")
        return self.got

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                first, *lines = head.strip().split("\r\n")
                named = (line.partition(":") for line in lines)
                headers = {name.strip().lower(): value.strip() for name, _, value in named}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.got.append(Got(first.split(" ")[1], headers, body))
                status = self.script.pop(0) if self.script else 204
                if status == HANG:
                    self._hanging.append(writer)
                    return
                if status == BREAK_OFF:
                    break
                more = "".join(f"{name}: {value}\r\n" for name, value in self.more.items())
                writer.write(f"HTTP/1.1 {status} Told\r\n{more}content-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
