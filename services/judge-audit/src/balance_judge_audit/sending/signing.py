"""Signatures of webhooks as Standard Webhooks has them: over id, timestamp and body, so that neither can be swapped.

`v1` is HMAC-SHA-256 with a shared secret (`whsec_` and base64), `v1a` Ed25519 with a key of which the receiver knows
only the public half (`whsk_` and `whpk_`).
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from balance_judge_audit.errors import SendingWrong

SECRET: Final = "whsec_"  # noqa: S105 (a prefix)
PRIVATE: Final = "whsk_"
PUBLIC: Final = "whpk_"
SEED_BYTES: Final = 32
SECRET_BYTES: Final = range(24, 65)

Signer = Callable[[bytes], str]
"""Signs the bytes of id, timestamp and body; gives the value of `webhook-signature`."""


def signed_content(delivery: str, timestamp: int, body: bytes) -> bytes:
    """What is signed."""
    return b"%s.%d.%s" % (delivery.encode(), timestamp, body)


def headers(signer: Signer, delivery: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of one attempt. The id is that of the delivery: the same at each attempt."""
    signature = signer(signed_content(delivery, timestamp, body))
    return {"webhook-id": delivery, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def read_signer(path: Path, where: str) -> Signer:
    """The secret in a file."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SendingWrong(f"{where}/secret_file", f"cannot be read: {error.strerror}", "make it readable") from None
    return signer(text, where)


def signer(text: str, where: str) -> Signer:
    """A signer by the text of its secret."""
    for prefix, make in ((SECRET, _shared), (PRIVATE, _own)):
        if text.startswith(prefix):
            try:
                return make(base64.b64decode(text.removeprefix(prefix), validate=True))
            except (binascii.Error, ValueError) as error:
                raise SendingWrong(
                    f"{where}/secret_file", f"holds no secret: {error}", "see docs/sending-out.md"
                ) from None
    raise SendingWrong(f"{where}/secret_file", f"begins with neither {SECRET} nor {PRIVATE}", "make one anew")


def public_half(private: str) -> str:
    """What the receiver is given of an Ed25519 key."""
    key = SigningKey(base64.b64decode(private.removeprefix(PRIVATE))[:SEED_BYTES])
    return PUBLIC + base64.b64encode(bytes(key.verify_key)).decode()


def _shared(secret: bytes) -> Signer:
    if len(secret) not in SECRET_BYTES:
        raise ValueError(f"{len(secret)} bytes; 24 to 64 are needed")
    return lambda content: "v1," + base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()


def _own(seed: bytes) -> Signer:
    if len(seed) not in (SEED_BYTES, 2 * SEED_BYTES):
        raise ValueError(f"{len(seed)} bytes; the 32 of an Ed25519 seed are needed")
    key = SigningKey(seed[:SEED_BYTES])
    return lambda content: "v1a," + base64.b64encode(key.sign(content).signature).decode()
