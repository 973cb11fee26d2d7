"""Letters of the court, evidence, discovery.

Data: in a pattern a space stands for any white space, <hearing> for the words of a sitting; examples are invented.
"""

from ..rules import HeadRule

EVIDENCE: tuple[HeadRule, ...] = (
    HeadRule(
        "letter of the court",
        "notice.issued",
        (
            (
                r"letter (?:\[\d+\] )?(?:sent\b|by clerk|from (?:the )?(?:honorable|hon\b|court|clerk|judge|chief|"
                r"deputy)|to (?:complainant|debtor|counsel from|parties))"
            ),
        ),
        example="Letter from the Clerk to the parties",
        kind="other",
    ),
    HeadRule(
        "evidence withdrawn",
        "evidence.withdrawn",
        ("(?:notice of )?withdrawal of (?:exhibit|declaration|affidavit|evidence|witness)",),
        example="Notice of Withdrawal of Exhibit 4",
    ),
    HeadRule(
        "withdrawal",
        "pleading.filed",
        (
            (
                r"(?:(?:notice (?:of|to) )(?:partial )?withdraw(?:al|ing)?|notice withdraw|withdrawal)\b(?! (?:of "
                r"|as )?(?:counsel|attorney|appearance))"
            ),
            "satisfaction of",
            "release of (?:lien|judgment)",
        ),
        example="Withdrawal of Claim 5",
        kind="withdrawal",
    ),
    HeadRule(
        "discovery exchanged",
        "evidence.exchanged",
        (
            (
                r"(?:rule 26(?:\(a\)(?:\(1\))?)? )?(?:initial )?disclosures? (?:per|pursuant|under|by|of expert|"
                r"statement pursuant to (?:rule|frcp) 26)"
            ),
            "discovery responses",
            "(?:answers?|responses?) to interrogator",
            r"local rule 26\S* answers",
            "expert (?:report|disclosure)",
        ),
        example="Initial Disclosure per Rule 26",
    ),
    HeadRule(
        "exhibit",
        "evidence.submitted",
        (
            r"(?:exhibits?|appendi(?:x|ces)|attachment(?:\(s\)|s)?|witness|deposition|evidence)\b(?! receipt)",
            "list of (?:exhibits|witnesses)",
            "(?:joint )?(?:pretrial )?exhibit list",
            "trial exhibit",
            r"exhibit\(s\)",
        ),
        example="Exhibit A",
        kind="exhibit",
    ),
    HeadRule(
        "declaration",
        "evidence.submitted",
        (
            r"declarations?\b",
            r"affidavits?\b",
            r"affirmations?\b",
            r"(?:cja\s*-?\s*23 )?(?:financial|jurisdictional) affidavit",
            r"certification\b(?! (?:and notice )?(?:of|as to) (?:counsel|interested))",
            r"certificate\b(?!(?:/notice)? of (?:no|necessity|appealab|counsel|interested|clerk))",
            r"cja \d+ financial",
            "sworn statement",
            r"verification\b",
            r"decl\b",
            "creditor'?s? certification",
            "unsworn",
        ),
        example="Declaration of a person in support",
        kind="declaration",
    ),
    HeadRule(
        "proof of means",
        "evidence.submitted",
        (
            (
                r"(?:\w+ ){0,2}?(?:credit counseling|budget and credit|financial management|instructional course|"
                r"personal financial)\b(?!.{0,40}\bnotice)(?!.{0,20}\bdue)"
            ),
            r"(?:employee|debtor'?s?)?\s*(?:employee )?(?:income|pay(?:ment)?) (?:statement|record|advice|stub)\w*",
            "payment advices",
            "tax (?:documents?|returns?|information)",
            "evidence of",
            "insurance",
            "statement concerning no employee",
            "copies? of pay",
            "notice of conventional filing",
            "sentencing summary",
            "presentence",
            r"(?:restricted )?(?:psycholog\w+ )?evaluation",
        ),
        example="Credit Counseling Certificate",
        kind="document",
    ),
)
