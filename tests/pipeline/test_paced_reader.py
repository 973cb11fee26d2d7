"""A reader with a pace rests at the end of what there is, never in a backlog, and gives every record once, in order."""

from __future__ import annotations

from balance_chain.core.topics import EVENTS
from balance_chain.runtime.kafka import PartitionReader, TopicReader
from balance_chain.runtime.settings import CommonSettings
from support.ledger import put_events

LONG, SHORT = 3600.0, 0.05
"""A pace that no test outlives, and one that every test does."""


async def test_a_backlog_is_read_without_a_rest(topics: CommonSettings) -> None:
    await put_events(topics, 0, 50)
    async with PartitionReader(topics, topics.topic(EVENTS), 0, 0, LONG) as reader:
        offsets = [record.offset for _ in range(5) for record in await reader.read(10, 10.0)]
    assert offsets == list(range(50))


async def test_at_the_end_it_asks_again_only_after_its_pace(topics: CommonSettings) -> None:
    await put_events(topics, 0, 10)
    async with PartitionReader(topics, topics.topic(EVENTS), 0, 0, LONG) as reader:
        assert len(await reader.read(100, 10.0)) == 10
        await put_events(topics, 0, 10, start=10)
        assert await reader.read(100, 0.5) == []


async def test_after_the_rest_nothing_is_missing_and_nothing_comes_twice(topics: CommonSettings) -> None:
    async with PartitionReader(topics, topics.topic(EVENTS), 0, 0, SHORT) as reader:
        offsets: list[int] = []
        for start in range(0, 60, 10):
            await put_events(topics, 0, 10, start=start)
            while len(offsets) < start + 10:
                offsets += [record.offset for record in await reader.read(7, 10.0)]
    assert offsets == list(range(60))


async def test_a_partition_that_is_held_stays_held_through_a_rest(topics: CommonSettings) -> None:
    async with TopicReader(topics, topics.topic(EVENTS), {0: 0, 1: 0}, SHORT) as reader:
        await put_events(topics, 0, 1)
        await put_events(topics, 1, 1)
        seen: dict[int, int] = {}
        while len(seen) < 2:
            seen |= {shard: len(records) for shard, records in (await reader.read_all(10, 10.0)).items()}
        reader.hold(0, True)
        await put_events(topics, 0, 1, start=1)
        await put_events(topics, 1, 1, start=1)
        assert set(await reader.read_all(10, 10.0)) == {1}
        assert set(await reader.read_all(10, 0.5)) == set()
        reader.hold(0, False)
        assert set(await reader.read_all(10, 10.0)) == {0}
