"""The rules across cases and shards say what brute force over everything says (R24, R28, R30)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_judge_audit.engine.across import AcrossEngine, HeldFact, KeyState
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.shard import Clocks, ShardEngine, ShardState
from balance_judge_audit.places import PlaceFinder
from hypothesis import given, settings
from hypothesis import strategies as st
from support.courtevents import Item, incoming
from support.smallbook import SMALL, small_book

PLACES = PlaceFinder(Courts.load(data_dir("catalogue")))
CLOCKS = Clocks(grace_ms=1, lateness_ms=1)
START = datetime(2026, 1, 5, 9, tzinfo=ZoneInfo("Asia/Shanghai"))
COURT = "京0491"
SHARDS = 2
FEW = SMALL["R30"]["cases"]
JUDGES, COUNSEL = ["r_1", "r_2"], ["r_50", "r_51"]
MONTHS = ["2026-01", "2026-02", "2026-03", "2026-04"]

"""When, in which case (whose number also gives the shard), and what."""


BOOK = small_book(CLOCKS.lateness_ms)


def said(items: list[Item], cuts: list[int]) -> dict[str, Revision]:
    """The last revision of each alert across cases, with the facts taken in as many steps as there are cuts."""
    engine, across = ShardEngine(BOOK, PLACES, CLOCKS), AcrossEngine(BOOK.across)
    shards = [ShardState(number) for number in range(SHARDS)]
    cases: list[dict[str, CaseState]] = [{} for _ in shards]
    states: dict[str, KeyState] = {}
    held: list[HeldFact] = []
    last: dict[str, Revision] = {}
    end = datetime(2026, 6, 1, tzinfo=START.tzinfo)
    ticks: list[Item] = [(end, shard, "ledger.tick", {}) for shard in range(SHARDS)]
    for number, item in enumerate([*items, *ticks]):
        shard = shards[item[1] % SHARDS]
        record = incoming(shard.applied, item, COURT)
        held += engine.apply(shard, cases[shard.shard], [record]).across
        if number in cuts or number == len(items) + SHARDS - 1:
            watermark = min(each.ledger_time for each in shards)
            taken = [fact for fact in held if fact.time < watermark]
            held = [fact for fact in held if fact.time >= watermark]
            for revision in across.apply(states, taken, watermark):
                last[revision.id] = revision
    return last


@st.composite
def histories(draw: st.DrawFn) -> list[Item]:
    now, items = START, list[Item]()
    only = draw(st.sampled_from(["", "access", "relation judge counsel"])).split()
    for _ in range(draw(st.integers(1, 16))):
        now += timedelta(minutes=draw(st.sampled_from([1, 10, 25, 40, 61, 60 * 24, 60 * 24 * 9])))
        judge, other = draw(st.sampled_from(JUDGES)), draw(st.sampled_from(COUNSEL))
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("relation.declared", {"person": judge, "with": other, "kind": "spouse"}),
            ("judge.assigned", {"judge": judge, "mode": "random"}),
            ("judge.reassigned", {"previous": judge, "judge": "r_9", "reason": "leave"}),
            ("counsel.changed", {"action": "appointed", "lawyer": other}),
            ("counsel.changed", {"action": "withdrawn", "lawyer": other}),
            ("access.viewed", {"action": "export", "purpose": "trial", "viewer": judge}),
            ("supervision.acted", {"measure": "monthly_report", "unit": "u", "month": draw(st.sampled_from(MONTHS))}),
        ]
        kind, data = draw(st.sampled_from([each for each in kinds if not only or each[0].split(".")[0] in only]))
        items.append((now, draw(st.integers(0, 3)), kind, data))
    return items


def related(items: list[Item]) -> set[str]:
    """Cases in which two people who declared a relation both still take part."""
    pairs = {(each["person"], each["with"]) for _, _, kind, each in items if kind == "relation.declared"}
    inside: set[tuple[int, str]] = set()
    for _, case, kind, data in items:
        inside -= {(case, data.get("previous", "")) if kind == "judge.reassigned" else (case, "")}
        if kind == "judge.assigned":
            inside.add((case, data["judge"]))
        if kind == "counsel.changed":
            inside = inside - {(case, data["lawyer"])} | (
                {(case, data["lawyer"])} if data["action"] == "appointed" else set()
            )
    return {
        f"（2026）京0491民初{case + 1}号 {one} {other}"
        for case in range(4)
        for one, other in pairs
        if {(case, one), (case, other)} <= inside
    }


def in_bulk(items: list[Item]) -> set[str]:
    """People who exported three different cases within an hour."""
    exports = [(at, case, data["viewer"]) for at, case, kind, data in items if kind == "access.viewed"]
    return {
        who
        for end, _, who in exports
        if len({case for at, case, other in exports if other == who and end - timedelta(hours=1) < at <= end}) >= FEW
    }


def missing(items: list[Item]) -> set[str]:
    """Months after the first report that no report names, due before the end."""
    reports = [data["month"] for _, _, kind, data in items if kind == "supervision.acted"]
    if not reports:
        return set()
    last_due = [month for month in MONTHS if date.fromisoformat(f"{month}-01") < date(2026, 5, 1)]
    return {month for month in last_due if month > reports[0] and month not in reports}


@settings(max_examples=300, deadline=None)
@given(histories(), st.lists(st.integers(0, 16), max_size=4))
def test_rules_across_cases_say_what_brute_force_says_in_whatever_steps(items: list[Item], cuts: list[int]) -> None:
    last = said(items, cuts)
    standing = [each for each in last.values() if each.state == "open"]
    assert {f"{each.subject} {each.start}" for each in standing if each.rule == "R24"} == related(items)
    assert {each.subject for each in standing if each.rule == "R30"} == in_bulk(items)
    assert {each.start for each in standing if each.rule == "R28"} == missing(items)
    assert {key: msgspec.json.encode(each) for key, each in said(items, []).items()} == {
        key: msgspec.json.encode(each) for key, each in last.items()
    }
