"""The tail writer on a real Kafka: it appends only where its tail is, and throws itself away at anything unexpected."""

from __future__ import annotations

import asyncio

import pytest
from balance_chain.core.topics import EVENTS, MEBIBYTE
from balance_chain.runtime.kafka import KafkaUnavailable, PartitionReader, PositionGone
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.tailwriter import OutRecord, TailLost, TailMoved, TailWriter
from support.ledger import read_values
from support.ports import free_ports


def records(*values: str) -> list[OutRecord]:
    return [OutRecord(b"key", value.encode(), (("h", b"x"),), 1_800_000_000_000) for value in values]


def writer(settings: CommonSettings) -> TailWriter:
    return TailWriter(settings, settings.topic(EVENTS), 0)


async def test_an_empty_partition_has_no_last_record(topics: CommonSettings) -> None:
    first = writer(topics)
    assert await first.open() is None
    assert first.next_offset == 0
    await first.close()


async def test_what_was_appended_is_there_in_order_and_opening_gives_the_last(topics: CommonSettings) -> None:
    first = writer(topics)
    await first.open()
    assert await first.append(records("a", "b")) == 0
    assert await first.append(records("c")) == 2
    await first.close()
    second = writer(topics)
    last = await second.open()
    await second.close()
    assert last is not None
    assert (last.offset, last.value, last.key, last.timestamp) == (2, b"c", b"key", 1_800_000_000_000)
    assert tuple(last.headers) == (("h", b"x"),)
    assert await read_values(topics, EVENTS, 0) == [b"a", b"b", b"c"]


async def test_more_than_a_batch_is_split_and_stays_in_order(topics: CommonSettings) -> None:
    values = [f"{number:>40000}" for number in range(100)]
    first = writer(topics)
    await first.open()
    assert await first.append(records(*values)) == 0
    assert first.next_offset == 100
    await first.close()
    assert await read_values(topics, EVENTS, 0) == [value.encode() for value in values]


async def test_a_record_larger_than_a_batch_is_stored_alone(topics: CommonSettings) -> None:
    first = writer(topics)
    await first.open()
    await first.append(records("small", "x" * (3 * MEBIBYTE), "small"))
    await first.close()
    assert [len(value) for value in await read_values(topics, EVENTS, 0)] == [5, 3 * MEBIBYTE, 5]


async def test_a_second_writer_makes_the_first_open_again(topics: CommonSettings) -> None:
    first, second = writer(topics), writer(topics)
    await first.open()
    await second.open()
    await second.append(records("second"))
    with pytest.raises(TailMoved):
        await first.append(records("first"))
    with pytest.raises(TailLost):
        await first.append(records("never"))
    last = await first.open()
    assert last is not None
    assert last.value == b"first"
    assert await first.append(records("again")) == 2
    await first.close()
    await second.close()


async def test_a_record_that_the_topic_refuses_loses_the_writer_and_stores_nothing(topics: CommonSettings) -> None:
    first = writer(topics)
    await first.open()
    with pytest.raises(TailLost):
        await first.append(records("x" * (9 * MEBIBYTE)))
    assert await first.open() is None
    assert await first.append(records("fits")) == 0
    await first.close()


async def test_a_cancelled_append_is_waited_for_and_the_writer_is_not_used_again(topics: CommonSettings) -> None:
    first = writer(topics)
    await first.open()
    append = asyncio.create_task(first.append(records("in hand")))
    await asyncio.sleep(0)
    append.cancel()
    with pytest.raises(asyncio.CancelledError):
        await append
    with pytest.raises(TailLost):
        await first.append(records("never"))
    assert await read_values(topics, EVENTS, 0) == [b"in hand"]
    await first.close()


async def test_without_kafka_opening_fails_within_its_time_limit(topics: CommonSettings) -> None:
    (port,) = free_ports(1)
    away = topics.model_copy(update={"kafka": f"127.0.0.1:{port}", "kafka_timeout_seconds": 1.0})
    with pytest.raises(KafkaUnavailable):
        await writer(away).open()


async def test_a_position_that_the_log_does_not_have_is_an_error_and_never_a_reset(topics: CommonSettings) -> None:
    first = writer(topics)
    await first.open()
    await first.append(records("a"))
    await first.close()
    async with PartitionReader(topics, topics.topic(EVENTS), 0, 5) as reader:
        with pytest.raises(PositionGone):
            await reader.read(10, 5.0)


async def test_reading_an_idle_partition_gives_nothing_after_the_time(topics: CommonSettings) -> None:
    async with PartitionReader(topics, topics.topic(EVENTS), 0) as reader:
        assert await reader.read(10, 0.1) == []
        assert (await reader.begin_offset(), await reader.end_offset()) == (0, 0)
