"""Read the primitive parts of our formats so strictly that each value has exactly one spelling.

Whoever can spell one signed thing in two ways can make two parties see two things; so base64 is canonical,
numbers have no leading zeros, times one shape, objects no key too many, and whole objects are accepted only
if writing them again gives the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import datetime
from typing import NoReturn

from .errors import MalformedError
from .jcs import MAX_INTEGER, dumps

_HEX64 = re.compile(r"[0-9a-f]{64}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
_LINE = re.compile("[^\x00-\x1f\ud800-\udfff]+")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str, field: str, size: int | None = None) -> bytes:
    """The bytes of canonical standard base64, of exactly `size` bytes where given."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise MalformedError(field, "not standard base64", "use RFC 4648 section 4, with padding") from error
    if encode_base64(data) != text:
        raise MalformedError(field, "base64 with stray bits", "encode the bytes again")
    if size is not None and len(data) != size:
        raise MalformedError(field, f"{len(data)} bytes", f"give {size} bytes")
    return data


def decode_decimal(text: str, field: str) -> int:
    """A decimal number from 0 to 2^53 - 1 in ASCII digits without leading zeros."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_INTEGER:
        raise MalformedError(field, f"{_short(text)} is not a plain number", "use 0 or digits without leading zeros")
    return int(text)


def decode_utf8(data: bytes, field: str) -> str:
    """The text of UTF-8 bytes."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(field, f"not UTF-8 at byte {error.start}", "encode the text as UTF-8") from error


def decode_object(data: bytes, field: str) -> dict[str, object]:
    """The JSON object in `data`; a key that occurs twice, and any number that is no integer, is refused."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise MalformedError(field, "a key occurs twice", "keep one")
        return members

    def no_number(text: str) -> NoReturn:
        raise MalformedError(field, f"number {_short(text)}", "use integers only")

    text = decode_utf8(data, field)
    try:
        value = json.loads(text, object_pairs_hook=once, parse_float=no_number, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise MalformedError(field, f"not JSON ({_short(str(error))})", "send one JSON object") from error
    if not isinstance(value, dict):
        raise MalformedError(field, "not a JSON object", "send one JSON object")
    return value


def exact_keys(members: dict[str, object], field: str, keys: frozenset[str]) -> dict[str, object]:
    """`members`, if it has exactly `keys`."""
    if missing := sorted(keys - members.keys()):
        raise MalformedError(f"{field}.{missing[0]}", "missing", "add it")
    if unknown := sorted(members.keys() - keys):
        raise MalformedError(field, f"unknown key {_short(unknown[0])}", "remove it")
    return members


def canonical_object(data: bytes, field: str, keys: frozenset[str]) -> dict[str, object]:
    """The JSON object with exactly `keys` in `data`, which must be its RFC 8785 bytes."""
    members = exact_keys(decode_object(data, field), field, keys)
    if dumps(members) != data:
        raise MalformedError(field, "not in canonical form", "write it as RFC 8785 (JCS) bytes")
    return members


def text_of(members: dict[str, object], key: str, field: str) -> str:
    """The member `key`, which must be text."""
    value = members[key]
    if not isinstance(value, str):
        raise MalformedError(f"{field}.{key}", "not a string", "give a string")
    return value


def integer_of(members: dict[str, object], key: str, field: str) -> int:
    """The member `key`, which must be an integer."""
    value = members[key]
    if type(value) is not int:
        raise MalformedError(f"{field}.{key}", "not an integer", "give an integer")
    return value


def texts_of(members: dict[str, object], key: str, field: str) -> tuple[str, ...]:
    """The member `key`, which must be a list of text."""
    value = members[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MalformedError(f"{field}.{key}", "not a list of strings", "give a list of strings")
    return tuple(value)


def integers_of(members: dict[str, object], key: str, field: str) -> tuple[int, ...]:
    """The member `key`, which must be a list of integers."""
    value = members[key]
    if not isinstance(value, list) or not all(type(item) is int for item in value):
        raise MalformedError(f"{field}.{key}", "not a list of integers", "give a list of integers")
    return tuple(value)


def check_constant(members: dict[str, object], key: str, field: str, constant: object) -> None:
    """The member `key` must be `constant`, of the same type (True is not 1)."""
    value = members[key]
    if type(value) is not type(constant) or value != constant:
        raise MalformedError(f"{field}.{key}", f"{_short(repr(value))}", f"this version asks for {constant!r}")


def check_range(value: int, field: str, least: int) -> None:
    """`value` must be an integer from `least` to 2^53 - 1."""
    if type(value) is not int or not least <= value <= MAX_INTEGER:
        raise MalformedError(field, f"{_short(repr(value))} is out of range", f"give an integer from {least}")


def check_hex(text: str, field: str) -> None:
    """`text` must be 32 bytes in lower-case hex."""
    if not _HEX64.fullmatch(text):
        raise MalformedError(field, f"{_short(text)} is not a SHA-256 value", "give 64 lower-case hex digits")


def check_time(text: str, field: str) -> None:
    """`text` must be an event time: UTC, milliseconds, `Z`, and a day that exists."""
    problem = "" if _TIME.fullmatch(text) else "has another shape"
    if not problem:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            problem = "does not exist"
    if problem:
        raise MalformedError(field, f"time {_short(text)} {problem}", "write it like 2026-11-24T21:02:42.123Z")


def check_line(text: str, field: str) -> None:
    """`text` must be one line that is not empty: what a checkpoint's origin may be."""
    if not _LINE.fullmatch(text):
        raise MalformedError(field, "empty, or holds control characters or surrogates", "give one line of text")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
