"""Keeps how far fsck has come in a file, so that a run that was stopped goes on instead of beginning again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from balance_chain.core.counting import BlockChain
from balance_verify.errors import VerifyError
from balance_verify.merkle import CompactRange
from balance_verify.tiles import TileBuilder

from balance_verifier.archive.faults import Fault
from balance_verifier.archive.units import Signed

SAVE_SECONDS: Final = 2.0
"""The file is written no more often."""


class _Chain(msgspec.Struct, frozen=True):
    shard: int
    height: int
    prev: str
    next_offset: int
    start: int
    time: str
    gen: int


class _Saved(msgspec.Struct, frozen=True):
    of: str
    size: int
    range: list[bytes]
    tiles: dict[str, bytes]
    chains: list[_Chain]
    faults: list[Fault]
    events: int
    read: int


@dataclass(frozen=True)
class Resumed:
    """The state behind a number of entries that fill their tile of level 0."""

    range: CompactRange
    tiles: TileBuilder
    chains: list[BlockChain]
    faults: list[Fault]
    events: int
    read: int


class ProgressFile:
    """The file of one run; without a path it keeps nothing."""

    def __init__(self, path: Path | None, records: Sequence[Signed | None], key: str) -> None:
        self._path = path
        self._records = records
        self._key = key
        self._saved = time.monotonic()

    def load(self) -> Resumed | None:
        """The state kept, if it is of this log as its checkpoints are now."""
        if self._path is None or not self._path.exists():
            return None
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=_Saved)
            if saved.of != self._identity(saved.size):
                return None
            return Resumed(
                CompactRange.from_parts(saved.size, saved.range),
                TileBuilder.from_tiles(saved.size, lambda tile: saved.tiles[tile.path]),
                [BlockChain(*msgspec.structs.astuple(chain)) for chain in saved.chains],
                saved.faults,
                saved.events,
                saved.read,
            )
        except (msgspec.MsgspecError, VerifyError, KeyError):
            return None

    def save(self, state: Resumed) -> None:
        """Keep the state, if the last time was long enough ago."""
        if self._path is None or time.monotonic() - self._saved < SAVE_SECONDS:
            return
        saved = _Saved(
            self._identity(state.range.size),
            state.range.size,
            list(state.range.hashes),
            {tile.path: data for tile, data in state.tiles.partial()},
            [_Chain(*(getattr(chain, name) for name in _Chain.__struct_fields__)) for chain in state.chains],
            state.faults,
            state.events,
            state.read,
        )
        partial = self._path.with_name(self._path.name + ".partial")
        partial.write_bytes(msgspec.json.encode(saved))
        partial.replace(self._path)
        self._saved = time.monotonic()

    def done(self) -> None:
        """The run has ended: the next one begins anew."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _identity(self, size: int) -> str:
        """The key and the checkpoints that were checked by then."""
        digest = hashlib.sha256(self._key.encode())
        for record in self._records:
            if record is not None and record.size <= size:
                digest.update(record.size.to_bytes(8, "big") + record.root)
        return digest.hexdigest()
