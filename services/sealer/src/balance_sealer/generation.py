"""Begins the next generation of a log whose topics were restored: one signed entry, once everything was looked at.

Promise: nothing is signed that contradicts what was signed before. The restored topics are recomputed whole, the guard
row must say the same, and no witness may know more: what is behind them would begin a second history.
"""

from dataclasses import dataclass, replace

import asyncpg
import httpx
from balance_chain.core.errors import BalanceError
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.times import format_ms
from balance_chain.core.topics import BLOCKS, EVENTS
from balance_chain.runtime.db import session
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import PartitionReader, topic_ends
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.killpoints import hit
from balance_chain.runtime.policyfile import load_policy
from balance_chain.runtime.topics import TopicError, topic_problems
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry
from balance_verify.errors import VerifyError
from balance_verify.generation import GenerationHeader
from balance_verify.keyset import KeyHistory
from balance_verify.note import open_note
from balance_verify.topicvalues import BlockRecord

from balance_sealer.errors import NotaryRefusal
from balance_sealer.gathering import Published
from balance_sealer.history import Replay
from balance_sealer.log import Anchor, NodeHash, State, generation_draft
from balance_sealer.notary import Notary
from balance_sealer.repository import Guard, GuardRepository
from balance_sealer.sealer import Clock, system_clock
from balance_sealer.settings import NotarySettings
from balance_sealer.signer import LogSigner
from balance_sealer.witnesses import ask_size

