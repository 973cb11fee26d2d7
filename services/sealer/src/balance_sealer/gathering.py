"""Which witnesses to ask for the checkpoint just published, and when what they answered is to be published. Pure.

The rule of counting lets cosignatures join the last checkpoint alone, so the next checkpoint waits while a quorum is
on its way, bounded; it never waits for witnesses that are away, nor once there is a quorum. Sealing goes on meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from balance_verify.checkpoint import Checkpoint
from balance_verify.note import NoteSignature, SignedNote
from balance_verify.policy import NONE, Policy

from balance_sealer.log import State


@dataclass(frozen=True, slots=True)
class Published:
    """A checkpoint that is on the topic: what it states, and the note that the log alone signed."""

    state: State
    note: SignedNote

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.parse(self.note.text)


class Gathering:
    """The cosignatures of the last checkpoint, and what is known of each witness; names are the policy's."""

    def __init__(
        self,
        policy: Policy,
        patience_seconds: float,
        last: Published,
        recorded: Mapping[str, NoteSignature],
        now: float,
    ) -> None:
        """`recorded`: the cosignatures that are on the topic beside `last` already."""
        self._policy = policy
        self._patience = patience_seconds
        self._last = last
        self._since = now
        self._signatures = dict(recorded)
        self._recorded = set(recorded)
        self._away: set[str] = set()
        self._sizes = dict.fromkeys(recorded, last.state.size)
        self.final_size = last.state.size if self.final else 0

    @property
    def last(self) -> Published:
        """The last checkpoint published."""
        return self._last

    @property
    def final(self) -> bool:
        """Whether a quorum has cosigned the last checkpoint."""
        return self._policy.satisfied_by(self._signatures)

    def published(self, new: Published, now: float) -> None:
        """There is a new last checkpoint, which nobody has cosigned yet."""
        self._last, self._since = new, now
        self._signatures.clear()
        self._recorded.clear()
        if self.final:
            self.final_size = new.state.size

    def wants(self, name: str) -> bool:
        """Whether this witness has not cosigned the last checkpoint."""
        return name not in self._signatures

    def cosigned(self, name: str, size: int, signature: NoteSignature) -> None:
        """A verified answer; where it is to an older checkpoint it only shows that the witness is there."""
        self._away.discard(name)
        self._sizes[name] = max(size, self._sizes.get(name, 0))
        if size == self._last.state.size:
            self._signatures[name] = signature

    def failed(self, name: str) -> None:
        """The witness did not answer as it should; it is asked again, but not waited for."""
        self._away.add(name)

    def behind(self, name: str) -> int:
        """Entries of the log that the witness has not cosigned, as far as this notary knows since it started."""
        return self._last.state.size - self._sizes.get(name, 0)

    def expected(self) -> frozenset[str]:
        """The witnesses from which an answer for the last checkpoint is to be expected."""
        return frozenset(
            each.name
            for each in self._policy.witnesses
            if each.url and each.name not in self._away and self.wants(each.name)
        )

    def holds(self, now: float) -> bool:
        """Whether the next checkpoint waits: a quorum is possible, is not there, and patience is not at its end."""
        if self._policy.quorum == NONE or self.final or now - self._since >= self._patience:
            return False
        return self._policy.satisfied_by(self.expected() | self._signatures.keys())

    def record(self, *, closing: bool = False) -> SignedNote | None:
        """The last checkpoint with all its cosignatures, where it is time to publish them; else None.

        It is time when they have become a quorum, when no more is expected, or when the next checkpoint comes
        (`closing`).
        """
        if not self._signatures.keys() - self._recorded:
            return None
        newly_final = self.final and not self._policy.satisfied_by(self._recorded)
        if not (closing or newly_final or not self.expected()):
            return None
        self._recorded = set(self._signatures)
        if self.final:
            self.final_size = self._last.state.size
        names = [each.name for each in self._policy.witnesses if each.name in self._signatures]
        note = self._last.note
        return SignedNote(note.text, (*note.signatures, *(self._signatures[name] for name in names)))
