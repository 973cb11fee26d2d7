"""The life of an alert after it is raised: a pure fold over its revisions and the sealed acts of people.

Raised → acknowledged → assigned → explained, confirmed or dismissed → closed; re-opened. The same items in any order
give the same life, because they are put in the order of ledger time first. What is not allowed stays in the timeline
with the reason for which it has no effect, and nothing that happens to the alert wipes what people have said.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

Stage = Literal["raised", "reopened", "acknowledged", "assigned", "explained", "confirmed", "dismissed", "closed"]
ActName = Literal[
    "acknowledge", "assign", "explain", "respond", "confirm", "dismiss", "escalate", "reopen", "comment", "close"
]
STAGES: Final[tuple[Stage, ...]] = (
    *("raised", "reopened", "acknowledged", "assigned"),
    *("explained", "confirmed", "dismissed", "closed"),
)
RUNNING: Final = frozenset({"raised", "reopened", "acknowledged", "assigned"})
"""Stages in which somebody still has to find out."""
SETTLED: Final = frozenset({"explained", "confirmed", "dismissed"})
TOP_LEVEL: Final = 2
"""Monitor, supervisor, presiding: whose turn it is."""

# From which stages an act may come; what is in neither table may come at any.
_FROM: Final[dict[str, frozenset[str]]] = {
    "acknowledge": frozenset({"raised", "reopened"}),
    "assign": RUNNING,
    "explain": frozenset({"acknowledged", "assigned"}),
    "confirm": frozenset({"acknowledged", "assigned"}),
    "dismiss": frozenset({"acknowledged", "assigned"}),
    "escalate": RUNNING,
    "reopen": SETTLED | {"closed"},
    "respond": frozenset(STAGES) - {"closed"},
}
_TO: Final[dict[str, Stage]] = {
    "acknowledge": "acknowledged",
    "assign": "assigned",
    "explain": "explained",
    "confirm": "confirmed",
    "dismiss": "dismissed",
    "reopen": "reopened",
    "close": "closed",
}
VERDICTS: Final[dict[str, frozenset[str]]] = {
    "confirm": frozenset({"breach"}),
    "dismiss": frozenset({"no_breach", "data_error", "excused"}),
}
REASONED: Final = frozenset({"explain", "respond", "confirm", "dismiss", "escalate", "reopen", "comment"})
SPOKEN: Final = frozenset({"respond", "comment"})
"""Acts that dispose of nothing: they neither stop the clock nor are closed to the alert's own subject."""
JUDGING: Final = frozenset({"explain", "confirm", "dismiss", "close"})
"""Acts that rest on what is known: on the last revision, or they are refused."""


class Terms(Protocol):
    """How long one alert may wait: instants on ledger time, counted in its court's working days."""

    def untouched_until(self, since: int) -> int:
        """The first instant after the last day on which somebody had to act."""
        ...

    def reply_until(self, since: int) -> int:
        """The first instant after the last day of the subject's time to reply."""
        ...


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A public revision of the alert by its rule; `state` open or cured. `about`: whose conduct it rests on."""

    time: int
    revision: int
    state: str
    about: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Act:
    """A sealed act; `time` is its shard's ledger time. `cause` only where it closes."""

    time: int
    shard: int
    offset: int
    id: str
    name: str
    actor: str | None
    verdict: str | None = None
    assignee: str | None = None
    revision: int | None = None
    cause: str | None = None
    reasoned: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an act has no effect; `until` where time alone will change that."""

    code: str
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Escalation:
    """The alert was left untouched until `due`: the next level is told, until somebody acts."""

    level: int
    due: int
    answered: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline: what came, the stage after it, and why it had no effect where it had none."""

    item: Occurrence | Act | Escalation
    stage: Stage
    refusal: Refusal | None = None
    reopened: bool = False


@dataclass(frozen=True, slots=True)
class Life:
    """Where an alert stands."""

    stage: Stage = "raised"
    state: str = ""
    """Of its last revision; empty before the first."""
    revision: int = 0
    subjects: frozenset[str] = frozenset()
    """Everybody whom it has been about so far."""
    level: int = 0
    raised: int = 0
    """When it was raised, or last re-opened."""
    assignee: str | None = None
    verdict: str | None = None
    cause: str | None = None
    settled_revision: int | None = None
    """The revision on which it was settled."""
    due: int | None = None
    reply_until: int | None = None
    replied: frozenset[str] = frozenset()
    escalations: tuple[Escalation, ...] = ()
    entries: tuple[Entry, ...] = ()

    @property
    def news(self) -> bool:
        """Whether the rule has said more since the alert was settled."""
        return self.settled_revision is not None and self.revision > self.settled_revision


def live(items: Iterable[Occurrence | Act], terms: Terms, until: int = 0) -> Life:
    """The life that these items make, with every due day before `until` passed."""
    life = Life()
    for item in sorted(items, key=_order):
        life = pass_time(life, terms, item.time)
        if isinstance(item, Occurrence):
            life = _occur(life, item, terms)
        else:
            why = refusal(life, item, terms)
            life = _entered(life, item, why) if why else _acted(life, item, terms)
    return pass_time(life, terms, until - 1)


