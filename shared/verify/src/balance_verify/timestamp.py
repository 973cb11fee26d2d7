"""Check an RFC 3161 timestamp over a checkpoint: by an authority's word, the log's root existed no later than then.

What is stamped is the checkpoint's text (origin, size, root), so that cosignatures may be added later. A timestamp
says when, and nothing of a second history: the finality of a proof stays what it was without it.

This is the one step that needs more than PyNaCl: `rfc3161-client`, the extra `balance-verify[timestamp]`. Without it
the step is not checkable.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from .errors import MalformedError
from .verify import DIFFERS, MATCHES, NOT_CHECKABLE, SIGNER_NOT_RECOGNISED, Step

try:
    import rfc3161_client
    from cryptography import x509
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = True

NAME: Final = "timestamp"
NUMBER: Final = 8
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_SHA256: Final = "2.16.840.1.101.3.4.2.1"


def check_timestamp(text: str, token: bytes, authorities: bytes) -> Step:
    """Whether `token` (a DER TimeStampResp) stamps this checkpoint text, by one of the PEM certificates given."""
    stamps = check_imprint(text, token)
    if stamps.result != MATCHES:
        return stamps
    # (3) an authority that the reader trusts signed it
    response = rfc3161_client.decode_timestamp_response(token)
    imprint, digest = response.tst_info.message_imprint, stamps.expected
    time = response.tst_info.gen_time.strftime(_TIME)
    certificates = _certificates(authorities)
    subjects = " or ".join(each.subject.rfc4514_string() for each in certificates)
    try:
        rfc3161_client.VerifierBuilder(roots=certificates).build().verify(response, imprint.message)
    except (rfc3161_client.VerificationError, ValueError) as error:
        return Step(NUMBER, NAME, SIGNER_NOT_RECOGNISED, subjects, f"{error}", f"a token of {time}")
    detail = f"the checkpoint existed no later than {time}, by the word of {subjects}"
    return Step(NUMBER, NAME, MATCHES, digest, digest, detail)


def check_imprint(text: str, token: bytes) -> Step:
    """The first two steps of `check_timestamp`: whether it stamps this text, whoever signed it."""
    digest = sha256(text.encode()).hexdigest()
    if not AVAILABLE:
        detail = "rfc3161-client is not installed: install balance-verify[timestamp]"
        return Step(NUMBER, NAME, NOT_CHECKABLE, digest, "", detail)
    # (1) the token is a granted response over SHA-256
    try:
        imprint = rfc3161_client.decode_timestamp_response(token).tst_info.message_imprint
    except ValueError as error:
        return Step(NUMBER, NAME, DIFFERS, digest, "no timestamp", f"the token is malformed or was refused: {error}")
    # (2) what it stamps is this checkpoint
    got = imprint.message.hex()
    if imprint.hash_algorithm.dotted_string != _SHA256 or got != digest:
        detail = "the token stamps something else than this checkpoint; prove the event under the one that it stamps"
        return Step(NUMBER, NAME, DIFFERS, digest, got, detail)
    return Step(NUMBER, NAME, MATCHES, digest, got, "the token stamps this checkpoint")


@dataclass(frozen=True, slots=True)
class Query:
    """A question to an authority: its DER bytes, and what the answer must repeat."""

    der: bytes
    digest: bytes
    nonce: int | None


def query_for(text: str) -> Query:
    """Ask for a timestamp over a checkpoint's text; needs rfc3161-client."""
    builder = rfc3161_client.TimestampRequestBuilder().data(text.encode())
    made = builder.hash_algorithm(rfc3161_client.HashAlgorithm.SHA256).build()
    return Query(made.as_bytes(), made.message_imprint.message, made.nonce)


def time_of(query: Query, answer: bytes) -> str:
    """The time in an answer that is granted, over what was asked, to this very question; its signer is not judged."""
    try:
        info = rfc3161_client.decode_timestamp_response(answer).tst_info
    except ValueError as error:
        raise MalformedError("timestamp", f"the authority gave none: {error}", "ask its operator") from None
    if info.nonce != query.nonce or info.message_imprint.message != query.digest:
        raise MalformedError("timestamp", "stamps something else than was asked", "ask another authority")
    return str(info.gen_time.strftime(_TIME))


def check_authorities(pem: bytes) -> None:
    """`pem` must be certificates, where they can be read at all."""
    if AVAILABLE:
        _certificates(pem)


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise MalformedError("authority", f"no PEM certificate ({error})", "give the authority's PEM file") from None
