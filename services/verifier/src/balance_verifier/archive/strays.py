"""Looks at every other file of an archive: what is older must still fit, what is no part of it is named."""

from __future__ import annotations

from dataclasses import dataclass, field

from balance_verify.checkpoint import Checkpoint
from balance_verify.errors import VerifyError
from balance_verify.keyset import KeySet, open_checkpoint
from balance_verify.note import SignedNote
from balance_verify.tiles import tile_at
from balance_verify.timestamp import check_imprint
from balance_verify.verify import DIFFERS

from balance_verifier.archive.faults import Fault, fault_of
from balance_verifier.archive.layout import (
    CHECKPOINT,
    GENESIS,
    KEYS,
    Head,
    Known,
    bundles_of,
    head_path,
    known_path,
    records_path,
    split_records,
    stamped_path,
    token_path,
)
from balance_verifier.archive.reading import parse_record
from balance_verifier.archive.stores import Store
from balance_verifier.errors import ArchiveUnreadable


@dataclass
class Strays:
    """What was found: faults, and how many files an export left that did not end."""

    faults: list[Fault] = field(default_factory=list)
    unpublished: int = 0


def check_strays(store: Store, head: Head, note: bytes, keys: KeySet) -> Strays:
    """Every file that the run over the log has not read."""
    found = Strays()
    heads = []
    for path in store.paths():
        if path in (CHECKPOINT, GENESIS, KEYS):
            continue
        known = known_path(path)
        if known is None:
            found.faults.append(Fault(path, "file", "no such file in an archive", "a file"))
        elif known.stamped is not None:
            if path == token_path(known.stamped):
                _check_stamped(store, known.stamped, keys, found)
        elif known.head:
            if path != head_path(note):
                heads.append(path)
        else:
            _check(store, path, known, head, found)
    if heads:
        _check_heads(store, heads, head, found)
    return found


def _check(store: Store, path: str, known: Known, head: Head, found: Strays) -> None:
    now = path
    if known.tile is not None:
        if known.tile.needs > head.size:
            found.unpublished += 1
            return
        now = tile_at(known.tile.level, known.tile.index, head.size).path
    elif known.records is not None:
        index, width = known.records
        if index * 256 + width > head.checkpoints:
            found.unpublished += 1
            return
        now = records_path(index, min(256, head.checkpoints - index * 256))
    elif known.key_set is not None:
        # Those that the latest note does not have yet are of an export that did not end; fsck reads all.
        return
    elif known.block is not None:
        shard, height = known.block
        if shard >= len(head.heights):
            found.faults.append(Fault(path, "file", f"a shard below {len(head.heights)}", f"shard {shard}"))
        elif height > head.heights[shard]:
            found.unpublished += 1
    if now != path:
        _compare_prefix(store, path, now, found)


def _check_stamped(store: Store, size: int, keys: KeySet, found: Strays) -> None:
    """A token stamps the checkpoint beside it, which the log has signed. Who the authority is, is for the reader."""
    token, note = store.get(token_path(size)) or b"", store.get(stamped_path(size))
    if note is None:
        found.faults.append(Fault(stamped_path(size), "file", "the checkpoint that was stamped", "none"))
        return
    try:
        checkpoint, signed = open_checkpoint(note, keys)
    except VerifyError as error:
        found.faults.append(fault_of(stamped_path(size), "stamped checkpoint", "a note signed by the log's key", error))
        return
    if checkpoint.size != size:
        found.faults.append(Fault(stamped_path(size), "stamped checkpoint", f"size {size}", f"size {checkpoint.size}"))
    step = check_imprint(signed.text, token)
    if step.result == DIFFERS:
        found.faults.append(Fault(token_path(size), "timestamp", step.expected, step.got))


def _compare_prefix(store: Store, path: str, now: str, found: Strays) -> None:
    """A partial file of before is the beginning of the one that took its place."""
    before, after = store.get(path) or b"", store.get(now)
    if after is not None and (not before or not after.startswith(before)):
        at = next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
        due, got = after[at : at + 32].hex(), before[at : at + 32].hex() or "the end"
        found.faults.append(Fault(f"{path} at byte {at}", f"the beginning of {now}", due, got))


def _check_heads(store: Store, paths: list[str], head: Head, found: Strays) -> None:
    """A head of before tells of one of the records as it was the last."""
    due: dict[str, Head] = {}
    count = 0
    for index, width in bundles_of(head.checkpoints):
        try:
            lines = split_records(store.get(records_path(index, width)) or b"", width, "")
            for line in lines:
                count += 1
                record = parse_record(line, "")
                checkpoint = Checkpoint.parse(SignedNote.parse(record.note.encode()).text)
                due[head_path(record.note.encode())] = Head(
                    checkpoints=count,
                    heights=record.heights,
                    origin=checkpoint.origin,
                    root=checkpoint.root.hex(),
                    size=checkpoint.size,
                )
        except (ArchiveUnreadable, VerifyError):
            # Named by the run over the records; which heads belong to them cannot be said.
            return
    for path in paths:
        known = due.get(path)
        data = store.get(path) or b""
        if known is None:
            found.unpublished += 1
        elif data != known.encode():
            found.faults.append(Fault(path, "head", known.encode().decode(), data.decode(errors="backslashreplace")))
