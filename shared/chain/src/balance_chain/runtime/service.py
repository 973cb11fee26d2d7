"""How every process starts and ends: uvloop, logs, traces, health, and a stop that finishes the batch in hand."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from balance_chain.core.errors import BalanceError
from balance_chain.runtime.health import Health, serve_health
from balance_chain.runtime.logs import get_logger, setup_logs
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.telemetry import setup_telemetry, shutdown_telemetry

EXIT_OK = 0
EXIT_REFUSED = 1
STOP_SECONDS = 30.0
GC_ALLOCATIONS = 50_000
"""Objects more than were freed, before the collector looks at the young ones: more than a batch of events holds."""

_log = get_logger("balance_chain.service")


@dataclass(frozen=True, slots=True)
class Service:
    """What a process's main function is given."""

    name: str
    health: Health
    stop: asyncio.Event


Main = Callable[[Service], Awaitable[None]]


def run(name: str, settings: CommonSettings, main: Main, *, health_server: bool = True) -> int:
    """Runs `main` until it ends or a stop signal; gives the exit code (1 when it refused to go on).

    On SIGTERM or SIGINT `stop` is set; a main that has not ended after a bound is cancelled. Web processes pass
    `health_server=False`: their application serves the health endpoints itself.
    """
    setup_logs(name, settings.log_level)
    setup_telemetry(settings, name)
    tune_gc()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_run(name, settings, main, health_server))
    finally:
        shutdown_telemetry()


async def _run(name: str, settings: CommonSettings, main: Main, health_server: bool) -> int:
    service = Service(name, Health(settings.live_seconds), asyncio.Event())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop.set)
    _log.info("started")
    if not health_server:
        return await _until_stopped(main, service)
    async with serve_health(settings, service.health):
        return await _until_stopped(main, service)


async def _until_stopped(main: Main, service: Service) -> int:
    work = asyncio.ensure_future(main(service))
    stopping = asyncio.ensure_future(service.stop.wait())
    try:
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            _log.info("stopping")
            await asyncio.wait({work}, timeout=STOP_SECONDS)
        if not work.done():
            _log.warning("cancelled", reason=f"not ended {STOP_SECONDS:.0f} s after the signal")
            work.cancel()
        await work
    except asyncio.CancelledError:
        return EXIT_OK
    except BalanceError as error:
        _log.error("refused", field=error.field, problem=error.problem, remedy=error.remedy)
        return EXIT_REFUSED
    except Exception:
        _log.exception("failed")
        return EXIT_REFUSED
    finally:
        stopping.cancel()
    _log.info("stopped")
    return EXIT_OK


def tune_gc() -> None:
    """Events make no cycles: look for them seldom, and never through what was loaded at the start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.new_event_loop


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Waits so long or until stopped; True if stopped."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
