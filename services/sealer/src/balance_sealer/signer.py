"""Signs for the log: with every private key here that may sign at the size, so that in an overlap both keys sign.

The files are read again at each change of keys: `balance-chain keys` puts the next key beside the present one and moves
the files while the notary runs.
"""

from balance_chain.core.keys import KeyDirectory
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry, sign_generation
from balance_verify.final import sign_final
from balance_verify.generation import GenerationHeader
from balance_verify.keyset import KeyHistory, KeySet, sign_keys
from balance_verify.note import SignedNote, SigningKey, VerifierKey, sign_note

from balance_sealer.errors import NotaryRefusal


class LogSigner:
    """The log's private keys as the notary has them, and the key history that says when each may sign."""

    history: KeyHistory

    def __init__(self, keys: KeyDirectory) -> None:
        self._directory = keys
        self.anchor = keys.log_vkey
        """The key that has signed the genesis entry."""
        self._keys = keys.log_keys()

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.anchor.name

    def refresh(self) -> None:
        """Reads the key files again."""
        self._keys = KeyDirectory.load(self._directory.path).log_keys()

    def owned(self) -> frozenset[str]:
        """Ids of the keys whose private keys are here."""
        return frozenset(key.vkey.id for key in self._keys)

    def log_keys(self) -> tuple[VerifierKey, ...]:
        """Every key that the log has had."""
        return tuple(key.vkey for key in self.history.last.keys if key.vkey.name == self.origin)

    def checkpoint(self, checkpoint: Checkpoint) -> SignedNote:
        """The note of a checkpoint of this log."""
        return sign_note(checkpoint.text(), *self._able(self.history.last.log_keys(checkpoint.size)))

    def generation(self, header: GenerationHeader) -> Entry:
        """The entry that begins a generation, by a key that may sign the checkpoint over it."""
        return sign_generation(header, self._able(self.history.last.log_keys(header.size + 1))[0])

    def keys(self, keys: KeySet) -> SignedNote:
        """The note of the last key set: by the keys that held before it, and by those that it adds."""
        before = self.history.sets[-2] if self.history.last == keys else self.history.last
        return sign_keys(keys, *self._able((*before.open_log_keys(), *keys.open_log_keys())))

    def final(self, checkpoint: Checkpoint) -> SignedNote:
        """The statement that the log ends with this checkpoint."""
        return sign_final(checkpoint, *self._able(self.history.last.open_log_keys()))

    def _able(self, may: tuple[VerifierKey, ...]) -> list[SigningKey]:
        able = [key for key in self._keys if key.vkey in may]
        if not able:
            due = " or ".join(key.id for key in may)
            raise NotaryRefusal("log.skey", f"is not the private key of {due}", "use a key that `keys list` shows")
        return able
