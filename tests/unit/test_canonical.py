"""Our canonical bytes are those of RFC 8785, and an event survives them."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from balance_chain.core.canonical import NotCanonical, check_event, decode_event, encode, encode_event
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.jsonguard import MAX_INTEGER
from hypothesis import given
from hypothesis import strategies as st

_ASCII = st.text(st.characters(max_codepoint=127), max_size=8)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_ASCII, inner, max_size=4),
    max_leaves=15,
)


@given(_VALUES)
def test_canonical_bytes_are_rfc_8785(value: Any) -> None:
    assert encode(value) == rfc8785.dumps(value)


@given(st.dictionaries(_ASCII, _VALUES, max_size=4), st.integers(0, MAX_INTEGER), st.none() | _TEXT)
def test_an_event_survives_its_bytes(data: dict[str, Any], rawpos: int, subject: str | None) -> None:
    event = an_event(data=data, rawpos=rawpos, subject=subject)
    value = encode_event(event)
    assert check_event(value) == event
    assert value == rfc8785.dumps(
        {k: v for k, v in ((f, getattr(event, f)) for f in event.__struct_fields__) if v is not None}
    )


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"\xff", b'{"\\ud800":1}', b"[" * 3000])
def test_other_bytes_are_no_event(value: bytes) -> None:
    with pytest.raises(NotCanonical):
        decode_event(value)


def test_an_event_with_one_space_is_not_canonical() -> None:
    value = encode_event(an_event())
    with pytest.raises(NotCanonical):
        check_event(value.replace(b":", b": ", 1))


def test_an_event_with_an_unknown_attribute_is_refused() -> None:
    value = encode_event(an_event())
    with pytest.raises(NotCanonical):
        decode_event(value[:-1] + b',"zz":1}')


def test_times_of_an_event_are_milliseconds() -> None:
    event = an_event()
    assert event.time_ms == 1_772_413_200_000
    assert event.recorded_ms == event.received_ms == 1_772_413_200_123


def an_event(**changes: Any) -> CanonicalEvent:
    fields: dict[str, Any] = {
        "specversion": "1.0",
        "id": "0-0-7",
        "source": "urn:balance:test",
        "type": "ledger.tick",
        "time": "2026-03-02T01:00:00.000Z",
        "phase": "ledger",
        "receivedtime": "2026-03-02T01:00:00.123Z",
        "rawgen": 0,
        "rawpos": 7,
        "data": {},
    }
    return CanonicalEvent(**{**fields, **changes})
