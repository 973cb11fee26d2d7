"""What an event's `data` says beside the text: the catalogue's words for what the rules saw. Pure.

Only what the text states is said. Where the catalogue wants a word and the text has none, it is `unstated` or `other`.
"""

import re
from collections.abc import Callable
from typing import Any

from .docket import Docket
from .reading import Found

Data = dict[str, Any]
_MONEY = re.compile(r"(?:\$\s*|\(\s*)(\d{1,3}(?:,\d{3})*|\d+)\.(\d\d)\b|\$\s*(\d{1,3}(?:,\d{3})*|\d+)\b")
_RECEIPT = re.compile(r"receipt\s*(?:number|no\.?|#)\s*:?\s*([A-Z]{0,7}-?\d[\w-]{1,40})", re.IGNORECASE)
_CHAPTER_TO = re.compile(
    r"\bto\s+(?:a\s+)?(?:case\s+under\s+)?(?:chapter\s+|ch\.?\s*)?(7|9|11|12|13|15)\b", re.IGNORECASE
)

# The first word that the text has decides.
_HEARING_KINDS = (
    ("creditors", r"\b(?:creditors|341)\b|\bmeeting\s+\(chapter"),
    ("sentencing", r"\bsentenc"),
    ("arraignment", r"\barraign|\binitial\s+appearance|\bdetention|\bbond\s+hearing"),
    ("mediation", r"\bmediation|\bsettlement\s+conference"),
    ("pretrial", r"\bpre-?\s?trial"),
    ("conference", r"\bconference"),
    ("trial", r"\btrial\b"),
    ("motion", r"\bmotions?\b"),
)
_ANSWER_KINDS = (
    ("counterclaim", r"^\W*(?:\w+\s+){0,2}counter-?claim"),
    ("reply", r"^.{0,40}?\b(?:sur-?)?repl(?:y|ies)\b"),
    ("objection", r"^.{0,60}?\b(?:objection|opposition)"),
    ("response", r"^.{0,60}?\bresponse"),
    ("answer", r"^.{0,160}?\banswer"),
)
_MOTION_KINDS = (
    ("compel", r"\bcompel"),
    ("judgment", r"\b(?:summary|default)\s+judgment|\bjudgment\s+on\s+the\s+pleadings"),
    ("fees", r"\b(?:compensation|attorney'?s?\s+fees|reimbursement)\b"),
    ("withdraw", r"\bvoluntar\w+\s+dismiss"),
    ("dismissal", r"\bto\s+dismiss"),
)
_MOTION_WORDS = frozenset(
    {
        "dismissal",
        "seal",
        "transfer",
        "convert",
        "stay",
        "relief",
        "sale",
        "hearing",
        "show_cause",
        "extension",
        "adjournment",
    }
)
_PLEADING_WORDS = frozenset({"claim", "plan", "statement"})
_APPEAL_RESULTS = (
    ("affirmed", r"\baffirm"),
    ("remanded", r"\bremand"),
    ("changed", r"\brevers|\bvacat"),
    ("dismissed", r"\bdismiss|\bdenied"),
)


def details(found: Found, text: str, docket: Docket) -> Data:
    """The type's own fields."""
    maker = _MAKERS.get(found.type)
    return maker(found, text, docket) if maker is not None else {}


def _first(words: tuple[tuple[str, str], ...], text: str, otherwise: str) -> str:
    for word, pattern in words:
        if re.search(pattern, text, re.IGNORECASE):
            return word
    return otherwise


def _chapter(text: str) -> str:
    match = _CHAPTER_TO.search(text)
    return f"chapter_{match[1]}" if match else "other"


def procedure(docket: Docket, text: str = "") -> str:
    """The procedure of a case by its court, its number and its petition."""
    chapter = re.search(r"\bchapter\s+(7|9|11|12|13|15)\b", text, re.IGNORECASE)
    if docket.bankruptcy:
        return f"chapter_{chapter[1]}" if chapter else "bankruptcy"
    if docket.appellate:
        return "appeal"
    return "criminal" if re.search(r"-(?:cr|mj)-", docket.number) else "ordinary"


def _fee(found: Found, text: str, docket: Docket) -> Data:
    data: Data = {"kind": found.kind or "filing"} if found.kind in ("", "filing", "appeal") else {"kind": "other"}
    amount = _MONEY.search(text)
    if amount:
        whole, cents = (amount[1], amount[2]) if amount[1] else (amount[3], "00")
        data |= {"amount": int(whole.replace(",", "")) * 100 + int(cents), "currency": "USD"}
    receipt = _RECEIPT.search(text)
    if receipt:
        data["receipt"] = receipt[1]
    return data


def _submitted(found: Found, text: str, docket: Docket) -> Data:
    data: Data = {"procedure": procedure(docket, text)}
    return data | ({"supplement": True} if found.kind == "schedules" else {})


def _motion(found: Found, text: str, docket: Docket) -> Data:
    return {"kind": found.kind if found.kind in _MOTION_WORDS else _first(_MOTION_KINDS, text[:200], "other")}


def _decided(found: Found, text: str, docket: Docket) -> Data:
    return {"result": found.outcome or "unstated"} | ({"kind": found.kind} if found.kind else {})


