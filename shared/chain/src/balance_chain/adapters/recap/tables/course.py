"""The ends of a case, appeals, judges, deficiencies and counsel.

Data: in a pattern a space stands for any white space, <hearing> for the words of a sitting; examples are invented.
"""

from ..rules import HeadRule

COURSE: tuple[HeadRule, ...] = (
    HeadRule(
        "party let go",
        "notice.issued",
        (
            (
                r"(?:notice of )(?:voluntary )?dismissal\s*(?:\(?part(?:y|ies)|as to\b|of (?:defendant|part|claim|"
                r"certain)|without prejudice as to)"
            ),
        ),
        example="Notice of Voluntary Dismissal Party(s)",
        kind="other",
    ),
    HeadRule(
        "closed",
        "case.closed",
        (
            r"(?:closed\.? )?(?:adversary|bankruptcy)?\s*case (?:[\w:\-\[\]]+\s*:?\s*)?(?:case )?closed",
            r"adversary case \S+:? (?:case )?closed",
            "close (?:adversary|bankruptcy|case)",
            "disposition of adversary",
            r"(?:chapter \d+ )?discharge(?: of (?:joint )?debtor|,|\.|\s*$| granted)",
            r"(?:final )?decree\s*$",
            "final decree",
            r"(?:stipulation (?:of|for) |joint )?(?:voluntary )?dismissal\b(?!.{0,40}\bhearing)",
            "(?:the )?case having been dismissed",
            "the estate having been fully",
            "notice of (?:voluntary )?dismissal(?! notice of motion)",
            r"terminated? (?:civil |criminal )?case\s*$",
            "(?:civil|criminal|civil/criminal) case (?:closed|terminated)",
            "closing (?:adversary|case)",
            "order (?:closing|discharging)",
            "stipulation (?:of|for|and order of) (?:voluntary )?dismissal",
            "notice of case clos",
        ),
        example="Bankruptcy Case Closed",
    ),
    HeadRule(
        "appeal decided",
        "appeal.decided",
        (
            r"mandate\b",
            r"received .{0,40}\bmandate",
            "usca (?:judgment|mandate|opinion)",
            r"(?:final )?judgment bap\b",
            r"(?:final )?order (?:dismissing appeal|from the \S+ circuit)",
            r"(?:judgment|opinion|mandate/judgment) (?:from|of) (?:the )?(?:usca|u\.?s\.? court of appeals|bap)",
            r"order of usca\b.{0,120}\b(?:dismiss|affirm|revers|vacat|denied)",
            "bap (?:judgment|opinion|mandate)",
        ),
        example="MANDATE of USCA as to Notice of Appeal",
    ),
    HeadRule(
        "record sent up",
        "appeal.transferred",
        (
            "(?:electronic )?record on appeal(?! requested)",
            "(?:appeal )?record (?:sent|transmitted)",
            "certified and transmitted",
            r"appeal record\b(?! (?:return|on loan))",
            r"transmi(?:ssion|ttal|tted) (?:of )?(?:\w+ )?(?:notice of appeal|record|appeal)",
            "(?:electronic )?index to record",
            "designated clerk'?s? record",
            "clerk'?s record",
            "administrative record",
            "usca appeal record",
            "notification of appeal",
            "certificate of record",
        ),
        example="Record on Appeal transmitted to the court above",
    ),
    HeadRule(
        "appeal",
        "appeal.filed",
        (
            r"notice of (?:filing of )?(?:interlocutory |cross\s*-?\s*)?appeal\b",
            r"(?:direct )?(?:civil|criminal|bankruptcy|agency)?\s*case docketed",
            "appeal of magistrate",
            "appeal - misc",
            r"cross\s*-?\s*appeal",
            r"received \S+ circuit court of appeals case",
            "usca case number",
        ),
        example="NOTICE OF APPEAL as to a judgment",
    ),
    HeadRule(
        "case opened",
        "case.accepted",
        (
            "(?:new )?case opened",
            r"new case\b",
            "order for relief in (?:an )?involuntary",
        ),
        example="CASE OPENED. A petition has been received",
    ),
    HeadRule(
        "judge stepped back",
        "recusal.decided",
        (
            r"order (?:of|for|granting) (?:\w+ ){0,3}recus",
            r"recusal\b",
            r"case as to\b.{0,400}?\brecused",
            "notice of recusal",
        ),
        example="Order of Recusal",
    ),
    HeadRule(
        "judge changed",
        "judge.reassigned",
        (
            r"case as to\b.{0,400}?\bre-?assigned",
            "(?:text |minute )?(?:order )?(?:of )?(?:re-?assign(?:ed|ing|ment)?) (?:of )?case",
            "case reassign(?:ed|ment)",
            r"(?:\w+ ){0,3}order (?:\S+ ){0,4}re-?assigning",
            "notice of (?:case )?reassignment",
            "add and terminate judges",
            "minute order reassigning",
            "judge reassign",
            "order transferring judge",
        ),
        example="Case reassigned to another judge",
    ),
    HeadRule(
        "judge assigned",
        "judge.assigned",
        (
            r"case as to\b.{0,400}?\b(?:assigned|referred) to (?:\w+ ){0,2}judge",
            r"(?:case|matter) (?:opening initial )?assign(?:ed|ment)\b",
            (
                r"(?:add(?:ed)? )?(?:chief |senior |district |magistrate |bankruptcy |us )*judges? (?:\S+ "
                r"){1,12}?(?:added|assigned|designated)"
            ),
            "added judge",
            r"judge (?:assign\w*|added)",
            "assign(?:ment)? (?:of )?(?:the )?(?:honorable|judges?)",
            r"magistrate judge .{0,60}\bis so designated",
            ("notice of (?:magistrate |judge |case )?(?:magistrate )?(?:judge )?assignment(?! of (?:claim|mediator))"),
            "initial case assignment",
            "auto assignment of judge",
            "case opening initial",
        ),
        example="Case Assigned to a judge",
    ),
    HeadRule(
        "deficiency",
        "case.materials_requested",
        (
            (
                r"(?:court'?s? |clerk'?s? )?(?:notice (?:of|to|re:?|regarding) )?(?:(?!affidavit|declaration|"
                r"certif|response|motion|objection|order gr|reply|report)\S+ ){0,4}?(?:deficien(?:cy|t)|"
                r"incomplete (?:and|filing)|missing documents?|non-?compliance|document discrepancies)\b"
            ),
            "set deficient",
            "order to (?:update|file (?:required|missing) documents?)",
            "deficient filing",
            r"(?:\*+\s*)?notice to attorney (?:to|regarding)\b.{0,120}\b(?:re-?file|deficien|error)",
            "order on partial case filing",
            "notice (?:and order )?of document discrep",
            "adr clerk'?s notice re:? non-?compliance",
            "notice to filer of (?:apparent )?(?:filing )?(?:deficien|error)",
            "quality control",
            "clerk'?s quality control",
            "notice of required",
        ),
        example="Notice of Deficient Filing. Schedules due by 1/2/2003",
        kind="deficiency",
    ),
    HeadRule(
        "counsel",
        "counsel.changed",
        (
            r"(?:entry of |amicus )?(?:attorney )?appearance\b(?! bond)",
            "amicus curiae appearance",
            "notice of (?:attorney |special |limited )?(?:attorney )?appearance",
            "(?:notice of )?substitution of (?:attorney|counsel)",
            "pro hac vice counsel",
            (
                "(?:notice of )?(?:association|change|withdrawal|designation|termination) of (?:lead |local "
                ")?(?:counsel|attorney|appearance)(?! presenting)"
            ),
            "add(?:ed)? (?:and terminate )?(?:attorneys?|counsel)",
            "added counsel",
            "attorney update",
            "notice for desig",
            "election of counsel",
            "notice to be terminated",
            "request to be (?:removed|terminated)",
            "(?:attorney|counsel) (?:added|terminated|substitut)",
            "notice of (?:attorney )?withdrawal as",
        ),
        example="Notice of Appearance and Request for Notice",
    ),
)
