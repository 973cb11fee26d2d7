"""Dockets become events with stable ids, one report a case, nothing twice. Every docket here is invented."""

import json
from typing import Any

import pytest
from balance_chain.adapters.recap import Docket, DocketError, Mapped, map_dockets, parse_docket
from balance_chain.core.casenumber import parse_subject
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from hypothesis import given, settings
from hypothesis import strategies as st

CATALOGUE = Catalogue.load(data_dir("catalogue"))
SOURCE = "urn:test:recap"

COMPLAINT = "Complaint against Example Company. Filing Fee $ 400, Receipt Number 0123-456 (Entered: 01/02/2003)"
ENTRIES: list[dict[str, Any]] = [
    {"date_filed": "2003-01-02", "date_entered": "2003-01-03", "description": COMPLAINT, "document_number": "1"},
    {
        "date_filed": "2003-01-04",
        "date_entered": "2003-01-04",
        "description": "Summons Issued",
        "document_number": None,
    },
    {"date_filed": "2003-02-01", "date_entered": "2003-02-01", "description": "Order", "document_number": "2"},
]


def file(**fields: Any) -> bytes:
    whole = {
        "court_id": "exd",
        "docket_number": "1:03-cv-00001",
        "case_name": "Alder Person v. Birch Company",
        "date_filed": "2003-01-02",
        "date_terminated": None,
        "assigned_to_str": "Judith Q. Chestnut",
        "referred_to_str": "",
        "cause": "28:1331 Federal Question",
        "parties": [{"type": "Plaintiff", "name": "Alder Person", "attorneys": [{"name": "Elm Counsel"}]}],
        "docket_entries": ENTRIES,
    }
    return json.dumps(whole | fields).encode()


def docket(name: str = "docket-exd.json", **fields: Any) -> Docket:
    return parse_docket(file(**fields), name)


def mapped(*dockets: Docket) -> Mapped:
    return map_dockets(dockets, SOURCE)


def by_type(result: Mapped, type_id: str) -> list[dict[str, Any]]:
    return [event for event in result.events if event["type"] == type_id]


def test_every_event_is_valid_and_names_its_case() -> None:
    result = mapped(docket(date_terminated="2003-03-01"))
    for event in result.events:
        assert CATALOGUE.problems(event["type"], event["data"]) == []
        assert parse_subject(event["subject"]).courtcode == "us-exd"
    assert {event["subject"] for event in result.events} == {"us-exd/1:03-cv-00001"}


def test_an_entry_may_give_several_events_and_all_are_counted() -> None:
    result = mapped(docket())
    assert (result.entries, result.mapped, len(result.skipped), len(result.unmapped)) == (3, 3, 0, 0)
    fee = by_type(result, "case.fee_paid")[0]["data"]
    assert (fee["amount"], fee["currency"], fee["receipt"]) == (40000, "USD", "0123-456")
    assert [
        event["data"]["docket"]["part"]
        for event in result.events
        if event["time"] == "2003-01-02" and "part" in event["data"]["docket"]
    ] == [1, 2]


def test_dates_stay_dates_and_the_day_of_entry_is_the_recorded_time() -> None:
    submitted = by_type(mapped(docket()), "case.submitted")[0]
    assert (submitted["time"], submitted["recordedtime"]) == ("2003-01-02", "2003-01-03")


def test_the_sequence_counts_within_the_case_without_a_gap_in_the_order_of_days() -> None:
    backwards = mapped(docket(docket_entries=list(reversed(ENTRIES))))
    assert [event["sequence"] for event in backwards.events] == [str(n) for n in range(1, len(backwards.events) + 1)]
    assert [event["time"] for event in backwards.events] == sorted(event["time"] for event in backwards.events)


def test_the_parties_go_with_the_first_filing_and_the_docket_tells_what_no_entry_does() -> None:
    result = mapped(docket(date_terminated="2003-03-01"))
    submitted = by_type(result, "case.submitted")
    assert len(submitted) == 1
    assert submitted[0]["data"]["parties"] == [
        {"role": "Plaintiff", "name": "Alder Person", "counsel": ["Elm Counsel"]}
    ]
    closed = by_type(result, "case.closed")
    assert [(event["time"], event["data"]["mode"], event["data"]["docket"]["entry"]) for event in closed] == [
        ("2003-03-01", "unstated", "head of the docket")
    ]
    assigned = by_type(result, "judge.assigned")[0]["data"]
    assert assigned["judge"] == {"name": "Judith Q. Chestnut"}
    assert assigned["synthetic"] is True


