"""Monthly reports of every unit of every court (R28): made, made on the last day, made late, or forgotten."""

from collections.abc import Iterator
from datetime import date
from random import Random
from typing import Final

from balance_chain.simulator import sources
from balance_chain.simulator.casefile import Draft, day_start, months_after
from balance_chain.simulator.model import Label
from balance_chain.simulator.world.days import day_of, within_hours
from balance_chain.simulator.world.town import DIVISIONS

UNITS: Final = tuple(f"{court} {name}" for court in sources.COURTS for name, _ in DIVISIONS.values())
LAST_DAY: Final = 10
_PART: Final = 10_000
"""Reports are numbered apart from what else happens at the same time."""


class Reports:
    """Follows the months: when one begins, every unit reports on the one before."""

    def __init__(self, seed: int, *, planting: bool) -> None:
        self._seed = seed
        self._planting = planting
        self._month: date | None = None
        self._months = 0

    def at(self, now_ms: int, labels: list[Label]) -> Iterator[tuple[Draft, str, int]]:
        """The reports that are made in the month that begins now; none while it goes on."""
        month = day_of(now_ms).replace(day=1)
        if month != self._month:
            self._month = month
            yield from self._of(month, now_ms, labels)

    def until(self, end_ms: int, labels: list[Label]) -> Iterator[tuple[Draft, str, int]]:
        """The reports of all months that begin before that time."""
        assert self._month is not None
        while day_start(month := months_after(self._month, 1)) < end_ms:
            self._month = month
            yield from self._of(month, day_start(month), labels)

    def _of(self, month: date, now_ms: int, labels: list[Label]) -> Iterator[tuple[Draft, str, int]]:
        self._months += 1
        reported = months_after(month, -1).isoformat()[:7]
        rng = Random(f"{self._seed}/reports/{reported}")  # noqa: S311 (the same numbers again)
        for number, unit in enumerate(UNITS):
            # The first report of a unit is what makes it owe the next ones: it always comes.
            kind = (number + self._months) % 6 if self._planting and self._months > 1 else -1
            day = {0: None, 1: LAST_DAY + 1, 2: LAST_DAY + 12, 3: LAST_DAY}.get(kind, rng.randint(1, LAST_DAY - 2))
            if kind in _PLANTS:
                labels.append(_PLANTS[kind](unit, reported))
            if day is None:
                continue
            data = {"measure": "monthly_report", "unit": unit, "month": reported, "count": 0, "synthetic": True}
            ms = max(within_hours(month.replace(day=day), rng), now_ms)
            yield (
                Draft(ms, sources.AUDIT, "supervision.acted", data, ms + 60_000),
                sources.AUDIT,
                _PART * self._months + number,
            )


def _forgotten(unit: str, month: str) -> Label:
    return Label("R28", None, unit, True, "positive", "a month that is never reported", "blatant", month)


def _a_day_late(unit: str, month: str) -> Label:
    return Label("R28", None, unit, True, "positive", "reported a day late", "subtle", month)


def _late(unit: str, month: str) -> Label:
    return Label("R28", None, unit, True, "positive", "reported twelve days late", "plain", month)


def _last_day(unit: str, month: str) -> Label:
    return Label("R28", None, unit, False, "near_miss", "reported on the last day", None, month)


def _quiet(unit: str, month: str) -> Label:
    return Label("R28", None, unit, False, "honest", "a quiet month reported as such", None, month)


_PLANTS: Final = {0: _forgotten, 1: _a_day_late, 2: _late, 3: _last_day, 4: _quiet}
