"""Write JSON in the one form of RFC 8785 (JCS), so that signed and hashed objects have exactly one spelling.

Only what our formats use: strings, integers within ±(2^53−1), booleans, null, lists, and objects with ASCII
keys. With ASCII keys, sorting by code point is sorting by UTF-16 unit (RFC 8785 section 3.2.3), and Python's
own string escapes are those of section 3.2.2.2.
"""

from __future__ import annotations

import json

from .errors import MalformedError

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader holds exactly (RFC 7493 section 2.2)."""

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode


def dumps(value: object) -> bytes:
    """The JCS bytes of `value`; refuses what has no such bytes or lies outside our subset."""
    try:
        _check(value, "value")
        return _write(value).encode()
    except UnicodeEncodeError as error:
        raise MalformedError("value", "a string holds a lone surrogate", "use whole Unicode characters") from error
    except RecursionError as error:
        raise MalformedError("value", "nested too deep", "use fewer levels") from error


def _check(value: object, where: str) -> None:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:  # type: ignore[operator]
            raise MalformedError(where, "integer beyond 2^53 - 1", "send it as a string")
    elif kind is dict:
        for key, member in value.items():  # type: ignore[attr-defined]
            if type(key) is not str or not key.isascii():
                raise MalformedError(where, f"key {key!r} is not ASCII text", "use ASCII names")
            _check(member, f"{where}.{key}")
    elif kind is list:
        for place, member in enumerate(value):  # type: ignore[arg-type]
            _check(member, f"{where}[{place}]")
    else:
        raise MalformedError(where, f"{kind.__name__} is not allowed", "use text, integers, lists and objects")
