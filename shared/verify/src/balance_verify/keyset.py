"""Say which keys hold at which place of a log: the key sets that the log's key signs, and the one rule that reads them.

A key set is a signed note (docs/decisions/0006-keys.md). Its text:

    balance-chain keys
    <origin>
    <size of the log at which it was made>
    <last height of each shard under that size, -1 for none, between spaces>
    <from> <until, or -> <vkey>            one line a key, in the order in which they came

A key holds for the entries from index `from` on, up to but not including index `until`. Its role is in its name: the
log's key is named as the origin, others `<origin>/<role>`. The genesis entry is the first set; each later one repeats
all lines of the set before it, and may end keys and add keys at its own size, nowhere else. So what held in the past
never changes, and every size that a line names comes with the heights that it stood at: a reader of one shard can
tell by height alone, before the block has its place in the log, whether a key holds for it.

The log's own key changes in the same way (docs/decisions/0012-the-logs-key.md). A key of the log signs checkpoints of
the sizes `from` to `until`, both included: the set is published beside the checkpoint of its own size. A set is signed
by a key of the log that holds in the set before it, and by each key of the log that it adds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ._strict import check_line, check_range, decode_decimal, decode_utf8
from .checkpoint import Checkpoint
from .entry import Entry, GenesisHeader
from .errors import MalformedError, MismatchError, UnknownSignerError
from .generation import GenerationHeader
from .note import SignedNote, SigningKey, VerifierKey, open_note, sign_note

TITLE: Final = "balance-chain keys"
LOG: Final = "log"
SEALER: Final = "sealer"
GATEWAY: Final = "gateway"
NO_BLOCK: Final = -1
MAX_KEYS: Final = 1000
"""Most lines of one set."""

SealerKeys = Callable[[int, int], Sequence[VerifierKey]]
"""Which keys may sign the block of a shard at a height."""


@dataclass(frozen=True, slots=True)
class HeldKey:
    """One key and the entries for which it holds: from index `from_size`, up to and without `until_size`."""

    vkey: VerifierKey
    from_size: int
    until_size: int | None = None

    def __post_init__(self) -> None:
        check_range(self.from_size, "keys.from", 0)
        if self.until_size is not None:
            check_range(self.until_size, "keys.until", self.from_size)

    def holds_at(self, index: int) -> bool:
        """Whether it holds for the log's entry of this index."""
        return self.from_size <= index and (self.until_size is None or index < self.until_size)

    def __str__(self) -> str:
        return f"{self.from_size} {'-' if self.until_size is None else self.until_size} {self.vkey}"

    @classmethod
    def parse(cls, line: str) -> HeldKey:
        """Read one line, without its newline."""
        parts = line.split(" ")
        if len(parts) != 3:
            raise MalformedError("keys line", f"{len(parts)} parts", "give from, until (or -) and vkey")
        from_, until, vkey = parts
        last = None if until == "-" else decode_decimal(until, "keys.until")
        return cls(VerifierKey.parse(vkey), decode_decimal(from_, "keys.from"), last)


