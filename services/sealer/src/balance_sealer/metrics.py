"""Every metric and span name of sealer and notary, with unit and meaning."""

from balance_chain.runtime import telemetry
from prometheus_client import Counter, Gauge, Histogram

TRACER = telemetry.tracer("balance_sealer")
SPAN_SEAL = "seal block"
SPAN_CHECKPOINT = "sign checkpoint"

EVENTS = Counter("balance_sealer_events_total", "Events sealed", ["shard"])
BLOCKS = Counter("balance_sealer_blocks_total", "Blocks appended", ["shard"])
HEIGHT = Gauge("balance_sealer_height", "Height of the shard's last block", ["shard"])
APPEND_SECONDS = Histogram("balance_sealer_append_seconds", "From a block's signature to its acknowledgement")
NOT_COUNTING = Counter("balance_sealer_not_counting_total", "Records of blocks that do not count", ["shard"])

LOG_SIZE = Gauge("balance_notary_log_size_entries", "Entries under the last published checkpoint")
CHECKPOINTS = Counter("balance_notary_checkpoints_total", "Checkpoints published")
CHECKPOINT_SECONDS = Histogram("balance_notary_checkpoint_seconds", "From guard row to acknowledgement")
ACTIVE = Gauge("balance_notary_active", "1 while this process holds the notary's lock")

FINAL_SIZE = Gauge("balance_notary_final_size_entries", "Entries under the last checkpoint that a quorum cosigned")
WITNESS_BEHIND = Gauge("balance_notary_witness_behind_entries", "Entries that a witness has not cosigned", ["witness"])
WITNESS_SECONDS = Histogram("balance_notary_witness_seconds", "Time to ask a witness for a cosignature", ["witness"])
WITNESS_FAILURES = Counter(
    "balance_notary_witness_failures_total", "Requests that a witness did not answer as it should", ["witness"]
)
COSIGNED = Counter("balance_notary_cosigned_records_total", "Checkpoints published again with cosignatures")
