"""The members of a group share the shards out: one task each, tried again when it fails, ended when taken away."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from balance_chain.core.topics import EVENTS
from balance_chain.runtime.health import Health
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.shards import ShardRunner
from support.waiting import wait_until


class Member:
    """A process of a group whose work only notes that it goes on."""

    def __init__(self, settings: CommonSettings) -> None:
        self.working: set[int] = set()
        self.failures = 0
        self.fail: set[int] = set()
        self.health = Health()
        self.stop = asyncio.Event()
        self.runner = ShardRunner(settings, "test-group", settings.topic(EVENTS), self.work, self.health)
        self.running = asyncio.create_task(self.runner.run(self.stop))

    async def work(self, shard: int) -> None:
        if shard in self.fail:
            self.failures += 1
            raise RuntimeError("broken on purpose")
        self.working.add(shard)
        try:
            self.runner.report(shard, 0)
            await asyncio.Event().wait()
        finally:
            self.working.discard(shard)

    async def leave(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.running, 20)
        assert self.working == set()


async def test_shards_are_shared_out_and_taken_over(topics: CommonSettings) -> None:
    first = Member(topics)
    await wait_until(lambda: first.working == {0, 1}, 30, "one member has all")
    second = Member(topics)
    await wait_until(lambda: len(first.working) == len(second.working) == 1, 30, "two members have one each")
    assert first.working | second.working == {0, 1}
    await first.leave()
    await wait_until(lambda: second.working == {0, 1}, 30, "the member left has all")
    await second.leave()


async def test_a_failing_shard_is_shown_and_tried_again_while_the_others_go_on(topics: CommonSettings) -> None:
    member = Member(topics)
    member.fail = {1}
    await wait_until(lambda: member.failures >= 2 and member.working == {0}, 30, "tried again")
    assert await member.health.ready_problems() == ["shard 1: RuntimeError: broken on purpose"]
    member.fail = set()
    await wait_until(lambda: member.working == {0, 1}, 30, "works again")
    assert await member.health.ready_problems() == []
    await member.leave()


async def test_reported_positions_show_as_the_lag_of_the_group(topics: CommonSettings) -> None:
    member = Member(topics)
    await wait_until(lambda: member.working == {0, 1}, 30, "one member has all")
    member.runner.report(1, 0)
    await member.leave()
    group = f"{topics.topic_prefix}test-group"
    consumer = AIOKafkaConsumer(bootstrap_servers=topics.kafka, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        assert await consumer.committed(TopicPartition(topics.topic(EVENTS), 1)) == 0
    finally:
        await consumer.stop()
