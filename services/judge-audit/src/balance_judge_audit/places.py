"""Where a case is heard: whose rules apply to it, and by which clock and calendar its days are counted.

Chinese rules never run on cases of other countries: what is not known to be Chinese has another jurisdiction.
"""

from typing import Final
from zoneinfo import ZoneInfo

from balance_chain.core.courts import Courts

from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.holidays import ChineseCalendar
from balance_judge_audit.engine.lawtime import Calendar, WeekendCalendar
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.view import Place

US_PREFIX: Final = "us-"
CN_ZONE: Final = ZoneInfo("Asia/Shanghai")
US_ZONE: Final = ZoneInfo("America/New_York")


class PlaceFinder:
    """Finds the place of a case from its court code; one that has none is told by the form of its id."""

    def __init__(self, courts: Courts) -> None:
        self._courts = courts
        self._calendars: dict[str, Calendar] = {"cn": ChineseCalendar(), "us": WeekendCalendar()}
        self._cn = Place("cn", CN_ZONE, self._calendars["cn"])
        self._us = Place("us", US_ZONE, self._calendars["us"])
        self._known: dict[str, Place] = {}

    def __call__(self, courtcode: str | None, caseid: str) -> Place:
        if courtcode is None:
            # Legacy Chinese forms carry no court code; a docket of the United States always names its court.
            return self._us if caseid.startswith(US_PREFIX) else self._cn
        place = self._known.get(courtcode)
        if place is None:
            court = self._courts.get(courtcode)
            if court is not None:
                place = Place(court.jurisdiction, ZoneInfo(court.timezone), self._calendars[court.jurisdiction])
            else:
                place = self._us if courtcode.startswith(US_PREFIX) else self._cn
            self._known[courtcode] = place
        return place


def rule_at(book: RuleBook, places: PlaceFinder, rule: str, courtcode: str | None, subject: str) -> Rule | None:
    """The rule as it holds where an alert was raised: as it is written, or as a policy took it over."""
    jurisdiction = places(courtcode, subject).jurisdiction
    taken = (each for each in book.policies.values() if each.id == rule and jurisdiction in each.jurisdiction)
    return next(taken, book.rules.get(rule))
