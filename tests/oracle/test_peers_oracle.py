"""The statistical rules say every Monday what brute force over the whole history says (R21, R22, R23, R34)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import comb
from statistics import median
from typing import Any

import msgspec
import pytest
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.times import format_ms
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
BOOK = small_book(CLOCKS.lateness_ms)
SHARDS = 2
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
WEEKS = 9
"""How many Mondays are looked at; a window is two weeks long."""
COURTS = ["京0491", "京0105"]
DRAWN: dict[str, list[Any]] = {
    "judge": ["r_1", "r_2", "r_3", "n_4"],
    "mode": ["random", "designated", "related"],
    "role": ["sole", "presiding"],
    "lawyer": ["r_50", "r_51", "n_52"],
    "action": ["appointed", "appointed", "withdrawn"],
    "agency": ["r_60", "r_61", "n_62"],
    "selection": ["lottery", "rota", "agreement"],
    "rota": ["a", "a", "b"],
    "rota_size": [6, 7, 8],
    "claim": [1000, 3000],
    "award": [0, 500, 510, 520, 900],
}
ONLY = [
    ["judge"],
    ["judge", "counsel"],
    ["property"],
    ["case", "judgment", "similar_case"],
    ["judge", "property", "case"],
]

"""When, in which case (whose number gives court and shard), and what; no two at the same instant."""
Standing = set[tuple[str, str, str]]
"""Rule, the group in which somebody stands out, and of whom it speaks: each has an alert of its own."""


@st.composite
def histories(draw: st.DrawFn) -> list[Item]:
    now, items = MONDAY - timedelta(hours=5), list[Item]()
    only, loyal = draw(st.sampled_from(ONLY)), draw(st.booleans())
    if "judgment" in only and draw(st.booleans()):
        items += [(now + timedelta(seconds=case), case, "case.submitted", {"amount": 1000}) for case in range(8)]
    for number in range(draw(st.integers(6, 40))):
        now += timedelta(hours=draw(st.sampled_from([1, 1, 5, 9, 24, 24 * 8])), milliseconds=number)
        one = {name: draw(st.sampled_from(values)) for name, values in DRAWN.items()}
        case = draw(st.integers(0, 7))
        if loyal:  # the same people meet again
            one["judge"], one["lawyer"] = DRAWN["judge"][case // 2 % 2], DRAWN["lawyer"][case // 2 % 2]
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("judge.assigned", {"judge": one["judge"], "mode": one["mode"]}),
            ("judge.assigned", {"judge": one["judge"], "mode": "random", "role": one["role"]}),
            ("counsel.changed", {"lawyer": one["lawyer"], "action": one["action"]}),
            ("property.disposed", {each: one[each] for each in ("rota", "agency", "selection", "rota_size")}),
            ("case.submitted", {"amount": one["claim"]}),
            ("judgment.pronounced", {"kind": "judgment", "cause_code": "9001", "amount": one["award"]}),
            ("similar_case.reported", {}),
        ]
        kind, data = draw(st.sampled_from([each for each in kinds if each[0].split(".")[0] in only]))
        items.append((now, case, kind, data))
        if loyal and kind == "judge.assigned" and "counsel" in only:
            items.append((now + timedelta(minutes=1), case, "counsel.changed", {"lawyer": one["lawyer"]}))
    return items


def in_steps(items: list[Item], cuts: list[int]) -> list[Revision]:
    """Everything that is said, with the facts taken in as many steps as there are cuts."""
    engine, across = ShardEngine(BOOK, PLACES, CLOCKS), AcrossEngine(BOOK.across)
    shards = [ShardState(number) for number in range(SHARDS)]
    cases: list[dict[str, CaseState]] = [{} for _ in shards]
    stored: dict[str, KeyState] = {}
    held: list[HeldFact] = []
    said: list[Revision] = []
    ticks: list[Item] = [
        (MONDAY + WEEKS * WEEK + timedelta(hours=1), each, "ledger.tick", {}) for each in range(SHARDS)
    ]
    for number, item in enumerate([*items, *ticks]):
        shard = shards[item[1] % SHARDS]
        held += engine.apply(shard, cases[shard.shard], [incoming(shard.applied, item, COURTS[item[1] % 2])]).across
        if number in cuts or number == len(items) + SHARDS - 1:
            watermark = min(each.ledger_time for each in shards)
            taken, held = (
                [each for each in held if each.time < watermark],
                [each for each in held if each.time >= watermark],
            )
            said += across.apply(stored, taken, watermark)
    return said


def by_person(name: str) -> bool:
    return not name.startswith("n_")


def designated(seen: list[Item], court: int) -> set[str]:
    """R21: whose share of designations among the cases of two weeks is far above the court's."""
    acts = [
        data
        for _, case, kind, data in seen
        if case % 2 == court
        and kind == "judge.assigned"
        and data["mode"] != "related"
        and data.get("role") != "presiding"
    ]
    total, marked = len(acts), sum(each["mode"] == "designated" for each in acts)
    of = Counter(each["judge"] for each in acts)
    hits = Counter(each["judge"] for each in acts if each["mode"] == "designated")
    small = SMALL["R21"]
    judged = [name for name, count in of.items() if count >= small["sample"] and by_person(name)]
    found = set()
    for name in judged:
        n, k = of[name], hits[name]
        if total - n < small["sample"]:
            continue
        mean = Fraction(n * marked, total)
        variance = mean * Fraction(total - marked, total) * Fraction(total - n, total - 1)
        far = k > mean and variance > 0 and (k - mean) ** 2 >= Fraction(small["far"], 100) ** 2 * variance
        tail = Fraction(sum(comb(marked, i) * comb(total - marked, n - i) for i in range(k, n + 1)), comb(total, n))
        if far and tail * len(judged) * 2 <= Fraction(small["alpha"], 10**6):
            found.add(name)
    return found


