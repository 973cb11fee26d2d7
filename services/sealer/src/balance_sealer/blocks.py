"""Builds and reads blocks, without I/O: what a sealer signs of a run of events, and which records of blocks stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import Final

from balance_chain.core.counting import BlockChain, GenerationAt, first_generation
from balance_chain.core.times import format_ms
from balance_verify.entry import BlockHeader, Entry, sign_block
from balance_verify.errors import VerifyError
from balance_verify.keyset import SealerKeys
from balance_verify.merkle import tree_root
from balance_verify.note import SigningKey
from balance_verify.topicvalues import BlockRecord

LEAF_PREFIX: Final = b"\x00"


@dataclass(frozen=True, slots=True)
class SealedBlock:
    """A block ready to append: its header, its entry's bytes and the topic value that carries both."""

    header: BlockHeader
    entry: bytes
    value: bytes


def fitting(sizes: Sequence[int], max_events: int, max_bytes: int) -> int:
    """How many of the events at hand go into one block: at least one, then as many as both bounds allow."""
    count = min(len(sizes), max_events)
    if sum(sizes[:count]) <= max_bytes:
        return count
    return max(1, sum(1 for total in accumulate(sizes[:count]) if total <= max_bytes))


def build_block(
    chain: BlockChain, values: Sequence[bytes], *, origin: str, now_ms: int, key: SigningKey
) -> SealedBlock:
    """The next block of `chain` over these event values; time never goes back. The chain itself is not changed."""
    leaves = b"".join([sha256(LEAF_PREFIX + value).digest() for value in values])
    header = BlockHeader(
        count=len(values),
        from_=chain.next_offset,
        gen=chain.next_gen,
        height=chain.height + 1,
        origin=origin,
        prev=chain.prev,
        root=tree_root(leaves).hex(),
        shard=chain.shard,
        start=chain.start,
        time=max(chain.time, format_ms(now_ms)),
    )
    entry = sign_block(header, key).encode()
    return SealedBlock(header, entry, BlockRecord(entry, leaves).encode())


def read_block(value: bytes | None, origin: str, sealers: SealerKeys) -> tuple[BlockHeader, bytes] | str:
    """(header, entry bytes) of a record of blocks signed for this log by a key that holds there, or why it is none."""
    try:
        record = BlockRecord.parse(value or b"")
        entry = Entry.parse(record.entry)
        header = entry.block_header()
        entry.verify(*sealers(header.shard, header.height))
    except VerifyError as error:
        return str(error)
    if header.origin != origin:
        return f"origin: expected {origin}, got {header.origin}"
    if len(record.leaves) != 32 * header.count:
        return f"leaves: expected {header.count}, got {len(record.leaves) // 32}"
    return header, record.entry


def chain_after(header: BlockHeader, entry: bytes, generation_at: GenerationAt = first_generation) -> BlockChain:
    """The chain whose last block is this one, known to count."""
    chain = BlockChain(header.shard, generation_at=generation_at)
    chain.extend(header, entry)
    return chain
