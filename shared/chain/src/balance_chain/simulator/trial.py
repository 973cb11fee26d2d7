"""Hearings and how a case ends: judgment, mediation, withdrawal."""

from balance_chain.core.times import DAY_MS
from balance_chain.simulator import sources
from balance_chain.simulator.casefile import MINUTE_MS, CaseFile, at_office, local_text
from balance_chain.simulator.plans import ON_APPEAL, instance_of
from balance_chain.simulator.stages import deliberate, pronounce, serve


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
    if kind == "trial":
        held["concluded"] = concluded
    elif concluded:
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


def trial(case: CaseFile, pronounced: int) -> None:
    """One hearing, or two where there is time; then evidence is examined and ruled upon."""
    rng = case.rng
    # A panel that never deliberates lets the five working days pass, whatever the holidays (R09).
    silent = 10 if case.plan.collegial and not case.plan.deliberated else 0
    low, high = (1, 2) if case.plan.procedure == "criminal_simplified" else (9, 11)
    last = at_office(pronounced - (rng.randint(low, high) + silent) * DAY_MS, rng)
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
    if case.plan.procedure in ON_APPEAL:
        return
    judge = case.staff.judge
    examined = {"evidence_id": f"E{case.key}-1", "hearing_id": name, "undisputed": True}
    case.add(sources.JUDGE, "evidence.examined", examined, ("judge", judge))
    ruled = {"evidence_id": f"E{case.key}-1", "result": "admitted", "reason": "来源清楚，核验一致(演示)"}
    case.add(sources.JUDGE, "evidence.ruled", ruled, ("judge", judge))


def judgment(case: CaseFile, pronounced: int) -> None:
    """合议, 阅核, 签署, 宣判, 送达, 结案."""
    plan, staff, rng = case.plan, case.staff, case.rng
    instance = instance_of(plan.procedure)
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


def review(case: CaseFile, decided: int) -> None:
    """再审审查: the parties are heard, the panel deliberates, and a ruling ends the review."""
    staff, document = case.staff, f"D{case.key}-1"
    case.until(at_office(decided - 8 * DAY_MS, case.rng))
    hearing(case, "inquiry", concluded=True)
    case.wait(1, 2)
    deliberate(case, "retrial")
    case.until(decided)
    members = [dict(judge) for judge in staff.judges[:3]]
    signed = {"kind": "ruling", "document_id": document, "digests": case.digest(document), "signers": members}
    case.add(sources.CASE, "document.signed", signed, ("judge", members[0]))
    serve(case, "ruling", case.plaintiff)
    serve(case, "ruling", case.defendant)
    case.add(sources.CASE, "case.closed", {"mode": "dismissal", "instance": "retrial"}, ("clerk", staff.clerk))


def withdrawal(case: CaseFile) -> None:
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


def mediation(case: CaseFile) -> None:
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
