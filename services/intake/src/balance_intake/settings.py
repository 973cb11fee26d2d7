"""Settings of gateway and normaliser, from `BALANCE_*` environment variables."""

from balance_chain.core.jsonguard import DEFAULT_LIMITS, MAX_INTEGER, Limits
from balance_chain.runtime.settings import CommonSettings
from pydantic import Field


class IntakeSettings(CommonSettings):
    """What both processes of intake share."""

    event_bytes: int = Field(DEFAULT_LIMITS.bytes, gt=0, description="Bytes of one event as sent, at most.")
    event_depth: int = Field(
        DEFAULT_LIMITS.depth, ge=4, le=16, description="Objects and arrays within one another in an event, at most."
    )
    event_string_characters: int = Field(
        DEFAULT_LIMITS.string, gt=0, description="Characters of one string or name in an event, at most."
    )
    event_integer: int = Field(
        MAX_INTEGER, gt=0, le=MAX_INTEGER, description="Largest number in an event, positive or negative."
    )
    raw_generation: int = Field(0, ge=0, description="Generation of litigation.raw: 0 at genesis, one more a restore.")

    @property
    def event_limits(self) -> Limits:
        """How much JSON one event may be, the same at both doors."""
        return Limits(self.event_bytes, self.event_depth, self.event_string_characters, self.event_integer)


class GatewaySettings(IntakeSettings):
    """The gateway's own."""

    port: int = Field(8081, ge=0, description="Port of the HTTP interface.")
    batch_events: int = Field(10_000, gt=0, description="Events in one request, at most.")
    batch_bytes: int = Field(16 * 1024 * 1024, gt=0, description="Bytes of one request's body, at most.")
    header_count: int = Field(64, gt=0, description="Headers of one request, at most; above it 431.")
    in_flight_events: int = Field(20_000, gt=0, description="Events being accepted at once; above it 429.")
    commit_events: int = Field(2_000, gt=0, description="Events that share one round trip to PostgreSQL and Kafka.")
    commits_at_once: int = Field(2, gt=0, description="Such round trips in flight at once, of different sources.")
    receipt_seconds: float = Field(60.0, gt=0, description="A receipt promises sealing within so long.")
    receipt_slack_seconds: float = Field(
        30.0, ge=0, description="So long after a receipt's time it is looked at: a block is written after its time."
    )
    receipt_check_seconds: float = Field(5.0, gt=0, description="How often receipts that are due are looked at.")
    receipt_poll_seconds: float = Field(0.5, gt=0, description="Wait for new blocks, and least time between two looks.")
    verifier_url: str = Field("http://127.0.0.1:8082", description="Verifier that links to proofs lead to.")
    retry_after_seconds: int = Field(2, gt=0, description="What Retry-After says when the gateway is full or waiting.")


class NormaliserSettings(IntakeSettings):
    """The normaliser's own."""

    genesis: bool = Field(False, description="An empty litigation.events may start at the beginning of raw.")
    batch_records: int = Field(2_000, gt=0, description="Raw records taken at once.")
    poll_seconds: float = Field(1.0, gt=0, description="Longest wait for raw records before looking at the clock.")
    gather_ms: int = Field(
        50, ge=0, description="Raw that was read to its end is read again so long after, at once only after a silence."
    )
    tick_after_seconds: float = Field(30.0, gt=0, description="A raw partition idle for so long gets a tick.")
    behind_records: int = Field(100_000, gt=0, description="Raw records behind, above which /readyz says not ready.")
