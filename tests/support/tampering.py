"""Six ways to tamper with a sequence of records, drawn from a seed; how many cases a suite runs."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

KINDS = ("flip", "drop", "swap", "insert", "replay", "reorder")


def cases(few: int, share: float = 1.0) -> list[int]:
    """Case numbers: a few, or this share of BALANCE_TAMPER_CASES where that is set."""
    return list(range(int(int(os.environ.get("BALANCE_TAMPER_CASES", "0")) * share) or few))


def flip(data: bytes, chance: random.Random) -> bytes:
    """One bit the other way."""
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _drop(records: list[bytes], chance: random.Random) -> None:
    del records[chance.randrange(len(records))]


def _swap(records: list[bytes], chance: random.Random) -> None:
    one, other = chance.randrange(len(records)), chance.randrange(len(records))
    records[one], records[other] = records[other], records[one]


def _insert(records: list[bytes], chance: random.Random) -> None:
    records.insert(chance.randrange(len(records) + 1), flip(chance.choice(records), chance))


def _replay(records: list[bytes], chance: random.Random) -> None:
    records.insert(chance.randrange(len(records) + 1), chance.choice(records))


def _reorder(records: list[bytes], chance: random.Random) -> None:
    chance.shuffle(records)


def _flip(records: list[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(records))
    records[at] = flip(records[at], chance)


WAYS: dict[str, Callable[[list[bytes], random.Random], None]] = {
    "flip": _flip,
    "drop": _drop,
    "swap": _swap,
    "insert": _insert,
    "replay": _replay,
    "reorder": _reorder,
}


def tamper(kind: str, records: list[bytes], chance: random.Random) -> list[bytes] | None:
    """The records after it; None where nothing changed, as when one record is to be swapped."""
    changed = list(records)
    WAYS[kind](changed, chance)
    return None if changed == records else changed
