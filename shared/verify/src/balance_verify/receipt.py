"""Promise a sender that what it sent will be sealed by a time, in a form that holds the operator to it.

A receipt on the wire is the RFC 8785 bytes of its fields and `signature` (base64); the gateway signs the RFC 8785
bytes of the fields without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from json.encoder import encode_basestring as _quoted

from ._strict import (
    canonical_object,
    check_constant,
    check_hex,
    check_line,
    check_time,
    decode_base64,
    encode_base64,
    text_of,
)
from .errors import BadSignatureError, MalformedError, UnknownSignerError
from .note import SigningKey, VerifierKey

_VERSION = 1
_KEYS = frozenset(("by", "digest", "id", "key", "origin", "s", "signature", "source", "v"))


@dataclass(frozen=True, slots=True)
class Receipt:
    """`source`'s event `id`, whose sent JCS bytes have SHA-256 `digest`, is sealed in a block with time ≤ `by`.

    `key` is the signing key's `name+hash`; `s` (64 hex digits) is the secret behind the event's `sourcedigest`.
    """

    by: str
    digest: str
    id: str
    key: str
    origin: str
    s: str
    source: str

    def __post_init__(self) -> None:
        check_time(self.by, "receipt.by")
        check_hex(self.digest, "receipt.digest")
        check_hex(self.s, "receipt.s")
        for name in ("id", "key", "origin", "source"):
            check_line(getattr(self, name), f"receipt.{name}")

    def _halves(self) -> tuple[str, str]:
        """Its RFC 8785 text, parted where the signature belongs: names are sorted, and no value needs a check again."""
        return (
            f'{{"by":"{self.by}","digest":"{self.digest}","id":{_quoted(self.id)},"key":{_quoted(self.key)},'
            f'"origin":{_quoted(self.origin)},"s":"{self.s}"',
            f',"source":{_quoted(self.source)},"v":{_VERSION}}}',
        )

    def signed_bytes(self) -> bytes:
        """The RFC 8785 bytes that the gateway signs."""
        return "".join(self._halves()).encode()

    def encode_signed(self, key: SigningKey) -> bytes:
        """The receipt on the wire, signed by `key`, which must be the one it names."""
        if key.vkey.id != self.key:
            raise MalformedError("receipt.key", self.key, f"sign with that key, not {key.vkey.id}")
        head, tail = self._halves()
        return _signed_text(head, key.sign((head + tail).encode()), tail)

    @staticmethod
    def parse_signed(data: bytes) -> SignedReceipt:
        """Read a receipt; only bytes that `encode_signed` could write are accepted. The signature is not judged."""
        members = canonical_object(data, "receipt", _KEYS)
        check_constant(members, "v", "receipt", _VERSION)
        receipt = Receipt(
            **{name: text_of(members, name, "receipt") for name in _KEYS - {"signature", "v"}},
        )
        return SignedReceipt(receipt, decode_base64(text_of(members, "signature", "receipt"), "receipt.signature", 64))


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt with the gateway's signature."""

    receipt: Receipt
    signature: bytes

    def encode(self) -> bytes:
        """The receipt on the wire."""
        head, tail = self.receipt._halves()
        return _signed_text(head, self.signature, tail)

    def verify(self, *keys: VerifierKey) -> Receipt:
        """The receipt, if one of `keys` signed it."""
        for key in keys:
            if key.id == self.receipt.key:
                if not key.verify(self.receipt.signed_bytes(), self.signature):
                    raise BadSignatureError(
                        "receipt signature", f"a signature by {key.id} over this receipt", "one that does not fit"
                    )
                return self.receipt
        raise UnknownSignerError(
            "receipt signature", " or ".join(key.id for key in keys) or "a known key", self.receipt.key
        )


def _signed_text(head: str, signature: bytes, tail: str) -> bytes:
    return f'{head},"signature":"{encode_base64(signature)}"{tail}'.encode()
