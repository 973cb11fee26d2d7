"""Recomputes one shard from its own bytes: events, then blocks. Pure: records in, rows and findings out.

It trusts no hash that it has not made itself. What does not count is skipped by the rule of counting that every reader
uses; what counts and is wrong is a `Finding` with both values, and the shard stands still before it (`halts`), because
everything after rests on it.
"""

from __future__ import annotations

from typing import Final

import msgspec
from balance_chain.core.canonical import NotCanonical, decode_event, encode_event
from balance_chain.core.counting import BlockChain, EventCounter, GenerationAt, first_generation
from balance_verify.entry import BlockHeader, Entry
from balance_verify.errors import VerifyError
from balance_verify.keyset import SealerKeys
from balance_verify.merkle import leaf_hash, tree_root
from balance_verify.topicvalues import BlockRecord

from balance_verifier.findings import CRITICAL, NOT_COUNTING, Finding
from balance_verifier.rows import BlockRow, DigestRow, EventRow, ShardState, digests_in, event_name, within_columns

HASH_BYTES: Final = 32


class Waiting(msgspec.Struct, frozen=True):
    """The block speaks of events that have not been read yet: `events_next` must reach `needs`."""

    needs: int


class Unrecognised(msgspec.Struct, frozen=True):
    """The block's signer or generation is none that the caller knows: it may know all of them only after a look."""


