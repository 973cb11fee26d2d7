"""Courts by code: their names, their level, and the calendar and time zone by which their days are counted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from balance_chain.core.catalogue_files import CatalogueError, FileChecker, read_yaml

Jurisdiction = Literal["cn", "us"]

_CN_CODE: Final = re.compile(r"([一-龥])([0-9]{2})?([0-9]{2})?")
_LEVELS: Final = ("high", "intermediate", "basic")


@dataclass(frozen=True, slots=True)
class Court:
    """One court. `confirmed` is false until the court's code or name was confirmed by a primary source."""

    code: str
    zh: str
    en: str
    jurisdiction: Jurisdiction
    calendar: str
    timezone: str
    level: str
    confirmed: bool = False

    @property
    def zone(self) -> ZoneInfo:
        """The court's time zone."""
        return ZoneInfo(self.timezone)


class Courts:
    """The listed courts, and a generic answer for a Chinese court whose code is well-formed but not listed."""

    def __init__(self, listed: Mapping[str, Court], generic: Mapping[str, Any]) -> None:
        self.listed: Mapping[str, Court] = MappingProxyType(dict(listed))
        self._generic = generic
        self._seen: dict[str, Court] = {}

    @classmethod
    def load(cls, directory: Path) -> "Courts":
        """Read courts.yaml of the catalogue; raise CatalogueError for what is wrong."""
        content = read_yaml(directory / "courts.yaml")
        FileChecker(directory).check("courts.yaml", "courts", content)
        generic = content["generic"]
        listed = {}
        for code, raw in content["courts"].items():
            court = listed[code] = _listed(code, raw, generic)
            try:
                ZoneInfo(court.timezone)
            except (ValueError, OSError, KeyError) as error:
                raise CatalogueError(
                    "courts.yaml", f"courts.{code}.timezone", f"{court.timezone!r} is no zone"
                ) from error
        return cls(listed, generic)

    def get(self, code: str | None) -> Court | None:
        """Return the court of that code; None where no court can have it."""
        if code is None:
            return None
        court = self.listed.get(code) or self._seen.get(code)
        if court is None and (court := self._unlisted(code)) is not None:
            self._seen[code] = court
        return court

    def _unlisted(self, code: str) -> Court | None:
        match = _CN_CODE.fullmatch(code)
        if match is None or match[1] not in self._generic["provinces"]:
            return None
        province = self._generic["provinces"][match[1]]
        zh, en = province["zh"], province["en"]
        suffix = {
            "high": ("高级人民法院", "High Court"),
            "intermediate": ("中级法院", "Intermediate Court"),
            "basic": ("基层法院", "Basic Court"),
        }
        level = _level(code)
        zh_level, en_level = suffix[level]
        if level != "high":
            series = self._series(int(match[2]))
            zh_level, en_level = (
                (series["zh"] + zh_level, f"{series['en']} {en_level}") if series else (zh_level, en_level)
            )
            zh_level, en_level = f"{zh_level}（{code}）", f"{en_level} ({code})"
        return Court(
            code,
            f"{zh}{zh_level}",
            f"{en} {en_level}",
            "cn",
            self._generic["calendar"],
            self._generic["timezone"],
            level,
        )

    def _series(self, number: int) -> Mapping[str, Any] | None:
        return next((each for each in self._generic["series"] if each["from"] <= number <= each["to"]), None)


def _level(code: str) -> str:
    return _LEVELS[(len(code) - 1) // 2]


def _listed(code: str, raw: Mapping[str, Any], generic: Mapping[str, Any]) -> Court:
    jurisdiction: Jurisdiction = "us" if code.startswith("us-") else "cn"
    if jurisdiction == "us" and not {"level", "calendar", "timezone"} <= set(raw):
        raise CatalogueError("courts.yaml", f"courts.{code}", "needs level, calendar and timezone")
    return Court(
        code=code,
        zh=raw["zh"],
        en=raw["en"],
        jurisdiction=jurisdiction,
        calendar=raw.get("calendar", generic["calendar"]),
        timezone=raw.get("timezone", generic["timezone"]),
        level=raw.get("level") or ("supreme" if code == "最高法" else _level(code)),
        confirmed=raw.get("confirmed", False),
    )
