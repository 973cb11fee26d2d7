"""What a source may send, checked in one place: the gateway answers every fault, the normaliser seals the first.

Pure: the catalogue, the courts and the source's registration are given; no fault quotes what was sent.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from balance_chain.core import times
from balance_chain.core.casenumber import MAX_LENGTH, CaseId, CaseNumberError, parse_subject
from balance_chain.core.catalogue import Catalogue, EventType
from balance_chain.core.courts import Courts
from balance_chain.core.errors import BalanceError
from balance_chain.core.events import ID_PATTERN, SEQUENCE_PATTERN, TRACEPARENT_PATTERN, SourceEvent
from balance_chain.core.jsonguard import Parsed
from balance_chain.core.rejects import REMEDIES, Reason
from balance_chain.core.sources import Source

SPECVERSION: Final = "1.0"
FUTURE_MS: Final = 5 * 60 * 1000
"""How far an event's time may be ahead of the broker's."""
DEFAULT_ZONE: Final = ZoneInfo("Asia/Shanghai")
"""Zone of a bare date where the subject names no court."""
CALENDAR_TYPE: Final = "calendar.declared"
_SHARD: Final = re.compile(r"[0-9]{1,6}")
"""Marks, as fragment of the source's URI, what concerns no case but a whole shard."""
REQUIRED: Final = frozenset({"specversion", "id", "source", "type", "subject", "time", "sequence", "data"})
OPTIONAL: Final = frozenset({"recordedtime", "traceparent", "datacontenttype"})
ATTRIBUTES: Final = REQUIRED | OPTIONAL
_CASES_REMEMBERED: Final = 65_536
_NEVER_MS: Final = 2**53
# A NUL in a string, as canonical bytes write it; PostgreSQL can hold none.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an event; `pointer` is a place that the schema has."""

    reason: Reason
    pointer: str
    problem: str
    remedy: str


class Checked(msgspec.Struct, frozen=True):
    """A source's event that is valid in itself, with what was worked out on the way."""

    event: SourceEvent
    type: EventType
    case: CaseId
    source: Source
    time: str
    """When it happened, canonical."""
    day_only: bool
    recorded: str | None
    data: dict[str, Any]
    """Its data with times in UTC and digests in lower case."""
    sent: bytes
    """The RFC 8785 bytes of what was sent."""


def fault(reason: Reason, pointer: str, problem: str) -> Fault:
    """A fault with its reason's usual remedy."""
    return Fault(reason, pointer, problem, REMEDIES[reason])


