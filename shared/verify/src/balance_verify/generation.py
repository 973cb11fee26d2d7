"""Say that the log goes on in new topics: the header of the entry that a restored log begins its next generation with.

A generation entry is the log's next leaf after the checkpoint that was restored, and the last leaf under the checkpoint
that follows. So the heights in it part the blocks of one generation from those of the next, and a reader of one shard
can tell by height alone which generation a block must name (docs/decisions/0013-restore.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._strict import (
    canonical_object,
    check_constant,
    check_hex,
    check_line,
    check_range,
    check_time,
    integer_of,
    integers_of,
    text_of,
)
from .errors import MalformedError, MismatchError
from .jcs import dumps

PREFIX = b'{"gen":'
"""How the bytes of such a header begin, and no other's."""

_KEYS = frozenset(("gen", "generation", "hash", "heights", "origin", "root", "size", "time", "v"))
_HASH = "sha-256"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class GenerationHeader:
    """What the notary signs when a lost log goes on: generation `gen` begins where the log had this size and root.

    `heights`: the last height of each shard under that size, -1 for none.
    """

    gen: int
    heights: tuple[int, ...]
    origin: str
    root: str
    size: int
    time: str

    def __post_init__(self) -> None:
        check_range(self.gen, "header.gen", 1)
        if not self.heights:
            raise MalformedError("header.heights", "empty", "give one height a shard")
        for height in self.heights:
            check_range(height, "header.heights", -1)
        check_line(self.origin, "header.origin")
        check_hex(self.root, "header.root")
        check_range(self.size, "header.size", 1)
        check_time(self.time, "header.time")

    def encode(self) -> bytes:
        """The header's RFC 8785 bytes: what is signed."""
        return dumps(
            {
                "gen": self.gen,
                "generation": True,
                "hash": _HASH,
                "heights": list(self.heights),
                "origin": self.origin,
                "root": self.root,
                "size": self.size,
                "time": self.time,
                "v": _VERSION,
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> GenerationHeader:
        """Read a generation header; only bytes that `encode` would write are accepted."""
        members = canonical_object(data, "header", _KEYS)
        check_constant(members, "generation", "header", True)
        check_constant(members, "hash", "header", _HASH)
        check_constant(members, "v", "header", _VERSION)
        return cls(
            gen=integer_of(members, "gen", "header"),
            heights=integers_of(members, "heights", "header"),
            origin=text_of(members, "origin", "header"),
            root=text_of(members, "root", "header"),
            size=integer_of(members, "size", "header"),
            time=text_of(members, "time", "header"),
        )

    def check_place(self, gen: int, origin: str, size: int, heights: Sequence[int], root: bytes | None) -> None:
        """It must begin generation `gen` of this log where the log has this size and heights, and root if known."""
        for what, expected, got in (
            ("generation", str(gen), str(self.gen)),
            ("origin", origin, self.origin),
            ("size", str(size), str(self.size)),
            ("heights", str(tuple(heights)), str(self.heights)),
            ("root", self.root if root is None else root.hex(), self.root),
        ):
            if expected != got:
                raise MismatchError(f"generation entry, {what}", expected, got)
