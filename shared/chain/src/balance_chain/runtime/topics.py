"""Creates the topics and says how they differ from what core/topics.py asks for."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from balance_chain.core.errors import BalanceError
from balance_chain.core.topics import SPECS
from balance_chain.runtime.kafka import KafkaUnavailable, in_time
from balance_chain.runtime.settings import CommonSettings


class TopicError(BalanceError):
    """A topic could not be made."""


async def create_topics(settings: CommonSettings) -> list[str]:
    """Makes the topics that are not there yet; gives their names. Existing ones are left alone (see topic_problems)."""
    limit = settings.kafka_timeout_seconds
    admin = await _admin(settings)
    try:
        there = set(await in_time(admin.list_topics(), limit, "list topics"))
        wanted = [
            NewTopic(
                settings.topic(spec.name),
                spec.partitions(settings.partitions),
                settings.replication,
                topic_configs=spec.config(settings.replication),
            )
            for spec in SPECS
            if settings.topic(spec.name) not in there
        ]
        if not wanted:
            return []
        response = await in_time(admin.create_topics(wanted), limit, "create topics")
        created: list[str] = []
        for name, code, *message in response.topic_errors:
            if code == 0:
                created.append(name)
            elif code != TopicAlreadyExistsError.errno:
                raise TopicError(name, f"not made: {for_code(code).__name__} {message}", "see the broker's settings")
        return created
    finally:
        await admin.close()


async def topic_problems(settings: CommonSettings) -> list[str]:
    """What is not as it must be, for /readyz; empty if all is right."""
    limit = settings.kafka_timeout_seconds
    try:
        admin = await _admin(settings)
        try:
            names = [settings.topic(spec.name) for spec in SPECS]
            described = await in_time(admin.describe_topics(names), limit, "describe topics")
            resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
            answers = await in_time(admin.describe_configs(resources), limit, "describe topic settings")
        finally:
            await admin.close()
    except KafkaUnavailable as error:
        return [str(error)]
    layout = {topic["topic"]: topic for topic in described}
    configs = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
    problems: list[str] = []
    for spec in SPECS:
        name = settings.topic(spec.name)
        partitions = layout.get(name, {}).get("partitions", [])
        if not partitions:
            problems.append(f"topic {name} is missing: run balance-chain topics create")
            continue
        wanted = spec.partitions(settings.partitions)
        if len(partitions) != wanted:
            problems.append(f"topic {name} has {len(partitions)} partitions, not {wanted}")
        if any(len(partition["replicas"]) < settings.replication for partition in partitions):
            problems.append(f"topic {name} has fewer than {settings.replication} replicas")
        have = configs.get(name, {})
        problems += [
            f"topic {name}: {key} is {have.get(key)}, not {value}"
            for key, value in spec.config(settings.replication).items()
            if have.get(key) != value
        ]
    return problems


async def _admin(settings: CommonSettings) -> AIOKafkaAdminClient:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.kafka, request_timeout_ms=int(settings.kafka_timeout_seconds * 1000)
    )
    try:
        await in_time(admin.start(), settings.kafka_timeout_seconds, "connect admin")
    except BaseException:
        await admin.close()
        raise
    return admin
