"""The same log gives the same alerts: for any batch size, restart, number of workers and interleaving of
shards.
"""

import itertools
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from balance_chain.core.canonical import encode_event
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms
from balance_judge_audit.engine.across import AcrossEngine, HeldFact, KeyState
from balance_judge_audit.engine.alerts import Revision, alert_id
from balance_judge_audit.engine.facts import FACTS_KEPT, CaseState
from balance_judge_audit.engine.gap import GapEngine, SequenceFact, SourceState
from balance_judge_audit.engine.lawtime import DAY_MS
from balance_judge_audit.engine.shard import Clocks, Incoming, ShardEngine, ShardState, courts_declared
from balance_judge_audit.places import PlaceFinder
from hypothesis import given, settings
from hypothesis import strategies as st
from support.smallbook import small_book

STATE: msgspec.msgpack.Decoder[KeyState] = msgspec.msgpack.Decoder(KeyState)
PLACES = PlaceFinder(Courts.load(data_dir("catalogue")))
HOUR = 3_600_000
CLOCKS = Clocks(grace_ms=HOUR, lateness_ms=2 * HOUR)
BOOK = small_book(CLOCKS.lateness_ms)
SHARDS = 3
T0 = 1_767_600_000_000
COLLEGIAL = {"members": ["r_1", "r_2", "r_3"]}
ACTS: list[tuple[str, dict[str, Any]]] = [
    ("case.submitted", {}),
    ("case.materials_requested", {}),
    ("case.accepted", {"procedure": "small_claims"}),
    ("case.accepted", {"procedure": "simplified"}),
    ("case.rejected", {"reason": "standing"}),
    ("case.converted", {"to": "ordinary"}),
    ("limit.extended", {"until": "2026-09-01"}),
    ("limit.suspended", {"action": "start", "suspension_id": "K"}),
    ("limit.suspended", {"action": "resume", "suspension_id": "K"}),
    ("judgment.pronounced", {}),
    ("hearing.held", {"kind": "trial"}),
    ("panel.formed", COLLEGIAL),
    ("deliberation.held", {"body": "panel"}),
    ("document.signed", {"kind": "judgment"}),
    ("judge.reassigned", {"reason": "workload"}),
    ("evidence.submitted", {}),
    ("evidence.examined", {"evidence_id": "E-1"}),
    ("evidence.ruled", {"evidence_id": "E-1", "result": "admitted"}),
    ("payment.received", {"payment_id": "K-1"}),
    ("payment.received", {"payment_id": "K-2"}),
    ("payment.released", {"payment_id": "K-1"}),
    ("recusal.requested", {"target": "r_1"}),
    ("recusal.decided", {"target": "r_1", "result": "granted"}),
    ("interference.recorded", {"manner": "plea"}),
    ("relation.declared", {"person": "r_1", "with": "r_50", "kind": "spouse"}),
    ("judge.assigned", {"judge": "r_1"}),
    ("judge.reassigned", {"previous": "r_1", "judge": "r_2", "reason": "leave"}),
    ("counsel.changed", {"lawyer": "r_50"}),
    ("access.viewed", {"action": "export", "purpose": "trial", "viewer": "r_1", "viewer_role": "judge"}),
    ("supervision.acted", {"measure": "monthly_report", "unit": "u", "month": "2026-01"}),
    ("supervision.acted", {"measure": "monthly_report", "unit": "u", "month": "2026-03"}),
    ("judge.assigned", {"judge": "r_2", "mode": "designated"}),
    ("judge.assigned", {"judge": "r_1", "mode": "random"}),
    ("property.disposed", {"agency": "r_60", "selection": "lottery", "rota": "a", "rota_size": 9}),
    ("evidence.appraised", {"agency": "r_61", "selection": "rota", "rota": "a", "rota_size": 8}),
    ("case.submitted", {"amount": 1000}),
    ("judgment.pronounced", {"kind": "judgment", "cause_code": "9001", "amount": 10}),
    ("judgment.pronounced", {"kind": "judgment", "cause_code": "9001", "amount": 700}),
    ("similar_case.reported", {}),
    ("calendar.declared", {"court": "京0491", "year": 2026, "holidays": ["2026-01-12", "2026-03-06"]}),
    ("calendar.declared", {"court": "京0491", "year": 2026, "holidays": ["2026-03-05"], "worked": ["2026-01-17"]}),
    ("ledger.tick", {}),
]


