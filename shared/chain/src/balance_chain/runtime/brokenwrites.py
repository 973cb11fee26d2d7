"""A write to a connection that broke a moment ago is a lost connection, for uvloop as it is for asyncio.

aiokafka 0.14 expects an OSError there; uvloop raises RuntimeError ("the handler is closed"). Left alone it ends
aiokafka's own task that keeps the metadata fresh, and every consumer and producer of that client then waits for ever.
Importing this module mends it; `runtime.kafka` does, and all that talks to Kafka imports that.
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send = AIOKafkaConnection.send


def send(self: Any, request: Any, expect_response: bool = True) -> Any:
    """As aiokafka's own, but every way in which the transport is gone is a KafkaConnectionError."""
    try:
        return _send(self, request, expect_response)
    except RuntimeError as error:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"the connection broke: {error}") from error


AIOKafkaConnection.send = send
