"""Records of one court's events as the engine takes them, said in a line each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from balance_chain.core.canonical import encode_event
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms
from balance_judge_audit.engine.shard import Incoming

Item = tuple[datetime, int, str, dict[str, Any]]
"""When, in which case (counted from 0), which type, with what data; a `ledger.tick` is in no case."""


def case_id(court: str, case: int) -> str:
    return f"（2026）{court}民初{case + 1}号"


def incoming(offset: int, item: Item, court: str) -> Incoming:
    """The record at this offset."""
    at, case, kind, data = item
    own = kind == "ledger.tick"
    caseid = None if own else case_id(court, case)
    time = format_ms(int(at.timestamp() * 1000))
    event = CanonicalEvent(
        specversion="1.0",
        id=f"e{case}-{offset}",
        source="urn:balance:test",
        type=kind,
        time=time,
        receivedtime=time,
        phase="test",
        rawgen=0,
        rawpos=offset,
        subject=caseid,
        caseid=caseid,
        courtcode=None if own else court,
        data=data,
    )
    return Incoming(offset, event, encode_event(event))
