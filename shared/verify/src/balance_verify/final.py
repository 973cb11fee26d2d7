"""State that a log has ended: its last checkpoint is final for ever, and nothing is sealed after it.

The statement is a signed note of the log's key with the text

    balance-chain final
    <origin>
    <size>
    <base64 root>

A larger checkpoint of the same log contradicts it: whoever holds both can show it to anybody.
"""

from __future__ import annotations

from typing import Final

from .checkpoint import Checkpoint
from .entry import Follows
from .errors import MalformedError, MismatchError
from .note import SignedNote, SigningKey, VerifierKey, open_note, sign_note

TITLE: Final = "balance-chain final\n"


def sign_final(checkpoint: Checkpoint, *log_keys: SigningKey) -> SignedNote:
    """The statement that the log ends with this checkpoint."""
    return sign_note(TITLE + checkpoint.text(), *log_keys)


def open_final(note: bytes, *log_keys: VerifierKey) -> Checkpoint:
    """The last checkpoint of the log, from a statement that one of the log's keys has signed."""
    text = open_note(note, log_keys).text
    if not text.startswith(TITLE):
        raise MalformedError("final", "is no statement that a log has ended", f"begin with the line {TITLE.strip()}")
    checkpoint = Checkpoint.parse(text.removeprefix(TITLE))
    if checkpoint.origin != log_keys[0].name:
        raise MismatchError("final, origin", log_keys[0].name, checkpoint.origin)
    return checkpoint


def follows(last: Checkpoint) -> Follows:
    """How the next log's genesis entry names the log that ended so."""
    return Follows(last.origin, last.root.hex(), last.size)
