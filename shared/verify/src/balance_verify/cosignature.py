"""Cosign checkpoints as a witness: a timestamped signature that says "the largest tree of this log that I saw".

This is the Ed25519 type of C2SP tlog-cosignature, cosignature/v1 (0x04). Its message is two lines, `cosignature/v1`
and `time N`, and the note's whole text; the signature's bytes are the time, eight of them, and the Ed25519 signature.
The time is an argument: this module knows no clock. Whoever has one may refuse a time in the future.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import nacl.bindings
import nacl.exceptions

from .errors import MalformedError
from .note import NoteSignature
from .notekeys import PublicKey, check_seed, encode_private, parse_private

COSIGNATURE_V1 = b"\x04"
"""Signature type of timestamped Ed25519 cosignatures."""

MAX_TIME = 2**63 - 1
"""Greatest time of a cosignature, in seconds since the Epoch."""

TIME_SIZE = 8
"""Bytes of the time before a signature."""

_SIGNATURE_SIZE = 64


def signed_message(text: bytes, time: int) -> bytes:
    """What is signed: the header line, the line of the time, the note's text."""
    return b"cosignature/v1\ntime %d\n" % time + text


def cosignature_time(signature: bytes) -> int:
    """When a cosignature was made, in seconds since the Epoch; of any type, for all begin with the time."""
    if len(signature) <= TIME_SIZE:
        raise MalformedError("cosignature", f"{len(signature)} bytes", "give a time of 8 bytes and a signature")
    return int.from_bytes(signature[:TIME_SIZE], "big")


@dataclass(frozen=True, slots=True)
class CosignerKey(PublicKey):
    """A witness's public key, type 0x04."""

    ALGORITHM: ClassVar[bytes] = COSIGNATURE_V1
    FIELD: ClassVar[str] = "witness vkey"

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature`, time included, is this witness's cosignature of the note text `message`."""
        if len(signature) != TIME_SIZE + _SIGNATURE_SIZE:
            return False
        time = cosignature_time(signature)
        if time > MAX_TIME:
            return False
        try:
            nacl.bindings.crypto_sign_open(signature[TIME_SIZE:] + signed_message(message, time), self.public)
        except nacl.exceptions.BadSignatureError:
            return False
        return True


class CosigningKey:
    """A witness's private key as `PRIVATE+KEY+name+hash+seed`, type 0x04; never printed by repr.

    Its public key must not be used for anything else: the signed message does not name the witness.
    """

    __slots__ = ("_secret", "_seed", "vkey")

    def __init__(self, name: str, seed: bytes) -> None:
        check_seed(name, seed)
        public, self._secret = nacl.bindings.crypto_sign_seed_keypair(seed)
        self._seed = seed
        self.vkey = CosignerKey.of(name, public)

    @classmethod
    def generate(cls, name: str, seed: bytes) -> CosigningKey:
        """The key of this name whose 32 random bytes are `seed`."""
        return cls(name, seed)

    @classmethod
    def parse(cls, text: str) -> CosigningKey:
        """Read one private key line."""
        return parse_private(text, cls, COSIGNATURE_V1, "witness private key")

    def encode(self) -> str:
        """The private key line; a secret."""
        return encode_private(self.vkey, self._seed)

    def __repr__(self) -> str:
        return f"CosigningKey({self.vkey.id})"

    def cosign(self, text: str, time: int) -> NoteSignature:
        """The signature line of this witness for a note text, made at `time` (seconds since the Epoch)."""
        if not 0 < time <= MAX_TIME:
            raise MalformedError("cosignature time", str(time), "give seconds since the Epoch, above 0")
        message = signed_message(text.encode(), time)
        signature = nacl.bindings.crypto_sign(message, self._secret)[:_SIGNATURE_SIZE]
        return NoteSignature(self.vkey.name, self.vkey.key_hash, time.to_bytes(TIME_SIZE, "big") + signature)
