"""The five topics and every setting that matters on them, as data, so that creation and verification agree."""

from dataclasses import dataclass
from typing import Literal

RAW = "litigation.raw"
EVENTS = "litigation.events"
BLOCKS = "ledger.blocks"
CHECKPOINTS = "ledger.checkpoints"
ALERTS = "integrity.alerts"

DAY_MS = 24 * 60 * 60 * 1000
RAW_RETENTION_DAYS = 30
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic: who is its unit of order, how long it keeps what, whose clock stamps it."""

    name: str
    spread: Literal["shards", "single"]
    timestamps: Literal["CreateTime", "LogAppendTime"]
    max_batch_bytes: int
    retention_days: int | None = None

    def partitions(self, shards: int) -> int:
        return shards if self.spread == "shards" else 1

    def config(self, replication: int) -> dict[str, str]:
        """Topic settings as Kafka spells them; `/readyz` compares each with what the broker says."""
        settings = {
            "cleanup.policy": "delete",
            "retention.bytes": "-1",
            "retention.ms": "-1" if self.retention_days is None else str(self.retention_days * DAY_MS),
            "message.timestamp.type": self.timestamps,
            "max.message.bytes": str(self.max_batch_bytes),
            "min.insync.replicas": "2" if replication >= 3 else "1",
            "unclean.leader.election.enable": "false",
        }
        if self.retention_days is not None:
            # A segment leaves as a whole: closed daily, personal data leaves at most a day late.
            settings["segment.ms"] = str(DAY_MS)
        if self.timestamps == "CreateTime":
            # Kafka 4 refuses stamps an hour ahead of its clock: a clock stepped back must not stop the log.
            settings["message.timestamp.after.max.ms"] = str(2**63 - 1)
        return settings


# Raw takes more than a valid event may have, so that what is too large is rejected by us and sealed as that.
# A canonical event carries ciphertext in base64 and so is larger than what was sent.
SPECS: tuple[TopicSpec, ...] = (
    TopicSpec(RAW, "shards", "LogAppendTime", 4 * MEBIBYTE, RAW_RETENTION_DAYS),
    TopicSpec(EVENTS, "shards", "CreateTime", 8 * MEBIBYTE),
    TopicSpec(BLOCKS, "shards", "CreateTime", 8 * MEBIBYTE),
    TopicSpec(CHECKPOINTS, "single", "CreateTime", MEBIBYTE),
    TopicSpec(ALERTS, "shards", "CreateTime", MEBIBYTE),
)
