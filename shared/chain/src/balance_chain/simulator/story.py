"""How a case goes, in order. Each stage is honest and within the law unless the plan says otherwise."""

from datetime import timedelta
from typing import Final

from balance_chain.core.times import DAY_MS
from balance_chain.simulator import sources
from balance_chain.simulator.casefile import CaseFile, at_office, day_start, local_day, months_after
from balance_chain.simulator.filing import filing, received_on_appeal
from balance_chain.simulator.people import Person
from balance_chain.simulator.plans import ON_APPEAL, instance_of
from balance_chain.simulator.stages import appeal, enforcement, serve, trial_evidence
from balance_chain.simulator.trial import judgment, mediation, review, trial, withdrawal

LIMIT_MONTHS: Final = {
    "ordinary": 6,
    "simplified": 3,
    "small_claims": 2,
    "appeal": 3,
    "retrial_review": 3,
    "retrial": 6,
    "administrative": 6,
    "administrative_appeal": 3,
    "criminal": 2,
    "criminal_appeal": 2,
}
SHORT: Final = frozenset({"simplified", "small_claims"})
"""The president extends them once, by a month; the ordinary procedure by six."""
_HONEST_DAYS: Final = {
    "ordinary": (70, 140),
    "simplified": (35, 70),
    "small_claims": (24, 42),
    "appeal": (40, 70),
    "retrial_review": (30, 70),
    "retrial": (70, 140),
    "administrative": (70, 140),
    "administrative_simplified": (28, 38),
    "administrative_appeal": (40, 70),
    "criminal": (35, 52),
    "criminal_simplified": (17, 18),
    "criminal_appeal": (35, 50),
}


def tell(case: CaseFile) -> None:
    """Tell the whole case."""
    if case.plan.procedure == "enforcement":
        enforcement(case)
        _archive(case)
        return
    if case.plan.procedure in ON_APPEAL:
        received_on_appeal(case)
    else:
        filing(case)
        if case.accepted is None:
            return
    _assignment(case)
    pronounced = _pronounced_at(case)
    _preparation(case, pronounced)
    if case.plan.ending == "withdrawal":
        withdrawal(case)
    elif case.plan.ending == "mediation":
        mediation(case)
    elif case.plan.procedure == "retrial_review":
        review(case, pronounced)
    else:
        trial(case, pronounced)
        judgment(case, pronounced)
        if case.plan.appealed:
            appeal(case)
        if case.plan.enforced:
            enforcement(case)
    _archive(case)


def _assignment(case: CaseFile) -> None:
    """分案, 组庭, 告知 within three days."""
    plan, staff = case.plan, case.staff
    instance = instance_of(plan.procedure)
    assigned = {"judge": dict(staff.judge), "role": "responsible", "mode": "random", "instance": instance}
    case.add(sources.CASE, "judge.assigned", assigned, ("clerk", staff.registrar))
    members = [dict(judge) for judge in (staff.judges[:3] if plan.collegial else staff.judges[:1])]
    formed = {
        "members": members,
        "presiding": dict(members[0]),
        "kind": "collegial" if plan.collegial else "sole",
        "instance": instance,
    }
    case.add(sources.CASE, "panel.formed", formed, ("clerk", staff.registrar))
    case.wait(0.1, 0.6)
    for kind in ("acceptance", "panel"):
        notice = {"kind": kind, "channel": "electronic", "recipients": [dict(case.plaintiff), dict(case.defendant)]}
        case.add(sources.SERVICE, "notice.issued", notice, ("clerk", staff.clerk))


def _pronounced_at(case: CaseFile) -> int:
    """When the judgment will be pronounced, so that the rest can be laid out before it."""
    assert case.accepted is not None
    plan, rng = case.plan, case.rng
    accepted = local_day(case.accepted)
    due = months_after(accepted, LIMIT_MONTHS.get(plan.procedure, 1))
    extended = months_after(due, 6)
    low, high = _HONEST_DAYS[plan.procedure]
    days = {
        "within": (accepted, low, high),
        "last_days": (due, -4, -2),
        "over": (due, 25, 60),
        "extended": (due, 10, 22) if plan.procedure in SHORT else (due, 25, 80),
        "extended_over": (extended, 25, 50),
        "suspended": (due, 20, 40),
        "converted": (accepted, 125, 160),
    }
    base, earliest, latest = days[plan.limit]
    return at_office(day_start(base + timedelta(days=rng.randint(earliest, latest))), rng)


