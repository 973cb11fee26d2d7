"""What motions, orders and notices are about; of the objects in a text the one that stands first decides.

A motion is only asked for, so it stays motion.filed except where the catalogue has a request of its own. An order does
what its object says only where the court granted it or acted by itself. A notice rarely does anything but tell. Empty
columns leave the family's own event. Data: in a pattern a space stands for any white space, <sitting> for the words of
a hearing, <put off> for those of postponing; examples are invented.
"""

from ..rules import ObjectRule

OBJECTS: tuple[ObjectRule, ...] = (
    ObjectRule(
        "leave to file",
        (
            r"\bleave to \w+",
            r"\bto allow\b.{0,30}\bto file\b",
            r"\bagenda\b",
            r"\bshorten\w* (?:the )?(?:time|notice)\b",
            r"\bsummary judgment\b",
            r"\breconsider\w*\b",
        ),
        motion="",
        order="",
        notice="",
        example="for leave to file a reply in support of motions in limine",
    ),
    ObjectRule(
        "recusal",
        (
            r"\brecus\w+",
            r"\bdisqualif\w+ (?:of )?(?:the )?(?:judge|magistrate|justice)",
        ),
        motion="recusal.requested",
        order="recusal.decided",
        notice="",
        example="to recuse the judge",
        refusal_too=True,
    ),
    ObjectRule(
        "reassignment",
        (r"\bre-?assign(?:ing|ed|ment)\b(?! (?:of )?claim)",),
        motion="",
        order="judge.reassigned",
        notice="",
        example="reassigning the case to another judge",
    ),
    ObjectRule(
        "put off",
        (
            r"\b<put off>\b(?:[\w\s.,'()\d/:#&;-]{0,60}?)\b<sitting>s?\b",
            (
                r"\b<sitting>s?\b[\w\s,.'()\d:/-]{0,50}?\b(?:is |are |was |be )?(?:continued|adjourned|postponed|"
                r"reset|rescheduled|cancell?ed|vacated)\b"
            ),
            r"\bcontinuance\b(?! of (?:\w+ ){0,2}deadlines?)",
            r"\bto continue\s*(?:$|as to|by\b|in interests)",
            r"\badjournment\b",
        ),
        motion="limit.extension_requested",
        order="hearing.rescheduled",
        notice="hearing.rescheduled",
        example="to continue the trial",
        kind="adjournment",
    ),
    ObjectRule(
        "more time",
        (
            (
                r"\b(?:extension|enlarg\w+|extend(?:ing|ed|s)?(?=.{0,90}\b(?:time|deadlines?|dates?|period|"
                r"exclusiv\w+|schedules?|discovery|days|response|briefing)\b|\s*$| (?:by|as|filed)\b|\s*\(| to "
                r"\d))\b(?! (?:of )?(?:the )?(?:automatic |section \d+ )?stay)(?! credit)"
            ),
            r"\badditional time\b",
            r"\bcontinu\w+ (?:of )?(?:\w+ ){0,2}deadlines?",
            r"\bexclusivity\b",
        ),
        motion="limit.extension_requested",
        order="limit.extended",
        notice="",
        example="for extension of time to answer",
        kind="extension",
    ),
    ObjectRule(
        "counsel",
        (
            r"\bpro hac vice\b",
            r"\bwithdraw(?:al)? (?:as|of) (?:attorney|counsel|\w+ as)",
            r"\bsubstitut\w+ (?:of )?(?:attorney|counsel)",
            r"\bappoint(?:ing|ment)? (?:of )?(?:\w+ )?counsel\b",
            r"\blimited admission\b",
            r"\b(?:verified petition for permission to practice)",
            r"\bassociation of counsel",
            r"\bwithdraw(?:al)? of appearance",
        ),
        motion="",
        order="counsel.changed",
        notice="",
        example="for admission pro hac vice",
        kind="counsel",
    ),
    ObjectRule(
        "evidence",
        (
            r"\bin limine\b",
            r"\bsuppress\w*\b",
            (
                r"\b(?:exclud\w+|preclud\w+|strik\w+)\b(?=.{0,60}\b(?:evidence|testimony|expert|witness|exhibit|"
                r"declaration|affidavit|opinion))"
            ),
            r"\bdaubert\b",
        ),
        motion="evidence.challenged",
        order="evidence.ruled",
        notice="",
        example="in limine to exclude testimony",
        refusal_too=True,
        needs_answer=True,
    ),
    ObjectRule(
        "secrecy",
        (
            r"\b(?:un)?seal(?:ing|ed)?\b(?! (?:indictment|letter|order\b))",
            r"\brestrict(?:ing)? public\b",
            r"\bredact(?:ion|ing)?\b",
        ),
        motion="",
        order="permission.changed",
        notice="",
        example="to file under seal",
        kind="seal",
    ),
    ObjectRule(
        "show cause",
        (r"\bto show cause\b",),
        motion="",
        order="case.materials_requested",
        notice="case.materials_requested",
        example="to show cause",
        kind="show_cause",
    ),
    ObjectRule(
        "relief from stay",
        (
            (
                r"\b(?:relief|reliev\w+|reinstat\w+|lift\w*|terminat\w+|modif\w+|vacat\w+|annul\w*|extend\w*|"
                r"extension of|impos\w+|continu\w+|no|in rem)\b[\w\s,.'()/-]{0,40}?\bstay\b"
            ),
            r"\bautomatic stay\b",
            r"\bstay relief\b",
            r"\bfrom (?:the )?(?:automatic )?stay\b",
        ),
        motion="",
        order="",
        notice="",
        example="for relief from the automatic stay",
        kind="relief",
    ),
    ObjectRule(
        "stay",
        (
            r"\bstay(?:ing|ed)?\b",
            r"\babeyance\b",
        ),
        motion="",
        order="limit.suspended",
        notice="",
        example="staying the proceedings",
        kind="stay",
    ),
    ObjectRule(
        "move the case",
        (
            r"\bremand(?:ing|ed)?\b",
            r"\bconsolidat(?:e|ing|ion)\b",
            r"\bjoint(?:ly)? administ\w+",
            r"\bchange (?:of )?venue\b",
            r"\btransfer(?:ring)? (?:of )?(?:the )?(?:venue|case|action|jurisdiction)\b",
            r"\btransferring (?:this )?(?:case|action)",
            r"\border of transfer\b",
            r"\bof transfer\b(?!.{0,20}claim)",
            r"\bremoval\b(?!.{0,20}stay)",
        ),
        motion="",
        order="case.transferred",
        notice="",
        example="for joint administration",
        kind="transfer",
    ),
    ObjectRule(
        "conversion",
        (r"\bconver(?:t|ting|sion)\b(?=.{0,40}\b(?:case|chapter|to\b))",),
        motion="",
        order="case.converted",
        notice="",
        example="to convert the case to chapter 7",
        kind="convert",
    ),
    ObjectRule(
        "vacate the end",
        (
            (
                r"\b(?:vacat\w+|set(?:ting)? aside|reinstat\w+|reconsider\w*|reopen\w*|defer\w*|delay\w*|"
                r"object\w* to|waiv\w+)\b.{0,60}?\b(?:dismiss\w*|discharge|case|judgment)\b"
            ),
        ),
        motion="",
        order="",
        notice="",
        example="vacating the dismissal",
    ),
    ObjectRule(
        "dismissal",
        (
            (
                r"(?<!claims\sis\s)(?<!claims\sare\s)(?<!counts\s)(?<!regarding\s)(?<!providing\sfor\s)(?<!intent"
                r"\sto\s)\bdismiss(?:ing|al|ed)?\b(?! only)(?!.{0,40}\b(?:part(?:y|ies)|counterclaim|in part|with "
                r"leave|hearing)\b)"
            ),
            r"\bdischarg(?:e|ing)\b(?=.{0,10}\b(?:of )?(?:debtor|the debtor|trustee|joint))",
            r"\bclos(?:e|ing) (?:the |this )?(?:\w+ )?(?:case|estate|proceeding)",
            r"\bfinal decree\b",
        ),
        motion="",
        order="case.closed",
        notice="",
        example="dismissing the case",
        kind="dismissal",
    ),
    ObjectRule(
        "sale procedure",
        (
            r"\b(?:bid(?:ding)?|sale) procedures?\b",
            r"\bbreak-?up fee",
            r"\bsales (?:and use )?tax",
        ),
        motion="",
        order="",
        notice="",
        example="approving bid procedures for the sale",
    ),
    ObjectRule(
        "sale",
        (
            r"\b(?:sale|sell|selling)\b",
            r"\babandon(?:ment|ing)?\b",
        ),
        motion="",
        order="property.disposed",
        notice="",
        example="approving the sale of real property",
        kind="sale",
    ),
    ObjectRule(
        "hearing",
        (
            (
                r"\b(?:set(?:s|ting)?|schedul(?:e|es|ing|ed)|will hold|notice (?:of(?! (?:\w+ )?agenda)|re:?)|"
                r"fixing|expedited?|accelerated?|(?:motion|request|order) for(?= (?:an? )?(?:[\w\-]+ "
                r")(0,2)?(?:(?:tele)?conference|hearing|oral argument)))\b[\w\s,.'()/-]{0,40}?\b<sitting>s?\b"
            ),
            (
                r"\b<sitting>s?\b[\w\s,.'()/&-]{0,60}?\b(?:set|scheduled|to be held|will be held|will be at|shall "
                r"be held)\b"
            ),
        ),
        motion="",
        order="hearing.scheduled",
        notice="hearing.scheduled",
        example="setting a hearing",
        kind="hearing",
    ),
)
