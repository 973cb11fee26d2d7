"""The rule engine over simulated cases: every planted breach is found, and nothing else is."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from balance_chain.core.canonical import encode_event
from balance_chain.core.casenumber import parse_subject
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.partition import partition_for
from balance_chain.core.times import format_ms, parse_time
from balance_chain.simulator import ANCHOR_MS, Event, generate
from balance_chain.simulator.plans import ROUND
from balance_judge_audit import rulebook
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.gap import GapEngine, SequenceFact, SourceState
from balance_judge_audit.engine.shard import Clocks, Incoming, ShardEngine, ShardState
from balance_judge_audit.places import PlaceFinder

SHARDS = 4
SECOND = 1000
CLOCKS = Clocks(grace_ms=60 * SECOND, lateness_ms=120 * SECOND)
CHINA = ZoneInfo("Asia/Shanghai")


def canonical(event: Event, received: int, rawpos: int) -> CanonicalEvent:
    """What the rules see of it; persons and texts, which they never read, stay as they are."""
    case = parse_subject(event["subject"])
    return CanonicalEvent(
        specversion="1.0",
        id=event["id"],
        source=event["source"],
        type=event["type"],
        subject=case.caseid,
        caseid=case.caseid,
        courtcode=case.courtcode,
        time=format_ms(parse_time(event["time"], CHINA).ms),
        recordedtime=format_ms(parse_time(event["recordedtime"], CHINA).ms),
        receivedtime=format_ms(received),
        sequence=event["sequence"],
        phase="simulated",
        rawgen=0,
        rawpos=rawpos,
        data=event["data"],
    )


def tick(shard: int, received: int, rawpos: int) -> CanonicalEvent:
    at = format_ms(received)
    data: dict[str, Any] = {}
    return CanonicalEvent(
        specversion="1.0",
        id=f"{shard}-0-{rawpos}",
        source="urn:balance:test",
        type="ledger.tick",
        time=at,
        receivedtime=at,
        phase="ledger",
        rawgen=0,
        rawpos=rawpos,
        data=data,
    )


@pytest.mark.parametrize("seed", [1, 7, 20261124])
def test_the_rules_find_each_planted_breach_and_nothing_else(seed: int) -> None:
    simulation = generate(2 * len(ROUND), seed)
    book = rulebook.load(data_dir("rules"))
    engine = ShardEngine(book, PlaceFinder(Courts.load(data_dir("catalogue"))), CLOCKS)
    shards: list[list[CanonicalEvent]] = [[] for _ in range(SHARDS)]
    for number, event in enumerate(simulation.events):
        shard = partition_for(parse_subject(event["subject"]).caseid, SHARDS)
        shards[shard].append(canonical(event, ANCHOR_MS + number, len(shards[shard])))
    raised: set[tuple[str, str]] = set()
    facts: list[SequenceFact] = []
    for shard, events in enumerate(shards):
        later = ANCHOR_MS + 1000 * SECOND
        events.append(tick(shard, later, len(events)))
        incoming = [Incoming(offset, event, encode_event(event)) for offset, event in enumerate(events)]
        cases: dict[str, CaseState] = {}
        applied = engine.apply(ShardState(shard), cases, incoming)
        facts += applied.held
        raised |= {(each.rule, each.subject) for each in applied.revisions if each.state == "open" and not each.private}
    assert book.gap is not None
    sources: dict[str, SourceState] = {}
    gaps = GapEngine(book.gap, CLOCKS.lateness_ms).apply(sources, facts, ANCHOR_MS + 1000 * SECOND)
    raised |= {(each.rule, each.subject) for each in gaps}
    planted = {(label.rule, label.subject) for label in simulation.labels if label.expected}
    assert raised == planted
