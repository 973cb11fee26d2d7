"""How a case goes: filing, service, evidence, hearings, limits, judgment, appeal, enforcement, archive.

Each stage is honest and within the law unless the plan says otherwise; what a plan changes stands in its stage.
"""

from datetime import timedelta
from typing import Final

from balance_chain.core.times import DAY_MS
from balance_chain.simulator import sources
from balance_chain.simulator.casefile import (
    HOUR_MS,
    MINUTE_MS,
    CaseFile,
    at_office,
    day_start,
    local_day,
    local_text,
    months_after,
)
from balance_chain.simulator.people import Person
from balance_chain.simulator.stages import (
    accept,
    appeal,
    deliberate,
    deposit_evidence,
    enforcement,
    pronounce,
    serve,
    trial_evidence,
)

LIMIT_MONTHS: Final = {"ordinary": 6, "simplified": 3, "small_claims": 2, "appeal": 3}
_HONEST_DAYS: Final = {"ordinary": (70, 140), "simplified": (35, 70), "small_claims": (24, 42), "appeal": (40, 70)}


def tell(case: CaseFile) -> None:
    """Tell the whole case."""
    if case.plan.procedure == "appeal":
        _received_on_appeal(case)
    else:
        filing(case)
        if case.accepted is None:
            return
    _assignment(case)
    pronounced = _pronounced_at(case)
    _preparation(case, pronounced)
    if case.plan.ending == "withdrawal":
        _withdrawal(case)
    elif case.plan.ending == "mediation":
        _mediation(case)
    else:
        _trial(case, pronounced)
        _judgment(case, pronounced)
        if case.plan.appealed:
            appeal(case)
        if case.plan.enforced:
            enforcement(case)
    _archive(case)


