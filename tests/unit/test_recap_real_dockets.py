"""The adapter on the real dockets, where they are present: valid, nothing twice, few unmapped, no clear name."""

import json
import re
from typing import Any

import pytest
from balance_chain.adapters.recap import Docket, Mapped, map_dockets, parse_docket
from balance_chain.core.casenumber import parse_subject
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from support.needs import DOCKETS, needs_dockets

pytestmark = needs_dockets

CATALOGUE = Catalogue.load(data_dir("catalogue"))
SOURCE = "urn:test:recap"


@pytest.fixture(scope="module")
def dockets() -> list[Docket]:
    return [parse_docket(path.read_bytes(), path.name) for path in sorted(DOCKETS.glob("*.json"))]


@pytest.fixture(scope="module")
def result(dockets: list[Docket]) -> Mapped:
    return map_dockets(dockets, SOURCE)


def clear_part(event: dict[str, Any]) -> dict[str, Any]:
    """What of an event is on the ledger as it is."""
    fields = CATALOGUE.types[event["type"]]
    data = {name: value for name, value in event["data"].items() if fields.field(name).privacy is None}  # type: ignore[union-attr]
    return {**event, "data": data}


def test_every_event_validates_against_the_catalogue(result: Mapped) -> None:
    for event in result.events:
        assert CATALOGUE.problems(event["type"], event["data"]) == []
        parse_subject(event["subject"])


def test_all_entries_are_accounted_for_and_few_are_unmapped(dockets: list[Docket], result: Mapped) -> None:
    assert result.entries + result.superseded_entries == sum(len(each.entries) for each in dockets)
    assert result.entries == result.mapped + len(result.skipped) + len(result.unmapped)
    assert result.cases + len(result.superseded) == len(dockets)
    assert result.unmapped_share <= 0.06
    # Notes about the docket are no way to hide what was not understood.
    assert len(result.skipped) / result.entries <= 0.03


def test_ids_are_unique_and_importing_twice_gives_the_same_events(dockets: list[Docket], result: Mapped) -> None:
    assert len({event["id"] for event in result.events}) == len(result.events)
    assert map_dockets(reversed(dockets), SOURCE).events == result.events


def test_no_full_name_of_a_party_judge_or_attorney_is_in_the_clear(dockets: list[Docket], result: Mapped) -> None:
    names = {docket.case_name for docket in dockets}
    names |= {name for docket in dockets for name in (docket.assigned_to, docket.referred_to)}
    names |= {name for docket in dockets for party in docket.parties for name in (party.name, *party.counsel)}
    full = {" ".join(name.lower().split()) for name in names if len(name) >= 8 and len(name.split()) >= 2}
    words = re.compile(r'[^"]+')
    clear = "\n".join(
        {
            text.lower()
            for event in result.events
            for text in words.findall(json.dumps(clear_part(event), ensure_ascii=False))
            if " " in text
        }
    )
    assert [name for name in full if name in clear] == []