def _preparation(case: CaseFile, pronounced: int) -> None:
    """Service of the complaint, the answer, evidence; reassignments, conversion and exclusions as planned."""
    assert case.accepted is not None
    plan, staff = case.plan, case.staff
    days = (pronounced - case.accepted) / DAY_MS
    case.wait(0.5, 1)
    serve(case, "complaint", case.defendant)
    case.wait(3, min(13, days / 6))
    answer = {"kind": "answer", "text": "不同意原告的诉讼请求(演示)", "digests": case.digest("answer")}
    case.add(sources.PARTY, "pleading.filed", answer, ("defendant", case.defendant))
    if plan.procedure not in (*ON_APPEAL, "retrial_review"):
        trial_evidence(case)
    judge = staff.judge
    for number, reason in enumerate(plan.reassigned, start=1):
        case.wait(2, 5)
        judge = _reassign(case, judge, staff.judges[2 + number], reason)
    if plan.limit == "converted":
        case.until(at_office(case.accepted + case.rng.randint(50, 75) * DAY_MS, case.rng))
        converted = {
            "from": "simplified",
            "to": "ordinary",
            "reason": "案情复杂(演示)",
            "requester": dict(judge),
            "approver": dict(staff.president),
        }
        case.add(sources.CASE, "case.converted", converted, ("judge", judge))
    if plan.limit == "suspended":
        _suspension(case, judge)
    if plan.limit in ("extended", "extended_over"):
        _extension(case, judge)


def _reassign(case: CaseFile, previous: Person, judge: Person, reason: str) -> Person:
    data = {
        "previous": dict(previous),
        "judge": dict(judge),
        "reason": reason,
        "mode": "random",
        "approver": dict(case.staff.president),
    }
    case.add(sources.CASE, "judge.reassigned", data, ("clerk", case.staff.registrar))
    return judge


def _suspension(case: CaseFile, judge: Person) -> None:
    """The days of an appraisal do not count: longer than what the judgment is over the six months."""
    assert case.accepted is not None
    name = f"KC{case.key}"
    case.until(at_office(case.accepted + case.rng.randint(45, 60) * DAY_MS, case.rng))
    start = {"action": "start", "ground": "appraisal", "suspension_id": name, "approver": dict(case.staff.president)}
    case.add(sources.JUDGE, "limit.suspended", start, ("judge", judge))
    case.until(at_office(case.now + case.rng.randint(65, 90) * DAY_MS, case.rng))
    resume = {"action": "resume", "ground": "appraisal", "suspension_id": name, "approver": dict(case.staff.president)}
    case.add(sources.JUDGE, "limit.suspended", resume, ("judge", judge))


def _extension(case: CaseFile, judge: Person) -> None:
    """Asked for at least 15 days and decided at least 5 days before the limit ends."""
    assert case.accepted is not None
    due = months_after(local_day(case.accepted), LIMIT_MONTHS[case.plan.procedure])
    until = months_after(due, 1 if case.plan.procedure in SHORT else 6)
    request = {
        "request_id": f"YS{case.key}",
        "due": due.isoformat(),
        "until": until.isoformat(),
        "requester": dict(judge),
        "level": "president",
        "count": 1,
    }
    case.until(at_office(day_start(due - timedelta(days=case.rng.randint(22, 30))), case.rng))
    case.add(sources.JUDGE, "limit.extension_requested", {**request, "reason": "案情复杂(演示)"}, ("judge", judge))
    case.until(at_office(day_start(due - timedelta(days=case.rng.randint(9, 14))), case.rng))
    approved = {**request, "approver": dict(case.staff.president)}
    case.add(sources.JUDGE, "limit.extended", approved, ("approver", case.staff.president))


def _archive(case: CaseFile) -> None:
    """归档, and who looked at the file: staff of the case, through the IAM and through the gate of the reading room."""
    case.wait(15, 30)
    staff = case.staff
    for source, viewer, role, purpose in (
        (sources.IAM, staff.clerk, "clerk", "archiving"),
        (sources.GATE, staff.archivist, "archive", "archiving"),
    ):
        viewed = {"viewer": dict(viewer), "viewer_role": role, "action": "view", "purpose": purpose, "count": 1}
        case.add(source, "access.viewed", viewed, ("viewer", viewer))
    sealed = {
        "archive_no": f"DA{case.key}",
        "volumes": 2,
        "pages": case.rng.randint(60, 400),
        "retention": "long",
        "digests": case.digest("archive"),
    }
    case.add(sources.ARCHIVE, "archive.sealed", sealed, ("officer", staff.archivist))
