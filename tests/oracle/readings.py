"""A second reading of the rule book, slow and over a whole history at once: written from the published text of each
rule, sharing no code with the engine.

A history is one case's events in order of their times, no two at the same instant; nothing follows for years.
Each reading says whether the rule stands broken in the end.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import chinese_calendar


@dataclass(frozen=True)
class Event:
    """One event of a case, in the court's own time."""

    type: str
    time: datetime
    data: dict[str, Any] = field(default_factory=dict)
    actor: str | None = None
    role: str | None = None
    entered: timedelta | None = timedelta(0)
    """How long after its time the source says that it entered the event; None: it does not say."""
    live: bool = False
    """Whether the source's feed is live."""

    @property
    def day(self) -> date:
        return self.time.date()

    def get(self, name: str) -> Any:
        return self.data.get(name)

    def is_(self, type_: str, /, **fields: Any) -> bool:
        return self.type == type_ and all(self.data.get(name) == value for name, value in fields.items())


History = list[Event]
Reading = Callable[[History], bool]
Is = Callable[[Event], bool]
COURT = "京0491"
SHORT = ("simplified", "small_claims")
FURTHER = ("appeal", "appeal_ruling", "retrial", "retrial_review", "administrative_appeal")
"""By which a case goes on after its judgment."""


def rolled(day: date) -> date:
    while not chinese_calendar.is_workday(day):
        day += timedelta(days=1)
    return day


def days(count: int) -> Callable[[date], date]:
    return lambda day: rolled(day + timedelta(days=count))


