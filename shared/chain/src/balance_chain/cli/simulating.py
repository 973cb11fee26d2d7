"""`balance-chain simulate`: the simulator's cases to a file, and to the demo's gateway and Kafka."""

import asyncio
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Final

import msgspec

from balance_chain.runtime.settings import CommonSettings
from balance_chain.simulator import Registration, Simulation, generate

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


def simulate(
    cases: int, seed: int, *, publish: bool, url: str, labels: Path | None, out: Path | None, as_json: bool
) -> Exit:
    """Makes the cases, writes what was asked for, publishes where asked."""
    simulation = generate(cases, seed)
    if out is not None:
        write_bytes(out, b"".join(_encode(event) + b"\n" for event in simulation.events))
    if labels is not None:
        write_bytes(labels, msgspec.json.format(_encode([asdict(label) for label in simulation.labels])) + b"\n")
    report = None
    if publish:
        with progress("publishing", len(simulation.events), quiet=as_json) as advance:
            report = asyncio.run(publish_simulation(simulation, url, CommonSettings(), advance))
    summary: dict[str, object] = {
        "cases": cases,
        "seed": seed,
        "events": len(simulation.events),
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
