"""Cosignatures as the notary's loop sees them: whether to wait for some, and what to publish of them.

Without witnesses to ask it does nothing. Beginning may take long in an old log whose nodes are computed anew; the
notary goes on meanwhile and no checkpoint waits.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from balance_chain.core.topics import CHECKPOINTS
from balance_chain.runtime.health import Health
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.logs import get_logger
from balance_verify.checkpoint import Checkpoint
from balance_verify.errors import VerifyError
from balance_verify.note import NoteSignature, SignedNote, open_note
from balance_verify.policy import Policy
from balance_verify.topicvalues import CheckpointRecord

from balance_sealer.checkpoints import read_checkpoint
from balance_sealer.gathering import Gathering, Published
from balance_sealer.history import restore_nodes
from balance_sealer.log import State
from balance_sealer.repository import NodeRepository
from balance_sealer.settings import NotarySettings
from balance_sealer.signer import LogSigner
from balance_sealer.witnesses import Witnesses, refuse

READ_RECORDS = 100
WAIT_SECONDS = 1.0
PART = "witnesses"

_log = get_logger("balance_sealer.cosigning")


class Cosigning:
    """The witnesses of one policy, for as long as this notary is active."""

    def __init__(
        self,
        settings: NotarySettings,
        policy: Policy | None,
        signer: LogSigner,
        nodes: NodeRepository,
        health: Health,
        clock: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._signer = signer
        self._nodes = nodes
        self._health = health
        witnesses = tuple(each for each in policy.witnesses if each.url) if policy else ()
        self._witnesses = Witnesses(settings, witnesses, signer, nodes, health, clock) if witnesses else None
        self._gathering: Gathering | None = None
        self._last: State | None = None

    @property
    def wanted(self) -> bool:
        """Whether there are witnesses to ask, so that the nodes of the log are to be kept."""
        return self._witnesses is not None

    @asynccontextmanager
    async def running(self, state: State, offset: int) -> AsyncIterator[None]:
        """Asks for `state`, published at `offset` of `ledger.checkpoints`, and for what is published later."""
        self._last = state
        task = asyncio.create_task(self._keep_running(offset)) if self._witnesses else None
        try:
            yield
        finally:
            self._gathering = None
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            self._health.notice(PART, None)

    def published(self, state: State) -> None:
        """There is a new checkpoint."""
        self._last = state
        if self._gathering is not None and self._witnesses is not None:
            self._gathering.published(self._published(state), time.monotonic())
            self._witnesses.published()

    @property
    def gathers(self) -> bool:
        """Whether an answer may come at any moment."""
        return self._gathering is not None and bool(self._gathering.expected())

    def holds(self) -> bool:
        """Whether the next checkpoint waits for cosignatures of the last."""
        return self._gathering is not None and self._gathering.holds(time.monotonic())

    def record(self, *, closing: bool = False) -> SignedNote | None:
        """The last checkpoint with its cosignatures, where it is time to publish them.

        Raises where a witness has shown that there are two histories.
        """
        if self._gathering is None or self._witnesses is None:
            return None
        if self._witnesses.contradiction is not None:
            raise refuse(self._witnesses.contradiction)
        note = self._gathering.record(closing=closing)
        self._witnesses.show(self._gathering)
        return note

    async def _keep_running(self, offset: int) -> None:
        delay = WAIT_SECONDS
        while True:
            try:
                await self._run(offset)
            except Exception as error:  # whatever it is: the notary goes on without cosignatures until it is over
                self._health.notice(PART, f"cannot be asked: {error}")
                _log.warning("witnesses_begin_again", error=repr(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, self._settings.witness_retry_seconds)

    async def _run(self, offset: int) -> None:
        assert self._witnesses is not None
        assert self._policy is not None
        assert self._last is not None
        await restore_nodes(self._settings, self._signer.anchor, self._nodes, self._last)
        recorded = await self._recorded(offset, self._policy)
        # Nothing is awaited from here to the gathering's start: `last` cannot change in between.
        last = self._last
        self._gathering = Gathering(
            self._policy,
            self._settings.witness_timeout_seconds,
            self._published(last),
            recorded.get(last, {}),
            time.monotonic(),
        )
        self._health.notice(PART, None)
        async with self._witnesses.asking(self._gathering):
            await asyncio.Event().wait()

    async def _recorded(self, offset: int, policy: Policy) -> dict[State, dict[str, NoteSignature]]:
        """The cosignatures on the topic, by state, from the checkpoint at `offset` on."""
        found: dict[State, dict[str, NoteSignature]] = {}
        names = {(each.key.name, each.key.key_hash): each.name for each in policy.witnesses}
        keys = [each.key for each in policy.witnesses]
        topic = self._settings.topic(CHECKPOINTS)
        async with PartitionReader(self._settings, topic, 0, offset) as reader:
            end = await reader.end_offset()
            while offset < end:
                for record in await reader.read(min(READ_RECORDS, end - offset), WAIT_SECONDS):
                    offset = record.offset + 1
                    signed = read_checkpoint(record.value, self._signer.history.last)
                    if isinstance(signed, str):
                        continue
                    try:
                        note = open_note(CheckpointRecord.parse(record.value).note.encode(), keys)
                    except VerifyError:
                        continue
                    state = State(signed.size, signed.root, signed.heights)
                    found.setdefault(state, {}).update((names[s.name, s.key_hash], s) for s in note.signatures)
        return found

    def _published(self, state: State) -> Published:
        return Published(state, self._signer.checkpoint(Checkpoint(self._signer.origin, state.size, state.root)))
