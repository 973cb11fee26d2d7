"""The rule of counting: which records of the output topics stand, so that a writer that should be dead can do no harm.

An event counts if its (rawgen, rawpos) is greater than all before it in the shard; a block counts if it extends the
chain; a checkpoint counts if it grows and is consistent, or has the size, root and heights of the last and adds
signatures. What does not count is skipped by every reader, in the same way, because every reader uses these classes.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from balance_verify.entry import BlockHeader

ZERO_PREV: Final = "0" * 64
NONE_YET: Final = -1
"""The raw position, or the height, before the first."""

GenerationAt = Callable[[int, int], int]
"""Which generation the block of a shard at a height must name: 0, and one more behind each restore."""


def first_generation(shard: int, height: int) -> int:
    """`GenerationAt` of a log that was never restored."""
    return 0


class EventCounter:
    """The greatest raw position seen in one shard's events."""

    __slots__ = ("rawgen", "rawpos")

    def __init__(self, rawgen: int = 0, rawpos: int = NONE_YET) -> None:
        self.rawgen = rawgen
        self.rawpos = rawpos

    def counts(self, rawgen: int, rawpos: int) -> bool:
        """Whether the next record of the shard counts; if so it becomes the greatest."""
        if (rawgen, rawpos) <= (self.rawgen, self.rawpos):
            return False
        self.rawgen = rawgen
        self.rawpos = rawpos
        return True


class BlockChain:
    """The head of one shard's chain of blocks: what the next one must extend."""

    __slots__ = ("gen", "generation_at", "height", "next_offset", "prev", "shard", "start", "time")

    def __init__(
        self,
        shard: int,
        height: int = NONE_YET,
        prev: str = ZERO_PREV,
        next_offset: int = 0,
        start: int = 0,
        time: str = "",
        gen: int = 0,
        generation_at: GenerationAt = first_generation,
    ) -> None:
        """`generation_at` is asked anew for each block: a log may be restored while a reader goes on."""
        self.shard = shard
        self.generation_at = generation_at
        self.height = height
        """Height of the last block, -1 before the first."""
        self.prev = prev
        """Hash of the last entry, hex."""
        self.next_offset = next_offset
        """Offset in `litigation.events` of the first record not in a block."""
        self.start = start
        """Leaves of the shard so far."""
        self.time = time
        """Time of the last block: canonical text, which sorts as time does."""
        self.gen = gen
        """Generation that the last block names."""

    @property
    def next_gen(self) -> int:
        """Generation of the topics that the next block is of."""
        return self.generation_at(self.shard, self.height + 1)

    def check(self, header: "BlockHeader", entry: bytes) -> str | None:
        """Why this block does not extend the chain, or None. `entry` is the signed entry, already verified."""
        if not entry:
            return "entry is empty"
        expected: tuple[tuple[str, object, object], ...] = (
            ("shard", self.shard, header.shard),
            ("gen", self.next_gen, header.gen),
            ("height", self.height + 1, header.height),
            ("prev", self.prev, header.prev),
            ("from", self.next_offset, header.from_),
            ("start", self.start, header.start),
        )
        for name, want, got in expected:
            if want != got:
                return f"{name}: expected {want}, got {got}"
        if header.count < 1:
            return f"count: expected at least 1, got {header.count}"
        if header.time < self.time:
            return f"time: expected no earlier than {self.time}, got {header.time}"
        return None

    def extend(self, header: "BlockHeader", entry: bytes) -> None:
        """Take the block in; `check` must have found nothing."""
        self.height = header.height
        self.prev = hashlib.sha256(entry).hexdigest()
        self.next_offset = header.from_ + header.count
        self.start = header.start + header.count
        self.time = header.time
        self.gen = header.gen


class CheckpointCounter:
    """The last checkpoint that counts: its size, root, heights and who has signed it."""

    __slots__ = ("heights", "root", "signers", "size")

    def __init__(
        self, size: int = 0, root: bytes = b"", heights: tuple[int, ...] = (), signers: frozenset[str] = frozenset()
    ) -> None:
        self.size = size
        self.root = root
        self.heights = heights
        self.signers = signers

    def check(
        self, size: int, root: bytes, heights: tuple[int, ...], signers: frozenset[str], *, consistent: bool
    ) -> str | None:
        """Why the next checkpoint does not count, or None where it does.

        `consistent` is the caller's finding: the tree of `size` leaves has this root and extends the last one.
        `signers` are the keys whose signatures on it were verified.
        """
        if not signers:
            return "no known signature"
        if size == self.size:
            if (root, heights) != (self.root, self.heights):
                return f"size {size} again with another root or other heights"
            return None if signers - self.signers else "adds no signature"
        if size < self.size:
            return f"size: expected more than {self.size}, got {size}"
        if not consistent:
            return f"not consistent with the checkpoint of size {self.size}"
        if self.heights and (
            len(heights) != len(self.heights) or any(new < old for new, old in zip(heights, self.heights, strict=True))
        ):
            return f"heights: expected none below {self.heights}, got {heights}"
        return None

    def take(self, size: int, root: bytes, heights: tuple[int, ...], signers: frozenset[str]) -> None:
        """Take the checkpoint in; `check` must have found nothing."""
        self.signers = self.signers | signers if size == self.size else signers
        self.size = size
        self.root = root
        self.heights = heights
