"""Begins a ledger, once: the genesis entry, the guard row and the first checkpoint. Run again, it changes nothing."""

import asyncio

import asyncpg
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.times import format_ms
from balance_chain.core.topics import BLOCKS, CHECKPOINTS
from balance_chain.runtime.db import session
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.topics import TopicError, topic_problems
from balance_verify.entry import Follows, GenesisHeader, sign_genesis

from balance_sealer.errors import NotaryRefusal
from balance_sealer.log import Anchor, genesis_draft
from balance_sealer.notary import Notary
from balance_sealer.repository import Guard, GuardRepository
from balance_sealer.sealer import Clock, system_clock
from balance_sealer.settings import NotarySettings

WAIT_SECONDS = 0.3
TRIES = 100


async def begin_ledger(
    settings: NotarySettings,
    keys: KeyDirectory,
    pool: "asyncpg.Pool[asyncpg.Record]",
    clock: Clock = system_clock,
    follows: Follows | None = None,
) -> bool:
    """True where this call began the ledger, False where it had begun before. `follows`: the log before it."""
    problems = await topic_problems(settings)
    if problems:
        raise TopicError("topics", "; ".join(problems), "run balance-chain topics create")
    async with session(pool, settings.database_timeout_seconds) as connection:
        repository = GuardRepository(connection)
        begun = False
        if await repository.read() is None:
            await _refuse_unless_empty(settings)
            begun = await repository.begin(_first_guard(settings, keys, clock(), follows))
        guard = await repository.read()
        assert guard is not None, "just written, and never deleted"
        for _ in range(TRIES):
            if await _end(settings, CHECKPOINTS, 0) > 0:
                return begun
            if guard.state.size > 1:
                raise NotaryRefusal(
                    "ledger.checkpoints", f"is empty, the guard row has size {guard.state.size}", "restore the topic"
                )
            if await repository.acquire(settings.lease_seconds):
                await Notary(settings, keys, Health()).publish_guarded(guard)
            else:
                # A notary standing by took the lock first; it publishes what the row says.
                await asyncio.sleep(WAIT_SECONDS)
        raise NotaryRefusal("ledger.checkpoints", "still has no first checkpoint", "see the notary that has the lock")


def _first_guard(settings: NotarySettings, keys: KeyDirectory, now_ms: int, follows: Follows | None) -> Guard:
    header = GenesisHeader(
        catalogue=Catalogue.load(data_dir("catalogue")).digest,
        keys=tuple(str(key) for key in (keys.log.vkey, keys.sealer_vkey, keys.gateway_vkey)),
        origin=settings.origin,
        shards=settings.partitions,
        time=format_ms(now_ms),
        follows=follows,
    )
    genesis = sign_genesis(header, keys.log).encode()
    return Guard(
        settings.origin,
        genesis,
        genesis_draft(genesis, settings.partitions).state,
        Anchor.empty(settings.partitions),
    )


async def _refuse_unless_empty(settings: NotarySettings) -> None:
    """A log without its guard row is never begun again: that would be a second history."""
    places = [(CHECKPOINTS, 0), *((BLOCKS, shard) for shard in range(settings.partitions))]
    for topic, partition in places:
        end = await _end(settings, topic, partition)
        if end:
            raise NotaryRefusal(
                f"{topic}/{partition}",
                f"has {end} records, the database no guard row",
                "restore the database from its backup, or begin on empty topics",
            )


async def _end(settings: NotarySettings, topic: str, partition: int) -> int:
    async with PartitionReader(settings, settings.topic(topic), partition) as reader:
        return await reader.end_offset()