def event(
    number: int,
    kind: str,
    data: dict[str, Any],
    *,
    case: str | None = "（2026）京0491民初1号",
    time: int = T0,
    received: int = T0,
    recorded: int | None = None,
    sequence: int | None = None,
    source: str = "urn:balance:test:a",
    rawpos: int | None = None,
) -> CanonicalEvent:
    return CanonicalEvent(
        specversion="1.0",
        id=f"e{number}",
        source=source,
        type=kind,
        time=format_ms(time),
        recordedtime=format_ms(time if recorded is None else recorded),
        receivedtime=format_ms(received),
        sequence=None if sequence is None else str(sequence),
        phase="test",
        rawgen=0,
        rawpos=number if rawpos is None else rawpos,
        subject=case,
        caseid=case,
        courtcode="京0491" if case else None,
        data=data,
    )


@st.composite
def logs(draw: st.DrawFn) -> list[list[Incoming]]:
    """Shards of events whose own times and arrival disagree, with numbers that arrive late or never and
    zombies' repeats.
    """
    sequence = 0
    result: list[list[Incoming]] = []
    for shard in range(SHARDS):
        now, log = T0 + draw(st.integers(0, 3)) * HOUR, list[Incoming]()
        for number in range(draw(st.integers(0, 14))):
            now += draw(st.sampled_from([0, 0, 1, HOUR, HOUR, 3 * DAY_MS, 30 * DAY_MS])) - draw(
                st.sampled_from([0, 0, 0, HOUR])
            )
            kind, data = draw(st.sampled_from(ACTS))
            sequence += draw(st.sampled_from([0, 1, 1, 1, 2]))
            made = event(
                shard * 100 + number,
                kind,
                data,
                case=None if kind == "ledger.tick" else f"（2026）京0491民初{shard * 2 + draw(st.integers(1, 2))}号",
                time=now - draw(st.sampled_from([0, 0, 1, HOUR, 5 * DAY_MS, 20 * DAY_MS])),
                received=now,
                recorded=now if draw(st.booleans()) else None,
                sequence=max(1, sequence) if draw(st.booleans()) else None,
                rawpos=number if draw(st.integers(0, 9)) else max(0, number - 1),
            )
            log.append(Incoming(len(log), made, encode_event(made)))
        result.append(log)
    return result


