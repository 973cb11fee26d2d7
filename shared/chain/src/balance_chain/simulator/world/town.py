"""The courts of a simulated town: divisions of judges with their workloads, the bar, the agencies on the rota.

Assignment is random among the least busy judges of the division that hears such cases, as the assignment rule asks;
a few cases are designated for a stated reason.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Final

from balance_chain.simulator.people import Person, Staff

DIVISIONS: Final = {
    "civil-1": ("民事审判第一庭", 10),
    "civil-2": ("民事审判第二庭", 10),
    "property": ("知识产权审判庭", 4),
    "administrative": ("行政审判庭", 5),
    "criminal": ("刑事审判庭", 6),
    "enforcement": ("执行局", 5),
}
"""Name and number of judges; the specialised ones are small, so that their judges meet the same lawyers again."""
SMALL_BAR: Final = 9
LARGE_BAR: Final = 240
AGENCIES: Final = 12
FEW_AGENCIES: Final = 3
LEAST_BUSY: Final = 4
"""Among so many the lot is drawn."""


@dataclass(slots=True)
class Court:
    """One court and how busy its judges are."""

    code: str
    lawyers: int
    agencies: int
    load: dict[str, int] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The digits of its code, as they stand in its people's ids."""
        return "".join(each for each in self.code if each.isdigit()) or "00"

    def judges(self, division: str) -> list[str]:
        """The judges of a division."""
        mark = list(DIVISIONS).index(division) + 1
        return [f"J{self.place}-{mark}{number:02d}" for number in range(1, DIVISIONS[division][1] + 1)]

    def staff(self, division: str, rng: Random) -> Staff:
        """The people of a case: its judge drawn among the least busy, six more, and who works with them."""
        judges = self.judges(division)
        rng.shuffle(judges)
        judges.sort(key=lambda judge: self.load.get(judge, 0))
        first = rng.choice(judges[:LEAST_BUSY])
        self.load[first] = self.load.get(first, 0) + 1
        others = [judge for judge in judges if judge != first]
        others += [judge for name in DIVISIONS if name != division for judge in self.judges(name)][: 8 - len(others)]
        chosen = [first, *rng.sample(others, 6)]
        return Staff(
            judges=tuple({"id": judge} for judge in chosen),
            clerk={"id": f"C{self.place}-{rng.randint(2, 20):02d}"},
            registrar={"id": f"C{self.place}-01"},
            president={"id": f"P{self.place}-01"},
            officer={"id": f"X{self.place}-{rng.randint(1, 6):02d}"},
            archivist={"id": f"A{self.place}-{rng.randint(1, 2):02d}"},
        )

    def lawyer(self, rng: Random) -> Person:
        """Somebody of its bar."""
        return {"id": f"L{self.place}-{rng.randint(1, self.lawyers):04d}"}

    def agency(self, rng: Random) -> Person:
        """Whose lot was drawn from its list."""
        return {"id": f"AG{self.place}-{rng.randint(1, self.agencies):02d}"}


class Town:
    """All courts; what is drawn depends on what was drawn before, and on the seed alone."""

    def __init__(self, codes: tuple[str, ...]) -> None:
        self._courts = {
            code: Court(code, SMALL_BAR if number == 0 else LARGE_BAR, FEW_AGENCIES if number == 1 else AGENCIES)
            for number, code in enumerate(codes)
        }

    def court(self, code: str) -> Court:
        """The court of that code."""
        return self._courts[code]

    def courts(self) -> list[Court]:
        """All of them."""
        return list(self._courts.values())
