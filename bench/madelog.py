"""A log of one shard made from the formats alone, as an exporter reads it: to measure without Kafka or PostgreSQL."""

from balance_verifier.archive.export import Exporter
from balance_verifier.archive.source import SourceBlock, SourceCheckpoint
from balance_verifier.archive.stores import open_store
from balance_verifier.repository_timestamps import Stamped
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import ZERO_PREV, BlockHeader, GenesisHeader, entry_hash, sign_block, sign_genesis
from balance_verify.merkle import CompactRange, leaf_hash, tree_root
from balance_verify.note import SigningKey, sign_note

ORIGIN = "bench.example/balance-chain/1"
TIME = "2026-11-24T21:02:42.123Z"
EVENT_BYTES = 350


class MadeLog:
    """A log of one shard, a checkpoint after every block, made as it is asked for."""

    def __init__(self, blocks: int, events: int) -> None:
        self.key = SigningKey.generate(ORIGIN, bytes(32))
        self.sealer = SigningKey.generate(f"{ORIGIN}/sealer", b"s" * 32)
        keys = (str(self.key.vkey), str(self.sealer.vkey))
        self._genesis = sign_genesis(GenesisHeader("0" * 64, keys, ORIGIN, 1, TIME), self.key).encode()
        self._count = blocks
        self._values = [[b"%0*d" % (EVENT_BYTES, height * events + n) for n in range(events)] for height in range(8)]
        self._blocks: list[SourceBlock] = []
        self._checkpoints: list[SourceCheckpoint] = []
        tree, prev, start = CompactRange(), ZERO_PREV, 0
        tree.append(leaf_hash(self._genesis))
        self._say(tree, (-1,))
        for height in range(blocks):
            # A few different blocks over and over: the bytes hashed are as many, and making them is quick.
            values = self._values[height % 8]
            leaves = b"".join(map(leaf_hash, values))
            root = tree_root(leaves).hex()
            header = BlockHeader(events, start, 0, height, ORIGIN, prev, root, 0, start, TIME)
            entry = sign_block(header, self.sealer).encode()
            prev, start = entry_hash(entry), start + events
            tree.append(leaf_hash(entry))
            self._blocks.append(SourceBlock(entry, leaves, values))
            self._say(tree, (height,))

    def _say(self, tree: CompactRange, heights: tuple[int, ...]) -> None:
        note = sign_note(Checkpoint(ORIGIN, tree.size, tree.root()).text(), self.key).encode().decode()
        genesis = None if self._checkpoints else self._genesis
        self._checkpoints.append(SourceCheckpoint(tree.size, tree.root(), heights, note, genesis))

    async def end(self) -> tuple[int, int]:
        return len(self._checkpoints), self._count + 1

    async def checkpoints(self, first: int, limit: int) -> list[SourceCheckpoint]:
        return self._checkpoints[first : first + limit]

    async def block(self, shard: int, height: int) -> SourceBlock:
        return self._blocks[height]

    async def stamped(self, up_to: int) -> list[Stamped]:
        return []


async def export(log: MadeLog, folder: str) -> None:
    """Its archive."""
    exporter = Exporter(open_store(folder), log, log.key.vkey, lambda _: None)  # type: ignore[arg-type]
    exporter.begin()
    await exporter.run()
