"""Docket texts are typed by many hands: this prepares one for reading, dropping only what cannot change its meaning.

A docket text says first what happened, then for whom, on whose behalf, with which papers, and when a clerk typed it.
Only the first part is read. Pure.
"""

import re
from dataclasses import dataclass

# What follows one of these is about another entry, about people, or about the typing, never about what happened here.
_CUTS = re.compile(
    r"""
      \(\s*re\s*:                          # (RE: related document(s) 12 …)
    | \(\s*related\s+doc                    # (Related Doc # 4) · (related document: 3 …)
    | \[\s*related\s+doc
    | \(\s*entered\b | \[\s*entered\b       # (Entered: 03/19/2009) · [Entered: 02/24/2016 …]
    | \(\s*filed\s+on\b
    | \(\s*attachments?\s*:
    | \bfiled\s*by\b | \bfile\s+by\b
    | \bmodified\s+on\b
    | \bapplies\s+to\b
    """,
    re.IGNORECASE | re.VERBOSE,
)

# Marks a clerk puts before the text: page counts, stars, brackets. Words of error are read before they are dropped.
_LEADING_MARK = re.compile(
    r"""^(?:
      \(\s*\d+\s*pgs?\s*\)\s*
    | [*#~\-–—.,;:/\s]+
    | \[[^\]]{1,40}\]\s*
    | \((?!\d)(?:[^()]|\([^()]*\)){1,240}\)\s*
    | \d{1,4}\.\s+
    | form\s+\d+\s+(?=\w)
    | \d+\s*-?\s*day\s+(?=summons)
    )""",
    re.IGNORECASE | re.VERBOSE,
)

_SIDES = (
    "court", "clerk", "debtors?", "trustee", "movant", "creditor", "plaintiffs?", "defendants?", "petitioner",
    "respondent", "appellant", "appellee", "government", "united states", r"u\.?\s?s\.?", "part(?:y|ies)", "counsel",
)  # fmt: skip
_PAPERS_OF_A_SIDE = (
    "motion", "application", "objection", "notice", "order", "response", "reply", "answer", "report", "certificate",
    "certification", "memorandum", "brief", "opposition", "request", "submission", "statement", "declaration",
    "designation", "evidence", "stipulation", "plan", "final", "exhibit", "letter", "income", "supplement", "trial",
    "witness", "proposed", "affidavit", "initial", "status",
)  # fmt: skip
_QUALIFIERS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", r"\d{1,2}(?:st|nd|rd|th)", "amended", "amd", "corrected", "revised", "modified", "supplemental",
    "supplementary",
    "additional", "renewed", "interim", r"final(?! decree)", "preliminary", "pre-?confirmation(?= cert)", "emergency",
    "expedited", "accelerated", "urgent", r"ex\s*-?\s*parte", "joint", "jointly", "consent(?= (?:letter|motion|order))",
    "agreed", "unopposed", "uncontested", r"assented(?:\s*-?\s*to)", "contested", "stipulated", "limited", "omnibus",
    "verified", "sealed(?! document)", "redacted", "unredacted", "restricted(?! document)", "duplicate", "unilateral",
    "individual(?! debtor'?s? statement)", "monthly(?= (?:application|motion))", "oral(?! argument)", "written",
    "telephonic", "virtual", "courtesy", "electronic(?= (?:summons|order|notice|minute))", "text", "endorsed(?= order)",
    "generic", "miscellaneous", "standing", "unsigned", "official", "partial", "conditional", "general",
    r"(?:chapter|ch\.?)\s*(?:7|9|11|12|13|15)\b",
    rf"(?:{'|'.join(_SIDES)})(?:'s|s'|’s|\(s\)|s)?(?= (?:\w+ ){{0,3}}(?:{'|'.join(_PAPERS_OF_A_SIDE)}))",
)  # fmt: skip
"""Words before a head that only say how, how often or by which side."""
_QUALIFIER = re.compile(rf"^(?:{'|'.join(_QUALIFIERS)})(?: *[,/&*-]* +| */ *|, *|$)".replace(" ", r"\s"), re.IGNORECASE)

_SPACE = re.compile(r"\s+")
_WORDS_AFTER_PERSON = re.compile(
    r"\b(?:to|for|requesting|seeking|asserting|in\s+limine|in\s+support|in\s+opposition|regarding|re:?|of)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(r"^(?:(?:filed|submitted|tendered)\s+)?(?:jointly\s+)?by:?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Prepared:
    """One text, ready to be read: `whole` with folded white space, `act` cut and stripped, `start` cut only."""

    whole: str
    start: str
    act: str


def prepare(text: str) -> Prepared:
    """Fold, cut and strip one docket text.

    >>> prepare("(2 pgs) Second Amended Notice of Hearing (RE: related document(s) 4) Filed by A. Person").act
    'Notice of Hearing'
    """
    whole = _SPACE.sub(" ", text).strip()
    start = _cut(whole)
    return Prepared(whole=whole, start=start, act=strip_qualifiers(start))


def strip_qualifiers(text: str) -> str:
    """Drop marks and words before the head that only say how, how often or by which side."""
    while True:
        shorter = _LEADING_MARK.sub("", text)
        shorter = _QUALIFIER.sub("", shorter)
        if shorter == text or not shorter.strip():
            return text.strip()
        text = shorter


def object_text(after_head: str) -> str:
    """What a motion, order or notice is about: the words after its head, without the people named first.

    >>> object_text(" filed by Example Company for extension of time")
    'for extension of time'
    """
    rest = after_head.strip(" :;,.-/")
    person = _PERSON.match(rest)
    if person is None:
        return rest
    found = _WORDS_AFTER_PERSON.search(rest, person.end())
    return rest[found.start() :] if found else ""


_REFERENCE = re.compile(r"[(\[]\s*(?:re\s*:|related\s+doc|entered\b|filed\s+on|attachments?\s*:)", re.IGNORECASE)


def without_references(whole: str) -> str:
    """The whole text without the brackets that quote other entries, whose words are not this entry's."""
    kept: list[str] = []
    at = 0
    while (found := _REFERENCE.search(whole, at)) is not None:
        kept.append(whole[at : found.start()])
        at = _closing(whole, found.start())
    kept.append(whole[at:])
    return " ".join(kept)


def _closing(text: str, opening: int) -> int:
    """The place after the bracket that closes the one at `opening`; the end of the text where none does."""
    depth = 0
    for place in range(opening, len(text)):
        if text[place] in "([":
            depth += 1
        elif text[place] in ")]":
            depth -= 1
            if depth == 0:
                return place + 1
    return len(text)


def _cut(whole: str) -> str:
    for found in _CUTS.finditer(whole):
        before = whole[: found.start()].strip()
        # "MOTION filed by A for B": the act is behind the name, so a bare head is no place to cut.
        if len(before.split()) <= 3 and found.group().lower().replace(" ", "").startswith("filedby"):
            continue
        # "(Related Doc # 3) Order …": a text that begins with its reference is cut behind it.
        if not before:
            continue
        return before.rstrip(" .,;:-(")
    return whole
