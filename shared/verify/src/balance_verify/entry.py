"""Write and read log entries: a block, genesis or generation header, with the signature over its exact bytes.

An entry's bytes are a leaf of the global log. The header travels as a string of its exact bytes, so that what
was signed is never rebuilt from parsed values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from ._strict import (
    canonical_object,
    check_constant,
    check_hex,
    check_line,
    check_range,
    check_time,
    decode_base64,
    decode_object,
    decode_utf8,
    encode_base64,
    exact_keys,
    integer_of,
    text_of,
    texts_of,
)
from .errors import BadSignatureError, MalformedError, UnknownSignerError
from .generation import PREFIX as GENERATION_PREFIX
from .generation import GenerationHeader
from .jcs import dumps
from .note import SigningKey, VerifierKey

ZERO_PREV = "0" * 64
"""`prev` of a shard's block at height 0."""

_HASH = "sha-256"
_VERSION = 1
_BLOCK_KEYS = frozenset(
    ("count", "from", "gen", "hash", "height", "origin", "prev", "root", "shard", "start", "time", "v")
)
_GENESIS_KEYS = frozenset(("catalogue", "genesis", "hash", "keys", "origin", "shards", "time", "v"))
_SUCCESSOR_KEYS = _GENESIS_KEYS | {"follows"}
_SUCCESSOR_VERSION = 2
_FOLLOWS_KEYS = frozenset(("origin", "root", "size"))
_ENTRY_KEYS = frozenset(("header", "key", "signature"))


