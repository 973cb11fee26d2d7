"""Decide as a witness what to answer to `add-checkpoint`: the protocol of C2SP tlog-witness, without network or store.

A request goes through two steps, each of which may refuse it with the status of the specification. `open_request`
reads it and checks the log's signature; what it returns was really said by the log, whatever comes of it.
`judge` compares it with the latest checkpoint that this witness cosigned. Only what `judge` accepts may be cosigned,
and only after the latest was swapped for it, from exactly the one that `judge` was given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ._strict import decode_base64, decode_decimal, decode_utf8, encode_base64
from .checkpoint import Checkpoint
from .errors import MalformedError, SignatureError, VerifyError
from .merkle import EMPTY_ROOT, verify_consistency
from .note import NoteKey, NoteSignature, SignedNote, open_note

MAX_PROOF: Final = 63
"""Most hashes of a consistency proof that a request may carry."""

MAX_REQUEST_BYTES: Final = 1_000_000
"""Largest request read: 63 hashes, and a note with all the signatures that a note may have."""

SIZE_TYPE: Final = "text/x.tlog.size"
"""Content type of the answer that tells the latest size."""

BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
UNKNOWN_LOG: Final = 404
CONFLICT: Final = 409
NOT_CONSISTENT: Final = 422


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """The body of a request: the size that the client thinks the witness has, a proof from there, the checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    note: SignedNote

    def encode(self) -> bytes:
        """The request's bytes."""
        lines = [f"old {self.old_size}", *map(encode_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.note.encode()

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """Read a request's bytes."""
        if len(body) > MAX_REQUEST_BYTES:
            raise MalformedError("request", f"{len(body)} bytes", f"give at most {MAX_REQUEST_BYTES}")
        head, separator, note = body.partition(b"\n\n")
        old, *proof = decode_utf8(head, "request").split("\n")
        if not separator or not old.startswith("old "):
            raise MalformedError(
                "request", "not an add-checkpoint", "send: old SIZE, proof lines, a blank line, a note"
            )
        if len(proof) > MAX_PROOF:
            raise MalformedError("proof", f"{len(proof)} lines", f"give at most {MAX_PROOF}")
        return cls(
            decode_decimal(old.removeprefix("old "), "old size"),
            tuple(decode_base64(line, "proof", 32) for line in proof),
            SignedNote.parse(note),
        )


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest checkpoint of a log that this witness cosigned; size 0 before the first."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint that the log has signed, and the proof that came with it."""

    checkpoint: Checkpoint
    note: SignedNote
    """With the log's own verified signatures alone."""
    old_size: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer other than 200: its status, why, and the latest size where that is the answer."""

    status: int
    reason: str
    size: int | None = None

    @property
    def body(self) -> bytes:
        """The answer's bytes."""
        return (f"{self.size}\n" if self.size is not None else f"{self.reason}\n").encode()

    @property
    def content_type(self) -> str:
        """The answer's type: the specification asks for one of its own with the size."""
        return SIZE_TYPE if self.size is not None else "text/plain; charset=utf-8"


def open_request(body: bytes, logs: Mapping[str, Sequence[NoteKey]]) -> Opened | Refused:
    """Read a request for one of the logs, each with the keys trusted for its origin."""
    # (1) it follows the format
    try:
        request = AddCheckpoint.parse(body)
        checkpoint = _checkpoint(request.note.text)
    except MalformedError as error:
        return Refused(BAD_REQUEST, str(error))
    # (2) the log is known
    keys = logs.get(checkpoint.origin)
    if keys is None:
        return Refused(UNKNOWN_LOG, "this log is not known here")
    # (3) a trusted key has signed, and none that is trusted is misused
    try:
        note = open_note(request.note.encode(), keys)
    except SignatureError as error:
        return Refused(FORBIDDEN, str(error))
    # (4) the old size is not above the new
    if request.old_size > checkpoint.size:
        return Refused(BAD_REQUEST, f"old size {request.old_size} is above the checkpoint's {checkpoint.size}")
    return Opened(checkpoint, note, request.old_size, request.proof)


def judge(opened: Opened, latest: Latest) -> Refused | None:
    """Why the checkpoint must not be cosigned over `latest`, or None where it must be."""
    checkpoint = opened.checkpoint
    # (5) the client knows what this witness has
    if opened.old_size != latest.size:
        return Refused(CONFLICT, f"old size {opened.old_size}, the latest here is {latest.size}", latest.size)
    # (6) an empty tree has the empty root, an equal size an equal root, and anything larger is proven to grow from it
    try:
        verify_consistency(latest.size, latest.root, checkpoint.size, checkpoint.root, opened.proof)
    except VerifyError as error:
        return Refused(NOT_CONSISTENT, str(error))
    return None


def read_answer(body: bytes) -> tuple[NoteSignature, ...]:
    """The signature lines of an answer with status 200, not yet verified."""
    text = decode_utf8(body, "answer")
    if not text.endswith("\n"):
        raise MalformedError("answer", "does not end in a newline", "send signature lines")
    return tuple(map(NoteSignature.parse, text.removesuffix("\n").split("\n")))


def read_size(body: bytes) -> int:
    """The size of an answer with status 409."""
    return decode_decimal(decode_utf8(body, "answer").removesuffix("\n"), "latest size")


def _checkpoint(text: str) -> Checkpoint:
    """The first three lines of a note's text; extension lines, of logs that have them, are signed unread."""
    lines = text.removesuffix("\n").split("\n")
    if not all(lines):
        raise MalformedError("checkpoint", "has an empty line", "give origin, size, root, and extension lines if any")
    return Checkpoint.parse("\n".join([*lines[:3], ""]))