def _pleading(found: Found, text: str, docket: Docket) -> Data:
    if found.kind == "answer":
        return {"kind": _first(_ANSWER_KINDS, text[:200], "statement")}
    return {
        "kind": found.kind
        if found.kind in _PLEADING_WORDS
        else "statement"
        if found.kind in ("report", "disclosure")
        else "other"
    }


def _hearing(found: Found, text: str, docket: Docket) -> Data:
    return {"kind": "creditors" if found.kind == "meeting" else _first(_HEARING_KINDS, text[:200], "other")}


def _put_off(found: Found, text: str, docket: Docket) -> Data:
    kind = _first(
        (("not_held", r"\bnot\s+held"), ("cancelled", r"\bcancel|\bvacat|\bwithdrawn"), ("continued", r"\bcontinu")),
        text[:200],
        "adjourned",
    )
    return {"kind": kind, "reason": "unstated"}


def _sent(found: Found, text: str, docket: Docket) -> Data:
    by_post = re.search(r"\bbnc\b|\bmail", text[:120], re.IGNORECASE)
    return {
        "doc": "summons" if re.search(r"\bsummons", text[:120], re.IGNORECASE) else "notice",
        "channel": "post" if by_post else "other",
    }


def _served(found: Found, text: str, docket: Docket) -> Data:
    data: Data = {}
    if re.search(r"\bsummons", text[:80], re.IGNORECASE):
        data["doc"] = "summons"
    if re.search(r"\bmail", text[:80], re.IGNORECASE):
        data["channel"] = "post"
    elif re.search(r"\bpublication", text[:80], re.IGNORECASE):
        data["channel"] = "announcement"
    return data


def _closed(found: Found, text: str, docket: Docket) -> Data:
    words = (
        ("withdrawal", r"\bvoluntar"),
        ("discharge", r"\bdischarg"),
        ("decree", r"\bdecree"),
        ("dismissal", r"\bdismiss"),
    )
    return {"mode": _first(words, text[:200], "unstated")}


def _counsel(found: Found, text: str, docket: Docket) -> Data:
    words = (
        ("substituted", r"\bsubstitut"),
        ("withdrawn", r"\bwithdraw|\bterminat|\bremoved"),
        ("admitted", r"\bpro\s+hac|\badmission"),
        ("appointed", r"\bappear|\bappoint|\badded"),
    )
    return {"action": _first(words, text[:200], "other")}


def _evidence(found: Found, text: str, docket: Docket) -> Data:
    return {"kind": {"exhibit": "exhibit", "declaration": "declaration"}.get(found.kind, "documentary")}


def _evidence_ruled(found: Found, text: str, docket: Docket) -> Data:
    return {
        "result": {"granted": "excluded", "granted_in_part": "partial", "denied": "other", "moot": "other"}.get(
            found.outcome, "unstated"
        )
    }


def _transferred(found: Found, text: str, docket: Docket) -> Data:
    words = (
        ("removal", r"\bremov"),
        ("remand", r"\bremand"),
        ("join", r"\bconsolidat|\bjoint"),
        ("transfer", r"\btransfer|\btransmit|\bvenue"),
    )
    return {"kind": _first(words, text[:260], "other")}


_MAKERS: dict[str, Callable[[Found, str, Docket], Data]] = {
    "case.submitted": _submitted,
    "case.accepted": lambda found, text, docket: {"procedure": procedure(docket, text)},
    "case.fee_paid": _fee,
    "case.converted": lambda found, text, docket: {"to": _chapter(text)},
    "case.transferred": _transferred,
    "case.closed": _closed,
    "counsel.changed": _counsel,
    "pleading.filed": _pleading,
    "motion.filed": _motion,
    "motion.decided": _decided,
    "judge.assigned": lambda found, text, docket: {"mode": "unstated"},
    "judge.reassigned": lambda found, text, docket: {"reason": "recusal" if "recus" in text.lower() else "unstated"},
    "recusal.decided": lambda found, text, docket: {"result": found.outcome or "unstated"},
    "service.sent": _sent,
    "service.completed": _served,
    "service.failed": lambda found, text, docket: {"reason": "unstated"},
    "notice.issued": lambda found, text, docket: {"kind": "filing" if found.kind == "filing" else "other"},
    "evidence.submitted": _evidence,
    "evidence.ruled": _evidence_ruled,
    "hearing.scheduled": _hearing,
    "hearing.held": _hearing,
    "hearing.rescheduled": _put_off,
    "limit.extended": lambda found, text, docket: {"result": "granted", "party_deadline": True},
    "limit.suspended": lambda found, text, docket: {"action": "start", "ground": "stay"},
    "judgment.pronounced": lambda found, text, docket: {"kind": "judgment"},
    "appeal.decided": lambda found, text, docket: {"result": _first(_APPEAL_RESULTS, text, "unstated")},
    "enforcement.filed": lambda found, text, docket: {"kind": "garnishment" if "garnish" in text.lower() else "writ"},
    "property.disposed": lambda found, text, docket: {
        "action": "sold" if re.search(r"\bsale|\bsell", text, re.IGNORECASE) else "other"
    },
    "record.amended": lambda found, text, docket: {"kind": "entry"},
    "permission.changed": lambda found, text, docket: {"kind": "unseal" if "unseal" in text.lower() else "seal"},
}