class Store:
    """Keeps state as PostgreSQL does: as bytes, loading only what a batch touches or what is due."""

    def __init__(self) -> None:
        self.cases: list[dict[str, tuple[bytes, int | None]]] = [{} for _ in range(SHARDS)]
        self.sources: dict[str, bytes] = {}
        self.shards = [ShardState(number) for number in range(SHARDS)]
        self.held: list[SequenceFact] = []
        self.facts: list[HeldFact] = []
        self.states: dict[str, bytes] = {}
        self.said: list[Revision] = []
        self.ledger_times = [0] * SHARDS

    def batch(self, shard: int, batch: list[Incoming]) -> None:
        state = self.shards[shard]
        latest = max([state.ledger_time, *(incoming.event.received_ms for incoming in batch)])
        wanted = {incoming.event.caseid for incoming in batch}
        courts = courts_declared(batch)
        rows = {
            caseid: msgspec.msgpack.decode(row, type=CaseState)
            for caseid, (row, wake) in self.cases[shard].items()
            if caseid in wanted or (wake is not None and wake < latest) or courts
        }
        applied = ShardEngine(BOOK, PLACES, CLOCKS).apply(state, rows, batch)
        for caseid in applied.touched:
            wake = rows[caseid].wake(CLOCKS.grace_ms)
            self.cases[shard][caseid] = (msgspec.msgpack.encode(rows[caseid]), wake)
        self.held += applied.held
        self.facts += applied.across
        self.said += applied.revisions

    def across(self) -> None:
        assert BOOK.gap is not None
        watermark = min(state.ledger_time for state in self.shards)
        taken = [fact for fact in self.held if fact.time < watermark]
        self.held = [fact for fact in self.held if fact.time >= watermark]
        sources = {name: msgspec.msgpack.decode(row, type=SourceState) for name, row in self.sources.items()}
        self.said += GapEngine(BOOK.gap, CLOCKS.lateness_ms).apply(sources, taken, watermark)
        self.sources = {name: msgspec.msgpack.encode(state) for name, state in sources.items()}
        self.across_cases(watermark)

    def across_cases(self, watermark: int) -> None:
        engine = AcrossEngine(BOOK.across)
        facts = [fact for fact in self.facts if fact.time < watermark]
        self.facts = [fact for fact in self.facts if fact.time >= watermark]
        stored = {key: STATE.decode(row) for key, row in self.states.items()}
        due = {key for key, each in stored.items() if (wake := engine.wake(key, each)) is not None and wake < watermark}
        states = {key: stored[key] for key in {*engine.keys(facts), *due} & stored.keys()}
        asked = set(engine.keys(facts))
        while more := engine.more_keys(facts, states, watermark, asked):
            asked.update(more)
            states |= {key: stored[key] for key in stored.keys() & set(more)}
        loaded = frozenset(states)
        self.said += engine.apply(states, facts, watermark)
        self.states |= {key: msgspec.msgpack.encode(state) for key, state in states.items()}
        for key in loaded - states.keys():
            del self.states[key]

    def alerts(self) -> list[bytes]:
        return sorted(msgspec.json.encode(revision) for revision in self.said)


def in_one_go(logs: list[list[Incoming]]) -> Store:
    store = Store()
    for shard, log in enumerate(logs):
        store.batch(shard, log)
    store.across()
    return store


def in_pieces(logs: list[list[Incoming]], random: random.Random) -> Store:
    store = Store()
    left = [list(log) for log in logs]
    while any(left):
        shard = random.choice([number for number, log in enumerate(left) if log])
        size = random.randint(1, 5)
        batch, left[shard] = left[shard][:size], left[shard][size:]
        store.batch(shard, batch)
        if random.random() < 0.5:
            store.across()
    store.across()
    return store


@settings(max_examples=150, deadline=None)
@given(logs(), st.randoms(use_true_random=False))
def test_batches_restarts_workers_and_interleaving_change_no_alert(
    logs: list[list[Incoming]], random: random.Random
) -> None:
    whole, pieces = in_one_go(logs), in_pieces(logs, random)
    assert whole.alerts() == pieces.alerts()
    assert whole.cases == pieces.cases
    assert whole.sources == pieces.sources
    assert whole.states == pieces.states


@settings(max_examples=100, deadline=None)
@given(logs())
def test_revisions_of_an_alert_are_numbered_without_gaps_and_only_change_what_they_say(
    logs: list[list[Incoming]],
) -> None:
    by_alert: dict[str, list[Revision]] = {}
    for revision in in_one_go(logs).said:
        by_alert.setdefault(revision.id, []).append(revision)
    for revisions in by_alert.values():
        assert [each.revision for each in revisions] == list(range(1, len(revisions) + 1))
        for earlier, later in itertools.pairwise(revisions):
            assert (earlier.state, earlier.numbers, earlier.triggers) != (later.state, later.numbers, later.triggers)
            assert earlier.judged <= later.judged
            assert not later.private or earlier.private


def run(*events: CanonicalEvent, apply: Callable[[ShardState], None] | None = None) -> tuple[list[Revision], CaseState]:
    shard, cases = ShardState(0), dict[str, CaseState]()
    if apply is not None:
        apply(shard)
    records = [Incoming(number, each, encode_event(each)) for number, each in enumerate(events)]
    said = ShardEngine(BOOK, PLACES, CLOCKS).apply(shard, cases, records).revisions
    return said, cases.get("（2026）京0491民初1号", CaseState())


