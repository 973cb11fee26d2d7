"""A ledger that never rests has its receipts looked at all the same, once it is read as far as it went then."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, Self

import pytest
from balance_chain.runtime.health import Health
from balance_intake import receiptkeeper
from balance_intake.receiptkeeper import ReceiptKeeper
from balance_intake.settings import GatewaySettings
from support.smallledger import ORIGIN

TURNS = 50
BEHIND = 3


class BusyFollower:
    """Every turn finds another block; the newest is always some turns away."""

    def __init__(self) -> None:
        self.read = 0
        self.asked: list[int] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def turn(self, _seconds: float) -> None:
        self.read += 1
        assert self.read < TURNS, "never looked at"

    async def ends(self) -> dict[int, int]:
        self.asked.append(self.read + BEHIND)
        return {0: self.asked[-1]}

    def reached(self, ends: dict[int, int]) -> bool:
        return self.read >= ends[0]


async def test_receipts_are_looked_at_though_every_turn_finds_more_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    follower, stop, looked = BusyFollower(), asyncio.Event(), list[int]()

    async def begun(_settings: object) -> bool:
        return True

    async def judge(*_: Any) -> None:
        looked.append(follower.read)
        if len(looked) == 2:
            stop.set()

    monkeypatch.setattr(receiptkeeper, "SealFollower", lambda *_: follower)
    monkeypatch.setattr(receiptkeeper, "has_begun", begun)
    monkeypatch.setattr(ReceiptKeeper, "_judge", judge)
    settings = GatewaySettings(origin=ORIGIN, receipt_check_seconds=1e-9)
    keys = SimpleNamespace(log_vkey=None)
    await ReceiptKeeper(settings, keys, None, Health())._follow(None, stop)  # type: ignore[arg-type]
    assert looked == follower.asked[:2]
