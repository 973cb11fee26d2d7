"""Keep two checkpoints of one log that cannot both be true, so that anyone can see it without believing who found it.

A file of evidence holds both signed notes, the log's key, and where the sizes differ the hashes that tie them: those
of a consistency proof from the smaller to the larger size, with the root over the smaller's leaves put first where
RFC 9162 leaves it out. If they fold to the larger checkpoint's root, they are nodes of its tree, or SHA-256 is broken;
what they give as the root at the smaller size is then what the smaller checkpoint had to say.

`check` takes these steps:

1. log key: the key in the file is the one that the reader knows. Without one it is not checkable.
2. first signature: the key signed the note with the smaller size.
3. second signature: the key signed the other note.
4. same log: both notes name the log that the key stands for.
5. histories: whether the larger checkpoint's tree begins with the smaller's. "differs" is the evidence proven,
   "matches" refutes it; without the hashes, or with hashes of another tree, it is not checkable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

from ._strict import (
    canonical_object,
    check_constant,
    decode_base64,
    encode_base64,
    text_of,
    texts_of,
)
from .checkpoint import Checkpoint
from .errors import BadSignatureError, MalformedError, UnknownSignerError
from .jcs import dumps
from .merkle import EMPTY_ROOT, Node, consistency_nodes, cover, roots_from_consistency
from .note import SignedNote, VerifierKey, open_note
from .verify import DIFFERS, MATCHES, NOT_CHECKABLE, SIGNER_NOT_RECOGNISED, Result, Step

MAX_EVIDENCE_BYTES: Final = 1_000_000
"""Largest file of evidence read: two notes with all the signatures that a note may have, and 64 hashes."""

MAX_PATH: Final = 64
"""Most hashes: those of the longest consistency proof, and one before it."""

_VERSION = 1
_KEYS = frozenset(("first", "path", "second", "v", "verdict", "vkey"))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two notes of one log, the smaller size first, its key, the hashes between, and what their keeper found."""

    log_key: VerifierKey
    first: SignedNote
    second: SignedNote
    path: tuple[bytes, ...]
    verdict: Result

    def __post_init__(self) -> None:
        if len(self.path) > MAX_PATH or any(len(value) != 32 for value in self.path):
            raise MalformedError("evidence.path", "too long, or a hash is not 32 bytes", f"give at most {MAX_PATH}")
        if self.verdict not in get_args(Result):
            raise MalformedError("evidence.verdict", repr(self.verdict), f"use one of {', '.join(get_args(Result))}")
        if checkpoint_of(self.first).size > checkpoint_of(self.second).size:
            raise MalformedError("evidence.second", "is the smaller checkpoint", "put it first")

    @classmethod
    def collect(cls, log_key: VerifierKey, one: SignedNote, other: SignedNote, path: Sequence[bytes] = ()) -> Evidence:
        """The evidence in two notes, in any order; the verdict is what `check` finds."""
        first, second = sorted((one, other), key=lambda note: checkpoint_of(note).size)
        histories = _histories(checkpoint_of(first), checkpoint_of(second), tuple(path))
        return cls(log_key, first, second, tuple(path), histories.result)

    def encode(self) -> bytes:
        """The file's RFC 8785 bytes."""
        return dumps(
            {
                "first": self.first.encode().decode(),
                "path": [*map(encode_base64, self.path)],
                "second": self.second.encode().decode(),
                "v": _VERSION,
                "verdict": self.verdict,
                "vkey": str(self.log_key),
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Evidence:
        """Read a file of evidence; only bytes that `encode` would write are accepted."""
        if len(data) > MAX_EVIDENCE_BYTES:
            raise MalformedError("evidence", f"{len(data)} bytes", f"give at most {MAX_EVIDENCE_BYTES}")
        members = canonical_object(data, "evidence", _KEYS)
        check_constant(members, "v", "evidence", _VERSION)
        vkey = text_of(members, "vkey", "evidence")
        verdict = text_of(members, "verdict", "evidence")
        if vkey.endswith("\n"):
            raise MalformedError("evidence.vkey", "ends in a newline", "give the key alone")
        return cls(
            VerifierKey.parse(vkey),
            SignedNote.parse(text_of(members, "first", "evidence").encode()),
            SignedNote.parse(text_of(members, "second", "evidence").encode()),
            tuple(decode_base64(line, "evidence.path", 32) for line in texts_of(members, "path", "evidence")),
            verdict,  # type: ignore[arg-type]  # judged when the object is made
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What each step found."""

    steps: tuple[Step, ...]

    @property
    def proven(self) -> bool:
        """Whether the key signed two checkpoints that cannot both be true."""
        *before, histories = self.steps
        return all(step.result == MATCHES for step in before if step.needed) and histories.result == DIFFERS


def check(evidence: Evidence, log_key: VerifierKey | None = None) -> Judgement:
    """Take the five steps; `log_key` is the reader's own knowledge of the log. Never raises."""
    return Judgement(
        (
            _log_key(evidence, log_key),
            _signature(2, "first signature", evidence.first, evidence.log_key),
            _signature(3, "second signature", evidence.second, evidence.log_key),
            _same_log(evidence),
            _histories(checkpoint_of(evidence.first), checkpoint_of(evidence.second), evidence.path),
        )
    )


def checkpoint_of(note: SignedNote) -> Checkpoint:
    """What a note says: its first three lines. Extension lines, of logs that have them, say nothing here."""
    lines = note.text.removesuffix("\n").split("\n")
    return Checkpoint.parse("\n".join([*lines[:3], ""]))


def path_nodes(old_size: int, size: int) -> list[tuple[Node, ...]]:
    """For each hash of evidence between two sizes, the complete nodes of the larger tree whose fold it is."""
    groups = consistency_nodes(old_size, size)
    if 0 < old_size < size and not old_size & (old_size - 1):
        groups.insert(0, cover(0, old_size))
    return groups


def _log_key(evidence: Evidence, known: VerifierKey | None) -> Step:
    # Step 1.
    name = "log key"
    if known is None:
        detail = "no key was given; compare the one in the file with the log's own"
        return Step(1, name, NOT_CHECKABLE, "", evidence.log_key.id, detail, needed=False)
    result: Result = MATCHES if known == evidence.log_key else SIGNER_NOT_RECOGNISED
    return Step(1, name, result, known.id, evidence.log_key.id, "the key in the file against the one you gave")


def _signature(number: int, name: str, note: SignedNote, key: VerifierKey) -> Step:
    # Steps 2 and 3.
    result: Result = MATCHES
    got = key.id
    try:
        open_note(note.encode(), [key])
    except UnknownSignerError as error:
        result, got = SIGNER_NOT_RECOGNISED, error.got
    except BadSignatureError as error:
        result, got = DIFFERS, error.got
    return Step(number, name, result, key.id, got, f"the log's signature at size {checkpoint_of(note).size}")


def _same_log(evidence: Evidence) -> Step:
    # Step 4.
    origins = [checkpoint_of(note).origin for note in (evidence.first, evidence.second)]
    wrong = [origin for origin in origins if origin != evidence.log_key.name]
    result: Result = DIFFERS if wrong else MATCHES
    got = wrong[0] if wrong else evidence.log_key.name
    return Step(4, "same log", result, evidence.log_key.name, got, f"the notes name {' and '.join(origins)}")


def _histories(first: Checkpoint, second: Checkpoint, path: tuple[bytes, ...]) -> Step:
    # Step 5.
    name = "histories"
    said = first.root.hex()
    if first.size == second.size:
        result: Result = MATCHES if first.root == second.root else DIFFERS
        return Step(5, name, result, said, second.root.hex(), f"the roots that both notes give at size {first.size}")
    detail = f"the root at size {first.size}: as the first note says, and as the tree of size {second.size} has it"
    if not first.size:
        return Step(5, name, MATCHES if first.root == EMPTY_ROOT else DIFFERS, said, EMPTY_ROOT.hex(), detail)
    if not path:
        return Step(5, name, NOT_CHECKABLE, said, "", "the file has no hashes that tie the two sizes")
    try:
        old_root, root = roots_from_consistency(first.size, second.size, path)
    except MalformedError as error:
        return Step(5, name, NOT_CHECKABLE, said, "", f"the hashes fit no tree of these sizes: {error}")
    if root != second.root:
        detail = "the hashes are not those of the second note's tree"
        return Step(5, name, NOT_CHECKABLE, second.root.hex(), root.hex(), detail)
    return Step(5, name, MATCHES if old_root == first.root else DIFFERS, said, old_root.hex(), detail)