@dataclass(frozen=True, slots=True)
class KeySet:
    """Every key that the log has ever had, as it stood when the log had `size` entries and each shard these heights."""

    origin: str
    size: int
    heights: tuple[int, ...]
    keys: tuple[HeldKey, ...]

    def __post_init__(self) -> None:
        check_line(self.origin, "keys origin")
        check_range(self.size, "keys size", 0)
        for height in self.heights:
            check_range(height, "keys heights", NO_BLOCK)
        if not self.heights or not 1 <= len(self.keys) <= MAX_KEYS:
            raise MalformedError("keys", "no shard, or no key, or too many", f"give 1 to {MAX_KEYS} keys")
        if len({key.vkey.id for key in self.keys}) != len(self.keys):
            raise MalformedError("keys", "a key is there twice", "a key that has ended is never taken up again")

    @classmethod
    def of_genesis(cls, genesis: GenesisHeader) -> KeySet:
        """The keys that a log begins with: they hold from its start."""
        keys = tuple(HeldKey(key, 0) for key in genesis.verifier_keys())
        return cls(genesis.origin, 0, (NO_BLOCK,) * genesis.shards, keys)

    def role(self, key: VerifierKey) -> str:
        """What a key is for, by its name."""
        return LOG if key.name == self.origin else key.name.removeprefix(f"{self.origin}/")

    def at(self, role: str, index: int) -> tuple[VerifierKey, ...]:
        """The keys of a role that hold for the log's entry of this index."""
        return tuple(key.vkey for key in self.keys if self.role(key.vkey) == role and key.holds_at(index))

    def log_keys(self, size: int) -> tuple[VerifierKey, ...]:
        """The log's keys that may sign its checkpoint of this size."""
        return tuple(
            key.vkey
            for key in self.keys
            if self.role(key.vkey) == LOG
            and key.from_size <= size
            and (key.until_size is None or size <= key.until_size)
        )

    def open_log_keys(self) -> tuple[VerifierKey, ...]:
        """The log's keys that have not ended: one of them signs the next set."""
        return tuple(key.vkey for key in self.keys if self.role(key.vkey) == LOG and key.until_size is None)

    def find(self, key_id: str) -> HeldKey | None:
        """The key of this `name+hash`."""
        return next((key for key in self.keys if key.vkey.id == key_id), None)

    def explain(self, key_id: str) -> str:
        """For a person: between which sizes a key holds."""
        key = self.find(key_id)
        if key is None:
            return f"{key_id} is no key of this log"
        until = "on" if key.until_size is None else f"up to {key.until_size}"
        return f"{key_id} holds from log size {key.from_size} {until}"

    def after(
        self, size: int, heights: Sequence[int], *, add: Sequence[VerifierKey] = (), end: Sequence[str] = ()
    ) -> KeySet:
        """The next set, made at this size: it adds these keys and ends those of these ids."""
        lines = []
        for key in self.keys:
            ends = key.vkey.id in end and key.until_size is None
            lines.append(replace(key, until_size=size) if ends else key)
        return KeySet(self.origin, size, tuple(heights), (*lines, *(HeldKey(key, size) for key in add)))

    def check_next(self, after: KeySet) -> None:
        """`after` must be a set that can follow this one."""
        _same("origin", self.origin, after.origin)
        _same("number of shards", str(len(self.heights)), str(len(after.heights)))
        grown = after.size >= self.size and all(a >= b for a, b in zip(after.heights, self.heights, strict=True))
        if not grown or (after.size == self.size and after.heights != self.heights):
            raise MismatchError(
                "key set, size", f"{self.size} or more, heights as they were there", f"{after.size} {after.heights}"
            )
        if len(after.keys) < len(self.keys) or after.keys == self.keys:
            raise MismatchError("key set, lines", "every line before it and a change", f"{len(after.keys)} lines")
        for old, new in zip(self.keys, after.keys, strict=False):
            if new != old and (old.until_size is not None or new != replace(old, until_size=after.size)):
                raise MismatchError("key set, line", f"{old}, or ended at {after.size}", str(new))
        for new in after.keys[len(self.keys) :]:
            if new != HeldKey(new.vkey, after.size):
                raise MismatchError("key set, new line", f"{after.size} - and the vkey", str(new))
        if self.open_log_keys() and not after.open_log_keys():
            raise MismatchError("key set, the log's key", "one that has not ended", "none")

    def text(self) -> str:
        """The text that the log's key signs."""
        lines = [TITLE, self.origin, str(self.size), " ".join(map(str, self.heights)), *map(str, self.keys)]
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> KeySet:
        """Read a text; only one that `text` would write is accepted."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 5 or lines[0] != TITLE:
            raise MalformedError("keys", "not a key set", f"begin with the line {TITLE}")
        heights = tuple(
            NO_BLOCK if part == str(NO_BLOCK) else decode_decimal(part, "keys heights") for part in lines[3].split(" ")
        )
        keys = tuple(map(HeldKey.parse, lines[4:]))
        found = cls(lines[1], decode_decimal(lines[2], "keys size"), heights, keys)
        if found.text() != text:
            raise MalformedError("keys", "not in its one form", "write it again")
        return found


def _same(what: str, expected: str, got: str) -> None:
    if expected != got:
        raise MismatchError(f"key set, {what}", expected, got)


def sign_keys(keys: KeySet, *log_keys: SigningKey) -> SignedNote:
    """The set as a note signed by the log's key."""
    return sign_note(keys.text(), *log_keys)


def open_keys(notes: bytes, log_key: VerifierKey) -> KeySet:
    """The last set of one note, or of several one after another, from the first on that the given key has signed.

    Each later one must be one that follows the set before it, signed as it must be.
    """
    found: KeySet | None = None
    unknown: UnknownSignerError | None = None
    for note in _split(notes):
        if found is not None:
            found = _open_next(note, found)
            continue
        try:
            found = KeySet.parse(open_note(note, [log_key]).text)
        except UnknownSignerError as error:
            unknown = unknown or error
    if found is None:
        raise unknown or MalformedError("keys", "no note", "give what /log/keys.note shows")
    _same("origin", log_key.name, found.origin)
    return found


