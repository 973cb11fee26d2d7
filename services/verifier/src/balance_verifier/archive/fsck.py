"""Recomputes a whole archive on all cores and names every fault: which record, which step, both values.

Event bytes → leaves → block roots → headers and their chains → signatures → entries → tiles → every checkpoint; then
what else lies in the archive. Only the log's key is believed, and checkpoints kept outside where they are given.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Final, Protocol, TypeVar

from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry, GenesisHeader, entry_hash
from balance_verify.errors import VerifyError
from balance_verify.keyset import KeyHistory, KeySet, open_checkpoint, open_generation
from balance_verify.merkle import leaf_hash
from balance_verify.note import SignedNote, VerifierKey
from balance_verify.policy import Policy
from balance_verify.tiles import TILE_WIDTH

from balance_verifier.archive.faults import Fault, fault_of
from balance_verifier.archive.history import History, check_sequence
from balance_verifier.archive.layout import (
    CHECKPOINT,
    GENESIS,
    KEYS,
    Head,
    bundles_of,
    encode_keys,
    head_path,
    key_set_path,
    records_path,
)
from balance_verifier.archive.progressfile import ProgressFile, Resumed
from balance_verifier.archive.reading import read_keys
from balance_verifier.archive.stores import Store, open_store
from balance_verifier.archive.strays import check_strays
from balance_verifier.archive.units import EntriesResult, Job, RecordsResult, Signed, check_entries, check_records
from balance_verifier.errors import ArchiveUnreadable

UNIT_ENTRIES: Final = 16
"""Log entries a unit of work takes; a divisor of a bundle's 256."""
UNITS_AHEAD: Final = 3
"""Units in hand for each process."""

