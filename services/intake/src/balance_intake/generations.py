"""Holds a shard of the normaliser against the log's generation: after a restore, raw and dedup must be the new ones.

Going on with what was before would be silent: a position in a raw topic that is gone, a repeat where an event was lost.
"""

from __future__ import annotations

import asyncio

from balance_chain.core.topics import CHECKPOINTS
from balance_chain.runtime.kafka import topic_ends
from balance_chain.runtime.keywatch import KeyWatch
from balance_verify.note import VerifierKey

from balance_intake.errors import WrongGeneration
from balance_intake.repository import Repository
from balance_intake.settings import NormaliserSettings


class Generations:
    """The generations that the log's key has signed, read as far as the topic of checkpoints goes."""

    def __init__(self, settings: NormaliserSettings, repository: Repository, log_key: VerifierKey) -> None:
        self._settings = settings
        self._repository = repository
        self._watch = KeyWatch(settings, log_key)
        self._reading = asyncio.Lock()

    async def check(self, shard: int, *, empty: bool) -> bool:
        """Whether the log was ever restored; raises where this process or the shard is not of its generation.

        `empty`: whether the shard has no events.
        """
        async with self._reading:
            if (await topic_ends(self._settings, CHECKPOINTS, 1))[0] == 0:
                # Before the genesis entry there is nothing to be restored.
                return False
            begun = (await self._watch.refresh()).generations
        due, have = len(begun), self._settings.raw_generation
        if due != have:
            raise WrongGeneration(
                "BALANCE_RAW_GENERATION", f"is {have}, the log is in generation {due}", f"set it to {due}"
            )
        if begun and empty and begun[-1][shard] >= 0:
            raise WrongGeneration(
                f"litigation.events/{shard}", "is empty, the log has events of it", "balance-chain archive restore"
            )
        rebuilt = await self._repository.rebuilt_generation() if begun else 0
        if rebuilt != due:
            raise WrongGeneration(
                "dedup", f"is of generation {rebuilt}, the log of {due}", "balance-chain rebuild intake"
            )
        return bool(begun)
