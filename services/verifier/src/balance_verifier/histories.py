"""Two histories (两套历史): a checkpoint with the log's signature that the log as recomputed here cannot have made.

Promise: whatever the log's key has signed and this verifier has seen is held against the recomputed log as soon as that
is large enough, and what contradicts it becomes a file that convinces anybody (`balance-chain equivocation show`), kept
in PostgreSQL, served, and named by a critical alert.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from balance_chain.runtime.logs import get_logger
from balance_verify.equivocation import Evidence, checkpoint_of, path_nodes
from balance_verify.merkle import EMPTY_ROOT, assemble_path, fold, root_nodes
from balance_verify.note import SignedNote, VerifierKey
from balance_verify.verify import DIFFERS

from balance_verifier import metrics
from balance_verifier.findings import Finding
from balance_verifier.repository_histories import HistoriesRepository, Stray

log = get_logger(__name__)

CODE: Final = "two_histories"
SERVED: Final = "/log/equivocations"


class Histories:
    """Judges what contradicts the log; `folder` gets a copy of each file."""

    def __init__(self, repository: HistoriesRepository, place: str, folder: Path | None = None) -> None:
        self._repository = repository
        self._place = place
        self._folder = folder
        self._waiting: list[Stray] | None = None

    async def suspect(self, stray: Stray) -> None:
        """The log's key has signed it, and it does not count: remember it."""
        await self._repository.keep_stray(stray)
        self._waiting = None

    async def look(self, size: int, keys: Sequence[VerifierKey]) -> None:
        """Judge whatever is no larger than the log, whose size is given; `keys` are all that the log has had."""
        if self._waiting is None:
            self._waiting = await self._repository.strays(self._place)
        while self._waiting and self._waiting[0].size <= size:
            stray = self._waiting[0]
            await self.judge(stray, keys)
            await self._repository.judged(stray)
            self._waiting.pop(0)

    async def judge(self, stray: Stray, keys: Sequence[VerifierKey]) -> str | None:
        """Hold it against the recomputed log, which is no smaller; the id of the file where it contradicts it."""
        due = await self._root(stray.size)
        if due == stray.root:
            return None
        evidence = await self._evidence(stray, keys)
        if evidence is None:
            log.critical("finding", code=CODE, place=stray.place, expected=due.hex(), got=stray.root.hex(), file=None)
            return None
        data = evidence.encode()
        id = hashlib.sha256(data).hexdigest()[:32]
        where = f"{SERVED}/{id}"
        if self._folder is not None:
            where += f", {await asyncio.to_thread(self._write, self._folder, id, data)}"
        finding = Finding(
            code=CODE,
            place=stray.place,
            expected=f"size {stray.size} root {due.hex()}",
            got=f"size {stray.size} root {stray.root.hex()}, signed by {evidence.log_key.id}",
            detail=f"evidence: {where}",
        )
        if await self._repository.keep(id, data, finding):
            metrics.FINDINGS.labels(CODE).inc()
            values = {"expected": finding.expected, "got": finding.got, "file": where}
            log.critical("finding", code=CODE, place=stray.place, **values)
        return id

    async def _root(self, size: int) -> bytes:
        if not size:
            return EMPTY_ROOT
        wanted = root_nodes(size)
        nodes = await self._repository.nodes(wanted)
        return fold([nodes[node] for node in wanted])

    async def _evidence(self, stray: Stray, keys: Sequence[VerifierKey]) -> Evidence | None:
        """It and a checkpoint that counts, by one key that has signed both."""
        note = SignedNote.parse(stray.note.encode())
        for text in await self._repository.notes_from(stray.size):
            other = SignedNote.parse(text.encode())
            key = next((key for key in keys if _signed(key, note) and _signed(key, other)), None)
            if key is None:
                continue
            groups = path_nodes(stray.size, checkpoint_of(other).size)
            nodes = await self._repository.nodes([node for group in groups for node in group])
            evidence = Evidence.collect(key, note, other, assemble_path(groups, nodes))
            return evidence if evidence.verdict == DIFFERS else None
        return None

    def _write(self, folder: Path, id: str, data: bytes) -> str:
        path = folder / f"{id}.equivocation.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_bytes(data)
            partial.replace(path)
        except OSError as error:
            # It is in PostgreSQL all the same.
            log.warning("evidence_not_written", path=str(path), error=repr(error))
            return f"not written to {folder} ({error.strerror})"
        return str(path)


def _signed(key: VerifierKey, note: SignedNote) -> bool:
    message = note.text.encode()
    return any(
        (each.name, each.key_hash) == (key.name, key.key_hash) and key.verify(message, each.signature)
        for each in note.signatures
    )
