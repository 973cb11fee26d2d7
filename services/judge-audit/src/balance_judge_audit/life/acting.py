"""An act on an alert: checked against what is sealed and what is on its way, then put where the worker sends it.

Nothing is changed here. The act is shown as pending until it comes back from the sealed log, where the same rules
(engine.life) decide again, in the order of the log.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from balance_chain.core.canonical import encode
from balance_chain.core.times import format_ms
from balance_chain.web.problems import FieldError, ProblemError

from balance_judge_audit import queries_life, repository_life
from balance_judge_audit.chainsubject import chain_subject
from balance_judge_audit.engine.life import SETTLED, VERDICTS, Act, Life, Refusal, live, refusal
from balance_judge_audit.engine.shard import Places
from balance_judge_audit.life.access import Access
from balance_judge_audit.life.people import MAY, People, Person
from balance_judge_audit.life.policy import CourtTerms, LifePolicy
from balance_judge_audit.queries_life import StoredAction
from balance_judge_audit.repository import Connection, Pool
from balance_judge_audit.repository_life import Story

TYPE: Final = "urn:balance:problem:act-refused"
REASONS: Final[dict[str, tuple[str, str]]] = {
    "not_raised": ("the alert is not public", "wait until it is raised"),
    "not_subject": ("only whom the alert is about replies to it", "comment instead"),
    "about_himself": ("nobody disposes of an alert about himself", "reply to it; somebody else decides"),
    "deputy": ("you are the deputy of somebody whom the alert is about", "leave it to somebody else"),
    "no_actor": ("the log does not say who acted", "act as a person of the people file"),
    "wrong_stage": ("the alert is not at a stage at which this can be done", "look at its timeline"),
    "no_reason": ("this needs a reason", "give one"),
    "no_verdict": ("this verdict does not go with the act", "confirm: breach; dismiss: no_breach, data_error, excused"),
    "no_assignee": ("nobody of the people file is named", "name somebody else who handles alerts"),
    "assigned_to_subject": ("the alert is about the person named", "name somebody else"),
    "top_level": ("the alert is at the highest level", "decide on it there"),
    "changed_since": ("the rule has said more since the revision that you saw", "read the alert again"),
    "unheard": ("whom the alert is about has not been heard", "wait for the reply, or until its time is over"),
    "role": ("your role does not do this", "ask somebody whose role does"),
    "not_known": ("your role is not sealed yet, so the register's id of you is not known", "try again in a moment"),
}
"""Why an act is refused: what is wrong, and what to do. The pages have the same in both languages."""
FORBIDDEN: Final = frozenset({"about_himself", "deputy", "role", "not_subject"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to do; `id` is his own, and makes the same request one act."""

    id: str
    act: str
    reason: str | None = None
    verdict: str | None = None
    assignee: str | None = None
    """A person of the file."""
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert's story, its life as sealed, and what is on its way."""

    story: Story
    life: Life
    terms: CourtTerms
    now: int
    waiting: tuple[StoredAction, ...]

    @property
    def expected(self) -> Life:
        """The life once everything that is on its way is sealed."""
        acts = [_act(each.act, each.event_id, self.now, number) for number, each in enumerate(self.waiting) if each.act]
        return live((*self.story.items, *acts), self.terms, self.now)


