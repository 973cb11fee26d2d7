"""Where each part of an archive is and what its bytes are, as docs/archive.md says. Pure.

checkpoint                      the latest signed note; replaced by each export, and written last
heads/<SHA-256 of it>.json      what the archive holds under that note
genesis                         entry 0
keys                            every public key and the log sizes between which it holds, a line each, like /log/keys
keysets/<N>.note                the Nth key set behind the genesis entry, as the log's keys signed it
tile/…                          C2SP tlog-tiles
timestamps/<size>.tsr, .note    an RFC 3161 authority's answer over the text of a checkpoint, and that checkpoint
checkpoints/<N>[.p/<W>]         256 records of ledger.checkpoints a file, a line each
blocks/<shard>/<height>.events  the block's event bytes, each after its length (big-endian uint32)
blocks/<shard>/<height>.leaves  the block's leaf hashes
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

import msgspec
from balance_verify import jcs
from balance_verify.errors import MalformedError
from balance_verify.keyset import KeySet
from balance_verify.tiles import TILE_WIDTH, Tile, index_path

from balance_verifier.errors import ArchiveUnreadable

CHECKPOINT: Final = "checkpoint"
GENESIS: Final = "genesis"
KEYS: Final = "keys"
VERSION: Final = 1
LENGTH_BYTES: Final = 4

_INDEX: Final = r"(?:x[0-9]{3}/)*[0-9]{3}"
_RECORDS: Final = re.compile(rf"checkpoints/({_INDEX})(?:\.p/([1-9][0-9]{{0,2}}))?")
_BLOCK: Final = re.compile(rf"blocks/(0|[1-9][0-9]*)/({_INDEX})\.(?:events|leaves)")
_KEY_SET: Final = re.compile(r"keysets/([1-9][0-9]*)\.note")
_STAMP: Final = re.compile(r"timestamps/([1-9][0-9]*)\.(?:tsr|note)")
_HEAD: Final = re.compile(r"heads/[0-9a-f]{64}\.json")


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds under its latest note: so many checkpoint records; size, root and heights of the last."""

    checkpoints: int
    heights: tuple[int, ...]
    origin: str
    root: str
    size: int
    v: int = VERSION

    def encode(self) -> bytes:
        """The file's RFC 8785 bytes."""
        return jcs.dumps({**msgspec.structs.asdict(self), "heights": list(self.heights)})

    @classmethod
    def parse(cls, data: bytes, place: str) -> Head:
        """Read a head; only bytes that `encode` would write are accepted."""
        try:
            head = msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise ArchiveUnreadable(place, f"is no head ({error})", "restore it from another copy") from None
        if head.v != VERSION or head.encode() != data or head.checkpoints < 1 or head.size < 1:
            raise ArchiveUnreadable(place, "is not in canonical form", "restore it from another copy")
        return head


def head_path(note: bytes) -> str:
    """The head of the archive whose `checkpoint` has these bytes."""
    return f"heads/{hashlib.sha256(note).hexdigest()}.json"


def key_set_path(number: int) -> str:
    """The note of a key set; those of the genesis entry are number 0 and have none."""
    return f"keysets/{number}.note"


def encode_keys(keys: KeySet) -> bytes:
    """The file `keys`."""
    return "".join(f"{key}\n" for key in keys.keys).encode()


def token_path(size: int) -> str:
    """The authority's answer over the checkpoint of a size."""
    return f"timestamps/{size}.tsr"


def stamped_path(size: int) -> str:
    """The checkpoint that was stamped."""
    return f"timestamps/{size}.note"


def events_path(shard: int, height: int) -> str:
    """The event bytes of a block."""
    return f"blocks/{shard}/{index_path(height)}.events"


def leaves_path(shard: int, height: int) -> str:
    """The leaf hashes of a block."""
    return f"blocks/{shard}/{index_path(height)}.leaves"


def records_path(index: int, width: int) -> str:
    """Bundle number `index` of checkpoint records."""
    return f"checkpoints/{index_path(index)}" + ("" if width == TILE_WIDTH else f".p/{width}")


def bundles_of(count: int) -> list[tuple[int, int]]:
    """(index, width) of the bundles that hold `count` records."""
    return [(at // TILE_WIDTH, min(TILE_WIDTH, count - at)) for at in range(0, count, TILE_WIDTH)]


def encode_events(values: Sequence[bytes]) -> bytes:
    """The bytes of an events file."""
    return b"".join([part for value in values for part in (len(value).to_bytes(LENGTH_BYTES, "big"), value)])


def split_events(data: bytes, place: str) -> list[bytes]:
    """The events in an events file."""
    values: list[bytes] = []
    at, end = 0, len(data)
    from_bytes, add = int.from_bytes, values.append
    while at < end:
        start = at + LENGTH_BYTES
        at = start + from_bytes(data[at:start], "big")
        if at > end or start > end:
            raise ArchiveUnreadable(place, f"ends within event {len(values)}", "restore it from another copy")
        add(data[start:at])
    return values


def encode_records(records: Sequence[bytes]) -> bytes:
    """The bytes of a bundle of checkpoint records: RFC 8785 has no newline of its own."""
    return b"".join([record + b"\n" for record in records])


def split_records(data: bytes, width: int, place: str) -> list[bytes]:
    """The `width` records of a bundle."""
    lines = data.split(b"\n")
    if lines.pop() != b"" or len(lines) != width:
        raise ArchiveUnreadable(place, f"has {len(lines)} lines", f"it must have {width} whole ones")
    return lines


class Known(msgspec.Struct, frozen=True):
    """What a path stands for: a tile, a bundle of records, a block's file, a key set, or a head."""

    tile: Tile | None = None
    records: tuple[int, int] | None = None
    block: tuple[int, int] | None = None
    key_set: int | None = None
    stamped: int | None = None
    head: bool = False


def known_path(path: str) -> Known | None:
    """What a path in an archive stands for; None where the format has no such path."""
    if path.startswith("tile/"):
        try:
            return Known(tile=Tile.parse(path))
        except MalformedError:
            return None
    if _HEAD.fullmatch(path):
        return Known(head=True)
    if found := _KEY_SET.fullmatch(path):
        return Known(key_set=int(found[1]))
    if found := _STAMP.fullmatch(path):
        return Known(stamped=int(found[1]))
    if found := _RECORDS.fullmatch(path):
        index, width = _number(found[1]), int(found[2] or TILE_WIDTH)
        return Known(records=(index, width)) if records_path(index, width) == path else None
    if found := _BLOCK.fullmatch(path):
        shard, height = int(found[1]), _number(found[2])
        spelled = path in (events_path(shard, height), leaves_path(shard, height))
        return Known(block=(shard, height)) if spelled else None
    return None


def _number(index: str) -> int:
    return int(index.replace("x", "").replace("/", ""))
