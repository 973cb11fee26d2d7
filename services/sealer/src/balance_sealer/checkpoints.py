"""What the topic of checkpoints says to a process that starts: the genesis entry and the heights already covered."""

from dataclasses import dataclass

from balance_chain.core.topics import CHECKPOINTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_verify.entry import Entry, GenesisHeader
from balance_verify.errors import VerifyError
from balance_verify.keyset import KeyHistory, KeySet, open_checkpoint
from balance_verify.merkle import leaf_hash
from balance_verify.note import VerifierKey
from balance_verify.topicvalues import CheckpointRecord

from balance_sealer.errors import BrokenChain, GenesisMissing


@dataclass(frozen=True, slots=True)
class SignedState:
    """One checkpoint as signed by the log's key, and the shard heights that it covers."""

    size: int
    root: bytes
    heights: tuple[int, ...]
    genesis: bytes | None = None
    keys: str | None = None
    final: str | None = None
    generation: bytes | None = None


def read_checkpoint(value: bytes | None, keys: KeySet) -> SignedState | str:
    """A record of checkpoints, signed by a key of the log that holds at its size, or why it is none of this log's."""
    try:
        record = CheckpointRecord.parse(value or b"")
        checkpoint, _ = open_checkpoint(record.note.encode(), keys)
    except VerifyError as error:
        return str(error)
    if checkpoint.origin != keys.origin:
        return f"origin: expected {keys.origin}, got {checkpoint.origin}"
    return SignedState(
        checkpoint.size,
        checkpoint.root,
        record.heights,
        record.genesis,
        record.keys,
        record.final,
        record.generation,
    )


def read_genesis(state: SignedState, key: VerifierKey) -> GenesisHeader:
    """The genesis entry that the first checkpoint carries, checked against it and the log's key."""
    if state.genesis is None or state.size != 1 or leaf_hash(state.genesis) != state.root:
        raise BrokenChain("ledger.checkpoints", "does not begin with the genesis entry", "check which Kafka this is")
    entry = Entry.parse(state.genesis)
    entry.verify(key)
    return entry.genesis_header()


@dataclass(frozen=True, slots=True)
class Covered:
    """The log as its checkpoints show it: how it began and the heights under the last signed checkpoint."""

    genesis: GenesisHeader
    heights: tuple[int, ...]


async def read_covered(settings: CommonSettings, key: VerifierKey, history: KeyHistory) -> Covered:
    """Reads the first checkpoint, whose genesis entry `key` has signed, and the last one signed by the log."""
    async with PartitionReader(settings, settings.topic(CHECKPOINTS), 0) as reader:
        end = await reader.end_offset()
        if end == 0:
            raise GenesisMissing("ledger.checkpoints", "is empty", "run balance-sealer genesis once")
        first = read_checkpoint((await reader.read_at(0)).value, history.last)
        if isinstance(first, str):
            raise BrokenChain("ledger.checkpoints", f"begins with no checkpoint of ours: {first}", "check the keys")
        genesis = read_genesis(first, key)
        for offset in range(end - 1, 0, -1):
            state = read_checkpoint((await reader.read_at(offset)).value, history.last)
            if not isinstance(state, str):
                return Covered(genesis, state.heights)
    return Covered(genesis, first.heights)
