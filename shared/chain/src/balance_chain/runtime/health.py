"""What a process knows of its own state, and the worker's small HTTP server for /livez, /readyz and /metrics."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from balance_chain.core.errors import BalanceError
from balance_chain.runtime.settings import CommonSettings

Check = Callable[[], Awaitable[list[str]]]

CHECK_SECONDS = 15.0
# Checks ask Kafka and PostgreSQL: however often /readyz is asked, they are not made more often than this.
CHECK_AGE_SECONDS = 2.0

PROBLEMS = Gauge("balance_health_problems", "Standing problems that a part of this process reports", ["part"])
BEHIND = Gauge("balance_behind_records", "Records of its input that a part has not yet taken", ["part"])


class Health:
    """A board: parts report progress, problems and how far behind they are; `/livez` and `/readyz` read it."""

    def __init__(self, live_seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._live_seconds = live_seconds
        self._clock = clock
        self._progress: dict[str, float] = {}
        self._problems: dict[str, str] = {}
        self._notices: dict[str, str] = {}
        self._behind: dict[str, tuple[int, int]] = {}
        self._checks: dict[str, Check] = {}
        self._checked: tuple[float, list[str]] | None = None
        self._checking = asyncio.Lock()

    def progress(self, part: str) -> None:
        """A loop that should turn has turned (idle turns count); from the first call on it is watched."""
        self._progress[part] = self._clock()

    def forget(self, part: str) -> None:
        """The part has ended as it should (a shard given away, say)."""
        self._progress.pop(part, None)
        self._behind.pop(part, None)
        self.problem(part, None)

    def problem(self, part: str, text: str | None) -> None:
        """Sets or (None) clears what is wrong with a part; while set, /readyz fails."""
        PROBLEMS.labels(part).set(0 if text is None else 1)
        if text is None:
            self._problems.pop(part, None)
        else:
            self._problems[part] = text

    def notice(self, part: str, text: str | None) -> None:
        """Sets or (None) clears what an operator should know of a part, though the process does its work."""
        if text is None:
            self._notices.pop(part, None)
        else:
            self._notices[part] = text

    def notices(self) -> list[str]:
        return [f"{part}: {text}" for part, text in self._notices.items()]

    def behind(self, part: str, records: int, bound: int) -> None:
        """How many records a part has not yet taken; above the bound the process is not ready."""
        BEHIND.labels(part).set(records)
        self._behind[part] = (records, bound)

    def add_check(self, name: str, check: Check) -> None:
        """A check made when /readyz is asked: gives its problems, none if all is well."""
        self._checks[name] = check

    def live_problems(self) -> list[str]:
        now = self._clock()
        return [
            f"{part}: no progress for {now - at:.0f} s"
            for part, at in self._progress.items()
            if now - at > self._live_seconds
        ]

    async def ready_problems(self) -> list[str]:
        found = [f"{part}: {text}" for part, text in self._problems.items()]
        found += [
            f"{part}: {records} records behind, more than {bound}"
            for part, (records, bound) in self._behind.items()
            if records > bound
        ]
        return found + await self._check_problems() + self.live_problems()

    async def _check_problems(self) -> list[str]:
        async with self._checking:
            now = self._clock()
            if self._checked is not None and now - self._checked[0] < CHECK_AGE_SECONDS:
                return self._checked[1]
            found: list[str] = []
            for name, check in self._checks.items():
                try:
                    problems = await asyncio.wait_for(check(), CHECK_SECONDS)
                except Exception as error:  # a check that breaks is itself the answer
                    problems = [f"{type(error).__name__}: {error}"]
                PROBLEMS.labels(name).set(len(problems))
                found += [f"{name}: {text}" for text in problems]
            self._checked = (self._clock(), found)
            return found


def health_routes(health: Health) -> list[Route]:
    """The three endpoints, for workers and web applications alike."""

    def answer(problems: list[str]) -> JSONResponse:
        shown = {"ok": not problems, "problems": problems, "notices": health.notices()}
        return JSONResponse(shown, 503 if problems else 200)

    async def livez(_: Request) -> Response:
        return answer(health.live_problems())

    async def readyz(_: Request) -> Response:
        return answer(await health.ready_problems())

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]


class ServerEnded(BalanceError):
    """The HTTP server did not start, or stopped without being asked."""


class QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_app(app: object, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves an ASGI application until `stop` is set; requests in hand are finished, bounded."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    server = QuietServer(config)
    serving = asyncio.ensure_future(server.serve())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await serving
            raise ServerEnded("http", f"server on {host}:{port} ended by itself", "see the log above")
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def serve_health(settings: CommonSettings, health: Health) -> AsyncIterator[None]:
    """Serves a worker's health for as long as the block runs."""
    stop = asyncio.Event()
    app = Starlette(routes=list(health_routes(health)))
    serving = asyncio.ensure_future(serve_app(app, settings.host, settings.health_port, stop))
    try:
        yield
    finally:
        stop.set()
        await serving
