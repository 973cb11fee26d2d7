"""Notes about the docket itself, corrections, and service that failed: read first, because they quote other entries.

Data: in a pattern a space stands for any white space, <hearing> for the words of a sitting; examples are invented.
"""

from ..rules import SKIP, HeadRule

NOTES: tuple[HeadRule, ...] = (
    HeadRule(
        "not said",
        SKIP,
        (
            "description not available",
            r"document\s*$",
            "no docket text",
        ),
        example="Description not available",
    ),
    HeadRule(
        "machine note",
        SKIP,
        (
            r"auto(?:matic)?\s*-?\s*docket",
            r"related to\b.{0,120}\bcase",
            "terminate deadlines",
            r"remark\b",
            "staff note",
            "docket annotation",
            r"submission to (?:\w+ ){0,2}judge",
            r"motions?(?:\(s\))? (?:referred|submitted)",
            "labels printed",
            "case flag",
            r"utility\b",
            r"bnc \S+ notice requested",
            "notification(?! of appeal)",
            "case designat(?:ed|ion)",
            "set(?:/reset)? motion and r&r",
            (
                r"(?:set|reset|update[d]?|terminate[d]?|set/reset)(?:/\w+)* (?:other |duty |motion "
                r")?deadlines?(?!.{0,20}hearing)"
            ),
            r".{0,90}?\bdeadlines? (?:and document )?(?:updated|terminated)",
            "missing documents? deadline",
            "deadline for missing",
        ),
        example="Remark - see the lead case",
    ),
    HeadRule(
        "correction",
        "record.amended",
        (
            "(?:clerk'?s? )?correct(?:ive|ed|ion) (?:entry|notice|of docket)",
            r"correction\b",
            "entered in error",
            "disregard",
            "please disregard",
            "errata",
            "filing error",
            "image replaced",
            "notice of (?:docket (?:error|correction)|corrected image|corrective entry|correction|errata)",
            "notice by court of correct",
            "nonconforming entry",
            "(?:note regarding )?deleted document",
            "(?:document|docket) (?:entry )?(?:locked|deleted|removed|entered in error)",
            "incorrect (?:event|pdf|summons|document|entry|case)",
            "pdf file not uploaded",
            "order correcting docket",
            "(?:document )?(?:docketed|filed) in (?:error|(?:the )?(?:wrong|incorrect))",
            "this (?:entry|document) was (?:docketed|filed|entered) in error",
        ),
        example="***ENTERED IN ERROR*** Declaration of a person",
        unstripped=True,
    ),
    HeadRule(
        "earlier case",
        SKIP,
        (
            "previous (?:discharge|filing|case)",
            "clerk'?s evidence of repeat",
        ),
        example="Previous Discharge. Chapter: 7",
        unstripped=True,
    ),
    HeadRule(
        "endorsed letter",
        "motion.decided",
        (
            r"(?:memo )?endorsed? (?:letter|memo\w*|application|motion)",
            r"memo(?:randum)? endorse\w*",
        ),
        example="Endorsed Letter",
        unstripped=True,
    ),
    HeadRule(
        "register form",
        "notice.issued",
        (
            r"(?:notice of filing of )?(?:form )?a[o0]\s*-?12[01]",
            "report (?:on (?:the )?)?filing (?:(?:or|and) determination|of (?:copyright|patent|trademark))",
            "report on the (?:filing|determination)",
        ),
        example="Form AO 120 sent to the register",
        kind="other",
    ),
    HeadRule(
        "unserved",
        "service.failed",
        (
            (
                r"(?:summons|service|return of service|warrant|writ|subpoena)(?: of service|/?\s*service)? "
                r"(?:returned )?(?:returned )?un-?executed"
            ),
            r"(?:mail\b.{0,60}\breturn|return(?:ed)? mail)",
            "(?:bnc )?(?:certificate of )?(?:bypass|undeliverable)",
            r"notice of (?:returned|undeliverable) (?:mail|\d+)",
            r".{0,40}\breturned as undeliverable",
        ),
        example="Summons Returned Unexecuted as to a company",
    ),
)
