"""A court's own calendar, as `calendar.declared` events say it: it takes the place of the published one for its years.

A calendar concerns no case and every shard, so it is sent once to each (the source's URI with the shard's number as
fragment), and a shard's cases are counted with what the shard itself has: no shard waits for another.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec

from balance_judge_audit.engine.lawtime import SATURDAY, Calendar
from balance_judge_audit.engine.view import Place

CALENDAR_TYPE: Final = "calendar.declared"


class DeclaredYear(msgspec.Struct, frozen=True, array_like=True):
    """One year of a court: days off beside weekends, and weekend days that are worked in their place (调休)."""

    court: str
    year: int
    holidays: frozenset[date]
    worked: frozenset[date]


class DeclaredCalendar:
    """The court's own years, and another calendar for those that it has not declared."""

    def __init__(self, years: Iterable[DeclaredYear], otherwise: Calendar) -> None:
        self._years = {each.year: each for each in years}
        self._otherwise = otherwise

    def is_working_day(self, day: date) -> bool:
        year = self._years.get(day.year)
        if year is None:
            return self._otherwise.is_working_day(day)
        return day in year.worked or (day.weekday() < SATURDAY and day not in year.holidays)

    def is_confirmed(self, day: date) -> bool:
        return day.year in self._years or self._otherwise.is_confirmed(day)


class Calendars:
    """What the courts of one shard have declared; the last word on a year counts."""

    def __init__(self, declared: Iterable[DeclaredYear] = ()) -> None:
        self._declared = {(each.court, each.year): each for each in declared}
        self._places: dict[tuple[str, Place], Place] = {}

    def __deepcopy__(self, memo: object) -> "Calendars":
        return Calendars(self.declared)

    @property
    def declared(self) -> list[DeclaredYear]:
        """Every year of every court, in order."""
        return [self._declared[key] for key in sorted(self._declared)]

    def declare(self, data: dict[str, Any]) -> DeclaredYear | None:
        """Takes a declaration; None where it says nothing new."""
        year = _read(data)
        if year is None or self._declared.get((year.court, year.year)) == year:
            return None
        self._declared[year.court, year.year] = year
        self._places.clear()
        return year

    def place(self, court: str | None, place: Place) -> Place:
        """The place with its court's own calendar, where it has declared one."""
        if not self._declared or court is None:
            return place
        found = self._places.get((court, place))
        if found is None:
            years = [each for (name, _), each in self._declared.items() if name == court]
            calendar = DeclaredCalendar(years, place.calendar) if years else place.calendar
            found = self._places[court, place] = Place(place.jurisdiction, place.zone, calendar)
        return found


def _read(data: dict[str, Any]) -> DeclaredYear | None:
    court, year = data.get("court"), data.get("year")
    if not isinstance(court, str) or not isinstance(year, int):
        return None
    return DeclaredYear(court, year, _days(data.get("holidays"), year), _days(data.get("worked"), year))


def _days(value: object, year: int) -> frozenset[date]:
    """The days of that year; what is none is passed over, for a calendar never stops the stream."""
    found: set[date] = set()
    for each in value if isinstance(value, list) else ():
        try:
            found.add(date.fromisoformat(each))
        except (TypeError, ValueError):
            continue
    return frozenset(day for day in found if day.year == year)
