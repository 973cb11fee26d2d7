"""Asks the notary to change keys or to end the log: leaves it in its database, waits until the notary has done it.

The notary alone has the log's key, so whoever asks needs none.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from balance_chain.runtime.db import connect, migrate

from balance_sealer.repository import SCHEMA, ask, outcome
from balance_sealer.settings import NotarySettings

PACKAGE = "balance_sealer"
LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one thing asked for; neither size nor reason while the notary has not come to it."""

    size: int | None
    refused: str | None


async def ask_notary(
    settings: NotarySettings, changes: Sequence[tuple[str, str]], wait_seconds: float
) -> tuple[Answer, ...]:
    """Asks for (kind, subject) all together; what is not carried out in time stays asked for."""
    pool = await connect(settings, SCHEMA, size=1)
    try:
        await migrate(pool, PACKAGE, SCHEMA)
        async with pool.acquire(timeout=settings.database_timeout_seconds) as connection:
            ids = await ask(connection, changes)
            until = time.monotonic() + wait_seconds
            while True:
                answers = tuple(Answer(*each) for each in await outcome(connection, ids))
                settled = all(each.size is not None or each.refused is not None for each in answers)
                if settled or time.monotonic() >= until:
                    return answers
                await asyncio.sleep(LOOK_SECONDS)
    finally:
        pool.terminate()


def ask_now(changes: Sequence[tuple[str, str]], wait_seconds: float) -> list[tuple[int | None, str | None]]:
    """For the command line: `ask_notary` with the settings of the environment."""
    answers = asyncio.run(ask_notary(NotarySettings(), changes, wait_seconds))
    return [(each.size, each.refused) for each in answers]
