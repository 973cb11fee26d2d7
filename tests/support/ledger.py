"""Put events on the topic and read the ledger back, for tests of sealer and notary that need no intake."""

from __future__ import annotations

from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from balance_chain.core.counting import BlockChain, CheckpointCounter
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS, CHECKPOINTS, EVENTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import BlockHeader, Entry
from balance_verify.errors import VerifyError
from balance_verify.generation import GenerationHeader
from balance_verify.merkle import leaf_hash, tree_root
from balance_verify.note import open_note
from balance_verify.topicvalues import BlockRecord, CheckpointRecord


async def put_events(settings: CommonSettings, shard: int, count: int, start: int = 0) -> None:
    """Appends records that stand for canonical events; sealer and notary never look into them."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", linger_ms=5)
    await producer.start()
    try:
        sent = [
            await producer.send(settings.topic(EVENTS), f'{{"n":{number},"shard":{shard}}}'.encode(), partition=shard)
            for number in range(start, start + count)
        ]
        for each in sent:
            await each
    finally:
        await producer.stop()


async def read_values(settings: CommonSettings, topic: str, partition: int) -> list[bytes]:
    """Every value of a partition."""
    values: list[bytes] = []
    async with PartitionReader(settings, settings.topic(topic), partition) as reader:
        end = await reader.end_offset()
        while len(values) < end:
            values += [record.value for record in await reader.read(end - len(values), 1.0)]
    return values


@dataclass
class Shard:
    """One shard as an independent reader finds it."""

    headers: list[BlockHeader]
    entries: list[bytes]
    not_counting: int

    @property
    def sealed(self) -> int:
        return sum(header.count for header in self.headers)


async def read_generations(settings: CommonSettings, keys: KeyDirectory) -> list[GenerationHeader]:
    """The entries that begin generations, signed by the log's key."""
    records = [CheckpointRecord.parse(value) for value in await read_values(settings, CHECKPOINTS, 0)]
    return [_begun(each.generation, keys) for each in records if each.generation is not None]


def _begun(value: bytes, keys: KeyDirectory) -> GenerationHeader:
    entry = Entry.parse(value)
    entry.verify(keys.log_vkey)
    return entry.generation_header()


async def read_shard(settings: CommonSettings, keys: KeyDirectory, shard: int) -> Shard:
    """Recomputes every counting block from the events; fails where one does not match (invariants 1 and 2)."""
    events = await read_values(settings, EVENTS, shard)
    begun = await read_generations(settings, keys)
    chain = BlockChain(shard, generation_at=lambda shard, height: sum(each.heights[shard] < height for each in begun))
    found = Shard([], [], 0)
    for value in await read_values(settings, BLOCKS, shard):
        try:
            record = BlockRecord.parse(value)
            entry = Entry.parse(record.entry)
            entry.verify(keys.sealer_vkey)
        except VerifyError:
            found.not_counting += 1
            continue
        header = entry.block_header()
        leaves = b"".join(map(leaf_hash, events[header.from_ : header.from_ + header.count]))
        assert leaves == record.leaves, f"block {header.height} of shard {shard} is not over its events"
        assert tree_root(leaves).hex() == header.root
        if chain.check(header, record.entry) is None:
            chain.extend(header, record.entry)
            found.headers.append(header)
            found.entries.append(record.entry)
        else:
            found.not_counting += 1
    return found


@dataclass
class Log:
    """The global log as an independent reader finds it."""

    checkpoints: list[Checkpoint]
    heights: tuple[int, ...]
    not_counting: int


async def read_log(settings: CommonSettings, keys: KeyDirectory) -> Log:
    """Recomputes every checkpoint from the blocks; fails where a signed one contradicts them (invariant 3)."""
    shards = [await read_shard(settings, keys, shard) for shard in range(settings.partitions)]
    leaves: list[bytes] = []
    counter = CheckpointCounter()
    found = Log([], (), 0)
    roots: dict[int, bytes] = {}
    for value in await read_values(settings, CHECKPOINTS, 0):
        record = CheckpointRecord.parse(value)
        checkpoint = Checkpoint.parse(open_note(record.note.encode(), [keys.log_vkey]).text)
        signers = frozenset([keys.log_vkey.id])
        assert roots.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root, "two histories"
        if checkpoint.size <= counter.size:
            assert counter.check(checkpoint.size, checkpoint.root, record.heights, signers, consistent=True)
            found.not_counting += 1
            continue
        if record.genesis is not None:
            leaves.append(leaf_hash(record.genesis))
        for shard, height in enumerate(record.heights):
            before = found.heights[shard] if found.heights else -1
            leaves += [leaf_hash(entry) for entry in shards[shard].entries[before + 1 : height + 1]]
        if record.generation is not None:
            begun = _begun(record.generation, keys)
            begun.check_place(begun.gen, keys.log_vkey.name, len(leaves), record.heights, tree_root(leaves))
            leaves.append(leaf_hash(record.generation))
        consistent = checkpoint.size == len(leaves) and checkpoint.root == tree_root(leaves)
        reason = counter.check(checkpoint.size, checkpoint.root, record.heights, signers, consistent=consistent)
        assert reason is None, reason
        counter.take(checkpoint.size, checkpoint.root, record.heights, signers)
        found.checkpoints.append(checkpoint)
        found.heights = record.heights
    return found
