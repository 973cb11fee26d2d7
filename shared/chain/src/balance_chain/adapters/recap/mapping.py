"""From dockets to CloudEvents of the catalogue: pure, deterministic, and counted to the last entry.

The same docket gives the same bytes whatever else is imported with it: an id comes from (court, docket number, document
number, date, digest of the text, ordinal among equals, part), and `sequence` counts within the case, so that importing
twice adds nothing. Where one case has a docket and a history report, the docket wins.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .details import details, procedure
from .docket import Docket, Entry
from .reading import Found, Status, read

Event = dict[str, Any]
"""A CloudEvent as it is sent, ready for JSON."""

_MAX_DESCRIPTION = 60_000
_MAX_PARTIES = 5_000
_MAX_COUNSEL = 500
_MAX_NAME = 2_000


@dataclass(frozen=True, slots=True)
class Unread:
    """An entry that gave no event, and why."""

    file: str
    index: int
    rule: str
    text: str


@dataclass(slots=True)
class Mapped:
    """What an import makes of its dockets. `superseded` are files whose case another file tells."""

    events: list[Event] = field(default_factory=list)
    entries: int = 0
    mapped: int = 0
    skipped: list[Unread] = field(default_factory=list)
    unmapped: list[Unread] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    superseded_entries: int = 0
    cases: int = 0

    @property
    def unmapped_share(self) -> float:
        """Unmapped entries by all entries that were read."""
        return len(self.unmapped) / self.entries if self.entries else 0.0


def map_dockets(dockets: Iterable[Docket], source: str) -> Mapped:
    """All events of these dockets, case by case, each case in the order of its days."""
    result = Mapped()
    for docket in _one_a_case(dockets, result):
        result.cases += 1
        result.events.extend(_case_events(docket, source, result))
    return result


def _one_a_case(dockets: Iterable[Docket], result: Mapped) -> list[Docket]:
    """One report a case: a docket before a history, the longer before the shorter, then by the file's name."""
    best: dict[str, Docket] = {}
    for docket in sorted(dockets, key=lambda each: (each.form != "docket", -len(each.entries), each.file)):
        if docket.subject in best:
            result.superseded.append(docket.file)
            result.superseded_entries += len(docket.entries)
        else:
            best[docket.subject] = docket
    return [best[subject] for subject in sorted(best)]


@dataclass(frozen=True, slots=True)
class _Draft:
    """An event before it has its place in the case."""

    day: str
    entered: str | None
    found: Found
    text: str
    key: tuple[str, ...]
    numbers: dict[str, Any]
    extra: dict[str, Any] = field(default_factory=dict)


def _case_events(docket: Docket, source: str, result: Mapped) -> Iterator[Event]:
    drafts = list(_entry_drafts(docket, result))
    drafts = _with_docket_facts(docket, drafts)
    for number, draft in enumerate(sorted(drafts, key=lambda each: each.day), start=1):
        data = details(draft.found, draft.text, docket) | draft.extra
        if draft.text:
            data["description"] = draft.text[:_MAX_DESCRIPTION]
        data["docket"] = draft.numbers
        event = {
            "specversion": "1.0",
            "id": _event_id(docket, draft.key),
            "source": source,
            "type": draft.found.type,
            "subject": docket.subject,
            "time": draft.day,
            "sequence": str(number),
            "data": data,
        }
        if draft.entered is not None:
            event["recordedtime"] = draft.entered
        yield event


def _entry_drafts(docket: Docket, result: Mapped) -> Iterator[_Draft]:
    seen: Counter[tuple[str, ...]] = Counter()
    entries = list(enumerate(docket.entries))
    if len(entries) > 1 and entries[0][1].filed > entries[-1][1].filed:
        entries.reverse()
    for index, entry in entries:
        result.entries += 1
        reading = read(entry.text, appellate=docket.appellate)
        if reading.status is not Status.MAPPED:
            unread = Unread(docket.file, index, reading.rule, entry.text)
            (result.skipped if reading.status is Status.SKIPPED else result.unmapped).append(unread)
            continue
        result.mapped += 1
        key = (entry.document_number or "", entry.filed, hashlib.sha256(entry.text.encode()).hexdigest())
        ordinal = seen[key]
        seen[key] += 1
        for part, found in enumerate(reading.found, start=1):
            yield _Draft(
                day=entry.filed,
                entered=entry.entered,
                found=found,
                text=entry.text,
                key=(*key, str(ordinal), str(part)),
                numbers=_numbers(docket, entry, part),
                extra=_judge(docket, found, entry.text),
            )


