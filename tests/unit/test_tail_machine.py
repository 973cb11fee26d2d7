"""What counts in an output log is gapless and holds each input position exactly once, whatever happens to its writers.

A model of one output partition: a log that only grows, writers that hold `Tail` of core/tail.py, and a network that
stores a batch at once, late, again and again as long as the broker has not seen the writer's sequence, or never; an
acknowledgement may be lost. Writers die, are frozen and go on, and any number of them run side by side. A writer that
has given a batch up and is used again, with the batch still under way, stands still for ever: its next batch finds its
own late one in its place, or is out of order for the broker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import pytest
from balance_chain.core.counting import EventCounter
from balance_chain.core.tail import Phase, Tail, TailMisuse
from hypothesis import Phase as Stage
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from support.schedules import schedules

MAX_BATCH = 4
MAX_WRITERS = 5


@dataclass
class Request:
    """A produce request on its way: `sequence` is the idempotent producer's, `positions` what it carries."""

    producer: int
    sequence: int
    positions: tuple[int, ...]


@dataclass
class Broker:
    """One partition with idempotent producers: a request is stored once, and only in its producer's order.

    As Kafka does, it takes any sequence from a producer of which it has stored nothing yet.
    """

    log: list[int] = field(default_factory=list)
    stored_by: list[int] = field(default_factory=list)
    """The producer of each record of the log."""
    sequences: dict[int, int] = field(default_factory=dict)
    stored_at: dict[tuple[int, int], int] = field(default_factory=dict)

    def store(self, request: Request) -> int | None:
        """The base offset of the request, also of one stored before; None where the broker refuses it."""
        known = self.stored_at.get((request.producer, request.sequence))
        if known is not None:
            return known
        if self.sequences.get(request.producer, request.sequence) != request.sequence:
            return None
        base = len(self.log)
        self.log.extend(request.positions)
        self.stored_by += [request.producer] * len(request.positions)
        self.stored_at[request.producer, request.sequence] = base
        self.sequences[request.producer] = request.sequence + len(request.positions)
        return base


@dataclass
class Writer:
    """A writer as runtime/tailwriter.py is one: a new producer at each opening, its input position from the tail."""

    tail: Tail = field(default_factory=Tail)
    producer: int = 0
    sequence: int = 0
    position: int = 0
    request: Request | None = None

    def open(self, broker: Broker, producer: int) -> None:
        self.tail = Tail()
        self.producer, self.sequence, self.request = producer, 0, None
        self.position = broker.log[-1] + 1 if broker.log else 0
        self.tail.opened(len(broker.log))

    def send(self, size: int) -> Request:
        positions = tuple(range(self.position, self.position + size))
        self.tail.sent(size)
        self.request = Request(self.producer, self.sequence, positions)
        # aiokafka counts a batch when it takes it in hand, whatever becomes of it.
        self.sequence += size
        return self.request

    def answered(self, base: int) -> None:
        assert self.request is not None
        if self.tail.acked(base):
            self.position += len(self.request.positions)
        self.request = None


def counting(log: list[int]) -> list[int]:
    counter = EventCounter()
    return [position for position in log if counter.counts(0, position)]