def months_after(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def working_days(count: int) -> Callable[[date], date]:
    def last(day: date) -> date:
        left = count
        while left:
            day += timedelta(days=1)
            left -= chinese_calendar.is_workday(day)
        return day

    return last


def overdue(
    history: History, start: Is, end: Is, last: Callable[[date], date], anew: bool = False, speaks: Is = lambda _: True
) -> bool:
    """Whether something that a start calls for came after its last day, or never."""
    waiting: Event | None = None
    late = False
    for event in history:
        if start(event):
            if waiting is None or anew:
                waiting = event
        elif end(event) and waiting is not None:
            late = late or (speaks(waiting) and event.day > last(waiting.day))
            waiting = None
    return late or (waiting is not None and speaks(waiting))


def before(history: History, act: Event) -> History:
    return [event for event in history if event.time <= act.time]


def agree(one: Any, other: Any) -> bool:
    return one is None or other is None or one == other


def procedure(history: History, act: Event) -> str | None:
    found = None
    for event in before(history, act):
        if event.type == "case.accepted":
            found = event.get("procedure")
        if event.type == "case.converted":
            found = event.get("to")
    return found


def collegial(history: History, act: Event) -> bool:
    """Whether the last word on the panel before the act is that there is one."""
    words = [event for event in before(history, act) if event.type in ("panel.formed", "panel.changed")]
    return bool(words) and (words[-1].type == "panel.changed" or len(words[-1].get("members")) >= 3)


def r01(history: History) -> bool:
    waiting: Event | None = None
    for event in history:
        if event.type == "case.submitted" and waiting is None:
            waiting = event
        elif waiting is not None and event.type in ("case.materials_requested", "case.accepted", "case.rejected"):
            if event.day > days(7)(waiting.day):
                return True
            waiting = None
            if event.type == "case.accepted":
                return False
    return waiting is not None


def r02(history: History) -> bool:
    first = ("ordinary", "simplified", "small_claims")
    return overdue(
        history,
        lambda e: e.type == "case.accepted" and e.get("procedure") in first,
        lambda e: (
            e.is_("service.sent", doc="complaint")
            or e.is_("notice.issued", kind="announcement")
            or e.type in ("case.closed", "case.transferred")
        ),
        days(5),
    )


def r03(history: History) -> bool:
    return overdue(
        history,
        lambda e: e.type == "judge.assigned",
        lambda e: e.is_("notice.issued", kind="panel") or e.type in ("case.closed", "case.transferred"),
        days(3),
    )


def r04(history: History) -> bool:
    def broken(name: Any) -> bool:
        scheduled: Event | None = None
        for event in history:
            if event.type == "hearing.scheduled" and event.get("hearing_id") == name and scheduled is None:
                scheduled = event
            elif event.is_("hearing.held", kind="trial") and scheduled and agree(event.get("hearing_id"), name):
                kind = procedure(history, scheduled)
                bound = kind is not None and kind not in (*SHORT, "administrative_simplified")
                if bound and (event.day - scheduled.day).days < 3:
                    return True
                scheduled = None
        return False

    return any(broken(name) for name in {e.get("hearing_id") for e in history if e.type == "hearing.scheduled"})


def granted(event: Event) -> bool:
    return (
        event.type == "limit.extended" and event.get("result") != "denied" and event.get("party_deadline") is not True
    )


LIMITS: dict[str, tuple[int, str]] = {
    "ordinary": (6, "months"),
    "simplified": (3, "months"),
    "small_claims": (2, "months"),
    "appeal": (3, "months"),
    "appeal_ruling": (30, "days"),
    "retrial_review": (3, "months"),
    "administrative": (6, "months"),
    "administrative_simplified": (45, "days"),
    "administrative_appeal": (3, "months"),
}


class Exclusions:
    """Days that the law excludes from a period, which runs on the others: counted day by day."""

    def __init__(self) -> None:
        self._pauses: list[list[Any]] = []
        """Each with its start, the first day that does not run, and the first that runs again."""

    def change(self, event: Event) -> None:
        if event.is_("limit.suspended", action="start"):
            self._pauses.append([event, event.day, None])
        elif event.is_("limit.suspended", action="resume"):
            for pause in self._pauses:
                if pause[2] is None and event.get("suspension_id") in (None, pause[0].get("suspension_id")):
                    pause[2] = event.day

    def last(self, since: date, nominal: date, after: Event | None = None) -> date | None:
        """The last day where only pauses count that began after this event; None while one goes on."""
        pauses = [each for each in self._pauses if after is None or each[0].time > after.time]
        left, day = (nominal - since).days, since
        if left <= 0:
            return nominal
        while left:
            day += timedelta(days=1)
            over = [each for each in pauses if each[1] <= day and (each[2] is None or day < each[2])]
            if any(each[2] is None for each in over):
                return None
            left -= not over
        return day


class Trial:
    """A trial limit: its procedure, what was excluded, and the day that a court named."""

    def __init__(self, accepted: Event) -> None:
        self.begun = accepted.day
        self.procedure = accepted.get("procedure")
        self.known = self.procedure in LIMITS
        self.granted: tuple[date, Event] | None = None
        """The day that an extension named, and the extension."""
        self.excluded = Exclusions()

    def last(self) -> date | None:
        if self.granted is not None:
            until, grant = self.granted
            # The day of acceptance is not counted; that of the grant, if it is a later one, is.
            since = max(self.begun, grant.day - timedelta(days=1))
            return self.excluded.last(since, until, after=grant)
        count, unit = LIMITS[self.procedure]
        nominal = self.begun + timedelta(days=count) if unit == "days" else months_after(self.begun, count)
        day = self.excluded.last(self.begun, nominal)
        return None if day is None else rolled(day)

    def change(self, event: Event) -> None:
        last = self.last()
        if last is not None and event.day > last:
            return
        if event.type == "case.converted" and event.get("to") in LIMITS:
            self.procedure, self.granted = event.get("to"), None
        elif event.type == "limit.extended" and event.get("result") != "denied" and not event.get("party_deadline"):
            self.granted = (date.fromisoformat(event.get("until")), event)
        else:
            self.excluded.change(event)


def r05(history: History) -> bool:
    trial: Trial | None = None
    for event in history:
        if trial is None:
            trial = Trial(event) if event.type == "case.accepted" else None
        elif event.type in ("judgment.pronounced", "case.closed", "appeal.decided"):
            last = trial.last() if trial.known else None
            if last is not None and event.day > last:
                return True
            trial = None
        elif trial.known:
            trial.change(event)
    return trial is not None and trial.known and trial.last() is not None


def r06(history: History) -> bool:
    def in_time(request: Event) -> bool:
        due = request.get("due")
        return due is None or (date.fromisoformat(due) - request.day).days >= 15

    for act in history:
        if act.type != "limit.extended" or act.get("party_deadline") is True:
            continue
        if act.get("due") and (date.fromisoformat(act.get("due")) - act.day).days < 5:
            return True
        asked = [e for e in before(history, act) if e.type == "limit.extension_requested"]
        if granted(act) and not any(in_time(e) and agree(e.get("request_id"), act.get("request_id")) for e in asked):
            return True
    return False


def r07(history: History) -> bool:
    own = ("division", "president")
    fresh = True
    short = 0
    for event in history:
        if event.type in ("case.accepted", "case.converted"):
            fresh = True
        if not granted(event):
            continue
        length = None
        if event.get("due") and event.get("until"):
            length = date.fromisoformat(event.get("due")), date.fromisoformat(event.get("until"))
        if event.get("level") == "division" or (event.get("level") in own and not fresh):
            return True
        if event.get("level") in own and length and length[1] > months_after(length[0], 6):
            return True
        if procedure(history, event) in SHORT:
            short += 1
            if short >= 2 or (length and length[1] > months_after(length[0], 1)):
                return True
        fresh = False
    return False


def r08(history: History) -> bool:
    moved = [e for e in history if e.type == "hearing.rescheduled" and e.get("consent") is not True]
    counted = [e for e in moved if e.get("kind") not in ("cancelled", "continued")]
    far = [
        e
        for e in moved
        if e.get("previous")
        and e.get("at")
        and datetime.fromisoformat(e.get("at")).date()
        > months_after(datetime.fromisoformat(e.get("previous")).date(), 1)
    ]
    return len(counted) >= 3 or sum(procedure(history, e) in SHORT for e in counted) >= 2 or bool(far)


def r09(history: History) -> bool:
    return overdue(
        history,
        lambda e: (
            e.is_("hearing.held", kind="trial")
            and e.get("concluded") is not False
            and e.get("result") not in ("continued", "settled")
        ),
        lambda e: (
            (e.type == "deliberation.held" and e.get("body") in ("panel", "committee")) or e.type == "case.closed"
        ),
        working_days(5),
        anew=True,
        speaks=lambda e: collegial(history, e),
    )


def r10(history: History) -> bool:
    return overdue(
        history,
        lambda e: e.is_("judgment.pronounced", in_court=True),
        lambda e: e.is_("service.sent", doc="judgment"),
        days(10),
    )


def r11(history: History) -> bool:
    return overdue(
        history,
        lambda e: e.is_("pleading.filed", kind="appeal_answer"),
        lambda e: e.type in ("appeal.transferred", "appeal.decided"),
        days(5),
        anew=True,
    )


def r12(history: History) -> bool:
    waiting: Event | None = None
    excluded = Exclusions()
    for event in history:
        if waiting is None:
            if event.type == "enforcement.filed":
                waiting, excluded = event, Exclusions()
            continue
        last = excluded.last(waiting.day, months_after(waiting.day, 6))
        over = last is not None and event.day > rolled(last)
        if event.type == "case.closed":
            if over:
                return True
            waiting = None
        elif not over:
            excluded.change(event)
    if waiting is not None and excluded.last(waiting.day, months_after(waiting.day, 6)) is not None:
        return True
    return overdue(
        history,
        lambda e: e.type == "enforcement.filed",
        lambda e: e.is_("notice.issued", kind="enforcement") or e.type == "case.closed",
        days(10),
    )


def r13(history: History) -> bool:
    def held(name: Any) -> bool:
        waiting: Event | None = None
        released, late = 0, False
        for event in history:
            if event.type == "payment.received" and event.get("payment_id") == name and waiting is None:
                waiting, released = event, 0
            elif event.type == "payment.released" and agree(event.get("payment_id"), name) and waiting is not None:
                released += event.get("amount")
                if released >= waiting.get("amount"):
                    late = late or event.day > days(30)(waiting.day)
                    waiting = None
        return late or waiting is not None

    return any(held(name) for name in {e.get("payment_id") for e in history if e.type == "payment.received"})


def r14(history: History) -> bool:
    trials = [e for e in history if e.is_("hearing.held", kind="trial")]
    return any(not any(e.type == "case.accepted" for e in before(history, trial)) for trial in trials)


def r15(history: History) -> bool:
    def examined(act: Event) -> bool:
        return any(
            e.type == "evidence.examined" and agree(e.get("evidence_id"), act.get("evidence_id"))
            for e in before(history, act)
        )

    return any(
        not examined(e)
        for e in history
        if e.type == "evidence.ruled" and e.get("result") in ("admitted", "partial") and e.get("undisputed") is not True
    )


def r16(history: History) -> bool:
    over = False
    for event in history:
        if event.type == "judgment.pronounced":
            over = True
        further = event.type == "case.accepted" and event.get("procedure") in FURTHER
        again = event.is_("case.transferred", kind="remand") or event.is_("appeal.decided", result="remanded")
        if further or again or event.type in ("appeal.filed", "enforcement.filed"):
            over = False
        if over and event.type.startswith("evidence."):
            return True
    return False


def r17(history: History) -> bool:
    panel: set[str] = set()
    for event in history:
        if event.type == "panel.formed":
            panel = set(event.get("members"))
        elif event.type == "panel.changed":
            changed = panel - set(event.get("removed") or ()) | set(event.get("added") or ())
            panel = set(event.get("members") or changed)
        elif event.is_("document.signed", kind="judgment") or event.is_("deliberation.held", body="panel"):
            clerks = {each.actor for each in history if each.actor and each.role == "clerk"}
            signers = set(event.get("signers"))
            if panel and (panel - signers or signers - panel - clerks):
                return True
    return False


def r18(history: History) -> bool:
    return any(
        not any(e.type == "deliberation.held" and e.get("body") in ("panel", "committee") for e in before(history, act))
        for act in history
        if act.is_("document.signed", kind="judgment") and collegial(history, act)
    )


def r19(history: History) -> bool:
    for act in history:
        if act.type != "panel.changed":
            continue
        told = any(
            e.is_("notice.issued", kind="panel") and timedelta() <= e.time - act.time <= timedelta(days=3)
            for e in history
        )
        if act.get("reason") == "unstated" or act.get("approver") is None or not (act.get("notified") or told):
            return True
    return False


def r20(history: History) -> bool:
    excused = ("leave", "retirement", "transfer", "recusal", "training")
    return sum(e.type == "judge.reassigned" and e.get("reason") not in excused for e in history) >= 2


def r25(history: History) -> bool:
    def acts(event: Event, target: str | None) -> bool:
        if event.type in ("evidence.ruled", "judgment.pronounced", "motion.decided"):
            people = None if event.actor is None else [event.actor]
        elif event.is_("hearing.held", kind="trial"):
            people = event.get("members")
        elif event.type in ("deliberation.held", "document.signed"):
            people = event.get("signers")
        else:
            return False
        return target is None or people is None or target in people

    for number, asked in enumerate(history):
        if asked.type != "recusal.requested":
            continue
        for event in history[number + 1 :]:
            if event.type == "recusal.decided" and agree(event.get("target"), asked.get("target")):
                break
            if acts(event, asked.get("target")):
                return True
    names = {e.get("recusal_id") for e in history if e.type == "recusal.requested"}
    return any(
        overdue(
            history,
            lambda e, name=name: e.type == "recusal.requested" and e.get("recusal_id") == name,  # type: ignore[misc]
            lambda e, name=name: e.type == "recusal.decided" and agree(e.get("recusal_id"), name),  # type: ignore[misc]
            days(3),
        )
        for name in names
    )


def r26(history: History) -> bool:
    for event in history:
        if event.type != "counsel.changed" or event.get("action") == "withdrawn" or event.get("guardian") is True:
            continue
        left = event.get("left_office")
        if event.get("former_court") == COURT or (left and event.day < months_after(date.fromisoformat(left), 24)):
            return True
    return False


def r27(history: History) -> bool:
    for act in history:
        if act.type != "interference.recorded":
            continue
        routed, occurred = act.get("routed"), act.get("occurred")
        if routed:
            if occurred and datetime.fromisoformat(routed) - datetime.fromisoformat(occurred) > timedelta(hours=24):
                return True
            continue
        if not any(
            (e.type == "supervision.acted" or (e.type == "interference.recorded" and e.get("routed")))
            and timedelta() <= e.time - act.time <= timedelta(hours=24)
            for e in history
        ):
            return True
    return False


def r29(history: History) -> bool:
    team: set[str] = set()
    for event in history:
        if event.type == "access.viewed":
            continue
        for name in ("judge", "previous", "presiding", "supervisor", "reviewer", "approver", "requester"):
            if name in ("approver", "requester") and event.type not in (
                "judge.assigned",
                "judge.reassigned",
                "panel.changed",
                "recusal.decided",
                "limit.extended",
            ):
                continue
            if name == "requester" and not event.type.startswith("judge."):
                continue
            team |= {event.get(name)} if event.get(name) else set()
        for name in ("members", "added", "removed"):
            team |= set(event.get(name) or ())
        team |= set(event.get("signers") or ())
        if event.actor and event.type != "permission.changed":  # who gives access is not of the case by that
            team.add(event.actor)
        if event.is_("permission.changed", kind="grant"):
            team.add(event.get("grantee"))
    return any(
        e.type == "access.viewed"
        and e.get("viewer_role") not in ("registry", "archive", "party", "lawyer")
        and e.get("viewer") not in team
        for e in history
    )


def r31(history: History) -> bool:
    def known(act: Event) -> bool:
        return any(
            (e.type == "case.submitted" and (e.get("parties_count") or 0) >= 10)
            or (e.type in ("case.submitted", "case.accepted") and (e.get("amount") or 0) >= 10_000_000_000)
            for e in before(history, act)
        )

    def flagged(act: Event) -> bool:
        return any(e.type == "case.flagged" and e.get("action") != "lifted" for e in before(history, act))

    return any(known(e) and not flagged(e) for e in history if e.is_("hearing.held", kind="trial"))


def r32(history: History) -> bool:
    def changed(event: Event) -> bool:
        after, earlier = event.get("digests") or {}, event.get("previous_digests") or {}
        return any(
            after.get(name) and earlier.get(name) and after[name] != earlier[name] for name in ("sha-256", "sm3")
        )

    return any(
        e.is_("document.reviewed", opinion="agree")
        and changed(e)
        and not any(
            s.type == "supervision.acted" and agree(s.get("document_id"), e.get("document_id")) for s in history
        )
        for e in history
    )


def r33(history: History) -> bool:
    return any(
        act.type == "document.reviewed"
        and (act.get("opinion") == "altered" or act.get("outcome_changed") is True)
        and not any(e.is_("deliberation.held", body="committee") for e in before(history, act))
        for act in history
    )


def r35(history: History) -> bool:
    signed: dict[str, dict[str, str]] = {}
    ever: set[str] = set()
    """What was signed at some time: a ruling of correction gives it another text, and unsigns nothing."""
    for event in history:
        name, digests = event.get("document_id"), event.get("digests") or {}
        silently = event.is_("record.amended", kind="document") and event.get("correction_ruling") is not True
        if silently and name in ever:
            return True
        if event.is_("record.amended", correction_ruling=True):
            signed = {} if name is None else {each: seen for each, seen in signed.items() if each != name}
        if name and event.type in ("document.signed", "judgment.pronounced", "service.sent"):
            if name in signed and any(
                digests.get(kind) and signed[name].get(kind) and digests[kind] != signed[name][kind]
                for kind in ("sha-256", "sm3")
            ):
                return True
            if event.type == "document.signed":
                signed[name] = digests
                ever.add(name)
    return False


def r36(history: History) -> bool:
    def late(event: Event) -> bool:
        if event.entered is not None:
            return event.entered > timedelta(days=3)
        return event.live  # and all of a history is received long after

    return any(late(event) for event in history)


def r37(history: History) -> bool:
    approving = (
        "limit.extended",
        "limit.suspended",
        "judge.assigned",
        "judge.reassigned",
        "panel.changed",
        "case.converted",
        "hearing.rescheduled",
        "payment.released",
        "record.amended",
        "permission.changed",
    )
    for event in history:
        approver = event.get("approver")
        if event.type not in approving or approver is None:
            continue
        if approver == event.get("requester"):
            return True
        if event.type == "limit.extended" and any(
            e.is_("limit.extension_requested", requester=approver)
            and agree(e.get("request_id"), event.get("request_id"))
            for e in history
        ):
            return True
    return False


READINGS: dict[str, Reading] = {
    name.upper(): reading for name, reading in sorted(globals().items()) if name[0] == "r" and name[1:].isdigit()
}
