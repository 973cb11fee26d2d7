"""Asks witnesses for cosignatures of the last checkpoint: the client's side of C2SP tlog-witness.

Promise: nothing a witness does or fails to do stops the notary. Each is asked by a task of its own, each request has a
time limit, an answer's size is bounded, and only a cosignature that verifies and whose time can be is taken. The one
exception is proof: a checkpoint signed by this log's own key that this log does not have means that there are two
histories, and then nothing more may be signed.
"""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import httpx
from balance_chain.core.errors import BalanceError
from balance_chain.runtime.health import Health
from balance_chain.runtime.logs import get_logger
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import cosignature_time
from balance_verify.note import NoteSignature, open_note
from balance_verify.policy import PolicyWitness
from balance_verify.witness import CONFLICT, NOT_CONSISTENT, AddCheckpoint, read_answer, read_size

from balance_sealer import metrics
from balance_sealer.errors import NotaryRefusal
from balance_sealer.gathering import Gathering, Published
from balance_sealer.repository import NodeRepository
from balance_sealer.settings import NotarySettings
from balance_sealer.signer import LogSigner

MAX_ANSWER_BYTES: Final = 64 * 1024
"""Most bytes read of an answer: signature lines or a checkpoint."""

FUTURE_SECONDS: Final = 300
"""A cosignature whose time is so far ahead of this clock is refused."""

RETRY_FIRST_SECONDS: Final = 0.5
TRIES: Final = 3
"""Requests in one turn: the first may only tell the witness's size, and that may change once more."""

_log = get_logger("balance_sealer.witnesses")


class WitnessFailed(BalanceError):
    """A witness did not answer as the specification asks."""


