"""Settings of sealer and notary; the common ones are balance_chain.runtime.settings."""

from pathlib import Path

from balance_chain.runtime.settings import CommonSettings
from pydantic import Field


class SealerSettings(CommonSettings):
    """Environment variables `BALANCE_<NAME>`."""

    genesis: bool = Field(False, description="Let an empty partition of blocks start at the first event.")
    max_events: int = Field(4096, ge=1, le=65536, description="A block closes at so many events.")
    max_bytes: int = Field(
        4 * 1024 * 1024, ge=1, description="A block closes before its events pass so many bytes (one always fits)."
    )
    max_wait_ms: int = Field(
        500,
        ge=0,
        description="A block closes so long after its first event came to raw, and a quarter of it after it was read.",
    )
    ready_behind: int = Field(
        100_000, ge=0, description="Behind its input by more records than this, the process is not ready."
    )


class NotarySettings(CommonSettings):
    """Environment variables `BALANCE_<NAME>`."""

    checkpoint_interval_ms: int = Field(
        500, ge=1, description="Least time between two checkpoints; without new blocks there is none."
    )
    lease_seconds: float = Field(
        15.0, gt=0, description="An active notary that is silent for so long loses its lock to the one standing by."
    )
    ready_behind: int = Field(1_000, ge=0, description="Blocks not yet taken above which the notary is not ready.")
    witness_policy: Path | None = Field(
        None, description="File with the witnesses to ask for cosignatures (C2SP tlog-policy, with their URLs)."
    )
    witness_timeout_seconds: float = Field(
        5.0, gt=0, description="Longest wait for one witness; a checkpoint waits so long for a quorum, at most."
    )
    witness_retry_seconds: float = Field(
        30.0, gt=0, description="Longest pause before a witness that failed is asked again."
    )
    witness_proxy: str | None = Field(None, description="HTTP proxy through which witnesses are asked.")