class Checker:
    """Checks events against the catalogue, the courts and the source's registration."""

    def __init__(self, catalogue: Catalogue, courts: Courts) -> None:
        self._catalogue = catalogue
        self._courts = courts
        self._zones: dict[str | None, ZoneInfo] = {None: DEFAULT_ZONE}
        self._normal = {
            name: (
                tuple(field.name for field in kind.fields if field.kind == "time" and field.privacy is None),
                tuple(field.name for field in kind.fields if field.kind == "digests"),
            )
            for name, kind in catalogue.types.items()
        }

    def check(self, parsed: Parsed, source: Source, latest_ms: int) -> Checked | list[Fault]:
        """The event, or everything that is wrong with it. A time after `latest_ms` is in the future."""
        body, sent = parsed
        faults = _attributes(body)
        if faults:
            return faults
        event = SourceEvent(
            specversion=body["specversion"],
            id=body["id"],
            source=body["source"],
            type=body["type"],
            subject=body["subject"],
            time=body["time"],
            sequence=body["sequence"],
            data=body["data"],
            recordedtime=body.get("recordedtime"),
            traceparent=body.get("traceparent"),
        )
        if event.source != source.uri:
            faults.append(fault(Reason.FIELD_INVALID, "/source", "is not the source that sent it"))
        event_type = self._catalogue.types.get(event.type)
        if event_type is None:
            faults.append(fault(Reason.TYPE_UNKNOWN, "/type", "is not in the catalogue"))
        elif not source.allows_type(event.type):
            faults.append(fault(Reason.TYPE_NOT_ALLOWED, "/type", "is not among the types of this source"))
        case = _subject(event.subject)
        if isinstance(case, Fault):
            faults.append(case)
            zone = DEFAULT_ZONE
        else:
            faults += self._subject_faults(case, source)
            zone = self._zone(case.courtcode)
        time = _time("/time", event.time, zone, latest_ms, faults)
        recorded = _time("/recordedtime", event.recordedtime, zone, latest_ms, faults)
        data = event.data
        if event_type is not None:
            problems = self._data_faults(event_type, data)
            faults += problems
            if not problems:
                faults += _of_own_court(event_type.id, data, source)
                data = self._clean(event_type.id, data, faults)
        if b"\\u0000" in sent and _NUL.search(sent):
            faults.append(fault(Reason.FIELD_INVALID, "/data", "holds a NUL character"))
        if faults or event_type is None or isinstance(case, Fault) or time is None:
            return faults
        return Checked(
            event=event,
            type=event_type,
            case=case,
            source=source,
            time=time.text,
            day_only=time.precision == "day",
            recorded=None if recorded is None else recorded.text,
            data=data,
            sent=sent,
        )

    def _subject_faults(self, case: CaseId, source: Source) -> list[Fault]:
        if case.form == "source":
            base, mark, shard = case.caseid.partition("#")
            if base != source.uri or (mark and not _SHARD.fullmatch(shard)):
                return [fault(Reason.SUBJECT_INVALID, "/subject", "is neither a case nor the source's own URI")]
            return []
        if case.courtcode is not None and self._courts.get(case.courtcode) is None:
            return [fault(Reason.SUBJECT_INVALID, "/subject", "names a court that is not known")]
        if not source.allows_court(case.courtcode):
            return [fault(Reason.COURT_NOT_ALLOWED, "/subject", "names a court that is not this source's")]
        return []

    def _zone(self, courtcode: str | None) -> ZoneInfo:
        zone = self._zones.get(courtcode)
        if zone is None:
            court = self._courts.get(courtcode) if courtcode is not None else None
            zone = DEFAULT_ZONE if court is None else ZoneInfo(court.timezone)
            if court is not None:
                self._zones[courtcode] = zone
        return zone

    def _clean(self, type_id: str, data: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
        """Data with times in UTC and digests in lower case, so that equal things are equal bytes; dates stay dates."""
        time_fields, digest_fields = self._normal[type_id]
        changed: dict[str, Any] = {}
        for name in time_fields:
            value = data.get(name)
            if value is not None:
                # A time to come is no fault here: a hearing is scheduled for one.
                time = _time(f"/data/{name}", value, DEFAULT_ZONE, _NEVER_MS, faults)
                if time is not None and time.precision != "day":
                    changed[name] = time.text
        for name in digest_fields:
            value = data.get(name)
            if value is not None:
                changed[name] = {algorithm: digest.lower() for algorithm, digest in value.items()}
        return {**data, **changed} if changed else data

    def _data_faults(self, event_type: EventType, data: Mapping[str, Any]) -> list[Fault]:
        return [
            Fault(Reason(problem.code), f"/data{problem.pointer}", problem.problem, problem.remedy)
            for problem in self._catalogue.problems(event_type.id, data)
        ]


def _of_own_court(type_id: str, data: Mapping[str, Any], source: Source) -> list[Fault]:
    """A court's calendar changes its deadlines: it is declared by a source of that court."""
    if type_id != CALENDAR_TYPE or source.allows_court(data["court"]):
        return []
    return [fault(Reason.COURT_NOT_ALLOWED, "/data/court", "is not this source's")]


def _attributes(body: dict[str, Any]) -> list[Fault]:
    """What is wrong with the CloudEvent around `data`."""
    faults: list[Fault] = []
    for name in sorted(REQUIRED - body.keys()):
        faults.append(fault(Reason.FIELD_MISSING, f"/{name}", "the attribute is missing"))
    unknown = len(body.keys() - ATTRIBUTES)
    if unknown:
        faults.append(fault(Reason.FIELD_UNKNOWN, "", f"{unknown} attributes are not known"))
    for name, value in body.items():
        if name == "data":
            if type(value) is not dict:
                faults.append(fault(Reason.FIELD_INVALID, "/data", "is not an object"))
        elif name in ATTRIBUTES and type(value) is not str:
            faults.append(fault(Reason.FIELD_INVALID, f"/{name}", "is not a string"))
    if faults:
        return faults
    if body["specversion"] != SPECVERSION:
        faults.append(fault(Reason.FIELD_INVALID, "/specversion", f'is not "{SPECVERSION}"'))
    if not ID_PATTERN.fullmatch(body["id"]):
        faults.append(fault(Reason.FIELD_INVALID, "/id", "is not 1 to 128 of A-Z a-z 0-9 . _ : -"))
    if not SEQUENCE_PATTERN.fullmatch(body["sequence"]):
        faults.append(fault(Reason.FIELD_INVALID, "/sequence", 'is not a decimal number from "1" on'))
    if "traceparent" in body and not TRACEPARENT_PATTERN.fullmatch(body["traceparent"]):
        faults.append(fault(Reason.FIELD_INVALID, "/traceparent", "is not a W3C traceparent"))
    if body.get("datacontenttype", "application/json") != "application/json":
        faults.append(fault(Reason.FIELD_INVALID, "/datacontenttype", "is not application/json"))
    return faults


def _subject(text: str) -> CaseId | Fault:
    if len(text) > 2 * MAX_LENGTH:
        return fault(Reason.SUBJECT_INVALID, "/subject", f"is longer than {MAX_LENGTH} characters")
    return _known_subject(text)


@lru_cache(maxsize=_CASES_REMEMBERED)
def _known_subject(text: str) -> CaseId | Fault:
    try:
        return parse_subject(text)
    except CaseNumberError as error:
        return Fault(Reason(error.code), "/subject", error.problem, error.remedy)


def _time(
    pointer: str, text: str | None, zone: ZoneInfo, latest_ms: int, faults: list[Fault]
) -> times.ParsedTime | None:
    if text is None:
        return None
    try:
        parsed = times.parse_time(text, zone)
    except BalanceError as error:
        faults.append(Fault(Reason.TIME_INVALID, pointer, error.problem, error.remedy))
        return None
    if parsed.ms > latest_ms:
        faults.append(fault(Reason.TIME_FUTURE, pointer, "is in the future"))
    return parsed
