"""The faults, each a coroutine that does harm for a while and says what it did; and the dealer that gives each round
its share of them, so that in a long run every fault and every kill point has its turn.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest
from balance_chain.core.topics import BLOCKS, CHECKPOINTS, EVENTS, RAW
from balance_chain.runtime.topics import create_topics
from balance_local.children import Child, Folder, Process, script_argv
from balance_local.stack import environment
from chaos.world import SERVICES, World
from support.waiting import wait_until

SECONDS = 20.0
SHORTEST_FREEZE, LONGEST_FREEZE = 2.0, 8.0
HOUR = 3600.0
REFUSAL_SECONDS = 12.0
GROUPED = ("normaliser", "sealer", "judge-audit")

POINTS: tuple[tuple[str, str], ...] = (
    ("gateway", "gateway.after_reservation"),
    ("gateway", "gateway.after_raw"),
    ("normaliser", "normaliser.after_dedup"),
    ("normaliser", "normaliser.before_append"),
    ("normaliser", "tailwriter.between_batches"),
    ("normaliser", "normaliser.after_append"),
    ("sealer", "sealer.before_append"),
    ("sealer", "sealer.after_append"),
    ("notary", "notary.after_guard"),
    ("notary", "notary.after_publish"),
    ("verifier", "verifier.before_commit"),
    ("verifier", "verifier.after_commit"),
    ("judge-audit", "audit-before-commit"),
    ("judge-audit", "audit-after-commit"),
    ("judge-audit", "audit-after-numbering"),
    ("judge-audit", "audit-after-answer"),
)
"""Service and named point; each is hit under a plain load."""

Fault = Callable[[World, random.Random], Awaitable[str]]


async def kill(world: World, rng: random.Random) -> str:
    name = rng.choice(SERVICES)
    world.signal(name, signal.SIGKILL)
    return f"SIGKILL {name}"


async def terminate(world: World, rng: random.Random) -> str:
    name = rng.choice(SERVICES)
    world.signal(name, signal.SIGTERM)
    return f"SIGTERM {name}"


async def kill_two(world: World, rng: random.Random) -> str:
    names = rng.sample(SERVICES, 2)
    for name in names:
        world.signal(name, signal.SIGKILL)
    return f"SIGKILL {' and '.join(names)} at once"


async def freeze(world: World, rng: random.Random) -> str:
    """Long enough, at times, to lose its shards to nobody and find them again."""
    name, seconds = rng.choice((*SERVICES, "kafka")), rng.uniform(SHORTEST_FREEZE, LONGEST_FREEZE)
    pid = world.pid(name)
    world.frozen.add(pid)
    world.signal(name, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    world.signal(name, signal.SIGCONT)
    world.frozen.discard(pid)
    return f"SIGSTOP {name} for {seconds:.1f} s"


async def kill_broker(world: World, rng: random.Random) -> str:
    world.signal("kafka", signal.SIGKILL)
    return "SIGKILL broker"


async def kill_database(world: World, rng: random.Random) -> str:
    world.signal("postgres", signal.SIGKILL)
    return "SIGKILL PostgreSQL"


async def kill_broker_and_service(world: World, rng: random.Random) -> str:
    name = rng.choice(("normaliser", "sealer", "notary"))
    world.signal("kafka", signal.SIGKILL)
    world.signal(name, signal.SIGKILL)
    return f"SIGKILL broker and {name} at once"


async def second_copy(world: World, rng: random.Random) -> str:
    """Shards move to it under load, and back when it is killed."""
    name = rng.choice(SERVICES)
    child = world.copy(name)
    await asyncio.sleep(rng.uniform(6.0, 9.0))
    how = rng.choice((signal.SIGKILL, signal.SIGTERM))
    child.signal(how)
    return f"second {name} beside the first, then {how.name}"


async def zombie(world: World, rng: random.Random) -> str:
    """A second copy is frozen just before it writes, loses its shard, and goes on."""
    name = rng.choice(("normaliser", "sealer"))
    marker = world.folder / f"zombie-{rng.getrandbits(32):08x}"
    child = world.copy(
        name,
        BALANCE_KILL_POINT=f"{name}.before_append:{rng.randint(1, 3)}",
        BALANCE_KILL_SIGNAL="SIGSTOP",
        BALANCE_KILL_MARKER=str(marker),
    )
    frozen = psutil.Process(child.pid)
    try:
        await wait_until(lambda: frozen.status() == psutil.STATUS_STOPPED, SECONDS, "frozen before it writes")
    except AssertionError:
        return f"zombie {name}: was given nothing to write"
    await asyncio.sleep(rng.uniform(6.0, 8.0))
    child.signal(signal.SIGCONT)
    await asyncio.sleep(1.0)
    return f"zombie {name}: frozen before a write, went on after its shard had moved"


async def clock_step(world: World, rng: random.Random) -> str:
    """The sealer's clock goes forward only in the last round, by `clock_ahead`: block times never go back."""
    script, offset = rng.choice(
        (
            ("balance-intake-gateway", HOUR),
            ("balance-intake-normaliser", rng.choice((-HOUR, HOUR))),
            ("balance-sealer-sealer", -HOUR),
            ("balance-sealer-notary", rng.choice((-HOUR, HOUR))),
            ("balance-verifier-worker", rng.choice((-HOUR, HOUR))),
            ("balance-judge-audit-worker", rng.choice((-HOUR, HOUR))),
        )
    )
    world.load.clock_rounds.add(world.load.round)
    world.clock(script, offset)
    await asyncio.sleep(rng.uniform(2.0, 5.0))
    world.clock(script, 0)
    return f"clock of {script} stepped by {offset / HOUR:+.0f} h and back"


