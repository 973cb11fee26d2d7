"""Two rounds of chaos, so that every run of the tests has one; `make chaos` plays many, with every fault."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from chaos.faults import FAULTS, POINTS, QUICK, deal
from chaos.run import Round, line, play_all
from chaos.world import World, world

SEED = int(os.environ.get("BALANCE_CHAOS_SEED", "7"))
ROUNDS = 2


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def harmed() -> AsyncIterator[World]:
    async with world(SEED) as started:
        yield started


@pytest.mark.asyncio(loop_scope="module")
async def test_what_was_acknowledged_is_sealed_once_whatever_dies_under_load(harmed: World) -> None:
    rounds: list[Round] = []
    told: list[str] = [f"seed {SEED}; repeat it: make chaos SEED={SEED}"]
    await play_all(harmed, deal(SEED, ROUNDS, QUICK, each=2), SEED, rounds, told.append, step_ahead=False)
    assert all(found.ok for found in rounds), "\n".join(told)
    assert all(found.hit for found in rounds)
    assert rounds[-1].verdict.acknowledged > 0


def test_the_dealer_gives_every_fault_and_every_kill_point_its_turn() -> None:
    plans = deal(1, 25)
    assert {(plan.service, plan.point) for plan in plans} == set(POINTS)
    assert {name for plan in plans for name in plan.faults} == set(FAULTS)
    assert plans == deal(1, 25)
    assert plans != deal(2, 25)
    assert all(line(Round(plan)).startswith(f"{plan.number:4d}  FAIL") for plan in plans), (
        "a point not hit is a failure"
    )
