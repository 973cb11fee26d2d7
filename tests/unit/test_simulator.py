"""The simulator: valid events, the same bytes each time, and labels that a second reading of the law agrees with."""

import json
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from balance_chain.core.casenumber import parse_subject
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.sources import Sources
from balance_chain.simulator import ANCHOR_MS, Event, Simulation, generate, registrations
from balance_chain.simulator.plans import ROUND

CATALOGUE = Catalogue.load(data_dir("catalogue"))
MONTHS = {"ordinary": 6, "simplified": 3, "small_claims": 2, "appeal": 3}
RULES = {"R01", "R05", "R09", "R14", "R18", "R20", "R36", "R38"}


@pytest.fixture(scope="module", params=[1, 20261124])
def run(request: pytest.FixtureRequest) -> Simulation:
    return generate(3 * len(ROUND), request.param)


def by_case(simulation: Simulation) -> dict[str, list[Event]]:
    cases: dict[str, list[Event]] = defaultdict(list)
    for event in simulation.events:
        cases[parse_subject(event["subject"]).caseid].append(event)
    return cases


def when(event: Event) -> datetime:
    return datetime.fromisoformat(event["time"])


def day(event: Event) -> date:
    return when(event).date()


def months_after(start: date, months: int) -> date:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def roll(last: date) -> date:
    """A last day on a weekend moves to Monday; holidays only ever move it further."""
    return last + timedelta(days=max(0, 7 - last.weekday()) % 7 if last.weekday() >= 5 else 0)


def breaches(events: list[Event]) -> set[str]:
    """The rules that a case breaks, by a plain reading of the domain that shares no code with the engine."""
    ordered = sorted(events, key=when)
    return {name for name, broken in _verdicts(ordered) if broken}


def _verdicts(events: list[Event]) -> Iterator[tuple[str, bool]]:
    def of(*types: str) -> list[Event]:
        return [event for event in events if event["type"] in types]

    def data(event: Event) -> dict[str, Any]:
        return event["data"]  # type: ignore[no-any-return]

    supplied = of("case.submitted")[-1:]
    decided = of("case.accepted", "case.rejected")
    yield "R01", bool(supplied and decided and day(decided[0]) > roll(day(supplied[0]) + timedelta(days=7)))
    yield "R05", any(_over_limit(events, accepted) for accepted in of("case.accepted"))
    trials = [event for event in of("hearing.held") if data(event)["kind"] == "trial"]
    accepted = of("case.accepted")
    yield "R14", any(not accepted or when(trial) < when(accepted[0]) for trial in trials)
    collegial = any(len(data(event)["members"]) >= 3 for event in of("panel.formed"))
    signed = [event for event in of("document.signed") if data(event)["kind"] == "judgment"]
    deliberated = of("deliberation.held")
    yield "R18", collegial and any(not any(when(d) <= when(s) for d in deliberated) for s in signed)
    yield "R09", collegial and _slow(trials, [*deliberated, *of("case.closed")])
    excused = {"leave", "retirement", "transfer", "recusal", "training"}
    yield "R20", sum(data(event)["reason"] not in excused for event in of("judge.reassigned")) >= 2
    late = timedelta(days=3)
    yield "R36", any(datetime.fromisoformat(event["recordedtime"]) - when(event) > late for event in events)


def _slow(trials: list[Event], ends: list[Event]) -> bool:
    """More than five weekdays from the last hearing to the deliberation; none lies so near that holidays matter."""
    after = [end for end in ends if trials and when(end) > when(trials[-1])]
    if not after:
        return False
    days = (day(min(after, key=when)) - day(trials[-1])).days
    return sum((day(trials[-1]) + timedelta(days=each)).weekday() < 5 for each in range(1, days + 1)) > 5


def _over_limit(events: list[Event], accepted: Event) -> bool:
    after = [event for event in events if when(event) > when(accepted)]
    ends = [event for event in after if event["type"] in ("judgment.pronounced", "case.closed", "appeal.decided")]
    if not ends:
        return False
    running = [event for event in after if when(event) <= when(ends[0])]
    procedure = accepted["data"]["procedure"]
    for event in running:
        if event["type"] == "case.converted":
            procedure = event["data"]["to"]
    due = months_after(day(accepted), MONTHS[procedure])
    stopped: date | None = None
    for event in running:
        if event["type"] == "limit.extended":
            due = date.fromisoformat(event["data"]["until"])
        if event["type"] == "limit.suspended" and event["data"]["action"] == "start":
            stopped = day(event)
        elif event["type"] == "limit.suspended" and stopped is not None:
            due += day(event) - stopped
    return day(ends[0]) > roll(due)


