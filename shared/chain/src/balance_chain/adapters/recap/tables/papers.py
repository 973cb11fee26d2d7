"""Positions of parties, and the families whose words stand in many other heads: read last.

Data: in a pattern a space stands for any white space, <hearing> for the words of a sitting; examples are invented.
"""

from ..rules import SKIP, Family, HeadRule

PAPERS: tuple[HeadRule, ...] = (
    HeadRule(
        "plan",
        "pleading.filed",
        (
            (
                r"(?:(?:\w+ ){0,3}?plan\b(?! (?:summary|recommendation|payment|sponsor|administrator))|modif\w+ "
                r"(?:of )?(?:\w+ ){0,3}plan)(?!.{0,5}(?:hearing|confirmed))"
            ),
            "disclosure statement",
            "(?:approved )?plan summary",
        ),
        example="Chapter 13 Plan",
        kind="plan",
    ),
    HeadRule(
        "claim",
        "pleading.filed",
        (
            r"(?:proof of )?claims?\b",
            "(?:notice of |assignment/)?transfer (?:agreement|of claim)",
            "assignment(?:/transfer)? of claim",
            "notice of (?:assignment|transfer(?:red)?) (?:of )?claim",
            "joint claim construction",
        ),
        example="Transfer Agreement of a claim",
        kind="claim",
    ),
    HeadRule(
        "brief",
        "pleading.filed",
        (
            r"(?:(?!motion|notice|order|application|request)[\w'’/\-]+ ){0,4}?briefs?\b(?!ing)",
            r"memorand(?:um|a)\b(?! (?:opinion|decision|and order|from))",
            "points and authorities",
            "sentencing memo",
            "sur-?reply",
            "support brief",
            "(?:joint )?pre-?trial (?:statement|memorandum)",
            "trial brief",
            "letter brief",
            "paper copies of",
            r"nine\s*\(9\) paper",
        ),
        example="Memorandum of Law in support",
        kind="statement",
    ),
    HeadRule(
        "report",
        "pleading.filed",
        (
            (
                r"(?:(?!motion|notice|order|application|request|judgment|for\b)[\w'’\-/&.,()]+ "
                r"){0,7}?(?:reports?(?! and recom)|summary(?! judgment)|accounting|account)\b(?! of (?:schedule|"
                r"sale))"
            ),
            (
                r"(?:trustee|united states trustee|the trustee|the united states trustee)\b.{0,140}\b(?:reports?|"
                r"reviewed|certif|states|holds|recommendation)"
            ),
            "status (?:letter|and agenda|report)",
            "case management (?:statement|summary)",
            r"(?:joint )?(?:discovery|rule \d+\S*) (?:plan|report)",
            "(?:trustee'?s? )?(?:plan )?recommendation",
            r"report\b(?! and recom)",
            r"mediat\w+ report",
            "first meeting held and concluded",
            "statement of (?:operations|no distribution)",
            "adr certification",
        ),
        example="Trustee's Report of No Distribution",
        kind="report",
    ),
    HeadRule(
        "disclosure",
        "pleading.filed",
        (
            r"(?:rule 7\.1 )?(?:corporate|financial) (?:disclosure|ownership)",
            "(?:statement|certificate(?:/notice)?) of (?:corporate|disclosure|interested)",
            "statement of (?:corporate )?(?:ownership|disclosure)",
            r"(?:rule 7\.1 )?disclosure (?:statement )?(?:pursuant|of)",
            "certification (?:as to )?interested",
            "disclosure of corporate",
            "corporate disclosure",
            "certificate as to parties",
            "certification (?:and notice )?of interested",
        ),
        example="Corporate Disclosure Statement",
        kind="disclosure",
    ),
    HeadRule(
        "statement",
        "pleading.filed",
        (
            r"(?:status conference |counter )?statements?\b(?! adjourning)(?! of reasons)",
            "(?:docketing|verified|position) statement",
            r"supplement\b",
            r"submission\b",
            r"letters?\b(?! (?:motion|order|brief|notice))",
            "certification of counsel",
            "certificate of (?:no objection|counsel|necessity|interested)",
            r"(?:notice of )?settlement(?: agreement)?\b",
            "(?:guilty )?plea (?:agreement|entered)",
            r"plea\b",
            "entry and acceptance of guilty plea",
            "memorandum of plea",
            "reaffirmation",
            "rights and responsib",
            "(?:proposed )?(?:jury instruction|voir dire)",
            r"consent\b(?! (?:motion|letter|order|decree))",
            "consent/declination",
            r"waiver\b",
            "designation of (?:record|contents|responsible|items)",
            "(?:appellant'?s? )?designation",
            r"index\b",
            "adoption of",
            "(?:sufficient )?record excerpts",
            "redaction to",
            r"election\b",
            "financial reports",
            r"bond\b",
            "appearance bond",
            r"agreement\b",
            "ratification",
            "acceptance",
            "acknowledg(?:e)?ment (?:of )?(?:rights|receipt of order)",
            "selection of mediator",
            "designation of mediator",
            "authorization for",
            "declination",
            "demand for",
            "jury demand",
            r"ballots?\b",
            "summary of ballots",
            "bill of particulars",
            "accounting",
        ),
        example="Statement of undisputed facts",
        kind="statement",
    ),
    HeadRule(
        "stipulation",
        Family.STIPULATION,
        (r"(?:\w+ ){0,2}?stipulations?\b(?! (?:and|&|w/) order)",),
        example="Stipulation extending the time to answer",
    ),
    HeadRule(
        "notice and motion",
        "motion.filed",
        (
            r"(?:notice of )?(?:\w+ )?motion and (?:notice|application)",
            (
                r"notice of (?:ex parte )?(?:motion|application)(?: to [\w\s]{1,40})?\s*(?:/|and)\s*(?:\w+ "
                r"){0,2}?(?:motion|application)"
            ),
            "notice of motion/application",
        ),
        example="Notice of Motion and Motion for Relief",
    ),
    HeadRule(
        "notice of motion",
        "notice.issued",
        ("notice (?:of (?:ex parte )?|to set |re:? )(?:omnibus )?(?:motion|application|presentment)",),
        example="Notice of Motion for presentment before a judge",
        kind="filing",
    ),
    HeadRule(
        "motion",
        Family.MOTION,
        (
            (
                r"(?:(?!notice|order|response|reply|brief|memorandum|by\b|re\b|for\b|to\b|of\b)[\w'’/(),\-\.#]+ "
                r"){0,6}?(?:motions?|applications?|mtn)\b(?!(?:\(s\))? (?:referred|submitted|reset|related))"
            ),
            r"(?:[\w'’\-/]+ ){0,3}?requests?\b",
            r"demand\b",
            "petition for",
            "movant",
            r"ex parte\b",
            "us trustee request",
            "applications?/",
        ),
        example="Motion for Relief from Stay",
    ),
    HeadRule(
        "notice",
        Family.NOTICE,
        (
            r"(?:[\w'’/\-\.,()]+ ){0,5}?(?:notices?|notification)\b",
            "pro bono notice",
            "change of (?:address|firm name)",
            "briefing (?:letter|notice|schedule)",
            "appointment of",
            "schedul(?:e|ing) (?:notice|letter)",
            r"(?:chapter \d+ )?trustee .{0,60}\b(?:appointed|terminated|added)",
            "notice:",
            "as required by 28",
            "change case from no asset",
        ),
        example="Notice of Change of Address",
    ),
    HeadRule(
        "adr",
        SKIP,
        (
            "magistrate consent form",
            "opinion distributed",
            r"hold for \w+",
        ),
        example="Opinion distributed to publishers",
    ),
)
