"""Lets Faust carry whole fetches: what one fetch brought of a shard is one message, whatever number of records it has.

Faust spends more on a message (futures, tasks, an event, an acknowledgement) than our rules on an event, so it is
given as few as there are shards in a fetch. A message's offset is that of its last record; to acknowledge it
acknowledges all. Faust keeps what it is for: membership, hand-over, back-pressure, the lag that the group shows.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import faust
from aiokafka import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

SESSION_SECONDS: Final = 8.0
HEARTBEAT_SECONDS: Final = 2.0
COMMIT_SECONDS: Final = 1.0
MESSAGES_BUFFERED: Final = 8
"""Messages that wait for the agent; each keeps at most two fetches' records in memory."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """All that one fetch brought, by shard: the value of each of its messages."""

    records: Mapping[int, list[ConsumerRecord]]


class FetchConsumer(driver.Consumer):
    """Faust's consumer, with a fetch's records of a partition as one message."""

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[ConsumerRecord]]:
        """Waits a little for more where a fetch is not full: each batch costs a transaction, however small it is."""
        found = dict(await super()._getmany(active_partitions, timeout))
        if found and sum(map(len, found.values())) < self.app.conf.broker_max_poll_records:
            await asyncio.sleep(cast(FetchTransport, self.transport).linger_seconds)
            for tp, records in (await super()._getmany(active_partitions, 0.0)).items():
                found[tp] = [*found.get(tp, ()), *records]
        fetched = Fetched({tp.partition: records for tp, records in found.items()})
        return {tp: [replace(records[-1], value=fetched, headers=())] for tp, records in found.items()}

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets between two messages are no gap: the later message has those records."""

    def _new_offset(self, tp: TP) -> int | None:
        """Where the group stands: after the last message acknowledged, since a partition's come in order."""
        acked: list[int] = self._acked[tp]
        if not acked:
            return None
        last = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return last + 1


class FetchTransport(driver.Transport):
    """Faust's transport to Kafka with that consumer."""

    Consumer = FetchConsumer
    linger_seconds = 0.0
    """How long a fetch that is not full waits for more."""


def application(name: str, kafka: str, most_records: int, linger_seconds: float) -> Any:
    """The Faust application: a group that shares out partitions and carries fetches, at least once."""
    app = faust.App(
        name,
        broker=[f"aiokafka://{server.strip()}" for server in kafka.split(",")],
        store="memory://",
        web_enabled=False,
        autodiscover=False,
        value_serializer="raw",
        key_serializer="raw",
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        broker_commit_interval=COMMIT_SECONDS,
        broker_max_poll_records=most_records,
        stream_buffer_maxsize=MESSAGES_BUFFERED,
    )
    app.transport = FetchTransport(app.conf.broker_consumer, app)
    app.transport.linger_seconds = linger_seconds
    return app
