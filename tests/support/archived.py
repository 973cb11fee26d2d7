"""An archive of a small ledger in a folder, made by the exporter from the ledger's own values instead of a database."""

from __future__ import annotations

import itertools
from pathlib import Path

from balance_verifier.archive.export import Exported, Exporter
from balance_verifier.archive.fsck import Options, Report, fsck_archive
from balance_verifier.archive.source import SourceBlock, SourceCheckpoint
from balance_verifier.archive.stores import open_store
from balance_verifier.repository_timestamps import Stamped
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry
from balance_verify.note import SignedNote, VerifierKey
from balance_verify.topicvalues import BlockRecord, CheckpointRecord
from support.smallledger import SmallLedger


class LedgerSource:
    """What `ArchiveSource` reads from PostgreSQL, read from a small ledger."""

    def __init__(self, ledger: SmallLedger) -> None:
        self.ledger = ledger

    async def end(self) -> tuple[int, int]:
        return len(self.ledger.checkpoints), self.ledger.size

    async def checkpoints(self, first: int, limit: int) -> list[SourceCheckpoint]:
        records = map(CheckpointRecord.parse, self.ledger.checkpoints)
        found = [(record, Checkpoint.parse(SignedNote.parse(record.note.encode()).text)) for record in records]
        return [
            SourceCheckpoint(
                said.size, said.root, record.heights, record.note, record.genesis, generation=record.generation
            )
            for record, said in itertools.islice(found, first, first + limit)
        ]

    async def key_sets(self) -> list[str]:
        return []

    async def stamped(self, up_to: int) -> list[Stamped]:
        return []

    async def generations(self) -> list[bytes]:
        return self.ledger.generations

    async def block(self, shard: int, height: int) -> SourceBlock | None:
        record = BlockRecord.parse(self.ledger.blocks[shard][height])
        header = Entry.parse(record.entry).block_header()
        events = self.ledger.events[shard][header.from_ : header.from_ + header.count]
        return SourceBlock(record.entry, record.leaves, events)


async def export(ledger: SmallLedger, folder: Path) -> Exported:
    """Add to the folder all that the ledger has."""
    exporter = Exporter(open_store(str(folder), create=True), LedgerSource(ledger), ledger.log_key.vkey, lambda _: None)  # type: ignore[arg-type]
    exporter.begin()
    return await exporter.run()


def check(folder: Path, key: VerifierKey | None = None, *outside: bytes, **options: object) -> Report:
    """fsck in this process."""
    named = tuple((f"outside {number}", note) for number, note in enumerate(outside))
    return fsck_archive(str(folder), Options(log_key=key, outside=named, **options), lambda _: None)  # type: ignore[arg-type]


def grow(ledger: SmallLedger, rounds: int, events: int = 3) -> None:
    """So many times: some events and a block for each shard, then a checkpoint."""
    for _ in range(rounds):
        for shard in range(ledger.shards):
            for _ in range(events):
                ledger.add_event(shard)
            ledger.seal(shard)
        ledger.checkpoint()


def last_note(ledger: SmallLedger) -> bytes:
    """The latest checkpoint as somebody outside may have kept it."""
    return CheckpointRecord.parse(ledger.checkpoints[-1]).note.encode()