Advance = Callable[[int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """What fsck is given besides the archive."""

    log_key: VerifierKey | None = None
    outside: tuple[tuple[str, bytes], ...] = ()
    """Checkpoints kept elsewhere: a name for each, and the signed note."""
    policy: Policy | None = None
    jobs: int = 1
    rate: float | None = None
    """Most bytes a second, of event bytes mainly; None for no bound."""
    state: Path | None = None


@dataclass
class Report:
    """What was recomputed, and every fault."""

    origin: str = ""
    key: str = ""
    key_given: bool = False
    size: int = 0
    root: str = ""
    checkpoints: int = 0
    events: int = 0
    bytes: int = 0
    seconds: float = 0.0
    finality: str = ""
    unpublished: int = 0
    """Files of an export that did not end; no fault."""
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)
    """Records that do not count, as a writer that went on too long leaves them; no fault."""


class Pool(Protocol):
    """What runs the units."""

    def submit(self, work: Callable[..., T], /, *arguments: object) -> Future[T]:
        """Run `work` some time."""


class _Here:
    """Runs each unit at once, in this process."""

    def submit(self, work: Callable[..., T], /, *arguments: object) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(work(*arguments))
        return future


@contextmanager
def _pool(jobs: int) -> Iterator[Pool]:
    if jobs <= 1:
        yield _Here()
        return
    context = get_context("forkserver")
    context.set_forkserver_preload([check_entries.__module__])
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield pool


def size_of(location: str) -> int:
    """The log's size as the archive's note says it, unverified: for a progress bar."""
    try:
        return Checkpoint.parse(SignedNote.parse(open_store(location).get(CHECKPOINT) or b"").text).size
    except VerifyError:
        return 0


def fsck_archive(location: str, options: Options, advance: Advance) -> Report:
    """Check the archive. `advance` is told of the log entries that are done."""
    started = time.monotonic()
    store, report = open_store(location), Report(key_given=options.log_key is not None)
    opened = _open(store, options.log_key, report)
    if opened is not None:
        keys, header, head, note = opened
        job = Job(location, header.origin, keys.last, head.size)
        with _pool(options.jobs) as pool:
            records = _records(pool, job, store, head, note, header, report, options)
            history = _check_keys(records, header, keys, report)
            begun = frozenset(record.size - 1 for record in records if record and record.generation is not None)
            job = replace(job, generations=begun)
            _log(pool, job, store, records, history, report, options, advance)
        strays = check_strays(store, head, note, keys.last)
        report.faults += strays.faults
        report.unpublished = strays.unpublished
        report.finality = finality_of(note, options.policy, report)
    report.seconds = time.monotonic() - started
    return report


def _open(
    store: Store, given: VerifierKey | None, report: Report
) -> tuple[KeyHistory, GenesisHeader, Head, bytes] | None:
    """The first steps, each of which the rest stands on: genesis entry, keys, note, head."""
    place, step, due = GENESIS, "genesis entry", "an entry that names the log's keys"
    try:
        genesis = _file(store, GENESIS)
        entry = Entry.parse(genesis)
        header = entry.genesis_header()
        first = KeySet.of_genesis(header).open_log_keys()
        if not first:
            raise ArchiveUnreadable(GENESIS, "names no key of the log", "restore it from another copy")
        # A later key of the log vouches for those before it: each key set that brings one is signed by it as well.
        place, step, due = key_set_path(1), "key sets", "sets that follow one another"
        note = _file(store, CHECKPOINT)
        size = Checkpoint.parse(SignedNote.parse(note).text).size
        every = read_keys(store, header)
        keys = read_keys(store, header, size)
        if given is not None and given not in [key.vkey for key in every.last.keys]:
            first = (given,)
        report.key, place, step, due = (given or first[0]).id, GENESIS, "genesis signature", f"by {first[0].id}"
        entry.verify(first[0])
        place, step = CHECKPOINT, "checkpoint signature"
        due = f"a note signed by {' or '.join(key.id for key in keys.last.log_keys(size))}"
        checkpoint, _ = open_checkpoint(note, keys.last)
        place, step, due = head_path(note), "head", "what the archive holds under its note"
        head = Head.parse(_file(store, place), place)
    except (VerifyError, ArchiveUnreadable) as error:
        report.faults.append(fault_of(place, step, due, error))
        return None
    report.origin, report.size, report.root = checkpoint.origin, checkpoint.size, checkpoint.root.hex()
    report.checkpoints = head.checkpoints
    for name, expected, got in (
        ("origin", checkpoint.origin, header.origin),
        ("head, origin", checkpoint.origin, head.origin),
        ("head, size", str(checkpoint.size), str(head.size)),
        ("head, root", checkpoint.root.hex(), head.root),
    ):
        if expected != got:
            report.faults.append(Fault(GENESIS if name == "origin" else place, name, expected, got))
    # An export that ended before its note may have left the keys of a later size.
    kept, due_keys = store.get(KEYS), [encode_keys(each) for each in every.sets[len(keys.sets) - 1 :]]
    if kept not in due_keys:
        got = "none" if kept is None else kept.decode(errors="backslashreplace").strip()
        report.faults.append(Fault(KEYS, "keys of the last key set", encode_keys(keys.last).decode().strip(), got))
    return None if report.faults else (keys, header, head, note)


def _file(store: Store, path: str) -> bytes:
    data = store.get(path)
    if data is None:
        raise ArchiveUnreadable(path, "is missing", "restore it from another copy")
    return data


def _records(
    pool: Pool,
    job: Job,
    store: Store,
    head: Head,
    note: bytes,
    header: GenesisHeader,
    report: Report,
    options: Options,
) -> list[Signed | None]:
    """Every checkpoint record: form, signature, order; the last one is the archive's note."""
    records: list[Signed | None] = []
    genesis = store.get(GENESIS) or b""
    index, width = bundles_of(head.checkpoints)[-1]
    if store.get(records_path(index, width)) is None:
        due = f"as many as there are: {records_path(index, width)} is missing"
        report.faults.append(Fault(head_path(note), "head, checkpoints", due, str(head.checkpoints)))
        return []
    work = ((check_records, (job, index, width)) for index, width in bundles_of(head.checkpoints))
    for result in _in_order(pool, work, options.jobs, lambda: None):
        assert isinstance(result, RecordsResult)
        records += result.records
        report.faults += result.faults
    report.faults += check_sequence(records, header.shards)
    first, last = records[0], records[-1]
    if first is not None and (first.size, first.genesis is not None) != (1, True):
        due = "size 1 with the genesis entry"
        report.faults.append(Fault(first.place, "first checkpoint", due, f"size {first.size}"))
    elif first is not None and first.genesis != genesis:
        due, got = entry_hash(genesis), entry_hash(first.genesis or b"")
        report.faults.append(Fault(first.place, "genesis entry", due, got))
    if last is not None:
        due = f"size {head.size} heights {list(head.heights)} root {head.root}"
        got = f"size {last.size} heights {list(last.heights)} root {last.root.hex()}"
        if due != got or last.note.encode() != note:
            report.faults.append(Fault(last.place, "last checkpoint is the archive's", due, got))
    return records


def _check_keys(records: list[Signed | None], header: GenesisHeader, keys: KeyHistory, report: Report) -> KeyHistory:
    """Key sets and generations by the checkpoints, each of which must belong to its own; the archive's are the same."""
    history = KeyHistory.begin(header)
    before: Signed | None = None
    for record in records:
        if record is not None and record.keys is not None:
            try:
                history = history.taking_note(record.keys, record.size, record.heights)
            except VerifyError as error:
                report.faults.append(fault_of(record.place, "key set", "a set that can follow", error))
        if record is not None and record.generation is not None:
            try:
                begun, root = open_generation(record.generation, history.last), before.root if before else None
                gen = len(history.generations) + 1
                begun.check_place(gen, header.origin, record.size - 1, record.heights, root)
                history = history.restored(begun.heights)
            except VerifyError as error:
                report.faults.append(fault_of(record.place, "generation entry", "one that goes on from here", error))
        before = record
    count = len(history.sets)
    # One that was made at this very size may be of an export that ended before its record.
    ahead = [keys_ for keys_ in keys.sets[count:] if keys_.size < report.size]
    if None not in records and (keys.sets[:count] != history.sets or ahead):
        due, got = (str(len(each.sets) - 1) for each in (history, keys))
        report.faults.append(Fault(key_set_path(1), "key sets, as the checkpoints have them", due, got))
    return history


def _log(
    pool: Pool,
    job: Job,
    store: Store,
    records: list[Signed | None],
    keys: KeyHistory,
    report: Report,
    options: Options,
    advance: Advance,
) -> None:
    """Every entry in order, with the block under it."""
    outside = []
    for name, data in options.outside:
        try:
            outside.append((name, open_checkpoint(data, job.keys)[0]))
        except VerifyError as error:
            report.faults.append(fault_of(name, "outside checkpoint", f"a note signed by {report.key}", error))
    history = History(job.size, keys, records, outside, store.get)
    kept = ProgressFile(options.state, records, report.key)
    resumed = kept.load()
    if resumed is not None:
        history.skip_to(resumed.range, resumed.tiles, resumed.chains)
        report.faults += resumed.faults
        report.events, report.bytes = resumed.events, resumed.read
    first = history.range.size
    advance(first)
    genesis = store.get(GENESIS)
    began, before = time.monotonic(), report.bytes

    def in_bounds() -> None:
        if options.rate:
            ahead = (report.bytes - before) / options.rate - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)

    work = ((check_entries, (job, at, min(at + UNIT_ENTRIES, job.size))) for at in range(first, job.size, UNIT_ENTRIES))
    for result in _in_order(pool, work, options.jobs, in_bounds):
        assert isinstance(result, EntriesResult)
        report.faults += result.faults
        if result.first == 0 and result.entries[0] is not None:
            report.faults += _first_entry(result, genesis)
        for facts in result.entries:
            history.take(facts)
        report.events += result.events
        report.bytes += result.bytes
        advance(len(result.entries))
        if history.range.size % TILE_WIDTH == 0:
            faults = [*report.faults, *history.faults]
            kept.save(Resumed(history.range, history.tiles, history.chains, faults, report.events, report.bytes))
    history.end()
    report.faults += history.faults
    kept.done()


