"""What a witness does with a request, one numbered step after another; what it answers is balance_verify.witness.

Promise: nothing is cosigned before the store has swapped the latest checkpoint for it, and a log that has shown two
histories is found and kept, whichever of them is asked for.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from balance_chain.runtime.logs import get_logger
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import CosigningKey
from balance_verify.equivocation import Evidence
from balance_verify.errors import MalformedError
from balance_verify.mldsa import MlDsaCosigningKey
from balance_verify.note import SignedNote, VerifierKey
from balance_verify.verify import DIFFERS
from balance_verify.witness import CONFLICT, NOT_CONSISTENT, Opened, Refused, judge, open_request

from balance_verifier.witness import metrics
from balance_verifier.witness.mirror import Mirror
from balance_verifier.witness.store import Kept, Store

log = get_logger(__name__)

NOT_YET_RECOMPUTED: Final = 503
"""A mirror's answer before its own recomputation has come so far: ask again."""

Clock = Callable[[], int]


def system_clock() -> int:
    """Now, in seconds since the Epoch."""
    return int(time.time())


@dataclass(frozen=True, slots=True)
class Cosigned:
    """An answer with status 200: a line for each key's cosignature."""

    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


class Witness:
    """One witness: its keys, the logs it knows, its memory and, for a mirror, its own view of the log."""

    def __init__(
        self,
        key: CosigningKey,
        logs: Sequence[VerifierKey],
        store: Store,
        evidence_folder: Path,
        *,
        more_keys: Sequence[MlDsaCosigningKey] = (),
        mirror: Mirror | None = None,
        clock: Clock = system_clock,
    ) -> None:
        self.store = store
        self.mirror = mirror
        self._keys: tuple[CosigningKey | MlDsaCosigningKey, ...] = (key, *more_keys)
        self._logs: dict[str, list[VerifierKey]] = {}
        for each in logs:
            self._logs.setdefault(each.name, []).append(each)
        self._folder = evidence_folder
        self._clock = clock

    @property
    def origins(self) -> tuple[str, ...]:
        """The logs known."""
        return tuple(self._logs)

    async def prepare(self) -> None:
        """Make what the store needs for each log, and write evidence files that are missing."""
        for origin in self._logs:
            await self.store.prepare(origin)
        for id, origin, _ in await self.store.evidence():
            data = await self.store.evidence_data(id)
            assert data is not None, "just listed, and never deleted"
            self._write(id, data)
            metrics.TWO_HISTORIES.labels(origin).set(1)

    async def add_checkpoint(self, body: bytes) -> Cosigned | Refused:
        """The answer to a request."""
        answer = await self._answer(body)
        metrics.REQUESTS.labels(str(answer.status)).inc()
        if isinstance(answer, Refused):
            log.info("refused", status=answer.status, reason=answer.reason)
        return answer

    async def _answer(self, body: bytes) -> Cosigned | Refused:
        # (1) to (4): the request is one, of a log known here, and the log has signed the checkpoint
        opened = open_request(body, self._logs)
        if isinstance(opened, Refused):
            return opened
        # what the log has signed is kept, and held against all that it signed before
        await self._remember(opened)
        # (5) and (6): it is consistent with the latest that was cosigned
        kept = await self.store.kept(opened.checkpoint.origin)
        refused = judge(opened, kept.latest)
        if refused is not None:
            if refused.status == NOT_CONSISTENT:
                await self._suspect(opened, kept)
            return refused
        # (7) a mirror has recomputed it and agrees
        if self.mirror is not None:
            refused = await self._mirrored(opened, self.mirror)
            if refused is not None:
                return refused
        # (8) the latest is swapped for it, unless another request was faster
        note = opened.note.encode().decode()
        if not await self.store.advance(kept.latest, opened.checkpoint, note):
            size = (await self.store.kept(opened.checkpoint.origin)).latest.size
            return Refused(CONFLICT, "another request was faster", size)
        # (9) only now is it signed
        now = self._clock()
        lines = "".join(str(key.cosign(opened.note.text, now)) for key in self._keys)
        await self.store.cosigned(opened.checkpoint, lines)
        metrics.SIZE.labels(opened.checkpoint.origin).set(opened.checkpoint.size)
        return Cosigned(lines.encode())

    async def published(self, origin_hash: str) -> bytes | None:
        """The latest checkpoint cosigned of the log whose origin has this SHA-256 (hex), with both signatures."""
        for origin in self._logs:
            if hashlib.sha256(origin.encode()).hexdigest() == origin_hash:
                kept = await self.store.kept(origin)
                # Between swap and signature there is nothing to show; a moment later there is.
                return (kept.note + kept.cosignature).encode() if kept.cosignature else None
        return None

    async def _remember(self, opened: Opened) -> None:
        note = opened.note.encode().decode()
        for other in await self.store.saw(opened.checkpoint, note, self._clock()):
            await self._found(opened, SignedNote.parse(other.encode()), ())

    async def _suspect(self, opened: Opened, kept: Kept) -> None:
        """The log has signed what does not follow from the latest: is its own proof the evidence?"""
        if kept.note and opened.old_size == kept.latest.size:
            await self._found(opened, SignedNote.parse(kept.note.encode()), opened.proof)

    async def _mirrored(self, opened: Opened, mirror: Mirror) -> Refused | None:
        checkpoint = opened.checkpoint
        root = await mirror.root_at(checkpoint.size)
        if root is None:
            return Refused(NOT_YET_RECOMPUTED, f"not yet recomputed up to size {checkpoint.size}; ask again")
        if root == checkpoint.root:
            return None
        log.critical("finding", code="mirror_differs", **_values(checkpoint, root))
        metrics.MIRROR_DIFFERS.inc()
        evidence = await mirror.evidence(self._signer(opened), checkpoint, opened.note)
        if evidence is not None and evidence.verdict == DIFFERS:
            await self._keep(evidence, checkpoint)
        return Refused(NOT_CONSISTENT, f"recomputed here, size {checkpoint.size} has root {root.hex()}")

    async def _found(self, opened: Opened, other: SignedNote, path: Sequence[bytes]) -> None:
        try:
            evidence = Evidence.collect(self._signer(opened, other), opened.note, other, path)
        except MalformedError as error:
            log.warning("no_evidence", error=str(error))
            return
        if evidence.verdict == DIFFERS:
            await self._keep(evidence, opened.checkpoint)
        else:
            # A wrong proof of a true checkpoint looks like this too, and anybody can send one.
            metrics.UNPROVEN.inc()
            log.warning("not_consistent_unproven", origin=opened.checkpoint.origin, size=opened.checkpoint.size)

    async def _keep(self, evidence: Evidence, checkpoint: Checkpoint) -> None:
        data = evidence.encode()
        id = hashlib.sha256(data).hexdigest()[:32]
        if await self.store.keep_evidence(id, checkpoint.origin, data, self._clock()):
            path = self._write(id, data)
            log.critical("finding", code="two_histories", origin=checkpoint.origin, evidence=str(path))
        metrics.TWO_HISTORIES.labels(checkpoint.origin).set(1)

    def _write(self, id: str, data: bytes) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{id}.equivocation.json"
        if not path.exists():
            partial = path.with_suffix(".partial")
            partial.write_bytes(data)
            partial.replace(path)
        return path

    def _signer(self, opened: Opened, other: SignedNote | None = None) -> VerifierKey:
        """The key of the log that has signed both, where there is one, or else the one verified first."""
        signed = [(each.name, each.key_hash) for each in opened.note.signatures]
        both = {(each.name, each.key_hash) for each in other.signatures} if other else set()
        who = next((each for each in signed if each in both), signed[0])
        return next(key for key in self._logs[opened.checkpoint.origin] if (key.name, key.key_hash) == who)


def _values(checkpoint: Checkpoint, recomputed: bytes) -> dict[str, object]:
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "expected": recomputed.hex(),
        "got": checkpoint.root.hex(),
    }
