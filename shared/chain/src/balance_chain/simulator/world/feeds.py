"""What concerns no single case: monthly reports (R28), bulk exports (R30), gaps in a source's numbers (R38)."""

from collections.abc import Iterator
from random import Random
from typing import Any, Final, Literal, NamedTuple

from balance_chain.core.times import DAY_MS
from balance_chain.simulator import sources
from balance_chain.simulator.casefile import MINUTE_MS, Draft
from balance_chain.simulator.model import Event, Label
from balance_chain.simulator.world.reports import Reports

_EXPORTS_EVERY: Final = 60
"""Cases from one burst of exports to the next."""
_GAPS_EVERY: Final = 24
_BURST: Final = 21
_SKIPPABLE: Final = (sources.GATE, sources.ARCHIVE, sources.AUDIT, sources.CLERK, sources.PARTY)
_RECENT: Final = 400


class _Burst(NamedTuple):
    """One kind of burst and what it is."""

    kind: Literal["positive", "near_miss", "honest"]
    note: str
    subtlety: Literal["blatant", "plain", "subtle"] | None

    def __call__(self, viewer: str) -> Label:
        return Label("R30", None, f"r_{viewer}", self.kind == "positive", self.kind, self.note, self.subtlety)


_EXPORTS: Final = (
    _Burst("positive", "one case too many in an hour", "subtle"),
    _Burst("positive", "very many cases in an hour", "blatant"),
    _Burst("near_miss", "as many cases in an hour as are allowed", None),
    _Burst("honest", "very many cases in an hour, for the archive", None),
)


def _gap(source: str, number: int, wide: int) -> Label:
    if wide == 1:
        return Label("R38", None, source, True, "positive", "one number never sent", "subtle", str(number))
    return Label("R38", None, source, True, "positive", f"{wide} numbers never sent", "plain", str(number))


class Feeds:
    """Plants in the feeds of sources and in the acts of people over many cases."""

    def __init__(self, seed: int, *, planting: bool, rules: frozenset[str]) -> None:
        self._seed = seed
        self._planting = planting
        self._rules = rules
        self._recent: list[tuple[str, str]] = []
        self._reports = Reports(seed, planting=self._plants("R28"))
        self._gap_due = 0
        self._gaps = 0
        self._late: dict[str, list[Event]] = {}
        self._hold: str | None = None

    def opened(self, court: str, subject: str) -> None:
        """A case that can be looked at from now on."""
        self._recent = [*self._recent, (court, subject)][-_RECENT:]

    def _plants(self, rule: str) -> bool:
        return self._planting and (not self._rules or rule in self._rules)

    def at(self, index: int, start: int, labels: list[Label]) -> Iterator[tuple[Draft, str, int]]:
        """What happens when case `index` begins: drafts with their subjects and numbers of their own."""
        yield from self._reports.at(start, labels)
        if index % _GAPS_EVERY == 0 and self._plants("R38"):
            self._gap_due += 1
        if index % _EXPORTS_EVERY == _EXPORTS_EVERY - 1 and self._plants("R30"):
            yield from self._exports(index // _EXPORTS_EVERY, start, labels)

    def close(self, now_ms: int, labels: list[Label]) -> Iterator[tuple[Draft, str, int]]:
        """The reports of the months in which no case begins any more."""
        yield from self._reports.until(now_ms, labels)

    def _exports(self, turn: int, start: int, labels: list[Label]) -> Iterator[tuple[Draft, str, int]]:
        """One person opens many cases within an hour: one too many, just as many as allowed, or for the archive."""
        rng = Random(f"{self._seed}/exports/{turn}")  # noqa: S311 (the same numbers again)
        cases = list(dict.fromkeys(subject for _, subject in self._recent))
        kind = turn % 4
        count = (_BURST, rng.randint(30, 60), _BURST - 1, 40)[kind]
        if len(cases) < count:
            return
        viewer = {"id": f"A-burst-{turn}"}
        purpose = "archiving" if kind == 3 else "other"
        said: dict[str, Any] = {"viewer": viewer, "viewer_role": "archive", "action": "export", "purpose": purpose}
        noon = start - start % DAY_MS + 4 * 60 * MINUTE_MS + DAY_MS
        for part, subject in enumerate(rng.sample(cases, count)):
            ms = noon + part * (58 * MINUTE_MS // count)
            data = {**said, "count": 1, "actors": [{"role": "viewer", **viewer}], "synthetic": True}
            yield Draft(ms, sources.IAM, "access.viewed", data, ms + rng.randrange(1, 30) * 1000), subject, part
        labels.append(_EXPORTS[kind](viewer["id"]))

    def number(self, source: str, number: int, labels: list[Label]) -> int:
        """The number that an event of this source gets: one may be left out, or the event be held back."""
        self._hold = None
        if not self._gap_due or source not in _SKIPPABLE or number < 2 or source in self._late:
            return number
        self._gap_due -= 1
        self._gaps += 1
        if self._gaps % 2:
            wide = 1 if self._gaps % 4 == 1 else 5
            labels.append(_gap(source, number, wide))
            return number + wide
        labels.append(Label("R38", None, source, False, "near_miss", "a number overtaken by others", None, str(number)))
        self._hold = source
        return number

    def send(self, event: Event) -> Iterator[Event]:
        """The event as it arrives, or later, and those that waited."""
        source = event["source"]
        if self._hold == source:
            self._late[source] = [event]
            return
        yield event
        if source in self._late:
            yield from self._late.pop(source)

    def rest(self) -> Iterator[Event]:
        """What still waits at the end."""
        for events in self._late.values():
            yield from events
        self._late = {}
