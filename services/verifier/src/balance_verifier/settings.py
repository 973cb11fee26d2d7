"""The verifier's settings: what every service has, and what is its own."""

from __future__ import annotations

from pathlib import Path

from balance_chain.runtime.settings import CommonSettings
from pydantic import Field


class WorkerSettings(CommonSettings):
    """Settings of `balance-verifier worker`."""

    health_port: int = Field(default=8087, description="TCP port of /livez, /readyz and /metrics.")
    verifier_schema: str = Field(default="verifier", description="PostgreSQL schema of the projection.")
    verifier_batch_events: int = Field(default=4000, ge=1, description="Most event records a transaction takes.")
    verifier_batch_blocks: int = Field(default=200, ge=1, description="Most block records a transaction takes.")
    verifier_ahead_events: int = Field(
        default=100_000, ge=1, description="Most events of a shard held in memory ahead of its last block."
    )
    verifier_poll_seconds: float = Field(
        default=0.5, gt=0, description="Longest wait for new records before looking at the other topic, in seconds."
    )
    verifier_gather_ms: int = Field(
        default=250, ge=0, description="Blocks that were read to their end are read again so long after."
    )
    verifier_behind_records: int = Field(
        default=100_000, ge=0, description="Event records of a shard not yet taken above which it is not ready."
    )
    verifier_retry_seconds: float = Field(
        default=5.0, gt=0, description="Wait before a shard that cannot go on is tried again, in seconds."
    )
    witness_policy: Path | None = Field(
        default=None, description="File with the witnesses whose cosignatures are known (C2SP tlog-policy)."
    )
    timestamp_authority: str | None = Field(
        default=None, description="Address of an RFC 3161 authority that stamps checkpoints; without one none is."
    )
    timestamp_certificates: Path | None = Field(
        default=None,
        description="PEM file with the authority's certificates; an answer that does not fit is not kept.",
    )
    timestamp_seconds: float = Field(
        default=3600.0,
        ge=0,
        description="Least time between two timestamps, in seconds; none without a checkpoint.",
    )
    timestamp_look_seconds: float = Field(
        default=10.0, gt=0, description="Time between two looks whether a timestamp is due, in seconds."
    )
    timestamp_timeout_seconds: float = Field(
        default=30.0, gt=0, description="Longest wait for the authority's answer, in seconds."
    )
    timestamp_proxy: str | None = Field(default=None, description="HTTP proxy through which the authority is asked.")
    verifier_evidence: Path | None = Field(
        default=None, description="Folder for files of evidence of two histories; the API serves them in any case."
    )


class ApiSettings(CommonSettings):
    """Settings of `balance-verifier api`."""

    verifier_schema: str = Field(default="verifier", description="PostgreSQL schema of the projection.")
    verifier_api_port: int = Field(default=8082, description="TCP port that the API listens on.")
    verifier_page_size: int = Field(default=100, ge=1, le=1000, description="Rows of a page of a list, at most.")
    witness_policy: Path | None = Field(
        default=None, description="File with the witnesses whose cosignatures are known (C2SP tlog-policy)."
    )
