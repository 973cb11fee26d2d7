"""Whether what was accepted is sealed, read from the topics themselves rather than asked of a service.

`SealedScan` goes on where it stopped, so that waiting for the last event costs no more than reading the log once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from balance_chain.core.counting import BlockChain, EventCounter
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS, EVENTS
from balance_chain.runtime.kafka import TopicReader
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.settings import CommonSettings
from balance_verify.entry import BlockHeader, Entry
from balance_verify.topicvalues import BlockRecord

READ_RECORDS = 20_000
READ_SECONDS = 0.3

EventName = tuple[str, str]
"""Source and id."""


class _Event(msgspec.Struct):
    """What is looked at of an event."""

    source: str
    id: str
    type: str
    rawgen: int
    rawpos: int


@dataclass
class Shard:
    """One shard as far as it was read."""

    chain: BlockChain
    counter: EventCounter = field(default_factory=EventCounter)
    read: int = 0
    """Records of events read: offsets are contiguous, so also the next offset."""
    events_due: int = 0
    """The offset after the last counting event that is not a tick: what other readers must have come to."""


class SealedScan:
    """Reads events and blocks from their beginning to where they end now, and further with each `advance`."""

    def __init__(self, settings: CommonSettings) -> None:
        self._watch = KeyWatch(settings, KeyDirectory.load(settings.keys).log_vkey)
        chains = [BlockChain(shard, generation_at=self._generation_at) for shard in range(settings.partitions)]
        self.shards = {chain.shard: Shard(chain) for chain in chains}
        self.places: dict[EventName, tuple[int, int]] = {}
        """Shard and offset of each counting event but ticks."""
        starts = dict.fromkeys(self.shards, 0)
        self._events = TopicReader(settings, settings.topic(EVENTS), starts)
        self._blocks = TopicReader(settings, settings.topic(BLOCKS), starts)
        self._decode = msgspec.json.Decoder(_Event).decode

    async def __aenter__(self) -> SealedScan:
        await self._events.open()
        await self._blocks.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._events.close()
        await self._blocks.close()

    async def advance(self) -> bool:
        """Read what there is at once; False when there was nothing new."""
        events = await self._events.read_all(READ_RECORDS, READ_SECONDS)
        for number, records in events.items():
            shard = self.shards[number]
            for record in records:
                event = self._decode(record.value)
                shard.read = record.offset + 1
                if not shard.counter.counts(event.rawgen, event.rawpos) or event.type == "ledger.tick":
                    continue
                self.places[event.source, event.id] = (number, record.offset)
                shard.events_due = record.offset + 1
        blocks = await self._blocks.read_all(READ_RECORDS, READ_SECONDS)
        for number, records in blocks.items():
            chain = self.shards[number].chain
            for record in records:
                entry_bytes = BlockRecord.parse(record.value).entry
                header = Entry.parse(entry_bytes).header
                if isinstance(header, BlockHeader) and header.gen > chain.next_gen:
                    await self._watch.refresh()
                if isinstance(header, BlockHeader) and chain.check(header, entry_bytes) is None:
                    chain.extend(header, entry_bytes)
        return bool(events or blocks)

    def _generation_at(self, shard: int, height: int) -> int:
        return sum(begun.heights[shard] < height for begun in self._watch.generations)

    def sealed(self, name: EventName) -> bool:
        """Whether the event is in a block that counts."""
        place = self.places.get(name)
        return place is not None and place[1] < self.shards[place[0]].chain.next_offset

    @property
    def blocks(self) -> int:
        """Blocks that count, in all shards."""
        return sum(shard.chain.height + 1 for shard in self.shards.values())
