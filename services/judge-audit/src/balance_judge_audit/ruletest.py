"""Runs the readable cases of `rules/tests/*.yaml`: events on one side, the alerts that must follow on the
other.

A case is fed to the real engine. Each event has the `time` at which it happened, and may have `received` and
`recorded`: both the same as `time` where absent, and `recorded: none` where the source does not say. At the end
ledger time passes to `until` on every shard. What happens many times is written once, with `repeat`; a case with such a
step is fed in the order in which its events were received.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from balance_chain.core.canonical import encode_event
from balance_chain.core.catalogue_files import read_yaml
from balance_chain.core.events import TYPE_TICK, CanonicalEvent
from balance_chain.core.times import format_ms, parse_time

from balance_judge_audit.engine.across import AcrossEngine, HeldFact, KeyState
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.gap import GapEngine, SequenceFact, SourceState
from balance_judge_audit.engine.shard import Clocks, Incoming, Places, ShardEngine, ShardState

SHARDS: Final = 2
CLOCKS: Final = Clocks(grace_ms=3_600_000, lateness_ms=3_600_000)
ZONE: Final = ZoneInfo("Asia/Shanghai")
CASE: Final = "（2026）京0491民初1号"
COURT: Final = "京0491"
MINUTE_MS: Final = 60_000
UNSTATED: Final = "none"
"""As `recorded`: the source does not say when it entered the event."""


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One event of a case."""

    type: str
    time: str
    received: str | None = None
    recorded: str | None = None
    data: dict[str, Any] = {}
    case: str | None = CASE
    court: str | None = COURT
    source: str = "urn:balance:test:case-system"
    sequence: int | None = None
    actor: str | None = None
    role: str | None = None
    """Who acted, and in which role."""
    shard: int = 0
    repeat: int = 1
    """How often the step happens, `every` so many minutes; `{n}` in case and data counts from `first`."""
    every: int = 0
    first: int = 1


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the last revision of an alert must say."""

    state: str
    revision: int | None = None
    numbers: dict[str, str | int] = {}


class RuleCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A readable case: what happened, and what the rule must say of it."""

    name: str
    zh: str
    events: tuple[Step, ...]
    until: str
    expect: tuple[Expected, ...] = ()
    alone: bool = False
    """Without the file's background."""


class RuleCases(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The cases of one rule. `background`: what happens around each of them."""

    rule: str
    cases: tuple[RuleCase, ...]
    background: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one case came out: `problem` is empty where the rule said what it should."""

    rule: str
    name: str
    problem: str


def load_cases(directory: Path) -> list[RuleCases]:
    """The cases of `rules/tests`."""
    return [_with_background(msgspec.convert(read_yaml(path), RuleCases)) for path in sorted(directory.glob("*.yaml"))]


def _with_background(read: RuleCases) -> RuleCases:
    cases = (
        case if case.alone else msgspec.structs.replace(case, events=(*case.events, *read.background))
        for case in read.cases
    )
    return msgspec.structs.replace(read, cases=tuple(cases))


def run_case(book: RuleBook, places: Places, rule: str, case: RuleCase) -> Outcome:
    """Feeds the case to the engine and compares the last revision of each alert of the rule."""
    last: dict[str, Revision] = {}
    for revision in play(book, places, case.events, case.until):
        if revision.rule == rule:
            last[revision.id] = revision
    found = sorted(last.values(), key=lambda each: each.start)
    if len(found) != len(case.expect):
        said = [f"{each.state} {each.start} {each.numbers}" for each in found]
        return Outcome(rule, case.name, f"expected {len(case.expect)} alerts, got {said}")
    for got, want in zip(found, case.expect, strict=True):
        if got.state != want.state or want.revision not in (None, got.revision):
            problem = f"expected {want.state} (revision {want.revision}), got {got.state} ({got.revision})"
            return Outcome(rule, case.name, problem)
        wrong = {name: got.numbers.get(name) for name, value in want.numbers.items() if got.numbers.get(name) != value}
        if wrong:
            return Outcome(rule, case.name, f"expected {want.numbers}, got {wrong}")
    return Outcome(rule, case.name, "")


def play(book: RuleBook, places: Places, steps: Sequence[Step], until: str) -> list[Revision]:
    """Every revision that these events bring, in the order in which they are said."""
    said: list[Revision] = []
    held: list[SequenceFact] = []
    across: list[HeldFact] = []
    shards = [ShardState(number) for number in range(SHARDS)]
    engine = ShardEngine(book, places, CLOCKS)
    cases: list[dict[str, Any]] = [{} for _ in shards]
    for shard, event in written(steps, until):
        state = shards[shard]
        incoming = Incoming(state.applied, event, encode_event(event))
        applied = engine.apply(state, cases[shard], [incoming])
        said += applied.revisions
        held += applied.held
        across += applied.across
    watermark = min(state.ledger_time for state in shards)
    if book.gap is not None:
        said += GapEngine(book.gap, CLOCKS.lateness_ms).apply(dict[str, SourceState](), held, watermark)
    said += AcrossEngine(book.across).apply(dict[str, KeyState](), across, watermark)
    return said


def _spread(steps: Sequence[Step]) -> list[Step]:
    """Each step as often as it happens."""
    if all(step.repeat == 1 for step in steps):
        return list(steps)
    found: list[Step] = []
    for step in steps:
        for number in range(step.repeat):
            at = format_ms(_ms(step.time) + number * step.every * MINUTE_MS)
            case, data = _counted((step.case, step.data), str(step.first + number))
            found.append(
                msgspec.structs.replace(step, time=at, case=case, data=data, repeat=1) if step.repeat > 1 else step
            )
    return sorted(found, key=lambda step: _ms(step.received or step.time))


def _counted(value: Any, number: str) -> Any:
    if isinstance(value, dict):
        return {name: _counted(each, number) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_counted(each, number) for each in value]
    return value.replace("{n}", number) if isinstance(value, str) else value


def written(steps: Sequence[Step], until: str) -> list[tuple[int, CanonicalEvent]]:
    """The events as the log would have them, by shard, with a tick at the end on each."""
    events = [(step.shard, _event(number, step)) for number, step in enumerate(_spread(steps))]
    return [*events, *((shard, _tick(len(events) + shard, until)) for shard in range(SHARDS))]


def _event(number: int, step: Step) -> CanonicalEvent:
    time = parse_time(step.time, ZONE)
    received = _ms(step.received or step.time)
    return CanonicalEvent(
        specversion="1.0",
        id=f"e-{number}",
        source=step.source,
        type=step.type,
        time=format_ms(time.ms),
        precision="day" if time.precision == "day" else None,
        recordedtime=None if step.recorded == UNSTATED else format_ms(_ms(step.recorded or step.time)),
        sequence=str(step.sequence) if step.sequence is not None else None,
        receivedtime=format_ms(received),
        phase="test",
        rawgen=0,
        rawpos=number,
        subject=step.case,
        caseid=step.case,
        courtcode=step.court,
        actorref=step.actor,
        actorrole=step.role,
        data=step.data,
    )


def _ms(text: str) -> int:
    return parse_time(text, ZONE).ms


def _tick(number: int, until: str) -> CanonicalEvent:
    now = format_ms(_ms(until))
    return CanonicalEvent(
        specversion="1.0",
        id=f"t-{number}",
        source="urn:balance:test",
        type=TYPE_TICK,
        time=now,
        receivedtime=now,
        phase="ledger",
        rawgen=0,
        rawpos=number,
        data={},
    )