def entry_hash(entry: bytes) -> str:
    """SHA-256 of an entry's bytes in hex: the `prev` of the shard's next block."""
    return sha256(entry).hexdigest()


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What a sealer signs of one block: `count` records of a shard from offset `from_` on, under `root`."""

    count: int
    from_: int
    gen: int
    height: int
    origin: str
    prev: str
    root: str
    shard: int
    start: int
    time: str

    def __post_init__(self) -> None:
        check_range(self.count, "header.count", 1)
        for name in ("from_", "gen", "height", "shard", "start"):
            check_range(getattr(self, name), f"header.{name.rstrip('_')}", 0)
        check_line(self.origin, "header.origin")
        check_hex(self.prev, "header.prev")
        check_hex(self.root, "header.root")
        check_time(self.time, "header.time")
        if (self.height == 0) != (self.prev == ZERO_PREV):
            raise MalformedError("header.prev", "does not fit the height", "64 zeros at height 0 and only there")

    def encode(self) -> bytes:
        """The header's RFC 8785 bytes: what is signed."""
        return dumps(
            {
                "count": self.count,
                "from": self.from_,
                "gen": self.gen,
                "hash": _HASH,
                "height": self.height,
                "origin": self.origin,
                "prev": self.prev,
                "root": self.root,
                "shard": self.shard,
                "start": self.start,
                "time": self.time,
                "v": _VERSION,
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> BlockHeader:
        """Read a header; only bytes that `encode` would write are accepted."""
        members = canonical_object(data, "header", _BLOCK_KEYS)
        check_constant(members, "hash", "header", _HASH)
        check_constant(members, "v", "header", _VERSION)
        return cls(
            count=integer_of(members, "count", "header"),
            from_=integer_of(members, "from", "header"),
            gen=integer_of(members, "gen", "header"),
            height=integer_of(members, "height", "header"),
            origin=text_of(members, "origin", "header"),
            prev=text_of(members, "prev", "header"),
            root=text_of(members, "root", "header"),
            shard=integer_of(members, "shard", "header"),
            start=integer_of(members, "start", "header"),
            time=text_of(members, "time", "header"),
        )


@dataclass(frozen=True, slots=True)
class Follows:
    """The log that this one goes on from, as it ended for ever: its name, size and root (hex)."""

    origin: str
    root: str
    size: int

    def __post_init__(self) -> None:
        check_line(self.origin, "header.follows.origin")
        check_hex(self.root, "header.follows.root")
        check_range(self.size, "header.follows.size", 1)

    @classmethod
    def parse(cls, value: object) -> Follows:
        """Read the member `follows`."""
        if not isinstance(value, dict):
            raise MalformedError("header.follows", "not an object", "give origin, root and size")
        where = "header.follows"
        members = exact_keys(value, where, _FOLLOWS_KEYS)
        origin, root = text_of(members, "origin", where), text_of(members, "root", where)
        return cls(origin, root, integer_of(members, "size", where))


@dataclass(frozen=True, slots=True)
class GenesisHeader:
    """What the notary signs first: the log's name, its shards, catalogue digest (hex) and the keys it begins with.

    A log that follows another names it: that header is version 2.
    """

    catalogue: str
    keys: tuple[str, ...]
    origin: str
    shards: int
    time: str
    follows: Follows | None = None

    def __post_init__(self) -> None:
        if self.follows is not None and self.follows.origin == self.origin:
            raise MalformedError("header.follows.origin", "is this log's own", "a new log has a new origin")
        check_hex(self.catalogue, "header.catalogue")
        check_line(self.origin, "header.origin")
        check_range(self.shards, "header.shards", 1)
        check_time(self.time, "header.time")
        self.verifier_keys()

    def verifier_keys(self) -> tuple[VerifierKey, ...]:
        """`keys`, read."""
        keys = tuple(map(VerifierKey.parse, self.keys))
        if not keys or len({key.id for key in keys}) != len(keys) or any(map(_ends_line, self.keys)):
            raise MalformedError("header.keys", "none, or one twice, or with a newline", "list each vkey once")
        return keys

    def encode(self) -> bytes:
        """The header's RFC 8785 bytes: what is signed."""
        members: dict[str, object] = {
            "catalogue": self.catalogue,
            "genesis": True,
            "hash": _HASH,
            "keys": list(self.keys),
            "origin": self.origin,
            "shards": self.shards,
            "time": self.time,
            "v": _VERSION,
        }
        if self.follows is not None:
            before = self.follows
            members["follows"] = {"origin": before.origin, "root": before.root, "size": before.size}
            members["v"] = _SUCCESSOR_VERSION
        return dumps(members)

    @classmethod
    def parse(cls, data: bytes) -> GenesisHeader:
        """Read a genesis header; only bytes that `encode` would write are accepted."""
        successor = "follows" in decode_object(data, "header")
        members = canonical_object(data, "header", _SUCCESSOR_KEYS if successor else _GENESIS_KEYS)
        check_constant(members, "genesis", "header", True)
        check_constant(members, "hash", "header", _HASH)
        check_constant(members, "v", "header", _SUCCESSOR_VERSION if successor else _VERSION)
        return cls(
            catalogue=text_of(members, "catalogue", "header"),
            keys=texts_of(members, "keys", "header"),
            origin=text_of(members, "origin", "header"),
            shards=integer_of(members, "shards", "header"),
            time=text_of(members, "time", "header"),
            follows=Follows.parse(members["follows"]) if successor else None,
        )


def _ends_line(text: str) -> bool:
    return text.endswith("\n")


def _parse_header(data: bytes) -> BlockHeader | GenesisHeader | GenerationHeader:
    if data.startswith(GENERATION_PREFIX):
        return GenerationHeader.parse(data)
    return (GenesisHeader if data.startswith(b'{"catalogue":') else BlockHeader).parse(data)


@dataclass(frozen=True, slots=True)
class Entry:
    """A header's exact bytes, the `name+hash` of the key that signed them, and the signature."""

    header_bytes: bytes
    key: str
    signature: bytes
    header: BlockHeader | GenesisHeader | GenerationHeader = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "header", _parse_header(self.header_bytes))
        check_line(self.key, "entry.key")
        if len(self.signature) != 64:
            raise MalformedError("entry.signature", f"{len(self.signature)} bytes", "give 64 bytes")

    def encode(self) -> bytes:
        """The entry's RFC 8785 bytes: a leaf of the log."""
        header = decode_utf8(self.header_bytes, "header")
        return dumps({"header": header, "key": self.key, "signature": encode_base64(self.signature)})

    @classmethod
    def parse(cls, data: bytes) -> Entry:
        """Read an entry; only bytes that `encode` would write are accepted."""
        members = canonical_object(data, "entry", _ENTRY_KEYS)
        return cls(
            text_of(members, "header", "entry").encode(),
            text_of(members, "key", "entry"),
            decode_base64(text_of(members, "signature", "entry"), "entry.signature", 64),
        )

    def block_header(self) -> BlockHeader:
        """The header, which must be a block's."""
        if not isinstance(self.header, BlockHeader):
            kind = "genesis" if isinstance(self.header, GenesisHeader) else "generation"
            raise MalformedError("entry", f"is the {kind} entry", "give a block's entry")
        return self.header

    def genesis_header(self) -> GenesisHeader:
        """The header, which must be the genesis one."""
        if not isinstance(self.header, GenesisHeader):
            kind = "block's" if isinstance(self.header, BlockHeader) else "generation"
            raise MalformedError("entry", f"is a {kind} entry", "give the genesis entry")
        return self.header

    def generation_header(self) -> GenerationHeader:
        """The header, which must be one that begins a generation."""
        if not isinstance(self.header, GenerationHeader):
            raise MalformedError("entry", "begins no generation", "give a generation entry")
        return self.header

    def verify(self, *keys: VerifierKey) -> VerifierKey:
        """The one of `keys` that signed this entry; raises where none did."""
        for key in keys:
            if key.id == self.key:
                if not key.verify(self.header_bytes, self.signature):
                    raise BadSignatureError(
                        "entry signature", f"a signature by {key.id} over this header", "one that does not fit"
                    )
                return key
        raise UnknownSignerError("entry signature", " or ".join(key.id for key in keys) or "a known key", self.key)


def _sign(header: bytes, key: SigningKey) -> Entry:
    return Entry(header, key.vkey.id, key.sign(header))


def sign_block(header: BlockHeader, key: SigningKey) -> Entry:
    """The entry of a block, signed by the sealer."""
    return _sign(header.encode(), key)


def sign_genesis(header: GenesisHeader, key: SigningKey) -> Entry:
    """The first entry of a log, signed by the notary."""
    return _sign(header.encode(), key)


def sign_generation(header: GenerationHeader, key: SigningKey) -> Entry:
    """The first entry of a log restored into new topics, signed by the notary."""
    return _sign(header.encode(), key)
