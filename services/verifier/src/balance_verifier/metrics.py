"""The verifier's metrics, with unit and meaning, in one place."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("balance_verifier_events_total", "Event records read and hashed.", ["shard"])
BLOCKS = Counter("balance_verifier_blocks_total", "Blocks recomputed from their events and found right.", ["shard"])
CHECKPOINTS = Counter("balance_verifier_checkpoints_total", "Checkpoints recomputed and found right.")
FINDINGS = Counter(
    "balance_verifier_findings_total", "Faults found in the log (a restart may count one again).", ["code"]
)
HALTED = Gauge(
    "balance_verifier_shard_halted", "1 while a shard stands before a block that cannot be recomputed.", ["part"]
)
COVERED = Gauge("balance_verifier_log_size", "Entries under the last checkpoint that was recomputed.")
UNPUBLISHED = Gauge("balance_verifier_alerts_unpublished", "Findings not yet written to integrity.alerts.")
BATCH_SECONDS = Histogram(
    "balance_verifier_batch_seconds", "Time to check a batch of a shard and commit it, in seconds.", ["shard"]
)
MOVED = Counter("balance_verifier_position_moved_total", "Batches given up because another copy had committed.")
TIMESTAMPS = Counter("balance_verifier_timestamps_total", "Timestamps over checkpoints that the authority gave.")
TIMESTAMP_FAILURES = Counter(
    "balance_verifier_timestamp_failures_total", "Times that the timestamp authority did not give what was asked."
)
TIMESTAMPED_SIZE = Gauge("balance_verifier_timestamped_size", "Entries under the last checkpoint that was stamped.")