REACH_FURTHER = "restore from an archive that reaches as far (export the verifier's projection, ask a mirror)"
FORK = "to go on would begin a second history"
SILENT: tuple[type[Exception], ...] = (BalanceError, httpx.HTTPError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an operator asks for."""

    generation: int
    remake_guard: bool = False
    """Make the guard row from the topics where the database has none, or an older one."""
    without: frozenset[str] = frozenset()
    """Names of witnesses that need not answer."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What the topics say, recomputed from their first record; `before` is the state before the last."""

    anchor: Anchor
    before: Anchor
    genesis: bytes
    history: KeyHistory
    generations: tuple[bytes, ...]
    final: bool
    passed_guard: bool
    """Whether the guard row's state was on the way."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The key sets as the guard row has them."""
        return tuple(each.text() for each in self.history.sets[1:])


async def look(
    settings: NotarySettings,
    keys: KeyDirectory,
    pool: "asyncpg.Pool[asyncpg.Record]",
    note: bytes,
    without: frozenset[str] = frozenset(),
) -> Checkpoint:
    """The archive's checkpoint, if neither guard row nor witness knows a longer log: before hours are spent on it."""
    try:
        mine = [keys.log_vkey, *(key.vkey for key in keys.log_keys())]
        signed = open_note(note, list({key.id: key for key in mine}.values()))
        checkpoint = Checkpoint.parse(signed.text)
    except VerifyError as error:
        raise NotaryRefusal("checkpoint", str(error), "give the file checkpoint of an archive of this log") from error
    async with pool.acquire(timeout=settings.database_timeout_seconds) as connection:
        known = await GuardRepository(connection).read()
    if known is not None:
        _refuse_longer("guard row", known.state.size, checkpoint.size)
    await _ask_witnesses(settings, Published(State(checkpoint.size, checkpoint.root, ()), signed), without)
    return checkpoint


async def begin_generation(
    settings: NotarySettings,
    keys: KeyDirectory,
    pool: "asyncpg.Pool[asyncpg.Record]",
    wanted: Wanted,
    clock: Clock = system_clock,
) -> State | None:
    """The state that the new generation begins with; None where it had begun before."""
    problems = await topic_problems(settings)
    if problems:
        raise TopicError("topics", "; ".join(problems), "run balance-chain topics create")
    async with pool.acquire(timeout=settings.database_timeout_seconds) as connection:
        known = await GuardRepository(connection).read()
    restored = await _read(settings, keys, known)
    if restored.generations and len(restored.generations) == wanted.generation:
        return None
    await _refuse_unless_due(settings, restored, wanted.generation)
    signer = LogSigner(keys)
    signer.history = restored.history
    async with session(pool, settings.database_timeout_seconds) as connection:
        repository = GuardRepository(connection)
        if not await repository.acquire(settings.lease_seconds) or await repository.read() != known:
            raise NotaryRefusal("notary", "is at work", "stop every notary, then try again")
        guard = await _guard(repository, known, restored, wanted, settings.origin)
        if guard.state == restored.anchor.state:
            last = Checkpoint(signer.origin, guard.state.size, guard.state.root)
            await _ask_witnesses(settings, Published(guard.state, signer.checkpoint(last)), wanted.without)
            await repository.renew()
            guard = await _rebased(settings, keys, repository, guard, restored.before)
            guard = await _begin(signer, repository, guard, restored, wanted.generation, clock())
        else:
            # A run before this one has got as far as the row.
            guard = await _write(repository, guard, replace(guard, base=restored.anchor))
        hit("generation.after_guard")
        await Notary(settings, keys, Health(), clock).publish_guarded(guard)
        return guard.state


async def _read(settings: NotarySettings, keys: KeyDirectory, known: Guard | None) -> Restored:
    watch = KeyWatch(settings, keys.log_vkey)
    history = await watch.refresh()
    replay = Replay(settings, keys.log_vkey, history, known.state if known else None)

    async def keep(_: object) -> None:
        """The nodes are kept when witnesses are asked."""

    await replay.run(keep)
    return Restored(
        replay.log.anchor,
        replay.before,
        replay.genesis,
        history,
        tuple(replay.generations),
        watch.final is not None,
        replay.met,
    )


async def _refuse_unless_due(settings: NotarySettings, restored: Restored, generation: int) -> None:
    """The next generation is asked for, the log has not ended, and the topics hold what is covered and no more."""
    due, size = len(restored.generations) + 1, restored.anchor.state.size
    if generation != due:
        raise NotaryRefusal(
            "generation", f"is {generation}, the topics begin generation {due} next", "give that number"
        )
    if restored.final:
        raise NotaryRefusal("the log", f"has ended for ever at size {size}", "begin its successor")
    blocks = await topic_ends(settings, BLOCKS, settings.partitions)
    events = await topic_ends(settings, EVENTS, settings.partitions)
    for shard, height in enumerate(restored.anchor.state.heights):
        sealed = await _sealed(settings, shard, restored.anchor.blocks[shard])
        if (blocks[shard], events[shard]) != (height + 1, sealed):
            raise NotaryRefusal(
                f"shard {shard}",
                f"has {blocks[shard]} blocks and {events[shard]} events, checkpoints cover {height + 1} and {sealed}",
                "run balance-chain archive restore to its end, into new topics, before anything else writes to them",
            )


async def _sealed(settings: NotarySettings, shard: int, offset: int) -> int:
    """Events of a shard up to the block at this offset."""
    if offset < 0:
        return 0
    async with PartitionReader(settings, settings.topic(BLOCKS), shard, offset) as reader:
        record = BlockRecord.parse((await reader.read_at(offset)).value or b"")
    header = Entry.parse(record.entry).block_header()
    return header.start + header.count


async def _guard(
    repository: GuardRepository, known: Guard | None, restored: Restored, wanted: Wanted, origin: str
) -> Guard:
    """The guard row, which must say what the topics say; made anew where that is asked for."""
    state = restored.anchor.state
    if known is None and not wanted.remake_guard:
        raise NotaryRefusal(
            "guard row",
            "is not there",
            "restore the database, or, where it is lost, say --remake-guard (docs/archive.md)",
        )
    remade = Guard(origin, restored.genesis, state, restored.before, restored.keys, False, restored.generations)
    if known is None:
        await repository.begin(remade)
        return remade
    if _begun_before(known, restored, wanted.generation):
        return known
    _refuse_longer("guard row", known.state.size, state.size)
    if known.state.size < state.size and restored.passed_guard and wanted.remake_guard:
        return await _write(repository, known, remade)
    same = known.state == state and known.keys[: len(restored.keys)] == restored.keys
    if not same or known.generations != restored.generations or known.final:
        raise NotaryRefusal(
            "guard row",
            f"says size {known.state.size} root {known.state.root.hex()}, the topics size {state.size} "
            f"root {state.root.hex()}",
            "find out which of the two was changed; an older backup of the row may be replaced (--remake-guard)",
        )
    return known


def _begun_before(known: Guard, restored: Restored, generation: int) -> bool:
    """Whether the row says what would be said now: the generation that is asked for, right behind these topics."""
    if known.generations[:-1] != restored.generations or len(known.generations) != generation:
        return False
    return generation_draft(restored.anchor, known.generations[-1]).state == known.state


async def _ask_witnesses(settings: NotarySettings, target: Published, without: frozenset[str]) -> None:
    """Nobody may know a longer log than the one that goes on here."""
    policy = load_policy(settings.witness_policy)
    for witness in policy.witnesses if policy else ():
        if not witness.url or witness.name in without:
            continue
        try:
            size = await ask_size(settings, witness, target)
        except SILENT as error:
            raise NotaryRefusal(
                f"witness {witness.name}",
                f"does not confirm size {target.state.size}: {type(error).__name__}: {error}",
                "see to it, or leave it out with --without",
            ) from error
        _refuse_longer(f"witness {witness.name}", size, target.state.size)


def _refuse_longer(who: str, size: int, end: int) -> None:
    if size > end:
        raise NotaryRefusal(who, f"knows of size {size}, what is restored ends at size {end}: {FORK}", REACH_FURTHER)


async def _rebased(
    settings: NotarySettings, keys: KeyDirectory, repository: GuardRepository, guard: Guard, before: Anchor
) -> Guard:
    """The row for these topics; what it has and they have not (a key set made last of all) is stated there."""
    after = await _write(repository, guard, replace(guard, base=before))
    await Notary(settings, keys, Health()).publish_guarded(after)
    return after


async def _begin(
    signer: LogSigner, repository: GuardRepository, guard: Guard, restored: Restored, generation: int, now_ms: int
) -> Guard:
    """The row with the generation entry: guarded before it is signed for good."""
    state = restored.anchor.state
    header = GenerationHeader(
        gen=generation,
        heights=state.heights,
        origin=guard.origin,
        root=state.root.hex(),
        size=state.size,
        time=format_ms(now_ms),
    )
    entry = signer.generation(header).encode()
    draft = generation_draft(restored.anchor, entry)
    after = replace(guard, state=draft.state, base=restored.anchor, generations=(*guard.generations, entry))
    return await _write(repository, guard, after, draft.nodes)


async def _write(repository: GuardRepository, old: Guard, new: Guard, nodes: tuple[NodeHash, ...] = ()) -> Guard:
    await repository.restored(old, new, nodes)
    return new
