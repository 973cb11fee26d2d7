"""Hold the operator to a receipt: was what the sender sent sealed, unchanged, by the time that the gateway promised?

The steps, beside those of verify.py on the bundle itself:

1. gateway signature: a key of the gateway signed the receipt.
2. receipt's log: the receipt names the log that the given key stands for.
3. event of the receipt: the bundle's event has the receipt's source and id, or is the reject that names them.
4. sealed in time: the block's time is no later than the receipt's `by`.
5. digest sent: SHA-256 of the RFC 8785 bytes of what was sent is the receipt's `digest`.
6. digest sealed: HMAC-SHA-256 of the same bytes under the receipt's `s` is the event's `sourcedigest`.

Steps 5 and 6 need what was sent; nobody else can take them. A reject's digest is under the ledger's own key, so of a
reject step 6 is not checkable. Without a bundle steps 3 and 4 are not yet: where the log has none to give after `by`,
the receipt is what its holder can show.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ._strict import decode_object
from .entry import Entry
from .errors import BadSignatureError, MalformedError, MismatchError, UnknownSignerError
from .jcs import dumps
from .note import VerifierKey
from .proof import ProofBundle
from .receipt import Receipt, SignedReceipt
from .verify import DIFFERS, MATCHES, NOT_CHECKABLE, NOT_YET, SIGNER_NOT_RECOGNISED, Result, Step

REJECTED: Final = "ledger.rejected"
"""The type of the event that stands for what was refused."""


@dataclass(frozen=True, slots=True)
class PromiseReport:
    """What each step found."""

    steps: tuple[Step, ...]

    @property
    def kept(self) -> bool:
        """Whether every needed step matches; whether the bundle itself holds is verify.py's to say."""
        return all(step.result == MATCHES for step in self.steps if step.needed)

    @property
    def broken(self) -> bool:
        """Whether the receipt is genuine and the event was sealed later than promised."""
        return self._all_match(self.steps[:3]) and self.steps[3].result == DIFFERS

    @property
    def altered(self) -> bool:
        """Whether the receipt is genuine, for exactly what was sent, and something else was sealed."""
        return self._all_match((*self.steps[:3], self.steps[4])) and self.steps[5].result == DIFFERS

    @staticmethod
    def _all_match(steps: Sequence[Step]) -> bool:
        return all(step.result == MATCHES for step in steps)


@dataclass(frozen=True, slots=True)
class _Named:
    """What the bundle's event says of itself, as far as a receipt needs it."""

    source: str = ""
    id: str = ""
    reason: str | None = None
    """Why it was rejected, where it was."""
    sourcedigest: str = ""


def gateway_keys(genesis: bytes, log_key: VerifierKey) -> tuple[VerifierKey, ...]:
    """The gateway's keys in the log's genesis entry; raises where `log_key` did not sign that entry."""
    entry = Entry.parse(genesis)
    header = entry.genesis_header()
    entry.verify(log_key)
    if header.origin != log_key.name:
        raise MismatchError("genesis origin", log_key.name, header.origin)
    return tuple(key for key in header.verifier_keys() if key.name == f"{header.origin}/gateway")


def sent_bytes(raw: bytes) -> bytes:
    """What a sender's digests are over: RFC 8785 bytes; the bytes themselves where they are no JSON of our subset."""
    try:
        return dumps(decode_object(raw, "sent"))
    except MalformedError:
        return raw


def verify_promise(
    signed: SignedReceipt,
    gateways: Sequence[VerifierKey],
    *,
    log_key: VerifierKey | None = None,
    bundle: ProofBundle | None = None,
    sent: bytes | None = None,
) -> PromiseReport:
    """Take the six steps; `sent` is what the sender sent. Never raises: what cannot be computed is a result too."""
    receipt = signed.receipt
    event = None if bundle is None else _named(bundle.event)
    return PromiseReport(
        (
            _gateway_signature(signed, gateways),
            _receipts_log(receipt, log_key),
            _event_of_receipt(receipt, event),
            _sealed_in_time(receipt, bundle, event),
            _digest_sent(receipt, sent),
            _digest_sealed(receipt, event, sent),
        )
    )


def _named(event: bytes) -> _Named:
    """Reads an event that may be anything: what it lacks is empty, and differs from every receipt's."""
    try:
        members = decode_object(event, "event")
        if dumps(members) != event:
            return _Named()
    except MalformedError:
        return _Named()
    data = members.get("data")
    if members.get("type") == REJECTED and isinstance(data, dict):
        return _Named(_text(data, "source"), _text(data, "id"), _text(data, "reason"))
    return _Named(_text(members, "source"), _text(members, "id"), None, _text(members, "sourcedigest"))


