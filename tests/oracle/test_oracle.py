"""On random histories the engine says of each rule what a slow second reading of its text says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from balance_chain.core.canonical import encode_event
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms
from balance_judge_audit import rulebook
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.shard import Clocks, Incoming, ShardEngine, ShardState
from balance_judge_audit.places import PlaceFinder
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.readings import COURT, FURTHER, READINGS, Event, History

BOOK = rulebook.load(data_dir("rules"))
PLACES = PlaceFinder(Courts.load(data_dir("catalogue")))
TYPES = Catalogue.load(data_dir("catalogue")).types
CHINA = ZoneInfo("Asia/Shanghai")
START = datetime(2025, 1, 6, 8, tzinfo=CHINA)
END = datetime(2028, 6, 1, tzinfo=UTC)
HOUR = 3_600_000
CASE = "（2025）京0491民初1号"

PEOPLE = ["r_1", "r_2", "r_3", "r_4"]
SOME = st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=4, unique=True)
FULL = st.sampled_from([["r_1"], ["r_1", "r_2", "r_3"], ["r_1", "r_2", "r_4"], PEOPLE])
DIGESTS = st.sampled_from([{"sha-256": "a" * 64}, {"sha-256": "b" * 64}, {"sm3": "a" * 64}, {"sm3": "b" * 64}])
DAYS = st.sampled_from(["2025-02-10", "2025-03-10", "2025-04-10", "2025-09-10", "2025-12-10"])
TIMES = st.sampled_from([f"2025-0{month}-1{day}T09:00:00+08:00" for month in (1, 2, 3) for day in (0, 1)])


def of(kind: str, /, **fields: Any) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Events of a type whose fields are drawn; None leaves one out."""
    drawn = {name: each if isinstance(each, st.SearchStrategy) else st.just(each) for name, each in fields.items()}
    return st.fixed_dictionaries(drawn).map(lambda data: (kind, {n: v for n, v in data.items() if v is not None}))


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


