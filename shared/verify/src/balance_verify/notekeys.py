"""Keys in the one text form of C2SP signed-note, whatever they sign with: `name+hash+key`, and the private line.

A type of key says its signature type, the sizes of its parts and its words for errors; reading, checking and writing
are here, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Final, Protocol, Self, TypeVar

from ._strict import decode_base64, encode_base64
from .errors import MalformedError

PRIVATE: Final = "PRIVATE+KEY+"
"""What a private key line begins with."""

SEED_SIZE: Final = 32


def check_name(name: str) -> None:
    """`name` must be what the specification allows as a key's name."""
    if not name or "+" in name or any(c.isspace() or c < " " or "\ud800" <= c <= "\udfff" for c in name):
        raise MalformedError("key name", f"{name!r}", "use text without spaces and plus signs")


def key_hash(name: str, algorithm: bytes, public: bytes) -> bytes:
    """The key ID: SHA-256(name ‖ newline ‖ signature type ‖ public key), its first four bytes."""
    return sha256(name.encode() + b"\n" + algorithm + public).digest()[:4]


def _split(text: str, field: str, algorithm: bytes, size: int) -> tuple[str, bytes, bytes]:
    """name, key hash and key bytes of `name+hash+key`, whose key is of this type and size."""
    name, _, rest = text.partition("+")
    hash_text, _, key_text = rest.partition("+")
    check_name(name)
    if len(hash_text) != 8 or any(c not in "0123456789abcdef" for c in hash_text):
        raise MalformedError(f"{field} hash", f"{hash_text!r}", "give 8 lower-case hex digits")
    key = decode_base64(key_text, field)
    if key[:1] != algorithm or len(key) != 1 + size:
        kind = f"0x{algorithm.hex()}"
        raise MalformedError(field, f"not a key of type {kind}", f"give base64 of {kind} and {size} bytes")
    return name, bytes.fromhex(hash_text), key[1:]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key as `name+hash+key` (C2SP signed-note, "Verifier keys"), the base of each type."""

    ALGORITHM: ClassVar[bytes]
    SIZE: ClassVar[int] = 32
    FIELD: ClassVar[str] = "vkey"

    name: str
    key_hash: bytes
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.public) != self.SIZE:
            raise MalformedError("key", f"{len(self.public)} bytes", f"give {self.SIZE} bytes")
        if self.key_hash != key_hash(self.name, self.ALGORITHM, self.public):
            raise MalformedError("key hash", self.key_hash.hex(), "it does not fit this name and key")

    @classmethod
    def of(cls, name: str, public: bytes) -> Self:
        """The key of this name and these bytes."""
        return cls(name, key_hash(name, cls.ALGORITHM, public), public)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one vkey line; a newline at its end is allowed, as files have one."""
        return cls(*_split(text.removesuffix("\n"), cls.FIELD, cls.ALGORITHM, cls.SIZE))

    def __str__(self) -> str:
        return f"{self.id}+{encode_base64(self.ALGORITHM + self.public)}"

    @property
    def id(self) -> str:
        """`name+hash`: how headers, receipts and policies name a key."""
        return f"{self.name}+{self.key_hash.hex()}"


class HasPublicKey(Protocol):
    """A private key of any type."""

    @property
    def vkey(self) -> PublicKey: ...


K = TypeVar("K", bound=HasPublicKey)


def check_seed(name: str, seed: bytes) -> None:
    """A private key has a name, and of each type a seed of 32 bytes."""
    if len(seed) != SEED_SIZE:
        raise MalformedError("seed", f"{len(seed)} bytes", f"give {SEED_SIZE} bytes")
    check_name(name)


def parse_private(text: str, make: Callable[[str, bytes], K], algorithm: bytes, field: str) -> K:
    """Read one private key line; what `make` gives of name and seed must be the key that the line names."""
    if not text.startswith(PRIVATE):
        raise MalformedError("private key", f"does not start with {PRIVATE}", "give the .skey file")
    name, named, seed = _split(text.removeprefix(PRIVATE).removesuffix("\n"), field, algorithm, SEED_SIZE)
    key = make(name, seed)
    if key.vkey.key_hash != named:
        raise MalformedError("private key hash", named.hex(), "it does not fit this name and key")
    return key


def encode_private(vkey: PublicKey, seed: bytes) -> str:
    """The private key line of the seed behind a public key; a secret."""
    return f"{PRIVATE}{vkey.id}+{encode_base64(vkey.ALGORITHM + seed)}"