def _text(members: dict[str, object], key: str) -> str:
    value = members.get(key)
    return value if isinstance(value, str) else ""


def _gateway_signature(signed: SignedReceipt, gateways: Sequence[VerifierKey]) -> Step:
    # Step 1.
    name, got = "gateway signature", signed.receipt.key
    if not gateways:
        detail = f"no key of the gateway was given; the receipt names {got}"
        return Step(1, name, NOT_CHECKABLE, "", got, detail)
    result: Result = MATCHES
    try:
        signed.verify(*gateways)
    except UnknownSignerError:
        result = SIGNER_NOT_RECOGNISED
    except BadSignatureError as error:
        result, got = DIFFERS, error.got
    return Step(1, name, result, " or ".join(key.id for key in gateways), got, "the gateway's signature")


def _receipts_log(receipt: Receipt, log_key: VerifierKey | None) -> Step:
    # Step 2.
    name = "receipt's log"
    if log_key is None:
        return Step(2, name, NOT_CHECKABLE, "", receipt.origin, "no key of the log was given")
    result: Result = MATCHES if receipt.origin == log_key.name else DIFFERS
    return Step(2, name, result, log_key.name, receipt.origin, f"the receipt names {receipt.origin}")


def _event_of_receipt(receipt: Receipt, event: _Named | None) -> Step:
    # Step 3.
    name, expected = "event of the receipt", f"{receipt.source} {receipt.id}"
    if event is None:
        return Step(3, name, NOT_YET, expected, "no proof bundle", "give the event's proof bundle")
    got = f"{event.source} {event.id}"
    result: Result = MATCHES if _same_event(receipt, event) else DIFFERS
    how = "an event" if event.reason is None else f"a reject ({event.reason})"
    return Step(3, name, result, expected, got, f"sealed as {how}: source and id")


def _sealed_in_time(receipt: Receipt, bundle: ProofBundle | None, event: _Named | None) -> Step:
    # Step 4. Both are canonical times, which sort as text.
    name, expected = "sealed in time", f"no later than {receipt.by}"
    if bundle is None or event is None:
        return Step(4, name, NOT_YET, expected, "no proof bundle", "give the event's proof bundle")
    time = bundle.header.time
    if not _same_event(receipt, event):
        return Step(4, name, NOT_CHECKABLE, expected, time, "the bundle is of another event")
    result: Result = MATCHES if time <= receipt.by else DIFFERS
    return Step(4, name, result, expected, time, f"sealed in a block of {time}, promised by {receipt.by}")


def _digest_sent(receipt: Receipt, sent: bytes | None) -> Step:
    # Step 5.
    name = "digest sent"
    if sent is None:
        return Step(5, name, NOT_CHECKABLE, receipt.digest, "", "what was sent was not given", needed=False)
    got = sha256(sent_bytes(sent)).hexdigest()
    result: Result = MATCHES if got == receipt.digest else DIFFERS
    return Step(5, name, result, receipt.digest, got, "SHA-256 of what was sent, as the receipt has it")


def _digest_sealed(receipt: Receipt, event: _Named | None, sent: bytes | None) -> Step:
    # Step 6.
    name = "digest sealed"
    if sent is None:
        return Step(6, name, NOT_CHECKABLE, "", "", "what was sent was not given", needed=False)
    digest = hmac.digest(bytes.fromhex(receipt.s), sent_bytes(sent), "sha256").hex()
    if event is None:
        return Step(6, name, NOT_YET, digest, "no proof bundle", "give the event's proof bundle")
    if not _same_event(receipt, event):
        return Step(6, name, NOT_CHECKABLE, digest, event.sourcedigest, "the bundle is of another event")
    if event.reason is not None:
        detail = "a reject's digest is under the ledger's own key"
        return Step(6, name, NOT_CHECKABLE, "", "", detail, needed=False)
    result: Result = MATCHES if digest == event.sourcedigest else DIFFERS
    detail = "HMAC-SHA-256 of what was sent under the receipt's s, as sealed in the event"
    return Step(6, name, result, digest, event.sourcedigest or "no sourcedigest", detail)


def _same_event(receipt: Receipt, event: _Named) -> bool:
    return (event.source, event.id) == (receipt.source, receipt.id)
