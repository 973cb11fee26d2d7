"""Bad input by the thousand, each piece the same for the same seed: true events damaged in every way we could think of,
and bytes that never were an event.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from balance_chain.simulator import generate
from support.wholestack import SOURCES

DEEP = 400
LONG = 70_000
NASTY: tuple[str, ...] = (
    "null", "true", "-0", "0.1", "1e400", "-1e-400", "NaN", "Infinity", "9007199254740991", "9007199254740992",
    "-9007199254740992", "1" + "0" * 400, '""', '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\u202e\\u200f"',
    '"' + "x" * LONG + '"', "[]", "{}", "[[]]", "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP,
    '{"a":1,"a":1}', '"2026-13-45T99:99:99Z"', '"9999-12-31T23:59:59Z"', '"0000-00-00"', '"(2026)京0491民初123号"',
    '"../../etc/passwd"', "\"'; drop table intake.dedup; --\"", '"\\r\\nX-Injected: 1"', '"１２３"', '"🙃"',
)  # fmt: skip
"""Pieces of JSON, or nearly JSON, to put where a value stands."""
BAD_BYTES: tuple[bytes, ...] = (
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\x1f",
)
HTTP_URI = "urn:balance-demo:party-platform"
KAFKA_URI = "urn:balance-demo:evidence-platform"

Damage = Callable[[random.Random, dict[str, Any]], bytes]
_MARK = "\x02here\x02"


def _whole(event: Any) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container and key below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield value, key
        yield from _places(child)


def nasty_value(rng: random.Random, event: dict[str, Any]) -> bytes:
    holder, key = rng.choice(list(_places(event)))
    holder[key] = _MARK
    return _whole(event).replace(json.dumps(_MARK).encode(), rng.choice(NASTY).encode())


def other_value(rng: random.Random, event: dict[str, Any]) -> bytes:
    holder, key = rng.choice(list(_places(event)))
    other, other_key = rng.choice(list(_places(event)))
    holder[key] = json.loads(json.dumps(other[other_key]))
    return _whole(event)


def less(rng: random.Random, event: dict[str, Any]) -> bytes:
    holder, key = rng.choice(list(_places(event)))
    del holder[key]
    return _whole(event)


def more(rng: random.Random, event: dict[str, Any]) -> bytes:
    holder = rng.choice([event, event["data"]])
    holder[rng.choice(("extra", "__proto__", "", "é", "x" * 300, "id ", "Data"))] = rng.choice((1, None, {}, "x"))
    return _whole(event)


def twice(rng: random.Random, event: dict[str, Any]) -> bytes:
    name = rng.choice(list(event))
    return _whole(event)[:-1] + b"," + json.dumps({name: event[name]}).encode()[1:]


def bad_bytes(rng: random.Random, event: dict[str, Any]) -> bytes:
    data = bytearray(_whole(event))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        data[at : at + rng.randint(0, 3)] = rng.choice(BAD_BYTES)
    return bytes(data)


def flipped(rng: random.Random, event: dict[str, Any]) -> bytes:
    data = bytearray(_whole(event))
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(rng: random.Random, event: dict[str, Any]) -> bytes:
    data = _whole(event)
    return data[: rng.randrange(len(data))]


def noise(rng: random.Random, event: dict[str, Any]) -> bytes:
    return rng.randbytes(rng.randrange(1, 300))


DAMAGES: tuple[Damage, ...] = (nasty_value, nasty_value, other_value, less, more, twice, bad_bytes, flipped, cut, noise)


def bad_events(seed: int, uri: str = HTTP_URI) -> Iterator[bytes]:
    """Without end; some come out valid after all, each under an id of its own."""
    rng = random.Random(seed)
    models = [event for event in generate(24, 3).events if event["source"] == uri]
    number = 0
    while True:
        number += 1
        event = json.loads(json.dumps(rng.choice(models)))
        event["id"], event["sequence"] = f"bad-{seed}-{number}", str(number)
        yield rng.choice(DAMAGES)(rng, event)


def token(uri: str = HTTP_URI) -> str:
    return SOURCES[uri].token
