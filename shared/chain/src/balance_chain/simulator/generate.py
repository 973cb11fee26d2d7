"""A whole run: cases one after another, events numbered by source, one gap, and the labels.

Case i depends on the seed and i alone, and cases are published one after another: so a run of more cases begins with
the bytes of a run of fewer, and publishing either twice adds nothing.
"""

from random import Random
from typing import Final

from balance_chain.core.times import DAY_MS
from balance_chain.simulator import sources
from balance_chain.simulator.casefile import CaseFile, Draft, at_office, local_day, local_text
from balance_chain.simulator.model import ANCHOR_MS, Event, Label, Simulation
from balance_chain.simulator.people import company, human, staff_of
from balance_chain.simulator.plans import ROUND, Plan
from balance_chain.simulator.story import tell

LONGEST_CASE_DAYS: Final = 720
SPREAD_DAYS: Final = 200
SEEDS: Final = 900
"""Case numbers of different seeds are apart up to this many seeds."""
CASES_PER_SEED: Final = 100_000
SKIPPED: Final = 4
"""The number that the gate never sends."""
OUT_OF_ORDER: Final = 7
"""The archive sends this number after the next one: a gap that is filled."""

CAUSES: Final = (
    ("信息网络买卖合同纠纷", "9.2.10"),
    ("网络侵权责任纠纷", "9.3.1"),
    ("著作权权属、侵权纠纷", "5.14.1"),
    ("小额借款合同纠纷", "4.10.8"),
    ("网络服务合同纠纷", "4.10.43"),
)
_FIRST_INSTANCE: Final = tuple(sources.COURT_OF_APPEAL.keys())
_SECOND_INSTANCE: Final = tuple(sources.COURT_OF_APPEAL.values())
_HALF_WIDTH: Final = str.maketrans("（）", "()")


def generate(cases: int, seed: int, now_ms: int = ANCHOR_MS) -> Simulation:
    """Make that many whole cases, all over before `now_ms`; equal arguments give equal bytes."""
    if not 0 <= cases <= CASES_PER_SEED:
        raise ValueError(f"cases: {cases} is out of range; ask for 0 to {CASES_PER_SEED}")
    events: list[Event] = []
    labels: list[Label] = []
    numbers: dict[str, int] = {}
    held_back: Event | None = None
    for index in range(cases):
        case, caseid = _case(index, seed, now_ms)
        plan = case.plan
        labels += [Label(p.rule, caseid, caseid, p.kind == "positive", p.kind, p.note) for p in plan.planted]
        for part, draft in enumerate(case.drafts):
            number = numbers.get(draft.source, 0) + 1
            if draft.source == sources.GATE and number == SKIPPED:
                number += 1
                note = f"number {SKIPPED} is never sent"
                labels.append(Label("R38", None, sources.GATE, True, "positive", note))
            numbers[draft.source] = number
            event = envelope(draft, f"s{seed}-c{index}-{part}", caseid, number)
            if draft.source == sources.ARCHIVE and number == OUT_OF_ORDER:
                held_back = event
                continue
            events.append(event)
            if draft.source == sources.ARCHIVE and held_back is not None:
                events.append(held_back)
                held_back = None
                note = f"number {OUT_OF_ORDER} is sent after the next"
                labels.append(Label("R38", None, sources.ARCHIVE, False, "near_miss", note))
    if held_back is not None:
        events.append(held_back)
    return Simulation(events, labels, sources.registrations())


def _case(index: int, seed: int, now_ms: int) -> tuple[CaseFile, str]:
    """Tell case `index`; return it with its case number."""
    rng = Random(f"{seed}/{index}")  # noqa: S311 (a simulation wants the same numbers again)
    plan: Plan = ROUND[index % len(ROUND)]
    courts = _SECOND_INSTANCE if plan.procedure == "appeal" else _FIRST_INSTANCE
    court = rng.choice(courts)
    start = now_ms - (LONGEST_CASE_DAYS + rng.randrange(SPREAD_DAYS)) * DAY_MS
    serial = (seed % SEEDS) * CASES_PER_SEED + index + 1
    case = CaseFile(
        rng=rng,
        plan=plan,
        court=court,
        key=str(serial),
        staff=staff_of(court, rng),
        plaintiff={"name": human(rng)},
        defendant={"name": company(rng)},
        lawyer={"id": f"L{rng.randint(1, 400):04d}"},
        now=at_office(start, rng),
        cause=rng.choice(CAUSES),
        amount=rng.randrange(50_000, 5_000_000),
    )
    tell(case)
    registered = next((draft for draft in case.drafts if draft.type == "case.accepted"), case.drafts[0])
    year = local_day(registered.ms).year
    kind = "民终" if plan.procedure == "appeal" else "民初"
    return case, f"（{year}）{court}{kind}{serial}号"


def envelope(draft: Draft, event_id: str, caseid: str, number: int) -> Event:
    """A draft as its source sends it."""
    # The platform of the parties writes half-width brackets, as people do: intake normalises them.
    subject = caseid.translate(_HALF_WIDTH) if draft.source == sources.PARTY else caseid
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": draft.source,
        "type": draft.type,
        "subject": subject,
        "time": local_text(draft.ms),
        "recordedtime": local_text(draft.recorded_ms),
        "sequence": str(number),
        "data": draft.data,
    }
