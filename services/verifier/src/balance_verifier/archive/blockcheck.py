"""Checks one entry of the log and the block under it, from bytes alone. Pure; used by export and fsck alike."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from balance_verify.entry import BlockHeader, Entry
from balance_verify.errors import VerifyError
from balance_verify.merkle import HASH_SIZE, tree_root
from balance_verify.note import VerifierKey

from balance_verifier.archive.faults import Fault, fault_of
from balance_verifier.archive.layout import events_path, leaves_path, split_events
from balance_verifier.errors import ArchiveUnreadable

MOST_NAMED: Final = 20
"""Differing leaves of one block that are named one by one."""
_LEAF: Final = b"\x00"


def check_entry(
    place: str, entry_bytes: bytes, sealers: Sequence[VerifierKey], origin: str
) -> tuple[BlockHeader | None, list[Fault]]:
    """The header of a block's entry, where it can be read, and what is wrong with its form, signature or log."""
    try:
        entry = Entry.parse(entry_bytes)
        header = entry.block_header()
    except VerifyError as error:
        return None, [fault_of(place, "entry", "an entry of a block", error)]
    faults = []
    try:
        entry.verify(*sealers)
    except VerifyError as error:
        faults.append(fault_of(place, "sealer's signature", "a signature by the sealer", error))
    if header.origin != origin:
        faults.append(Fault(place, "origin", origin, header.origin))
    return header, faults


def check_events(header: BlockHeader, events: bytes | None, leaves: bytes | None) -> tuple[int, list[Fault]]:
    """How many events a block's file holds, and each step that fails: events → leaves → root."""
    shard, height = header.shard, header.height
    events_place, leaves_place = events_path(shard, height), leaves_path(shard, height)
    if events is None or leaves is None:
        both = ((events_place, events), (leaves_place, leaves))
        return 0, [Fault(place, "file", "a file", "none") for place, data in both if data is None]
    # (1) the event bytes are so many events
    try:
        values = split_events(events, events_place)
    except ArchiveUnreadable as error:
        return 0, [fault_of(events_place, "event bytes", f"{header.count} whole events", error)]
    faults = []
    if len(values) != header.count:
        faults.append(Fault(events_place, "number of events", str(header.count), str(len(values))))
    if len(leaves) != header.count * HASH_SIZE:
        got = f"{len(leaves)} bytes"
        faults.append(Fault(leaves_place, "number of leaves", f"{header.count * HASH_SIZE} bytes", got))
    # (2) the root over the hashes of these bytes is the one that the sealer signed
    made = b"".join([sha256(_LEAF + value).digest() for value in values])
    root = tree_root(made).hex()
    events_hold = root == header.root
    if not events_hold and not faults:
        faults.append(Fault(events_place, "block root", header.root, root))
    # (3) each leaf kept is the hash of its event; the signed root tells which of the two was changed
    if made != leaves:
        kept_hold = len(leaves) % HASH_SIZE == 0 and tree_root(leaves).hex() == header.root
        place = leaves_place if events_hold or not kept_hold else events_place
        faults += _differing(place, header, made, leaves, kept_is_wrong=place == leaves_place)
    return len(values), faults


def _differing(place: str, header: BlockHeader, made: bytes, kept: bytes, *, kept_is_wrong: bool) -> list[Fault]:
    faults = []
    for at in range(0, min(len(made), len(kept)), HASH_SIZE):
        ours, theirs = made[at : at + HASH_SIZE].hex(), kept[at : at + HASH_SIZE].hex()
        if ours != theirs:
            index = at // HASH_SIZE
            record = f"{place}#{index} (event {header.start + index} of shard {header.shard})"
            expected, got = (ours, theirs) if kept_is_wrong else (theirs, ours)
            faults.append(Fault(record, "leaf hash", expected, got))
            if len(faults) == MOST_NAMED:
                break
    return faults
