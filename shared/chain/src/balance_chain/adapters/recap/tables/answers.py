"""Answering papers and proposed orders, notices that something was filed, orders and judgments, cases that move.

Data: in a pattern a space stands for any white space, <hearing> for the words of a sitting; examples are invented.
"""

from ..rules import Family, HeadRule

ANSWERS: tuple[HeadRule, ...] = (
    HeadRule(
        "answering paper",
        "pleading.filed",
        (
            (
                r"(?:(?!.{0,60}\b(?:notice|motion|order|application|hearing|declaration|affidavit|certificate|"
                r"memorandum|brief|request|withdrawal|minute|transfer|stipulation)\b)[^;()]{0,160}?'s? "
                r")?(?:answers?\b(?!.{0,5}due)|counter-?claim|(?:statement of )?(?:non-?|no |limited "
                r")?(?:opposition|objections?|responses?|repl(?:y|ies)|sur-?reply)\b(?! (?:due|deadline))|"
                r"evidentiary objection|rejoinder|traverse|cross-?claim)"
            ),
            r"(?:letter )?(?:response|reply)\b",
            r"trustee'?s? (?:\w+ )?(?:objection|opposition|response)",
            "certification in opposition",
            "joinder",
            "notice of (?:joinder|non-?opposition|objection(?! deadline)|supplemental authorit)",
            "reservation of rights",
            "any objection by",
            "return to petition",
        ),
        example="Objection to Confirmation of Plan",
        kind="answer",
    ),
    HeadRule(
        "proposed order",
        "pleading.filed",
        (
            r"(?:notice of )?(?:filing of |lodg(?:ing|ment|ed) (?:of )?)?(?:joint )?proposed\b(?!.{0,5}$)",
            r"\[proposed\]",
            (
                r"(?:trustee |chapter \d+ trustee )?notice of (?:lodg\w+|submi\w+) (?:of )?(?:proposed )?(?:\w+ "
                r")?order"
            ),
            "order upload",
            "received unsigned order",
        ),
        example="Proposed order regarding an extension",
        kind="proposed_order",
        unstripped=True,
    ),
    HeadRule(
        "notice of filing",
        Family.FILING,
        (
            (
                r"notice of (?:conventional |manual )?(?:filing|submission|service)\b(?:\s*[/:\-]\s*| (?:of|re:?|"
                r"regarding|an?|the|and service of|materials)\b\s*)*"
            ),
            "document re:? ",
            "(?:supplemental )?filing of ",
            r"(?:unredacted|redacted|public|sealed)?\s*version of:? ",
        ),
        example="Notice of Filing of Exhibits",
    ),
    HeadRule(
        "order of conversion",
        "case.converted",
        ("order (?:and notice of|upon|of|for) conversion",),
        example="Order and Notice of Conversion",
    ),
    HeadRule(
        "order and judgment",
        "judgment.pronounced",
        (r"(?:order|opinion|findings)\s*(?:,|and|&)\s*(?:\w+ )?judgment\b",),
        example="Order and Final Judgment",
    ),
    HeadRule(
        "stipulation so ordered",
        Family.ORDER,
        (
            r"so ordered\b",
            r"stipulation (?:&|and|w/)\s*order(?! filed)",
            "stipulation.{0,40}so ordered",
        ),
        example="So Ordered Stipulation extending the time to answer",
        kind="stipulation",
    ),
    HeadRule(
        "transfer order",
        "case.transferred",
        (r"(?:\w+ )?(?:conditional )?(?:mdl )?transfer order(?!.{0,40}(?:stay|vacat))",),
        example="Conditional Transfer Order",
        kind="transfer",
    ),
    HeadRule(
        "order to show cause",
        "case.materials_requested",
        ("(?:ex parte |text |minute )?order to show cause(?!.{0,60}(?:discharg|vacat|satisf|dismissing))",),
        example="Order to Show Cause why a paper was not filed",
        kind="show_cause",
    ),
    HeadRule(
        "order",
        Family.ORDER,
        (
            r"(?:minute |endorsed |bench |letter |clerk'?s? |text[\s\-]only )?order(?:ed|s)?\b(?! upload)",
            (
                r"(?:(?!motion|notice|application|request|proposed|report\b|object|respon|repl|memorandum (?:of "
                r"law|in )|brief|letter (?:motion|from|to|by)|stipulation re|declaration|affidavit|certif|"
                r"transcript|exhibit|statement|report|plan\b|judgment|verdict|for\b|to\b|re:|"
                r"by\b)[\w'&/,()\-\.:]+ ){1,7}?order\b(?! (?:to be|submitted|form|regarding .{0,30}filed))"
            ),
            r"ruling\b",
            r"memo(?:randum)? endorse\w*",
            "endorsed? (?:letter|memo)",
            "clerk'?s? entry of default",
            "entry of default",
            "default entered",
            "abstract of order",
            r"decision\b",
            "memorandum (?:opinion|decision|and (?:order|opinion)|& order|ruling)",
            r"(?:preliminary|permanent) injunction\s*(?:$|-)",
            "disposition without hearing",
            "tentative (?:ruling|findings)",
            "findings of fact",
            "writ granted",
            "opinion and order",
            "remedial plan signed",
            "consent decree",
            "judge'?s? (?:order|memo)",
            "magistrate'?s? order",
            "(?:civil )?case management plan and",
            "pretrial order",
            "discovery confidentiality order",
            "scheduling order",
            r"pursuant to local rule.{0,60}\breferred",
        ),
        example="Order Granting Motion to Extend Time",
    ),
    HeadRule(
        "judgment",
        "judgment.pronounced",
        (
            (
                r"(?:clerk'?s? |default |consent |final |summary |partial |agreed |stipulated |bill of costs "
                r")*judgments?\b(?! returned)(?! debtor)"
            ),
            "verdict",
            "jury verdict",
            r"opinion\b(?! distributed)",
            "judgment and commitment",
        ),
        example="JUDGMENT for a company",
    ),
    HeadRule(
        "criminal coercion",
        "enforcement.filed",
        (
            "(?:application for )?writ of (?:execution|garnishment|attachment)",
            r"writ\b(?! of (?:habeas|certiorari))",
            "garnishment",
            "abstract of judgment",
            "warrant in rem",
        ),
        example="Writ of Execution issued",
    ),
    HeadRule(
        "converted",
        "case.converted",
        (
            r"(?:notice of )?(?:voluntary )?conversion\b(?: (?:of case )?(?:to|from)|\s*$)",
            "case converted",
        ),
        example="Notice of Voluntary Conversion to Chapter 7",
    ),
    HeadRule(
        "moved",
        "case.transferred",
        (
            "notice of removal",
            r".{0,200}?\bnotice of removal (?:by|from)",
            r"(?:case )?transfer(?:red)? (?:in|out|to|from)\b(?!.{0,30}claim)",
            (
                r"(?:consent to )?(?:probation )?(?:jurisdiction )?(?:transfer (?:of )?jurisdiction|\(probation "
                r"22.{0,10}transferred)"
            ),
            "probation jurisdiction",
            r"rule 5\(c\)(?:\(3\))? documents",
            "letter of transfer",
            "inter-?district transfer",
            "remand(?:ed)? to",
            "case remanded",
            "conditional transfer order",
            "certified true copy of mdl transfer",
            "transmittal of documents",
            r"related to\b.{0,90}\bjoint",
        ),
        example="Notice of Removal from a state court",
    ),
    HeadRule(
        "property gone",
        "property.disposed",
        (
            r"(?:trustee'?s? )?report (?:of (?:sale|abandonment)|re:?\s*sale)",
            "(?:certificate|confirmation|return) of sale",
            "bill of sale",
            "notice of transfer in kind",
        ),
        example="Report of Sale",
    ),
    HeadRule(
        "unsealed",
        "permission.changed",
        (
            "(?:indictment|complaint|case|document|information) unsealed",
            "(?:un)?seal(?:ed|ing)? (?:of )?case",
        ),
        example="Indictment Unsealed",
        kind="unseal",
    ),
)