def _first_entry(result: EntriesResult, genesis: bytes | None) -> list[Fault]:
    first, due = result.entries[0], leaf_hash(genesis or b"")
    if first is None or first.leaf == due:
        return []
    return [Fault(GENESIS, "entry 0 is the genesis entry", due.hex(), first.leaf.hex())]


def _in_order(
    pool: Pool, work: Iterator[tuple[Callable[..., T], tuple[object, ...]]], jobs: int, before_each: Callable[[], None]
) -> Iterator[T]:
    """The results in the order of the work, with a bounded number in hand."""
    waiting: deque[Future[T]] = deque()
    for call, arguments in work:
        before_each()
        waiting.append(pool.submit(call, *arguments))
        if len(waiting) >= (jobs * UNITS_AHEAD if jobs > 1 else 1):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def finality_of(note: bytes, policy: Policy | None, report: Report) -> str:
    """What the policy makes of the latest note's cosignatures."""
    if policy is None:
        return "operator's word alone"
    try:
        verdict = policy.judge(SignedNote.parse(note))
    except VerifyError as error:
        report.faults.append(fault_of(CHECKPOINT, "cosignatures", "cosignatures that fit", error))
        return "a cosignature does not fit"
    if not verdict.reached:
        report.faults.append(Fault(CHECKPOINT, "cosignatures", "a quorum of the policy", str(verdict)))
        return "not final by the policy"
    return f"final by the policy: {verdict}"
