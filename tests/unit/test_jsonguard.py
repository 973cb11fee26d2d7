"""Only one kind of JSON passes the guard, and what does not pass is refused for the reason a slow reader finds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from balance_chain.core.jsonguard import MAX_INTEGER, BadJson, Limits, decode
from balance_chain.core.rejects import Reason
from hypothesis import given
from hypothesis import strategies as st

REFUSED: list[tuple[bytes, Reason, str]] = [
    (b'{"a":"\xff"}', Reason.NOT_UTF8, ""),
    (b'{"a":"\xed\xa0\x80"}', Reason.NOT_UTF8, ""),
    (b"", Reason.NOT_JSON, ""),
    (b'{"a":1', Reason.NOT_JSON, ""),
    (b'{"a":1}x', Reason.NOT_JSON, ""),
    (b'{"a":NaN}', Reason.NOT_JSON, ""),
    (b'{"a":-Infinity}', Reason.NOT_JSON, ""),
    (b"\xef\xbb\xbf{}", Reason.NOT_JSON, ""),
    (b'{"a":01}', Reason.NOT_JSON, ""),
    (b"[1]", Reason.NOT_OBJECT, ""),
    (b'"x"', Reason.NOT_OBJECT, ""),
    (b"null", Reason.NOT_OBJECT, ""),
    (b'{"a":1,"a":1}', Reason.DUPLICATE_KEY, "/a"),
    (b'{"x":[{"b":{"a":1,"\\u0061":2}}]}', Reason.DUPLICATE_KEY, "/x/0/b/a"),
    (b'{"a":1.0}', Reason.FLOAT_NUMBER, "/a"),
    (b'{"a":[1,2e3]}', Reason.FLOAT_NUMBER, "/a/1"),
    (b'{"a":1e400}', Reason.FLOAT_NUMBER, "/a"),
    (b'{"a":9007199254740992}', Reason.NUMBER_RANGE, "/a"),
    (b'{"a":-9007199254740992}', Reason.NUMBER_RANGE, "/a"),
    (b'{"a":1' + b"0" * 5000 + b"}", Reason.NUMBER_RANGE, "/a"),
    (b'{"a":"\\ud800"}', Reason.LONE_SURROGATE, "/a"),
    (b'{"a":"\\udc00x"}', Reason.LONE_SURROGATE, "/a"),
    (b'{"\\ud800":1}', Reason.LONE_SURROGATE, ""),
    (b'{"a":' + b"[" * 20 + b"]" * 20 + b"}", Reason.TOO_DEEP, "/a" + "/0" * 15),
    (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", Reason.TOO_DEEP, ""),
    (b'{"a":"' + b"x" * 70_000 + b'"}', Reason.TOO_LARGE, "/a"),
    (b'{"a":"' + b"x" * 2_000_000 + b'"}', Reason.TOO_LARGE, ""),
]


@pytest.mark.parametrize(("data", "code", "pointer"), REFUSED, ids=lambda value: repr(value)[:40])
def test_what_is_refused_names_its_reason_and_its_place(data: bytes, code: Reason, pointer: str) -> None:
    with pytest.raises(BadJson) as caught:
        decode(data)
    assert (caught.value.code, caught.value.pointer) == (code, pointer)
    assert caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b' {"a" : "b:c" , "d":"\\":" } ',
        b'{"a":"\\\\","b":"\\\\\\":","c":":"}',
        '{"a":"\\ud83d\\ude00","b":"天平"}'.encode(),
        b'{"a":9007199254740991,"b":-9007199254740991,"c":-0}',
        b'{"a":true,"b":null,"c":[[],{}]}',
        '{"é":1}'.encode(),
    ],
)
def test_what_is_accepted_is_what_json_says(data: bytes) -> None:
    assert decode(data) == json.loads(data)


class _Bad(Exception):
    """The slow reader refuses."""


def _slow(data: bytes, limits: Limits) -> Any:
    """The same rules written as slowly and plainly as possible."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in items}) != len(items):
            raise _Bad
        return dict(items)

    def no(_: str) -> Any:
        raise _Bad

    def walk(value: Any, depth: int) -> None:
        if isinstance(value, dict | list):
            if depth > limits.depth:
                raise _Bad
            for name in value if isinstance(value, dict) else ():
                if len(name) > limits.string:
                    raise _Bad
            for child in value.values() if isinstance(value, dict) else value:
                walk(child, depth + 1)
        elif isinstance(value, str):
            value.encode()
            if len(value) > limits.string:
                raise _Bad
        elif isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise _Bad

    try:
        if len(data) > limits.bytes:
            raise _Bad
        value = json.loads(data.decode(), object_pairs_hook=pairs, parse_float=no, parse_constant=no)
        if not isinstance(value, dict):
            raise _Bad
        walk(value, 1)
    except (_Bad, ValueError, UnicodeError, RecursionError):
        return None
    return value


class _Object(list[tuple[str, Any]]):
    """An object whose names may occur twice."""


_NAMES = st.sampled_from(["a", "b", "c", "a:b", '"', "\\", "é", ""]) | st.text(max_size=4)
_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**60), max_value=2**60)
    | st.floats(allow_nan=True)
    | st.text(st.characters(), max_size=8)
)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(_NAMES, inner), max_size=4).map(_Object),
    max_leaves=12,
)


def _write(value: Any, space: str) -> str:
    if isinstance(value, _Object):
        return "{" + ",".join(f"{space}{json.dumps(n)}{space}:{_write(v, space)}" for n, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_write(item, space) for item in value) + "]"
    return json.dumps(value, ensure_ascii=isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value))


@given(st.lists(st.tuples(_NAMES, _TREES), max_size=4).map(_Object), st.sampled_from(["", " ", "\n\t"]))
def test_the_fast_guard_decides_as_a_slow_reader_does(tree: _Object, space: str) -> None:
    limits = Limits(bytes=400, depth=3, string=6)
    data = _write(tree, space).encode("utf-8", "surrogatepass")
    expected = _slow(data, limits)
    try:
        found: Any = decode(data, limits)
    except BadJson:
        found = None
    assert found == expected


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0d8\x00a1.-e ', max_size=40).map(str.encode))
def test_any_bytes_are_either_decoded_or_refused(data: bytes) -> None:
    limits = Limits(bytes=50, depth=4, string=20)
    try:
        found: Any = decode(data, limits)
    except BadJson as error:
        found = None
        error.pointer.encode()
    assert found == _slow(data, limits)


def test_each_limit_is_a_setting_and_its_refusal_tells_it() -> None:
    narrow = Limits(bytes=40, depth=2, string=5, integer=99)
    for data, code in (
        (b'{"a":99,"b":[1]}', None),
        (b'{"a":100}', Reason.NUMBER_RANGE),
        (b'{"a":-100}', Reason.NUMBER_RANGE),
        (b'{"a":[[1]]}', Reason.TOO_DEEP),
        (b'{"a":"123456"}', Reason.TOO_LARGE),
        (b'{"123456":1}', Reason.TOO_LARGE),
        (b'{"a":' + b" " * 40 + b"1}", Reason.TOO_LARGE),
    ):
        if code is None:
            decode(data, narrow)
        else:
            with pytest.raises(BadJson) as caught:
                decode(data, narrow)
            assert caught.value.code is code, data
