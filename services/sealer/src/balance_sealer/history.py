"""Recomputes the nodes of the log's past from its topics, so that witnesses can be shown that the log only grows.

Needed where the table of nodes does not reach back: at the first start with witnesses, or in a database that was lost.
"""

from balance_chain.core.counting import BlockChain
from balance_chain.core.topics import BLOCKS, CHECKPOINTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.settings import CommonSettings
from balance_verify.keyset import SealerKeys
from balance_verify.note import VerifierKey

from balance_sealer.blocks import read_block
from balance_sealer.checkpoints import SignedState, read_checkpoint, read_genesis
from balance_sealer.errors import BrokenChain
from balance_sealer.log import GlobalLog, State, genesis_draft
from balance_sealer.repository import NodeRepository

READ_RECORDS = 256
WAIT_SECONDS = 1.0


async def restore_nodes(settings: CommonSettings, log_key: VerifierKey, nodes: NodeRepository, target: State) -> None:
    """Makes the nodes under `target`, which is published, complete; does nothing where they are."""
    if await nodes.root(target.size) == target.root:
        return
    keys = await KeyWatch(settings, log_key).refresh()
    sealers = keys.sealers
    async with PartitionReader(settings, settings.topic(CHECKPOINTS), 0) as reader:
        end = await reader.end_offset()
        first = read_checkpoint((await reader.read_at(0)).value, keys.last)
        if isinstance(first, str):
            raise BrokenChain("ledger.checkpoints", f"begins with no checkpoint of ours: {first}", "check the keys")
        genesis = read_genesis(first, log_key)
        assert first.genesis is not None, "read_genesis has read it"
        draft = genesis_draft(first.genesis, genesis.shards)
        await nodes.keep(draft.nodes)
        log = GlobalLog(genesis, draft.published_at(0), [BlockChain(shard) for shard in range(genesis.shards)])
        next_offsets = [0] * genesis.shards
        at = 1
        while at < end and log.anchor.state != target:
            records = await reader.read(min(READ_RECORDS, end - at), WAIT_SECONDS)
            signed = [read_checkpoint(record.value, keys.last) for record in records]
            growing = [each for each in signed if not isinstance(each, str)]
            at += len(records)
            if growing:
                upto = max(growing, key=lambda each: each.size).heights
                for shard, height in enumerate(upto):
                    next_offsets[shard] = await _read_blocks(settings, log, sealers, shard, next_offsets[shard], height)
                await _take(log, growing, nodes, target)
    if await nodes.root(target.size) != target.root:
        raise BrokenChain("ledger.checkpoints", f"do not lead to size {target.size}", "compare them with the guard row")


async def _take(log: GlobalLog, growing: list[SignedState], nodes: NodeRepository, target: State) -> None:
    for signed in growing:
        if signed.size <= log.anchor.state.size or log.anchor.state == target:
            continue
        draft = log.draft(signed.heights)
        if not draft.state.stated_by(signed):
            raise BrokenChain("ledger.checkpoints", f"size {signed.size} is not what the blocks give", "compare both")
        await nodes.keep(draft.nodes)
        log.published(draft, log.anchor.offset + 1)


async def _read_blocks(
    settings: CommonSettings, log: GlobalLog, sealers: SealerKeys, shard: int, at: int, wanted: int
) -> int:
    """Takes the shard's blocks in up to a height; gives the next offset."""
    if log.height(shard) >= wanted:
        return at
    async with PartitionReader(settings, settings.topic(BLOCKS), shard, at) as reader:
        end = await reader.end_offset()
        while log.height(shard) < wanted and at < end:
            for record in await reader.read(min(READ_RECORDS, end - at), WAIT_SECONDS):
                at = record.offset + 1
                block = read_block(record.value, settings.origin, sealers)
                if not isinstance(block, str):
                    log.offer(shard, record.offset, *block)
    return at
