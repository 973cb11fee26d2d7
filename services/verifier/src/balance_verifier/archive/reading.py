"""Opens an archive: its latest note, what the archive holds under it, and the checkpoint records, all held together."""

from __future__ import annotations

from dataclasses import dataclass

from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry, GenesisHeader
from balance_verify.errors import VerifyError
from balance_verify.keyset import KeyHistory, KeySet, open_checkpoint
from balance_verify.note import SignedNote, VerifierKey
from balance_verify.tiles import Tile
from balance_verify.topicvalues import CheckpointRecord

from balance_verifier.archive.layout import (
    CHECKPOINT,
    GENESIS,
    Head,
    bundles_of,
    head_path,
    key_set_path,
    records_path,
    split_records,
)
from balance_verifier.archive.stores import Store, read
from balance_verifier.errors import ArchiveUnreadable


@dataclass(frozen=True)
class Opened:
    """An archive whose latest note is signed by a key of the log that holds at its size."""

    note: bytes
    checkpoint: Checkpoint
    head: Head
    genesis: bytes
    header: GenesisHeader
    keys: KeyHistory
    """As the archive's key sets tell it up to the latest note."""


def open_archive(store: Store, log_key: VerifierKey) -> Opened | None:
    """The archive as its latest note says; None where there is none yet. `log_key` has signed the genesis entry."""
    note = store.get(CHECKPOINT)
    if note is None:
        return None
    try:
        genesis = read(store, GENESIS)
        entry = Entry.parse(genesis)
        entry.verify(log_key)
        header = entry.genesis_header()
        size = Checkpoint.parse(SignedNote.parse(note).text).size
        keys = read_keys(store, header, size)
        checkpoint, _ = open_checkpoint(note, keys.last)
        path = head_path(note)
        head = Head.parse(read(store, path), path)
    except VerifyError as error:
        raise ArchiveUnreadable(CHECKPOINT, f"or what it begins with is not this log's: {error}", "see fsck") from None
    if (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) != (head.origin, head.size, head.root):
        raise ArchiveUnreadable(path, f"says size {head.size}, the note size {checkpoint.size}", "see fsck")
    return Opened(note, checkpoint, head, genesis, header, keys)


def read_keys(store: Store, genesis: GenesisHeader, size: int | None = None) -> KeyHistory:
    """The keys by the archive's key sets, each signed as it must be to follow; those made up to `size`, or all."""
    history = KeyHistory.begin(genesis)
    number = 1
    while (note := store.get(key_set_path(number))) is not None:
        keys = KeySet.parse(SignedNote.parse(note).text)
        if size is not None and keys.size > size:
            break
        history = history.taking_note(note.decode(), keys.size, keys.heights)
        number += 1
    return history


def read_records(store: Store, count: int, first: int = 0) -> list[CheckpointRecord]:
    """The archive's checkpoint records from number `first` on, up to `count`."""
    records = []
    for index, width in bundles_of(count):
        if (index * 256 + width) <= first:
            continue
        path = records_path(index, width)
        for place, line in enumerate(split_records(read(store, path), width, path)):
            if index * 256 + place >= first:
                records.append(parse_record(line, f"{path}#{place}"))
    return records


def parse_record(line: bytes, place: str) -> CheckpointRecord:
    """A checkpoint record in a bundle."""
    try:
        return CheckpointRecord.parse(line)
    except VerifyError as error:
        raise ArchiveUnreadable(place, f"is no checkpoint record ({error})", "restore it from another copy") from None


class TileFetcher:
    """The bytes of a tile; a full one where a partial one is asked for and has gone."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, tile: Tile) -> bytes:
        data = self._store.get(tile.path)
        if data is None and tile.level >= 0:
            data = self._store.get(Tile(tile.level, tile.index).path)
            data = None if data is None else data[: tile.width * 32]
        if data is None:
            raise ArchiveUnreadable(tile.path, "is missing", "restore it from another copy")
        return data