class Witnesses:
    """The tasks that ask; they work for one gathering, as long as the notary is active."""

    def __init__(
        self,
        settings: NotarySettings,
        witnesses: tuple[PolicyWitness, ...],
        signer: LogSigner,
        nodes: NodeRepository,
        health: Health,
        clock: Callable[[], int],
    ) -> None:
        """`witnesses` have URLs; `clock` gives milliseconds."""
        self._settings = settings
        self._witnesses = witnesses
        self._signer = signer
        self._nodes = nodes
        self._health = health
        self._clock = clock
        self._changed = asyncio.Event()
        self.contradiction: Checkpoint | None = None
        """A checkpoint with this log's signature that is larger than the log is here, or has another root."""

    @asynccontextmanager
    async def asking(self, gathering: Gathering) -> AsyncIterator[None]:
        """Asks on as long as the block runs."""
        async with httpx.AsyncClient(
            timeout=self._settings.witness_timeout_seconds, trust_env=False, proxy=self._settings.witness_proxy
        ) as client:
            tasks = [asyncio.create_task(self._keep_asking(client, gathering, each)) for each in self._witnesses]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for each in self._witnesses:
                    self._health.notice(_part(each), None)

    def published(self) -> None:
        """There is a new checkpoint to ask for."""
        self._changed.set()

    def show(self, gathering: Gathering) -> None:
        """Sets the metrics; called by the notary's loop."""
        metrics.FINAL_SIZE.set(gathering.final_size)
        for each in self._witnesses:
            metrics.WITNESS_BEHIND.labels(each.name).set(gathering.behind(each.name))

    async def _keep_asking(self, client: httpx.AsyncClient, gathering: Gathering, witness: PolicyWitness) -> None:
        size = 0
        delay = RETRY_FIRST_SECONDS
        while True:
            if not gathering.wants(witness.name):
                self._changed.clear()
                await self._changed.wait()
                continue
            target = gathering.last
            try:
                async with asyncio.timeout(self._settings.witness_timeout_seconds):
                    with metrics.WITNESS_SECONDS.labels(witness.name).time():
                        size, signature = await self._ask(client, witness, target, size)
            except Exception as error:  # whatever it is: the notary and the other witnesses go on
                gathering.failed(witness.name)
                metrics.WITNESS_FAILURES.labels(witness.name).inc()
                reason = f"{type(error).__name__}: {error}".rstrip(": ")
                self._health.notice(_part(witness), f"{gathering.behind(witness.name)} entries behind; {reason}")
                _log.warning("witness_failed", witness=witness.name, error=reason)
                size = 0
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311
                delay = min(delay * 2, self._settings.witness_retry_seconds)
                continue
            delay = RETRY_FIRST_SECONDS
            if signature is not None:
                gathering.cosigned(witness.name, size, signature)
                self._health.notice(_part(witness), None)

    async def _ask(
        self, client: httpx.AsyncClient, witness: PolicyWitness, target: Published, size: int
    ) -> tuple[int, NoteSignature | None]:
        """The witness's size now, and its cosignature of `target`; None where it is already past that."""
        wanted = target.checkpoint
        for _ in range(TRIES):
            proof = await self._nodes.proof(size, wanted.size)
            request = AddCheckpoint(size, proof, target.note)
            status, body = await _send(client, "POST", _url(witness, "add-checkpoint"), request.encode())
            if status == 200:
                return wanted.size, self._signature(witness, target, body)
            if status == CONFLICT:
                size = read_size(body)
                if size <= wanted.size:
                    continue
                if await self._is_ours(size):
                    return size, None
            if status in (CONFLICT, NOT_CONSISTENT):
                await self._look_for_a_contradiction(client, witness)
            text = body[:200].decode("utf-8", "replace").strip()
            raise WitnessFailed(witness.name, f"answered {status}: {text}", "ask its operator")
        raise WitnessFailed(witness.name, "tells another size each time", "see who else asks it")

    async def _is_ours(self, size: int) -> bool:
        """Whether the log has grown to this size since the request was made."""
        return await self._nodes.root(size) is not None

    def _signature(self, witness: PolicyWitness, target: Published, body: bytes) -> NoteSignature:
        for signature in read_answer(body):
            if (signature.name, signature.key_hash) != (witness.key.name, witness.key.key_hash):
                continue
            if not witness.key.verify(target.note.text.encode(), signature.signature):
                raise WitnessFailed(witness.name, "gave a cosignature that does not fit", "see that it has its own key")
            ahead = cosignature_time(signature.signature) - self._clock() // 1000
            if cosignature_time(signature.signature) == 0 or ahead > FUTURE_SECONDS:
                raise WitnessFailed(witness.name, f"gave a time {ahead} s ahead", "see that its clock is right")
            return signature
        raise WitnessFailed(witness.name, f"gave no cosignature by {witness.key.id}", "compare key and policy")

    async def _look_for_a_contradiction(self, client: httpx.AsyncClient, witness: PolicyWitness) -> None:
        """A witness that says no may hold what proves that it is right: a checkpoint signed by our own key."""
        name = hashlib.sha256(self._signer.origin.encode()).hexdigest()
        status, body = await _send(client, "GET", _url(witness, f"{name}/checkpoint"))
        if status != 200:
            return
        seen = Checkpoint.parse(open_note(body, self._signer.log_keys()).text)
        if seen.origin == self._signer.origin and seen.size and await self._nodes.root(seen.size) != seen.root:
            self.contradiction = seen
            _log.critical("contradiction", witness=witness.name, size=seen.size, root=seen.root.hex())


async def ask_size(settings: NotarySettings, witness: PolicyWitness, target: Published) -> int:
    """How far a witness knows the log, asked with a checkpoint that was signed long ago; raises where it says no."""
    async with httpx.AsyncClient(
        timeout=settings.witness_timeout_seconds, trust_env=False, proxy=settings.witness_proxy
    ) as client:
        size = target.state.size
        request = AddCheckpoint(size, (), target.note)
        status, body = await _send(client, "POST", _url(witness, "add-checkpoint"), request.encode())
    if status == 200:
        return size
    if status == CONFLICT:
        return read_size(body)
    text = body[:200].decode("utf-8", "replace").strip()
    raise WitnessFailed(witness.name, f"answered {status}: {text}", "ask its operator")


def refuse(contradiction: Checkpoint) -> NotaryRefusal:
    """Why the notary must end."""
    return NotaryRefusal(
        "witness",
        f"shows size {contradiction.size} root {contradiction.root.hex()}, signed by this log's key, which is not in "
        "this log",
        "restore the guard row and the topics that were signed, or find who else has the key",
    )


async def _send(client: httpx.AsyncClient, method: str, url: str, content: bytes | None = None) -> tuple[int, bytes]:
    async with client.stream(method, url, content=content) as response:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise WitnessFailed(url, f"answers more than {MAX_ANSWER_BYTES} bytes", "ask its operator")
        return response.status_code, bytes(body)


def _url(witness: PolicyWitness, path: str) -> str:
    return f"{witness.url.rstrip('/')}/{path}"


def _part(witness: PolicyWitness) -> str:
    return f"witness {witness.name}"
