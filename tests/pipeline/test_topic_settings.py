"""Topics are created with every setting that matters, and whatever differs is named."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from balance_chain.core.topics import RAW, SPECS
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.topics import create_topics, topic_problems
from support.ports import free_ports
from support.waiting import wait_until


async def test_created_topics_have_no_problems_and_creating_again_changes_nothing(topics: CommonSettings) -> None:
    assert await topic_problems(topics) == []
    assert await create_topics(topics) == []


async def test_missing_topics_are_named_with_the_remedy(settings: CommonSettings) -> None:
    problems = await topic_problems(settings)
    assert len(problems) == len(SPECS)
    assert all("balance-chain topics create" in problem for problem in problems)


async def test_a_setting_that_was_changed_is_named_with_both_values(topics: CommonSettings) -> None:
    name = topics.topic(RAW)
    admin = AIOKafkaAdminClient(bootstrap_servers=topics.kafka)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": "compact"})])
    finally:
        await admin.close()
    wanted = f"topic {name}: cleanup.policy is compact, not delete"

    async def named() -> bool:
        return wanted in await topic_problems(topics)

    await wait_until(named, 20, wanted)


async def test_another_number_of_shards_is_named(topics: CommonSettings) -> None:
    problems = await topic_problems(topics.model_copy(update={"partitions": 3}))
    assert any("has 2 partitions, not 3" in problem for problem in problems)


async def test_kafka_away_is_a_problem_and_not_an_exception(settings: CommonSettings) -> None:
    (port,) = free_ports(1)
    away = settings.model_copy(update={"kafka": f"127.0.0.1:{port}", "kafka_timeout_seconds": 1.0})
    assert len(await topic_problems(away)) == 1
