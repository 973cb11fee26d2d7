"""Whatever is on raw, the normaliser answers with one event, and a reject never tells what was sent."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from balance_chain.core.canonical import check_event
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.privacy import CaseKey
from balance_chain.core.rawrecord import LEDGER, TICK_VALUE, make_headers
from balance_chain.core.rejects import REMEDIES, Reason
from balance_chain.core.sources import Sources
from balance_intake.model import Claim, Holder
from balance_intake.normalise import Normaliser, Secrets
from balance_intake.stages import Draft, RawRecord, Reject, Tick
from hypothesis import given
from hypothesis import strategies as st
from support.intake import HTTP_SOURCE, an_event, as_bytes, vouched, write_sources

MAC = b"m" * 32
RECEIVED_MS = 1_790_000_000_000


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Normaliser:
    return make_rules(tmp_path_factory.mktemp("intake"))


def make_rules(folder: Path, partitions: int = 1, sources: Sources | None = None) -> Normaliser:
    write_sources(folder / "sources.yaml")
    return Normaliser(
        origin="test.example/log",
        partitions=partitions,
        rawgen=0,
        catalogue=Catalogue.load(data_dir("catalogue")),
        courts=Courts.load(data_dir("catalogue")),
        sources=sources or Sources.load(folder / "sources.yaml"),
        secrets=Secrets(MAC, b"r" * 32),
    )


def record(value: bytes, headers: list[tuple[str, bytes]] | None = None, offset: int = 3) -> RawRecord:
    return RawRecord(0, offset, RECEIVED_MS, value, tuple(vouched(value, MAC) if headers is None else headers))


def become(rules: Normaliser, raw: RawRecord) -> CanonicalEvent:
    """What the record becomes where no other record speaks for its event."""
    read = rules.read(raw)
    if not isinstance(read, Draft):
        return check_event(rules.ledger_event(read).value)
    key = CaseKey(read.caseid, 1, b"k" * 32)
    people = dict.fromkeys(read.people, "r_" + "0" * 32)
    return check_event(rules.event(read, rules.claim(read, key), key, people).value)


def test_the_same_record_again_gives_the_same_bytes(rules: Normaliser) -> None:
    raw = record(as_bytes(an_event()))
    assert become(rules, raw) == become(rules, raw)


def test_the_first_record_speaks_and_the_others_are_told_apart(rules: Normaliser) -> None:
    first = rules.read(record(as_bytes(an_event())))
    again = rules.read(record(json.dumps(an_event()).encode(), offset=4))
    other = rules.read(record(as_bytes(an_event(sequence="2")), offset=5))
    drafts = [read for read in (first, again, other) if isinstance(read, Draft)]
    assert len(drafts) == 3
    key = CaseKey(drafts[0].caseid, 1, b"k" * 32)
    claims: list[Claim] = [rules.claim(draft, key) for draft in drafts]
    holder = Holder(0, 0, 3, claims[0].sourcedigest)
    settled = [rules.settle(draft, claim, holder) for draft, claim in zip(drafts, claims, strict=True)]
    assert settled[0] is drafts[0]
    assert [item.reason for item in settled[1:] if isinstance(item, Reject)] == ["duplicate", "id_conflict"]


def test_a_person_is_looked_up_in_the_staff_namespace_of_the_source(rules: Normaliser, tmp_path: Path) -> None:
    write_sources(tmp_path / "sources.yaml")
    sources = Sources.load(tmp_path / "sources.yaml").all()
    shared = make_rules(tmp_path, sources=Sources([replace(each, staff_namespace="urn:staff") for each in sources]))
    value = as_bytes(an_event(type="judge.assigned", data={"judge": {"id": "J1"}, "mode": "random"}))
    scopes = [draft.people[0].scope for each in (rules, shared) if isinstance(draft := each.read(record(value)), Draft)]
    assert scopes == [HTTP_SOURCE, "urn:staff"]
    assert become(shared, record(value)).data["judge"] == "r_" + "0" * 32


def test_a_time_up_to_five_minutes_ahead_is_taken(rules: Normaliser) -> None:
    assert become(rules, record(as_bytes(an_event(time="2026-09-21T14:18:20Z")))).data.get("reason") is None
    assert become(rules, record(as_bytes(an_event(time="2026-09-21T14:18:20.001Z")))).data["reason"] == "time_future"


CALENDAR = {"court": "京0491", "year": 2027, "holidays": ["2027-02-08"]}


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (f"{HTTP_SOURCE}#3", None),
        (f"{HTTP_SOURCE}#x", "subject_invalid"),
        (f"{HTTP_SOURCE}#", "subject_invalid"),
        ("urn:balance:test:another#3", "subject_invalid"),
    ],
)
def test_what_concerns_a_whole_shard_names_it_under_the_sources_own_uri(
    rules: Normaliser, subject: str, reason: str | None
) -> None:
    event = become(rules, record(as_bytes(an_event(type="calendar.declared", subject=subject, data=CALENDAR))))
    assert event.data.get("reason") == reason
    assert reason is not None or event.caseid == subject


def test_a_court_declares_its_own_calendar_and_no_other_courts(tmp_path: Path) -> None:
    write_sources(tmp_path / "sources.yaml")
    sources = Sources.load(tmp_path / "sources.yaml").all()
    rules = make_rules(tmp_path, sources=Sources([replace(each, courts=("浙0192",)) for each in sources]))
    event = become(rules, record(as_bytes(an_event(type="calendar.declared", subject=HTTP_SOURCE, data=CALENDAR))))
    assert event.data["reason"] == "court_not_allowed"


def test_only_the_ledger_itself_makes_ticks(rules: Normaliser) -> None:
    tick = record(TICK_VALUE, vouched(TICK_VALUE, MAC, LEDGER))
    assert isinstance(rules.read(tick), Tick)
    forged = rules.read(record(TICK_VALUE, make_headers(LEDGER, b"x" * 32)))
    assert isinstance(forged, Reject)
    assert forged.reason is Reason.SIGNATURE_BAD


def test_a_wrong_partition_names_the_right_one(tmp_path: Path) -> None:
    rules = make_rules(tmp_path, partitions=64)
    read = rules.read(record(as_bytes(an_event())))
    assert isinstance(read, Reject)
    assert read.reason is Reason.WRONG_PARTITION
    assert read.partition not in (None, 0)


def test_every_reason_has_a_remedy() -> None:
    assert set(REMEDIES) == set(Reason)


@pytest.mark.parametrize("type_id", sorted(set(Catalogue.load(data_dir("catalogue")).types)))
def test_the_example_of_every_type_of_a_source_is_accepted(rules: Normaliser, type_id: str) -> None:
    kind = Catalogue.load(data_dir("catalogue")).types[type_id]
    event = become(rules, record(as_bytes(an_event(type=type_id, data=kind.example))))
    if type_id.startswith("ledger."):
        assert event.data["reason"] == "type_not_allowed"
    else:
        assert (event.type, event.phase) == (type_id, kind.phase)


SECRET = "不可泄露的文字"
JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(SECRET)
OBJECTS = st.dictionaries(st.text(max_size=3), JUNK)
HEADERS = st.tuples(st.sampled_from(["source", "authenticator", "traceparent"]), st.binary(max_size=64))
FIELDS = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "sequence",
    "data",
    "recordedtime",
    "traceparent",
    "x",
]


@pytest.mark.parametrize("field", FIELDS)
def test_a_reject_quotes_no_field_of_what_was_refused(rules: Normaliser, field: str) -> None:
    found = become(rules, record(as_bytes({**an_event(), field: SECRET})))
    assert found.is_rejected
    assert SECRET not in json.dumps(msgspec.to_builtins(found), ensure_ascii=False)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(FIELDS), JUNK | st.lists(JUNK, max_size=2) | st.dictionaries(st.text(max_size=3), JUNK)
        ),
        max_size=3,
    )
)
def test_no_change_of_an_event_stops_the_normaliser_or_is_quoted(
    rules: Normaliser, changes: list[tuple[str, Any]]
) -> None:
    event = copy.deepcopy(an_event())
    event["data"]["cause"] = "x"
    for name, value in changes:
        if name == "data" and isinstance(value, dict):
            event["data"].update(value)
        else:
            event[name] = value
    try:
        value = json.dumps(event, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        value = json.dumps(event).encode()
    found = become(rules, record(value))
    if found.is_rejected:
        assert SECRET not in json.dumps(found.data, ensure_ascii=False)
        assert found.data["reason"] in list(Reason)


@given(st.binary(max_size=200), st.lists(HEADERS))
def test_no_bytes_and_no_headers_stop_the_normaliser(
    rules: Normaliser, value: bytes, headers: list[tuple[str, bytes]]
) -> None:
    assert become(rules, record(value, headers)).is_rejected
    assert become(rules, record(value)).is_rejected


def test_a_rejects_field_is_a_pointer_that_the_schema_has(rules: Normaliser) -> None:
    event = an_event(data={**an_event()["data"], SECRET: 1})
    found = become(rules, record(as_bytes(event)))
    assert found.data["field"] == "/data"
    assert found.data["source"] == HTTP_SOURCE
    unknown = become(rules, record(as_bytes({**an_event(), SECRET: 1})))
    assert (unknown.data["reason"], unknown.data.get("field")) == ("field_unknown", None)
