"""Write and read the values of the topics `ledger.blocks` and `ledger.checkpoints`: JCS that carries signed bytes."""

from __future__ import annotations

from dataclasses import dataclass

from ._strict import (
    canonical_object,
    check_range,
    decode_base64,
    decode_object,
    encode_base64,
    integers_of,
    text_of,
)
from .errors import MalformedError
from .jcs import dumps

_BLOCK_KEYS = frozenset(("entry", "leaves"))
_CHECKPOINT_KEYS = frozenset(("heights", "note"))
_OPTIONAL_KEYS = frozenset(("final", "generation", "genesis", "keys"))


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """A block's entry and its leaf hashes, one after another, so that proofs need no re-reading of events."""

    entry: bytes
    leaves: bytes

    def __post_init__(self) -> None:
        if not self.leaves or len(self.leaves) % 32:
            raise MalformedError("block.leaves", f"{len(self.leaves)} bytes", "give 32 bytes a leaf, one leaf at least")

    def encode(self) -> bytes:
        """The topic value."""
        return dumps({"entry": encode_base64(self.entry), "leaves": encode_base64(self.leaves)})

    @classmethod
    def parse(cls, data: bytes) -> BlockRecord:
        """Read a topic value; only bytes that `encode` would write are accepted."""
        members = canonical_object(data, "block", _BLOCK_KEYS)
        return cls(
            decode_base64(text_of(members, "entry", "block"), "block.entry"),
            decode_base64(text_of(members, "leaves", "block"), "block.leaves"),
        )


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A signed checkpoint, the last height it covers of each shard (-1 for none), and with size 1 the genesis entry.

    `keys` is there where the log's keys change at this size: the new key set, a signed note (keyset.py). `final` is
    there where the log ends for ever at this size: the statement of it, a signed note (final.py). `generation` is there
    in the first checkpoint over a generation entry, which is the last leaf under it (generation.py).
    """

    heights: tuple[int, ...]
    note: str
    genesis: bytes | None = None
    keys: str | None = None
    final: str | None = None
    generation: bytes | None = None

    def __post_init__(self) -> None:
        if not self.heights:
            raise MalformedError("checkpoint.heights", "empty", "give one height a shard")
        for height in self.heights:
            check_range(height, "checkpoint.heights", -1)

    def encode(self) -> bytes:
        """The topic value."""
        members: dict[str, object] = {"heights": list(self.heights), "note": self.note}
        if self.genesis is not None:
            members["genesis"] = encode_base64(self.genesis)
        if self.keys is not None:
            members["keys"] = self.keys
        if self.final is not None:
            members["final"] = self.final
        if self.generation is not None:
            members["generation"] = encode_base64(self.generation)
        return dumps(members)

    @classmethod
    def parse(cls, data: bytes) -> CheckpointRecord:
        """Read a topic value; only bytes that `encode` would write are accepted."""
        keys = _CHECKPOINT_KEYS | (decode_object(data, "checkpoint").keys() & _OPTIONAL_KEYS)
        members = canonical_object(data, "checkpoint", keys)
        return cls(
            integers_of(members, "heights", "checkpoint"),
            text_of(members, "note", "checkpoint"),
            _entry_of(members, "genesis"),
            text_of(members, "keys", "checkpoint") if "keys" in members else None,
            text_of(members, "final", "checkpoint") if "final" in members else None,
            _entry_of(members, "generation"),
        )


def _entry_of(members: dict[str, object], name: str) -> bytes | None:
    return decode_base64(text_of(members, name, "checkpoint"), f"checkpoint.{name}") if name in members else None
