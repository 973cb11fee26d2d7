"""What the routes of API and pages share: the projection, the log's public key, and how paths and cursors are read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import unquote_to_bytes

from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.db import connect, database_problems
from balance_chain.runtime.health import Health
from balance_chain.runtime.policyfile import load_policy
from balance_chain.web.problems import FieldError, ProblemError
from balance_verify.errors import VerifyError
from balance_verify.keyset import KeyHistory, KeySet, open_checkpoint
from balance_verify.note import VerifierKey
from balance_verify.proof import ProofBundle
from fastapi import Request

from balance_verifier import answers
from balance_verifier.histories import Histories
from balance_verifier.logcheck import genesis_of
from balance_verifier.queries import FoundEvent, Queries
from balance_verifier.repository_histories import HistoriesRepository, Stray
from balance_verifier.repository_timestamps import TimestampsRepository
from balance_verifier.settings import ApiSettings

LIST_LIMIT: Final = 1000
"""Most rows of a list that has no pages."""

VERIFY_PATH: Final = "/v1/verify"

FIRST: Final = ("", -1, -1)


class Portal:
    """What the routes share: the projection, the log's public key, settings."""

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.log_key: VerifierKey = KeyDirectory.load(settings.keys).log_vkey
        self.policy = load_policy(settings.witness_policy)
        self._queries: Queries | None = None
        self._histories: HistoriesRepository | None = None
        self._timestamps: TimestampsRepository | None = None

    @property
    def queries(self) -> Queries:
        """The projection; there from the application's start."""
        if self._queries is None:
            raise ProblemError(503, "Not possible now", "the database is not connected yet")
        return self._queries

    @property
    def histories(self) -> HistoriesRepository:
        """What contradicts the log."""
        if self._histories is None:
            raise ProblemError(503, "Not possible now", "the database is not connected yet")
        return self._histories

    @property
    def timestamps(self) -> TimestampsRepository:
        """Timestamps over checkpoints."""
        if self._timestamps is None:
            raise ProblemError(503, "Not possible now", "the database is not connected yet")
        return self._timestamps

    @asynccontextmanager
    async def lifespan(self, health: Health) -> AsyncIterator[None]:
        pool = await connect(self.settings, self.settings.verifier_schema)
        health.add_check("database", lambda: database_problems(pool))
        health.add_check("log", self._log_problems)
        self._queries = Queries(pool)
        self._histories = HistoriesRepository(pool, self.settings.origin)
        self._timestamps = TimestampsRepository(pool)
        try:
            yield
        finally:
            self._queries = self._histories = self._timestamps = None
            await pool.close()

    async def _log_problems(self) -> list[str]:
        _, log = await self.queries.status()
        return [] if log.genesis else ["the worker has not verified the genesis entry yet"]

    async def find(self, source: str, id: str) -> FoundEvent:
        """The event of this name, or 404."""
        event = await self.queries.event(source, id) if "\0" not in source + id else None
        if event is None:
            raise ProblemError(404, "No such event", "no event of this source and id is in the ledger (yet)")
        return event

    async def key_set(self) -> KeySet | None:
        """The keys of the log and the sizes between which they hold; None before the genesis entry was verified."""
        _, log = await self.queries.status()
        return KeyHistory.begin(genesis_of(log.genesis), log.keys).last if log.genesis else None

    async def log_key_of(self, bundle: ProofBundle) -> VerifierKey:
        """The key of the log that has signed a bundle's checkpoint and holds at its size, or else the first."""
        keys = await self.key_set()
        holding = keys.log_keys(bundle.log_proof.checkpoint.size) if keys else ()
        signers = {(each.name, each.key_hash) for each in bundle.log_proof.note.signatures}
        return next((key for key in holding if (key.name, key.key_hash) in signers), self.log_key)

    async def contradiction(self, bundle: ProofBundle) -> str | None:
        """The file of evidence, where the log's key has signed the bundle's checkpoint and the log here is another."""
        keys, checkpoint = await self.key_set(), bundle.log_proof.checkpoint
        if keys is None or not 0 < checkpoint.size <= await self.histories.size():
            return None
        try:
            signed = open_checkpoint(bundle.log_proof.note.encode(), keys)[1].encode().decode()
        except VerifyError:
            return None
        place = f"a proof brought to {VERIFY_PATH}"
        stray = Stray(place, checkpoint.size, checkpoint.root, signed)
        return await Histories(self.histories, place).judge(stray, keys.log_keys(checkpoint.size))

    async def keys(self, role: str, index: int) -> list[VerifierKey]:
        """The keys of a role (sealer, gateway) that hold at an entry of the log."""
        keys = await self.key_set()
        return list(keys.at(role, index)) if keys else []


def segments(request: Request, prefix: str) -> list[str]:
    """The decoded segments of a path behind `prefix`: a %2F inside one is part of it, not a separator."""
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    parts = raw.split(b"?", 1)[0].removeprefix(prefix.encode()).split(b"/")
    try:
        return [unquote_to_bytes(part).decode() for part in parts]
    except UnicodeDecodeError:
        raise ProblemError(400, "The path is not UTF-8", "percent-encode identifiers as UTF-8") from None


def place_of(cursor: str | None, start: tuple[str, int, int] = FIRST) -> tuple[str, int, int]:
    """Where a page begins: behind the cursor given, or at the start of the list."""
    if cursor is None:
        return start
    place = answers.parse_cursor(cursor)
    if place is None:
        raise ProblemError(
            400, "Not a cursor", errors=(FieldError("/query/after", "not a cursor of ours", "use `next`"),)
        )
    return place
