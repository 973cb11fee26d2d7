"""Acts out of their order, or without the one that they need: R14 to R18 and R31 to R35."""

from typing import Any, Final

from balance_chain.simulator import sources
from balance_chain.simulator.casefile import MINUTE_MS, Draft
from balance_chain.simulator.model import digests
from balance_chain.simulator.people import Person
from balance_chain.simulator.plans import Plan
from balance_chain.simulator.world.scenario import (
    APPEALED,
    LONG,
    PANEL,
    SIMPLE,
    SOLE,
    Scenarios,
    Subtlety,
    nothing,
)
from balance_chain.simulator.world.tape import Tape, Unfit, days

ORDER: Final = Scenarios()
_FIRST: Final = (*SIMPLE, *LONG)
_MANY: Final = 10
_LARGE: Final = 10_000_000_000
ORDER.positive(
    "R14", "plain", "a trial in a case that was never accepted", (Plan("simplified", early="never_accepted"),)
)(nothing)


@ORDER.positive("R14", "blatant", "a trial before acceptance", (Plan("simplified", early="trial"),))
def _tried_before(tape: Tape) -> None:
    pass


@ORDER.positive("R14", "subtle", "a trial an hour before acceptance", (Plan("simplified", early="trial"),))
def _an_hour_before(tape: Tape) -> None:
    held = tape.first("hearing.held", kind="trial")
    tape.move(held, tape.first("case.accepted").ms - 60 * MINUTE_MS)


ORDER.honest("R14", "mediation before acceptance is no trial", (Plan("simplified", early="mediation"),))(nothing)


@ORDER.near("R14", "a trial within hours after acceptance", SIMPLE)
def _at_once(tape: Tape) -> None:
    held = tape.first("hearing.held", kind="trial")
    said = {**held.data, "hearing_id": held.data["hearing_id"] + "a", "concluded": False, "result": "continued"}
    accepted = tape.first("case.accepted").ms
    tape.put(accepted + 90 * MINUTE_MS, sources.HEARING, "hearing.held", said, ("judge", tape.case.staff.judge))


@ORDER.honest("R14", "moved from an older system: the acceptance was entered two days late", SIMPLE)
def _migrated(tape: Tape) -> None:
    tape.entered(tape.first("case.accepted"), days(2))


def _rule(tape: Tape, number: int, **said: Any) -> Draft:
    """Another piece of evidence is ruled upon, at the time of the first ruling."""
    first = tape.first("evidence.ruled")
    data = {**first.data, "evidence_id": f"E{tape.case.key}-{number}", **said}
    return tape.put(first.ms + 5 * MINUTE_MS, sources.JUDGE, "evidence.ruled", data, ("judge", tape.case.staff.judge))


@ORDER.positive("R15", "blatant", "admitted without any examination", _FIRST)
def _unexamined(tape: Tape) -> None:
    tape.drop(tape.all("evidence.examined"))


@ORDER.positive("R15", "plain", "one of two pieces examined, both admitted", _FIRST)
def _one_examined(tape: Tape) -> None:
    _rule(tape, 2)


@ORDER.positive("R15", "subtle", "examined only after it was relied upon", _FIRST)
def _examined_after(tape: Tape) -> None:
    tape.move(tape.first("evidence.examined"), tape.first("evidence.ruled").ms + 30 * MINUTE_MS)


@ORDER.near("R15", "not examined and not admitted", _FIRST)
def _excluded(tape: Tape) -> None:
    _rule(tape, 2, result="excluded")


@ORDER.honest("R15", "nobody disputes it, and the ruling says so", _FIRST)
def _undisputed(tape: Tape) -> None:
    _rule(tape, 2, undisputed=True)


def _further_evidence(tape: Tape, ms: int) -> None:
    data = {
        "evidence_id": f"E{tape.case.key}-9",
        "kind": "documentary",
        "purpose": "补充证明(演示)",
        "digests": tape.case.digest("evidence 9"),
    }
    tape.put(ms, sources.PARTY, "evidence.submitted", data, ("plaintiff", tape.case.plaintiff))


