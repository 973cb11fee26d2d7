"""The global log as the notary holds it, without I/O: which blocks come in, in which order, and under which root.

The order is formats.md's: genesis, then checkpoint by checkpoint, shard by shard, the blocks above the height covered
before up to the one covered now; where the log was
restored, the entry that begins the generation. What is drafted here is guarded, signed and published elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from balance_chain.core.counting import BlockChain, GenerationAt, first_generation
from balance_verify.entry import BlockHeader, GenesisHeader
from balance_verify.merkle import EMPTY_ROOT, CompactRange, leaf_hash

from balance_sealer.blocks import chain_after
from balance_sealer.checkpoints import SignedState
from balance_sealer.errors import NotaryRefusal

NodeHash = tuple[int, int, bytes]
"""Level and index of a complete subtree of the log, and its hash."""

NOT_PUBLISHED = -1
NO_BLOCK = -1


@dataclass(frozen=True, slots=True)
class State:
    """What a checkpoint states: size and root of the log, and the last height that it covers of each shard."""

    size: int
    root: bytes
    heights: tuple[int, ...]

    def stated_by(self, signed: SignedState) -> bool:
        return (signed.size, signed.root, signed.heights) == (self.size, self.root, self.heights)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A published state with what it takes to go on from it without reading the log again."""

    state: State
    hashes: tuple[bytes, ...]
    """Compact range over the log's entries."""
    blocks: tuple[int, ...]
    """Offset in `ledger.blocks` of the last block covered, one a shard; -1 for none."""
    offset: int
    """Offset of the checkpoint in `ledger.checkpoints`; -1 before the first."""

    @classmethod
    def empty(cls, shards: int) -> "Anchor":
        """The log before its genesis entry."""
        none = (NO_BLOCK,) * shards
        return cls(State(0, EMPTY_ROOT, none), (), none, NOT_PUBLISHED)


@dataclass(frozen=True, slots=True)
class Draft:
    """The next state, not yet guarded nor signed."""

    state: State
    hashes: tuple[bytes, ...]
    blocks: tuple[int, ...]
    nodes: tuple[NodeHash, ...] = ()
    """Complete subtrees of the log that the anchor's does not have."""

    def published_at(self, offset: int) -> Anchor:
        return Anchor(self.state, self.hashes, self.blocks, offset)


def genesis_draft(genesis: bytes, shards: int) -> Draft:
    """The log of the genesis entry alone."""
    range_ = CompactRange()
    nodes = range_.append(leaf_hash(genesis))
    none = (NO_BLOCK,) * shards
    return Draft(State(1, range_.root(), none), range_.hashes, none, tuple(nodes))


def generation_draft(anchor: Anchor, entry: bytes) -> Draft:
    """The log after the anchor with the entry that begins a generation, and nothing else."""
    range_ = CompactRange.from_parts(anchor.state.size, anchor.hashes)
    nodes = range_.append(leaf_hash(entry))
    state = State(range_.size, range_.root(), anchor.state.heights)
    return Draft(state, range_.hashes, anchor.blocks, tuple(nodes))


@dataclass(frozen=True, slots=True)
class _Pending:
    height: int
    offset: int
    leaf: bytes


class GlobalLog:
    """A published state and, for each shard, the counting blocks that came after it."""

    def __init__(self, genesis: GenesisHeader, anchor: Anchor, tips: Sequence[BlockChain]) -> None:
        """`tips`: the chain of each shard as it ends in the anchor's heights."""
        if CompactRange.from_parts(anchor.state.size, anchor.hashes).root() != anchor.state.root:
            raise NotaryRefusal("guard row", "hashes do not give the root beside them", "restore it from a backup")
        heights = tuple(tip.height for tip in tips)
        if heights != anchor.state.heights or len(tips) != genesis.shards:
            raise NotaryRefusal("guard row", f"heights {anchor.state.heights}, blocks show {heights}", "compare both")
        self.genesis = genesis
        self.anchor = anchor
        self._tips = list(tips)
        self._pending: list[list[_Pending]] = [[] for _ in tips]

    def offer(self, shard: int, offset: int, header: BlockHeader, entry: bytes) -> str | None:
        """Takes in the next block of a shard, its signature verified; gives the reason where it does not count."""
        tip = self._tips[shard]
        reason = tip.check(header, entry)
        if reason is None:
            tip.extend(header, entry)
            self._pending[shard].append(_Pending(header.height, offset, leaf_hash(entry)))
        return reason

    @property
    def pending(self) -> int:
        """Blocks not yet under a published checkpoint."""
        return sum(map(len, self._pending))

    def height(self, shard: int) -> int:
        """Height of the shard's last counting block, covered or not."""
        return self._tips[shard].height

    def draft(self, upto: tuple[int, ...] | None = None) -> Draft:
        """The state after all pending blocks, or after those up to the given heights."""
        range_ = CompactRange.from_parts(self.anchor.state.size, self.anchor.hashes)
        heights, blocks = list(self.anchor.state.heights), list(self.anchor.blocks)
        nodes: list[NodeHash] = []
        for shard, pending in enumerate(self._pending):
            for block in pending:
                if upto is not None and block.height > upto[shard]:
                    break
                nodes += range_.append(block.leaf)
                heights[shard], blocks[shard] = block.height, block.offset
        state = State(range_.size, range_.root(), tuple(heights))
        return Draft(state, range_.hashes, tuple(blocks), tuple(nodes))

    def published(self, draft: Draft, offset: int) -> None:
        """The draft is signed and stored at `offset`: go on from it."""
        self.anchor = draft.published_at(offset)
        for shard, height in enumerate(draft.state.heights):
            self._pending[shard] = [block for block in self._pending[shard] if block.height > height]


def tip_after(
    header: BlockHeader, entry: bytes, height: int, generation_at: GenerationAt = first_generation
) -> BlockChain:
    """The chain that ends in an anchor's block, which must have the height that the guard row says."""
    if header.height != height:
        raise NotaryRefusal(
            f"ledger.blocks/{header.shard}", f"has height {header.height} where the guard row says {height}", "compare"
        )
    return chain_after(header, entry, generation_at)
