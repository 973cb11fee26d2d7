"""Cosign with ML-DSA-44 (FIPS 204), beside Ed25519: an archive must outlive elliptic curves (tlog-cosignature, 0x06).

Needs the extra `balance-verify[ml-dsa]`; without it such keys are refused with the remedy, and nothing else changes.
The message names the witness and the log, and does not hold extension lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .checkpoint import Checkpoint
from .cosignature import MAX_TIME, TIME_SIZE, cosignature_time
from .errors import MalformedError
from .note import NoteSignature
from .notekeys import PublicKey, check_seed, encode_private, parse_private

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

    AVAILABLE = True
    """Whether ML-DSA-44 is installed here."""
except ImportError:
    AVAILABLE = False

SUBTREE_V1 = b"\x06"
"""Signature type of timestamped ML-DSA-44 cosignatures."""

PUBLIC_SIZE = 1312
SIGNATURE_SIZE = 2420

_LABEL = b"subtree/v1\n\0"


def signed_message(name: str, text: str, time: int) -> bytes:
    """What is signed: the `cosigned_message` of the specification, for the whole tree of a checkpoint."""
    checkpoint = Checkpoint.parse("\n".join([*text.split("\n")[:3], ""]))
    parts = [_LABEL, _opaque(name), time.to_bytes(8, "big"), _opaque(checkpoint.origin), bytes(8)]
    return b"".join([*parts, checkpoint.size.to_bytes(8, "big"), checkpoint.root])


def _opaque(text: str) -> bytes:
    data = text.encode()
    if len(data) > 255:
        raise MalformedError("name", f"{len(data)} bytes", "ML-DSA cosignatures take names of at most 255")
    return bytes([len(data)]) + data


def _need() -> None:
    if not AVAILABLE:
        raise MalformedError("key", "ML-DSA-44 is not installed here", "install balance-verify[ml-dsa]")


@dataclass(frozen=True, slots=True)
class MlDsaCosignerKey(PublicKey):
    """A witness's public key, type 0x06."""

    ALGORITHM: ClassVar[bytes] = SUBTREE_V1
    SIZE: ClassVar[int] = PUBLIC_SIZE
    FIELD: ClassVar[str] = "witness vkey"

    def __post_init__(self) -> None:
        _need()
        PublicKey.__post_init__(self)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature`, time included, is this witness's cosignature of the checkpoint in `message`."""
        if len(signature) != TIME_SIZE + SIGNATURE_SIZE:
            return False
        time = cosignature_time(signature)
        if time > MAX_TIME:
            return False
        try:
            signed = signed_message(self.name, message.decode(), time)
            MLDSA44PublicKey.from_public_bytes(self.public).verify(signature[TIME_SIZE:], signed)
        except (InvalidSignature, UnsupportedAlgorithm, MalformedError, UnicodeDecodeError):
            return False
        return True


class MlDsaCosigningKey:
    """A witness's private key as `PRIVATE+KEY+name+hash+seed`, type 0x06; never printed by repr."""

    __slots__ = ("_key", "_seed", "vkey")

    def __init__(self, name: str, seed: bytes) -> None:
        _need()
        check_seed(name, seed)
        self._key = MLDSA44PrivateKey.from_seed_bytes(seed)
        self._seed = seed
        self.vkey = MlDsaCosignerKey.of(name, self._key.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> MlDsaCosigningKey:
        """Read one private key line."""
        return parse_private(text, cls, SUBTREE_V1, "witness private key")

    def encode(self) -> str:
        """The private key line; a secret."""
        return encode_private(self.vkey, self._seed)

    def __repr__(self) -> str:
        return f"MlDsaCosigningKey({self.vkey.id})"

    def cosign(self, text: str, time: int) -> NoteSignature:
        """The signature line of this witness for a checkpoint, made at `time` (seconds since the Epoch)."""
        if not 0 < time <= MAX_TIME:
            raise MalformedError("cosignature time", str(time), "give seconds since the Epoch, above 0")
        signature = self._key.sign(signed_message(self.vkey.name, text, time))
        return NoteSignature(self.vkey.name, self.vkey.key_hash, time.to_bytes(TIME_SIZE, "big") + signature)
