"""A block is built on the end of its chain, and only what a known key signed for this log is read as one."""

from __future__ import annotations

from balance_chain.core.counting import BlockChain
from balance_sealer.blocks import build_block, chain_after, fitting, read_block
from balance_verify.entry import Entry, entry_hash
from balance_verify.merkle import leaf_hash, tree_root
from balance_verify.note import SigningKey
from balance_verify.topicvalues import BlockRecord
from hypothesis import given
from hypothesis import strategies as st

ORIGIN = "test.example/log"
KEY = SigningKey.generate(f"{ORIGIN}/sealer", bytes(32))
OTHER = SigningKey.generate(f"{ORIGIN}/sealer", bytes([1]) * 32)
NOON_MS = 1_800_000_000_000

values = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=20)


@given(batches=st.lists(values, min_size=1, max_size=5))
def test_blocks_of_a_shard_join_up(batches: list[list[bytes]]) -> None:
    chain = BlockChain(3)
    for batch in batches:
        block = build_block(chain, batch, origin=ORIGIN, now_ms=NOON_MS, key=KEY)
        assert chain.check(block.header, block.entry) is None
        chain.extend(block.header, block.entry)
        leaves = list(map(leaf_hash, batch))
        assert block.header.root == tree_root(leaves).hex()
        assert BlockRecord.parse(block.value).leaves == b"".join(leaves)
    assert chain.next_offset == chain.start == sum(map(len, batches))
    assert chain.height == len(batches) - 1


def test_the_time_of_a_block_never_goes_back() -> None:
    chain = BlockChain(0)
    first = build_block(chain, [b"a"], origin=ORIGIN, now_ms=NOON_MS, key=KEY)
    chain.extend(first.header, first.entry)
    second = build_block(chain, [b"b"], origin=ORIGIN, now_ms=NOON_MS - 3_600_000, key=KEY)
    assert second.header.time == first.header.time


def test_building_leaves_the_chain_as_it_was_until_the_block_is_stored() -> None:
    chain = BlockChain(0)
    once = build_block(chain, [b"a"], origin=ORIGIN, now_ms=NOON_MS, key=KEY)
    again = build_block(chain, [b"a"], origin=ORIGIN, now_ms=NOON_MS, key=KEY)
    assert once == again


def test_a_chain_is_taken_up_from_its_last_block_alone() -> None:
    chain = BlockChain(2)
    for value in (b"a", b"b", b"c"):
        block = build_block(chain, [value], origin=ORIGIN, now_ms=NOON_MS, key=KEY)
        chain.extend(block.header, block.entry)
    resumed = chain_after(block.header, block.entry)
    following = build_block(resumed, [b"d"], origin=ORIGIN, now_ms=NOON_MS, key=KEY)
    assert chain.check(following.header, following.entry) is None
    assert following.header.prev == entry_hash(block.entry)


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=30),
    max_events=st.integers(1, 40),
    max_bytes=st.integers(1, 400),
)
def test_a_block_takes_as_many_events_as_fit_and_at_least_one(
    sizes: list[int], max_events: int, max_bytes: int
) -> None:
    count = fitting(sizes, max_events, max_bytes)
    assert 1 <= count <= min(len(sizes), max_events)
    assert count == 1 or sum(sizes[:count]) <= max_bytes
    if count < min(len(sizes), max_events):
        assert sum(sizes[: count + 1]) > max_bytes


def block_value() -> bytes:
    return build_block(BlockChain(0), [b"a", b"b"], origin=ORIGIN, now_ms=NOON_MS, key=KEY).value


def test_a_block_is_read_with_the_key_that_signed_it() -> None:
    read = read_block(block_value(), ORIGIN, lambda *_: [KEY.vkey])
    assert not isinstance(read, str)
    assert Entry.parse(read[1]).header == read[0]


def test_a_block_of_an_unknown_key_is_not_read() -> None:
    assert isinstance(read_block(block_value(), ORIGIN, lambda *_: [OTHER.vkey]), str)


def test_a_block_of_another_log_is_not_read() -> None:
    assert "origin" in str(read_block(block_value(), "other.example/log", lambda *_: [KEY.vkey]))


def test_a_block_with_too_few_leaf_hashes_is_not_read() -> None:
    record = BlockRecord.parse(block_value())
    short = BlockRecord(record.entry, record.leaves[:32]).encode()
    assert "leaves" in str(read_block(short, ORIGIN, lambda *_: [KEY.vkey]))


@given(st.one_of(st.none(), st.binary(max_size=200)))
def test_bytes_that_are_no_block_are_never_an_exception(value: bytes | None) -> None:
    assert isinstance(read_block(value, ORIGIN, lambda *_: [KEY.vkey]), str)
