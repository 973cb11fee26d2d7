"""The demo's sources: one for each upstream system of the domain, the docket importer, and this product's own pages.

URIs, tokens and keys do not depend on a simulation's seed, so one register serves every run.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

from nacl.signing import SigningKey

from balance_chain.simulator.model import Registration

PREFIX: Final = "urn:balance-demo:"
"""Not urn:balance:, which is the ledger's own."""

CASE: Final = PREFIX + "case-system"
PARTY: Final = PREFIX + "party-platform"
SERVICE: Final = PREFIX + "service-platform"
EVIDENCE: Final = PREFIX + "evidence-platform"
HEARING: Final = PREFIX + "court-system"
JUDGE: Final = PREFIX + "judge-desk"
CLERK: Final = PREFIX + "clerk-desk"
APPEAL: Final = PREFIX + "courts"
ENFORCEMENT: Final = PREFIX + "enforcement-system"
ARCHIVE: Final = PREFIX + "archive-system"
IAM: Final = PREFIX + "iam"
AUDIT: Final = PREFIX + "audit-office"
GATE: Final = PREFIX + "access-gate"
"""The source whose feed has the planted gap (R38)."""
RECAP: Final = PREFIX + "recap"
CONSOLE: Final = PREFIX + "console"
JUDGE_AUDIT: Final = PREFIX + "judge-audit"
VISITOR: Final = PREFIX + "visitor"
"""For a person who tries the product by hand: nothing simulated comes from it, so its counter starts at "1"."""

STAFF: Final = PREFIX + "staff"
"""The register of court staff, lawyers and agencies: by one id all sources but the importer mean one person."""

COURT_OF_APPEAL: Final = {"京0491": "京04", "浙0192": "浙01", "粤0192": "粤01", "京0105": "京03", "沪0115": "沪01"}
"""The courts of first instance that the simulated sources speak for, and their courts of appeal."""
COURTS: Final = (*COURT_OF_APPEAL.keys(), *COURT_OF_APPEAL.values())


@dataclass(frozen=True, slots=True)
class _Definition:
    uri: str
    zh: str
    en: str
    types: tuple[str, ...]
    courts: tuple[str, ...] = COURTS
    transport: Literal["http", "kafka"] = "http"


def _types(*names: str) -> tuple[str, ...]:
    """`case: submitted accepted` stands for case.submitted and case.accepted."""
    return tuple(
        f"{group}.{name}" for line in names for group, _, rest in [line.partition(": ")] for name in rest.split()
    )


# Only ever add at the end: a registration's place is its number in the feed that puts the register on the chain.
_DEFINITIONS: Final = (
    _Definition(
        CASE,
        "审判流程管理系统(演示)",
        "Case management system (demo)",
        _types(
            "case: submitted materials_requested accepted rejected fee_paid flagged converted transferred closed",
            "judge: assigned reassigned",
            "panel: formed changed",
            "recusal: requested decided",
            "document: reviewed signed",
            "judgment: pronounced",
            "source: heartbeat",
        ),
    ),
    _Definition(
        PARTY,
        "当事人诉讼平台(演示)",
        "Litigation platform of the parties (demo)",
        _types(
            "identity: verified",
            "counsel: changed",
            "pleading: filed",
            "motion: filed decided",
            "evidence: submitted challenged withdrawn",
        ),
    ),
    _Definition(
        SERVICE,
        "电子送达平台(演示)",
        "Service platform (demo)",
        _types("service: sent completed failed", "notice: issued"),
    ),
    _Definition(
        EVIDENCE,
        "电子证据平台(演示)",
        "Evidence platform (demo)",
        _types("evidence: deposited verified appraised"),
        transport="kafka",
    ),
    _Definition(
        HEARING,
        "庭审系统(演示)",
        "Hearing system (demo)",
        _types("hearing: scheduled rescheduled held", "transcript: filed"),
    ),
    _Definition(
        JUDGE,
        "法官办案系统(演示)",
        "Judge's desk (demo)",
        _types("limit: extension_requested extended suspended", "evidence: exchanged examined ruled"),
    ),
    _Definition(
        CLERK,
        "书记员办案系统(演示)",
        "Clerk's desk (demo)",
        _types("deliberation: held", "similar_case: reported"),
    ),
    _Definition(
        APPEAL, "一审、二审法院(演示)", "Courts of both instances (demo)", _types("appeal: filed transferred decided")
    ),
    _Definition(
        ENFORCEMENT,
        "执行系统(演示)",
        "Enforcement system (demo)",
        _types("enforcement: filed", "property: disposed", "payment: received released"),
    ),
    _Definition(ARCHIVE, "档案系统(演示)", "Archive (demo)", _types("archive: sealed", "record: amended")),
    _Definition(
        IAM, "身份与权限系统(演示)", "Identity and access (demo)", _types("access: viewed", "permission: changed")
    ),
    _Definition(
        AUDIT,
        "审判监督部门(演示)",
        "Audit office (demo)",
        _types("supervision: acted", "interference: recorded", "relation: declared"),
    ),
    _Definition(GATE, "阅卷门禁(演示,含断档)", "Reading-room gate (demo, with a gap)", _types("access: viewed")),
    _Definition(RECAP, "美国联邦法院案卷导入", "Importer of United States dockets", ("*",), ("*",)),
    _Definition(
        CONSOLE,
        "预警处置台",
        "Console",
        _types(
            "alert: acted closed", "access: viewed", "rule: changed", "role: changed", "source: changed", "key: erased"
        ),
        ("*",),
    ),
    _Definition(
        JUDGE_AUDIT,
        "审判监督引擎",
        "Judge-audit engine",
        _types("alert: raised acted closed", "rule: changed", "role: changed"),
        ("*",),
    ),
    _Definition(
        VISITOR,
        "体验者",
        "Visitor, by hand",
        _types("case: submitted accepted", "hearing: held", "evidence: deposited submitted", "judge: reassigned"),
        ("*",),
    ),
)


def registrations(seed: int = 0) -> list[Registration]:
    """The demo's sources with tokens and keys that ANYBODY CAN COMPUTE from the seed. For a demo on one machine only.

    Deterministic, so that a demo started twice has the same register.
    """
    return [_registration(definition, seed) for definition in _DEFINITIONS]


def _registration(definition: _Definition, seed: int) -> Registration:
    def secret(purpose: str) -> bytes:
        return hashlib.sha256(f"balance-demo {seed} {purpose} {definition.uri}".encode()).digest()

    private_seed = secret("key") if definition.transport == "kafka" else None
    return Registration(
        uri=definition.uri,
        zh=definition.zh,
        en=definition.en,
        transport=definition.transport,
        types=definition.types,
        courts=definition.courts,
        token="demo-" + secret("token").hex()[:40],
        private_seed=private_seed,
        public_key=bytes(SigningKey(private_seed).verify_key) if private_seed else None,
        staff=None if definition.uri == RECAP else STAFF,
    )