def test_every_event_is_valid_and_allowed_to_its_source(run: Simulation) -> None:
    sources = {registration.uri: registration.source() for registration in run.sources}
    courts = Courts.load(data_dir("catalogue"))
    for event in run.events:
        assert CATALOGUE.problems(event["type"], event["data"]) == []
        case = parse_subject(event["subject"])
        source = sources[event["source"]]
        assert courts.get(case.courtcode) is not None
        assert source.allows_type(event["type"])
        assert source.allows_court(case.courtcode)
        assert event["data"]["synthetic"] is True


def test_each_label_is_what_a_plain_reading_of_the_law_says(run: Simulation) -> None:
    expected: dict[str, set[str]] = defaultdict(set)
    for label in run.labels:
        if label.caseid is not None and label.expected:
            expected[label.caseid].add(label.rule)
    found = {caseid: breaches(events) for caseid, events in by_case(run).items()}
    assert {caseid: rules for caseid, rules in found.items() if rules} == dict(expected)


def test_every_rule_has_positives_and_near_misses(run: Simulation) -> None:
    planted = Counter((label.rule, label.kind) for label in run.labels)
    assert {rule for rule, _ in planted} == RULES
    assert set(planted) == {(rule, kind) for rule in RULES for kind in ("positive", "near_miss")}
    assert all(label.expected == (label.kind == "positive") for label in run.labels)


def test_a_source_numbers_its_events_without_a_gap_but_for_the_one_that_is_planted(run: Simulation) -> None:
    numbers: dict[str, list[int]] = defaultdict(list)
    for event in run.events:
        numbers[event["source"]].append(int(event["sequence"]))
    (gap,) = [label for label in run.labels if label.rule == "R38" and label.expected]
    for source, sent in numbers.items():
        missing = set(range(1, max(sent) + 1)) - set(sent)
        assert len(missing) == (1 if source == gap.subject else 0)
        assert len(sent) == len(set(sent))


def test_a_near_gap_is_filled_by_a_number_that_comes_late(run: Simulation) -> None:
    (filled,) = [label for label in run.labels if label.rule == "R38" and not label.expected]
    sent = [int(event["sequence"]) for event in run.events if event["source"] == filled.subject]
    assert sent != sorted(sent)
    assert sorted(sent) == list(range(1, len(sent) + 1))


def test_a_case_happens_before_the_anchor_and_in_the_order_in_which_it_is_published(run: Simulation) -> None:
    anchor = datetime.fromtimestamp(ANCHOR_MS / 1000).astimezone()
    held_back = {label.subject for label in run.labels if label.rule == "R38" and label.kind == "near_miss"}
    for events in by_case(run).values():
        times = [when(event) for event in events if event["source"] not in held_back]
        assert times == sorted(times)
        assert all(datetime.fromisoformat(event["recordedtime"]) < anchor for event in events)


def test_a_case_number_carries_the_year_of_acceptance(run: Simulation) -> None:
    for caseid, events in by_case(run).items():
        accepted = [event for event in events if event["type"] == "case.accepted"] or events
        assert parse_subject(caseid).year == day(accepted[0]).year


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_cases() -> None:
    first, again, other = generate(8, 5), generate(8, 5), generate(8, 6)
    assert json.dumps(first.events) == json.dumps(again.events)
    assert first.labels == again.labels
    assert not {event["id"] for event in first.events} & {event["id"] for event in other.events}
    assert not set(by_case(first)) & set(by_case(other))


def test_a_longer_run_begins_with_the_bytes_of_a_shorter_one() -> None:
    short, long = generate(9, 5), generate(25, 5)
    known = {event["id"]: event for event in long.events}
    assert all(known[event["id"]] == event for event in short.events)


def test_identifiers_depend_on_the_seed_and_not_on_the_clock() -> None:
    early, late = generate(4, 5), generate(4, 5, now_ms=ANCHOR_MS + 86_400_000 * 30)
    assert [event["id"] for event in early.events] == [event["id"] for event in late.events]


def test_a_run_of_no_cases_is_empty_and_too_many_are_refused() -> None:
    assert generate(0, 1).events == []
    with pytest.raises(ValueError, match="cases"):
        generate(10**9, 1)


def test_the_demos_register_is_valid_and_knows_its_tokens() -> None:
    given = registrations()
    register = Sources(registration.source() for registration in given)
    for registration in given:
        source = register.by_token(registration.token)
        assert source is not None
        assert source.uri == registration.uri
        assert (registration.private_seed is not None) == (registration.transport == "kafka")
        assert registration.token not in json.dumps(registration.entry())
        assert registration.types == ("*",) or set(registration.types) <= set(CATALOGUE.types)
    assert [registration.token for registration in registrations(1)] != [each.token for each in given]
