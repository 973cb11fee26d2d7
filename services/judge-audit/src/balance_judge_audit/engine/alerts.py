"""An alert's revision: everything that is said about one episode, and its identity.

The id depends on the rule, its major version, the subject and the start of the episode alone, so whoever
computes it from the log gets the same; what changes is a numbered revision.
"""

import hashlib
from typing import Final, Literal

import msgspec

State = Literal["warning", "open", "cured"]
WHOLE_CASE: Final = "case"
"""Start of the episode for rules that speak once of a case."""
TRIGGERS_SHOWN: Final = 20


class Trigger(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event that an alert rests on, by its identity on the ledger and its leaf hash. `actor`: who of the court
    acted, where the register knows him by an id.
    """

    role: str
    source: str
    id: str
    type: str
    time: str
    leaf: str
    offset: int
    shard: int
    actor: str | None = None


class Episode(msgspec.Struct, frozen=True):
    """What a rule finds in a case now: one breach, or the warning of one."""

    start: str
    state: State
    triggers: tuple[Trigger, ...]
    numbers: dict[str, str | int]


class Revision(msgspec.Struct, frozen=True):
    """One numbered statement about an alert. `judged` is ledger time; `private` ones have never been more than
    a warning.
    """

    id: str
    revision: int
    rule: str
    version: str
    severity: str
    state: State
    private: bool
    subject: str
    start: str
    courtcode: str | None
    shard: int
    judged: str
    triggers: tuple[Trigger, ...]
    numbers: dict[str, str | int]


def alert_id(rule: str, major: str, subject: str, start: str) -> str:
    """The identity of an episode: 32 hex digits."""
    parts = msgspec.json.encode([rule, major, subject, start])
    return hashlib.sha256(b"balance-alert\x00" + parts).hexdigest()[:32]


def digest(episode: Episode) -> str:
    """Changes exactly when there is something new to say."""
    return hashlib.blake2b(msgspec.json.encode(episode, order="sorted"), digest_size=8).hexdigest()
