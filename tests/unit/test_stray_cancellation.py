"""What breaks inside the Kafka client is a failure to try again, never the silent end of a worker.

Found by chaos: Kafka cut off and killed, or connections reset, and shards stood still until a restart.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import KafkaUnavailable, in_time
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.shards import ShardRunner
from balance_chain.runtime.tailwriter import OutRecord, TailLost, TailWriter
from balance_intake.rawproducer import RawOut, RawProducer
from balance_verifier.settings import WorkerSettings
from balance_verifier.worker import _Loop
from support.waiting import wait_until


class Batch:
    """Takes everything."""

    def append(self, **_: object) -> object:
        return self


class GivesUp:
    """A producer that cancels what it was given, as aiokafka's does when it ends."""

    client: Any = None

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, *_: object, **__: object) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        return future

    async def stop(self) -> None:
        return


async def cancelled_inside() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def test_an_answer_that_the_client_cancels_is_kafka_unavailable() -> None:
    with pytest.raises(KafkaUnavailable):
        await in_time(cancelled_inside(), 5.0, "read")


async def test_a_task_that_is_asked_to_end_ends() -> None:
    task = asyncio.create_task(in_time(asyncio.Event().wait(), 60.0, "read"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_batch_that_the_client_cancels_loses_the_tail(tmp_path: Path) -> None:
    writer = TailWriter(CommonSettings(keys=tmp_path), "topic", 0)
    writer._producer = GivesUp()  # type: ignore[assignment]
    writer._tail.opened(0)
    writer._discard = _nothing  # type: ignore[method-assign]
    with pytest.raises(TailLost):
        await writer.append([OutRecord(b"k", b"v")])


async def test_a_raw_batch_that_the_client_cancels_is_sent_again_by_the_sender(tmp_path: Path) -> None:
    producer = RawProducer(CommonSettings(keys=tmp_path))
    producer._producer = GivesUp()  # type: ignore[assignment]
    with pytest.raises(KafkaUnavailable):
        await producer.send(0, [RawOut(b"k", b"v", [])])


async def test_a_shard_whose_work_dies_of_a_cancelled_future_is_begun_again(tmp_path: Path) -> None:
    begun = 0

    async def work(_: int) -> None:
        nonlocal begun
        begun += 1
        await cancelled_inside()

    runner = ShardRunner(CommonSettings(keys=tmp_path), "group", "topic", work, Health())
    task = asyncio.create_task(runner._keep(0))
    await wait_until(lambda: begun >= 2 or task.done(), 10, "the shard is begun again")
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


class ClosedTransport:
    """What uvloop says of a connection that was reset a moment ago."""

    def write(self, _: bytes) -> None:
        raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

    def close(self) -> None:
        return


async def test_a_write_to_a_connection_that_has_just_broken_is_a_lost_connection() -> None:
    """Else aiokafka's metadata task dies of it, and the process waits for metadata for ever."""
    connection = AIOKafkaConnection("127.0.0.1", 1)
    connection._writer = ClosedTransport()
    connection._versions = {}
    with pytest.raises(KafkaConnectionError):
        connection.send(ApiVersionRequest())
    assert not connection.connected()


async def _nothing() -> None:
    return


async def test_a_part_of_the_verifier_whose_wait_was_cancelled_is_begun_again() -> None:
    """Found by back-pressure: Kafka away, and the verifier's shards had ended without a word."""
    begun, stop = 0, asyncio.Event()

    async def part() -> None:
        nonlocal begun
        begun += 1
        if begun > 1:
            stop.set()
            return
        await cancelled_inside()

    loop = _Loop(WorkerSettings(verifier_retry_seconds=0.01), None, Health(), stop)  # type: ignore[arg-type]
    await asyncio.wait_for(loop.keep("shard-0", part), 10)
    assert begun == 2