def open_checkpoint(note: bytes, keys: KeySet) -> tuple[Checkpoint, SignedNote]:
    """A checkpoint that a key of the log which holds at its size has signed, and the note with those signatures."""
    size = Checkpoint.parse(SignedNote.parse(note).text).size
    signed = open_note(note, keys.log_keys(size))
    return Checkpoint.parse(signed.text), signed


def open_generation(entry: bytes, keys: KeySet) -> GenerationHeader:
    """The header of a generation entry that a key of the log has signed which may sign the checkpoint over it."""
    parsed = Entry.parse(entry)
    header = parsed.generation_header()
    parsed.verify(*keys.log_keys(header.size + 1))
    return header


def _open_next(note: bytes, before: KeySet) -> KeySet:
    """The set in a note that can follow `before`."""
    after = KeySet.parse(SignedNote.parse(note).text)
    before.check_next(after)
    may, added = before.open_log_keys(), set(after.open_log_keys()) - set(before.open_log_keys())
    signers = {(s.name, s.key_hash) for s in open_note(note, [*may, *added]).signatures}
    _signed(may, signers, any)
    # Who has a new key must have wanted it: and so whoever knows the new one alone can believe the set.
    _signed(added, signers, all)
    return after


def _signed(
    keys: Collection[VerifierKey], signers: set[tuple[str, bytes]], enough: Callable[[Iterable[bool]], bool]
) -> None:
    if not enough((key.name, key.key_hash) in signers for key in keys):
        ids = [f"{name}+{key_hash.hex()}" for name, key_hash in sorted(signers)]
        raise UnknownSignerError("key set, signature", " or ".join(key.id for key in keys), ", ".join(ids))


def _split(notes: bytes) -> list[bytes]:
    """Notes one after another, a blank line between; neither text nor signatures have one inside."""
    parts = decode_utf8(notes, "keys").removesuffix("\n").split("\n\n")
    if len(parts) % 2:
        raise MalformedError("keys", "not a signed note", "give what /log/keys.note shows")
    return [f"{text}\n\n{lines}\n".encode() for text, lines in zip(parts[::2], parts[1::2], strict=True)]


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """Every key set of a log up to now, the genesis entry's first; and where each later generation of it begins."""

    sets: tuple[KeySet, ...]
    generations: tuple[tuple[int, ...], ...] = ()
    """The heights after which the blocks of generation 1, 2, … come (generation.py)."""

    @classmethod
    def begin(cls, genesis: GenesisHeader, texts: Sequence[str] = ()) -> KeyHistory:
        """The history that the genesis entry begins, with the sets of these texts taken in."""
        history = cls((KeySet.of_genesis(genesis),))
        for text in texts:
            history = history.taking(KeySet.parse(text))
        return history

    @property
    def last(self) -> KeySet:
        """The set that holds now."""
        return self.sets[-1]

    def taking(self, after: KeySet) -> KeyHistory:
        """The history that goes on with this set; raises MismatchError where it cannot follow."""
        self.last.check_next(after)
        return replace(self, sets=(*self.sets, after))

    def taking_note(self, note: str, size: int, heights: tuple[int, ...]) -> KeyHistory:
        """`taking` the set in a note that came with the checkpoint of this size and heights."""
        keys = _open_next(note.encode(), self.last)
        _same("size and heights", f"{size} {heights}", f"{keys.size} {keys.heights}")
        return replace(self, sets=(*self.sets, keys))

    def restored(self, heights: tuple[int, ...]) -> KeyHistory:
        """The history that goes on in a new generation behind these heights."""
        before = self.generations[-1] if self.generations else (NO_BLOCK,) * len(heights)
        _same("number of shards", str(len(self.last.heights)), str(len(heights)))
        if any(new < old for new, old in zip(heights, before, strict=True)):
            raise MismatchError("generation, heights", f"none below {before}", str(heights))
        return replace(self, generations=(*self.generations, heights))

    def generation(self, shard: int, height: int) -> int:
        """The generation that the block of this height of a shard must name."""
        return sum(heights[shard] < height for heights in self.generations)

    def sealers(self, shard: int, height: int) -> tuple[VerifierKey, ...]:
        """The keys that may sign the block of this height of a shard."""
        return tuple(
            key.vkey
            for key in self.last.keys
            if self.last.role(key.vkey) == SEALER
            and height > self._height_at(key.from_size, shard)
            and (key.until_size is None or height <= self._height_at(key.until_size, shard))
        )

    def explain(self, key_id: str) -> str:
        """For a person: between which sizes a key holds."""
        return self.last.explain(key_id)

    def _height_at(self, size: int, shard: int) -> int:
        # A line's sizes are those of the sets that brought it, so one of them has this size.
        return next(keys.heights[shard] for keys in self.sets if keys.size == size)
