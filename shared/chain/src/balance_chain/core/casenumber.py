"""What a case is called: the grammar of case numbers, and one normal form for each.

Chinese numbers follow 法〔2015〕137 as amended by 法〔2018〕335: full-width （）, ASCII digits, no spaces. Other forms
are United States docket numbers `us-<court>/<docket number>`, numbers from before 2016 (字第…号), kept as they were
written, and the URI of a source for what concerns no case. Normalising is idempotent:
`parse_subject(x.caseid).caseid == x.caseid`.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

from balance_chain.core.errors import BalanceError

Form = Literal["cn", "us", "legacy", "source"]
MAX_LENGTH: Final = 300
FIRST_YEAR: Final = 2016

_CN: Final = re.compile(
    r"（(20[0-9]{2})）(最高法|[一-龥](?:[0-9]{2}){0,2})(知?)([一-龥]{1,4})([1-9][0-9]{0,11})号(之[一二三四五六七八九十]{1,4})?"
)
_OLD_FORM: Final = "字第"
"""Marks a number from before 2016; the new form would read its last letters as a type."""
_SEVERAL: Final = re.compile(r"[0-9]+号?(?:[、，,;；]|至|-|—|~|和|及)[0-9]+号|号.*[、，,;；].*号")
_LEGACY: Final = re.compile(
    r"（(1[0-9]{3}|20[0-9]{2})）[^（）]{0,40}字第?[^（）]{1,40}号?(之[一二三四五六七八九十]{1,4})?"
)
_US: Final = re.compile(r"us-([a-z0-9]{2,20})/([A-Za-z0-9][A-Za-z0-9:._-]{0,60})")
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,250}")
_BRACKETS: Final = str.maketrans(
    {"(": "（", ")": "）", "【": "（", "】": "）", "[": "（", "]": "）", "〔": "（", "〕": "）"}
)
_SPACE: Final = re.compile(r"\s+")
# Beside white space, what people paste without seeing it.
_INVISIBLE: Final = re.compile("[\u200b-\u200f\u2060\ufeff]")


class CaseNumberError(BalanceError):
    """A subject names no case that we can follow. `code` is the reject reason."""

    def __init__(self, code: Literal["subject_invalid", "several_cases"], problem: str, remedy: str) -> None:
        super().__init__("subject", problem, remedy)
        self.code = code

    def __reduce__(self) -> tuple[type["CaseNumberError"], tuple[str, str, str]]:
        return type(self), (self.code, self.problem, self.remedy)


@dataclass(frozen=True, slots=True)
class CaseId:
    """A normalised subject. `caseid` is its text; the parts are those that the form has."""

    caseid: str
    form: Form
    courtcode: str | None = None
    year: int | None = None
    kind: str | None = None
    serial: int | None = None

    def __str__(self) -> str:
        return self.caseid


def parse_subject(text: str) -> CaseId:
    """Normalise a subject, or say why it names no single case."""
    match = _CN.fullmatch(text)
    if match is not None and _OLD_FORM not in text and (parsed := _numbered(match)) is not None:
        return parsed  # normal already, as most are
    stripped = _INVISIBLE.sub("", text).strip()
    if len(stripped) > MAX_LENGTH:
        raise CaseNumberError("subject_invalid", f"is longer than {MAX_LENGTH} characters", "send one case number")
    if stripped[:3].lower() == "us-":
        return _united_states(stripped)
    if ":" in stripped and _URI.fullmatch(stripped):
        return CaseId(stripped, "source")
    return _chinese(stripped)


def _united_states(text: str) -> CaseId:
    court, slash, number = text.partition("/")
    match = _US.fullmatch(court.lower() + slash + _SPACE.sub("", number))
    if match is None:
        raise CaseNumberError(
            "subject_invalid",
            "is not a United States docket number",
            "send us-<court>/<docket number>, as us-nysd/1:15-mc-00105",
        )
    return CaseId(match[0], "us", courtcode=f"us-{match[1]}")


def _chinese(text: str) -> CaseId:
    folded = _SPACE.sub("", unicodedata.normalize("NFKC", text)).translate(_BRACKETS)
    match = None if _OLD_FORM in folded else _CN.fullmatch(folded)
    if match is not None:
        parsed = _numbered(match)
        if parsed is None:
            raise CaseNumberError(
                "subject_invalid", f"is in the form that began in {FIRST_YEAR}, with an earlier year", "check the year"
            )
        return parsed
    if _SEVERAL.search(folded):
        raise CaseNumberError("several_cases", "names several cases", "send one event for each case")
    match = _LEGACY.fullmatch(folded)
    if match is not None:
        return CaseId(" ".join(text.split()), "legacy", year=int(match[1]))
    raise CaseNumberError("subject_invalid", "is not a case number", "send one like （2026）京0491民初88号")


def _numbered(match: re.Match[str]) -> CaseId | None:
    """The case of a number in the form of 2016; None where its year lies before that form."""
    year, court, intellectual, kind, serial, _ = match.groups()
    if int(year) < FIRST_YEAR:
        return None
    return CaseId(match[0], "cn", courtcode=court, year=int(year), kind=intellectual + kind, serial=int(serial))
