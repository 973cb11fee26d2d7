"""Holds the guard row against the log when a notary starts: the log is recomputed for exactly the row's heights.

A row ahead of the last checkpoint means that a notary died between guarding and publishing: it is to be published. A
row behind it, or any difference, means that the row or the log is not what it was: nothing may be signed.
"""

from dataclasses import dataclass

from balance_chain.core.counting import BlockChain
from balance_chain.core.topics import BLOCKS, CHECKPOINTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_verify.entry import Entry, GenesisHeader
from balance_verify.errors import VerifyError
from balance_verify.final import open_final
from balance_verify.keyset import KeyHistory, KeySet, open_generation
from balance_verify.merkle import leaf_hash
from balance_verify.note import VerifierKey, open_note

from balance_sealer.blocks import read_block
from balance_sealer.checkpoints import SignedState, read_checkpoint, read_genesis
from balance_sealer.errors import BrokenChain, NotaryRefusal
from balance_sealer.log import NO_BLOCK, Draft, GlobalLog, generation_draft, genesis_draft, tip_after
from balance_sealer.repository import Guard

READ_RECORDS = 128
WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Recovered:
    """The log at the guard row's base, and the row's state recomputed from it."""

    log: GlobalLog
    draft: Draft
    published_at: int | None
    """Offset of the checkpoint that states it; None where it is still to be published."""
    next_offsets: dict[int, int]
    """Where to go on reading blocks, by shard."""
    history: KeyHistory
    stated: bool
    """Whether the topic has the row's last key set and, where the log has ended, the statement of that."""
    generation: bytes | None
    """The entry of the generation that the row's state begins, if it begins one."""


async def recover(settings: CommonSettings, guard: Guard, log_key: VerifierKey, checkpoints_end: int) -> Recovered:
    """The log as row and topics agree on it; raises NotaryRefusal where they do not."""
    genesis = _genesis(settings, guard, log_key)
    try:
        history = history_of(genesis, guard)
    except VerifyError as error:
        raise NotaryRefusal("guard row", f"key sets or generations: {error}", "restore it from a backup") from error
    published_at, stated = await _published_at(settings, guard, history.last, checkpoints_end)
    tips: list[BlockChain] = []
    next_offsets: dict[int, int] = {}
    for shard in range(genesis.shards):
        tips.append(await _tip(settings, guard, history, shard))
        next_offsets[shard] = guard.base.blocks[shard] + 1
    log = GlobalLog(genesis, guard.base, tips)
    for shard in range(genesis.shards):
        next_offsets[shard] = await _read_blocks(settings, guard, log, history, shard, next_offsets[shard])
    generation = _begun(guard)
    draft = _draft(guard, genesis, log, generation)
    if draft.state != guard.state:
        raise NotaryRefusal(
            "guard row",
            f"size {guard.state.size} root {guard.state.root.hex()}, recomputed size {draft.state.size} "
            f"root {draft.state.root.hex()}",
            "find out which of row and blocks was changed before anything is signed",
        )
    return Recovered(log, draft, published_at, next_offsets, history, stated, generation)


def history_of(genesis: GenesisHeader, guard: Guard) -> KeyHistory:
    """Keys and generations as the guard row has them."""
    history = KeyHistory.begin(genesis, guard.keys)
    for entry in guard.generations:
        history = history.restored(open_generation(entry, history.last).heights)
    return history


def _begun(guard: Guard) -> bytes | None:
    """The generation entry that comes right behind the row's base."""
    if not guard.generations:
        return None
    begun, base = Entry.parse(guard.generations[-1]).generation_header(), guard.base.state
    same = (begun.size, begun.root, begun.heights) == (base.size, base.root.hex(), base.heights)
    return guard.generations[-1] if same else None


def _draft(guard: Guard, genesis: GenesisHeader, log: GlobalLog, generation: bytes | None) -> Draft:
    if guard.base.state.size == 0:
        return genesis_draft(guard.genesis, genesis.shards)
    return log.draft(guard.state.heights) if generation is None else generation_draft(guard.base, generation)


def _genesis(settings: CommonSettings, guard: Guard, log_key: VerifierKey) -> GenesisHeader:
    none = (NO_BLOCK,) * settings.partitions
    try:
        genesis = read_genesis(SignedState(1, leaf_hash(guard.genesis), none, guard.genesis), log_key)
    except (VerifyError, BrokenChain) as error:
        raise NotaryRefusal("guard row", f"genesis entry: {error}", "use this log's key and database") from error
    if (guard.origin, genesis.origin, genesis.shards) != (settings.origin, settings.origin, settings.partitions):
        raise NotaryRefusal(
            "guard row",
            f"belongs to {genesis.origin} with {genesis.shards} shards, the settings say {settings.origin} "
            f"with {settings.partitions}",
            "set BALANCE_ORIGIN and BALANCE_PARTITIONS as at genesis",
        )
    return genesis