def _numbers(docket: Docket, entry: Entry, part: int) -> dict[str, Any]:
    numbers = {
        "document_number": entry.document_number,
        "pacer_doc_id": entry.pacer_doc_id,
        "pacer_seq_no": entry.pacer_seq_no,
    }
    return {name: value[:40] for name, value in numbers.items() if value} | {"part": part, "kind": docket.form}


def _judge(docket: Docket, found: Found, text: str) -> dict[str, Any]:
    """The docket's judge, where an assignment's text has that judge's last name. No other name in a text is read."""
    if found.type != "judge.assigned" or not docket.assigned_to:
        return {}
    family = [
        word
        for word in docket.assigned_to.replace(",", " ").split()
        if word.rstrip(".").lower() not in ("jr", "sr", "ii", "iii")
    ]
    if not family or family[-1].lower() not in text.lower():
        return {}
    return {"judge": {"name": docket.assigned_to}, "role": "responsible"}


def _with_docket_facts(docket: Docket, drafts: list[_Draft]) -> list[_Draft]:
    """Adds what the head of the docket states and no entry tells, and the parties to the first filing."""
    facts = _facts_of_case(docket)
    first = next((place for place, draft in enumerate(drafts) if draft.found.type == "case.submitted"), None)
    if first is not None and drafts[first].found.kind != "schedules":
        drafts[first] = _Draft(**{**_as_dict(drafts[first]), "extra": drafts[first].extra | facts})
    elif docket.filed:
        drafts.insert(0, _fact(docket, "case.submitted", docket.filed, {"procedure": procedure(docket)} | facts))
    days_closed = {draft.day for draft in drafts if draft.found.type == "case.closed"}
    told = {draft.found.type for draft in drafts}
    if docket.filed and not told & {"judge.assigned", "judge.reassigned"}:
        # The docket names the judge, not the day: the day of filing is inferred, and said to be.
        for name, role in ((docket.assigned_to, "responsible"), (docket.referred_to, "referred")):
            if name:
                judge = {"judge": {"name": name[:_MAX_NAME]}, "role": role, "mode": "unstated", "synthetic": True}
                drafts.insert(1, _fact(docket, "judge.assigned", docket.filed, judge, role))
    for day, mode in ((docket.discharged, "discharge"), (docket.terminated, "unstated")):
        if day and day not in days_closed:
            drafts.append(_fact(docket, "case.closed", day, {"mode": mode}, mode))
    return drafts


def _as_dict(draft: _Draft) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in _Draft.__slots__}


def _fact(docket: Docket, event_type: str, day: str, extra: dict[str, Any], what: str = "") -> _Draft:
    return _Draft(
        day=day,
        entered=None,
        found=Found(event_type),
        text="",
        key=("docket", event_type, day, what),
        numbers={"entry": "head of the docket", "kind": docket.form},
        extra=extra,
    )


def _facts_of_case(docket: Docket) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if docket.case_name:
        facts["case_name"] = docket.case_name[:_MAX_NAME]
    if docket.cause:
        facts["cause"] = docket.cause[:200]
    if docket.parties:
        facts["parties_count"] = len(docket.parties)
        facts["parties"] = [
            {"role": party.role[:200], "name": party.name[:_MAX_NAME]}
            | ({"counsel": [name[:_MAX_NAME] for name in party.counsel[:_MAX_COUNSEL]]} if party.counsel else {})
            for party in docket.parties[:_MAX_PARTIES]
        ]
    return facts


def _event_id(docket: Docket, key: tuple[str, ...]) -> str:
    material = "\x1f".join((docket.court, docket.number, *key)).encode()
    return "recap-" + hashlib.sha256(material).hexdigest()[:40]
