"""What may be planted in a case: an honest case of a stated plan, and one change to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from balance_chain.simulator.plans import Plan
from balance_chain.simulator.world.tape import Tape

Kind = Literal["positive", "near_miss", "honest"]
Subtlety = Literal["blatant", "plain", "subtle"]
Change = Callable[[Tape], None]
GRADES: Final[tuple[Subtlety, ...]] = ("blatant", "plain", "subtle")

SIMPLE: Final = (Plan("simplified"), Plan("small_claims"), Plan("administrative_simplified"))
SOLE: Final = (Plan("simplified"), Plan("ordinary"), Plan("small_claims"))
LONG: Final = (Plan("ordinary"), Plan("ordinary", collegial=True), Plan("administrative", collegial=True))
PANEL: Final = (
    Plan("ordinary", collegial=True),
    Plan("administrative", collegial=True),
    Plan("appeal", collegial=True),
)
ANY: Final = (*SIMPLE, *PANEL, Plan("criminal", collegial=True), Plan("retrial", collegial=True))
APPEALED: Final = (Plan("ordinary", collegial=True, appealed=True),)
ENFORCED: Final = (Plan("simplified", enforced=True), Plan("enforcement"))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which a case goes wrong, nearly so, or oddly but rightly."""

    rule: str
    kind: Kind
    note: str
    plans: tuple[Plan, ...]
    change: Change
    subtlety: Subtlety | None = None
    also: tuple[str, ...] = ()
    """Further rules that it breaks."""


class Scenarios:
    """A collection that functions are added to; each function is a change."""

    def __init__(self) -> None:
        self.all: list[Scenario] = []

    def positive(
        self, rule: str, subtlety: Subtlety, note: str, plans: tuple[Plan, ...], also: tuple[str, ...] = ()
    ) -> Callable[[Change], Change]:
        """The change is a breach of the rule."""
        return self._add(rule, "positive", note, plans, subtlety, also)

    def near(self, rule: str, note: str, plans: tuple[Plan, ...]) -> Callable[[Change], Change]:
        """The change comes near a breach and is none."""
        return self._add(rule, "near_miss", note, plans, None, ())

    def honest(self, rule: str, note: str, plans: tuple[Plan, ...]) -> Callable[[Change], Change]:
        """The change is what the rule's column of known false alarms speaks of, recorded as the law asks."""
        return self._add(rule, "honest", note, plans, None, ())

    def graded(
        self, rule: str, note: str, plans: tuple[Plan, ...], also: tuple[str, ...] = ()
    ) -> Callable[[Callable[[Tape, Subtlety], None]], None]:
        """A breach of three degrees, which the function is told."""

        def add(change: Callable[[Tape, Subtlety], None]) -> None:
            for grade in GRADES:
                self.all.append(Scenario(rule, "positive", note, plans, _of_grade(change, grade), grade, also))

        return add

    def _add(
        self,
        rule: str,
        kind: Kind,
        note: str,
        plans: tuple[Plan, ...],
        subtlety: Subtlety | None,
        also: tuple[str, ...],
    ) -> Callable[[Change], Change]:
        def add(change: Change) -> Change:
            self.all.append(Scenario(rule, kind, note, plans, change, subtlety, also))
            return change

        return add


def _of_grade(change: Callable[[Tape, Subtlety], None], grade: Subtlety) -> Change:
    return lambda tape: change(tape, grade)


def nothing(tape: Tape) -> None:
    """The plan alone is what matters."""
