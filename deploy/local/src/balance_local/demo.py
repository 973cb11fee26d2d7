"""`balance-chain demo`: the whole product on one machine, shown working from events to a verified proof and alerts.

It starts everything, publishes invented Chinese cases (and real dockets where given), waits until what was accepted
is sealed, recomputed and judged, takes one proof away and checks it offline, and holds the alerts against what was
planted. It says what it sees, and succeeds only if all of it is as promised.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from balance_chain.adapters.recap import map_dockets
from balance_chain.cli.exits import CommandFailed, Exit
from balance_chain.cli.output import people, progress, results
from balance_chain.cli.publishing import PublishReport, publish_http
from balance_chain.cli.recap import docket_files, load_dockets
from balance_chain.cli.simulating import publish_simulation
from balance_chain.simulator import Event, Simulation, generate, registrations
from balance_chain.simulator.sources import CONSOLE, RECAP

from balance_local.checks import Watch, compare_alerts, take_proof
from balance_local.demosources import register_demo_sources
from balance_local.register import register_events
from balance_local.sealed import EventName, SealedScan
from balance_local.servers import PortTaken
from balance_local.stack import Stack, StackError, StackOptions
from balance_local.summary import Summary
from balance_local.supervisor import AlreadyRunning, StartFailed

CASES = 60
WITNESS_PORT = 8089
SEED = 1


@dataclass(frozen=True)
class Wish:
    """What this run is asked to show."""

    cases: int
    seed: int
    recap: Path | None


def command(
    once: Annotated[bool, typer.Option("--once", help="Stop when all is shown; exit 0 only if all held.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON, as the last line.")] = False,
    recap: Annotated[Path | None, typer.Option("--recap", help="Folder of real dockets to import as well.")] = None,
    cases: Annotated[int, typer.Option("--cases", min=0, max=100_000, help="Invented cases.")] = CASES,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Equal seeds give equal cases.")] = SEED,
    data: Annotated[Path, typer.Option("--data", help="Folder of data, keys and logs.")] = Path(".balance"),
) -> Exit:
    """Start everything here, publish cases, show blocks, a verified proof and alerts."""
    wish = Wish(cases, seed, recap)
    try:
        return asyncio.run(_run(wish, StackOptions(data=data, witness_port=WITNESS_PORT), once, as_json))
    except (AlreadyRunning, PortTaken, StackError, StartFailed) as error:
        raise CommandFailed(Exit.UNAVAILABLE, str(error)) from None


async def _run(wish: Wish, options: StackOptions, once: bool, as_json: bool) -> Exit:
    started = time.monotonic()
    summary = Summary()
    async with Stack(options, note=_note, register_sources=register_demo_sources) as stack:
        await stack.start()
        summary.urls = {
            "gateway": stack.urls.gateway + "/docs",
            "verifier": stack.urls.verifier,
            "alerts": stack.urls.judge_audit,
        }
        await show(stack, wish, summary, quiet=as_json)
        summary.seconds = round(time.monotonic() - started, 1)
        summary.show(people if as_json else results)
        if as_json:
            # The last line, for machines.
            sys.stdout.write(json.dumps(summary.for_machines(), ensure_ascii=False) + "\n")
            sys.stdout.flush()
        if not once:
            _note("running until Ctrl-C")
            await stack.until_asked_to_stop()
    if stack.stop_asked and once:
        summary.faults.append("stopped before the end")
    return Exit.DONE if summary.ok else Exit.REFUSED


async def show(stack: Stack, wish: Wish, summary: Summary, *, quiet: bool) -> None:
    """Publish, wait, check; what did not hold is in `summary.faults`."""
    simulation = generate(wish.cases, wish.seed)
    async with SealedScan(stack.settings) as scan:
        watch = Watch(stack, scan)
        await watch.read_log()
        names = await _publish(stack, scan, wish, simulation, summary, quiet=quiet)
        _note("waiting until all that was accepted is sealed and in a checkpoint")
        await watch.sealed(names, summary)
        _note("waiting until the verifier has recomputed it")
        await watch.verified(summary)
        if names:
            _note("taking a proof away and checking it offline")
            await take_proof(stack, _shown(names, simulation), summary)
        _note("waiting until every rule has been judged")
        await watch.judged(summary)
        await compare_alerts(stack, simulation, summary)


async def _publish(
    stack: Stack, scan: SealedScan, wish: Wish, simulation: Simulation, summary: Summary, *, quiet: bool
) -> set[EventName]:
    """Publish everything; the names of what was accepted now or before."""
    url = stack.urls.gateway
    names: set[EventName] = set()

    def count(events: list[Event], report: PublishReport) -> None:
        refused = {each.id for each in report.rejected}
        names.update((e["source"], e["id"]) for e in events if e["id"] not in refused)
        summary.accepted += report.accepted
        summary.duplicates += report.duplicates
        summary.rejected += len(report.rejected)

    register = register_events()
    count(register, await publish_http(register, url, _token(CONSOLE)))
    _note(f"publishing {wish.cases} invented cases, {len(simulation.events)} events, as their sources would")
    fresh, known = _new_to_kafka(simulation, scan)
    with progress("cases", len(fresh.events), quiet=quiet) as advance:
        report = await publish_simulation(fresh, url, stack.settings, advance)
    report.duplicates += len(known)
    count(simulation.events, report)
    if wish.recap is not None:
        files = docket_files([wish.recap])
        dockets, unreadable = load_dockets(files)
        mapped = map_dockets(dockets, RECAP)
        summary.unmapped = len(mapped.unmapped)
        summary.faults += [f"{each.file}: {each.problem}" for each in unreadable]
        _note(f"publishing {len(files)} real dockets, {len(mapped.events)} events")
        with progress("dockets", len(mapped.events), quiet=quiet) as advance:
            count(mapped.events, await publish_http(mapped.events, url, _token(RECAP), advance=advance))
    if summary.rejected:
        summary.faults.append(f"the gateway refused {summary.rejected} events")
    return names


def _new_to_kafka(simulation: Simulation, scan: SealedScan) -> tuple[Simulation, list[Event]]:
    """Without what a Kafka source has sent in an earlier run: nobody answers it there, so it looks before it sends."""
    kafka = {each.uri for each in simulation.sources if each.transport == "kafka"}
    known = [e for e in simulation.events if e["source"] in kafka and (e["source"], e["id"]) in scan.places]
    ids = {e["id"] for e in known}
    fresh = [e for e in simulation.events if e["source"] not in kafka or e["id"] not in ids]
    return Simulation(fresh, simulation.labels, simulation.sources), known


def _shown(names: set[EventName], simulation: Simulation) -> EventName:
    """The event whose proof is shown: a judgment where there is one."""
    for event in simulation.events:
        if event["type"] == "judgment.pronounced" and (event["source"], event["id"]) in names:
            return event["source"], event["id"]
    return min(names)


def _token(uri: str) -> str:
    return next(each.token for each in registrations() if each.uri == uri)


def _note(text: str) -> None:
    people.print(f"[dim]{time.strftime('%H:%M:%S')}[/] {text}", highlight=False, soft_wrap=True)
