"""What the API answers with: alerts and their revisions, the rule of each, and how far everything is."""

from typing import Any

from pydantic import BaseModel

from balance_judge_audit.explaining import Explanation
from balance_judge_audit.life.answers import LifeAnswer


class Trigger(BaseModel):
    """An event that an alert rests on."""

    role: str
    source: str
    id: str
    type: str
    time: str
    leaf: str
    offset: int
    shard: int


class Revision(BaseModel):
    """One numbered statement about an alert; `judged` is ledger time."""

    id: str
    revision: int
    rule: str
    version: str
    severity: str
    state: str
    subject: str
    start: str
    courtcode: str | None = None
    shard: int
    judged: str
    triggers: list[Trigger]
    numbers: dict[str, str | int]


class Alert(Revision):
    """The last revision of an alert, when it was first raised, and where its life stands (an escalation has none)."""

    raised: str
    stage: str | None = None
    level: str | None = None


class AlertPage(BaseModel):
    """Alerts, the latest first; `next` continues the list."""

    alerts: list[Alert]
    next: str | None


class AlertDetail(BaseModel):
    """An alert with everything that was said about it, how it comes about, and what people have done with it."""

    alert: Alert
    revisions: list[Revision]
    rule: dict[str, Any] | None
    statement: dict[str, str] | None
    """Of a statistical rule, by language: compared with whom, how far, how likely by chance."""
    explanation: Explanation
    life: LifeAnswer | None


class ShardStatus(BaseModel):
    """How far one shard is applied."""

    shard: int
    applied: int
    ledger_time: str


class Status(BaseModel):
    """How far everything is. `settled`: nothing that is known is still to be judged or sent, apart from due
    days ahead.
    """

    shards: list[ShardStatus]
    timers: int
    settling: int
    gaps: int
    held: int
    unsent: int
    unsent_events: int
    unreadable: int
    undeliverable: int
    alerts: dict[str, dict[str, int]]
    settled: bool
