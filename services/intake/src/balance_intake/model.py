"""How an event is known, and who speaks for it: the words that the pure rules and the SQL share."""

from dataclasses import dataclass
from typing import NamedTuple


class EventKey(NamedTuple):
    """What is unique: an id within its source."""

    source: str
    id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One raw record that would speak for its event."""

    key: EventKey
    rawpos: int
    caseid: str
    sourcedigest: bytes
    digest: bytes | None
    """SHA-256 of the canonical bytes sent; of Kafka sources alone, whose receipts need it."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The raw record that does speak for it."""

    partition: int
    rawgen: int
    rawpos: int
    sourcedigest: bytes


@dataclass(frozen=True, slots=True)
class Promise:
    """A signed receipt and the time it names, in milliseconds."""

    value: bytes
    due_ms: int
