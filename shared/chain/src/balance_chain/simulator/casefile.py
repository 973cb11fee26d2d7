"""One case while it is being told: its clock, its people, and the events so far."""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from random import Random
from typing import Any, Final

from balance_chain.core.times import DAY_MS, format_ms
from balance_chain.simulator.model import digests
from balance_chain.simulator.people import Person, Staff
from balance_chain.simulator.plans import Plan

OFFSET_MS: Final = 8 * 3_600_000
"""China has one time zone and no summer time."""
HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000


def local_text(ms: int) -> str:
    """A time as Chinese systems write it."""
    return format_ms(ms + OFFSET_MS)[:-1] + "+08:00"


def local_day(ms: int) -> date:
    """The day on which it falls."""
    return datetime.fromtimestamp((ms + OFFSET_MS) // 1000, UTC).date()


def day_start(day: date) -> int:
    """Its first millisecond."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000 - OFFSET_MS


def months_after(day: date, months: int) -> date:
    """The day of the same number, or the last of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def at_office(ms: int, rng: Random) -> int:
    """Not before that time: some moment within office hours of a weekday."""
    day, rest = divmod(ms + OFFSET_MS, DAY_MS)
    opens = rest if 9 * HOUR_MS <= rest < 16 * HOUR_MS else 9 * HOUR_MS
    if rest >= 16 * HOUR_MS:
        day += 1
    while (day + 3) % 7 >= 5:  # day 0 of the epoch was a Thursday
        day, opens = day + 1, 9 * HOUR_MS
    return day * DAY_MS + opens + rng.randrange(1, 60) * MINUTE_MS + rng.randrange(60_000) - OFFSET_MS


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it has its id and its number."""

    ms: int
    source: str
    type: str
    data: dict[str, Any]
    recorded_ms: int


@dataclass(slots=True)
class CaseFile:
    """The case: who, when, and what has happened."""

    rng: Random
    plan: Plan
    court: str
    key: str
    """Names the case within the run: goes into identifiers of documents, evidence, hearings."""
    staff: Staff
    plaintiff: Person
    defendant: Person
    lawyer: Person
    now: int
    cause: tuple[str, str]
    amount: int
    accepted: int | None = None
    hearings: int = 0
    drafts: list[Draft] = field(default_factory=list)

    def wait(self, low_days: float, high_days: float) -> int:
        """Let time pass, and go on within office hours."""
        self.now = at_office(self.now + int(self.rng.uniform(low_days, high_days) * DAY_MS), self.rng)
        return self.now

    def until(self, ms: int) -> int:
        """Go on at that time, or now if it has passed."""
        self.now = max(self.now + self.rng.randrange(1, 30) * MINUTE_MS, ms)
        return self.now

    def add(
        self,
        source: str,
        type_id: str,
        data: dict[str, Any],
        actor: tuple[str, Person] | None = None,
        lag_ms: int | None = None,
    ) -> None:
        """Something happens now; the source enters it a little later."""
        if actor is not None:
            data["actors"] = [{"role": actor[0], **actor[1]}]
        data["synthetic"] = True
        if lag_ms is None:
            lag_ms = self.rng.randrange(20, 900) * 1000
            if self.rng.random() < 0.03:  # entered the next day
                lag_ms += self.rng.randrange(20, 40) * HOUR_MS
        self.drafts.append(Draft(self.now, source, type_id, data, self.now + lag_ms))
        self.now += self.rng.randrange(2, 40) * MINUTE_MS

    def digest(self, name: str) -> dict[str, str]:
        """The digests of a file of this case."""
        return digests(self.key, name)