class ShardCheck:
    """The recomputation of one shard, from a committed state on."""

    def __init__(
        self,
        state: ShardState,
        pending_leaves: bytes,
        *,
        origin: str,
        sealers: SealerKeys,
        generation_at: GenerationAt = first_generation,
        events_topic: str,
        blocks_topic: str,
    ) -> None:
        """`pending_leaves`: hashes of the events from `state.sealed_next` on, as this verifier made them."""
        if len(pending_leaves) != (state.events_next - state.sealed_next) * HASH_BYTES:
            raise ValueError("the leaves must be those of the events read and not yet in a block")
        self._shard = state.shard
        self._origin = origin
        self._sealers = sealers
        self._events_place = f"{events_topic}/{state.shard}@"
        self._blocks_place = f"{blocks_topic}/{state.shard}@"
        self._leaves = bytearray(pending_leaves)
        self._counter = EventCounter(state.rawgen, state.rawpos)
        head = (state.height, state.prev, state.sealed_next, state.start, state.time, state.gen)
        self._chain = BlockChain(state.shard, *head, generation_at)
        self._events_next = state.events_next
        self._blocks_next = state.blocks_next
        self._events = state.events
        self._counting = state.counting
        self._received = state.received

    def state(self) -> ShardState:
        """The position after what has been taken in."""
        chain = self._chain
        return ShardState(
            shard=self._shard,
            events_next=self._events_next,
            blocks_next=self._blocks_next,
            rawgen=self._counter.rawgen,
            rawpos=self._counter.rawpos,
            height=chain.height,
            prev=chain.prev,
            sealed_next=chain.next_offset,
            start=chain.start,
            time=chain.time,
            gen=chain.gen,
            events=self._events,
            counting=self._counting,
            received=self._received,
        )

    @property
    def pending(self) -> int:
        """Events read and not yet in a block."""
        return self._events_next - self._chain.next_offset

    def take_event(self, offset: int, value: bytes, findings: list[Finding]) -> tuple[EventRow, list[DigestRow]] | None:
        """Take in the next event record; None where the record that is due is missing, which stops the shard."""
        if offset != self._events_next:
            findings.append(
                self._finding(
                    "event_missing",
                    f"{self._events_place}{self._events_next}",
                    f"a record at offset {self._events_next}",
                    f"offset {offset}",
                    halts=True,
                )
            )
            return None
        leaf = leaf_hash(value)
        self._leaves += leaf
        self._events_next += 1
        self._events += 1
        place = f"{self._events_place}{offset}"
        try:
            event = decode_event(value)
            if not within_columns(event):
                raise NotCanonical("event", "a number or a text is out of bounds", "see the format")
        except NotCanonical as error:
            findings.append(self._finding("event_unreadable", place, "a canonical event", error.problem))
            return EventRow(self._shard, offset, b"", "", "", "", None, "", "", False, -1, -1, leaf, value), []
        if (canonical := encode_event(event)) != value:
            findings.append(
                self._finding(
                    "event_not_canonical", place, leaf_hash(canonical).hex(), leaf.hex(), detail="leaf hashes"
                )
            )
        before = (self._counter.rawgen, self._counter.rawpos)
        counts = self._counter.counts(event.rawgen, event.rawpos)
        if not counts:
            findings.append(
                self._finding(
                    "event_not_counting",
                    place,
                    f"(rawgen, rawpos) above {before}",
                    f"{(event.rawgen, event.rawpos)}",
                    severity=NOT_COUNTING,
                )
            )
        else:
            self._counting += 1
            self._received = max(self._received, event.receivedtime)
            # A new generation's raw topic begins at its first record.
            raw_due = before[1] + 1 if event.rawgen == before[0] else 0
            if event.rawpos != raw_due:
                findings.append(
                    self._finding(
                        "raw_gap", place, f"an event for raw offset {raw_due}", f"raw offset {event.rawpos} next"
                    )
                )
        row = EventRow(
            self._shard,
            offset,
            event_name(event.source, event.id),
            event.source,
            event.id,
            event.type,
            event.caseid,
            event.time,
            event.receivedtime,
            counts,
            event.rawgen,
            event.rawpos,
            leaf,
            value,
        )
        if b'"digests"' not in value:
            return row, []
        return row, [DigestRow(a, d, self._shard, offset) for a, d in sorted(set(digests_in(event.data)))]

    def take_block(
        self, offset: int, value: bytes, *, keys_current: bool = True
    ) -> BlockRow | Waiting | Unrecognised | Finding:
        """Check the next block record in numbered steps; a `Finding` that halts leaves the state as it was.

        `keys_current`: whether key sets and generations known here are at least those published before this record.
        """
        place = f"{self._blocks_place}{offset}"
        # (0) no block record is missing before this one
        if offset != self._blocks_next:
            return self._finding(
                "block_missing",
                f"{self._blocks_place}{self._blocks_next}",
                f"a record at offset {self._blocks_next}",
                f"offset {offset}",
                halts=True,
            )
        # (1) the bytes are a block record, and its entry is one of a block
        try:
            record = BlockRecord.parse(value)
            entry = Entry.parse(record.entry)
            header = entry.block_header()
        except VerifyError as error:
            return self._skip(self._finding("block_unreadable", place, "a block record", str(error)))
        # (2) a sealer's key that holds at its place has signed it, for this log
        sealers = {key.id: key for key in self._sealers(self._shard, header.height)}
        sealer = sealers.get(entry.key)
        if sealer is None:
            if not keys_current:
                return Unrecognised()
            known = ", ".join(sorted(sealers)) or "none"
            return self._skip(self._finding("block_signature", place, f"signer {known}", f"signer {entry.key}"))
        try:
            entry.verify(sealer)
        except VerifyError as error:
            return self._skip(self._finding("block_signature", place, f"a signature by {entry.key}", str(error)))
        if header.origin != self._origin:
            return self._skip(self._finding("block_header", place, f"origin {self._origin}", f"origin {header.origin}"))
        # (3) it extends the chain: shard, generation, height, predecessor's hash, range, time
        if header.gen > self._chain.next_gen and not keys_current:
            return Unrecognised()
        if (reason := self._chain.check(header, record.entry)) is not None:
            return self._skip(self._not_counting(place, header, reason))
        # (4) every event of its range has been read
        needs = header.from_ + header.count
        if needs > self._events_next:
            return Waiting(needs)
        # (5) its leaves are the hashes of the exact bytes of those events
        due = bytes(self._leaves[: header.count * HASH_BYTES])
        if record.leaves != due:
            return self._wrong_leaves(place, header.from_, due, record.leaves)
        # (6) its root is the root of those leaves
        root = tree_root(due)
        if root.hex() != header.root:
            return self._finding("root", place, root.hex(), header.root, halts=True)
        self._chain.extend(header, record.entry)
        self._blocks_next += 1
        del self._leaves[: header.count * HASH_BYTES]
        return BlockRow(
            self._shard,
            header.height,
            offset,
            header.from_,
            header.count,
            header.start,
            header.time,
            root,
            record.entry,
            leaf_hash(record.entry),
            due,
        )

    def _not_counting(self, place: str, header: BlockHeader, reason: str) -> Finding:
        chain = self._chain
        due = (chain.shard, chain.next_gen, chain.height + 1, chain.prev, chain.next_offset, chain.start, chain.time)
        got = (header.shard, header.gen, header.height, header.prev, header.from_, header.start, header.time)
        # A height that the chain has already is what a writer leaves that went on too long; one ahead is no accident.
        repeat = header.height <= chain.height
        return self._finding(
            "block_not_counting",
            place,
            _place_in_chain(*due, "no earlier than "),
            _place_in_chain(*got),
            detail=reason,
            severity=NOT_COUNTING if repeat else CRITICAL,
        )

    def _wrong_leaves(self, place: str, from_: int, due: bytes, got: bytes) -> Finding:
        if len(due) != len(got):
            return self._finding(
                "leaf_count",
                place,
                f"{len(due) // HASH_BYTES} leaves of 32 bytes",
                f"{len(got)} bytes of leaves",
                halts=True,
            )
        at = next(i for i in range(0, len(due), HASH_BYTES) if due[i : i + HASH_BYTES] != got[i : i + HASH_BYTES])
        return self._finding(
            "leaf",
            f"{self._events_place}{from_ + at // HASH_BYTES}",
            due[at : at + HASH_BYTES].hex(),
            got[at : at + HASH_BYTES].hex(),
            detail=f"expected: hash of the event as it is now; got: leaf sealed in {place}",
            halts=True,
        )

    def _skip(self, finding: Finding) -> Finding:
        self._blocks_next += 1
        return finding

    def _finding(
        self,
        code: str,
        place: str,
        expected: str,
        got: str,
        *,
        detail: str = "",
        severity: str = CRITICAL,
        halts: bool = False,
    ) -> Finding:
        return Finding(
            code=code,
            place=place,
            expected=expected,
            got=got,
            detail=detail,
            shard=self._shard,
            severity=severity,
            halts=halts,
        )


def _place_in_chain(
    shard: int, gen: int, height: int, prev: str, from_: int, start: int, time: str, bound: str = ""
) -> str:
    return f"shard {shard} gen {gen} height {height} prev {prev} from {from_} start {start} time {bound}{time}"
