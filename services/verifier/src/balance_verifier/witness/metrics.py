"""The witness's metrics, with unit and meaning, in one place."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

REQUESTS = Counter("balance_witness_requests_total", "Requests of add-checkpoint, by the status answered.", ["status"])
SIZE = Gauge("balance_witness_size", "Entries under the latest checkpoint cosigned.", ["origin"])
TWO_HISTORIES = Gauge("balance_witness_two_histories", "1 once a log has shown two histories.", ["origin"])
UNPROVEN = Counter(
    "balance_witness_not_consistent_unproven_total", "Checkpoints refused as not consistent, without evidence in them."
)
MIRROR_DIFFERS = Counter("balance_witness_mirror_differs_total", "Checkpoints whose root differs from the recomputed.")
