"""Wait for something to become true, with a bound; tests never sleep."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

POLL_SECONDS = 0.05


async def wait_until(condition: Callable[[], Any | Awaitable[Any]], seconds: float = 20.0, what: str = "") -> Any:
    """The first true value of `condition` (plain or async), or a failure that says what was last seen.

    An exception of the condition counts as "not yet"; the last one is told when time is up.
    """
    deadline = time.monotonic() + seconds
    seen: object = None
    while True:
        try:
            value = condition()
            if inspect.isawaitable(value):
                value = await asyncio.wait_for(value, max(POLL_SECONDS, deadline - time.monotonic()))
            if value:
                return value
            seen = value
        except TimeoutError as error:
            # Cut off by our own bound: what was seen before says more.
            seen = error if seen is None else seen
        except Exception as error:
            seen = error
        if time.monotonic() > deadline:
            name = what or getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"not true within {seconds:g} s: {name}; last seen: {seen!r}")
        await asyncio.sleep(POLL_SECONDS)
