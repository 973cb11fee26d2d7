"""The stream of a whole town: many cases at once, in the order in which their events were entered.

Cases begin one after another over two years and overlap; the stream holds only those that still go on. Everything
follows from the options: the same options give the same bytes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Final, Literal

from balance_chain.core.times import DAY_MS
from balance_chain.simulator import sources
from balance_chain.simulator.casefile import CaseFile, Draft, at_office
from balance_chain.simulator.generate import CASES_PER_SEED, CAUSES, SEEDS, envelope
from balance_chain.simulator.model import ANCHOR_MS, Event, Label, Simulation
from balance_chain.simulator.people import company, human
from balance_chain.simulator.plans import ON_APPEAL, Plan
from balance_chain.simulator.story import tell
from balance_chain.simulator.world.book import SCENARIOS
from balance_chain.simulator.world.days import day_of
from balance_chain.simulator.world.feeds import Feeds
from balance_chain.simulator.world.scenario import Scenario
from balance_chain.simulator.world.tape import Tape, Unfit
from balance_chain.simulator.world.town import Town

Mix = Literal["realistic", "balanced", "honest"]
FIRST_DAYS: Final = 1000
"""Days before the end at which the first case begins."""
LAST_DAYS: Final = 400
"""Days before the end at which the last one begins: time enough for the longest to end."""
PLANTED: Final = 0.03
"""Of a realistic mix, cases in which something is planted."""
ODD: Final = 0.4
"""Of the honest ones, cases in which something is nearly wrong, or odd and right."""
MOST_CASES: Final = 1_000_000
_TRIES: Final = 30
_EARLIER_MS: Final = 90 * DAY_MS

KINDS: Final = {
    "appeal": "民终",
    "retrial_review": "民申",
    "retrial": "民再",
    "administrative": "行初",
    "administrative_simplified": "行初",
    "administrative_appeal": "行终",
    "criminal": "刑初",
    "criminal_simplified": "刑初",
    "criminal_appeal": "刑终",
    "enforcement": "执",
}
"""The type in the case number; a civil case of first instance where there is none."""
HONEST: Final = (
    (24, Plan("simplified")),
    (8, Plan("simplified", enforced=True)),
    (8, Plan("simplified", ending="mediation")),
    (5, Plan("simplified", ending="withdrawal")),
    (3, Plan("simplified", filing="materials")),
    (2, Plan("simplified", filing="last_day")),
    (2, Plan("simplified", limit="extended")),
    (2, Plan("simplified", limit="converted")),
    (2, Plan("simplified", recorded="nearly_late")),
    (8, Plan("small_claims")),
    (5, Plan("ordinary")),
    (8, Plan("ordinary", collegial=True)),
    (4, Plan("ordinary", collegial=True, appealed=True)),
    (3, Plan("ordinary", collegial=True, limit="extended")),
    (3, Plan("ordinary", collegial=True, appraised=True, limit="suspended")),
    (2, Plan("ordinary", collegial=True, enforced=True)),
    (5, Plan("appeal", collegial=True)),
    (2, Plan("retrial_review", collegial=True)),
    (1, Plan("retrial", collegial=True)),
    (3, Plan("administrative", collegial=True)),
    (1, Plan("administrative_simplified")),
    (1, Plan("administrative_appeal", collegial=True)),
    (3, Plan("criminal", collegial=True)),
    (2, Plan("criminal_simplified")),
    (1, Plan("criminal_appeal", collegial=True)),
    (6, Plan("enforcement")),
)
"""How often which kind of honest case is told."""


@dataclass(frozen=True, slots=True)
class WorldOptions:
    """What is simulated. `rules`: only these are planted; all where it is empty."""

    cases: int
    seed: int
    mix: Mix = "realistic"
    rules: frozenset[str] = frozenset()
    now_ms: int = ANCHOR_MS


@dataclass(slots=True)
class World:
    """A town as it goes on. Iterate over `events`; the labels are whole when the events are at their end."""

    options: WorldOptions
    labels: list[Label] = field(default_factory=list)
    cases: int = 0

    def events(self) -> Iterator[Event]:
        """Every event, in the order of entry."""
        return _Stream(self).run()


def simulate_world(options: WorldOptions) -> Simulation:
    """The whole of it at once, where it fits into memory."""
    world = World(options)
    events = list(world.events())
    return Simulation(events, world.labels, sources.registrations())


class _Stream:
    def __init__(self, world: World) -> None:
        options = world.options
        if not 0 <= options.cases <= MOST_CASES:
            raise ValueError(f"cases: {options.cases} is out of range; ask for 0 to {MOST_CASES}")
        self._world = world
        self._options = options
        self._town = Town(sources.COURTS)
        self._pending: list[tuple[int, int, int, Draft, str]] = []
        self._numbers: dict[str, int] = {}
        chosen = [each for each in SCENARIOS if not options.rules or each.rule in options.rules]
        self._planted = [each for each in chosen if each.kind == "positive"]
        self._odd = [each for each in chosen if each.kind != "positive"]
        self._balanced = _in_turn(chosen)
        self._feeds = Feeds(options.seed, planting=options.mix != "honest", rules=options.rules)

    def run(self) -> Iterator[Event]:
        options = self._options
        first = options.now_ms - FIRST_DAYS * DAY_MS
        step = (FIRST_DAYS - LAST_DAYS) * DAY_MS / max(1, options.cases)
        for index in range(options.cases):
            start = first + int(step * index)
            yield from self._until(start)
            self._begin(index, start)
            self._feed(index, self._feeds.at(index, start, self._world.labels))
        if options.cases:
            self._feed(options.cases, self._feeds.close(options.now_ms, self._world.labels))
        yield from self._until(options.now_ms * 2)
        yield from self._feeds.rest()

    def _feed(self, index: int, drafts: Iterable[tuple[Draft, str, int]]) -> None:
        for draft, subject, part in drafts:
            heappush(self._pending, (draft.recorded_ms, -1 - index, part, draft, subject))

    def _until(self, ms: int) -> Iterator[Event]:
        pending = self._pending
        while pending and pending[0][0] < ms:
            _, index, part, draft, subject = heappop(pending)
            event_id = (
                f"w{self._options.seed}-c{index}-{part}"
                if index >= 0
                else f"w{self._options.seed}-f{-1 - index}-{part}"
            )
            number = self._feeds.number(draft.source, self._numbers.get(draft.source, 0) + 1, self._world.labels)
            self._numbers[draft.source] = number
            yield from self._feeds.send(envelope(draft, event_id, subject, number))

    def _begin(self, index: int, start: int) -> None:
        """Tells case `index`, which begins now."""
        scenario, plan, tape = self._fitting(index, start)
        case = tape.case
        accepted = next((draft for draft in tape.drafts if draft.type == "case.accepted"), tape.drafts[0])
        subject = f"（{day_of(accepted.ms).year}）{case.court}{KINDS.get(plan.procedure, '民初')}{case.key}号"
        if scenario:
            for rule in (scenario.rule, *scenario.also):
                expected = scenario.kind == "positive"
                self._world.labels.append(
                    Label(rule, subject, subject, expected, scenario.kind, scenario.note, scenario.subtlety)
                )
        for part, draft in enumerate(tape.drafts):
            heappush(self._pending, (draft.recorded_ms, index, part, draft, subject))
        self._feeds.opened(case.court, subject)
        self._world.cases += 1

    def _fitting(self, index: int, start: int) -> tuple[Scenario | None, Plan, Tape]:
        """The case as it is told, on the first attempt that has what its change needs."""
        options, delay = self._options, 0
        for attempt in range(_TRIES):
            rng = Random(f"{options.seed}/{options.mix}/{index}/{attempt}")  # noqa: S311 (the same numbers again)
            scenario = self._choose(index, rng)
            plan = rng.choice(scenario.plans) if scenario else _honest(rng)
            case = self._open(index, start + delay, plan, rng)
            tell(case)
            tape = Tape(case)
            try:
                if scenario:
                    scenario.change(tape)
            except Unfit:
                continue
            if min(draft.recorded_ms for draft in tape.drafts) >= start:
                return scenario, plan, tape
            delay = _EARLIER_MS  # the change reaches back before the case was to begin
        raise AssertionError(f"no case of {_TRIES} fits number {index}: {scenario}")

    def _choose(self, index: int, rng: Random) -> Scenario | None:
        mix = self._options.mix
        if mix == "balanced":
            return self._balanced[index % len(self._balanced)]
        if mix == "realistic" and self._planted and rng.random() < PLANTED:
            return rng.choice(self._planted)
        return rng.choice(self._odd) if self._odd and rng.random() < ODD else None

    def _open(self, index: int, start: int, plan: Plan, rng: Random) -> CaseFile:
        higher = plan.procedure in (*ON_APPEAL, "retrial_review", "retrial")
        code = rng.choice(tuple(sources.COURT_OF_APPEAL.values() if higher else sources.COURT_OF_APPEAL))
        court = self._town.court(code)
        cause = rng.choice(CAUSES)
        return CaseFile(
            rng=rng,
            plan=plan,
            court=code,
            key=str((self._options.seed % SEEDS) * CASES_PER_SEED + index + 1),
            staff=court.staff(_division(plan, cause), rng),
            plaintiff={"name": human(rng)},
            defendant={"name": company(rng)},
            lawyer=court.lawyer(rng),
            now=at_office(start, rng),
            cause=cause,
            amount=rng.randrange(50_000, 5_000_000),
        )


def _honest(rng: Random) -> Plan:
    return rng.choices([plan for _, plan in HONEST], [weight for weight, _ in HONEST])[0]


def _division(plan: Plan, cause: tuple[str, str]) -> str:
    kind = plan.procedure.partition("_")[0]
    if kind in ("administrative", "criminal", "enforcement"):
        return kind
    if cause[1].startswith("5."):
        return "property"
    return "civil-1" if plan.procedure in ("ordinary", "appeal", "retrial") else "civil-2"


def _in_turn(scenarios: list[Scenario]) -> list[Scenario]:
    """Every rule's breaches equally often, and as often what is none."""
    by_rule: dict[str, tuple[list[Scenario], list[Scenario]]] = {}
    for each in scenarios:
        by_rule.setdefault(each.rule, ([], []))[each.kind != "positive"].append(each)
    longest = max((len(part) for parts in by_rule.values() for part in parts), default=0)
    return [
        part[turn % len(part)] for turn in range(longest * 2) for parts in by_rule.values() for part in parts if part
    ]