async def clock_ahead(world: World, rng: random.Random) -> str:
    world.clocks_were_ahead = True
    world.clock("balance-sealer-sealer", HOUR)
    await asyncio.sleep(rng.uniform(2.0, 4.0))
    world.clock("balance-sealer-sealer", 0)
    return "clock of balance-sealer-sealer stepped by +1 h and back"


async def lose_offsets(world: World, rng: random.Random) -> str:
    """Every consumer group is deleted while its only member is away."""
    for name in GROUPED:
        world.signal(name, signal.SIGTERM)
    admin = AIOKafkaAdminClient(bootstrap_servers=world.servers.bootstrap, request_timeout_ms=int(SECONDS * 1000))
    await admin.start()
    deleted: set[str] = set()
    try:

        async def gone() -> bool:
            for group, _ in await admin.list_consumer_groups():
                answer = await admin._send_request_to_node(
                    await admin.find_coordinator(group), DeleteGroupsRequest([group])
                )
                deleted.update(name for name, code in answer.results if code == 0)
            return len(deleted) >= len(GROUPED)

        await wait_until(gone, 8.0, "groups are deleted")
    except AssertionError:
        return f"consumer groups deleted: {len(deleted)} (the others had members again)"
    finally:
        await admin.close()
    return f"consumer groups deleted: {len(deleted)}"


async def slow_kafka(world: World, rng: random.Random) -> str:
    world.servers.kafka.delay_seconds = delay = rng.uniform(0.05, 0.4)
    await asyncio.sleep(rng.uniform(3.0, 6.0))
    world.servers.kafka.delay_seconds = 0.0
    return f"Kafka slower by {delay * 1000:.0f} ms each way"


async def slow_database(world: World, rng: random.Random) -> str:
    world.servers.postgres.delay_seconds = delay = rng.uniform(0.05, 0.4)
    await asyncio.sleep(rng.uniform(3.0, 6.0))
    world.servers.postgres.delay_seconds = 0.0
    return f"PostgreSQL slower by {delay * 1000:.0f} ms each way"


async def reset_kafka(world: World, rng: random.Random) -> str:
    total = 0
    for _ in range(rng.randint(2, 5)):
        total += world.servers.kafka.reset()
        await asyncio.sleep(rng.uniform(0.2, 1.5))
    return f"{total} connections to Kafka reset"


async def reset_database(world: World, rng: random.Random) -> str:
    total = 0
    for _ in range(rng.randint(2, 5)):
        total += world.servers.postgres.reset()
        await asyncio.sleep(rng.uniform(0.2, 1.5))
    return f"{total} connections to PostgreSQL reset"


async def reset_gateway(world: World, rng: random.Random) -> str:
    total = 0
    for _ in range(rng.randint(4, 10)):
        total += world.gateway.reset()
        await asyncio.sleep(rng.uniform(0.05, 0.5))
    return f"{total} connections to the gateway reset"


async def repeat(world: World, rng: random.Random) -> str:
    """What is said to Kafka and to the gateway is said again, late and on another connection."""
    before = world.servers.kafka.repeats + world.gateway.repeats
    world.servers.kafka.repeat = world.gateway.repeat = True
    await asyncio.sleep(1.0)
    world.servers.kafka.reset()
    await asyncio.sleep(rng.uniform(3.0, 5.0))
    world.servers.kafka.repeat = world.gateway.repeat = False
    world.servers.kafka.reset()
    world.gateway.reset()
    await asyncio.sleep(1.0)
    return f"{world.servers.kafka.repeats + world.gateway.repeats - before} connections to Kafka and gateway repeated"


