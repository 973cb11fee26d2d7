"""Reads one docket text: head decides, object refines. Never guesses: what no rule knows is unmapped. Pure."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from .rules import SKIP, Family, HeadRule, ObjectRule
from .tables import HEADS, OBJECTS
from .text import Prepared, object_text, prepare, strip_qualifiers, without_references


class Status(StrEnum):
    """What became of an entry."""

    MAPPED = "mapped"
    SKIPPED = "skipped"
    UNMAPPED = "unmapped"


@dataclass(frozen=True, slots=True)
class Found:
    """One event that a text tells of: its type, what kind the rule saw, how the court answered."""

    type: str
    kind: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text was read: by which rule, and what it tells."""

    status: Status
    rule: str
    found: tuple[Found, ...] = ()


_GRANTED = re.compile(
    r"\b(?:grant\w*|approv\w*|authoriz\w*|sustain\w*|allow\w*|so\s+ordered|award\w*|confirm(?:s|ed|ing)|adopt\w*)\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:den(?:y|ying|ied|ies)|overrul\w*|mooting|(?:as|is|are)\s+moot|not\s+(?:approved|granted)|disapprov\w+)\b",
    re.IGNORECASE,
)
_IN_PART = re.compile(r"\bin\s+part\b", re.IGNORECASE)
_MOOT = re.compile(r"\bmoot\w*\b", re.IGNORECASE)
_NO_ANSWER = re.compile(r"^\W*(?:(?:\w+\s+){0,3}?order\s+on\b|order\s*$|order\s*\(generic\))", re.IGNORECASE)
_ASKED = re.compile(r"\b(?:motions?|applications?|requests?|requested|moves?)\b", re.IGNORECASE)
"""An order that names a motion before its object and gives no answer has decided we do not know what."""
_NEAR = 150
_NEAR_FOR_HEARINGS = 260
"""Characters in which an object is looked for: long orders tell stories, their beginning says what they do."""
_ABOUT_HEARINGS = frozenset({"put off", "hearing"})
_SHOUTED = re.compile(r"\b(GRANTED|DENIED|ALLOWED|APPROVED)\b")
"""Endorsed orders name the motion and its filer first and answer in capitals at the end."""
_OWN_REFERENCE = re.compile(r"\bre:?;?\s+(?:\[?\d+\b|motion\b)", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<!\bNo)(?<!\bvs)(?<!\bv)[.;:]\s")

_MONTH = "january|february|march|april|may|june|july|august|september|october|november|december"
_DATE = rf"\d{{1,2}}[/\-]\d{{1,2}}[/\-]\d{{2,4}}|(?:{_MONTH})\s+\d{{1,2}},\s+\d{{4}}"
_SET_FOR_A_DAY = re.compile(
    r"\b(?:hearing|conference|trial|argument|sentencing|call|appearance|meeting)\b[^.;]{0,30}?\b(?:set|scheduled|to\s+be\s+held|reset|will\s+be\s+held)\s+(?:for|on)?\s*(?:"
    + _DATE
    + ")",
    re.IGNORECASE,
)
_FEE_TAKEN = re.compile(
    r"(?<!or\s)\b(?:filing\s+)?fees?\s+(?:paid|received)\b|receipt\s*(?:number|no\.?|#)\s*:?\s*[A-Z]{0,7}-?\d[\w-]*",
    re.IGNORECASE,
)
_HELD = re.compile(
    r"\b(?:held|heard|convened|conducted|took\s+place|appear(?:ed|ances?)|proceedings|argued|sworn)\b", re.IGNORECASE
)
_NOT_HELD = re.compile(
    r"\b(?:not\s+held|(?:hearing|argument|trial|conference)\b[^.;]{0,60}?\bis\s+advanced|appearances:\s*none\b[^(]{0,60}\b(?:vacated|continued|off\s+calendar)|vacat(?:es|ed|ing)\s+the\s+[^.;]{0,60}\b(?:hearing|conference|trial)|(?:hearing|conference|trial)\s+(?:date\s+)?is\s+vacated|hearing\s+(?:is\s+)?(?:vacated|stricken|continued|reset|cancell?ed)|(?:continued|reset|rescheduled)\s+to|stricken\s+and\s+reset|and\s+reset\s+(?:to|for))\b",
    re.IGNORECASE,
)
_SHORT = 48
_SITTING = re.compile(
    r"\b(?:hearing|hrg|conference|trial|arraign\w*|sentenc\w*|plea|appearance|meeting|calendar)\b(?!.{0,30}\bdate\b)",
    re.IGNORECASE,
)
_NOT_AT_ALL = re.compile(
    r"\bnot\s+held\b|\bappearances:\s*none\b[^(]{0,60}\b(?:vacated|continued|off\s+calendar)", re.IGNORECASE
)
_MINUTE_BEFORE = re.compile(r"\W*minute\s+entry\s+before\b|.{0,40}\bin\s+chambers\b", re.IGNORECASE)
_RULED = re.compile(
    r"\b(?:motions?|applications?|requests?|petitions?|objections?|outcome|disposition)\b[^.;]{0,160}?\b(?:granted|denied|approved|sustained|overruled|moot|allowed)\b"
    r"|\b(?:grants?|denies|granting|denying)\b[^.;]{0,80}?\b(?:motions?|applications?|requests?|petitions?)\b",
    re.IGNORECASE,
)
_CASE_ENDED = re.compile(
    r"\b(?:this\s+)?(?:case|action|proceeding)\s+(?:is|are)\s+(?:hereby\s+)?(?:dismissed|closed|terminated)\b|\bcivil\s+case\s+terminated\b",
    re.IGNORECASE,
)
_TAKES_A_FEE = ("case.submitted", "motion.filed", "appeal.filed", "case.transferred")
_TAKES_A_DATE = (
    "case.submitted",
    "motion.filed",
    "motion.decided",
    "notice.issued",
    "service.sent",
    "pleading.filed",
    "case.materials_requested",
    "limit.extended",
    "case.converted",
    "hearing.held",
    "judge.assigned",
)


