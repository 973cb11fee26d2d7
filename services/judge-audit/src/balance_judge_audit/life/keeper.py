"""Keeps the life of alerts in the worker's transactions: sealed acts move it, and ledger time does when nobody acts.

The life of an alert is folded anew from everything that was said of it, so it is the same whatever came first. What
ledger time alone brings is said only when every shard has passed it: then all that could have prevented it is known.
"""

from collections.abc import Sequence
from typing import Final

from balance_judge_audit import repository_life
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.escalation import RULE, tell, wake
from balance_judge_audit.engine.life import live
from balance_judge_audit.engine.noted import Noted
from balance_judge_audit.engine.shard import Places
from balance_judge_audit.life.policy import CourtTerms, LifePolicy
from balance_judge_audit.repository import Connection
from balance_judge_audit.repository_life import Story

STEP: Final = 500
"""Most alerts of which one transaction says that nobody acted."""


class LifeKeeper:
    """The life of alerts beside the rule state of all shards; `source` is our own."""

    def __init__(self, policy: LifePolicy, places: Places, source: str) -> None:
        self._policy = policy
        self._places = places
        self._source = source

    async def take(self, connection: Connection, noted: Sequence[Noted], revisions: Sequence[Revision]) -> None:
        """Takes what a batch brought, after its revisions were stored."""
        touched = {each.id for each in revisions if not each.private and each.rule != RULE}
        if noted:
            touched |= await repository_life.note(connection, noted, self._source)
        if not touched:
            return
        lives = {}
        for id_, story in (await repository_life.stories(connection, touched)).items():
            life = live(story.items, self.terms(story))
            lives[id_] = (life, story.said, wake(life, story.said))
        await repository_life.store(connection, lives)

    async def due(self, connection: Connection, watermark: int) -> list[Revision]:
        """What is to be said because ledger time has passed, everywhere."""
        ids = await repository_life.due(connection, watermark, STEP)
        said: list[Revision] = []
        if not ids:
            return said
        lives = {}
        for id_, story in sorted((await repository_life.stories(connection, ids)).items()):
            life = live(story.items, self.terms(story), watermark)
            told, marks = tell(story.head, life, story.said, watermark, self._policy.version)
            said += told
            lives[id_] = (life, marks, wake(life, marks))
        await repository_life.store(connection, lives)
        return said

    def terms(self, story: Story) -> CourtTerms:
        """The terms of one alert, on its court's calendar."""
        return self._policy.terms(story.head.severity, self._places(story.head.courtcode, story.head.subject))
