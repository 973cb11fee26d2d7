"""A small true ledger, made by hand from the formats: what a sealer and a notary would have written, without them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from balance_chain.core.canonical import encode_event
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import (
    ZERO_PREV,
    BlockHeader,
    GenesisHeader,
    entry_hash,
    sign_block,
    sign_generation,
    sign_genesis,
)
from balance_verify.generation import GenerationHeader
from balance_verify.merkle import CompactRange, leaf_hash, tree_root
from balance_verify.note import SigningKey, sign_note
from balance_verify.topicvalues import BlockRecord, CheckpointRecord

ORIGIN = "test.example/balance-chain/1"
START_MS = 1_790_000_000_000
SOURCE = "https://court.example/cases"


@dataclass
class SmallLedger:
    """Values of `litigation.events`, `ledger.blocks` and `ledger.checkpoints`, a list a partition."""

    log_key: SigningKey
    sealer_key: SigningKey
    gateway_key: SigningKey
    shards: int = 2
    origin: str = ORIGIN
    events: list[list[bytes]] = field(default_factory=list)
    blocks: list[list[bytes]] = field(default_factory=list)
    checkpoints: list[bytes] = field(default_factory=list)
    entries: list[list[bytes]] = field(default_factory=list)
    now_ms: int = START_MS

    def __post_init__(self) -> None:
        self.events = [[] for _ in range(self.shards)]
        self.blocks = [[] for _ in range(self.shards)]
        self.entries = [[] for _ in range(self.shards)]
        self._sealed = [0] * self.shards
        self._covered = [-1] * self.shards
        self._tree = CompactRange()
        self.generations: list[bytes] = []
        self._raw_base = [0] * self.shards
        keys = tuple(str(key.vkey) for key in (self.log_key, self.sealer_key, self.gateway_key))
        header = GenesisHeader("0" * 64, keys, self.origin, self.shards, format_ms(self.now_ms))
        self.genesis = sign_genesis(header, self.log_key).encode()
        self._tree.append(leaf_hash(self.genesis))
        self._publish(self.genesis)

    @classmethod
    def of_seed(cls, seed: int = 1, shards: int = 2) -> SmallLedger:
        """With keys of its own."""
        names = {"log": ORIGIN, "sealer": f"{ORIGIN}/sealer", "gateway": f"{ORIGIN}/gateway"}
        keys = {
            role: SigningKey.generate(name, hashlib.sha256(f"{role} {seed}".encode()).digest())
            for role, name in names.items()
        }
        return cls(keys["log"], keys["sealer"], keys["gateway"], shards)

    def add_event(
        self,
        shard: int,
        *,
        rawpos: int | None = None,
        id: str | None = None,
        caseid: str = "（2026）京0491民初1号",
        received_ms: int | None = None,
        data: dict[str, object] | None = None,
    ) -> CanonicalEvent:
        """One more event of a shard; by default of the next raw record."""
        place = len(self.events[shard]) - self._raw_base[shard] if rawpos is None else rawpos
        if received_ms is None:
            self.now_ms += 7
            received_ms = self.now_ms
        event = CanonicalEvent(
            specversion="1.0",
            id=id or f"e-{shard}-{len(self.generations) or ''}{place}",
            source=SOURCE,
            type="evidence.deposited",
            subject=caseid,
            time=format_ms(received_ms - 1000),
            phase="evidence",
            receivedtime=format_ms(received_ms),
            rawgen=len(self.generations),
            rawpos=place,
            caseid=caseid,
            data={"cert_no": str(place)} if data is None else data,
        )
        self.events[shard].append(encode_event(event))
        return event

    def seal(self, shard: int, count: int | None = None, /, **changes: object) -> bytes:
        """A block over the next `count` events (all by default); `changes` falsify its header before it is signed."""
        start = self._sealed[shard]
        values = self.events[shard][start:] if count is None else self.events[shard][start : start + count]
        leaves = b"".join(map(leaf_hash, values))
        self.now_ms += 1
        kept = self.entries[shard]
        fields: dict[str, object] = {
            "count": len(values),
            "from_": start,
            "gen": len(self.generations),
            "height": len(kept),
            "origin": self.origin,
            "prev": entry_hash(kept[-1]) if kept else ZERO_PREV,
            "root": tree_root(leaves).hex(),
            "shard": shard,
            "start": start,
            "time": format_ms(self.now_ms),
        }
        header = BlockHeader(**{**fields, **changes})  # type: ignore[arg-type]
        entry = sign_block(header, self.sealer_key).encode()
        kept.append(entry)
        self._sealed[shard] += len(values)
        value = BlockRecord(entry, leaves).encode()
        self.blocks[shard].append(value)
        return value

    def checkpoint(self) -> bytes:
        """A checkpoint over every block so far."""
        for shard, kept in enumerate(self.entries):
            for entry in kept[self._covered[shard] + 1 :]:
                self._tree.append(leaf_hash(entry))
            self._covered[shard] = len(kept) - 1
        return self._publish(None)

    def begin_generation(self, **changes: object) -> bytes:
        """The checkpoint over an entry that begins a generation; `changes` falsify its header before it is signed."""
        fields: dict[str, object] = {
            "gen": len(self.generations) + 1,
            "heights": tuple(self._covered),
            "origin": self.origin,
            "root": self.root.hex(),
            "size": self.size,
            "time": format_ms(self.now_ms),
        }
        header = GenerationHeader(**{**fields, **changes})  # type: ignore[arg-type]
        entry = sign_generation(header, self.log_key).encode()
        self.generations.append(entry)
        self._raw_base = [len(values) for values in self.events]
        self._tree.append(leaf_hash(entry))
        return self._publish(None, entry)

    @property
    def size(self) -> int:
        """Entries under the last checkpoint."""
        return self._tree.size

    @property
    def root(self) -> bytes:
        """The root of the last checkpoint."""
        return self._tree.root()

    def _publish(self, genesis: bytes | None, generation: bytes | None = None) -> bytes:
        text = Checkpoint(self.origin, self._tree.size, self._tree.root()).text()
        note = sign_note(text, self.log_key).encode().decode()
        value = CheckpointRecord(tuple(self._covered), note, genesis, generation=generation).encode()
        self.checkpoints.append(value)
        return value
