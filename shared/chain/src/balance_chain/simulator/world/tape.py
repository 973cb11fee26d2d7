"""A case that has been told, open to change: how one thing goes wrong, or oddly but rightly, in an honest case.

Everything else stays as it was; what comes after a delay moves by whole weeks, so that no period that was kept is
broken by a weekend.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from balance_chain.core.times import DAY_MS
from balance_chain.simulator.casefile import CaseFile, Draft, local_text
from balance_chain.simulator.people import Person
from balance_chain.simulator.world.days import weeks

_MOMENTS = ("at", "ended", "arrived", "previous")


class Unfit(Exception):
    """The case has not what the change needs: another one is told in its place."""


class Tape:
    """The drafts of one case in the order in which they happened."""

    def __init__(self, case: CaseFile) -> None:
        self.case = case
        self.rng = case.rng
        self.drafts = sorted(case.drafts, key=_when)

    def all(self, *types: str, **where: Any) -> list[Draft]:
        """The events of these types whose data agree."""
        return [
            draft
            for draft in self.drafts
            if draft.type in types and all(draft.data.get(name) == value for name, value in where.items())
        ]

    def first(self, *types: str, **where: Any) -> Draft:
        """The first of them."""
        for draft in self.all(*types, **where):
            return draft
        raise Unfit(types)

    def last(self, *types: str, **where: Any) -> Draft:
        """The last of them."""
        found = self.all(*types, **where)
        if not found:
            raise Unfit(types)
        return found[-1]

    def after(self, ms: int, *types: str, **where: Any) -> Draft:
        """The first of them after that time."""
        for draft in self.all(*types, **where):
            if draft.ms > ms:
                return draft
        raise Unfit(types)

    def drop(self, drafts: Iterable[Draft]) -> None:
        """They never happened."""
        gone = {id(draft) for draft in drafts}
        self.drafts = [draft for draft in self.drafts if id(draft) not in gone]

    def put(
        self, ms: int, source: str, type_id: str, data: dict[str, Any], actor: tuple[str, Person] | None = None
    ) -> Draft:
        """Something more happened, entered soon after."""
        if actor is not None:
            data["actors"] = [{"role": actor[0], **actor[1]}]
        data["synthetic"] = True
        draft = Draft(ms, source, type_id, data, ms + self.rng.randrange(20, 900) * 1000)
        self._insert(draft)
        return draft

    def change(self, draft: Draft, **data: Any) -> Draft:
        """The event said this; None takes a field away."""
        changed = {name: value for name, value in {**draft.data, **data}.items() if value is not None}
        return self._swap(draft, replace(draft, data=changed))

    def move(self, draft: Draft, ms: int) -> Draft:
        """The event happened at another time, and was entered as soon after it as before."""
        return self._swap(draft, replace(draft, ms=ms, recorded_ms=ms + draft.recorded_ms - draft.ms))

    def entered(self, draft: Draft, lag_ms: int) -> Draft:
        """The event was entered so long after it happened."""
        return self._swap(draft, replace(draft, recorded_ms=draft.ms + lag_ms))

    def push(self, draft: Draft, ms: int) -> Draft:
        """The event happened at a later time, and all that followed it as many weeks later."""
        if ms <= draft.ms:
            return draft if ms == draft.ms else self.move(draft, ms)
        self.shift([each for each in self.drafts if each.ms >= draft.ms and each is not draft], weeks(ms - draft.ms))
        return self.move(draft, ms)

    def shift(self, drafts: Iterable[Draft], delta_ms: int) -> None:
        """They happened later by so much, with the times that they name."""
        moving = {id(draft) for draft in drafts}
        self.drafts = [_shifted(draft, delta_ms) if id(draft) in moving else draft for draft in self.drafts]
        self.drafts.sort(key=_when)

    def replace_person(self, old: Person, new: Person, from_ms: int) -> None:
        """From that time on one person sits, signs and acts in another's place."""
        for number, draft in enumerate(self.drafts):
            if draft.ms >= from_ms:
                data = {name: _instead(value, old, new) for name, value in draft.data.items()}
                self.drafts[number] = replace(draft, data=data)

    def _swap(self, old: Draft, new: Draft) -> Draft:
        self.drafts = [each for each in self.drafts if each is not old]
        self._insert(new)
        return new

    def _insert(self, draft: Draft) -> None:
        self.drafts.append(draft)
        self.drafts.sort(key=_when)


def days(count: float) -> int:
    """So many days in milliseconds."""
    return int(count * DAY_MS)


def _when(draft: Draft) -> int:
    return draft.ms


def _shifted(draft: Draft, delta_ms: int) -> Draft:
    data = {name: _later(value, delta_ms) if name in _MOMENTS else value for name, value in draft.data.items()}
    return replace(draft, ms=draft.ms + delta_ms, recorded_ms=draft.recorded_ms + delta_ms, data=data)


def _later(text: str, delta_ms: int) -> str:
    return local_text(int(datetime.fromisoformat(text).timestamp() * 1000) + delta_ms)


def _instead(value: Any, old: Person, new: Person) -> Any:
    if isinstance(value, list):
        return [_instead(each, old, new) for each in value]
    if isinstance(value, dict):
        if value.get("id") == old["id"]:
            return {**value, "id": new["id"]}
        return {name: _instead(each, old, new) for name, each in value.items()}
    return value
