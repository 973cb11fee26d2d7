"""What an operator asks of the notary beside its work: add a key, end a key, end the log. Pure.

It is carried out where no block is pending, at the size of the last checkpoint: so heights tell what is before it and
what is after, and a reader of one shard needs no more.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from balance_verify.errors import VerifyError
from balance_verify.keyset import GATEWAY, LOG, SEALER, KeyHistory, KeySet
from balance_verify.note import VerifierKey

from balance_sealer.log import State

Kind = Literal["add", "end", "freeze"]
CHANGEABLE: Final = (LOG, SEALER, GATEWAY)


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


def decide(
    history: KeyHistory, state: State, changes: Sequence[Change], owned: Collection[str] = frozenset()
) -> Decision:
    """The next key set, if any, and which changes could not be part of it; `owned`: the log's keys that sign here."""
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
                problem = _not_to_add(last, key, owned)
                add += [] if problem else [key]
        elif change.kind == "end":
            problem = _not_to_end(last, change.subject, changes, owned)
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


def _not_to_add(keys: KeySet, key: VerifierKey, owned: Collection[str]) -> str | None:
    if key.name not in (keys.origin, *(f"{keys.origin}/{role}" for role in CHANGEABLE if role != LOG)):
        return f"the key must be named {keys.origin}, or {keys.origin}/ and {SEALER} or {GATEWAY}"
    if keys.role(key) == LOG and key.id not in owned:
        return f"the notary does not have the private key of {key.id}: put log.next.skey into its key directory"
    if keys.find(key.id) is not None:
        return f"{key.id} is in the key set already"
    return None


def _not_to_end(keys: KeySet, key_id: str, changes: Sequence[Change], owned: Collection[str]) -> str | None:
    held = keys.find(key_id)
    if held is None or held.until_size is not None:
        return f"{key_id} holds for nothing now"
    if keys.role(held.vkey) == LOG and not _stays(keys, changes, owned):
        return "the log must keep a key that the notary signs with: add the next one first, or freeze the log"
    return None


def _stays(keys: KeySet, changes: Sequence[Change], owned: Collection[str]) -> bool:
    """Whether the notary has the private key of a key of the log that is there after all changes."""
    ended = {change.subject for change in changes if change.kind == "end"}
    added = [change.subject for change in changes if change.kind == "add"]
    after = [key.id for key in keys.open_log_keys()] + ["+".join(vkey.split("+")[:2]) for vkey in added]
    return any(key_id in owned and key_id not in ended for key_id in after)
