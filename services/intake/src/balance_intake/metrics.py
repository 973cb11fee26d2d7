"""Every metric of intake, with its unit and what it tells."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

ACCEPTED: Final = Counter("balance_gateway_accepted_total", "Events accepted with a new receipt")
REPEATS: Final = Counter("balance_gateway_repeats_total", "Events sent again and answered with the stored receipt")
CONFLICTS: Final = Counter("balance_gateway_conflicts_total", "Events refused because their id has other content")
REFUSED: Final = Counter("balance_gateway_refused_total", "Events refused before they reached raw", ["reason"])
UNAVAILABLE: Final = Counter("balance_gateway_unavailable_total", "Events that Kafka, PostgreSQL or the bound put off")
IN_FLIGHT: Final = Gauge("balance_gateway_in_flight_events", "Events being accepted now")
COMMIT_SECONDS: Final = Histogram(
    "balance_gateway_commit_seconds", "Reservation, raw and receipt of one commit, seconds", buckets=_SECONDS
)
COMMIT_EVENTS: Final = Histogram(
    "balance_gateway_commit_events", "Events in one commit", buckets=(1, 2, 5, 10, 50, 100, 500, 1000, 2000)
)
RECEIPTS: Final = Counter("balance_receipts_judged_total", "Receipts whose time has passed, by outcome", ["outcome"])
RECEIPTS_DUE: Final = Gauge(
    "balance_receipts_judged_until_seconds", "Every receipt due by then was looked at, seconds since 1970"
)

NORMALISED: Final = Counter("balance_normaliser_events_total", "Raw records that became events", ["shard"])
REJECTED: Final = Counter("balance_normaliser_rejected_total", "Raw records sealed as rejects", ["reason"])
TICKS: Final = Counter("balance_normaliser_ticks_total", "Ticks produced to idle raw partitions", ["shard"])
BATCH_SECONDS: Final = Histogram(
    "balance_normaliser_batch_seconds", "One batch from raw to events, seconds", buckets=_SECONDS
)
