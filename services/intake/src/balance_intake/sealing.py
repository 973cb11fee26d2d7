"""Up to which raw record each shard is sealed, and by which block: what a receipt is held against.

Pure. It reads events and blocks as every reader does, by the rule of counting, and only as deep as receipts need: that
leaves and roots are right is the verifier's to recompute. A reject is told of once a block holds it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from balance_chain.core.counting import (
    NONE_YET,
    ZERO_PREV,
    BlockChain,
    EventCounter,
    GenerationAt,
    first_generation,
)
from balance_chain.core.events import TYPE_REJECTED
from balance_chain.core.times import parse_ms
from balance_verify.entry import BlockHeader, Entry
from balance_verify.errors import VerifyError
from balance_verify.keyset import SealerKeys
from balance_verify.topicvalues import BlockRecord


class SealedShard(msgspec.Struct, frozen=True, kw_only=True):
    """Where a shard stands after a counting block; the fields are the table's columns, in order."""

    shard: int
    rawgen: int = 0
    rawpos: int = NONE_YET
    height: int = NONE_YET
    prev: str = ZERO_PREV
    next_offset: int = 0
    start: int = 0
    time: str = ""
    gen: int = 0
    blocks_next: int = 0


class Seal(msgspec.Struct, frozen=True):
    """One counting block: it seals raw records up to (`rawgen`, `rawpos`), at `time`; columns in order."""

    shard: int
    rawgen: int
    rawpos: int
    height: int
    time: int


class SealedReject(msgspec.Struct, frozen=True):
    """A sealed reject that names its event; columns in order."""

    shard: int
    rawgen: int
    rawpos: int
    source: str
    id: str
    reason: str
    field: str | None
    time: int


class _Seen(msgspec.Struct):
    type: str
    rawgen: int
    rawpos: int
    data: msgspec.Raw


class _RejectData(msgspec.Struct):
    reason: str
    source: str | None = None
    id: str | None = None
    field: str | None = None


_Place = tuple[int, int]
_Waiting = tuple[_Place | None, _RejectData | None]
_seen: Final = msgspec.json.Decoder(_Seen)
_reject: Final = msgspec.json.Decoder(_RejectData)


@dataclass
class SealedBatch:
    """What a run of blocks adds."""

    seals: list[Seal] = field(default_factory=list)
    rejects: list[SealedReject] = field(default_factory=list)


class ShardSeals:
    """One shard's chain and the events that no block holds yet."""

    def __init__(
        self,
        state: SealedShard,
        origin: str,
        sealers: SealerKeys,
        generation_at: GenerationAt = first_generation,
    ) -> None:
        """`sealers` gives the keys that may sign the block of a height of a shard."""
        self._origin = origin
        self._sealers = sealers
        self._counter = EventCounter(state.rawgen, state.rawpos)
        head = (state.height, state.prev, state.next_offset, state.start, state.time, state.gen)
        self._chain = BlockChain(state.shard, *head, generation_at)
        self._events: deque[_Waiting] = deque()
        self._blocks: deque[tuple[int, bytes]] = deque()
        self._blocks_next = state.blocks_next

    @property
    def events_next(self) -> int:
        """Offset of the next event to give."""
        return self._chain.next_offset + len(self._events)

    @property
    def waiting(self) -> int:
        """Events that no block holds yet."""
        return len(self._events)

    @property
    def blocks_next(self) -> int:
        """Offset of the first block record that is not taken."""
        return self._blocks_next

    def state(self) -> SealedShard:
        """To go on from, with no event in hand."""
        chain = self._chain
        return SealedShard(
            shard=chain.shard,
            rawgen=self._counter.rawgen,
            rawpos=self._counter.rawpos,
            height=chain.height,
            prev=chain.prev,
            next_offset=chain.next_offset,
            start=chain.start,
            time=chain.time,
            gen=chain.gen,
            blocks_next=self._blocks_next,
        )

    def add_event(self, value: bytes) -> None:
        """The next record of events; one that cannot be read counts for nothing."""
        try:
            seen = _seen.decode(value)
            told = _reject.decode(seen.data) if seen.type == TYPE_REJECTED else None
        except msgspec.MsgspecError:
            self._events.append((None, None))
            return
        self._events.append(((seen.rawgen, seen.rawpos), told))

    def add_block(self, offset: int, value: bytes) -> None:
        """The next record of blocks."""
        self._blocks.append((offset, value))

    def take(self) -> SealedBatch:
        """Take every block whose events are here."""
        batch = SealedBatch()
        while self._blocks:
            offset, value = self._blocks[0]
            read = self._read(value)
            if read is not None:
                header, entry = read
                if header.count > len(self._events):
                    break
                self._seal(header, batch)
                self._chain.extend(header, entry)
            self._blocks.popleft()
            self._blocks_next = offset + 1
        return batch

    def _read(self, value: bytes) -> tuple[BlockHeader, bytes] | None:
        """Header and entry of a block that counts, else None."""
        try:
            entry = BlockRecord.parse(value).entry
            parsed = Entry.parse(entry)
            parsed.verify(*self._sealers(self._chain.shard, self._chain.height + 1))
            header = parsed.block_header()
        except VerifyError:
            return None
        if header.origin != self._origin or self._chain.check(header, entry) is not None:
            return None
        return header, entry

    def _seal(self, header: BlockHeader, batch: SealedBatch) -> None:
        time, shard = parse_ms(header.time), self._chain.shard
        for _ in range(header.count):
            place, told = self._events.popleft()
            if place is not None and self._counter.counts(*place) and told is not None and told.source and told.id:
                batch.rejects.append(SealedReject(shard, *place, told.source, told.id, told.reason, told.field, time))
        batch.seals.append(Seal(shard, self._counter.rawgen, self._counter.rawpos, header.height, time))


class Broken(msgspec.Struct, frozen=True):
    """A receipt that was not kept: when its event was sealed after all, if it is by now."""

    source: str
    id: str
    due: int
    shard: int | None
    sealed: int | None
    height: int | None
    receipt: bytes


def columns(kind: type[Any]) -> str:
    """A row type's columns, for SQL."""
    return ", ".join(kind.__struct_fields__)