def read(text: str, *, appellate: bool = False) -> Reading:
    """What one docket text tells, by the tables.

    >>> read("Order Denying Motion to Extend Time (related document(s) 4)").found
    (Found(type='motion.decided', kind='extension', outcome='denied'),)
    """
    prepared = prepare(text)
    if not prepared.whole:
        return Reading(Status.SKIPPED, "blank")
    rule, matched_end, acted = _head(prepared)
    if rule is None:
        return Reading(Status.UNMAPPED, "no head")
    if rule.gives == SKIP:
        return Reading(Status.SKIPPED, rule.name)
    found = _found(rule, acted, matched_end, appellate, prepared)
    if not found:
        return Reading(Status.UNMAPPED, rule.name)
    return Reading(Status.MAPPED, rule.name, found + _also(found, prepared))


def _head(prepared: Prepared) -> tuple[HeadRule | None, int, str]:
    for rule in HEADS:
        candidates = (prepared.whole, prepared.act) if rule.unstripped else (prepared.act,)
        for candidate in candidates:
            match = rule.compiled.match(candidate)
            if match:
                return rule, match.end(), candidate
    return None, 0, prepared.act


def _found(rule: HeadRule, text: str, end: int, appellate: bool, prepared: Prepared) -> tuple[Found, ...]:
    match rule.gives:
        case Family.MOTION:
            return (_motion(text, end, rule),)
        case Family.ORDER:
            return _order(text, end, rule, prepared)
        case Family.NOTICE:
            return (_notice(text),)
        case Family.STIPULATION:
            return (_stipulation(text, end, prepared),)
        case Family.MINUTES:
            return _minutes(text)
        case Family.FILING:
            return _filing(text, end, appellate)
    if rule.gives == "judgment.pronounced" and appellate:
        return (Found("appeal.decided", rule.kind),)
    return (Found(str(rule.gives), rule.kind),)


def _motion(text: str, end: int, rule: HeadRule) -> Found:
    own = _OWN_REFERENCE.split(object_text(text[end:]), maxsplit=1)[0]
    about, _ = _object(text[:end] + " " + own)
    if about is None:
        return Found("motion.filed", rule.kind)
    return Found(about.motion or "motion.filed", about.kind)


def _order(text: str, end: int, rule: HeadRule, prepared: Prepared) -> tuple[Found, ...]:
    outcome = outcome_of(text[:_NEAR_FOR_HEARINGS])
    if outcome == "unstated" and (shouted := _SHOUTED.search(without_references(prepared.whole))):
        outcome = "denied" if shouted[1] == "DENIED" else "granted"
    # Stipulations name all parties before they say what was agreed.
    about, place = _object(text, near=len(text) if rule.kind == "stipulation" else _NEAR)
    if about is None:
        return (Found("motion.decided", rule.kind, outcome),)
    asked_for = bool(_ASKED.search(text[: place + 1]))
    silent = outcome == "unstated" and (about.needs_answer or asked_for or bool(_NO_ANSWER.match(text)))
    # A refusal is of a motion: an order that acts by itself may call other motions moot.
    refused = outcome in ("denied", "moot") and (asked_for or _DENIED.search(text[:place]) is not None)
    does_it = not silent and (about.refusal_too or not refused)
    if about.refusal_too and not about.needs_answer:
        does_it = True
    if not about.order or not does_it:
        return (Found("motion.decided", about.kind, outcome),)
    if about.order == "hearing.scheduled" and outcome == "granted":
        return (Found("motion.decided", about.kind, outcome), Found(about.order, about.kind))
    return (Found(about.order, about.kind, outcome),)