def test_an_assignment_among_the_entries_replaces_the_inferred_one_and_names_the_judge_if_the_text_does() -> None:
    entry = {"date_filed": "2003-01-05", "description": "Case Assigned to Judge Judith Q. Chestnut"}
    assigned = by_type(mapped(docket(docket_entries=[*ENTRIES, entry])), "judge.assigned")
    assert [event["data"].get("judge") for event in assigned] == [{"name": "Judith Q. Chestnut"}]
    assert "synthetic" not in assigned[0]["data"]
    other = {"date_filed": "2003-01-05", "description": "Case Assigned to Judge Some Other"}
    assigned = by_type(mapped(docket(docket_entries=[*ENTRIES, other])), "judge.assigned")
    assert "judge" not in assigned[0]["data"]


def test_a_docket_without_a_complaint_still_tells_the_day_of_filing() -> None:
    submitted = by_type(mapped(docket(docket_entries=ENTRIES[1:])), "case.submitted")
    assert [(event["time"], event["data"]["docket"]["entry"]) for event in submitted] == [
        ("2003-01-02", "head of the docket")
    ]


def test_no_name_is_in_a_clear_field() -> None:
    for event in mapped(docket()).events:
        clear = {
            name: value
            for name, value in event["data"].items()
            if CATALOGUE.types[event["type"]].field(name).privacy is None  # type: ignore[union-attr]
        }
        assert not any(word in json.dumps(clear) for word in ("Alder", "Birch", "Chestnut", "Elm"))


def test_importing_twice_gives_the_same_bytes_whatever_else_is_imported() -> None:
    other = docket("docket-exd_2.json", docket_number="1:03-cv-00002")
    alone, together, reordered = mapped(docket()), mapped(docket(), other), mapped(other, docket())
    assert together.events == reordered.events
    assert alone.events == [event for event in together.events if event["subject"] == "us-exd/1:03-cv-00001"]
    assert len({event["id"] for event in together.events}) == len(together.events)


def test_entries_that_are_alike_in_everything_stay_apart() -> None:
    result = mapped(docket(docket_entries=[ENTRIES[2]] * 3))
    assert len(by_type(result, "motion.decided")) == 3
    assert len({event["id"] for event in result.events}) == len(result.events)


def test_of_a_docket_and_a_history_of_one_case_the_docket_wins() -> None:
    history = docket("history-exd.json", docket_entries=ENTRIES * 5)
    result = mapped(history, docket())
    assert (result.cases, result.superseded, result.superseded_entries) == (1, ["history-exd.json"], 15)
    assert result.events == mapped(docket()).events


def test_of_two_equal_dockets_one_is_read() -> None:
    result = mapped(docket("docket-exd_9.json"), docket("docket-exd.json"))
    assert result.superseded == ["docket-exd_9.json"]
    assert result.events == mapped(docket()).events


def test_later_entries_change_nothing_of_the_earlier_events() -> None:
    later = {"date_filed": "2003-04-01", "description": "Notice of Appeal"}
    assert mapped(docket(docket_entries=[*ENTRIES, later])).events[:-1] == mapped(docket()).events


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"\xff not json", "bad.json"),
        (b"[]", "bad.json"),
        (b"{}", "bad.json: court_id"),
        (file(docket_number=""), "bad.json: docket_number"),
        (file(docket_entries=None), "bad.json: docket_entries"),
        (file(docket_entries=[7]), "bad.json: docket_entries[0]"),
        (file(docket_entries=[{"description": "Order"}]), "bad.json: docket_entries[0]"),
        (file(docket_entries=[{"date_filed": "soon"}]), "bad.json: docket_entries[0]: date_filed"),
    ],
)
def test_what_is_not_a_docket_is_refused_naming_file_and_place(content: bytes, place: str) -> None:
    with pytest.raises(DocketError) as refused:
        parse_docket(content, "bad.json")
    assert refused.value.field == place


_ENTRY = st.fixed_dictionaries(
    {"date_filed": st.dates().map(str)},
    optional={
        "date_entered": st.none() | st.dates().map(str),
        "description": st.text(max_size=60) | st.sampled_from([each["description"] for each in ENTRIES]),
        "short_description": st.text(max_size=20),
        "document_number": st.none() | st.text(max_size=8) | st.integers(),
        "pacer_doc_id": st.none() | st.text(max_size=60),
    },
)


@settings(max_examples=60)
@given(st.lists(_ENTRY, max_size=12), st.none() | st.dates().map(str))
def test_any_docket_gives_valid_events_with_ids_of_their_own(entries: list[dict[str, Any]], ended: str | None) -> None:
    result = mapped(docket(docket_entries=entries, date_terminated=ended))
    assert result.entries == len(entries) == result.mapped + len(result.skipped) + len(result.unmapped)
    assert len({event["id"] for event in result.events}) == len(result.events)
    for event in result.events:
        assert CATALOGUE.problems(event["type"], event["data"]) == []