def refusal(life: Life, act: Act, terms: Terms) -> Refusal | None:
    """Why this act may not be done now; None where it may."""
    if life.revision == 0:
        return Refusal("not_raised")
    about_himself = act.actor is not None and act.actor in life.subjects
    if act.name == "respond" and not about_himself:
        return Refusal("not_subject")
    if act.name not in SPOKEN and (about_himself or act.actor is None):
        return Refusal("about_himself" if about_himself else "no_actor")
    if act.name in _FROM and life.stage not in _FROM[act.name]:
        return Refusal("wrong_stage")
    if act.name == "close" and not _may_close(life, act):
        return Refusal("wrong_stage")
    return _content(life, act) or _unheard(life, act, terms)


def _content(life: Life, act: Act) -> Refusal | None:
    if act.name in REASONED and not act.reasoned:
        return Refusal("no_reason")
    if act.name in VERDICTS and act.verdict not in VERDICTS[act.name]:
        return Refusal("no_verdict")
    if act.name == "assign" and (act.assignee is None or act.assignee in life.subjects):
        return Refusal("no_assignee" if act.assignee is None else "assigned_to_subject")
    if act.name == "escalate" and life.level >= TOP_LEVEL:
        return Refusal("top_level")
    if act.name in JUDGING and act.revision is not None and act.revision < life.revision:
        return Refusal("changed_since")
    return None


def _unheard(life: Life, act: Act, terms: Terms) -> Refusal | None:
    """The subject is heard first: each has replied, or the time to do so is over."""
    if act.name not in VERDICTS or life.subjects <= life.replied:
        return None
    until = terms.reply_until(life.raised)
    return Refusal("unheard", until) if act.time < until else None


def _may_close(life: Life, act: Act) -> bool:
    if life.stage == "closed":
        return False
    return act.cause == life.stage if life.stage in SETTLED else act.cause == "cured" and life.state == "cured"


def pass_time(life: Life, terms: Terms, now: int) -> Life:
    """Lets every due day go by that has ended at `now`: the next level is told, and has as long again."""
    while life.due is not None and life.due <= now:
        told = Escalation(life.level + 1, life.due)
        life = replace(
            life,
            level=told.level,
            escalations=(*life.escalations, told),
            due=terms.untouched_until(told.due) if told.level < TOP_LEVEL else None,
            entries=(*life.entries, Entry(told, life.stage)),
        )
    return life


def _occur(life: Life, item: Occurrence, terms: Terms) -> Life:
    first = life.revision == 0
    again = item.state == "open" and life.stage == "closed"
    back = item.state == "open" and life.state == "cured"
    life = replace(life, state=item.state, revision=item.revision, subjects=life.subjects | item.about)
    if first or again:
        life = _begin(life, "raised" if first else "reopened", item.time, terms)
    elif item.state == "cured":
        life = _answered(replace(life, due=None), item.time)
    elif back and life.stage in RUNNING and life.level < TOP_LEVEL:
        life = replace(life, due=terms.untouched_until(item.time))
    return _entered(life, item, None, reopened=again)


def _begin(life: Life, stage: Stage, now: int, terms: Terms) -> Life:
    """Raised, or once more: replies of the time before do not count for what is new."""
    return replace(
        life,
        stage=stage,
        level=0,
        raised=now,
        assignee=None,
        verdict=None,
        cause=None,
        settled_revision=None,
        due=terms.untouched_until(now) if life.state != "cured" else None,
        reply_until=terms.reply_until(now),
        replied=frozenset(),
    )


def _acted(life: Life, act: Act, terms: Terms) -> Life:
    if act.name == "comment":
        return _entered(life, act, None)
    if act.name == "respond":
        assert act.actor is not None
        return _entered(replace(life, replied=life.replied | {act.actor}), act, None)
    life = _answered(life, act.time)
    if act.name == "reopen":
        return _entered(_begin(life, "reopened", act.time, terms), act, None, reopened=True)
    life = replace(
        life,
        stage=_TO.get(act.name, life.stage),
        level=min(life.level + (act.name == "escalate"), TOP_LEVEL),
        assignee=act.assignee if act.name == "assign" else life.assignee,
        verdict=act.verdict if act.name in VERDICTS else life.verdict,
        cause=act.cause if act.name == "close" else life.cause,
        settled_revision=life.revision if act.name in JUDGING else life.settled_revision,
    )
    waits = life.stage in RUNNING and life.state != "cured" and life.level < TOP_LEVEL
    return _entered(replace(life, due=terms.untouched_until(act.time) if waits else None), act, None)


def _answered(life: Life, now: int) -> Life:
    open_ones = tuple(each if each.answered is not None else replace(each, answered=now) for each in life.escalations)
    return replace(life, escalations=open_ones)


def _entered(life: Life, item: Occurrence | Act, why: Refusal | None, *, reopened: bool = False) -> Life:
    return replace(life, entries=(*life.entries, Entry(item, life.stage, why, reopened)))


def _order(item: Occurrence | Act) -> tuple[int, int, int, int]:
    """A rule speaks before people do at the same instant; people in the order of the log."""
    if isinstance(item, Occurrence):
        return (item.time, 0, 0, item.revision)
    return (item.time, 1, item.shard, item.offset)