class Writers(RuleBasedStateMachine):
    """Any interleaving of openings, sendings, late and repeated arrivals, lost answers and deaths."""

    writer = st.integers(0, MAX_WRITERS - 1)

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker()
        self.writers = [Writer() for _ in range(MAX_WRITERS)]
        self.network: list[Request] = []
        self.producers = count()

    @rule(number=writer)
    def open(self, number: int) -> None:
        """A start, a restart after a death, or a re-opening; what was under way stays under way."""
        self.writers[number].open(self.broker, next(self.producers))

    @rule(number=writer, size=st.integers(1, MAX_BATCH), copies=st.integers(1, 2))
    def send(self, number: int, size: int, copies: int) -> None:
        """`copies`: the client's own retries, each of which may arrive at any time."""
        writer = self.writers[number]
        if writer.tail.phase is Phase.READY:
            self.network += [writer.send(size)] * copies

    @rule(number=writer, size=st.integers(1, MAX_BATCH))
    def append_without_trouble(self, number: int, size: int) -> None:
        """The usual case: sent, stored, acknowledged; who may send gets on, unless another writes beside it."""
        writer = self.writers[number]
        if writer.tail.phase is Phase.READY:
            due = writer.tail.next_offset
            base = self.broker.store(writer.send(size))
            assert base is not None, "refused: a batch of its own is missing before this one"
            assert base == due or self.broker.stored_by[due] != writer.producer, "its own late batch is in the way"
            writer.answered(base)

    @precondition(lambda self: self.network)
    @rule(data=st.data(), keep=st.booleans(), answered=st.booleans())
    def arrive(self, data: st.DataObject, keep: bool, answered: bool) -> None:
        """A request reaches the broker, however late; its answer reaches the writer or is lost."""
        index = data.draw(st.integers(0, len(self.network) - 1))
        request = self.network[index] if keep else self.network.pop(index)
        base = self.broker.store(request)
        writer = next((each for each in self.writers if each.request is request), None)
        if writer is None or not answered:
            return
        if base is None:
            writer.tail.failed("refused")
            writer.request = None
        else:
            writer.answered(base)

    @precondition(lambda self: self.network)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """A request never arrives."""
        self.network.pop(data.draw(st.integers(0, len(self.network) - 1)))

    @rule(number=writer)
    def time_out(self, number: int) -> None:
        """The writer gives up; the request may still arrive."""
        writer = self.writers[number]
        if writer.tail.phase is Phase.IN_FLIGHT:
            writer.tail.failed("time-out")
            writer.request = None

    @invariant()
    def what_counts_is_gapless_and_single(self) -> None:
        counted = counting(self.broker.log)
        assert counted == list(range(len(counted)))

    @invariant()
    def nothing_acknowledged_is_missing(self) -> None:
        counted = len(counting(self.broker.log))
        for writer in self.writers:
            if writer.tail.phase is Phase.READY:
                assert writer.position <= counted


def test_what_counts_is_gapless_and_single_whatever_happens_to_the_writers() -> None:
    run_state_machine_as_test(Writers, settings=schedules(600, 60))


class SendsWithoutWaiting(Writers):
    """The same model with the discipline broken: a writer that goes on after a lost answer as if it had come."""

    @rule(number=Writers.writer)
    def time_out(self, number: int) -> None:
        writer = self.writers[number]
        if writer.tail.phase is Phase.IN_FLIGHT:
            writer.answered(writer.tail.next_offset)


def test_the_model_finds_a_writer_that_does_not_wait() -> None:
    """The proof above is worth something only if it fails where the discipline is broken."""
    case = SendsWithoutWaiting.TestCase
    case.settings = settings(
        max_examples=2000, stateful_step_count=40, deadline=None, database=None, phases=[Stage.generate]
    )
    with pytest.raises(AssertionError):
        case("runTest").runTest()


def test_a_batch_stored_elsewhere_than_expected_ends_the_writer() -> None:
    tail = Tail()
    tail.opened(7)
    tail.sent(2)
    assert not tail.acked(9)
    assert tail.phase is Phase.LOST
    assert "expected 7" in tail.reason


def test_a_second_batch_is_refused_while_one_is_in_flight() -> None:
    tail = Tail()
    tail.opened(0)
    tail.sent(1)
    with pytest.raises(TailMisuse):
        tail.sent(1)


def test_a_lost_writer_cannot_be_used_again() -> None:
    tail = Tail()
    tail.opened(0)
    tail.sent(1)
    tail.failed("time-out")
    with pytest.raises(TailMisuse):
        tail.sent(1)
    with pytest.raises(TailMisuse):
        tail.opened(0)
