"""A record of `litigation.raw`: the value as the source sent it, byte for byte, and headers that say who vouches.

Headers: `source` (URI, UTF-8); `authenticator`, 64 bytes where the source signed the value itself (Ed25519), 32 bytes
where the gateway or the ledger vouches (BLAKE2b-256 keyed with gateway.mac over the length-prefixed source and the
value); `traceparent`, optional.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final, NamedTuple

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open
from nacl.exceptions import CryptoError

HEADER_SOURCE: Final = "source"
HEADER_AUTHENTICATOR: Final = "authenticator"
HEADER_TRACEPARENT: Final = "traceparent"
LEDGER: Final = "ledger"
"""What the `source` header of a tick says."""
TICK_VALUE: Final = b'{"type":"ledger.tick"}'
SIGNATURE_BYTES: Final = 64
MAC_BYTES: Final = 32


class RawHeaders(NamedTuple):
    """The headers that count, each at most once; a second one of a name is not looked at."""

    source: bytes | None
    authenticator: bytes | None
    traceparent: bytes | None


def read_headers(headers: Iterable[tuple[str, bytes]]) -> RawHeaders:
    """Pick the headers that count."""
    source = authenticator = traceparent = None
    for name, value in headers:
        if name == HEADER_SOURCE:
            source = value if source is None else source
        elif name == HEADER_AUTHENTICATOR:
            authenticator = value if authenticator is None else authenticator
        elif name == HEADER_TRACEPARENT:
            traceparent = value if traceparent is None else traceparent
    return RawHeaders(source, authenticator, traceparent)


def make_headers(source: str, authenticator: bytes, traceparent: str | None = None) -> list[tuple[str, bytes]]:
    """The headers of a raw record."""
    headers = [(HEADER_SOURCE, source.encode()), (HEADER_AUTHENTICATOR, authenticator)]
    if traceparent is not None:
        headers.append((HEADER_TRACEPARENT, traceparent.encode()))
    return headers


def sign_raw(value: bytes, seed: bytes, public: bytes) -> bytes:
    """A Kafka source's signature over the value: Ed25519, 64 bytes."""
    return crypto_sign(value, seed + public)[:crypto_sign_BYTES]


def verify_raw(value: bytes, signature: bytes, public: bytes) -> bool:
    """Whether the source with this public key signed the value."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + value, public)
    except (CryptoError, ValueError):
        return False
    return True


def mac_raw(source: str, value: bytes, mac_key: bytes) -> bytes:
    """What the gateway and the ledger put beside the value: keyed BLAKE2b-256, 32 bytes."""
    uri = source.encode()
    return hashlib.blake2b(len(uri).to_bytes(4, "big") + uri + value, digest_size=MAC_BYTES, key=mac_key).digest()


def verify_mac(source: str, value: bytes, authenticator: bytes, mac_key: bytes) -> bool:
    """Whether the gateway, or the ledger itself, put this record on the topic."""
    return hmac.compare_digest(authenticator, mac_raw(source, value, mac_key))
