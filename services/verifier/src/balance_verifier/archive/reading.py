"""Opens an archive: its latest note, what the archive holds under it, and the checkpoint records, all held together."""

from __future__ import annotations

from dataclasses import dataclass

from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry, GenesisHeader
from balance_verify.errors import VerifyError
from balance_verify.note import VerifierKey, open_note
from balance_verify.tiles import Tile
from balance_verify.topicvalues import CheckpointRecord

from balance_verifier.archive.layout import (
    CHECKPOINT,
    GENESIS,
    Head,
    bundles_of,
    head_path,
    records_path,
    split_records,
)
from balance_verifier.archive.stores import Store, read
from balance_verifier.errors import ArchiveUnreadable


@dataclass(frozen=True)
class Opened:
    """An archive whose latest note is signed by the log's key."""

    note: bytes
    checkpoint: Checkpoint
    head: Head
    genesis: bytes
    header: GenesisHeader


def open_archive(store: Store, log_key: VerifierKey) -> Opened | None:
    """The archive as its latest note says; None where there is none yet."""
    note = store.get(CHECKPOINT)
    if note is None:
        return None
    try:
        checkpoint = Checkpoint.parse(open_note(note, [log_key]).text)
        path = head_path(note)
        head = Head.parse(read(store, path), path)
        genesis = read(store, GENESIS)
        entry = Entry.parse(genesis)
        entry.verify(log_key)
        header = entry.genesis_header()
    except VerifyError as error:
        raise ArchiveUnreadable(CHECKPOINT, f"or what it begins with is not this log's: {error}", "see fsck") from None
    if (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) != (head.origin, head.size, head.root):
        raise ArchiveUnreadable(path, f"says size {head.size}, the note size {checkpoint.size}", "see fsck")
    return Opened(note, checkpoint, head, genesis, header)


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
