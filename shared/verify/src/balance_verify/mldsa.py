"""Cosign with ML-DSA-44 (FIPS 204), beside Ed25519: an archive must outlive elliptic curves (tlog-cosignature, 0x06).

Needs the extra `balance-verify[ml-dsa]`; without it such keys are refused with the remedy, and nothing else changes.
The message names the witness and the log, and does not hold extension lines.
"""

from __future__ import annotations

from dataclasses import dataclass

from ._strict import encode_base64
from .checkpoint import Checkpoint
from .cosignature import MAX_TIME, TIME_SIZE, cosignature_time
from .errors import MalformedError
from .note import NoteSignature, check_name, key_hash, split_key

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
SEED_SIZE = 32

_LABEL = b"subtree/v1\n\0"
_PRIVATE = "PRIVATE+KEY+"


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
class MlDsaCosignerKey:
    """A witness's public key as `name+hash+key`, type 0x06."""

    name: str
    key_hash: bytes
    public: bytes

    def __post_init__(self) -> None:
        _need()
        check_name(self.name)
        if len(self.public) != PUBLIC_SIZE:
            raise MalformedError("key", f"{len(self.public)} bytes", f"give {PUBLIC_SIZE} bytes")
        if self.key_hash != key_hash(self.name, SUBTREE_V1, self.public):
            raise MalformedError("key hash", self.key_hash.hex(), "it does not fit this name and key")

    @classmethod
    def parse(cls, text: str) -> MlDsaCosignerKey:
        """Read one vkey line; a newline at its end is allowed, as files have one."""
        return cls(*split_key(text.removesuffix("\n"), "witness vkey", SUBTREE_V1, PUBLIC_SIZE))

    def __str__(self) -> str:
        return f"{self.id}+{encode_base64(SUBTREE_V1 + self.public)}"

    @property
    def id(self) -> str:
        """`name+hash`: how a key is named."""
        return f"{self.name}+{self.key_hash.hex()}"

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
        if len(seed) != SEED_SIZE:
            raise MalformedError("seed", f"{len(seed)} bytes", f"give {SEED_SIZE} bytes")
        check_name(name)
        self._key = MLDSA44PrivateKey.from_seed_bytes(seed)
        self._seed = seed
        public = self._key.public_key().public_bytes_raw()
        self.vkey = MlDsaCosignerKey(name, key_hash(name, SUBTREE_V1, public), public)

    @classmethod
    def parse(cls, text: str) -> MlDsaCosigningKey:
        """Read one private key line."""
        if not text.startswith(_PRIVATE):
            raise MalformedError("private key", f"does not start with {_PRIVATE}", "give the witness's .skey file")
        line = text.removeprefix(_PRIVATE).removesuffix("\n")
        name, named, seed = split_key(line, "witness private key", SUBTREE_V1, SEED_SIZE)
        key = cls(name, seed)
        if key.vkey.key_hash != named:
            raise MalformedError("private key hash", named.hex(), "it does not fit this name and key")
        return key

    def encode(self) -> str:
        """The private key line; a secret."""
        return f"{_PRIVATE}{self.vkey.id}+{encode_base64(SUBTREE_V1 + self._seed)}"

    def __repr__(self) -> str:
        return f"MlDsaCosigningKey({self.vkey.id})"

    def cosign(self, text: str, time: int) -> NoteSignature:
        """The signature line of this witness for a checkpoint, made at `time` (seconds since the Epoch)."""
        if not 0 < time <= MAX_TIME:
            raise MalformedError("cosignature time", str(time), "give seconds since the Epoch, above 0")
        signature = self._key.sign(signed_message(self.vkey.name, text, time))
        return NoteSignature(self.vkey.name, self.vkey.key_hash, time.to_bytes(TIME_SIZE, "big") + signature)
