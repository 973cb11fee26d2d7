"""The two shapes of an event: what a source sends, and the canonical event whose bytes are hashed (formats.md)."""

import re
from typing import Any, Final

import msgspec

from balance_chain.core import times

ID_PATTERN: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
SEQUENCE_PATTERN: Final = re.compile(r"[1-9][0-9]{0,15}")
TRACEPARENT_PATTERN: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
LEDGER_SOURCE_PREFIX: Final = "urn:balance:"
TYPE_REJECTED: Final = "ledger.rejected"
TYPE_TICK: Final = "ledger.tick"


class SourceEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A CloudEvent as its source sent it: checked for shape, not yet normalised."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    sequence: str
    data: dict[str, Any]
    recordedtime: str | None = None
    traceparent: str | None = None


class CanonicalEvent(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """One record of `litigation.events`. Encoded with sorted names its bytes are the RFC 8785 bytes."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    phase: str
    receivedtime: str
    rawgen: int
    rawpos: int
    data: dict[str, Any]
    subject: str | None = None
    precision: str | None = None
    recordedtime: str | None = None
    sequence: str | None = None
    traceparent: str | None = None
    caseid: str | None = None
    courtcode: str | None = None
    actorref: str | None = None
    actorrole: str | None = None
    sourcedigest: str | None = None
    keyid: str | None = None

    @property
    def time_ms(self) -> int:
        """When it happened, in milliseconds since 1970 UTC."""
        return times.parse_ms(self.time)

    @property
    def received_ms(self) -> int:
        """The broker's time of its raw record, in milliseconds since 1970 UTC."""
        return times.parse_ms(self.receivedtime)

    @property
    def recorded_ms(self) -> int:
        """When the source entered it; where it does not say, when it was received."""
        return times.parse_ms(self.recordedtime or self.receivedtime)

    @property
    def is_rejected(self) -> bool:
        """Whether this is the sealed refusal of a raw record."""
        return self.type == TYPE_REJECTED

    @property
    def is_tick(self) -> bool:
        """Whether this only says that time has passed."""
        return self.type == TYPE_TICK


def ledger_source(origin: str) -> str:
    """The source URI of the ledger's own events."""
    return LEDGER_SOURCE_PREFIX + origin


def ledger_id(shard: int, rawgen: int, rawpos: int) -> str:
    """The id of the ledger's event that stands for one raw record."""
    return f"{shard}-{rawgen}-{rawpos}"
