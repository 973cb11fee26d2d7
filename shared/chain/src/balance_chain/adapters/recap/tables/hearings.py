"""Hearings: put off, held, set; minutes; meetings of creditors.

Data: in a pattern a space stands for any white space, <hearing> for the words of a sitting; examples are invented.
"""

from ..rules import Family, HeadRule

HEARINGS: tuple[HeadRule, ...] = (
    HeadRule(
        "hearing put off",
        "hearing.rescheduled",
        (
            (
                r"(?:\w+ ){0,4}?<hearing>s?\b(?: \((?:[^()]*)\))?(?: of creditors)?[\s:.,\-]*(?:chapter \d+ "
                r")?\(?(?:is |was )?(?:not held|continued|cancell?ed|rescheduled|adjourned|withdrawn|vacated|"
                r"postponed|reset|off calendar|stricken|terminated)"
            ),
            r"hearing (?:scheduled|set)\b.{0,40}?\b(?:not held|continued prior|cancell?ed)\b",
            "(?:continuance|rescheduling|adjournment|postponement|cancellation) of",
            "statement adjourning",
            "rescheduled (?:meeting|hearing)",
            "continued (?:meeting|hearing)",
            (
                r"(?:chapter \d+ )?(?:trustee'?s? )?(?:notice of )?(?:continued|rescheduled|adjourned)(?:/\w+)? "
                r"(?:section )?(?:341|meeting|hearing|confirmation)"
            ),
            (
                r"notice of (?:hearing )?(?:continuance|continued|adjourn\w*|reschedul\w*|cancell?\w*|postpone\w*|"
                r"non-?concluded meeting|change of hearing)"
            ),
            r"notice of hearing (?:amended/|renoticed/)?\w*/?continued",
            "mediation conference not held",
            r"debtor\s*\(s\) did not appear",
            "notice of change of hearing",
            "(?:hearing|meeting) cancell?ed",
            "adjourned without hearing",
            "letter of adjournment",
        ),
        example="Hearing Continued to 1/2/2003",
    ),
    HeadRule(
        "minutes",
        Family.MINUTES,
        (
            r"(?:text |virtual )?minute(?:s)?(?! order)\b",
            "civil minutes",
            "criminal minutes",
            "proceedings held",
        ),
        example="Minute Entry for proceedings held before a judge: Status Conference held",
    ),
    HeadRule(
        "creditors met",
        "hearing.held",
        (
            (
                r"(?:initial report\s*&?\s*(?:and )?)?(?:first )?(?:341(?:\(a\))? )?meeting(?: of "
                r"creditors)?\s*(?:chapter \d+\s*)?[\(\-:]?\s*(?:was |minutes|not )?(?:held|concluded|minutes)"
            ),
            (
                r"(?:the )?(?:united states |u\.?s\.? )?trustee states that the (?:initial )?meeting of creditors "
                r"was held"
            ),
            "minute sheet",
            (
                r"meeting of creditors (?:\S+ ){0,3}?(?:held|concluded)(?! on \S+ at)(?: and\b|\s*$|\s*\.| open|"
                r"\s*\(|\s*-)"
            ),
            "first meeting (?:held|minutes)",
            r"debtor\s*\(s\) appeared",
            r"trustee'?s? (?:initial )?report\s*(?:&|and|of)\s*(?:first )?(?:341 )?meeting held",
        ),
        example="341 Meeting Held and Concluded",
        kind="meeting",
    ),
    HeadRule(
        "creditors called",
        "hearing.scheduled",
        (
            (
                r"(?:\w+[/\-\w]*\s*)?(?:chapter \d+ )?(?:indiv\S*|notice of )?\s*(?:-+\s*)?(?:notice of "
                r")?(?:first )?meeting (?:of creditors|\(chapter)"
            ),
            "section 341",
            r"341\s*(?:\(a\))? (?:meeting|notice)",
            r"notice (?:of |re:? )?(?:\S+ ){0,6}?(?:meeting of creditors|341)",
            "(?:first )?meeting of creditors",
            r"notice of (?:commencement of )?(?:\S+ ){0,4}case,? (?:section 341 )?meeting",
            r"notice by the u\.?s\.? trustee setting the meeting",
            "notice of commencement of case",
        ),
        example="Meeting of Creditors. 341(a) meeting to be held on 1/2/2003 at 9:00 AM",
        kind="meeting",
    ),
    HeadRule(
        "hearing held",
        "hearing.held",
        (
            (
                r"(?:\w+[\s\-/]+){0,5}?<hearing>s?\b(?: \((?:[^()]*)\))?[\s:.,\-]*(?:was |were )?held\b(?! on \S+ "
                r"re(?:set|schedul))"
            ),
            r"(?:bench|jury|non-?jury|court) trial\b(?!.{0,40}\b(?:set|scheduled|to be)\b)",
            "case (?:argued|heard)",
            (
                r"(?:detention|bond|plea|curcio|change of plea|miscellaneous|motion|evidentiary|frye|status|show "
                r"cause) hearings?\b(?!.{0,80}\b(?:set|scheduled|to be held|reset|request)\b)"
            ),
            r"(?:initial|first) appearance\b(?!.{0,80}\b(?:set|scheduled|reset)\b)",
            r"arraignment\b(?!.{0,10}order)(?!.{0,80}\b(?:set|scheduled|reset) for\b)",
            r"sentencing(?= held|\s*$)",
            "trial - misc",
            r"oral argument\s*$",
            (
                r"(?:status|telephone|telephonic|settlement|pretrial|pre-trial|scheduling|mediation|case "
                r"management|discovery) conference\s*(?:-\s*\w+\s*)?$"
            ),
            "plea and rule 11 hearing",
            r"hearing\s*$",
            "jury (?:selection|deliberat)",
        ),
        example="Status Conference held on 1/2/2003",
    ),
    HeadRule(
        "hearing set",
        "hearing.scheduled",
        (
            r"(?:set|reset|set/reset)(?: \w+|/\w+){0,3}?\s*(?:/\s*)?hearings?",
            (
                r"(?!(?:\w+ ){0,5}(?:cancel|vacat|continu|adjourn|resched|"
                r"reset))(?:\w+[\s\-/]+){0,5}?<hearing>s?\b(?: \((?:[^()]*)\))?[\s:.,\-/]*(?:\w+ ){0,2}?(?:is "
                r")?(?:set|sched\w*|to be held|will be held|is set)\b"
            ),
            r"motions?\b[^.]{0,60}?\bhearing (?:is )?set for\b",
            r"hearing (?:re:?|\(document\)|set|on|date|notice)",
            "oral argument scheduled",
            "case calendared",
            "calendar entry",
            "trial (?:date )?set",
            "scheduling conference",
            "calendar call",
            r"(?:first|subsequent)?\s*mediation conference",
            "notice docket call",
            "letter notice of hearing",
            "telephonic notice of hearing",
        ),
        example="Hearing Set for 1/2/2003 at 10:00 AM",
    ),
)
