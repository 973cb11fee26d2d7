"""The log of the live fsck: each checkpoint recomputed from the shards' entries, the tables held against that."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from balance_chain.core.topics import BLOCKS, CHECKPOINTS
from balance_chain.runtime.kafka import PartitionReader, PositionGone
from balance_chain.runtime.settings import CommonSettings
from balance_verify.errors import VerifyError
from balance_verify.keyset import KeyHistory, open_checkpoint, open_generation
from balance_verify.merkle import leaf_hash
from balance_verify.note import VerifierKey
from balance_verify.policy import Policy
from balance_verify.topicvalues import CheckpointRecord

from balance_verifier.archive.faults import Fault
from balance_verifier.findings import CRITICAL, Finding
from balance_verifier.live.shard import read_some, row_faults
from balance_verifier.live.tables import Tables
from balance_verifier.logcheck import Advance, CheckpointRow, LogCheck, LogState, NodeRow, Opened, Skipped, history_of


@dataclass
class LiveLog:
    """The run over `ledger.checkpoints`."""

    settings: CommonSettings
    log_key: VerifierKey
    policy: Policy | None = None
    records: list[bytes] = field(default_factory=list)
    state: LogState = field(default_factory=LogState)
    leaves: list[bytes] = field(default_factory=list)
    """Leaf hashes of the log's entries."""
    checkpoints: list[CheckpointRow] = field(default_factory=list)
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    indexes: dict[tuple[int, int], int] = field(default_factory=dict)
    states: dict[int, LogState] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)
    read_bytes: int = 0

    def __post_init__(self) -> None:
        settings = self.settings
        self._check = LogCheck(
            self.log_key,
            origin=settings.origin,
            shards=settings.partitions,
            topic=CHECKPOINTS,
            policy=self.policy,
        )

    async def read(self) -> None:
        """Every record of the topic up to where it ends now."""
        try:
            async with PartitionReader(self.settings, self.settings.topic(CHECKPOINTS), 0) as reader:
                end = await reader.end_offset()
                while len(self.records) < end:
                    self.records += [r.value or b"" for r in await read_some(reader, end - len(self.records))]
        except PositionGone as error:
            self.faults.append(Fault(error.field, "record_gone", "every record from offset 0 on", error.problem))
        self.read_bytes = sum(map(len, self.records))

    def begin(self) -> int:
        """Go up to the checkpoint that brings the genesis entry; the number of records taken."""
        for offset, value in enumerate(self.records):
            opened = self._check.open(self.state, offset, value)
            self._took(opened if isinstance(opened, Skipped) else self._check.genesis(self.state, opened))
            if self.state.genesis:
                return offset + 1
        self.faults.append(Fault(f"{CHECKPOINTS}/0", "genesis", "a checkpoint with the genesis entry", "none"))
        return len(self.records)

    def keys(self) -> KeyHistory:
        """Every key set and generation on the topic that follows from the one before; `go_on` tells of the others."""
        history = history_of(self.state)
        for value in self.records:
            if b'"keys":' not in value and b'"generation":' not in value:
                continue
            with suppress(VerifyError):
                record = CheckpointRecord.parse(value)
                checkpoint, _ = open_checkpoint(record.note.encode(), history.last)
                if record.keys is not None:
                    history = history.taking_note(record.keys, checkpoint.size, record.heights)
                if record.generation is not None:
                    begun, gen = open_generation(record.generation, history.last), len(history.generations) + 1
                    begun.check_place(gen, self.settings.origin, checkpoint.size - 1, record.heights, None)
                    history = history.restored(begun.heights)
        return history

    def go_on(self, offset: int, entries: list[list[bytes]]) -> None:
        """The checkpoints behind it; `entries` of each shard's recomputed blocks by height."""
        for at in range(offset, len(self.records)):
            opened = self._check.open(self.state, at, self.records[at])
            self._took(opened if isinstance(opened, Skipped) else self._later(opened, entries))

    def _later(self, opened: Opened, entries: list[list[bytes]]) -> Advance | Skipped:
        if opened.record.generation is not None:
            begun = self._check.generation(self.state, opened)
            self.leaves += [leaf_hash(opened.record.generation)] if isinstance(begun, Advance) else []
            return begun
        if opened.record.keys is not None or opened.record.final is not None:
            return self._check.statement(self.state, opened)
        covered = self._check.coverage(self.state, opened)
        if isinstance(covered, Skipped):
            return covered
        found: list[bytes] = []
        for shard, first, last in covered:
            part = entries[shard][first : last + 1]
            if len(part) < last - first + 1:
                self._lost(shard, first + len(part), opened.pos)
                return self._check.never_came(self.state, opened, shard, first + len(part) - 1)
            found += part
        outcome = self._check.take(self.state, opened, found)
        if isinstance(outcome, Advance):
            places = [(shard, height) for shard, first, last in covered for height in range(first, last + 1)]
            self.indexes.update({place: self.state.size + number for number, place in enumerate(places)})
            self.leaves += map(leaf_hash, found)
        return outcome

    def _lost(self, shard: int, height: int, offset: int) -> None:
        """A signed checkpoint covers a block, so it was there: told once a shard, for the first one missing."""
        place = f"{BLOCKS}/{shard}, height {height}"
        if all(fault.place != place for fault in self.faults):
            due = f"a block, covered by the signed checkpoint at {CHECKPOINTS}/0@{offset}"
            self.faults.append(Fault(place, "block_missing", due, f"none that counts behind height {height - 1}"))

    def _took(self, outcome: Advance | Skipped) -> None:
        if isinstance(outcome, Skipped):
            if outcome.finding is not None:
                self._tell(outcome.finding)
            self.state = outcome.state
        else:
            if not self.leaves:
                self.leaves.append(leaf_hash(outcome.state.genesis))
            self.state = outcome.state
            self.checkpoints.append(outcome.checkpoint)
            self.nodes.update({(node.level, node.index): node.hash for node in outcome.nodes})
        self.states[self.state.next] = self.state

    def _tell(self, finding: Finding) -> None:
        fault = Fault(finding.place, finding.code, finding.expected, finding.got)
        (self.faults if finding.severity == CRITICAL else self.notes).append(fault)

    async def compare(self, tables: Tables, projected: LogState | None) -> None:
        """The log's tables; `projected` is the position row, read before the topic was."""
        if projected is None:
            self.faults.append(Fault("table log", "row", "a row", "none"))
            return
        due = self.states.get(projected.next, LogState() if projected.next == 0 else None)
        if due is None:
            got = str(projected.next)
            self.faults.append(Fault("table log", "next", f"at most {self.state.next}", got))
            return
        self.faults += row_faults("table log", due, projected)
        await self._compare_checkpoints(tables, due)
        await self._compare_nodes(tables, due)
        # What is newer than the topics as they were read is looked at only for whether the position row covers it.
        for where, part in await tables.beyond_log():
            self.faults.append(Fault(where, part, "none beyond the position", "one"))
        indexes = await tables.log_indexes()
        for place in sorted(indexes.keys() | self.indexes.keys()):
            expected, got_index = self.indexes.get(place), indexes.get(place)
            newer = got_index is not None and got_index >= self.state.size
            if expected != got_index and (not newer if expected is None else expected < due.size):
                where = f"table block, {place[0]}/{place[1]}"
                self.faults.append(Fault(where, "log_index", str(expected), str(got_index)))

    async def _compare_checkpoints(self, tables: Tables, due: LogState) -> None:
        stored = {row.pos: row for row in await tables.checkpoints()}
        counting = {row.pos: row for row in self.checkpoints if row.pos < due.next}
        for pos, row in counting.items():
            if stored.get(pos) != row:
                self.faults += row_faults(f"table checkpoint, {pos}", row, stored.get(pos))
        known = {row.pos for row in self.checkpoints}
        for pos in sorted(pos for pos in stored.keys() - known if 0 <= pos < self.state.next):
            self.faults.append(Fault(f"table checkpoint, {pos}", "row", "none", "a row"))

    async def _compare_nodes(self, tables: Tables, due: LogState) -> None:
        expected = {place: digest for place, digest in self.nodes.items() if _within(place, due.size)}
        async for node in tables.nodes():
            place = (node.level, node.index)
            wanted = expected.pop(place, None)
            if wanted is None:
                if _within(place, self.state.size) and self.nodes.get(place) != node.hash:
                    self.faults.append(Fault(_place(node), "row", "none", "a row"))
            elif wanted != node.hash:
                self.faults.append(Fault(_place(node), "hash", wanted.hex(), node.hash.hex()))
        for level, index in sorted(expected):
            self.faults.append(Fault(_place(NodeRow(level, index, b"")), "row", "a row", "none"))


def _within(place: tuple[int, int], size: int) -> bool:
    level, index = place
    return level >= 0 and (index + 1) << level <= size


def _place(node: NodeRow) -> str:
    return f"table log_node, level {node.level} index {node.index}"