@ORDER.graded("R16", "evidence after the judgment", _FIRST)
def _after_judgment(tape: Tape, grade: Subtlety) -> None:
    after = {"blatant": days(12), "plain": days(3), "subtle": 40 * MINUTE_MS}[grade]
    _further_evidence(tape, tape.first("judgment.pronounced").ms + after)


@ORDER.near("R16", "evidence an hour before the judgment", _FIRST)
def _before_judgment(tape: Tape) -> None:
    _further_evidence(tape, tape.first("judgment.pronounced").ms - 60 * MINUTE_MS)


@ORDER.near("R16", "evidence after an appeal", APPEALED)
def _after_appeal(tape: Tape) -> None:
    _further_evidence(tape, tape.first("appeal.filed").ms + days(1))


@ORDER.near("R16", "evidence in the enforcement", (Plan("simplified", enforced=True),))
def _in_enforcement(tape: Tape) -> None:
    _further_evidence(tape, tape.first("enforcement.filed").ms + days(1))


@ORDER.honest("R16", "a retrial was opened, and evidence comes with it", (Plan("simplified"),))
def _retried(tape: Tape) -> None:
    end = tape.last("case.closed").ms
    accepted = {"procedure": "retrial", "instance": "retrial", "cause": tape.case.cause[0]}
    tape.put(end + days(20), sources.CASE, "case.accepted", accepted, ("clerk", tape.case.staff.registrar))
    _further_evidence(tape, end + days(24))


def _without_one(draft: Draft) -> list[Person]:
    signers: list[Person] = draft.data["signers"]
    if len(signers) < 3:
        raise Unfit("panel")
    return signers[:-1]


@ORDER.positive("R17", "blatant", "the judgment signed by one member of the panel", PANEL)
def _one_signs(tape: Tape) -> None:
    signed = tape.first("document.signed", kind="judgment")
    tape.change(signed, signers=signed.data["signers"][:1])


@ORDER.positive("R17", "plain", "a member did not sign the judgment", PANEL)
def _one_missing(tape: Tape) -> None:
    signed = tape.first("document.signed", kind="judgment")
    tape.change(signed, signers=_without_one(signed))


@ORDER.positive("R17", "subtle", "a member did not sign the record of the deliberation", PANEL)
def _record_unsigned(tape: Tape) -> None:
    held = tape.first("deliberation.held")
    tape.change(held, signers=_without_one(held))


@ORDER.positive("R17", "subtle", "somebody else signed in a member's place", PANEL)
def _another_signs(tape: Tape) -> None:
    signed = tape.first("document.signed", kind="judgment")
    tape.change(signed, signers=[*_without_one(signed), dict(tape.case.staff.judges[6])])


@ORDER.near("R17", "the clerk signs as well", PANEL)
def _clerk_signs(tape: Tape) -> None:
    for each in (tape.first("document.signed", kind="judgment"), tape.first("deliberation.held")):
        tape.change(each, signers=[*each.data["signers"], dict(tape.case.staff.clerk)])


@ORDER.positive("R18", "blatant", "no deliberation at all", PANEL, also=("R09",))
def _never_deliberated(tape: Tape) -> None:
    held = tape.last("hearing.held", kind="trial", concluded=True).ms
    tape.drop(tape.all("deliberation.held"))
    tape.shift([each for each in tape.drafts if each.ms > held + days(0.5)], days(14))


@ORDER.positive("R18", "subtle", "deliberated an hour after the judgment was signed", PANEL)
def _deliberated_after(tape: Tape) -> None:
    signed = tape.first("document.signed", kind="judgment")
    held = tape.first("deliberation.held")
    tape.move(signed, held.ms - 60 * MINUTE_MS)


