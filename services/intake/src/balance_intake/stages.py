"""What a raw record is on its way through the normaliser: a draft, a reject or a tick, then one record of events."""

import msgspec
from balance_chain.core.privacy import RegistryRef
from balance_chain.core.rejects import Reason

from balance_intake.checks import Checked
from balance_intake.model import EventKey


class RawRecord(msgspec.Struct, frozen=True):
    """One record of `litigation.raw` as the broker has it."""

    partition: int
    offset: int
    received_ms: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Draft(msgspec.Struct, frozen=True):
    """A valid event, before the batch's questions to PostgreSQL are answered."""

    record: RawRecord
    checked: Checked
    people: tuple[RegistryRef, ...]

    @property
    def caseid(self) -> str:
        """Whose key protects it."""
        return self.checked.case.caseid

    @property
    def key(self) -> EventKey:
        """What must be unique."""
        return EventKey(self.checked.event.source, self.checked.event.id)


class Reject(msgspec.Struct, frozen=True):
    """A refused record: what may be told of it."""

    record: RawRecord
    reason: Reason
    digest: str
    field: str | None = None
    partition: int | None = None
    source: str | None = None
    id: str | None = None
    sequence: str | None = None


class Tick(msgspec.Struct, frozen=True):
    """Time passed on an idle partition."""

    record: RawRecord


class Written(msgspec.Struct, frozen=True):
    """One record for `litigation.events`."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int
