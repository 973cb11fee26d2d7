"""How long an alert may wait (`rules/life.yaml`), counted in the working days of its court."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from balance_chain.core.catalogue_files import CatalogueError, read_yaml
from balance_chain.core.data import data_dir

from balance_judge_audit.engine.lawtime import Period, day_of, end_of, last_day
from balance_judge_audit.engine.model import Severity
from balance_judge_audit.engine.view import Place
from balance_judge_audit.rulebook import RuleFileError

FILE: Final = "life.yaml"


class Days(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A length of time as the file has it."""

    value: int
    unit: str

    def period(self, key: str) -> Period:
        """The length, checked."""
        if self.unit not in ("days", "working_days") or self.value < 1:
            raise RuleFileError(FILE, key, "is no time; give a value of at least 1 and the unit days or working_days")
        return Period(self.value, "days" if self.unit == "days" else "working_days")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    untouched: dict[Severity, Days]
    reply: Days


@dataclass(frozen=True, slots=True)
class LifePolicy:
    """The file, read."""

    version: str
    untouched: dict[str, Period]
    reply: Period

    def terms(self, severity: str, place: Place) -> "CourtTerms":
        """The terms of an alert of this severity at this place."""
        return CourtTerms(self.untouched[severity], self.reply, place)


@dataclass(frozen=True, slots=True)
class CourtTerms:
    """engine.life.Terms on a court's calendar: the day itself is not counted."""

    untouched: Period
    reply: Period
    place: Place

    def untouched_until(self, since: int) -> int:
        return self._end(since, self.untouched)

    def reply_until(self, since: int) -> int:
        return self._end(since, self.reply)

    def _end(self, since: int, period: Period) -> int:
        zone = self.place.zone
        return end_of(last_day(day_of(since, zone), period, self.place.calendar), zone)


def policy_file(rules: Path | None) -> Path:
    """The policy beside the rule book of this installation, else the one that is installed."""
    own = rules / FILE if rules is not None else None
    return own if own is not None and own.is_file() else data_dir("rules") / FILE


def load_policy(path: Path) -> LifePolicy:
    """The policy of a file; what is wrong with it is said by key."""
    try:
        file = msgspec.convert(read_yaml(path), _File)
    except CatalogueError as error:
        raise RuleFileError(FILE, error.key, error.problem) from None
    except msgspec.ValidationError as error:
        raise RuleFileError(FILE, "", str(error)) from None
    for severity in ("L", "M", "H", "C"):
        if severity not in file.untouched:
            raise RuleFileError(FILE, f"untouched.{severity}", "is missing; each severity has its days")
    untouched = {str(name): days.period(f"untouched.{name}") for name, days in file.untouched.items()}
    return LifePolicy(file.version, untouched, file.reply.period("reply"))