async def _published_at(settings: CommonSettings, guard: Guard, keys: KeySet, end: int) -> tuple[int | None, bool]:
    """Reads the checkpoints from the base's on: is the row's state among them, and nothing that contradicts it?

    Told with it: whether the key set and the end that belong to the state are there too.
    """
    base, target = guard.base, guard.state
    begin = max(0, base.offset)
    if base.offset >= end or (target.size > 1 and end == 0):
        raise NotaryRefusal(
            "ledger.checkpoints", f"ends at offset {end}, the guard row knows of {base.offset}", "restore the topic"
        )
    published_at: int | None = None
    due = _due(guard)
    async with PartitionReader(settings, settings.topic(CHECKPOINTS), 0, begin) as reader:
        at = begin
        while at < end:
            for record in await reader.read(end - at, WAIT_SECONDS):
                at = record.offset + 1
                signed = read_checkpoint(record.value, keys)
                if record.offset == base.offset and (isinstance(signed, str) or not base.state.stated_by(signed)):
                    raise NotaryRefusal(
                        "guard row",
                        f"names offset {base.offset}, which does not state size {base.state.size}",
                        "compare",
                    )
                if isinstance(signed, str) or signed.size < base.state.size or base.state.stated_by(signed):
                    continue
                if not target.stated_by(signed):
                    raise NotaryRefusal(
                        "guard row",
                        f"says size {target.size} root {target.root.hex()}, a signed checkpoint at offset "
                        f"{record.offset} says size {signed.size} root {signed.root.hex()}",
                        "the row is older than the log or was changed: restore it, or ask the witnesses",
                    )
                if published_at is None:
                    published_at = record.offset
                due -= _stated(signed, keys)
    return published_at, not due


FINAL = "final"


def _due(guard: Guard) -> set[str]:
    """What must be stated beside the row's state: the text of a key set made at it, and the end."""
    made = guard.keys[-1:] if guard.keys and KeySet.parse(guard.keys[-1]).size == guard.state.size else ()
    return {*made, *([FINAL] if guard.final else [])}


def _stated(signed: SignedState, keys: KeySet) -> set[str]:
    found: set[str] = set()
    log_keys = keys.log_keys(signed.size)
    try:
        if signed.keys is not None:
            found.add(open_note(signed.keys.encode(), log_keys).text)
        if signed.final is not None:
            open_final(signed.final.encode(), *log_keys)
            found.add(FINAL)
    except VerifyError:
        return found
    return found


async def _tip(settings: CommonSettings, guard: Guard, history: KeyHistory, shard: int) -> BlockChain:
    """The shard's chain as it ends in the block that the base covers last."""
    offset = guard.base.blocks[shard]
    if offset == NO_BLOCK:
        return BlockChain(shard, generation_at=history.generation)
    async with PartitionReader(settings, settings.topic(BLOCKS), shard, offset) as reader:
        end = await reader.end_offset()
        if offset >= end:
            raise NotaryRefusal(
                f"ledger.blocks/{shard}", f"ends at offset {end}, the guard row covers {offset}", "restore the topic"
            )
        block = read_block((await reader.read_at(offset)).value, settings.origin, history.sealers)
    if isinstance(block, str):
        raise NotaryRefusal(f"ledger.blocks/{shard}", f"covered block at offset {offset}: {block}", "restore the topic")
    return tip_after(*block, guard.base.state.heights[shard], history.generation)


async def _read_blocks(
    settings: CommonSettings, guard: Guard, log: GlobalLog, history: KeyHistory, shard: int, at: int
) -> int:
    """Takes the shard's blocks in up to the row's height; gives the next offset."""
    wanted = guard.state.heights[shard]
    if log.height(shard) >= wanted:
        return at
    async with PartitionReader(settings, settings.topic(BLOCKS), shard, at) as reader:
        end = await reader.end_offset()
        while log.height(shard) < wanted:
            if at >= end:
                raise NotaryRefusal(
                    f"ledger.blocks/{shard}",
                    f"ends at height {log.height(shard)}, the row covers {wanted}",
                    "restore it",
                )
            for record in await reader.read(min(READ_RECORDS, end - at), WAIT_SECONDS):
                if log.height(shard) >= wanted:
                    # What comes after is judged by the keys that hold when it is taken.
                    break
                at = record.offset + 1
                block = read_block(record.value, settings.origin, history.sealers)
                if not isinstance(block, str):
                    log.offer(shard, record.offset, *block)
    return at