@ORDER.positive("R18", "plain", "only a meeting of judges, who decide nothing", PANEL, also=("R09",))
def _meeting_only(tape: Tape) -> None:
    held = tape.last("hearing.held", kind="trial", concluded=True).ms
    tape.change(tape.first("deliberation.held"), body="judges_meeting")
    tape.shift([each for each in tape.drafts if each.ms > held + days(0.5)], days(14))


@ORDER.near("R18", "the judicial committee deliberated", PANEL)
def _committee(tape: Tape) -> None:
    tape.change(tape.first("deliberation.held"), body="committee")


ORDER.honest("R18", "a sole judge need not deliberate", SOLE)(nothing)


def _many_parties(tape: Tape, parties: int | None, amount: int | None) -> None:
    for each in tape.all("case.submitted", "case.accepted"):
        said = {"amount": amount} if amount else {}
        if parties and each.type == "case.submitted":
            said["parties_count"] = parties
        tape.change(each, **said)


def _flag(tape: Tape, ms: int, **said: Any) -> None:
    data = {"kind": "mass", "action": "set", "approver": dict(tape.case.staff.president), **said}
    tape.put(ms, sources.CASE, "case.flagged", data, ("judge", tape.case.staff.judge))


@ORDER.graded("R31", "very many parties or a very large amount, and no flag", _FIRST)
def _unflagged(tape: Tape, grade: Subtlety) -> None:
    match grade:
        case "blatant":
            _many_parties(tape, 60, _LARGE * 3)
        case "plain":
            _many_parties(tape, None, _LARGE + 1)
        case "subtle":
            _many_parties(tape, _MANY, None)


@ORDER.positive("R31", "subtle", "flagged only after the trial", _FIRST)
def _flagged_late(tape: Tape) -> None:
    _many_parties(tape, _MANY + 5, None)
    _flag(tape, tape.last("hearing.held", kind="trial").ms + days(1))


@ORDER.near("R31", "flagged an hour before the trial", _FIRST)
def _flagged(tape: Tape) -> None:
    _many_parties(tape, _MANY + 5, None)
    _flag(tape, tape.first("hearing.held", kind="trial").ms - 60 * MINUTE_MS)


@ORDER.near("R31", "one party and one fen less than the list has it", _FIRST)
def _just_below(tape: Tape) -> None:
    _many_parties(tape, _MANY - 1, _LARGE - 1)


def _review(tape: Tape, **said: Any) -> Draft:
    return tape.change(tape.first("document.reviewed"), **said)


def _two_drafts(tape: Tape) -> dict[str, Any]:
    return {
        "previous_digests": digests(tape.case.key, "draft"),
        "digests": digests(tape.case.key, "draft, changed"),
    }


def _supervised(tape: Tape, ms: int, **said: Any) -> None:
    president = tape.case.staff.president
    data = {"measure": "report", "supervisor": dict(president), "target": dict(tape.case.staff.judge), **said}
    tape.put(ms, sources.AUDIT, "supervision.acted", data, ("approver", president))


@ORDER.positive("R32", "plain", "the reviewer only agreed, and the draft was another one afterwards", _FIRST)
def _quietly_changed(tape: Tape) -> None:
    _review(tape, **_two_drafts(tape))


@ORDER.positive("R32", "subtle", "a trace of supervision, but of another document", _FIRST)
def _another_trace(tape: Tape) -> None:
    reviewed = _review(tape, **_two_drafts(tape))
    _supervised(tape, reviewed.ms + 60 * MINUTE_MS, document_id=f"D{tape.case.key}-8")


@ORDER.near("R32", "the draft changed, and the supervision is on record", _FIRST)
def _traced(tape: Tape) -> None:
    reviewed = _review(tape, **_two_drafts(tape))
    _supervised(tape, reviewed.ms + 60 * MINUTE_MS)


@ORDER.near("R32", "reviewed and the same afterwards", _FIRST)
def _unchanged(tape: Tape) -> None:
    _review(tape, previous_digests=digests(tape.case.key, "draft"), digests=digests(tape.case.key, "draft"))


