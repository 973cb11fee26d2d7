"""The only door for JSON from outside: bytes become a dict, or a reason code and the place of the first thing wrong.

msgspec decodes by a type that has no floats, no integer beyond plus or minus 2^53-1 and no deeper level. A name given
twice, which it would drop silently, shows in the number of quotation marks: what was read, written again, has fewer.
Only input that failed is read again, slowly, to say what is wrong and where.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from balance_chain.core.errors import BalanceError
from balance_chain.core.rejects import REMEDIES, Reason

MAX_INTEGER: Final = 2**53 - 1

_encode: Final = msgspec.json.Encoder(order="sorted").encode
_strings: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL).findall


@dataclass(frozen=True, slots=True)
class Limits:
    """How much JSON one event may be."""

    bytes: int = 1_000_000
    """Bytes of the whole value."""
    depth: int = 16
    """Objects and arrays within one another."""
    string: int = 65_536
    """Characters of one string or name."""
    integer: int = MAX_INTEGER
    """Largest number, positive or negative."""


DEFAULT_LIMITS: Final = Limits()


class BadJson(BalanceError):
    """The bytes are not the JSON that we accept: `code` says why, `pointer` (RFC 6901) where."""

    def __init__(self, code: Reason, pointer: str = "", problem: str = "") -> None:
        super().__init__(pointer, problem or code.value.replace("_", " "), REMEDIES[code])
        self.code = code
        self.pointer = pointer


class Parsed(NamedTuple):
    """A JSON object, and the same in canonical bytes (canonical.encode)."""

    value: dict[str, Any]
    canonical: bytes


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """The JSON object in `data`; raises BadJson for anything else."""
    return parse(data, limits).value


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Parsed:
    """The JSON object in `data` and its canonical bytes; raises BadJson for anything else."""
    if len(data) > limits.bytes:
        raise BadJson(Reason.TOO_LARGE, "", f"{len(data)} bytes, at most {limits.bytes}")
    try:
        value = _decoder(limits.depth, limits.string, limits.integer)(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise _explain(data, limits) from None
    written = _encode(value)
    if b"\\" in data:
        complete = len(_strings(data)) == len(_strings(written))
    else:
        # Without escapes every quotation mark begins or ends a string, here and in what was written from it.
        complete = data.count(b'"') == written.count(b'"')
    if not complete:
        raise _explain(data, limits)
    return Parsed(value, written)


def prepare(limits: Limits) -> None:
    """Make the decoder of these limits now: its work doubles with each level, a second or more at 16."""
    _decoder(limits.depth, limits.string, limits.integer)


@lru_cache(maxsize=16)
def _decoder(depth: int, string: int, largest: int) -> Callable[[bytes], dict[str, Any]]:
    """The decoder of objects of at most `depth` levels."""
    integer = Annotated[int, msgspec.Meta(ge=-largest, le=largest)]
    text = Annotated[str, msgspec.Meta(max_length=string)]
    value: Any = None | bool | integer | text
    for _ in range(depth - 1):
        value = None | bool | integer | text | list[value] | dict[text, value]
    return msgspec.json.Decoder(dict[text, value]).decode


class _Constant(Exception):
    """NaN or an infinity, which are not JSON."""


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written: names may occur twice."""


class _Float:
    """A number with a fraction or an exponent."""


def _integer(text: str) -> int:
    # Beyond 17 digits the value does not matter: it is out of range whatever it is.
    return int(text) if len(text) <= 17 else MAX_INTEGER + 1


def _constant(_: str) -> Any:
    raise _Constant


def _explain(data: bytes, limits: Limits) -> BadJson:
    """Read refused bytes again and say the first thing that is wrong with them."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return BadJson(Reason.NOT_UTF8, "", f"byte {error.start} is not UTF-8")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_Pairs,
            parse_float=lambda _: _Float(),
            parse_int=_integer,
            parse_constant=_constant,
        )
    except RecursionError:
        return BadJson(Reason.TOO_DEEP, "", f"more than {limits.depth} levels")
    except _Constant:
        return BadJson(Reason.NOT_JSON, "", "NaN and infinities are not JSON")
    except json.JSONDecodeError as error:
        return BadJson(Reason.NOT_JSON, "", f"{error.msg} at character {error.pos}")
    if not isinstance(value, _Pairs):
        return BadJson(Reason.NOT_OBJECT, "", "the value is not an object")
    return _first_fault(value, "", 1, limits) or BadJson(Reason.NOT_JSON)


def _first_fault(value: Any, pointer: str, depth: int, limits: Limits) -> BadJson | None:
    """The first thing wrong within `value`, in the order in which it was written."""
    if isinstance(value, _Pairs | list):
        if depth > limits.depth:
            return BadJson(Reason.TOO_DEEP, pointer, f"more than {limits.depth} levels")
        seen: set[str] = set()
        children = value if isinstance(value, _Pairs) else ((str(i), item) for i, item in enumerate(value))
        for name, child in children:
            if not isinstance(value, _Pairs):
                fault = None
            elif name in seen:
                fault = BadJson(Reason.DUPLICATE_KEY, f"{pointer}/{escape(name)}", "the name occurs twice")
            else:
                fault = _string_fault(name, pointer, limits)
            seen.add(name)
            fault = fault or _first_fault(child, f"{pointer}/{escape(name)}", depth + 1, limits)
            if fault is not None:
                return fault
        return None
    if isinstance(value, str):
        return _string_fault(value, pointer, limits)
    if isinstance(value, _Float):
        return BadJson(Reason.FLOAT_NUMBER, pointer, "the number has a fraction or an exponent")
    if isinstance(value, int) and not -limits.integer <= value <= limits.integer:
        bound = "2^53-1" if limits.integer == MAX_INTEGER else str(limits.integer)
        return BadJson(Reason.NUMBER_RANGE, pointer, f"the integer is beyond plus or minus {bound}")
    return None


def _string_fault(text: str, pointer: str, limits: Limits) -> BadJson | None:
    if len(text) > limits.string:
        return BadJson(Reason.TOO_LARGE, pointer, f"a string of {len(text)} characters, at most {limits.string}")
    try:
        text.encode()
    except UnicodeEncodeError:
        return BadJson(Reason.LONE_SURROGATE, pointer, "half of a surrogate pair")
    return None


def escape(name: str) -> str:
    """A name as a token of a JSON Pointer, always encodable."""
    return name.encode("utf-8", "replace").decode().replace("~", "~0").replace("/", "~1")
