"""Grow a ledger's blocks as a sealer would, at once and without waiting, for tests of the notary."""

from __future__ import annotations

from balance_chain.core.counting import BlockChain
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from balance_sealer.blocks import build_block
from support.ledger import put_events, read_log
from support.waiting import wait_until

NOW_MS = 1_800_000_000_000
PER_BLOCK = 3


class Chains:
    """The shards' chains of one ledger."""

    def __init__(self, settings: CommonSettings, keys: KeyDirectory) -> None:
        self.settings = settings
        self._keys = keys
        self.chains = [BlockChain(shard) for shard in range(settings.partitions)]

    async def grow(self, shard: int, blocks: int) -> None:
        chain = self.chains[shard]
        start = chain.next_offset
        await put_events(self.settings, shard, blocks * PER_BLOCK, start)
        writer = TailWriter(self.settings, self.settings.topic(BLOCKS), shard)
        await writer.open()
        for number in range(start, start + blocks * PER_BLOCK, PER_BLOCK):
            values = [f'{{"n":{n},"shard":{shard}}}'.encode() for n in range(number, number + PER_BLOCK)]
            block = build_block(chain, values, origin=self.settings.origin, now_ms=NOW_MS, key=self._keys.sealer)
            await writer.append([OutRecord(None, block.value)])
            chain.extend(block.header, block.entry)
        await writer.close()

    @property
    def heights(self) -> tuple[int, ...]:
        return tuple(chain.height for chain in self.chains)

    @property
    def size(self) -> int:
        """Entries of the log once all is covered."""
        return 1 + sum(height + 1 for height in self.heights)

    async def covered(self, seconds: float = 60) -> None:
        """Wait until a checkpoint covers all."""

        async def all_covered() -> bool:
            return (await read_log(self.settings, self._keys)).heights == self.heights

        await wait_until(all_covered, seconds, f"checkpoint over {self.heights}")
