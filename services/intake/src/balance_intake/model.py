"""How an event is known, and who speaks for it: the words that the pure rules and the SQL share."""

from typing import NamedTuple

import msgspec


class EventKey(NamedTuple):
    """What is unique: an id within its source."""

    source: str
    id: str


class Claim(msgspec.Struct, frozen=True):
    """One raw record that would speak for its event."""

    key: EventKey
    rawpos: int
    caseid: str
    sourcedigest: bytes
    digest: bytes | None
    """SHA-256 of the canonical bytes sent; of Kafka sources alone, whose receipts need it."""


class Holder(msgspec.Struct, frozen=True):
    """The raw record that does speak for it."""

    partition: int
    rawgen: int
    rawpos: int
    sourcedigest: bytes


class Promise(msgspec.Struct, frozen=True):
    """A signed receipt and the time it names, in milliseconds."""

    value: bytes
    due_ms: int
