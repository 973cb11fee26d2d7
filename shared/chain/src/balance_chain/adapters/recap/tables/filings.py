"""Beginnings of a case, service of papers, money and transcripts.

Data: in a pattern a space stands for any white space, <hearing> for the words of a sitting; examples are invented.
"""

from ..rules import HeadRule

FILINGS: tuple[HeadRule, ...] = (
    HeadRule(
        "adversary complaint",
        "case.submitted",
        (r"adversary (?:case|proceeding) [\d:\-ap]+\.? (?!.{0,6}closed).{0,400}?\bcomplaint",),
        example="Adversary case 09-01111. Complaint by Example Bank against a person",
        kind="complaint",
    ),
    HeadRule(
        "petition",
        "case.submitted",
        (
            "complaint",
            r"(?:\w+ )?crossclaim",
            r"third\s*-?\s*party complaint",
            "information - felony",
            "superseding (?:indictment|information)",
            "indictment(?! unsealed)",
            r"information(?= (?:as to|filed|by|\(|$))",
            "(?:in)?voluntary petition",
            "petition for (?:writ|review|permission|relief|amendment)",
            r"(?:chapter )?\d*\s*(?:in)?voluntary petition",
            "bankruptcy petition",
            r"petition\b(?! for (?:attorney|fees|admission))",
            "us probation petition",
            "civil cover sheet",
            "criminal cover sheet",
            "patent/trademark documents - complaint",
            "amendment to (?:voluntary )?petition",
            "habeas corpus petition",
            r"(?:ch(?:apter)?\.?\s*\d+ )?completion filed",
            "agency case docketed",
        ),
        example="Chapter 7 Voluntary Petition. Fee Amount $299",
        kind="petition",
    ),
    HeadRule(
        "starting papers",
        "case.submitted",
        (
            r"missing document(?:\(s\)|s)?\s*(?::|filed)\s",
            "(?:individual )?(?:debtor'?s? )?statement of intention",
            "summary of (?:assets|your assets|schedules)",
            "statement about your social",
            (
                r"(?:amendment to |cover sheet for amendments? to |amendments? to )?(?:summary of "
                r")?schedules?(?:\(s\)|\[s\])?(?=\s*(?:$|[A-J]\b|[A-J]\s*[-,&/]|and\b|,|\.|:|/|\(|d,e|[&;]|i\s*&|"
                r"filed|for\b|on behalf|a\b|with\b|b\b))"
            ),
            (
                r"statement (?:of|regarding) (?:financial affairs|(?:debtor\S* )?(?:intent|intention|social|"
                r"current monthly)|your current)"
            ),
            "stmt of financial",
            r"(?:debtor\S* )?social security",
            "(?:no )?presumption of abuse",
            "statistical summary",
            r"statement of debtor\S* social",
            "(?:individual debtor )?statement of current",
            ("(?:verification of |creditor |master )?(?:creditor )?(?:mailing )?(?:matrix|mailing list|address list)"),
            "amendment to list",
            r"(?:list|schedule) of (?:\w+ ){0,3}(?:creditors|equity|security holders)",
            "(?:top )?(?:20|twenty) largest",
            "disclosure of (?:attorney )?compensation",
            "means test",
            "corporate (?:resolution|vote)",
            "equity security holders",
            "photo id",
            "attorney'?s? disclosure",
            "rule 2016",
            "individual debtor statement",
            "pro se debtor",
            "added? creditors?",
            "signature (?:page|declaration)",
        ),
        example="Schedules A-J with summary",
        kind="schedules",
    ),
    HeadRule(
        "served",
        "service.completed",
        (
            "(?:(?:courts?|clerk'?s?|bankruptcy) )?(?:notice and )?bnc cert",
            r"(?:courts? )?certificates? (?:of|re|-)\s*(?:service|mailing|notice|publication)",
            "(?:courts? )(?:notice and )?bnc certificate",
            "court certificate",
            "certification of (?:service|mailing|publication)",
            r"affidavits?\s*(?:/\s*(?:certificate|declaration))?\s*(?:of|-|re:?)\s*(?:service|mailing|publication)",
            r"affidavit/\w+ of (?:service|mailing|publication)",
            r"affidavit /\s*affidavit of service",
            r"declaration\s*(?:re:?|of:?)\s*(?:service|mailing)",
            "proof of (?:service|publication|mailing)",
            "(?:usms )?return (?:receipt|of service)",
            r"(?:summons|subpoena|service)\S* (?:and complaint )?(?:service |returned |/returned ){0,2}executed",
            r"summons/?\s*returned",
            "waiver of (?:the )?service",
            "acknowledge?ment of (?:receipt of )?service",
            "acceptance of service",
            "service (?:by publication|completed|executed)",
            "process receipt",
            "notice and acknowledge?ment of (?:receipt of )?(?:service|summons)",
            "order service",
            "certificate of record filed and served",
            "affidavit of (?:personal )?service",
        ),
        example="Affidavit of Service of a person",
    ),
    HeadRule(
        "sent",
        "service.sent",
        (
            (
                r"(?:alias |third-?party )?(?:third-?\s*party )?summons(?:es)?(?: (?:in a civil \w+ )?(?:issued|"
                r"and notice|with notice|reissued|on|for|\(issued)|\s*$|\s*-\s*issued| against| in an? adversary)"
            ),
            "e-gov (?:sealed )?summons",
            "sent to bnc",
            "document mailed",
            r"court'?s notice of \S+ sent",
            "notice of pdf document to bnc",
            r"(?:\w+ ){0,4}mailed to",
            "service - miscell",
            "pre-?trial summons",
        ),
        example="Summons Issued as to Example Company",
    ),
    HeadRule(
        "fee",
        "case.fee_paid",
        (
            (
                r"(?:u\.?s\.? treasury )?receipt (?:number|no\b|#|of (?!.{0,40}(?:passport|"
                r"unclaimed))(?:.{0,260}(?:fee|payment|\(\s*\d+\.\d\d\)|receipt number|installment)))"
            ),
            r"receipt\s*-?\s*filing fee",
            "receipt number-filing",
            r"filing fee\s*(?::|\$|paid|was paid|received|#)",
            "(?:appeal |conversion )?fee (?:paid|received|payment)",
            "certificate of final installment",
            "uscA? appeal fees received",
            "(?:final )?installment (?:fee )?payment",
            "received notification of payment",
        ),
        example="Receipt of filing fee for a motion. Receipt number 1",
    ),
    HeadRule(
        "transcript asked",
        "motion.filed",
        (
            (
                r"(?:appeal |attorney |request for |cancelled )?transcript (?:order|request|ordered|"
                r"purchase)(?!.{0,60}\bfiled in dis)"
            ),
            "request for transcript",
            "transcript designation",
            r"ao\s*435",
        ),
        example="TRANSCRIPT ordered from a reporter",
        kind="transcript",
    ),
    HeadRule(
        "transcript",
        "transcript.filed",
        (
            r"transcripts?\b(?! (?:is|was) (?:not|un))",
            "notice (?:of|re:?) filing (?:of )?(?:an? )?(?:official )?transcript",
            "redacted transcript",
        ),
        example="Transcript of Hearing held on 1/2/2003",
    ),
)
