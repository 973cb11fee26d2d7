"""Filing: from the deposit of evidence to acceptance, seven days, counted anew once materials are supplied."""

from datetime import timedelta

from balance_chain.core.times import DAY_MS
from balance_chain.simulator import sources
from balance_chain.simulator.casefile import HOUR_MS, MINUTE_MS, CaseFile, at_office, day_start, local_day
from balance_chain.simulator.stages import accept, deposit_evidence
from balance_chain.simulator.trial import hearing


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


def received_on_appeal(case: CaseFile) -> None:
    """A court that joins the ledger at second instance: the case comes with its file."""
    transferred = {"court": case.court, "volumes": 2, "digests": case.digest("first-instance file")}
    case.add(sources.APPEAL, "appeal.transferred", transferred, ("clerk", case.staff.registrar))
    case.wait(1, 3)
    accept(case, case.plan.procedure)
