"""Recomputes the log's past from its topics: to show witnesses that it only grows, and to go on behind a restore.

Needed where the table of nodes does not reach back: at the first start with witnesses, or in a database that was lost;
and where the topics were filled anew, so that the guard row's offsets are those of topics that are no more.
"""

from collections.abc import Awaitable, Callable, Sequence

from balance_chain.core.counting import BlockChain
from balance_chain.core.topics import BLOCKS, CHECKPOINTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.settings import CommonSettings
from balance_verify.errors import VerifyError
from balance_verify.keyset import KeyHistory, open_generation
from balance_verify.note import VerifierKey

from balance_sealer.blocks import read_block
from balance_sealer.checkpoints import SignedState, read_checkpoint, read_genesis
from balance_sealer.errors import BrokenChain
from balance_sealer.log import Anchor, Draft, GlobalLog, NodeHash, State, generation_draft, genesis_draft
from balance_sealer.repository import NodeRepository

READ_RECORDS = 256
WAIT_SECONDS = 1.0

Keep = Callable[[Sequence[NodeHash]], Awaitable[None]]


async def restore_nodes(settings: CommonSettings, log_key: VerifierKey, nodes: NodeRepository, target: State) -> None:
    """Makes the nodes under `target`, which is published, complete; does nothing where they are."""
    if await nodes.root(target.size) == target.root:
        return
    history = await KeyWatch(settings, log_key).refresh()
    await Replay(settings, log_key, history).run(nodes.keep, target)
    if await nodes.root(target.size) != target.root:
        raise BrokenChain("ledger.checkpoints", f"do not lead to size {target.size}", "compare them with the guard row")


class Replay:
    """One run through `ledger.checkpoints` and `ledger.blocks`, from the genesis entry on."""

    log: GlobalLog
    genesis: bytes
    before: Anchor
    """The state before the last: what a guard row for the last is based on."""

    def __init__(
        self, settings: CommonSettings, log_key: VerifierKey, history: KeyHistory, looked_for: State | None = None
    ) -> None:
        self._settings = settings
        self._key = log_key
        self._history = history
        self._looked_for = looked_for
        self.met = False
        """Whether the state looked for was on the way."""
        self.generations: list[bytes] = []
        """The entries that begin generations."""

    async def run(self, keep: Keep, target: State | None = None) -> None:
        """Recompute every checkpoint up to `target`, or all; `keep` gets the nodes. Raises where one differs."""
        settings, key = self._settings, self._key
        async with PartitionReader(settings, settings.topic(CHECKPOINTS), 0) as reader:
            end = await reader.end_offset()
            if end == 0:
                raise BrokenChain("ledger.checkpoints", "is empty", "restore it from the archive")
            first = read_checkpoint((await reader.read_at(0)).value, self._history.last)
            if isinstance(first, str):
                raise BrokenChain("ledger.checkpoints", f"begins with no checkpoint of ours: {first}", "check the keys")
            genesis = read_genesis(first, key)
            assert first.genesis is not None, "read_genesis has read it"
            self.genesis, self.before = first.genesis, Anchor.empty(genesis.shards)
            draft = genesis_draft(first.genesis, genesis.shards)
            await keep(draft.nodes)
            chains = [BlockChain(shard, generation_at=self._history.generation) for shard in range(genesis.shards)]
            self.log = GlobalLog(genesis, draft.published_at(0), chains)
            self.met = draft.state == self._looked_for
            next_offsets = [0] * genesis.shards
            at = 1
            while at < end and self.log.anchor.state != target:
                records = await reader.read(min(READ_RECORDS, end - at), WAIT_SECONDS)
                signed = [(each.offset, read_checkpoint(each.value, self._history.last)) for each in records]
                growing = [(offset, each) for offset, each in signed if not isinstance(each, str)]
                at += len(records)
                if growing:
                    upto = max((each for _, each in growing), key=lambda each: each.size).heights
                    for shard, height in enumerate(upto):
                        next_offsets[shard] = await self._read_blocks(shard, next_offsets[shard], height)
                    await self._take(growing, keep, target)

    async def _take(self, growing: list[tuple[int, SignedState]], keep: Keep, target: State | None) -> None:
        log = self.log
        for offset, signed in growing:
            if signed.size <= log.anchor.state.size or log.anchor.state == target:
                continue
            draft = self._draft(signed)
            if not draft.state.stated_by(signed):
                raise BrokenChain(
                    "ledger.checkpoints", f"size {signed.size} is not what the blocks give", "compare both"
                )
            await keep(draft.nodes)
            self.before = log.anchor
            log.published(draft, offset)
            self.met = self.met or draft.state == self._looked_for

    def _draft(self, signed: SignedState) -> Draft:
        if signed.generation is None:
            return self.log.draft(signed.heights)
        try:
            open_generation(signed.generation, self._history.last)
        except VerifyError as error:
            raise BrokenChain("ledger.checkpoints", f"generation entry: {error}", "restore them again") from error
        self.generations.append(signed.generation)
        return generation_draft(self.log.anchor, signed.generation)

    async def _read_blocks(self, shard: int, at: int, wanted: int) -> int:
        """Takes the shard's blocks in up to a height; gives the next offset."""
        log, settings = self.log, self._settings
        if log.height(shard) >= wanted:
            return at
        async with PartitionReader(settings, settings.topic(BLOCKS), shard, at) as reader:
            end = await reader.end_offset()
            while log.height(shard) < wanted and at < end:
                for record in await reader.read(min(READ_RECORDS, end - at), WAIT_SECONDS):
                    at = record.offset + 1
                    block = read_block(record.value, settings.origin, self._history.sealers)
                    if not isinstance(block, str):
                        log.offer(shard, record.offset, *block)
        return at