@ORDER.honest("R32", "the reviewer suggests changes, and the judge makes them", _FIRST)
def _suggested(tape: Tape) -> None:
    _review(tape, opinion="suggest", **_two_drafts(tape))


@ORDER.positive("R33", "blatant", "the reviewer alters the outcome", _FIRST)
def _overridden(tape: Tape) -> None:
    _review(tape, opinion="altered", outcome_changed=True)


@ORDER.positive("R33", "plain", "agreed, and yet the outcome is another", _FIRST)
def _outcome_changed(tape: Tape) -> None:
    _review(tape, outcome_changed=True)


@ORDER.positive("R33", "subtle", "the committee met, but only after the reviewer had altered the outcome", PANEL)
def _committee_after(tape: Tape) -> None:
    reviewed = _review(tape, opinion="altered")
    _committee_at(tape, reviewed.ms + 60 * MINUTE_MS)


def _committee_at(tape: Tape, ms: int) -> None:
    signers = [dict(judge) for judge in tape.case.staff.judges[3:6]]
    held = {"body": "committee", "deliberation_id": f"W{tape.case.key}", "signers": signers, "unanimous": True}
    tape.put(ms, sources.CLERK, "deliberation.held", held, ("clerk", tape.case.staff.clerk))


@ORDER.near("R33", "altered as the judicial committee had decided", PANEL)
def _committee_before(tape: Tape) -> None:
    reviewed = _review(tape, opinion="altered", outcome_changed=True)
    _committee_at(tape, reviewed.ms - 60 * MINUTE_MS)


@ORDER.honest("R33", "the reviewer sends the case to the committee", PANEL)
def _sent_to_the_committee(tape: Tape) -> None:
    reviewed = _review(tape, opinion="committee")
    _committee_at(tape, reviewed.ms + 120 * MINUTE_MS)


def _other_text(tape: Tape) -> dict[str, str]:
    return digests(tape.case.key, "another text")


@ORDER.positive("R35", "blatant", "another text pronounced than was signed", (*_FIRST, *PANEL))
def _another_text(tape: Tape) -> None:
    tape.change(tape.first("judgment.pronounced"), digests=_other_text(tape))


@ORDER.positive("R35", "plain", "the document amended without a ruling of correction", (*_FIRST, *PANEL))
def _amended(tape: Tape) -> None:
    _amend(tape, ruling=False)


@ORDER.positive("R35", "subtle", "one party is served another text", (*_FIRST, *PANEL))
def _served_another(tape: Tape) -> None:
    signed = tape.first("document.signed", kind="judgment").data["document_id"]
    sent = tape.last("service.sent", doc="judgment")
    tape.change(sent, document_id=signed, digests=_other_text(tape))


def _amend(tape: Tape, ruling: bool) -> None:
    signed = tape.first("document.signed", kind="judgment")
    data = {
        "kind": "document",
        "document_id": signed.data["document_id"],
        "before": dict(signed.data["digests"]),
        "after": _other_text(tape),
        "correction_ruling": ruling,
        "requester": dict(tape.case.staff.clerk),
        "approver": dict(tape.case.staff.president),
    }
    ms = tape.first("judgment.pronounced").ms + 30 * MINUTE_MS
    tape.put(ms, sources.ARCHIVE, "record.amended", data, ("clerk", tape.case.staff.clerk))


@ORDER.honest("R35", "corrected by a ruling, and served as corrected", (*_FIRST, *PANEL))
def _corrected(tape: Tape) -> None:
    _amend(tape, ruling=True)
    signed = tape.first("document.signed", kind="judgment").data["document_id"]
    for sent in tape.all("service.sent", doc="judgment"):
        tape.change(sent, document_id=signed, digests=_other_text(tape))


@ORDER.near("R35", "served as it was signed", (*_FIRST, *PANEL))
def _served_as_signed(tape: Tape) -> None:
    signed = tape.first("document.signed", kind="judgment").data
    for sent in tape.all("service.sent", doc="judgment"):
        tape.change(sent, document_id=signed["document_id"], digests=dict(signed["digests"]))