def paired(items: list[Item], upto: datetime, court: int) -> set[str]:
    """R22: lawyers who appear before one judge more often than his share of all appearances, in two weeks."""
    met: dict[tuple[int, str, str], datetime] = {}
    for at, case, _, _ in items:
        if at >= upto or case % 2 != court:
            continue
        before = [each for each in items if each[1] == case and each[0] <= at]
        judges = {d["judge"] for _, _, kind, d in before if kind == "judge.assigned" and d.get("role") != "presiding"}
        lawyers = {
            d["lawyer"] for _, _, kind, d in before if kind == "counsel.changed" and d.get("action") != "withdrawn"
        }
        for judge in judges:
            for lawyer in lawyers:
                met.setdefault((case, judge, lawyer), at)
    seen = [(judge, lawyer) for (_, judge, lawyer), at in met.items() if at >= upto - 2 * WEEK]
    pairs, total = Counter(seen), len(seen)
    of_judge, of_lawyer = Counter(judge for judge, _ in seen), Counter(lawyer for _, lawyer in seen)
    small = SMALL["R22"]
    comparisons = sum(count >= small["sample"] for count in of_lawyer.values()) * len(of_judge) * 2
    found = set()
    for (judge, lawyer), k in pairs.items():
        n, share = of_lawyer[lawyer], of_judge[judge]
        if n < small["sample"] or k < small["together"] or Fraction(k, n) <= Fraction(share, total):
            continue
        tail = Fraction(sum(comb(share, i) * comb(total - share, n - i) for i in range(k, n + 1)), comb(total, n))
        named = by_person(judge) and by_person(lawyer)
        if named and tail <= Fraction(small["chance"], 10**6) and tail * comparisons <= Fraction(small["alpha"], 10**6):
            found.add(f"{judge} {lawyer}")
    return found


def chosen(items: list[Item], upto: datetime, court: int, rota: str) -> set[str]:
    """R23: agencies of a list chosen in more cases of two weeks than an equal chance for all of it gives."""
    first: dict[tuple[int, str], tuple[datetime, int]] = {}
    for at, case, kind, data in items:
        if at >= upto or case % 2 != court or kind != "property.disposed" or data["rota"] != rota:
            continue
        if data["selection"] != "agreement":
            first.setdefault((case, data["agency"]), (at, data["rota_size"]))
    seen = [(agency, size) for (_, agency), (at, size) in first.items() if at >= upto - 2 * WEEK]
    small = SMALL["R23"]
    if len(seen) < small["sample"]:
        return set()
    size = min(each for _, each in seen)
    one, found = Fraction(1, size), set()
    for agency, k in Counter(agency for agency, _ in seen).items():
        n = len(seen)
        tail = sum((comb(n, i) * one**i * (1 - one) ** (n - i) for i in range(k, n + 1)), Fraction(0))
        enough = k >= small["together"] and Fraction(k, n) > one and by_person(agency)
        if enough and tail <= Fraction(small["chance"], 10**6) and tail * size * 2 <= Fraction(small["alpha"], 10**6):
            found.add(agency)
    return found


