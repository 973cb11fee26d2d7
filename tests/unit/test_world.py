"""The simulated town: the same bytes again, valid events, law-abiding calendars, labels for every rule."""

import json
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise

import chinese_calendar
import pytest
from balance_chain.core.casenumber import parse_subject
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.simulator import Event, Simulation
from balance_chain.simulator.world import SCENARIOS, World, WorldOptions, simulate_world
from balance_chain.simulator.world.days import works

CATALOGUE = Catalogue.load(data_dir("catalogue"))
WITHIN_CASES = {f"R{number:02d}" for number in range(1, 39)} - {"R21", "R22", "R23", "R28", "R34", "R38"}


@pytest.fixture(scope="module", params=["balanced", "realistic", "honest"])
def town(request: pytest.FixtureRequest) -> Simulation:
    return simulate_world(WorldOptions(300, 5, request.param))


def entered(event: Event) -> datetime:
    return datetime.fromisoformat(event["recordedtime"])


def test_the_working_days_are_those_that_were_named() -> None:
    day = date(2024, 1, 1)
    while day <= date(2026, 12, 31):
        assert works(day) == chinese_calendar.is_workday(day), day
        day += timedelta(days=1)


def test_every_event_is_valid_and_allowed_to_its_source(town: Simulation) -> None:
    sources = {registration.uri: registration.source() for registration in town.sources}
    courts = Courts.load(data_dir("catalogue"))
    for event in town.events:
        assert CATALOGUE.problems(event["type"], event["data"]) == [], event
        case = parse_subject(event["subject"])
        assert sources[event["source"]].allows_type(event["type"])
        if case.form != "source":
            assert courts.get(case.courtcode) is not None
            assert sources[event["source"]].allows_court(case.courtcode)
        assert event["data"]["synthetic"] is True


def test_events_come_in_the_order_in_which_they_were_entered_but_for_those_held_back(town: Simulation) -> None:
    held_back = {(label.subject, label.start) for label in town.labels if label.rule == "R38"}
    in_time = [event for event in town.events if (event["source"], event["sequence"]) not in held_back]
    assert all(entered(one) <= entered(other) for one, other in pairwise(in_time))
    assert all(entered(event) >= datetime.fromisoformat(event["time"]) for event in town.events)


def test_ids_and_numbers_are_given_once(town: Simulation) -> None:
    assert len({event["id"] for event in town.events}) == len(town.events)
    assert len({(event["source"], event["sequence"]) for event in town.events}) == len(town.events)


def test_the_same_options_give_the_same_bytes_and_another_seed_other_cases() -> None:
    options = WorldOptions(60, 9, "realistic")
    first, again, other = (simulate_world(each) for each in (options, options, WorldOptions(60, 10, "realistic")))
    assert json.dumps(first.events) == json.dumps(again.events)
    assert first.labels == again.labels
    assert not {event["id"] for event in first.events} & {event["id"] for event in other.events}


def test_every_rule_within_cases_has_breaches_of_degrees_and_what_is_none() -> None:
    for rule in WITHIN_CASES:
        own = [each for each in SCENARIOS if each.rule == rule]
        assert {each.kind for each in own} & {"near_miss", "honest"}, rule
        assert len({each.subtlety for each in own if each.kind == "positive"}) >= 2, rule


def test_an_honest_town_has_no_label_that_expects_an_alert() -> None:
    town = simulate_world(WorldOptions(200, 3, "honest"))
    assert town.labels
    assert not any(label.expected for label in town.labels)


def test_a_realistic_town_plants_a_few_breaches_and_hears_every_procedure() -> None:
    town = simulate_world(WorldOptions(900, 3, "realistic"))
    procedures = Counter(event["data"]["procedure"] for event in town.events if event["type"] == "case.accepted")
    assert {"ordinary", "small_claims", "appeal", "retrial_review", "retrial", "administrative", "criminal"} <= set(
        procedures
    )
    assert any(event["type"] == "enforcement.filed" for event in town.events)
    planted = {label.caseid for label in town.labels if label.expected and label.caseid}
    assert 0 < len(planted) < 60


def test_too_many_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="cases"):
        next(World(WorldOptions(10**9, 1)).events())