class Acting:
    """Takes acts of people; the answer is where each stands."""

    def __init__(self, access: Access, policy: LifePolicy, places: Places, source: str) -> None:
        self._access = access
        self._policy = policy
        self._places = places
        self._source = source

    async def standing(self, connection: Connection, alert_id: str) -> Standing | None:
        """Where an alert stands now; None for what has no life of its own."""
        story = (await repository_life.stories(connection, [alert_id])).get(alert_id)
        if story is None:
            return None
        head = story.head
        terms = self._policy.terms(head.severity, self._places(head.courtcode, head.subject))
        shard_time = await queries_life.ledger_time(connection, head.shard)
        now = max([shard_time, *(item.time for item in story.items)])
        waiting = tuple(await queries_life.on_their_way(connection, alert_id))
        waiting = tuple(each for each in waiting if each.state in ("pending", "sent"))
        return Standing(story, live(story.items, terms, now), terms, now, waiting)

    async def act(self, pool: Pool, person: Person, alert_id: str, asked: Asked, now_ms: int) -> StoredAction:
        """Takes an act; the same one again is answered with where it stands, another one under its id refused."""
        event_id = f"{alert_id}.{hashlib.sha256(encode([person.id, asked.id])).hexdigest()[:32]}"
        digest = hashlib.sha256(encode([alert_id, *(str(part) for part in _parts(asked))])).digest()
        async with pool.acquire() as connection, connection.transaction():
            await queries_life.lock_alert(connection, alert_id)
            known = await queries_life.action(connection, event_id)
            if known is not None:
                if known.digest != digest:
                    fault = FieldError("/id", "was used for something else", "give each act an id of its own")
                    raise ProblemError(409, "This id is taken", errors=(fault,))
                return known
            standing = await self.standing(connection, alert_id)
            if standing is None:
                raise ProblemError(409, "This cannot be acted on", "an escalation is answered by acting on its alert")
            event, act = await self._event(standing, person, asked, event_id, now_ms)
            summary = {name: getattr(act, name) for name in _SUMMARY}
            await queries_life.ask(connection, event, person.id, digest, alert_id, summary)
            made = await queries_life.action(connection, event_id)
            assert made is not None
            return made

    async def _event(
        self, standing: Standing, person: Person, asked: Asked, event_id: str, now_ms: int
    ) -> tuple[dict[str, Any], Act]:
        ref = await self._access.ref(person)
        if ref is None:
            raise refused(Refusal("not_known"))
        life = standing.expected
        subject = ref in life.subjects
        if asked.act not in MAY[person.role] and not (subject and asked.act == "respond"):
            raise refused(Refusal("role"))
        assignee = await self._assignee(asked)
        closes = asked.act == "close"
        act = Act(
            time=standing.now,
            shard=NOT_SEALED,
            offset=len(standing.waiting),
            id=event_id,
            name=asked.act,
            actor=ref,
            verdict=asked.verdict,
            assignee=None if assignee is None else await self._access.ref(assignee),
            revision=asked.revision or standing.life.revision,
            cause=(life.stage if life.stage in SETTLED else "cured") if closes else None,
            reasoned=bool(asked.reason),
        )
        if not subject and asked.act not in ("respond", "comment") and await self._is_deputy(person, life):
            raise refused(Refusal("deputy"))
        why = refusal(life, act, standing.terms)
        if why is not None:
            raise refused(why)
        data: dict[str, Any] = {
            "actors": [{"role": "target" if subject else "officer", "id": person.staff}],
            "alert_id": standing.story.head.id,
            "revision": act.revision,
        }
        if closes:
            data["cause"] = act.cause
        else:
            data["act"] = act.name
        more = {
            "verdict": asked.verdict if asked.act in VERDICTS else None,
            "note" if closes else "reason": asked.reason,
        }
        data |= {name: value for name, value in more.items() if value}
        if assignee is not None and asked.act == "assign":
            data["assignee"] = {"id": assignee.staff}
        head = standing.story.head
        return {
            "specversion": "1.0",
            "id": event_id,
            "source": self._source,
            "type": "alert.closed" if closes else "alert.acted",
            "subject": chain_subject(head.subject, self._source),
            "time": format_ms(now_ms),
            "recordedtime": format_ms(now_ms),
            "data": data,
        }, act

    async def _assignee(self, asked: Asked) -> Person | None:
        people = self._access.people
        found = people.get(asked.assignee) if people and asked.assignee else None
        if asked.act == "assign" and (found is None or "acknowledge" not in MAY[found.role]):
            raise refused(Refusal("no_assignee"))
        return found

    async def _is_deputy(self, person: Person, life: Life) -> bool:
        people: People | None = self._access.people
        principals = [people.get(name) for name in person.deputy_of] if people else []
        return bool({await self._access.ref(each) for each in principals if each} & life.subjects)


def refused(why: Refusal) -> ProblemError:
    """The answer to an act that may not be done, by its code, with the time that would change it."""
    problem, remedy = REASONS[why.code]
    status = HTTPStatus.FORBIDDEN if why.code in FORBIDDEN else HTTPStatus.CONFLICT
    if why.code == "not_known":
        status = HTTPStatus.SERVICE_UNAVAILABLE
    until = f", {format_ms(why.until)}" if why.until is not None else ""
    fields = {"no_reason": "/reason", "no_verdict": "/verdict", "changed_since": "/revision", "role": "/act"}
    pointer = fields.get(why.code, "/assignee" if "assign" in why.code else "/act")
    fault = FieldError(pointer, problem, remedy + until)
    return ProblemError(status, f"Refused: {problem}{until}", errors=(fault,), type_=f"{TYPE}:{why.code}")


NOT_SEALED: Final = 1 << 30
"""Stands for a shard where there is none yet: behind everything that is sealed."""
_SUMMARY: Final = ("name", "actor", "verdict", "assignee", "revision", "cause", "reasoned")


def _act(summary: dict[str, Any], event_id: str, now: int, place: int) -> Act:
    return Act(time=now, shard=NOT_SEALED, offset=place, id=event_id, **summary)


def _parts(asked: Asked) -> Sequence[object]:
    return (asked.act, asked.reason, asked.verdict, asked.assignee, asked.revision)
