"""Whatever order writers leave records in, what counts is increasing, gapless, and the same for every reader."""

from __future__ import annotations

import hashlib

from balance_chain.core.counting import BlockChain, CheckpointCounter, EventCounter
from balance_verify.entry import BlockHeader
from hypothesis import given
from hypothesis import strategies as st

POSITIONS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), max_size=30)


@given(POSITIONS)
def test_events_that_count_are_strictly_increasing_and_none_greater_is_skipped(seen: list[tuple[int, int]]) -> None:
    counter = EventCounter()
    counted = [position for position in seen if counter.counts(*position)]
    assert counted == sorted(set(counted))
    assert max(seen, default=None) == (counted[-1] if counted else None)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 40))
def test_batches_that_start_no_higher_than_the_next_position_leave_no_gap(sizes: list[int], seed: int) -> None:
    counter, following, counted = EventCounter(), 0, []
    for index, size in enumerate(sizes):
        start = (seed * (index + 1)) % (following + 1)
        for position in range(start, start + size):
            if counter.counts(0, position):
                counted.append(position)
        following = max(following, start + size)
    assert counted == list(range(following))


def a_header(chain: BlockChain, **changes: object) -> BlockHeader:
    fields: dict[str, object] = {
        "count": 2,
        "from_": chain.next_offset,
        "gen": chain.gen,
        "height": chain.height + 1,
        "origin": "test.example/log",
        "prev": chain.prev,
        "root": "ab" * 32,
        "shard": chain.shard,
        "start": chain.start,
        "time": max(chain.time, "2026-03-02T01:00:00.000Z"),
        **changes,
    }
    return BlockHeader(**fields)  # type: ignore[arg-type]


def test_a_block_that_extends_the_chain_counts_and_moves_it_on() -> None:
    chain = BlockChain(1)
    for height in range(3):
        header = a_header(chain)
        assert chain.check(header, b"entry%d" % height) is None
        chain.extend(header, b"entry%d" % height)
        assert chain.height == height
        assert chain.prev == hashlib.sha256(b"entry%d" % height).hexdigest()
        assert chain.next_offset == chain.start == 2 * (height + 1)


def test_a_block_that_does_not_extend_the_chain_says_why() -> None:
    chain = BlockChain(1)
    chain.extend(a_header(chain), b"first")
    for name, value in {
        "shard": 0,
        "gen": 1,
        "height": 3,
        "prev": "cd" * 32,
        "from_": 3,
        "start": 1,
        "time": "2026-03-02T00:59:59.999Z",
    }.items():
        reason = chain.check(a_header(chain, **{name: value}), b"second")
        assert reason is not None
        assert reason.startswith(name.rstrip("_"))
    assert chain.check(a_header(chain), b"") is not None


def test_a_block_sealed_twice_counts_once() -> None:
    chain = BlockChain(0)
    header = a_header(chain)
    chain.extend(header, b"entry")
    assert chain.check(header, b"entry") is not None


A, B = frozenset({"a"}), frozenset({"a", "b"})


def test_a_checkpoint_counts_when_it_grows_and_is_consistent() -> None:
    counter = CheckpointCounter()
    assert counter.check(1, b"r1", (-1, -1), A, consistent=True) is None
    counter.take(1, b"r1", (-1, -1), A)
    assert counter.check(3, b"r3", (0, 0), A, consistent=True) is None
    assert counter.check(3, b"r3", (0, 0), A, consistent=False) is not None
    assert counter.check(3, b"r3", (0, 0), frozenset(), consistent=True) is not None
    assert counter.check(3, b"r3", (0,), A, consistent=True) is not None
    counter.take(3, b"r3", (0, 0), A)
    assert counter.check(2, b"r2", (0, -1), A, consistent=True) is not None
    assert counter.check(4, b"r4", (1, -1), A, consistent=True) is not None


def test_a_checkpoint_again_counts_only_with_more_signatures() -> None:
    counter = CheckpointCounter(3, b"r3", (0, 0), A)
    assert counter.check(3, b"r3", (0, 0), A, consistent=True) is not None
    assert counter.check(3, b"rX", (0, 0), B, consistent=True) is not None
    assert counter.check(3, b"r3", (0, 1), B, consistent=True) is not None
    assert counter.check(3, b"r3", (0, 0), B, consistent=True) is None
    counter.take(3, b"r3", (0, 0), B)
    assert counter.signers == B
