"""Acts and stages that plans do not change: acceptance, deposits, service, evidence, judgment, appeal, enforcement."""

from balance_chain.core.times import DAY_MS
from balance_chain.simulator import sources
from balance_chain.simulator.casefile import HOUR_MS, CaseFile, at_office, local_day, local_text
from balance_chain.simulator.people import Person
from balance_chain.simulator.plans import instance_of


def accept(case: CaseFile, procedure: str) -> None:
    """立案."""
    case.accepted = case.now
    accepted = {
        "procedure": procedure,
        "instance": instance_of(procedure),
        "cause": case.cause[0],
        "cause_code": case.cause[1],
        "amount": case.amount,
    }
    case.add(sources.CASE, "case.accepted", accepted, ("clerk", case.staff.registrar))


def deliberate(case: CaseFile, instance: str, members: list[Person] | None = None) -> None:
    """合议, signed by the whole panel."""
    signers = members or [dict(judge) for judge in case.staff.judges[:3]]
    held = {
        "body": "panel",
        "deliberation_id": f"H{case.key}-{instance}",
        "signers": signers,
        "unanimous": case.rng.random() < 0.9,
        "outcome": "部分支持原告的诉讼请求(演示)",
        "digests": case.digest(f"deliberation {instance}"),
        "instance": instance,
    }
    case.add(sources.CLERK, "deliberation.held", held, ("clerk", case.staff.clerk))


def pronounce(case: CaseFile, document: str, instance: str) -> None:
    """宣判."""
    pronounced = {
        "kind": "judgment",
        "document_id": document,
        "in_court": False,
        "outcome": case.rng.choice(["granted", "granted_in_part", "denied"]),
        "cause_code": case.cause[1],
        "amount": case.amount * case.rng.randint(30, 100) // 100,
        "digests": case.digest(document),
        "instance": instance,
    }
    case.add(sources.CASE, "judgment.pronounced", pronounced, ("judge", case.staff.judge))


def deposit_evidence(case: CaseFile) -> None:
    """存证 before filing: a screenshot and the log of the sale."""
    for number, (kind, media) in enumerate((("chat", "image/png"), ("transaction", "application/json")), start=1):
        deposited = {
            "evidence_id": f"E{case.key}-{number}",
            "cert_no": f"TP{case.key}-{number}",
            "digests": case.digest(f"evidence {number}"),
            "size": case.rng.randrange(2_000, 4_000_000),
            "media_type": media,
            "kind": kind,
            "title": "聊天记录" if kind == "chat" else "交易日志",
            "depositor": dict(case.plaintiff),
            "created": local_text(case.now - case.rng.randrange(20, 200) * DAY_MS),
            "real_name": True,
            "platform": "电子证据平台(演示)",
            "independent": True,
            "environment": "clean",
            "standard": "SF/T 0076-2020",
            "generation": "capture" if kind == "chat" else "system",
            "storage": "platform",
            "corroboration": ["timestamp"],
        }
        case.add(sources.EVIDENCE, "evidence.deposited", deposited, ("plaintiff", case.plaintiff))
    case.now += case.rng.randrange(4, 60) * HOUR_MS


def serve(case: CaseFile, doc: str, recipient: Person) -> None:
    """One document, sent and arrived."""
    name = f"S{case.key}-{len(case.drafts)}"
    sent = {
        "service_id": name,
        "doc": doc,
        "channel": "electronic",
        "consent_ref": f"TY{case.key}",
        "recipient": dict(recipient),
        "digests": case.digest(doc),
    }
    case.add(sources.SERVICE, "service.sent", sent, ("clerk", case.staff.clerk))
    completed = {
        "service_id": name,
        "doc": doc,
        "channel": "electronic",
        "receipt": f"HZ{name}",
        "arrived": local_text(case.now),
        "recipient": dict(recipient),
    }
    case.add(sources.SERVICE, "service.completed", completed)


