"""The metrics of judge-audit, each with its unit and a sentence."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

EVENTS: Final = Counter("balance_audit_events_total", "Records of litigation.events applied", ["shard"])
UNCOUNTED: Final = Counter(
    "balance_audit_uncounted_total", "Records skipped by the rule of counting: another writer's repeats", ["shard"]
)
UNREADABLE: Final = Counter("balance_audit_unreadable_total", "Records that could not be applied", ["shard"])
REVISIONS: Final = Counter("balance_audit_revisions_total", "Revisions of alerts said", ["rule", "state"])
BATCH_SECONDS: Final = Histogram("balance_audit_batch_seconds", "Time to apply and commit one batch, in seconds")
FENCED: Final = Counter(
    "balance_audit_fenced_total", "Batches given up because another worker had moved the shard's position"
)
GAP_RECORDS: Final = Counter(
    "balance_audit_gap_records_total", "Records read by offset because the stream began after the applied position"
)
OUTBOX: Final = Gauge("balance_audit_outbox_records", "Revisions still to be sent", ["channel"])
REFUSED: Final = Counter("balance_audit_refused_total", "Alerts that the gateway refused for good")
LEDGER_TIME: Final = Gauge("balance_audit_ledger_time_seconds", "Ledger time of a shard, seconds since 1970", ["shard"])
DELIVERIES: Final = Counter(
    "balance_audit_deliveries_total", "Attempts to send an alert out, by how they ended", ["target", "outcome"]
)
SENDING: Final = Gauge("balance_audit_sending_records", "Deliveries that wait, or were given up", ["target", "state"])
