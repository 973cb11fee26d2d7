"""R38 says what brute force over all numbers of all sources says, in whatever steps the shards are taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from balance_chain.core.canonical import encode_event
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.events import TYPE_REJECTED, TYPE_TICK, CanonicalEvent
from balance_chain.core.times import format_ms
from balance_judge_audit import rulebook
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.gap import GapEngine, SequenceFact, SourceState
from balance_judge_audit.engine.shard import Clocks, Incoming, ShardEngine, ShardState
from balance_judge_audit.places import PlaceFinder
from hypothesis import given, settings
from hypothesis import strategies as st

HOUR = 3_600_000
CLOCKS = Clocks(grace_ms=1, lateness_ms=2 * HOUR)
BOOK = rulebook.load(data_dir("rules"))
PLACES = PlaceFinder(Courts.load(data_dir("catalogue")))
START = datetime(2026, 1, 5, tzinfo=UTC)
SHARDS = 2
SOURCES = ["urn:balance:a", "urn:balance:b"]

Item = tuple[datetime, int, str, int, str | None]
"""When, on which shard, of which source, which number, and why it was refused where it was; no two at one instant."""


@st.composite
def histories(draw: st.DrawFn) -> list[Item]:
    now, items, tops = START, list[Item](), dict.fromkeys(SOURCES, 0)
    for _ in range(draw(st.integers(1, 20))):
        now += timedelta(minutes=draw(st.sampled_from([1, 30, 121, 400])))
        source = draw(st.sampled_from(SOURCES))
        step = draw(st.sampled_from([1, 1, 1, 2, 4, -1, -2, -3]))
        number = max(1, tops[source] + step)
        tops[source] = max(tops[source], number)
        refused = draw(st.sampled_from([None, None, None, "schema", "signature_bad"]))
        items.append((now, draw(st.integers(0, SHARDS - 1)), source, number, refused))
    return items


def record(offset: int, item: Item) -> Incoming:
    at, shard, source, number, refused = item
    tick = not source
    time = format_ms(int(at.timestamp() * 1000))
    data = {"reason": refused, "source": source, "sequence": str(number)} if refused else {}
    event = CanonicalEvent(
        specversion="1.0",
        id=f"e{shard}-{offset}",
        source="urn:balance:ledger" if refused or tick else source,
        type=TYPE_TICK if tick else TYPE_REJECTED if refused else "source.heartbeat",
        time=time,
        receivedtime=time,
        sequence=None if refused or tick else str(number),
        phase="test",
        rawgen=0,
        rawpos=offset,
        data=data,
    )
    return Incoming(offset, event, encode_event(event))


def in_steps(items: list[Item], cuts: list[int]) -> list[Revision]:
    assert BOOK.gap is not None
    engine, gaps = ShardEngine(BOOK, PLACES, CLOCKS), GapEngine(BOOK.gap, CLOCKS.lateness_ms)
    shards = [ShardState(number) for number in range(SHARDS)]
    sources: dict[str, SourceState] = {}
    held: list[SequenceFact] = []
    said: list[Revision] = []
    end = START + timedelta(days=30)
    ticks: list[Item] = [(end, shard, "", 0, None) for shard in range(SHARDS)]
    for number, item in enumerate([*items, *ticks]):
        shard = shards[item[1]]
        held += engine.apply(shard, {}, [record(shard.applied, item)]).held
        if number in cuts or number == len(items) + SHARDS - 1:
            watermark = min(each.ledger_time for each in shards)
            said += gaps.apply(sources, [each for each in held if each.time < watermark], watermark)
            held = [each for each in held if each.time >= watermark]
    return said


def gaps_of(items: list[Item], source: str) -> dict[str, str]:
    """Ranges of numbers that were passed over for two hours, by the first of them: open, or cured where all came."""
    # Whoever could not be identified sent no number of anybody.
    came = [(at, number) for at, _, name, number, refused in items if name == source and refused != "signature_bad"]
    found: dict[str, str] = {}
    top = 0
    for at, number in came:
        passed = range(top + 1, number)
        if passed:
            arrived = {each: min((t for t, n in came if n == each and t > at), default=None) for each in passed}
            times = list(arrived.values())
            if any(each is None for each in times):
                found[str(passed[0])] = "open"
            elif any(each is not None and each > at + timedelta(hours=2) for each in times):
                found[str(passed[0])] = "cured"
        top = max(top, number)
    return found


@settings(max_examples=300, deadline=None)
@given(histories(), st.lists(st.integers(0, 20), max_size=4))
def test_gaps_are_what_brute_force_over_all_numbers_says(items: list[Item], cuts: list[int]) -> None:
    said = in_steps(items, cuts)
    last = {each.id: each for each in said}
    for source in SOURCES:
        own = {each.start: each.state for each in last.values() if each.subject == source}
        assert own == gaps_of(items, source)
    in_one = sorted(msgspec.json.encode(each) for each in in_steps(items, []))
    assert in_one == sorted(msgspec.json.encode(each) for each in said)
