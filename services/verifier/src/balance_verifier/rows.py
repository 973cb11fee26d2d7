"""The projection's rows as types, and how they follow from an event. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from balance_chain.core.counting import NONE_YET, ZERO_PREV
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms

NAME_BYTES: Final = 16
LEDGER_TYPES: Final = "ledger."


class ShardState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a shard stands after a commit: enough, with the leaves not yet in a block, to go on."""

    shard: int
    events_next: int = 0
    blocks_next: int = 0
    rawgen: int = 0
    rawpos: int = NONE_YET
    height: int = NONE_YET
    prev: str = ZERO_PREV
    sealed_next: int = 0
    start: int = 0
    time: str = ""
    gen: int = 0
    events: int = 0
    counting: int = 0
    received: str = ""


class EventRow(msgspec.Struct, frozen=True):
    """One record of `litigation.events` as the projection keeps it; the fields are the table's columns, in order."""

    shard: int
    pos: int
    name: bytes
    source: str
    id: str
    type: str
    caseid: str | None
    time: str
    received: str
    counts: bool
    rawgen: int
    rawpos: int
    leaf: bytes
    value: bytes


class DigestRow(msgspec.Struct, frozen=True):
    """One file digest that an event names; the fields are the table's columns, in order."""

    algorithm: str
    digest: str
    shard: int
    pos: int


class BlockRow(msgspec.Struct, frozen=True):
    """One block that was recomputed and found right; the fields are the table's columns, in order."""

    shard: int
    height: int
    pos: int
    from_pos: int
    count: int
    start: int
    time: str
    root: bytes
    entry: bytes
    entry_leaf: bytes
    leaves: bytes


def within_columns(event: CanonicalEvent) -> bool:
    """Whether the projection can hold it: whole raw positions, and names without NUL."""
    names = (event.source, event.id, event.type, event.caseid or "", event.time, event.receivedtime)
    return 0 <= event.rawgen < 2**31 and 0 <= event.rawpos < 2**63 and not any("\0" in name for name in names)


def event_name(source: str, id: str) -> bytes:
    """16 bytes that stand for (source, id) in the index."""
    return hashlib.blake2b(f"{source}\0{id}".encode(), digest_size=NAME_BYTES).digest()


def digests_in(data: Any) -> Iterator[tuple[str, str]]:
    """Every (algorithm, hex) under a member `digests`, anywhere in an event's data."""
    waiting = [data]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, dict):
            for key, value in item.items():
                if key == "digests" and isinstance(value, dict):
                    yield from _digest_members(value)
                else:
                    waiting.append(value)


def _digest_members(digests: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for algorithm, digest in digests.items():
        if isinstance(digest, str) and "\0" not in algorithm + digest:
            yield algorithm, digest.lower()


def raw_problem(row: EventRow, raw_source: str, raw_timestamp_ms: int) -> tuple[str, str] | None:
    """What an event had to say of its raw record and what it says, where they differ: broker's time, source."""
    due = format_ms(raw_timestamp_ms)
    if row.received != due:
        return f"receivedtime {due}", f"receivedtime {row.received}"
    if not row.type.startswith(LEDGER_TYPES) and row.source != raw_source:
        return f"source {raw_source}", f"source {row.source}"
    return None