def _notice(text: str) -> Found:
    first = _SENTENCE_END.split(text, maxsplit=1)[0]
    about, _ = _object(first)
    if re.match(r"\W*notice\s+and\s+order|\W*order\s+and\s+notice", text, re.IGNORECASE):
        order = about.order if about is not None else ""
        return Found(order or "motion.decided", about.kind if about is not None else "", outcome_of(first))
    if about is None:
        return Found("notice.issued")
    return Found(about.notice or "notice.issued", about.kind)


def _stipulation(text: str, end: int, prepared: Prepared) -> Found:
    if re.search(r"\border\s+granted\b|\bso\s+ordered\b", text, re.IGNORECASE):
        return _order(text, end, _STIPULATED, prepared)[0]
    about, _ = _object(text)
    if about is not None and about.motion.startswith("limit."):
        return Found(about.motion, about.kind)
    return Found("pleading.filed", "stipulation")


_STIPULATED = HeadRule("stipulation", Family.ORDER, ("stipulation",), "Stipulation", kind="stipulation")


def _minutes(text: str) -> tuple[Found, ...]:
    ruling = _RULED.search(text)
    held = bool(_HELD.search(text)) and not _NOT_AT_ALL.search(text)
    put_off = bool(_NOT_HELD.search(text))
    found: list[Found] = []
    if held:
        found.append(Found("hearing.held"))
    elif put_off:
        found.append(Found("hearing.rescheduled"))
    if ruling:
        found.append(Found("motion.decided", "", outcome_of(ruling.group())))
    if _CASE_ENDED.search(text):
        found.append(Found("case.closed", "dismissal"))
    if found:
        return tuple(found)
    # Minutes that name no hearing ("MINUTE entry before …: the deadline is …", "MINUTES (IN CHAMBERS) …") are an order.
    of_a_hearing = len(text) < _SHORT or (bool(_SITTING.search(text)) and not _MINUTE_BEFORE.match(text))
    return (Found("hearing.held"),) if of_a_hearing else (Found("motion.decided", "", "unstated"),)


def _filing(text: str, end: int, appellate: bool) -> tuple[Found, ...]:
    filed = strip_qualifiers(text[end:].strip(" /:-,."))
    if not filed:
        return (Found("notice.issued", "filing"),)
    inner = read(filed, appellate=appellate)
    if inner.status is not Status.MAPPED:
        return (Found("notice.issued", "filing"),)
    # Only papers are filed: a notice of the filing of an order does not make the order again.
    papers = tuple(one for one in inner.found if one.type in _PAPERS_FILED)
    return papers or (Found("notice.issued", "filing"),)


_PAPERS_FILED = frozenset(
    {
        "pleading.filed",
        "evidence.submitted",
        "motion.filed",
        "transcript.filed",
        "case.submitted",
        "limit.extension_requested",
        "property.disposed",
    }
)


def _object(text: str, near: int = _NEAR) -> tuple[ObjectRule | None, int]:
    """The object that stands first near the beginning, and where; of two at one place the earlier rule."""
    first: tuple[int, int] | None = None
    for number, rule in enumerate(OBJECTS):
        match = rule.compiled.search(text[: _NEAR_FOR_HEARINGS if rule.name in _ABOUT_HEARINGS else near])
        if match and (first is None or (match.start(), number) < first):
            first = (match.start(), number)
    return (OBJECTS[first[1]], first[0]) if first is not None else (None, 0)


def outcome_of(text: str) -> str:
    """How the court answered, in the catalogue's words: granted, denied, granted_in_part, moot, or unstated."""
    granted, denied = _GRANTED.search(text), _DENIED.search(text)
    if granted and (denied or _IN_PART.search(text)):
        return (
            "granted_in_part"
            if _IN_PART.search(text)
            else ("granted" if granted.start() < _start(denied) else "denied")
        )
    if granted:
        return "granted"
    if denied:
        return "moot" if _MOOT.search(text) else "denied"
    return "unstated"


def _start(match: re.Match[str] | None) -> int:
    return match.start() if match else 1 << 30


def _also(found: tuple[Found, ...], prepared: Prepared) -> tuple[Found, ...]:
    """Events that an entry tells besides its head's: a fee taken with the paper, a hearing set for a day."""
    types = {one.type for one in found}
    rest = without_references(prepared.whole)
    more: list[Found] = []
    if types & set(_TAKES_A_FEE) and _FEE_TAKEN.search(rest):
        more.append(Found("case.fee_paid", "filing"))
    agenda = "agenda" in prepared.start[:80].lower()
    if (
        not agenda
        and types & set(_TAKES_A_DATE)
        and not types & {"hearing.scheduled", "hearing.rescheduled"}
        and _SET_FOR_A_DAY.search(rest)
    ):
        more.append(Found("hearing.scheduled", "hearing"))
    return tuple(replace(one) for one in more)
