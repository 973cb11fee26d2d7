"""Several histories of one log, all signed by its key: what a log that lies would show."""

from __future__ import annotations

from balance_verify.checkpoint import Checkpoint
from balance_verify.merkle import consistency_path, leaf_hash, tree_root
from balance_verify.note import SignedNote, SigningKey, sign_note
from balance_verify.witness import AddCheckpoint

COMMON = 5
"""Entries that all histories share."""


class Histories:
    """The checkpoints of a log, in as many histories as one likes; they are numbered."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key

    def leaves(self, history: int, size: int) -> list[bytes]:
        return [leaf_hash(b"%d" % n if n < COMMON else b"%d %d" % (history, n)) for n in range(size)]

    def checkpoint(self, history: int, size: int) -> Checkpoint:
        return Checkpoint(self.key.name, size, tree_root(self.leaves(history, size)))

    def note(self, history: int, size: int) -> SignedNote:
        return sign_note(self.checkpoint(history, size).text(), self.key)

    def proof(self, history: int, old: int, size: int) -> tuple[bytes, ...]:
        return tuple(consistency_path(self.leaves(history, size), old)) if 0 < old < size else ()

    def request(self, history: int, old: int, size: int) -> bytes:
        return AddCheckpoint(old, self.proof(history, old, size), self.note(history, size)).encode()
