"""Recomputes the global log: genesis, then each checkpoint from the blocks that it covers. Pure.

A checkpoint counts here only if size and root are those of the tree over entries that this verifier has recomputed
itself, so every checkpoint that counts is consistent with every other.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import msgspec
from balance_chain.core.counting import NONE_YET, CheckpointCounter
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry, GenesisHeader
from balance_verify.errors import VerifyError
from balance_verify.final import open_final
from balance_verify.keyset import SEALER, KeyHistory, KeySet, open_generation
from balance_verify.merkle import CompactRange, leaf_hash
from balance_verify.note import SignedNote, VerifierKey, open_note
from balance_verify.policy import Policy
from balance_verify.topicvalues import CheckpointRecord

from balance_verifier.findings import NOT_COUNTING, Finding


class LogState(msgspec.Struct, frozen=True, kw_only=True):
    """Where the log stands after a commit: the last checkpoint that counts and the compact range under it."""

    next: int = 0
    size: int = 0
    root: bytes = b""
    heights: tuple[int, ...] = ()
    signers: tuple[str, ...] = ()
    range: tuple[bytes, ...] = ()
    checkpoints: int = 0
    genesis: bytes = b""
    keys: tuple[str, ...] = ()
    """Texts of the key sets behind the genesis entry's."""
    final: bool = False
    """Whether the log has ended with this checkpoint."""
    generations: tuple[bytes, ...] = ()
    """Entries with which the log went on in new topics."""


class NodeRow(msgspec.Struct, frozen=True):
    """The hash of one complete subtree of the log."""

    level: int
    index: int
    hash: bytes


class CheckpointRow(msgspec.Struct, frozen=True):
    """One checkpoint that counts."""

    pos: int
    size: int
    root: bytes
    heights: tuple[int, ...]
    note: str
    keys: str | None = None
    final: str | None = None
    cosigners: tuple[str, ...] = ()
    """Ids of the policy's witnesses whose cosignatures are on the note."""
    quorum: bool = False
    """Whether they are a quorum of the policy."""
    generation: bytes | None = None
    """The entry that is the last leaf under it and begins a generation."""


class Advance(msgspec.Struct, frozen=True):
    """What a counting checkpoint adds: its row, new nodes, and where in the log each block's entry now is."""

    state: LogState
    checkpoint: CheckpointRow
    nodes: tuple[NodeRow, ...] = ()
    first_index: int = 0


class Skipped(msgspec.Struct, frozen=True):
    """A checkpoint that does not count: the state behind it, and why; no finding where all is well."""

    state: LogState
    finding: Finding | None


class Opened(msgspec.Struct, frozen=True):
    """A checkpoint record whose signature has been verified, not yet compared with the log."""

    pos: int
    checkpoint: Checkpoint
    record: CheckpointRecord
    signers: frozenset[str]
    cosigners: tuple[str, ...] = ()
    quorum: bool = False
    strangers: bool = False
    """Whether it has signatures by keys that are not known here."""


def genesis_of(entry_bytes: bytes) -> GenesisHeader:
    """The header of a genesis entry that was verified before."""
    return Entry.parse(entry_bytes).genesis_header()


def history_of(state: LogState) -> KeyHistory:
    """The log's keys as they were verified up to this state, which has the genesis entry."""
    return _history(state.genesis, state.keys, state.generations)


@functools.lru_cache(maxsize=8)
def _history(genesis: bytes, keys: tuple[str, ...], generations: tuple[bytes, ...]) -> KeyHistory:
    history = KeyHistory.begin(genesis_of(genesis), keys)
    for entry in generations:
        history = history.restored(Entry.parse(entry).generation_header().heights)
    return history


