"""Canonical bytes: exactly RFC 8785 for what our domain allows (ASCII names, integers within plus or minus 2^53-1).

msgspec with sorted names gives those bytes at C speed; a property test holds it against an RFC 8785 library.
"""

from typing import Any, Final

import msgspec

from balance_chain.core.errors import BalanceError
from balance_chain.core.events import CanonicalEvent

_encoder: Final = msgspec.json.Encoder(order="sorted")
_event_decoder: Final = msgspec.json.Decoder(CanonicalEvent)


class NotCanonical(BalanceError):
    """Bytes that claim to be a canonical event and are not."""


def encode(value: Any) -> bytes:
    """The canonical bytes of a JSON value whose names are ASCII and whose numbers are integers."""
    return _encoder.encode(value)


def encode_event(event: CanonicalEvent) -> bytes:
    """The Kafka value of an event: what is hashed and sealed."""
    return _encoder.encode(event)


def decode_event(value: bytes) -> CanonicalEvent:
    """The event of these bytes. Does not test that the bytes are canonical: `check_event` does."""
    try:
        return _event_decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NotCanonical(
            "event", f"not a canonical event ({error})", "read litigation.events of this product"
        ) from None


def check_event(value: bytes) -> CanonicalEvent:
    """The event of these bytes, which must be exactly the bytes that we would write."""
    event = decode_event(value)
    if encode_event(event) != value:
        raise NotCanonical("event", "its bytes are not canonical", "write events with encode_event alone")
    return event