async def refuse(world: World, rng: random.Random) -> str:
    """A network that is away: both servers, or one of them."""
    names = rng.choice((("Kafka",), ("PostgreSQL",), ("Kafka", "PostgreSQL")))
    proxies = [{"Kafka": world.servers.kafka, "PostgreSQL": world.servers.postgres}[name] for name in names]
    for proxy in proxies:
        proxy.refuse = True
        proxy.reset()
    seconds = rng.uniform(3.0, 8.0)
    await asyncio.sleep(seconds)
    for proxy in proxies:
        proxy.refuse = False
    return f"{' and '.join(names)} away for {seconds:.1f} s"


async def empty_topic(world: World, rng: random.Random) -> str:
    """Normaliser and sealer on topics that are empty by mistake: they say so and write nothing."""
    settings = world.whole.stack.settings.model_copy(update={"topic_prefix": f"empty{rng.getrandbits(32):08x}."})
    await create_topics(settings)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(settings.topic(RAW), b"{}", key=b"x", partition=0)
    finally:
        await producer.stop()
    folder = Folder(world.folder / settings.topic_prefix)
    folder.create()
    commands = [("balance-intake", "normaliser"), ("balance-sealer", "sealer"), ("balance-sealer", "notary")]
    started = [
        Child(Process(role, script_argv(script, role), environment(settings, genesis=0, health_port=0)), folder)
        for script, role in commands
    ]
    words = {"normaliser": "is empty", "sealer": "genesis", "notary": ""}
    try:
        for child in started:
            if words[child.process.name]:
                await wait_until(
                    lambda child=child: words[child.process.name] in child.last_lines(200).lower(),
                    SECONDS,
                    f"{child.process.name} says that it refuses",
                )
        await asyncio.sleep(1.0)
    finally:
        for child in started:
            await asyncio.to_thread(child.stop)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka)
    await consumer.start()
    try:
        places = [TopicPartition(settings.topic(t), p) for t in (EVENTS, BLOCKS) for p in range(settings.partitions)]
        ends = await consumer.end_offsets([*places, TopicPartition(settings.topic(CHECKPOINTS), 0)])
    finally:
        await consumer.stop()
    assert not any(ends.values()), f"a service wrote to a topic that was empty by mistake: {ends}"
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        await admin.delete_topics([settings.topic(t) for t in (RAW, EVENTS, BLOCKS, CHECKPOINTS)])
    finally:
        await admin.close()
    return "started on empty topics by mistake: refused, wrote nothing"


FAULTS: dict[str, Fault] = {
    "kill": kill, "terminate": terminate, "two at once": kill_two, "freeze": freeze, "broker": kill_broker,
    "database": kill_database, "broker and service": kill_broker_and_service, "second copy": second_copy,
    "zombie": zombie, "clock step": clock_step, "offsets deleted": lose_offsets, "slow Kafka": slow_kafka,
    "slow PostgreSQL": slow_database, "reset Kafka": reset_kafka, "reset PostgreSQL": reset_database,
    "reset gateway": reset_gateway, "repeat": repeat, "away": refuse, "empty topic": empty_topic,
}  # fmt: skip
QUICK = ("kill", "terminate", "two at once", "reset Kafka", "reset PostgreSQL", "reset gateway", "repeat")
"""Those that are over within seconds, for the short run."""
LAST = "clock ahead"


@dataclass(frozen=True)
class Plan:
    """What a round does: the same for the same seed and number."""

    number: int
    service: str
    point: str
    nth: int
    faults: tuple[str, ...]


def deal(seed: int, rounds: int, names: tuple[str, ...] = tuple(FAULTS), each: int = 2) -> list[Plan]:
    """One kill point and some faults a round; each comes once before any comes again."""
    rng = random.Random(f"deal {seed}")
    points: list[tuple[str, str]] = []
    faults: list[str] = []
    plans: list[Plan] = []
    for number in range(1, rounds + 1):
        if not points:
            points = rng.sample(POINTS, len(POINTS))
        service, point = points.pop()
        chosen: list[str] = []
        while len(chosen) < each:
            if not faults:
                faults = rng.sample(names, len(names))
            chosen.append(faults.pop())
        plans.append(Plan(number, service, point, rng.randint(1, 3), tuple(chosen)))
    return plans