ACCEPTED = of("case.accepted", procedure=st.sampled_from(["ordinary", "simplified", "appeal", "retrial"]))
HELD = of(
    "hearing.held",
    kind=st.sampled_from(["trial", "trial", "mediation"]),
    hearing_id=maybe("T-1", "T-2"),
    concluded=maybe(True, False),
    result=maybe("continued", "closed"),
    members=maybe(["r_1"], ["r_1", "r_2"]),
)
FORMED, CLOSED = of("panel.formed", members=FULL), of("case.closed", mode="judgment")
CHANGED = of(
    "panel.changed",
    reason=st.sampled_from(["illness", "unstated"]),
    removed=maybe(["r_3"]),
    added=maybe(["r_4"]),
    members=maybe(["r_1", "r_2", "r_4"]),
    approver=maybe("r_1", "r_2"),
    requester=maybe("r_1"),
    notified=maybe(True),
)
DELIBERATED = of("deliberation.held", body=st.sampled_from(["panel", "committee", "judges_meeting"]), signers=SOME)
SIGNED = of(
    "document.signed",
    kind=st.sampled_from(["judgment", "ruling"]),
    document_id=maybe("D-1", "D-2"),
    digests=DIGESTS,
    signers=SOME,
)
PRONOUNCED = of("judgment.pronounced", in_court=maybe(True, False), document_id=maybe("D-1"), digests=DIGESTS)
SENT = of(
    "service.sent",
    doc=st.sampled_from(["complaint", "judgment"]),
    channel="post",
    document_id=maybe("D-1"),
    digests=DIGESTS,
)
NOTICE = of("notice.issued", kind=st.sampled_from(["panel", "announcement", "hearing", "enforcement"]))
ASSIGNED = of(
    "judge.assigned", mode="random", judge=st.sampled_from(PEOPLE), requester=maybe("r_1"), approver=maybe("r_1")
)
REASSIGNED = of(
    "judge.reassigned", reason=st.sampled_from(["leave", "workload", "other"]), judge=st.sampled_from(PEOPLE)
)
REQUESTED = of(
    "limit.extension_requested",
    request_id=maybe("Y-1", "Y-2"),
    due=maybe("2025-02-10", "2025-03-10"),
    requester=maybe("r_1"),
)
EXTENDED = of(
    "limit.extended",
    request_id=maybe("Y-1", "Y-2"),
    due=maybe("2025-02-10", "2025-03-10"),
    until=DAYS,
    level=maybe("division", "president", "higher_court"),
    result=maybe("granted", "denied"),
    approver=maybe("r_1", "r_2"),
    requester=maybe("r_1"),
    party_deadline=maybe(True),
)
MOVED = of(
    "hearing.rescheduled",
    consent=maybe(True),
    kind=maybe("adjourned", "cancelled"),
    previous=maybe("2025-02-10T09:00:00+08:00"),
    at=TIMES,
)
RULED = of(
    "evidence.ruled",
    evidence_id=maybe("E-1", "E-2"),
    result=st.sampled_from(["admitted", "excluded"]),
    undisputed=maybe(True),
)
EXAMINED = of("evidence.examined", evidence_id=maybe("E-1", "E-2"))
REVIEWED = of(
    "document.reviewed",
    document_id=maybe("D-1", "D-2"),
    opinion=st.sampled_from(["agree", "suggest", "altered"]),
    outcome_changed=maybe(True, False),
    digests=DIGESTS,
    previous_digests=DIGESTS,
)
AMENDED = of("record.amended", kind=maybe("document"), document_id=maybe("D-1"), correction_ruling=maybe(True, False))
SUPERVISED = of("supervision.acted", measure="report", supervisor=maybe("r_4"), document_id=maybe("D-1"))
VIEWED = of(
    "access.viewed",
    action="view",
    purpose="trial",
    viewer=st.sampled_from(PEOPLE),
    viewer_role=maybe("judge", "registry"),
)
COUNSEL = of(
    "counsel.changed",
    action=maybe("appointed", "withdrawn"),
    left_office=maybe("2023-01-20", "2023-03-01", "2010-01-01"),
    former_court=maybe(COURT, "京0105"),
    guardian=maybe(True),
)
INTERFERED = of(
    "interference.recorded",
    manner="plea",
    occurred=maybe("2025-01-10T08:00:00+08:00"),
    routed=maybe("2025-01-11T08:00:00+08:00", "2025-01-11T08:00:01+08:00"),
)
RECUSAL = of("recusal.requested", target=maybe("r_1", "r_2"), recusal_id=maybe("H-1", "H-2"))
RECUSED = of("recusal.decided", target=maybe("r_1", "r_2"), recusal_id=maybe("H-1", "H-2"), result="denied")
PAID = of("payment.received", payment_id=maybe("K-1", "K-2"), amount=st.sampled_from([1, 3]))
RELEASED = of(
    "payment.released",
    payment_id=maybe("K-1", "K-2"),
    amount=st.sampled_from([1, 2, 3]),
    requester=maybe("r_1"),
    approver=maybe("r_1", "r_2"),
)
SUBMITTED = of("case.submitted", parties_count=maybe(2, 10), amount=maybe(10_000_000_000))
CONVERTED = of("case.converted", to=st.sampled_from(["ordinary", "simplified"]))
LIMITED = of(
    "case.accepted", procedure=st.sampled_from(["ordinary", "simplified", "small_claims", "appeal_ruling", "retrial"])
)
STOPPED = of("limit.suspended", action=st.sampled_from(["start", "resume"]), suspension_id=maybe("KC-1", "KC-2"))
GROUPS = [
    [LIMITED, STOPPED, STOPPED, CONVERTED, EXTENDED, PRONOUNCED, CLOSED, of("appeal.decided", result="denied")],
    [SUBMITTED, of("case.materials_requested"), ACCEPTED, of("case.rejected", reason="standing")],
    [ACCEPTED, SENT, NOTICE, CLOSED, ASSIGNED, of("case.transferred")],
    [ACCEPTED, CONVERTED, of("hearing.scheduled", hearing_id=maybe("T-1", "T-2")), HELD, MOVED],
    [ACCEPTED, CONVERTED, REQUESTED, EXTENDED],
    [FORMED, CHANGED, HELD, DELIBERATED, SIGNED, NOTICE, CLOSED],
    [
        RULED,
        EXAMINED,
        PRONOUNCED,
        of("case.accepted", procedure=st.sampled_from(["ordinary", "administrative", *FURTHER])),
        of("appeal.filed"),
        of("evidence.submitted"),
        of("enforcement.filed"),
        of("case.transferred", kind=maybe("remand", "join")),
        of("appeal.decided", result=st.sampled_from(["remanded", "affirmed"])),
    ],
    [SIGNED, PRONOUNCED, SENT, AMENDED, REVIEWED, SUPERVISED, DELIBERATED],
    [RECUSAL, RECUSED, HELD, SIGNED, PRONOUNCED, RULED],
    [PAID, RELEASED],
    [REVIEWED, REVIEWED, SUPERVISED],
    [of("case.accepted", procedure="ordinary"), of("hearing.scheduled", hearing_id="T-1"), HELD],
    [of("enforcement.filed"), of("notice.issued", kind="enforcement"), CLOSED, STOPPED],
    [
        of("pleading.filed", kind=st.sampled_from(["appeal_answer", "answer"])),
        of("appeal.transferred"),
        PRONOUNCED,
        SENT,
    ],
    [
        VIEWED,
        ASSIGNED,
        REASSIGNED,
        FORMED,
        CHANGED,
        DELIBERATED,
        SUPERVISED,
        of("permission.changed", kind=maybe("grant", "revoke"), grantee=st.sampled_from(PEOPLE)),
    ],
    [SUBMITTED, of("case.flagged", kind="mass", action=maybe("set", "lifted")), HELD, COUNSEL, INTERFERED, SUPERVISED],
]


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Up to fourteen events of one or two groups, hours or days apart."""
    groups = draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=2))
    kinds = [kind for group in groups for kind in group]
    now, history = START, list[Event]()
    for _ in range(draw(st.integers(1, 14))):
        now += timedelta(hours=draw(st.sampled_from([1, 5, 24, 24, 49, 72, 120, 170, 241, 740])))
        kind, data = draw(st.one_of(kinds))
        actor = draw(st.sampled_from([None, "r_1", "r_2"]))
        role = draw(st.sampled_from(["judge", "clerk"]))
        entered = draw(st.sampled_from([*[timedelta(0)] * 6, timedelta(days=3), timedelta(days=3, seconds=1), None]))
        history.append(Event(kind, now, data, actor, role, entered, draw(st.booleans())))
    return history


def said(history: History, order: list[int]) -> set[str]:
    """The rules whose alert stands when the engine has had the events in this order and years have passed."""
    received = [START + timedelta(days=400, hours=place) for place in range(len(history))]
    records: list[Incoming] = []
    for place, number in enumerate(order):
        event = history[number]
        records.append(record(place, event, received[place]))
    records.append(record(len(records), Event("ledger.tick", END), END))
    shard, cases = ShardState(0), dict[str, CaseState]()
    engine = ShardEngine(BOOK, PLACES, Clocks(grace_ms=HOUR, lateness_ms=HOUR))
    last = {each.id: each for each in engine.apply(shard, cases, records).revisions}
    return {each.rule for each in last.values() if each.state == "open"}


def ms(time: datetime) -> str:
    return format_ms(int(time.timestamp() * 1000))


def record(place: int, told: Event, received: datetime) -> Incoming:
    own = told.type == "ledger.tick"
    event = CanonicalEvent(
        specversion="1.0",
        id=f"e{place}",
        source="urn:balance:demo:case-system" if told.live else "urn:balance:test",
        type=told.type,
        time=ms(told.time),
        recordedtime=None if told.entered is None else ms(told.time + told.entered),
        receivedtime=ms(received),
        phase="test",
        rawgen=0,
        rawpos=place,
        subject=None if own else CASE,
        caseid=None if own else CASE,
        courtcode=None if own else COURT,
        actorref=told.actor,
        actorrole=told.role if told.actor else None,
        data=told.data,
    )
    return Incoming(place, event, encode_event(event))


@settings(max_examples=400, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_the_engine_says_what_a_second_reading_says_in_whatever_order_the_events_arrive(
    history: History, random: Any
) -> None:
    expected = {rule for rule, reading in READINGS.items() if reading(history)}
    order = list(range(len(history)))
    assert said(history, order) & READINGS.keys() == expected
    random.shuffle(order)
    assert said(history, order) & READINGS.keys() == expected


Told = list[tuple[str, dict[str, Any]]]


def broken(rule: str, told: Told, hours: int = 1) -> bool:
    """What the reading and the engine, in every order of arrival, say alike of events so many hours apart."""
    history = [Event(kind, START + number * timedelta(hours=hours), data) for number, (kind, data) in enumerate(told)]
    answers = {rule in said(history, list(order)) for order in permutations(range(len(history)))}
    assert answers == {READINGS[rule](history)}
    return answers.pop()


EXCLUDED: tuple[str, dict[str, Any]] = ("limit.suspended", {"action": "start"})
NAMED: tuple[str, dict[str, Any]] = ("limit.extended", {"until": "2025-02-10"})


@pytest.mark.parametrize(
    ("changes", "late"),
    [
        pytest.param([EXCLUDED, NAMED], True, id="the court that names a day knows of the exclusion"),
        pytest.param([NAMED, EXCLUDED], False, id="the exclusion begins later, and stops the time to the day named"),
    ],
)
@pytest.mark.parametrize("hours", [1, 24])
def test_a_day_that_a_court_names_takes_account_of_what_was_excluded_before(
    changes: Told, late: bool, hours: int
) -> None:
    """Also where all is of one day, that of acceptance, which is not counted."""
    told = [("case.accepted", {"procedure": "ordinary"}), *changes]
    assert broken("R05", told, hours) is late


@pytest.mark.parametrize(
    ("kind", "data", "goes_on"),
    [
        *[("case.accepted", {"procedure": each}, True) for each in FURTHER],
        ("case.accepted", {"procedure": "ordinary"}, False),
        ("case.transferred", {"kind": "remand"}, True),
        ("case.transferred", {"kind": "join"}, False),
        ("appeal.decided", {"result": "remanded"}, True),
        ("appeal.decided", {"result": "affirmed"}, False),
    ],
)
def test_after_a_judgment_there_is_evidence_only_where_the_case_goes_on(
    kind: str, data: dict[str, Any], goes_on: bool
) -> None:
    told: Told = [("judgment.pronounced", {}), (kind, data), ("evidence.submitted", {})]
    assert broken("R16", told) is not goes_on


@pytest.mark.parametrize(
    ("decided", "pending"), [({"target": "r_2"}, True), ({"target": "r_1"}, False), ({}, False)], ids=str
)
def test_the_decision_of_one_request_for_recusal_does_not_decide_another(
    decided: dict[str, Any], pending: bool
) -> None:
    told: Told = [
        ("recusal.requested", {"target": "r_1", "recusal_id": "H-1"}),
        ("recusal.requested", {"recusal_id": "H-2"}),
        ("recusal.decided", {"result": "denied", **decided}),
        ("hearing.held", {"kind": "trial", "members": ["r_1"]}),
    ]
    assert broken("R25", told) is pending


@pytest.mark.parametrize("role", ["judge", "clerk"])
def test_whoever_gives_access_is_not_of_the_case_whatever_other_rules_read_of_the_same_event(role: str) -> None:
    """R17 asks of every clerk's act who it was; the team of R29 must not learn it from there."""
    given = Event("permission.changed", START, {"kind": "grant", "grantee": "r_1"}, actor="r_2", role=role)
    viewed = {"action": "view", "purpose": "trial", "viewer": "r_2"}
    history = [given, Event("access.viewed", START + timedelta(hours=1), viewed)]
    assert READINGS["R29"](history)
    assert all("R29" in said(history, order) for order in ([0, 1], [1, 0]))


@pytest.mark.parametrize("resumed", [[], [("limit.suspended", {"action": "resume"})]], ids=["goes on", "resumed"])
def test_what_is_excluded_is_not_counted_in_the_six_months_of_an_enforcement(resumed: Told) -> None:
    told: Told = [("enforcement.filed", {}), ("notice.issued", {"kind": "enforcement"}), EXCLUDED, *resumed]
    assert broken("R12", told) is bool(resumed)


@pytest.mark.parametrize("later", [{}, {"correction_ruling": False}, {"correction_ruling": True}])
def test_a_ruling_of_correction_covers_its_own_amendment_alone(later: dict[str, Any]) -> None:
    told: Told = [
        ("document.signed", {"kind": "judgment", "document_id": "D-1", "signers": ["r_1"]}),
        ("record.amended", {"correction_ruling": True}),
        ("record.amended", {"kind": "document", "document_id": "D-1", **later}),
    ]
    assert broken("R35", told) is not later.get("correction_ruling", False)


@pytest.mark.parametrize("rule", sorted(READINGS))
def test_a_second_reading_is_of_a_rule_in_the_book(rule: str) -> None:
    assert rule in BOOK.rules
