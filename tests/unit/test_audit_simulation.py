"""The rule book finds every breach that the simulator planted, and nothing else: whoever wrote the labels did
not write the rules.
"""

from zoneinfo import ZoneInfo

import pytest
from balance_chain.core.canonical import encode_event
from balance_chain.core.casenumber import parse_subject
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms, parse_time
from balance_chain.simulator.generate import generate
from balance_chain.simulator.model import ANCHOR_MS, Simulation
from balance_judge_audit import rulebook
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.gap import GapEngine, SourceState
from balance_judge_audit.engine.lawtime import DAY_MS
from balance_judge_audit.engine.shard import Clocks, Incoming, ShardEngine, ShardState
from balance_judge_audit.places import PlaceFinder
from support.protecting import protect

ZONE = ZoneInfo("Asia/Shanghai")
RECEIVED = ANCHOR_MS + DAY_MS
CLOCKS = Clocks(grace_ms=60_000, lateness_ms=60_000)


def records(simulation: Simulation) -> list[Incoming]:
    """The simulation as one shard, twenty events a millisecond, and a tick a day later."""
    made: list[Incoming] = []
    for number, event in enumerate(simulation.events):
        case = parse_subject(event["subject"])
        time = parse_time(event["time"], ZONE)
        recorded = event.get("recordedtime")
        protected = protect(event, case.caseid, case.courtcode)
        canonical = CanonicalEvent(
            specversion="1.0",
            id=event["id"],
            source=event["source"],
            type=event["type"],
            time=format_ms(time.ms),
            precision="day" if time.precision == "day" else None,
            recordedtime=format_ms(parse_time(recorded, ZONE).ms) if recorded else None,
            receivedtime=format_ms(RECEIVED + number // 20),
            sequence=event["sequence"],
            phase="test",
            rawgen=0,
            rawpos=number,
            subject=case.caseid,
            caseid=None if case.form == "source" else case.caseid,
            courtcode=case.courtcode,
            actorref=protected.actorref,
            actorrole=protected.actorrole,
            data=protected.data,
        )
        made.append(Incoming(number, canonical, encode_event(canonical)))
    now = format_ms(RECEIVED + DAY_MS)
    tick = CanonicalEvent(
        specversion="1.0",
        id="tick",
        source="urn:balance:test",
        type="ledger.tick",
        time=now,
        receivedtime=now,
        phase="ledger",
        rawgen=0,
        rawpos=len(made),
        data={},
    )
    return [*made, Incoming(len(made), tick, encode_event(tick))]


@pytest.mark.parametrize("seed", [1, 20])
def test_every_planted_breach_is_found_and_no_honest_case_is_accused(seed: int) -> None:
    simulation = generate(180, seed)
    book = rulebook.load(data_dir("rules"))
    places = PlaceFinder(Courts.load(data_dir("catalogue")))
    shard, cases, sources = ShardState(0), dict[str, CaseState](), dict[str, SourceState]()
    applied = ShardEngine(book, places, CLOCKS).apply(shard, cases, records(simulation))
    assert book.gap is not None
    said = applied.revisions + GapEngine(book.gap, CLOCKS.lateness_ms).apply(sources, applied.held, shard.ledger_time)
    found = {(each.rule, each.subject) for each in said if not each.private}
    planted = {(label.rule, label.subject) for label in simulation.labels if label.expected}
    assert planted
    assert found == planted