def far_off(items: list[Item], upto: datetime) -> set[int]:
    """R34: cases decided in the week before whose share is far off the median of two weeks, with no report."""

    def told(case: int, kind: str, till: datetime) -> list[dict[str, Any]]:
        return [data for at, other, each, data in items if other == case and each == kind and at < till]

    def share(case: int, data: dict[str, Any], till: datetime) -> int | None:
        claims = told(case, "case.submitted", till)
        return data["amount"] * 1000 // claims[-1]["amount"] if claims else None

    def monday(at: datetime) -> datetime:
        """The first Monday after, on which a judgment is counted with what the case is known by then."""
        return MONDAY + ((at - MONDAY) // WEEK + 1) * WEEK

    decided = [
        (at, case, share(case, data, monday(at))) for at, case, kind, data in items if kind == "judgment.pronounced"
    ]
    window = [value for at, _, value in decided if upto - 2 * WEEK <= at < upto and value is not None]
    small = SMALL["R34"]
    if len(window) < small["sample"]:
        return set()
    middle = median([Fraction(each) for each in window])
    off = max(median([abs(each - middle) for each in window]), Fraction(small["floor"]))
    return {
        case
        for at, case, value in decided
        if upto - WEEK <= at < upto
        and value is not None
        and Fraction(6745, 10_000) * abs(value - middle) / off >= Fraction(small["far"], 100)
        and not told(case, "similar_case.reported", upto)
    }


def expected(items: list[Item]) -> list[Standing]:
    """What stands after each Monday."""
    advised: set[int] = set()
    weeks: list[Standing] = []
    for week in range(WEEKS + 1):
        upto = MONDAY + week * WEEK
        window = [each for each in items if upto - 2 * WEEK <= each[0] < upto]
        standing: Standing = set()
        for court, code in enumerate(COURTS):
            standing |= {("R21", code, name) for name in designated(window, court)}
            standing |= {("R22", code, name) for name in paired(items, upto, court)}
            for rota in ("a", "b"):
                standing |= {("R23", f"{code} {rota}", name) for name in chosen(items, upto, court, rota)}
        reported = {case for at, case, kind, _ in items if kind == "similar_case.reported" and at < upto}
        advised = {case for case in advised | far_off(items, upto) if case not in reported}
        standing |= {("R34", "9001", f"（2026）{COURTS[case % 2]}民初{case + 1}号") for case in advised}
        weeks.append(standing)
    return weeks


def found(said: list[Revision]) -> list[Standing]:
    """What the engine says stands after each Monday."""
    weeks: list[Standing] = []
    for week in range(WEEKS + 1):
        upto = format_ms(int((MONDAY + week * WEEK).timestamp() * 1000))
        last = {each.id: each for each in said if each.judged <= upto and each.rule in SMALL and each.rule != "R30"}
        standing: Standing = set()
        for each in last.values():
            if each.state == "open":
                people = each.subject, each.numbers.get("with", "")
                standing.add((each.rule, str(each.numbers["group"]).strip(), " ".join(filter(None, people))))
        weeks.append(standing)
    return weeks


def drawn(hours: int, case: int, rota: str = "a") -> Item:
    """The draw of one agency, so many hours from the first Monday."""
    data = {"rota": rota, "agency": "r_60", "selection": "lottery", "rota_size": 6}
    return MONDAY + timedelta(hours=hours), case, "property.disposed", data


@pytest.mark.parametrize(
    ("items", "other"),
    [
        pytest.param([drawn(-4, 0), drawn(1, 2), drawn(2, 1), drawn(3, 3)], "京0105 a", id="two courts"),
        pytest.param(
            [drawn(-4, 0), drawn(1, 2), drawn(2, 0, "b"), drawn(3, 2, "b")],
            "京0491 b",
            id="two lists, in the same cases",
        ),
    ],
)
def test_who_stands_out_twice_on_one_day_has_two_alerts_and_the_end_of_one_does_not_end_the_other(
    items: list[Item], other: str
) -> None:
    said = in_steps(items, [])
    standing = [{group for _, group, _ in week} for week in found(said)]
    assert standing[:4] == [set(), {"京0491 a", other}, {other}, set()]
    assert len({each.id for each in said}) == 2
    assert found(said) == expected(items)


@settings(max_examples=200, deadline=None)
@given(histories(), st.lists(st.integers(0, 40), max_size=4))
def test_statistical_rules_say_every_monday_what_brute_force_says_in_whatever_steps(
    items: list[Item], cuts: list[int]
) -> None:
    said = in_steps(items, cuts)
    assert found(said) == expected(items)
    in_one = sorted(msgspec.json.encode(each) for each in in_steps(items, []))
    assert in_one == sorted(msgspec.json.encode(each) for each in said)
