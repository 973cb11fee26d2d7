"""Services played by hand: their own coroutines, stopped at each await on the outside world.

A model of Kafka or PostgreSQL awaits `step`; the state machine that plays the service decides when it goes on and with
what answer, or throws an error there, or lets it go on never. No event loop, no clock, no thread: a schedule is
repeated exactly by its seed.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any

from balance_chain.core.errors import BalanceError


@types.coroutine
def step(what: Any) -> Generator[Any, Any, Any]:
    """Stops the service here until the machine answers; `what` tells it for what the service waits."""
    return (yield what)


class Played:
    """One run of a service. `waits_for` is what it gave to `step`; at its end `ended`, and `error` if it failed."""

    def __init__(self, run: Coroutine[Any, Any, Any]) -> None:
        self._run = run
        # Its own: spans of several services are open at once.
        self._context = copy_context()
        self.ended = False
        self.error: BalanceError | OSError | None = None
        self.waits_for: Any = None
        self.go()

    def go(self, answer: Any = None) -> None:
        """Gives the answer and plays up to the next step."""
        self._play(self._run.send, answer)

    def fail(self, error: Exception) -> None:
        """The same with an error for an answer."""
        self._play(self._run.throw, error)

    def kill(self) -> None:
        """The process is gone. What the models do when they are closed must have no effect on what others see."""
        self._context.run(self._run.close)
        self.ended = True

    def _play(self, resume: Any, given: Any) -> None:
        try:
            self.waits_for = self._context.run(resume, given)
        except StopIteration:
            self.ended, self.waits_for = True, None
        except (BalanceError, OSError) as error:  # a service's own ways to fail; any other is a fault and goes on up
            self.ended, self.error, self.waits_for = True, error, None