def trial_evidence(case: CaseFile) -> None:
    """举证, 核验, 交换, and an appraisal where the plan has one."""
    judge = case.staff.judge
    case.wait(1, 3)
    for number in (1, 2):
        name, certificate, digests = (
            f"E{case.key}-{number}",
            f"TP{case.key}-{number}",
            case.digest(f"evidence {number}"),
        )
        submitted = {
            "evidence_id": name,
            "cert_no": certificate,
            "kind": "electronic",
            "purpose": "证明双方买卖合同关系(演示)",
            "digests": digests,
        }
        case.add(sources.PARTY, "evidence.submitted", submitted, ("plaintiff", case.plaintiff))
        verified = {"evidence_id": name, "result": "matched", "cert_no": certificate, "digests": dict(digests)}
        case.add(sources.EVIDENCE, "evidence.verified", verified, ("judge", judge))
    exchanged = {"evidence_ids": [f"E{case.key}-1", f"E{case.key}-2"], "mode": "online"}
    case.add(sources.JUDGE, "evidence.exchanged", exchanged, ("judge", judge))
    if case.plan.appraised:
        agency = {"id": f"AG{case.rng.randint(1, 12):02d}"}
        appraised = {
            "evidence_id": f"E{case.key}-2",
            "agency": dict(agency),
            "selection": "lottery",
            "rota": "电子数据鉴定名册(演示)",
            "rota_size": 12,
            "stage": "entrusted",
        }
        case.add(sources.EVIDENCE, "evidence.appraised", appraised, ("agency", agency))


def appeal(case: CaseFile) -> None:
    """上诉 within fifteen days, 移卷, and the second instance under the same subject."""
    case.wait(4, 11)
    court = sources.COURT_OF_APPEAL[case.court]
    number = f"（{local_day(case.now).year}）{court}民终{case.rng.randint(1, 99999)}号"
    filed = {"against": "judgment", "court": court, "grounds": "事实认定不清(演示)", "digests": case.digest("appeal")}
    case.add(sources.APPEAL, "appeal.filed", filed, ("appellant", case.defendant))
    case.wait(2, 4)
    transferred = {"court": court, "case_number": number, "volumes": 2, "digests": case.digest("file")}
    case.add(sources.APPEAL, "appeal.transferred", transferred, ("clerk", case.staff.clerk))
    case.wait(2, 4)
    accept(case, "appeal")
    members: list[Person] = [{"id": f"J{court[1:]}-{case.rng.randint(1, 9)}{number}"} for number in (1, 2, 3)]
    formed = {"members": members, "presiding": dict(members[0]), "kind": "collegial", "instance": "second"}
    case.add(sources.CASE, "panel.formed", formed, ("clerk", case.staff.registrar))
    case.wait(30, 50)
    deliberate(case, "second", [dict(member) for member in members])
    case.wait(2, 4)
    document = f"D{case.key}-2"
    signed = {
        "kind": "judgment",
        "document_id": document,
        "digests": case.digest(document),
        "signers": [dict(member) for member in members],
        "instance": "second",
    }
    case.add(sources.CASE, "document.signed", signed, ("judge", members[0]))
    case.wait(1, 2)
    pronounce(case, document, "second")
    decided = {
        "result": "affirmed",
        "court": court,
        "case_number": number,
        "members": [dict(member) for member in members],
    }
    case.add(sources.APPEAL, "appeal.decided", decided, ("judge", members[0]))
    case.add(sources.CASE, "case.closed", {"mode": "judgment", "instance": "second"}, ("clerk", case.staff.clerk))


def enforcement(case: CaseFile) -> None:
    """执行: notice within ten days, the sale of an asset, money in and out."""
    officer = ("officer", case.staff.officer)
    case.until(at_office(case.now + case.rng.randint(35, 50) * DAY_MS, case.rng))
    filed = {"amount": case.amount, "kind": "application", "basis": f"D{case.key}-1"}
    case.add(sources.ENFORCEMENT, "enforcement.filed", filed, ("applicant", case.plaintiff))
    case.wait(2, 5)
    notice = {"kind": "enforcement", "channel": "electronic", "recipients": [dict(case.defendant)]}
    case.add(sources.SERVICE, "notice.issued", notice, officer)
    case.wait(10, 20)
    agency = {"id": f"PM{case.rng.randint(1, 20):02d}"}
    disposed = {
        "agency": dict(agency),
        "selection": "lottery",
        "rota_size": 20,
        "action": "auctioned",
        "asset_id": f"C{case.key}",
        "amount": case.amount,
        "asset": "机动车一辆(演示)",
    }
    case.add(sources.ENFORCEMENT, "property.disposed", disposed, officer)
    case.wait(3, 8)
    payment = {"amount": case.amount, "payment_id": f"K{case.key}"}
    case.add(sources.ENFORCEMENT, "payment.received", dict(payment), officer)
    case.wait(3, 12)
    released = {**payment, "payee": dict(case.plaintiff), "approver": dict(case.staff.president)}
    case.add(sources.ENFORCEMENT, "payment.released", released, officer)
    case.add(sources.CASE, "case.closed", {"mode": "enforced", "instance": "enforcement"}, ("clerk", case.staff.clerk))
