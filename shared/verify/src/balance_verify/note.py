"""Sign and open notes of C2SP signed-note, the form in which logs and witnesses publish what they vouch for.

The bytes are those of golang.org/x/mod/sumdb/note. Here is one signature type, Ed25519 (0x01); cosignature.py has
those of witnesses. A signature by a key we were not given is ignored, as the specification asks, whatever its type.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import nacl.bindings
import nacl.exceptions

from ._strict import decode_base64, decode_utf8, encode_base64
from .errors import BadSignatureError, MalformedError, UnknownSignerError
from .notekeys import PublicKey, check_name, check_seed, encode_private, parse_private

MAX_SIGNATURES = 100
"""Most signature lines read in one note; the limit of golang.org/x/mod/sumdb/note."""

_ED25519 = b"\x01"
_SIGNATURE_SIZE = 64
_DASH = "— "


class NoteKey(Protocol):
    """A public key of any signature type, as far as opening a note goes."""

    @property
    def name(self) -> str: ...

    @property
    def key_hash(self) -> bytes: ...

    @property
    def id(self) -> str: ...

    def verify(self, message: bytes, signature: bytes) -> bool: ...


@dataclass(frozen=True, slots=True)
class VerifierKey(PublicKey):
    """A public key of a log, a sealer or a gateway: Ed25519."""

    ALGORITHM: ClassVar[bytes] = _ED25519

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` over `message` is by this key (RFC 8032 Ed25519, as libsodium decides edge cases)."""
        if len(signature) != _SIGNATURE_SIZE:
            return False
        try:
            nacl.bindings.crypto_sign_open(signature + message, self.public)
        except nacl.exceptions.BadSignatureError:
            return False
        return True


class SigningKey:
    """A private key as `PRIVATE+KEY+name+hash+seed` (golang.org/x/mod/sumdb/note); never printed by repr."""

    __slots__ = ("_secret", "_seed", "vkey")

    def __init__(self, name: str, seed: bytes) -> None:
        check_seed(name, seed)
        public, self._secret = nacl.bindings.crypto_sign_seed_keypair(seed)
        self._seed = seed
        self.vkey = VerifierKey.of(name, public)

    @classmethod
    def generate(cls, name: str, seed: bytes) -> SigningKey:
        """The key of this name whose 32 random bytes are `seed`."""
        return cls(name, seed)

    @classmethod
    def parse(cls, text: str) -> SigningKey:
        """Read one private key line."""
        return parse_private(text, cls, _ED25519, "private key")

    def encode(self) -> str:
        """The private key line; a secret."""
        return encode_private(self.vkey, self._seed)

    def __repr__(self) -> str:
        return f"SigningKey({self.vkey.id})"

    @property
    def name(self) -> str:
        """The key's name."""
        return self.vkey.name

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature over `message`."""
        return nacl.bindings.crypto_sign(message, self._secret)[:_SIGNATURE_SIZE]


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who (name and key hash) and the signature's bytes."""

    name: str
    key_hash: bytes
    signature: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.key_hash) != 4 or not self.signature:
            raise MalformedError("signature", "too short", "give a key hash of 4 bytes and a signature")

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {encode_base64(self.key_hash + self.signature)}\n"

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """Read one signature line, without its newline."""
        if not line.startswith(_DASH):
            raise MalformedError("signature line", f"{line[:40]!r}", "start it with an em dash and a space")
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        data = decode_base64(encoded, "signature")
        return cls(name, data[:4], data[4:])


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text, ending in a newline, and the signatures on it (C2SP signed-note, "Format")."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith("\n"):
            raise MalformedError("note text", "does not end in a newline", "end it with one")
        if any(c < " " and c != "\n" for c in self.text):
            raise MalformedError("note text", "holds a control character", "use newlines only")
        if not 1 <= len(self.signatures) <= MAX_SIGNATURES:
            raise MalformedError("note", f"{len(self.signatures)} signatures", f"give 1 to {MAX_SIGNATURES}")

    def encode(self) -> bytes:
        """The note's bytes."""
        return (self.text + "\n" + "".join(map(str, self.signatures))).encode()

    @classmethod
    def parse(cls, data: bytes) -> SignedNote:
        """Read a note without judging its signatures."""
        whole = decode_utf8(data, "note")
        text, separator, lines = whole.rpartition("\n\n")
        if not separator or not lines.endswith("\n"):
            raise MalformedError("note", "no signature lines after a blank line", "send the whole note")
        return cls(text + "\n", tuple(map(NoteSignature.parse, lines.removesuffix("\n").split("\n"))))


def sign_note(text: str, *keys: SigningKey) -> SignedNote:
    """`text` signed by each of `keys`."""
    message = text.encode()
    return SignedNote(text, tuple(NoteSignature(k.name, k.vkey.key_hash, k.sign(message)) for k in keys))


def open_note(data: bytes, keys: Iterable[NoteKey]) -> SignedNote:
    """The note with the signatures by `keys` alone, all verified.

    One bad signature by a known key refuses the note; so does the lack of any by a known key. A second line by
    the same key is ignored.
    """
    note = SignedNote.parse(data)
    known = {(key.name, key.key_hash): key for key in keys}
    message = note.text.encode()
    verified: dict[tuple[str, bytes], NoteSignature] = {}
    for signature in note.signatures:
        who = signature.name, signature.key_hash
        key = known.get(who)
        if key is None or who in verified:
            continue
        if not key.verify(message, signature.signature):
            raise BadSignatureError(
                "note signature", f"a signature by {key.id} over this text", "one that does not fit"
            )
        verified[who] = signature
    if not verified:
        raise UnknownSignerError(
            "note signature",
            " or ".join(key.id for key in known.values()) or "a known key",
            ", ".join(f"{s.name}+{s.key_hash.hex()}" for s in note.signatures),
        )
    return SignedNote(note.text, tuple(verified.values()))