def filing(case: CaseFile) -> None:
    """起诉 to 立案: seven days, counted anew once materials that were asked for are supplied."""
    plan, staff, rng = case.plan, case.staff, case.rng
    case.add(sources.PARTY, "identity.verified", {"method": "face", "result": "passed"}, ("plaintiff", case.plaintiff))
    deposit_evidence(case)
    submitted = case.until(at_office(case.now, rng))
    case.add(sources.CASE, "case.submitted", _complaint(case), ("plaintiff", case.plaintiff))
    case.add(
        sources.PARTY,
        "counsel.changed",
        {"action": "appointed", "lawyer": case.lawyer, "client": dict(case.plaintiff), "authority": "general"},
        ("lawyer", case.lawyer),
    )
    if plan.early != "none":
        case.wait(0.6, 1.2)
        hearing(case, "mediation" if plan.early == "mediation" else "trial")
    if plan.early == "never_accepted":
        case.until(submitted + int(rng.uniform(4, 5) * DAY_MS))
        ground = {
            "reason": "jurisdiction",
            "grounds": "被告住所地不在本院辖区(演示)",
            "digests": case.digest("rejection"),
        }
        case.add(sources.CASE, "case.rejected", ground, ("judge", staff.judge))
        return
    match plan.filing:
        case "late":
            case.until(at_office(submitted + int(rng.uniform(30, 45) * DAY_MS), rng))
        case "last_day":
            last = day_start(local_day(submitted) + timedelta(days=7))
            case.until(last + 9 * HOUR_MS + rng.randrange(8 * 60) * MINUTE_MS)
        case "materials":
            case.wait(2, 4)
            asked = {"items": ["被告住所地证明", "身份证明"], "count": 2, "once": True}
            case.add(sources.CASE, "case.materials_requested", asked, ("clerk", staff.registrar))
            case.wait(8, 12)
            supplied = {"supplement": True, "channel": "online", "digests": case.digest("supplement")}
            case.add(sources.CASE, "case.submitted", supplied, ("plaintiff", case.plaintiff))
            case.wait(1, 3)
        case _:
            case.wait(1, 3)
    accept(case, plan.procedure)
    fee = {"amount": case.amount // 40 + 5000, "kind": "filing", "receipt": f"P{case.key}"}
    case.add(sources.CASE, "case.fee_paid", fee, ("plaintiff", case.plaintiff))


def hearing(case: CaseFile, kind: str, concluded: bool = False) -> str:
    """One hearing, held now; returns its id."""
    case.hearings += 1
    name = f"T{case.key}-{case.hearings}"
    length = case.rng.randrange(40, 180) * MINUTE_MS
    members = list(case.staff.judges[:3]) if case.plan.collegial else [case.staff.judge]
    held = {
        "kind": kind,
        "hearing_id": name,
        "ended": local_text(case.now + length),
        "mode": case.rng.choice(["online", "online", "in_person"]),
        "members": [dict(member) for member in members],
        "attendees": [dict(case.plaintiff), dict(case.defendant)],
        "public": kind == "trial",
    }
    if concluded:
        held["concluded"] = True
    case.add(sources.HEARING, "hearing.held", held, ("judge", members[0]))
    case.now += length
    transcript = {
        "hearing_id": name,
        "kind": "mediation" if kind == "mediation" else "hearing",
        "signers": [*(dict(member) for member in members), dict(case.staff.clerk)],
        "party_signers": [dict(case.plaintiff), dict(case.defendant)],
        "digests": case.digest(name),
        "pages": case.rng.randrange(4, 30),
    }
    case.add(
        sources.HEARING, "transcript.filed", transcript, ("clerk", case.staff.clerk), _transcript_lag(case, concluded)
    )
    return name


def _transcript_lag(case: CaseFile, concluded: bool) -> int | None:
    """R36 is planted in the transcript of the last hearing."""
    if not concluded or case.plan.recorded == "prompt":
        return None
    if case.plan.recorded == "late":
        return int(case.rng.uniform(4.2, 8) * DAY_MS)
    return 3 * DAY_MS - case.rng.randrange(20, 240) * MINUTE_MS


def _complaint(case: CaseFile) -> dict[str, object]:
    return {
        "cause": case.cause[0],
        "cause_code": case.cause[1],
        "amount": case.amount,
        "procedure": case.plan.procedure,
        "channel": "online",
        "parties_count": 2,
        "case_name": f"{case.plaintiff['name']}与{case.defendant['name']}{case.cause[0]}",
        "parties": [{"role": "原告", "name": case.plaintiff["name"]}, {"role": "被告", "name": case.defendant["name"]}],
        "claims": f"判令被告支付{case.amount // 100}元并承担诉讼费用",
        "digests": case.digest("complaint"),
    }


def _received_on_appeal(case: CaseFile) -> None:
    """A court that joins the ledger at second instance: the case comes with its file."""
    transferred = {"court": case.court, "volumes": 2, "digests": case.digest("first-instance file")}
    case.add(sources.APPEAL, "appeal.transferred", transferred, ("clerk", case.staff.registrar))
    case.wait(1, 3)
    accept(case, "appeal")


def _assignment(case: CaseFile) -> None:
    """分案, 组庭, 告知 within three days."""
    plan, staff = case.plan, case.staff
    instance = "second" if plan.procedure == "appeal" else "first"
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
    case.wait(0.5, 1)
    for kind in ("acceptance", "panel"):
        notice = {"kind": kind, "channel": "electronic", "recipients": [dict(case.plaintiff), dict(case.defendant)]}
        case.add(sources.SERVICE, "notice.issued", notice, ("clerk", staff.clerk))


def _pronounced_at(case: CaseFile) -> int:
    """When the judgment will be pronounced, so that the rest can be laid out before it."""
    assert case.accepted is not None
    plan, rng = case.plan, case.rng
    months = LIMIT_MONTHS[plan.procedure]
    accepted = local_day(case.accepted)
    due = months_after(accepted, months)
    extended = months_after(due, 6)
    low, high = _HONEST_DAYS[plan.procedure]
    days = {
        "within": (accepted, low, high),
        "last_days": (due, -4, -2),
        "over": (due, 25, 60),
        "extended": (due, 25, 80),
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
    if plan.procedure != "appeal":
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
    until = months_after(due, 6)
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


def _schedule(case: CaseFile, at: int) -> None:
    """排期 and the notice of it, at least three days ahead."""
    scheduled = {
        "at": local_text(at),
        "hearing_id": f"T{case.key}-{case.hearings + 1}",
        "kind": "trial",
        "place": "第三法庭",
    }
    case.add(sources.HEARING, "hearing.scheduled", scheduled, ("clerk", case.staff.clerk))
    notice = {
        "kind": "hearing",
        "at": local_text(at),
        "channel": "electronic",
        "recipients": [dict(case.plaintiff), dict(case.defendant)],
    }
    case.add(sources.SERVICE, "notice.issued", notice, ("clerk", case.staff.clerk))


def _trial(case: CaseFile, pronounced: int) -> None:
    """One hearing, or two where there is time; then evidence is examined and ruled upon."""
    rng = case.rng
    last = at_office(pronounced - rng.randint(9, 11) * DAY_MS, rng)
    first = at_office(last - rng.randint(14, 25) * DAY_MS, rng)
    if case.plan.procedure == "ordinary" and first > case.now + 6 * DAY_MS:
        case.until(at_office(first - 5 * DAY_MS, rng))
        _schedule(case, first)
        case.until(first)
        hearing(case, "trial")
    case.until(at_office(last - 6 * DAY_MS, rng))
    _schedule(case, last)
    case.until(last)
    name = hearing(case, "trial", concluded=True)
    if case.plan.procedure == "appeal":
        return
    judge = case.staff.judge
    examined = {"evidence_id": f"E{case.key}-1", "hearing_id": name, "undisputed": True}
    case.add(sources.JUDGE, "evidence.examined", examined, ("judge", judge))
    ruled = {"evidence_id": f"E{case.key}-1", "result": "admitted", "reason": "来源清楚，核验一致(演示)"}
    case.add(sources.JUDGE, "evidence.ruled", ruled, ("judge", judge))


def _judgment(case: CaseFile, pronounced: int) -> None:
    """合议, 阅核, 签署, 宣判, 送达, 结案."""
    plan, staff, rng = case.plan, case.staff, case.rng
    instance = "second" if plan.procedure == "appeal" else "first"
    members = [dict(judge) for judge in (staff.judges[:3] if plan.collegial else staff.judges[:1])]
    document = f"D{case.key}-1"
    case.wait(1, 2)
    if plan.collegial:
        similar = {"refs": [f"（2025）{case.court}民初{rng.randint(100, 9999)}号"], "deviates": False}
        case.add(sources.CLERK, "similar_case.reported", similar, ("judge", staff.judge))
        if plan.deliberated:
            deliberate(case, instance)
    reviewed = {"document_id": document, "kind": "judgment", "reviewer": dict(staff.president), "opinion": "agree"}
    case.wait(0.5, 2)
    case.add(sources.CASE, "document.reviewed", {**reviewed, "outcome_changed": False}, ("approver", staff.president))
    case.until(at_office(pronounced - DAY_MS, rng))
    signed = {
        "kind": "judgment",
        "document_id": document,
        "digests": case.digest(document),
        "signers": members,
        "instance": instance,
    }
    case.add(sources.CASE, "document.signed", signed, ("judge", members[0]))
    case.until(pronounced)
    pronounce(case, document, instance)
    if instance == "second":
        decided = {
            "result": rng.choice(["affirmed", "affirmed", "changed"]),
            "court": case.court,
            "digests": case.digest(document),
        }
        case.add(sources.APPEAL, "appeal.decided", decided, ("judge", members[0]))
    case.wait(0.2, 1)
    serve(case, "judgment", case.plaintiff)
    serve(case, "judgment", case.defendant)
    case.add(sources.CASE, "case.closed", {"mode": "judgment", "instance": instance}, ("clerk", staff.clerk))


def _withdrawal(case: CaseFile) -> None:
    motion = {"kind": "withdraw", "motion_id": f"M{case.key}-1", "text": "双方自行和解(演示)"}
    case.wait(3, 8)
    case.add(sources.PARTY, "motion.filed", motion, ("plaintiff", case.plaintiff))
    case.wait(1, 3)
    decided = {
        "result": "granted",
        "kind": "withdraw",
        "motion_id": f"M{case.key}-1",
        "digests": case.digest("withdrawal"),
    }
    case.add(sources.PARTY, "motion.decided", decided, ("judge", case.staff.judge))
    case.add(sources.CASE, "case.closed", {"mode": "withdrawal", "instance": "first"}, ("clerk", case.staff.clerk))


def _mediation(case: CaseFile) -> None:
    case.wait(4, 9)
    hearing(case, "mediation", concluded=True)
    case.wait(1, 2)
    document = f"D{case.key}-1"
    signed = {
        "kind": "mediation",
        "document_id": document,
        "digests": case.digest(document),
        "signers": [dict(case.staff.judge)],
    }
    case.add(sources.CASE, "document.signed", signed, ("judge", case.staff.judge))
    serve(case, "mediation", case.plaintiff)
    serve(case, "mediation", case.defendant)
    case.add(sources.CASE, "case.closed", {"mode": "mediation", "instance": "first"}, ("clerk", case.staff.clerk))


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
