"""`balance-chain simulate`: the simulator's cases to a file, and to the demo's gateway and Kafka."""

import asyncio
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from balance_chain.runtime.settings import CommonSettings
from balance_chain.simulator import Registration, Simulation, generate, registrations
from balance_chain.simulator.world import World, WorldOptions
from balance_chain.simulator.world.stream import Mix

from .exits import Exit, write_bytes
from .output import Advance, progress, results, show_json
from .publishing import Event, PublishReport, publish_http, publish_kafka
from .recap import show_rejected

_WINDOW: Final = 2_000
"""Events that are on their way at once: within a window sources send beside each other, windows keep the order."""
_encode: Final = msgspec.json.Encoder(order="sorted").encode


async def publish_simulation(
    simulation: Simulation, url: str, settings: CommonSettings, advance: Advance | None = None
) -> PublishReport:
    """Publishes as the sources would: HTTP sources with their tokens, the Kafka source signed straight onto raw."""
    sources = {each.uri: each for each in simulation.sources}
    report = PublishReport()
    for start in range(0, len(simulation.events), _WINDOW):
        window = simulation.events[start : start + _WINDOW]
        by_source: dict[str, list[Event]] = defaultdict(list)
        for event in window:
            by_source[event["source"]].append(event)
        sending = [_publish_one(sources[uri], events, url, settings) for uri, events in by_source.items()]
        outcomes = await asyncio.gather(*sending, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            report.add(outcome)
        if advance is not None:
            advance(len(window))
    return report


async def _publish_one(source: Registration, events: list[Event], url: str, settings: CommonSettings) -> PublishReport:
    if source.transport == "http":
        return await publish_http(events, url, source.token)
    assert source.private_seed is not None
    assert source.public_key is not None
    return await publish_kafka(events, settings, {source.uri: (source.private_seed, source.public_key)})


class Town(StrEnum):
    """Which mix of cases a town has."""

    REALISTIC = "realistic"
    BALANCED = "balanced"
    HONEST = "honest"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be simulated, and where it is written."""

    cases: int
    seed: int
    town: Town | None
    labels: Path | None
    out: Path | None


def _town(wanted: Wanted, mix: Mix, keep: bool) -> tuple[Simulation, int]:
    """The events of a town, written as they come; kept only where they are to be published."""
    world = World(WorldOptions(wanted.cases, wanted.seed, mix))
    kept: list[Event] = []
    count = 0
    if wanted.out is not None:
        write_bytes(wanted.out, b"")
    with wanted.out.open("wb") if wanted.out is not None else nullcontext() as file:
        for event in world.events():
            count += 1
            if file is not None:
                file.write(_encode(event) + b"\n")
            if keep:
                kept.append(event)
    return Simulation(kept, world.labels, registrations()), count


def _round(wanted: Wanted) -> tuple[Simulation, int]:
    simulation = generate(wanted.cases, wanted.seed)
    if wanted.out is not None:
        write_bytes(wanted.out, b"".join(_encode(event) + b"\n" for event in simulation.events))
    return simulation, len(simulation.events)


def simulate(wanted: Wanted, *, publish: bool, url: str, as_json: bool) -> Exit:
    """Makes the cases, writes what was asked for, publishes where asked."""
    simulation, count = _town(wanted, wanted.town.value, publish) if wanted.town else _round(wanted)
    if wanted.labels is not None:
        told = _encode([asdict(label) for label in simulation.labels])
        write_bytes(wanted.labels, msgspec.json.format(told) + b"\n")
    report = None
    if publish:
        with progress("publishing", len(simulation.events), quiet=as_json) as advance:
            report = asyncio.run(publish_simulation(simulation, url, CommonSettings(), advance))
    summary: dict[str, object] = {
        "cases": wanted.cases,
        "seed": wanted.seed,
        "events": count,
        "labels": len(simulation.labels),
    }
    if report is not None:
        summary |= {
            "accepted": report.accepted,
            "duplicates": report.duplicates,
            "rejected": [asdict(each) for each in report.rejected],
        }
    if as_json:
        show_json(summary)
    else:
        shown = summary | ({"rejected": len(report.rejected)} if report is not None else {})
        results.print(", ".join(f"{name} {value}" for name, value in shown.items()))
        show_rejected(report)
    return Exit.REFUSED if report is not None and report.rejected else Exit.DONE
