"""Follows key sets and generations on `ledger.checkpoints`, for readers of blocks that do not recompute the log.

Each is believed because the log's key has signed it, heights included, and because it can follow the one before: from
the key that has signed the genesis entry, each later key of the log is known by the set that brings it.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry, GenesisHeader
from balance_verify.errors import VerifyError
from balance_verify.final import open_final
from balance_verify.generation import GenerationHeader
from balance_verify.keyset import KeyHistory, open_checkpoint, open_generation
from balance_verify.merkle import leaf_hash
from balance_verify.note import VerifierKey, open_note
from balance_verify.topicvalues import CheckpointRecord

from balance_chain.core.errors import BalanceError
from balance_chain.core.topics import CHECKPOINTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.logs import get_logger
from balance_chain.runtime.settings import CommonSettings

READ_RECORDS = 2000
WAIT_SECONDS = 1.0

_log = get_logger(__name__)


class NoGenesis(BalanceError):
    """`ledger.checkpoints` has no record yet, or does not begin with the genesis entry of this log's key."""


class KeyWatch:
    """The key history and, once there is one, the end of the log, as far as they were read.

    Who looks again and again enters it as a context manager: it then keeps its connection until the end of the block.
    """

    def __init__(
        self,
        settings: CommonSettings,
        log_key: VerifierKey,
        history: KeyHistory | None = None,
        next_offset: int = 0,
    ) -> None:
        """Goes on from `history`, if given, which holds up to the record at `next_offset`."""
        self._settings = settings
        self._key = log_key
        self._history = history
        self._next = next_offset
        self.final: Checkpoint | None = None
        self.final_note = ""
        self.generations: tuple[GenerationHeader, ...] = ()
        """The headers that began them, of those on the records read here."""
        self._kept: PartitionReader | None = None

    async def __aenter__(self) -> Self:
        reader = self._reader()
        await reader.open()
        self._kept = reader
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.close()

    @property
    def history(self) -> KeyHistory:
        """What the last refresh found."""
        if self._history is None:
            raise NoGenesis(CHECKPOINTS, "is empty", "run balance-sealer genesis once")
        return self._history

    async def refresh(self) -> KeyHistory:
        """Reads the topic up to where it ends now."""
        if self._kept is not None:
            await self._read(self._kept)
        else:
            async with self._reader() as reader:
                await self._read(reader)
        return self.history

    def _reader(self) -> PartitionReader:
        return PartitionReader(self._settings, self._settings.topic(CHECKPOINTS), 0, self._next)

    async def _read(self, reader: PartitionReader) -> None:
        end = await reader.end_offset()
        while self._next < end:
            for record in await reader.read(min(READ_RECORDS, end - self._next), WAIT_SECONDS):
                self._take(record.value or b"", record.offset)
                self._next = record.offset + 1

    def _take(self, value: bytes, offset: int) -> None:
        if self._history is None:
            self._history = KeyHistory.begin(self._genesis(value))
        elif b'"keys":' in value or b'"final":' in value or b'"generation":' in value:
            try:
                self._take_statement(CheckpointRecord.parse(value))
            except VerifyError as error:
                _log.warning("statement_not_counting", offset=offset, reason=str(error))

    def _take_statement(self, record: CheckpointRecord) -> None:
        checkpoint, _ = open_checkpoint(record.note.encode(), self.history.last)
        if record.keys is not None:
            self._history = self.history.taking_note(record.keys, checkpoint.size, record.heights)
        log_keys = self.history.last.log_keys(checkpoint.size)
        if record.final is not None and open_final(record.final.encode(), *log_keys) == checkpoint:
            self.final, self.final_note = checkpoint, record.final
        if record.generation is not None:
            begun = open_generation(record.generation, self.history.last)
            # Which root it goes on from is held against the tree by whoever recomputes the log.
            gen = len(self.history.generations) + 1
            begun.check_place(gen, self._key.name, checkpoint.size - 1, record.heights, None)
            self._history = self.history.restored(begun.heights)
            self.generations = (*self.generations, begun)

    def _genesis(self, value: bytes) -> GenesisHeader:
        try:
            record = CheckpointRecord.parse(value)
            checkpoint = Checkpoint.parse(open_note(record.note.encode(), [self._key]).text)
            entry = Entry.parse(record.genesis or b"")
            entry.verify(self._key)
            if checkpoint.size == 1 and checkpoint.root == leaf_hash(record.genesis or b""):
                return entry.genesis_header()
            problem = "its first checkpoint is over something else"
        except VerifyError as error:
            problem = str(error)
        raise NoGenesis(CHECKPOINTS, f"does not begin with our genesis entry: {problem}", "check keys and Kafka")
