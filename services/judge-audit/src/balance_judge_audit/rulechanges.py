"""What makes one rule book another, and the events that say so. Pure.

A change has an identity that depends on the rule, how many changes of it were sealed before, and the digest of its file
alone: whoever announces it, and however often, it is one event.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from balance_chain.core.times import format_ms

RULE_CHANGED: Final = "rule.changed"
WITHDRAWN: Final = "withdrawn"
"""As the version after: the rule is no longer in the book."""


@dataclass(frozen=True, slots=True)
class Change:
    """A sealed change of a rule; times in milliseconds."""

    source: str
    id: str
    rule: str
    before: str | None
    after: str
    digest: str | None
    happened: int
    received: int
    shard: int
    offset: int
    leaf: str


@dataclass(frozen=True, slots=True)
class Version:
    """A rule as its file has it: the version that it states, and the file's SHA-256."""

    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What the last sealed change of a rule says, and how many there were."""

    version: str
    digest: str | None
    changes: int


@dataclass(frozen=True, slots=True)
class Announcement:
    """A change that is to be sealed."""

    rule: str
    before: str | None
    after: str
    digest: str | None
    number: int
    """How many changes of the rule were sealed before it."""

    @property
    def id(self) -> str:
        """The event's id."""
        return f"rule.{self.rule}.{self.number}.{(self.digest or WITHDRAWN)[:16]}"


def announcements(book: Mapping[str, Version], sealed: Mapping[str, Standing]) -> list[Announcement]:
    """What differs between the book and the last sealed one: new rules, other files, rules that are gone."""
    found: list[Announcement] = []
    for rule, now in sorted(book.items()):
        last = sealed.get(rule)
        if last is None:
            found.append(Announcement(rule, None, now.version, now.digest, 0))
        elif last.digest != now.digest:
            found.append(Announcement(rule, last.version, now.version, now.digest, last.changes))
    for rule, last in sorted(sealed.items()):
        if rule not in book and last.version != WITHDRAWN:
            found.append(Announcement(rule, last.version, WITHDRAWN, None, last.changes))
    return found


def event_of(change: Announcement, source: str, now: int) -> dict[str, Any]:
    """The event as our source sends it, without its number; `now` is when the book was seen to differ."""
    data: dict[str, Any] = {"rule": change.rule, "to": change.after}
    if change.before is not None:
        data["from"] = change.before
    if change.digest is not None:
        data["digest"] = change.digest
    moment = format_ms(now)
    return {
        "specversion": "1.0",
        "id": change.id,
        "source": source,
        "type": RULE_CHANGED,
        "subject": source,
        "time": moment,
        "recordedtime": moment,
        "data": data,
    }


def texts(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Changes as the API and the page show them."""
    return [
        {
            "rule": each.rule,
            "from": each.before,
            "to": each.after,
            "digest": each.digest,
            "time": format_ms(each.happened),
            "received": format_ms(each.received),
            "source": each.source,
            "id": each.id,
            "leaf": each.leaf,
            "shard": each.shard,
            "offset": each.offset,
        }
        for each in changes
    ]