def test_only_events_that_count_are_applied() -> None:
    twice = event(1, "judge.reassigned", {"reason": "other"}), event(1, "judge.reassigned", {"reason": "other"})
    assert run(*twice)[0] == []
    assert [each.rule for each in run(twice[0], event(2, "judge.reassigned", {"reason": "other"}))[0]] == ["R20"]


def test_an_absence_is_judged_when_the_case_has_been_quiet_for_the_grace() -> None:
    submitted = event(1, "case.submitted", {}, time=T0 - 60 * DAY_MS)
    still = event(2, "case.fee_paid", {}, received=T0 + HOUR - 1)
    early = event(3, "ledger.tick", {}, case=None, received=T0 + HOUR + 5)
    late = event(4, "ledger.tick", {}, case=None, received=T0 + 2 * HOUR)
    assert run(submitted, still, early)[0] == []
    said, _ = run(submitted, still, early, late)
    assert [(each.rule, each.judged) for each in said] == [("R01", format_ms(T0 + 2 * HOUR - 1))]


def test_what_the_ledger_itself_says_of_a_case_neither_delays_nor_breeds_an_alert() -> None:
    submitted = event(1, "case.submitted", {}, time=T0 - 60 * DAY_MS)
    raised = event(2, "alert.raised", {}, received=T0 + HOUR - 1, time=T0 - 60 * DAY_MS, recorded=T0)
    tick = event(3, "ledger.tick", {}, case=None, received=T0 + HOUR + 5)
    assert [each.rule for each in run(submitted, raised, tick)[0]] == ["R01"]


def test_a_case_keeps_a_bounded_number_of_facts_and_still_counts() -> None:
    late = [
        event(number, "evidence.submitted", {}, recorded=T0 + 9 * DAY_MS, received=T0 + number)
        for number in range(5 * FACTS_KEPT)
    ]
    said, state = run(*late)
    assert len(state.facts) == FACTS_KEPT
    assert said[-1].numbers["count_at_least"] == 4 * FACTS_KEPT
    assert len(said) < 20


def test_the_identity_of_an_alert_depends_on_rule_major_version_subject_and_start_alone() -> None:
    assert alert_id("R01", "1", "case", "start") == alert_id("R01", "1", "case", "start")
    assert len({alert_id("R01", "1", "a", "b"), alert_id("R01", "2", "a", "b"), alert_id("R01", "1", "ab", "")}) == 3


def test_an_alert_names_its_events_by_leaf_hash() -> None:
    said, _ = run(event(1, "judge.reassigned", {"reason": "other"}), event(2, "judge.reassigned", {"reason": "other"}))
    assert [trigger.id for trigger in said[0].triggers] == ["e1", "e2"]
    assert all(len(trigger.leaf) == 64 for trigger in said[0].triggers)


@pytest.mark.parametrize("hours", [1, 24])
def test_a_heartbeat_that_is_switched_on_reports_silence_and_its_end(hours: int) -> None:
    assert BOOK.gap is not None
    rule = type(BOOK.gap)(BOOK.gap.rule, hours * HOUR, BOOK.gap.ignored_rejects)
    sources: dict[str, SourceState] = {}
    engine = GapEngine(rule, HOUR)
    facts = [
        SequenceFact(T0, b"a", "s", 1, "e1", "t", 0, 0),
        SequenceFact(T0 + 48 * HOUR, b"b", "s", 2, "e2", "t", 0, 1),
    ]
    said = engine.apply(sources, facts[:1], T0 + 47 * HOUR) + engine.apply(sources, facts[1:], T0 + 48 * HOUR + 1)
    assert [(each.state, each.revision) for each in said] == [("open", 1), ("cured", 2)]
    assert said[0].judged == format_ms(T0 + hours * HOUR)
    assert said[0].id == said[1].id
