"""A docket file as the Free Law Project's parser writes it: bytes in, a typed docket or a clear refusal out. Pure.

Fields are missing, null or odd, as they are in life; only what names the case and its entries is insisted upon.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from balance_chain.core.errors import BalanceError

_COURT = re.compile(r"[a-z0-9]{2,20}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_APPELLATE = re.compile(r"ca\d+|cadc|cafc|bap\d+")
Form = Literal["docket", "history"]


class DocketError(BalanceError):
    """A file is not a docket; `field` names the file and the place in it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a docket."""

    text: str
    """The description, or the short one where there is no other."""
    filed: str
    entered: str | None
    document_number: str | None
    pacer_doc_id: str | None
    pacer_seq_no: str | None


@dataclass(frozen=True, slots=True)
class Party:
    """A party with its counsel."""

    role: str
    name: str
    counsel: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Docket:
    """One case as one report shows it."""

    file: str
    form: Form
    court: str
    number: str
    case_name: str
    cause: str
    filed: str | None
    terminated: str | None
    discharged: str | None
    assigned_to: str
    referred_to: str
    parties: tuple[Party, ...]
    entries: tuple[Entry, ...]

    @property
    def subject(self) -> str:
        """What the case is called on the ledger: `us-<court>/<docket number>`."""
        return f"us-{self.court}/{self.number}"

    @property
    def appellate(self) -> bool:
        """Whether the court hears appeals."""
        return _APPELLATE.fullmatch(self.court) is not None

    @property
    def bankruptcy(self) -> bool:
        """Whether it is a bankruptcy court."""
        return self.court.endswith("b") and not self.appellate


def parse_docket(content: bytes, file: str) -> Docket:
    """Read one file, or say what about it is not a docket."""
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(file, f"is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise _wrong(file, "is not a JSON object")
    court, number, entries = value.get("court_id"), value.get("docket_number"), value.get("docket_entries")
    if not isinstance(court, str) or _COURT.fullmatch(court) is None:
        raise _wrong(f"{file}: court_id", "is not a court id in lower case letters and digits")
    if not isinstance(number, str) or not number.strip():
        raise _wrong(f"{file}: docket_number", "is missing")
    if not isinstance(entries, list):
        raise _wrong(f"{file}: docket_entries", "is not a list")
    history = "assigned_to_str" not in value or file.rsplit("/", 1)[-1].startswith("history-")
    return Docket(
        file=file,
        form="history" if history else "docket",
        court=court,
        number=re.sub(r"\s+", "", number),
        case_name=_text(value, "case_name"),
        cause=_text(value, "cause") or _text(value, "nature_of_suit"),
        filed=_date(value, "date_filed", file),
        terminated=_date(value, "date_terminated", file),
        discharged=_date(value, "date_discharged", file),
        assigned_to=_text(value, "assigned_to_str"),
        referred_to=_text(value, "referred_to_str"),
        parties=tuple(_party(each) for each in value.get("parties") or () if isinstance(each, dict)),
        entries=tuple(_entry(each, file, index) for index, each in enumerate(entries)),
    )


def _entry(value: Any, file: str, index: int) -> Entry:
    where = f"{file}: docket_entries[{index}]"
    if not isinstance(value, dict):
        raise _wrong(where, "is not an object")
    filed = _date(value, "date_filed", where) or _date(value, "date_entered", where)
    if filed is None:
        raise _wrong(where, "has neither date_filed nor date_entered")
    return Entry(
        text=_text(value, "description") or _text(value, "short_description"),
        filed=filed,
        entered=_date(value, "date_entered", where),
        document_number=_number(value, "document_number"),
        pacer_doc_id=_number(value, "pacer_doc_id"),
        pacer_seq_no=_number(value, "pacer_seq_no"),
    )


def _party(value: dict[str, Any]) -> Party:
    attorneys = value.get("attorneys") or ()
    names = (_text(each, "name") for each in attorneys if isinstance(each, dict))
    return Party(role=_text(value, "type"), name=_text(value, "name"), counsel=tuple(name for name in names if name))


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    return found.strip() if isinstance(found, str) else ""


def _number(value: dict[str, Any], name: str) -> str | None:
    found = value.get(name)
    return str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) and str(found) else None


def _date(value: dict[str, Any], name: str, where: str) -> str | None:
    found = value.get(name)
    if found is None or found == "":
        return None
    if not isinstance(found, str) or _DATE.match(found) is None:
        raise _wrong(f"{where}: {name}", "is not a date like 2009-03-19")
    return found[:10]


def _wrong(where: str, problem: str) -> DocketError:
    return DocketError(where, problem, "give a docket or docket history as juriscraper writes it")