class LogCheck:
    """The recomputation of one log; each method answers with what must be written, and changes nothing itself."""

    def __init__(
        self, log_key: VerifierKey, *, origin: str, shards: int, topic: str, policy: Policy | None = None
    ) -> None:
        self._key = log_key
        self._policy = policy
        self._origin = origin
        self._shards = shards
        self._place = f"{topic}/0@"

    def open(self, state: LogState, offset: int, value: bytes) -> Opened | Skipped:
        """Steps (0) to (2): the record that is due, readable, signed by the log's key, of this log."""
        place = f"{self._place}{offset}"
        # (0) no checkpoint record is missing before this one
        if offset != state.next:
            lost = self._finding(
                "checkpoint_missing",
                f"{self._place}{state.next}",
                f"a record at offset {state.next}",
                f"offset {offset}",
            )
            return Skipped(msgspec.structs.replace(state, next=offset), lost)
        # (1) the bytes are a checkpoint record
        try:
            record = CheckpointRecord.parse(value)
            note = SignedNote.parse(record.note.encode())
            checkpoint = Checkpoint.parse(note.text)
        except VerifyError as error:
            return self._skip(state, self._finding("checkpoint_unreadable", place, "a checkpoint record", str(error)))
        # (2) a key of the log has signed it that holds at its size, for this log, and no cosignature by a witness of
        # the policy is forged
        log_keys = history_of(state).last.log_keys(checkpoint.size) if state.genesis else (self._key,)
        try:
            verified = open_note(record.note.encode(), log_keys)
            verdict = self._policy.judge(note) if self._policy is not None else None
        except VerifyError as error:
            return self._skip(
                state,
                self._finding(
                    "checkpoint_signature",
                    place,
                    f"a signature by {' or '.join(key.id for key in log_keys)}",
                    str(error),
                ),
            )
        if checkpoint.origin != self._origin:
            return self._skip(
                state,
                self._finding("checkpoint_signature", place, f"origin {self._origin}", f"origin {checkpoint.origin}"),
            )
        cosigners = tuple(each.key_id for each in verdict.cosigned) if verdict else ()
        signers = frozenset(f"{s.name}+{s.key_hash.hex()}" for s in verified.signatures).union(cosigners)
        strangers = any(f"{s.name}+{s.key_hash.hex()}" not in signers for s in note.signatures)
        quorum = verdict is not None and verdict.reached
        return Opened(offset, checkpoint, record, signers, cosigners, quorum, strangers)

    def genesis(self, state: LogState, opened: Opened) -> Advance | Skipped:
        """The first checkpoint: its genesis entry is signed by the log's key and is the only leaf."""
        place = f"{self._place}{opened.pos}"
        entry_bytes = opened.record.genesis
        if entry_bytes is None:
            return self._skip(state, self._finding("genesis", place, "a genesis entry in the first checkpoint", "none"))
        try:
            entry = Entry.parse(entry_bytes)
            header = entry.genesis_header()
            entry.verify(self._key)
            sealers = KeySet.of_genesis(header).at(SEALER, 1)
        except VerifyError as error:
            return self._skip(state, self._finding("genesis", place, f"an entry signed by {self._key.id}", str(error)))
        none = (NONE_YET,) * self._shards
        due = (self._origin, self._shards, 1, none, True)
        got = (header.origin, header.shards, opened.checkpoint.size, opened.record.heights, bool(sealers))
        if got != due:
            detail = "origin, shards, size, heights, whether it names a sealer's key"
            return self._skip(state, self._finding("genesis", place, str(due), str(got), detail))
        advance = self._grow(state, opened, [entry_bytes])
        if isinstance(advance, Skipped):
            return advance
        return msgspec.structs.replace(advance, state=msgspec.structs.replace(advance.state, genesis=entry_bytes))

    def coverage(self, state: LogState, opened: Opened) -> list[tuple[int, int, int]] | Skipped:
        """Step (3): which blocks it adds, as (shard, first height, last height), in log order."""
        heights = opened.record.heights
        if len(heights) != self._shards or any(new < old for new, old in zip(heights, state.heights, strict=False)):
            place = f"{self._place}{opened.pos}"
            due = f"{self._shards} heights, none below {list(state.heights)}"
            return self._skip(state, self._finding("checkpoint_coverage", place, due, str(list(heights))))
        return [
            (shard, old + 1, new)
            for shard, (old, new) in enumerate(zip(state.heights, heights, strict=True))
            if new > old
        ]

    def generation(self, state: LogState, opened: Opened) -> Advance | Skipped:
        """The checkpoint over the entry that begins a generation, behind the last one, and over nothing else."""
        place, entry_bytes = f"{self._place}{opened.pos}", opened.record.generation
        assert entry_bytes is not None, "the caller has looked"
        if entry_bytes in state.generations:
            finding = self._finding(
                "checkpoint_not_counting", place, "a new generation", "one again", severity=NOT_COUNTING
            )
            return self._skip(state, finding)
        # (3) the entry is signed by the log's key and goes on from the last checkpoint that counts
        try:
            begun = open_generation(entry_bytes, history_of(state).last)
            gen = len(state.generations) + 1
            begun.check_place(gen, self._origin, state.size, state.heights, state.root)
        except VerifyError as error:
            due = f"generation {len(state.generations) + 1} begun at size {state.size}, signed by {self._key.id}"
            return self._skip(state, self._finding("generation", place, due, str(error)))
        if state.final or opened.record.heights != state.heights:
            ended = "no generation: the log has ended" if state.final else f"heights {list(state.heights)}"
            got = f"generation {begun.gen}, heights {list(opened.record.heights)}"
            return self._skip(state, self._finding("generation", place, ended, got))
        advance = self._grow(state, opened, [entry_bytes])
        if isinstance(advance, Skipped):
            return advance
        return Advance(
            msgspec.structs.replace(advance.state, generations=(*state.generations, entry_bytes)),
            msgspec.structs.replace(advance.checkpoint, generation=entry_bytes),
            advance.nodes,
            advance.first_index,
        )

    def statement(self, state: LogState, opened: Opened) -> Advance | Skipped:
        """A record that states a key set or the log's end, beside the last checkpoint once more."""
        place, record, checkpoint = f"{self._place}{opened.pos}", opened.record, opened.checkpoint
        # (3) it states the last checkpoint that counts
        due, got = (state.size, state.root, state.heights), (checkpoint.size, checkpoint.root, record.heights)
        if got != due or state.final:
            ended = " for ever" if state.final else ""
            expected, found = (f"size {size} root {root.hex()} heights {h}" for size, root, h in (due, got))
            return self._skip(state, self._finding("key_set", place, expected + ended, found))
        texts, detail = state.keys, ""
        try:
            # (4) the key set is signed by the log's keys, of this size, and can follow the one before
            log_keys = history_of(state).last.log_keys(checkpoint.size)
            if record.keys is not None:
                text = open_note(record.keys.encode(), log_keys).text
                if text in state.keys:
                    finding = self._finding(
                        "checkpoint_not_counting", place, "a new key set", "one again", severity=NOT_COUNTING
                    )
                    return self._skip(state, finding)
                detail = history_of(state).last.text()
                history_of(state).taking_note(record.keys, checkpoint.size, record.heights)
                texts = (*texts, text)
            # (5) the end is signed by the log's key and names this checkpoint
            if record.final is not None and open_final(record.final.encode(), *log_keys) != checkpoint:
                finding = self._finding("key_set", place, f"the end at size {state.size}", "the end at another size")
                return self._skip(state, finding)
        except VerifyError as error:
            finding = self._finding("key_set", place, "a statement that can follow", str(error), detail)
            return self._skip(state, finding)
        after = msgspec.structs.replace(
            state,
            next=opened.pos + 1,
            signers=tuple(sorted(opened.signers | set(state.signers))),
            checkpoints=state.checkpoints + 1,
            keys=texts,
            final=record.final is not None,
        )
        row = CheckpointRow(
            opened.pos,
            state.size,
            state.root,
            state.heights,
            record.note,
            record.keys,
            record.final,
            opened.cosigners,
            opened.quorum,
        )
        return Advance(after, row, (), state.size)

    def never_came(self, state: LogState, opened: Opened, shard: int, height: int) -> Skipped:
        """The checkpoint covers a height that `ledger.blocks` does not have."""
        return self._skip(
            state,
            self._finding(
                "checkpoint_coverage",
                f"{self._place}{opened.pos}",
                f"shard {shard} up to height {height}",
                f"shard {shard} up to height {opened.record.heights[shard]}",
            ),
        )

    def take(self, state: LogState, opened: Opened, entries: Sequence[bytes]) -> Advance | Skipped:
        """Steps (4) to (6), with the entries of the blocks that it adds in log order."""
        counter = CheckpointCounter(state.size, state.root, state.heights, frozenset(state.signers))
        size, root, heights = opened.checkpoint.size, opened.checkpoint.root, opened.record.heights
        # A log that has ended does not grow.
        if state.final and size > state.size:
            place = f"{self._place}{opened.pos}"
            return self._skip(state, self._finding("after_final", place, f"size {state.size} for ever", f"size {size}"))
        # (4) the rule of counting; whether it is consistent is found out in the next steps
        reason = counter.check(size, root, heights, opened.signers, consistent=True)
        same = (size, root, heights) == (state.size, state.root, state.heights)
        if reason is not None and same and opened.strangers:
            # The last checkpoint with signatures by witnesses that the policy here does not have: nothing is wrong.
            return Skipped(msgspec.structs.replace(state, next=state.next + 1), None)
        if reason is not None:
            finding = self._finding(
                "checkpoint_not_counting",
                f"{self._place}{opened.pos}",
                f"more than size {state.size} root {state.root.hex()}, or more signatures",
                f"size {size} root {root.hex()}",
                reason,
                severity="critical" if size == state.size and root != state.root else NOT_COUNTING,
            )
            return self._skip(state, finding)
        return self._grow(state, opened, entries)

    def _grow(self, state: LogState, opened: Opened, entries: Sequence[bytes]) -> Advance | Skipped:
        place = f"{self._place}{opened.pos}"
        tree = CompactRange.from_parts(state.size, list(state.range))
        nodes: list[NodeRow] = []
        for entry in entries:
            nodes += [NodeRow(level, index, digest) for level, index, digest in tree.append(leaf_hash(entry))]
        # (5) its size is the number of entries
        if tree.size != opened.checkpoint.size:
            return self._skip(
                state, self._finding("checkpoint_size", place, str(tree.size), str(opened.checkpoint.size))
            )
        # (6) its root is the root over all of them
        root = tree.root()
        if root != opened.checkpoint.root:
            return self._skip(state, self._finding("checkpoint_root", place, root.hex(), opened.checkpoint.root.hex()))
        signers = opened.signers | set(state.signers) if tree.size == state.size else opened.signers
        after = LogState(
            next=opened.pos + 1,
            size=tree.size,
            root=root,
            heights=opened.record.heights,
            signers=tuple(sorted(signers)),
            range=tuple(tree.hashes),
            checkpoints=state.checkpoints + 1,
            genesis=state.genesis,
            keys=state.keys,
            final=state.final,
            generations=state.generations,
        )
        row = CheckpointRow(
            opened.pos,
            tree.size,
            root,
            opened.record.heights,
            opened.record.note,
            cosigners=opened.cosigners,
            quorum=opened.quorum,
        )
        return Advance(after, row, tuple(nodes), state.size)

    def _skip(self, state: LogState, finding: Finding) -> Skipped:
        return Skipped(msgspec.structs.replace(state, next=state.next + 1), finding)

    def _finding(
        self, code: str, place: str, expected: str, got: str, detail: str = "", severity: str = "critical"
    ) -> Finding:
        return Finding(code=code, place=place, expected=expected, got=got, detail=detail, severity=severity)
