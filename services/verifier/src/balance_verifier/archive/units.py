"""The units of work of fsck that run on all cores: a run of checkpoint records, a run of log entries with their blocks.

Each is a plain function of an archive's location and a range, so that a process of its own can do it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from balance_verify.entry import BlockHeader, entry_hash
from balance_verify.errors import VerifyError
from balance_verify.keyset import SEALER, KeySet, open_checkpoint
from balance_verify.merkle import leaf_hash
from balance_verify.tiles import ENTRIES, TILE_WIDTH, parse_bundle, tile_at

from balance_verifier.archive.blockcheck import check_entry, check_events
from balance_verifier.archive.faults import Fault, fault_of
from balance_verifier.archive.layout import events_path, leaves_path, records_path, split_records
from balance_verifier.archive.reading import parse_record
from balance_verifier.archive.stores import Store, open_store
from balance_verifier.errors import ArchiveUnreadable


@dataclass(frozen=True)
class Job:
    """What every unit of one run shares."""

    location: str
    origin: str
    keys: KeySet
    size: int
    generations: frozenset[int] = frozenset()
    """Indexes of the entries that begin generations."""


@dataclass(frozen=True)
class Signed:
    """A checkpoint record as far as the run over the log needs it."""

    place: str
    size: int
    root: bytes
    heights: tuple[int, ...]
    note: str
    genesis: bytes | None
    keys: str | None = None
    final: str | None = None
    generation: bytes | None = None


@dataclass
class RecordsResult:
    """What a bundle of records says; None for a record that cannot be read."""

    records: list[Signed | None] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class EntryFacts:
    """One entry as its unit found it."""

    leaf: bytes
    hash: str
    header: BlockHeader | None


@dataclass
class EntriesResult:
    """What a run of entries says; None for an entry that is not there."""

    first: int
    entries: list[EntryFacts | None] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    events: int = 0
    bytes: int = 0


@functools.cache
def _store(location: str) -> Store:
    return open_store(location)


def check_records(job: Job, index: int, width: int) -> RecordsResult:
    """A bundle of checkpoint records: each is readable, of this log, and signed by the log's key."""
    path, result = records_path(index, width), RecordsResult()
    data = _store(job.location).get(path)
    try:
        if data is None:
            raise ArchiveUnreadable(path, "is missing", "restore it from another copy")
        lines = split_records(data, width, path)
    except ArchiveUnreadable as error:
        result.faults.append(fault_of(path, "file", f"{width} checkpoint records", error))
        result.records = [None] * width
        return result
    for number, line in enumerate(lines):
        place = f"{path}#{number}"
        try:
            record = parse_record(line, place)
            checkpoint, _ = open_checkpoint(record.note.encode(), job.keys)
        except (ArchiveUnreadable, VerifyError) as error:
            result.faults.append(fault_of(place, "checkpoint signature", "a note signed by the log's key", error))
            result.records.append(None)
            continue
        if checkpoint.origin != job.origin:
            result.faults.append(Fault(place, "checkpoint origin", job.origin, checkpoint.origin))
        result.records.append(
            Signed(
                place,
                checkpoint.size,
                checkpoint.root,
                record.heights,
                record.note,
                record.genesis,
                record.keys,
                record.final,
                record.generation,
            )
        )
    return result


def check_entries(job: Job, first: int, end: int) -> EntriesResult:
    """Entries `first` up to `end`, all of one bundle: form, signature, and every event under each."""
    store, result = _store(job.location), EntriesResult(first)
    bundle = tile_at(ENTRIES, first // TILE_WIDTH, job.size)
    data = store.get(bundle.path)
    try:
        if data is None:
            raise ArchiveUnreadable(bundle.path, "is missing", "restore it from another copy")
        entries = parse_bundle(data, bundle.width)[first % TILE_WIDTH :][: end - first]
    except (ArchiveUnreadable, VerifyError) as error:
        # Said once a bundle, by the unit that starts it.
        if first % TILE_WIDTH == 0:
            result.faults.append(fault_of(bundle.path, "entry bundle", f"{bundle.width} entries", error))
        result.entries = [None] * (end - first)
        return result
    for number, entry in enumerate(entries, first):
        header = None
        if number and number not in job.generations:
            header, faults = check_entry(entry_place(number, job.size), entry, job.keys.at(SEALER, number), job.origin)
            result.faults += faults
        result.entries.append(EntryFacts(leaf_hash(entry), entry_hash(entry), header))
        result.bytes += len(entry)
        if header is not None:
            events = store.get(events_path(header.shard, header.height))
            leaves = store.get(leaves_path(header.shard, header.height))
            count, faults = check_events(header, events, leaves)
            result.events += count
            result.faults += faults
            result.bytes += len(events or b"") + len(leaves or b"")
    return result


def entry_place(number: int, size: int) -> str:
    """An entry by file and place in it."""
    path = tile_at(ENTRIES, number // TILE_WIDTH, size).path
    return f"{path}#{number % TILE_WIDTH} (log entry {number})"
