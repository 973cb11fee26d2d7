"""The notary's log holds every counting block once, in the order that formats.md fixes, however it is cut up."""

from __future__ import annotations

import pytest
from balance_chain.core.counting import BlockChain
from balance_sealer.blocks import SealedBlock, build_block
from balance_sealer.errors import NotaryRefusal
from balance_sealer.log import Anchor, GlobalLog, State, genesis_draft, tip_after
from balance_verify.entry import GenesisHeader
from balance_verify.merkle import leaf_hash, tree_root
from balance_verify.note import SigningKey
from hypothesis import given
from hypothesis import strategies as st

ORIGIN = "test.example/log"
KEY = SigningKey.generate(f"{ORIGIN}/sealer", bytes(32))
TIME = "2026-11-24T21:02:42.123Z"
NOW_MS = 1_800_000_000_000
SHARDS = 3
GENESIS = b"genesis entry"
HEADER = GenesisHeader("00" * 32, (str(KEY.vkey),), ORIGIN, SHARDS, TIME)


def begun() -> GlobalLog:
    log = GlobalLog(HEADER, Anchor.empty(SHARDS), [BlockChain(shard) for shard in range(SHARDS)])
    log.published(genesis_draft(GENESIS, SHARDS), 0)
    return log


class Blocks:
    """Chains that grow by a block when asked."""

    def __init__(self) -> None:
        self._chains = [BlockChain(shard) for shard in range(SHARDS)]
        self.made: list[list[SealedBlock]] = [[] for _ in range(SHARDS)]

    def next(self, shard: int) -> SealedBlock:
        chain = self._chains[shard]
        block = build_block(chain, [b"event"], origin=ORIGIN, now_ms=NOW_MS, key=KEY)
        chain.extend(block.header, block.entry)
        self.made[shard].append(block)
        return block


steps = st.lists(st.one_of(st.integers(0, SHARDS - 1), st.just("checkpoint"), st.just("restart")), max_size=40)


@given(steps)
def test_every_checkpoint_is_over_the_blocks_in_the_order_of_the_format(steps: list[int | str]) -> None:
    log, blocks = begun(), Blocks()
    leaves = [leaf_hash(GENESIS)]
    heights = [-1] * SHARDS
    for number, step in enumerate([*steps, "checkpoint"], 1):
        if isinstance(step, int):
            block = blocks.next(step)
            assert log.offer(step, len(blocks.made[step]) - 1, block.header, block.entry) is None
        elif step == "checkpoint":
            for shard in range(SHARDS):
                leaves += [leaf_hash(block.entry) for block in blocks.made[shard][heights[shard] + 1 :]]
                heights[shard] = len(blocks.made[shard]) - 1
            draft = log.draft()
            assert draft.state == State(len(leaves), tree_root(leaves), tuple(heights))
            log.published(draft, number)
            assert log.pending == 0
        else:
            log = restarted(log, blocks)
    assert log.anchor.state.size == 1 + sum(map(len, blocks.made))


def restarted(log: GlobalLog, blocks: Blocks) -> GlobalLog:
    """As a notary starts: from the anchor and the block that it covers last, then all blocks after it."""
    tips = [
        BlockChain(shard)
        if height < 0
        else tip_after(blocks.made[shard][height].header, blocks.made[shard][height].entry, height)
        for shard, height in enumerate(log.anchor.state.heights)
    ]
    again = GlobalLog(HEADER, log.anchor, tips)
    for shard, offset in enumerate(log.anchor.blocks):
        for at, block in enumerate(blocks.made[shard]):
            if at > offset:
                assert again.offer(shard, at, block.header, block.entry) is None
    return again


def test_a_draft_up_to_given_heights_leaves_later_blocks_for_later() -> None:
    log, blocks = begun(), Blocks()
    for offset in range(3):
        block = blocks.next(0)
        log.offer(0, offset, block.header, block.entry)
    draft = log.draft((1, -1, -1))
    assert (draft.state.size, draft.state.heights, draft.blocks) == (3, (1, -1, -1), (1, -1, -1))
    log.published(draft, 1)
    assert log.pending == 1


def test_a_block_that_does_not_extend_its_chain_is_left_out() -> None:
    log, blocks = begun(), Blocks()
    block = blocks.next(0)
    assert log.offer(0, 0, block.header, block.entry) is None
    assert "height" in str(log.offer(0, 1, block.header, block.entry))
    assert log.pending == 1


def test_hashes_that_do_not_give_the_root_are_refused() -> None:
    anchor = begun().anchor
    wrong = Anchor(anchor.state, (bytes(32),), anchor.blocks, anchor.offset)
    with pytest.raises(NotaryRefusal, match="hashes"):
        GlobalLog(HEADER, wrong, [BlockChain(shard) for shard in range(SHARDS)])


def test_chains_that_end_at_other_heights_are_refused() -> None:
    block = Blocks().next(0)
    tips = [tip_after(block.header, block.entry, 0), BlockChain(1), BlockChain(2)]
    with pytest.raises(NotaryRefusal, match="heights"):
        GlobalLog(HEADER, begun().anchor, tips)
