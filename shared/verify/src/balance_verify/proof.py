"""Carry all that proves one event in one file: the event, its block's entry, and the entry's proof in the log.

`TlogProof` is the text of C2SP tlog-proof; `ProofBundle` is `<name>.proof.json`, RFC 8785 bytes. Both are read so
strictly that a bundle has one spelling; whether it proves anything is for verify.py to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ._strict import (
    canonical_object,
    check_constant,
    check_range,
    decode_base64,
    decode_decimal,
    encode_base64,
    exact_keys,
    integer_of,
    text_of,
    texts_of,
)
from .checkpoint import Checkpoint
from .entry import BlockHeader, Entry
from .errors import MalformedError
from .jcs import dumps
from .note import SignedNote

MAX_BUNDLE_BYTES = 4_000_000
"""Largest bundle read: an event of a million bytes in base64, and room for paths and cosignatures."""

MAX_PATH = 63
"""Most hashes in an inclusion path: sizes are below 2^53, so no honest path comes near."""

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_INDEX = "index "
_VERSION = 1
_KEYS = frozenset(("block", "event", "log", "v"))
_BLOCK_KEYS = frozenset(("entry", "index", "path"))


def _decode_path(lines: Sequence[str], field: str) -> tuple[bytes, ...]:
    if len(lines) > MAX_PATH:
        raise MalformedError(field, f"{len(lines)} hashes", f"give at most {MAX_PATH}")
    return tuple(decode_base64(line, field, 32) for line in lines)


def _check_path(path: tuple[bytes, ...], field: str) -> None:
    if len(path) > MAX_PATH or any(len(value) != 32 for value in path):
        raise MalformedError(field, "too long, or a hash is not 32 bytes", f"give at most {MAX_PATH} SHA-256 values")


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Entry number `index` of a log, its inclusion path, and the signed checkpoint that the path leads to."""

    index: int
    path: tuple[bytes, ...]
    note: SignedNote

    def __post_init__(self) -> None:
        check_range(self.index, "log.index", 0)
        _check_path(self.path, "log.path")
        Checkpoint.parse(self.note.text)

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says; its signatures are not judged here."""
        return Checkpoint.parse(self.note.text)

    def text(self) -> str:
        """The tlog-proof text."""
        lines = [_FIRST_LINE, f"{_INDEX}{self.index}", *map(encode_base64, self.path)]
        return "\n".join(lines) + "\n\n" + self.note.encode().decode()

    @classmethod
    def parse(cls, text: str) -> TlogProof:
        """Read a tlog-proof text; an `extra` line, which nothing signs and our log never writes, is refused."""
        head, separator, note = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or lines[0] != _FIRST_LINE:
            raise MalformedError("log", "not a tlog-proof", f"start it with {_FIRST_LINE}")
        if len(lines) < 2 or not lines[1].startswith(_INDEX):
            raise MalformedError("log", "no index in the second line", "write index and a number there")
        return cls(
            decode_decimal(lines[1].removeprefix(_INDEX), "log.index"),
            _decode_path(lines[2:], "log.path"),
            SignedNote.parse(note.encode("utf-8", "surrogatepass")),
        )


@dataclass(frozen=True, slots=True)
class ProofBundle:
    """An event's bytes, its block's entry, its place and path in the block, and the entry's proof in the log."""

    event: bytes
    entry: bytes
    index: int
    path: tuple[bytes, ...]
    log_proof: TlogProof

    def __post_init__(self) -> None:
        check_range(self.index, "block.index", 0)
        _check_path(self.path, "block.path")
        Entry.parse(self.entry).block_header()

    @property
    def header(self) -> BlockHeader:
        """The block's header, as the entry carries it."""
        return Entry.parse(self.entry).block_header()

    def encode(self) -> bytes:
        """The bundle's RFC 8785 bytes."""
        block = {"entry": encode_base64(self.entry), "index": self.index, "path": [*map(encode_base64, self.path)]}
        return dumps({"block": block, "event": encode_base64(self.event), "log": self.log_proof.text(), "v": _VERSION})

    @classmethod
    def parse(cls, data: bytes) -> ProofBundle:
        """Read a bundle; only bytes that `encode` would write are accepted."""
        if len(data) > MAX_BUNDLE_BYTES:
            raise MalformedError("bundle", f"{len(data)} bytes", f"give at most {MAX_BUNDLE_BYTES}")
        members = canonical_object(data, "bundle", _KEYS)
        check_constant(members, "v", "bundle", _VERSION)
        block = members["block"]
        if not isinstance(block, dict):
            raise MalformedError("bundle.block", "not an object", "give entry, index and path")
        exact_keys(block, "bundle.block", _BLOCK_KEYS)
        return cls(
            decode_base64(text_of(members, "event", "bundle"), "bundle.event"),
            decode_base64(text_of(block, "entry", "bundle.block"), "bundle.block.entry"),
            integer_of(block, "index", "bundle.block"),
            _decode_path(texts_of(block, "path", "bundle.block"), "bundle.block.path"),
            TlogProof.parse(text_of(members, "log", "bundle")),
        )
