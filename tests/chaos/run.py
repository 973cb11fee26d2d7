"""The rounds: harm, heal, wait until all is settled, judge; and a table of what came of it."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError
from balance_chain.core.errors import BalanceError
from chaos.checks import Verdict, judge, settle
from chaos.faults import FAULTS, Plan, clock_ahead
from chaos.world import World
from support.needs import REPOSITORY
from support.waiting import wait_until

HIT_SECONDS = 120.0
MOMENTS_SECONDS = 3.0
"""A fault begins at a random moment of the first seconds of a round."""
BEGIN_SECONDS = 120.0
"""A fault may meet a server that another fault has just killed, and on a busy machine that starts slowly."""
BEGIN_AGAIN_SECONDS = 3.0
REPORT = REPOSITORY / "build" / "reports" / "chaos.json"


@dataclass
class Round:
    """A plan and what came of it."""

    plan: Plan
    did: list[str] = field(default_factory=list)
    hit: bool = False
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.hit and not self.problems and not self.verdict.problems


async def play(world: World, plan: Plan, seed: int, *, last: bool = False) -> Round:
    """One round. Whatever goes wrong is told in the result; a round never ends the run."""
    found, started = Round(plan), time.monotonic()
    rng = random.Random(f"round {seed} {plan.number}")
    load = world.load
    load.round = plan.number
    load.resume()
    try:
        before = len(load.acknowledged)
        await wait_until(lambda: len(load.acknowledged) > before, HIT_SECONDS, "the load flows")
        marker = world.arm(plan.service, f"{plan.point}:{plan.nth}")
        # The environment of a process is that of its start: it is killed to be armed.
        world.signal(plan.service, rng.choice((signal.SIGTERM, signal.SIGKILL)))
        begun = [_begin(world, name, random.Random(f"{seed} {plan.number} {name}")) for name in plan.faults]
        if last:
            begun.append(clock_ahead(world, rng))
        for outcome in await asyncio.gather(*begun, return_exceptions=True):
            if isinstance(outcome, BaseException):
                found.problems.append(f"{type(outcome).__name__}: {outcome}")
            else:
                found.did.append(outcome)
                world.note(outcome)
        try:
            await wait_until(marker.exists, HIT_SECONDS, f"{plan.service} dies at {plan.point}")
            found.hit = True
            world.note(f"{plan.point} was hit")
        except AssertionError as error:
            found.problems.append(str(error))
        await world.heal()
        await settle(world)
    except (AssertionError, TimeoutError) as error:
        found.problems.append(f"not settled: {error or type(error).__name__}")
        await world.heal()
    try:
        found.verdict = await judge(world)
    except Exception as error:
        found.problems.append(f"not judged: {error!r}")
    found.seconds = time.monotonic() - started
    return found


async def _begin(world: World, name: str, rng: random.Random) -> str:
    """A fault whose own client meets another fault, such as a dead broker, waits that out and begins again."""
    await asyncio.sleep(rng.uniform(0.0, MOMENTS_SECONDS))
    until = time.monotonic() + BEGIN_SECONDS
    while True:
        try:
            return await FAULTS[name](world, rng)
        except (KafkaError, BalanceError, OSError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(BEGIN_AGAIN_SECONDS)


async def play_all(
    world: World,
    plans: Sequence[Plan],
    seed: int,
    rounds: list[Round],
    note: Callable[[str], None],
    *,
    step_ahead: bool = True,
) -> None:
    """All rounds in turn, each added to `rounds` and told as soon as it is over."""
    for plan in plans:
        rounds.append(await play(world, plan, seed, last=step_ahead and plan is plans[-1]))
        note(line(rounds[-1]))
        if not rounds[-1].ok:
            note(f"      repeat it: make chaos ROUNDS={len(plans)} SEED={seed}")


def line(found: Round) -> str:
    """A row of the table."""
    verdict, plan = found.verdict, found.plan
    words = f"{plan.point}:{plan.nth} " + ("hit" if found.hit else "NOT HIT")
    text = (
        f"{plan.number:4d}  {'ok  ' if found.ok else 'FAIL'}  {found.seconds:5.0f} s  {verdict.acknowledged:6d} acked"
        f"  {verdict.lost} lost  {verdict.doubled} doubled  {verdict.not_counting:3d} not counting"
        f"  {verdict.rejects:4d} repeats  {verdict.late:4d} late  {words}; {'; '.join(found.did)}"
    )
    return "\n".join([text, *(f"      {each}" for each in found.problems + verdict.problems)])


def report(rounds: Sequence[Round], wanted: int, seed: int, seconds: float) -> dict[str, Any]:
    """The run as quality.md wants it told."""
    last = rounds[-1].verdict
    points = {found.plan.point for found in rounds if found.hit}
    hits = sum(found.hit for found in rounds)

    def row(name: str, value: object, target: object, unit: str = "", *, met: bool = True) -> dict[str, Any]:
        return {"name": name, "value": value, "unit": unit, "target": target, "met": met, "runs": 1}

    lost, doubled = max(r.verdict.lost for r in rounds), max(r.verdict.doubled for r in rounds)
    failed = [found.plan.number for found in rounds if not found.ok]
    return {
        "name": "chaos",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "seed": seed,
        "seconds": round(seconds),
        "ok": not failed and len(rounds) == wanted,
        "rows": [
            row("rounds", len(rounds), wanted, met=len(rounds) == wanted),
            row("rounds failed", len(failed), 0, met=not failed),
            row("rounds with the kill point hit", hits, len(rounds), met=hits == len(rounds)),
            row("different kill points hit", len(points), None),
            row("acknowledged events", last.acknowledged, None),
            row("acknowledged events lost", lost, 0, met=lost == 0),
            row("acknowledged events doubled", doubled, 0, met=doubled == 0),
            row("events that nobody sent", last.foreign, 0, met=last.foreign == 0),
            row("records that do not count, told by the verifier", last.not_counting, None),
            row("repeats sealed as rejects", last.rejects, None),
            row("receipts", last.promises, None),
            row("receipts not kept in time, each alerted", last.late, None),
            row("of these spoilt by a stepped clock", last.late_by_clock, None),
            row("entries in the log", last.size, None),
        ],
        "rounds": [
            {
                "number": r.plan.number, "ok": r.ok, "seconds": round(r.seconds, 1), "point": r.plan.point,
                "hit": r.hit, "faults": r.did, "acknowledged": r.verdict.acknowledged, "lost": r.verdict.lost,
                "doubled": r.verdict.doubled, "problems": r.problems + r.verdict.problems,
            }
            for r in rounds
        ],
    }  # fmt: skip


def write(told: dict[str, Any], path: Path = REPORT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n")
