"""What an operator asks of the notary beside its work: add a key, end a key, end the log. Pure.

It is carried out where no block is pending, at the size of the last checkpoint: so heights tell what is before it and
what is after, and a reader of one shard needs no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from balance_verify.errors import VerifyError
from balance_verify.keyset import GATEWAY, LOG, SEALER, KeyHistory, KeySet
from balance_verify.note import VerifierKey

from balance_sealer.log import State

Kind = Literal["add", "end", "freeze"]
CHANGEABLE: Final = (SEALER, GATEWAY)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing asked for: `subject` is a vkey to add, the `name+hash` of a key to end, or the origin to freeze."""

    id: int
    kind: Kind
    subject: str


@dataclass
class Decision:
    """What becomes of all that was asked."""

    keys: KeySet | None = None
    freeze: bool = False
    done: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def decide(history: KeyHistory, state: State, changes: Sequence[Change]) -> Decision:
    """The next key set, if any, and which changes could not be part of it."""
    decision, last = Decision(), history.last
    add: list[VerifierKey] = []
    end: list[str] = []
    for change in changes:
        problem = None
        if change.kind == "add":
            try:
                key = VerifierKey.parse(change.subject)
            except VerifyError as error:
                problem = str(error)
            else:
                problem = _not_to_add(last, key)
                add += [] if problem else [key]
        elif change.kind == "end":
            problem = _not_to_end(last, change.subject)
            end += [] if problem else [change.subject]
        elif change.subject != last.origin:
            problem = f"this log is {last.origin}"
        else:
            decision.freeze = True
        if problem is None:
            decision.done.append(change.id)
        else:
            decision.refused[change.id] = problem
    if add or end:
        decision.keys = last.after(state.size, state.heights, add=list(dict.fromkeys(add)), end=end)
    return decision


def _not_to_add(keys: KeySet, key: VerifierKey) -> str | None:
    if keys.role(key) not in CHANGEABLE or not key.name.startswith(f"{keys.origin}/"):
        return f"the key must be named {keys.origin}/ and {' or '.join(CHANGEABLE)}"
    if keys.find(key.id) is not None:
        return f"{key.id} is in the key set already"
    return None


def _not_to_end(keys: KeySet, key_id: str) -> str | None:
    held = keys.find(key_id)
    if held is None or held.until_size is not None:
        return f"{key_id} holds for nothing now"
    if keys.role(held.vkey) == LOG:
        return "the log's key cannot be ended inside the log: freeze it and begin one that follows it"
    return None
