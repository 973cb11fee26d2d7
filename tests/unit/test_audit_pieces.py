"""What is remembered across cases is kept in pieces, so that an event costs the same however much there is: how finely
it is cut, and how seldom it is read back, changes no alert.
"""

import random
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_judge_audit.engine import across, windowstates
from balance_judge_audit.engine.across import KEPT, AcrossEngine, HeldFact, KeyState, Person
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.shard import Clocks, ShardEngine, ShardState
from balance_judge_audit.engine.windowstates import Tally
from balance_judge_audit.places import PlaceFinder
from support.courtevents import Item, case_id, incoming
from support.smallbook import small_book

STATE: msgspec.msgpack.Decoder[KeyState] = msgspec.msgpack.Decoder(KeyState)
PLACES = PlaceFinder(Courts.load(data_dir("catalogue")))
CLOCKS = Clocks(grace_ms=3_600_000, lateness_ms=7_200_000)
BOOK = small_book(CLOCKS.lateness_ms)
MONDAY = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
COURT = "京0491"
"""When, in which case, and what."""


class Store:
    """Keeps states as bytes and gives the engine those alone that it asks for, or that are due."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self._engine = AcrossEngine(BOOK.across)

    def take(self, facts: list[HeldFact], watermark: int) -> list[Revision]:
        stored = {key: STATE.decode(row) for key, row in self.rows.items()}
        wakes = {key: self._engine.wake(key, state) for key, state in stored.items()}
        due = {key for key, wake in wakes.items() if wake is not None and wake < watermark}
        asked = set(self._engine.keys(facts))
        states = {key: stored[key] for key in (asked | due) & stored.keys()}
        while more := self._engine.more_keys(facts, states, watermark, asked):
            asked.update(more)
            states |= {key: stored[key] for key in stored.keys() & set(more)}
        loaded = frozenset(states)
        said = self._engine.apply(states, facts, watermark)
        for key in loaded - states.keys():
            del self.rows[key]
        self.rows |= {key: msgspec.msgpack.encode(state) for key, state in states.items()}
        return said


def run(items: list[Item], step: int, until: datetime) -> tuple[list[Revision], Store]:
    """Everything that is said, with the facts taken after each so many events."""
    engine, shard, cases = ShardEngine(BOOK, PLACES, CLOCKS), ShardState(0), dict[str, CaseState]()
    store, said, held = Store(), list[Revision](), list[HeldFact]()
    for number, item in enumerate([*items, (until, 0, "ledger.tick", {})]):
        held += engine.apply(shard, cases, [incoming(number, item, COURT)]).across
        if number % step == 0 or number == len(items):
            taken = [each for each in held if each.time < shard.ledger_time]
            held = [each for each in held if each.time >= shard.ledger_time]
            said += store.take(taken, shard.ledger_time)
    return said, store


def busy_days(seed: int) -> list[Item]:
    """Three weeks with some forty events a day, of people who keep meeting."""
    drawn, items = random.Random(seed), list[Item]()
    for number in range(800):
        at, case = MONDAY + timedelta(minutes=36 * number), drawn.randrange(60)
        judge, lawyer = f"r_{case % 3}", f"r_{50 + (case % 3 if drawn.random() < 0.7 else drawn.randrange(6))}"
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("judge.assigned", {"judge": judge, "mode": "designated" if case % 3 == 0 else "random"}),
            ("counsel.changed", {"lawyer": lawyer, "action": "appointed"}),
            ("property.disposed", {"rota": "a", "agency": f"r_{70 + case % 2}", "selection": "rota", "rota_size": 9}),
            ("case.submitted", {"amount": 1000}),
            ("judgment.pronounced", {"kind": "judgment", "cause_code": "9001", "amount": 10 if case == 7 else 900}),
        ]
        items.append((at, case, *drawn.choice(kinds)))
    return items


def told(said: list[Revision]) -> list[bytes]:
    return sorted(msgspec.json.encode(each) for each in said)


@pytest.mark.parametrize("piece", [1, 3, 32])
@pytest.mark.parametrize("step", [1, 97, 10_000])
def test_how_finely_a_days_counts_are_cut_changes_no_alert(
    piece: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, end = busy_days(seed=4), MONDAY + timedelta(days=40)
    monkeypatch.setattr(windowstates, "PIECE", 10**9)
    whole, _ = run(items, 10_000, end)
    assert {each.rule for each in whole} >= {"R21", "R22", "R23", "R34"}
    monkeypatch.setattr(windowstates, "PIECE", piece)
    cut, store = run(items, step, end)
    assert told(cut) == told(whole)
    assert not [key for key in store.rows if key.split(" ")[1] in ("b", "q")], "pieces go when their day is joined"


def test_a_days_counts_are_read_by_small_pieces() -> None:
    items = [each for each in busy_days(seed=5) if each[2] != "ledger.tick"]
    crowded = [(MONDAY + timedelta(seconds=number), *item[1:]) for number, item in enumerate(items)]
    _, store = run(crowded, 1, MONDAY + timedelta(hours=5))
    days = [STATE.decode(row) for key, row in store.rows.items() if key.split(" ")[1] in ("b", "q")]
    assert sum(isinstance(each, Tally) and each.full for each in days) > 3
    assert max(len(row) for key, row in store.rows.items() if key.split(" ")[1] == "b") < 8_000


@pytest.mark.parametrize("step", [50, 10_000])
def test_a_later_declaration_touches_a_persons_last_thousand_cases(step: int) -> None:
    known = KEPT + 2 * across.PIECE + 3
    both = (0, 1, 2, known - KEPT - 1, known - KEPT, known - 1)
    items: list[Item] = []

    def at(case: int, what: str, **data: str) -> None:
        items.append((MONDAY + timedelta(seconds=len(items)), case, what, data))

    for case in range(known):
        at(case, "judge.assigned", judge="r_1", mode="random")
        if case in both:
            at(case, "counsel.changed", lawyer="r_50", action="appointed")
    at(2, "judge.reassigned", previous="r_1", judge="r_2", reason="leave")
    at(2, "judge.reassigned", previous="r_2", judge="r_1", reason="leave")
    at(0, "relation.declared", person="r_1", **{"with": "r_50"}, kind="spouse")
    said, store = run(items, step, MONDAY + timedelta(days=1))
    met = {each.subject for each in said if each.rule == "R24"}
    # Coming back to the lost case 2 has pushed out the oldest of the others.
    assert met == {case_id(COURT, case) for case in (2, known - 1)}
    person = STATE.decode(store.rows["R24 p r_1"])
    assert isinstance(person, Person)
    assert person.count == known + 1
    assert len(store.rows["R24 p r_1"]) < 3_000
