"""The tail writer's decisions without Kafka: when a writer may send, and when it must be thrown away.

Promise: a writer sends a batch only at the offset right after a tail it has read or written itself, one batch at a
time; whatever else is reported makes it LOST for good. tests/unit/test_tail_machine.py proves that this is enough.
"""

from dataclasses import dataclass
from enum import Enum

from balance_chain.core.errors import BalanceError


class Phase(Enum):
    CLOSED = "closed"
    READY = "ready"
    IN_FLIGHT = "in flight"
    LOST = "lost"


class TailMisuse(BalanceError):
    """The caller asked for a step that its phase does not have: a mistake in our own code."""


@dataclass(slots=True)
class Tail:
    """One writer's view of one output partition."""

    phase: Phase = Phase.CLOSED
    next_offset: int = 0
    in_flight: int = 0
    reason: str = ""

    def opened(self, end_offset: int) -> None:
        """The last record has been read; the next batch belongs at `end_offset`."""
        self._expect(Phase.CLOSED)
        self.phase, self.next_offset = Phase.READY, end_offset

    def sent(self, count: int) -> None:
        """A batch of `count` records is handed to the producer; until its answer nothing else may be."""
        self._expect(Phase.READY)
        if count < 1:
            raise TailMisuse("batch", f"has {count} records", "send at least one")
        self.phase, self.in_flight = Phase.IN_FLIGHT, count

    def acked(self, base_offset: int) -> bool:
        """The broker stored the batch from `base_offset` on; False (and LOST) if that shows another writer."""
        self._expect(Phase.IN_FLIGHT)
        if base_offset != self.next_offset:
            self.failed(f"batch stored at offset {base_offset}, expected {self.next_offset}: another writer")
            return False
        self.next_offset += self.in_flight
        self.phase, self.in_flight = Phase.READY, 0
        return True

    def failed(self, reason: str) -> None:
        """An error, a time-out, a cancellation: the batch may or may not be stored, now or later."""
        self.phase, self.reason, self.in_flight = Phase.LOST, reason, 0

    def _expect(self, phase: Phase) -> None:
        if self.phase is not phase:
            raise TailMisuse("tail", f"is {self.phase.value}, not {phase.value}", "open the writer again")
