"""What the API and the pages say of an alert's life: where it stands, its timeline with proofs, and who spoke."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from balance_chain.core.times import format_ms
from balance_chain.runtime.casekeys import CaseKeyStore
from pydantic import BaseModel

from balance_judge_audit.engine.escalation import LEVELS
from balance_judge_audit.engine.life import Act, Entry, Escalation, Life, Occurrence
from balance_judge_audit.life.acting import Standing
from balance_judge_audit.life.people import Person
from balance_judge_audit.life.words import opened
from balance_judge_audit.queries_life import StoredAction


class Line(BaseModel):
    """One line of the timeline; `time` is ledger time. `refused`: it is sealed and had no effect, and why."""

    time: str
    kind: str
    stage: str
    revision: int | None = None
    state: str | None = None
    level: str | None = None
    answered: str | None = None
    act: str | None = None
    by: str | None = None
    name: str | None = None
    verdict: str | None = None
    cause: str | None = None
    assignee: str | None = None
    reason: str | None = None
    refused: str | None = None
    refused_until: str | None = None
    reopened: bool = False
    proof: str | None = None


class Waiting(BaseModel):
    """An act on its way to be sealed, or refused on the way."""

    id: str
    act: str
    by: str
    state: str


class LifeAnswer(BaseModel):
    """Where an alert stands. People are named by the register's id; names are of the people file, for who is signed in.

    `news`: the rule has said more since the alert was settled.
    """

    stage: str
    state: str
    level: str
    raised: str
    due: str | None
    assignee: str | None
    verdict: str | None
    cause: str | None
    news: bool
    subjects: list[str]
    replied: list[str]
    reply_until: str | None
    timeline: list[Line]
    waiting: list[Waiting]


async def life_answer(
    standing: Standing,
    sealed: Mapping[tuple[int, int], dict[str, Any]],
    names: Mapping[str, Person],
    keys: CaseKeyStore | None,
    verifier: str,
) -> LifeAnswer:
    """The answer; `keys` opens what people have written, for who may read it."""
    life: Life = standing.life
    lines = [await _line(entry, sealed, names, keys, verifier) for entry in life.entries]
    lines.reverse()
    return LifeAnswer(
        stage=life.stage,
        state=life.state,
        level=LEVELS[life.level],
        raised=format_ms(life.raised),
        due=_time(life.due),
        assignee=_name(life.assignee, names),
        verdict=life.verdict,
        cause=life.cause,
        news=life.news,
        subjects=sorted(life.subjects),
        replied=sorted(life.replied),
        reply_until=_time(life.reply_until) if life.subjects else None,
        timeline=lines,
        waiting=[_waiting(each) for each in standing.waiting],
    )


async def _line(
    entry: Entry,
    sealed: Mapping[tuple[int, int], dict[str, Any]],
    names: Mapping[str, Person],
    keys: CaseKeyStore | None,
    verifier: str,
) -> Line:
    item = entry.item
    if isinstance(item, Occurrence):
        return Line(
            time=format_ms(item.time),
            kind="revision",
            stage=entry.stage,
            revision=item.revision,
            state=item.state,
            reopened=entry.reopened,
        )
    if isinstance(item, Escalation):
        return Line(time=format_ms(item.due), kind="escalation", stage=entry.stage, level=LEVELS[item.level])
    event = sealed.get((item.shard, item.offset), {})
    return Line(
        time=format_ms(item.time),
        kind="act",
        stage=entry.stage,
        revision=item.revision,
        act=item.name,
        by=item.actor,
        name=_name(item.actor, names),
        verdict=item.verdict,
        cause=item.cause,
        assignee=_name(item.assignee, names),
        reason=await opened(event, _field(item), keys) if item.reasoned else None,
        refused=entry.refusal.code if entry.refusal else None,
        refused_until=_time(entry.refusal.until) if entry.refusal else None,
        reopened=entry.reopened,
        proof=proof_link(verifier, event["source"], event["id"]) if event else None,
    )


def event_link(verifier: str, source: str, id_: str) -> str:
    """Where the verifier shows an event."""
    return f"{verifier.rstrip('/')}/v1/events/{quote(source, safe='')}/{quote(id_, safe='')}"


def proof_link(verifier: str, source: str, id_: str) -> str:
    """Where the verifier proves an event."""
    return event_link(verifier, source, id_) + "/proof"


def _field(act: Act) -> str:
    return "note" if act.name == "close" else "reason"


def _waiting(action: StoredAction) -> Waiting:
    return Waiting(id=action.event_id, act=str((action.act or {}).get("name")), by=action.person, state=action.state)


def _time(ms: int | None) -> str | None:
    return None if ms is None else format_ms(ms)


def _name(ref: str | None, names: Mapping[str, Person]) -> str | None:
    return None if ref is None else names[ref].name if ref in names else ref
