"""Extensions and adjournments: R06 to R08."""

from datetime import date, timedelta
from typing import Any, Final

from balance_chain.simulator import sources
from balance_chain.simulator.casefile import Draft, local_text, months_after
from balance_chain.simulator.plans import Plan
from balance_chain.simulator.world.clocks import suspend
from balance_chain.simulator.world.days import day_of, within_hours
from balance_chain.simulator.world.scenario import LONG, SIMPLE, Scenarios, Subtlety, nothing
from balance_chain.simulator.world.tape import Tape, days

LIMITS: Final = Scenarios()
_EXTENDED: Final = (Plan("ordinary", limit="extended"), Plan("ordinary", collegial=True, limit="extended"))
_SHORT: Final = (Plan("simplified", limit="extended"), Plan("small_claims", limit="extended"))
_TWO_HEARINGS: Final = (Plan("ordinary"), Plan("ordinary", collegial=True))


def _request(tape: Tape) -> tuple[Draft, date]:
    asked = tape.first("limit.extension_requested")
    return asked, date.fromisoformat(asked.data["due"])


def _ask(tape: Tape, before: int) -> None:
    asked, due = _request(tape)
    tape.move(asked, within_hours(due - timedelta(days=before), tape.rng))


def _decide(tape: Tape, before: int) -> None:
    decided = tape.first("limit.extended")
    due = date.fromisoformat(decided.data["due"])
    tape.move(decided, within_hours(due - timedelta(days=before), tape.rng))


@LIMITS.positive("R06", "blatant", "extended without any request", _EXTENDED)
def _unasked(tape: Tape) -> None:
    tape.drop(tape.all("limit.extension_requested"))


@LIMITS.positive("R06", "plain", "asked for 10 to 13 days before the end", _EXTENDED)
def _asked_late(tape: Tape) -> None:
    _ask(tape, tape.rng.randint(10, 13))
    _decide(tape, 8)


@LIMITS.positive("R06", "subtle", "asked for 14 days before the end", _EXTENDED)
def _asked_a_day_late(tape: Tape) -> None:
    _ask(tape, 14)
    _decide(tape, 9)


@LIMITS.positive("R06", "plain", "decided one to three days before the end", _EXTENDED)
def _decided_late(tape: Tape) -> None:
    _decide(tape, tape.rng.randint(1, 3))


@LIMITS.positive("R06", "subtle", "decided four days before the end", _EXTENDED)
def _decided_a_day_late(tape: Tape) -> None:
    _decide(tape, 4)


@LIMITS.near("R06", "asked for exactly 15 days and decided exactly 5 days before the end", _EXTENDED)
def _just_in_time(tape: Tape) -> None:
    _ask(tape, 15)
    _decide(tape, 5)


@LIMITS.near("R06", "asked for in time and refused four days before the end: nothing was extended", _EXTENDED)
def _refused_late(tape: Tape) -> None:
    _decide(tape, 6)
    tape.change(tape.first("limit.extended"), result="denied")
    suspend(tape, tape.first("limit.extended").ms - days(1), 100, "settlement")


LIMITS.honest("R06", "an extension asked for and decided in time", _EXTENDED)(nothing)


def _level(tape: Tape, level: str) -> None:
    for each in tape.all("limit.extended", "limit.extension_requested"):
        tape.change(each, level=level)


def _further(tape: Tape, level: str, months: int = 3, result: str | None = None) -> None:
    """A second extension, asked for and decided well in time."""
    granted = tape.last("limit.extended")
    due = date.fromisoformat(granted.data["until"])
    name = f"YS{tape.case.key}-2"
    said: dict[str, Any] = {
        "request_id": name,
        "due": due.isoformat(),
        "until": months_after(due, months).isoformat(),
        "requester": granted.data["requester"],
        "level": level,
        "count": 2,
    }
    judge = tape.case.staff.judge
    asked = within_hours(day_of(granted.ms) + timedelta(days=1), tape.rng)
    tape.put(asked, sources.JUDGE, "limit.extension_requested", dict(said), ("judge", judge))
    approver = dict(tape.case.staff.president)
    decided = {**said, "approver": approver} | ({"result": result} if result else {})
    tape.put(asked + days(2), sources.JUDGE, "limit.extended", decided, ("approver", tape.case.staff.president))


@LIMITS.positive("R07", "plain", "the head of a division extends", _EXTENDED)
def _division(tape: Tape) -> None:
    _level(tape, "division")


@LIMITS.positive("R07", "blatant", "the same court extends a second time", _EXTENDED)
def _twice(tape: Tape) -> None:
    _further(tape, "president")


@LIMITS.positive("R07", "blatant", "a short procedure extended twice", _SHORT)
def _short_twice(tape: Tape) -> None:
    _further(tape, "president", months=1)


@LIMITS.positive("R07", "plain", "a short procedure extended by more than a month", _SHORT)
def _short_for_long(tape: Tape) -> None:
    for each in tape.all("limit.extended", "limit.extension_requested"):
        until = months_after(date.fromisoformat(each.data["due"]), 3)
        tape.change(each, until=until.isoformat())


@LIMITS.positive("R07", "subtle", "extended by six months and a day", _EXTENDED)
def _a_day_more(tape: Tape) -> None:
    for each in tape.all("limit.extended", "limit.extension_requested"):
        until = months_after(date.fromisoformat(each.data["due"]), 6) + timedelta(days=1)
        tape.change(each, until=until.isoformat())


@LIMITS.near("R07", "the second extension comes from the higher court", _EXTENDED)
def _by_the_higher_court(tape: Tape) -> None:
    _further(tape, "higher_court")


@LIMITS.near("R07", "a second extension is refused", _EXTENDED)
def _refused(tape: Tape) -> None:
    _further(tape, "president", result="denied")


LIMITS.near("R07", "a short procedure extended once by a month", _SHORT)(nothing)


def _adjourn(tape: Tape, times: int, **said: Any) -> None:
    """The last hearing was put off so often before it was held, by a few days each time."""
    held = tape.last("hearing.held", kind="trial")
    scheduled = tape.last("hearing.scheduled", hearing_id=held.data["hearing_id"])
    room = (held.ms - scheduled.ms) // (times + 1)
    for number in range(1, times + 1):
        at = held.ms if number == times else scheduled.ms + room * (number + 1)
        data: dict[str, Any] = {
            "hearing_id": held.data["hearing_id"],
            "previous": local_text(scheduled.ms + room * number + 3_600_000),
            "at": local_text(at),
            "reason": "evidence",
            "kind": "adjourned",
            "consent": False,
            **said,
        }
        ms = scheduled.ms + room * number
        tape.put(ms, sources.HEARING, "hearing.rescheduled", data, ("judge", tape.case.staff.judge))


@LIMITS.graded("R08", "the ordinary procedure adjourned three times or more", _TWO_HEARINGS)
def _adjourned(tape: Tape, grade: Subtlety) -> None:
    _adjourn(tape, {"blatant": 6, "plain": 4, "subtle": 3}[grade])


@LIMITS.positive("R08", "subtle", "a short procedure adjourned twice", (Plan("simplified"), Plan("small_claims")))
def _short_adjourned(tape: Tape) -> None:
    _adjourn(tape, 2)


def _gap(tape: Tape, previous: date) -> None:
    """One adjournment from that day to the day on which the hearing was held."""
    held = tape.last("hearing.held", kind="trial")
    name = held.data["hearing_id"]
    ms = within_hours(previous, tape.rng) - days(1)
    scheduled, notice = tape.last("hearing.scheduled", hearing_id=name), tape.last("notice.issued", kind="hearing")
    tape.move(scheduled, ms - days(6))
    tape.move(notice, ms - days(6) + 60_000)
    data = {
        "hearing_id": name,
        "previous": local_text(held.ms - days((day_of(held.ms) - previous).days)),
        "at": local_text(held.ms),
        "reason": "evidence",
        "kind": "adjourned",
        "consent": False,
    }
    tape.put(ms, sources.HEARING, "hearing.rescheduled", data, ("judge", tape.case.staff.judge))


@LIMITS.positive("R08", "plain", "more than a month to the next hearing", _TWO_HEARINGS)
def _a_long_gap(tape: Tape) -> None:
    _gap(tape, months_after(day_of(tape.last("hearing.held", kind="trial").ms), -1) - timedelta(days=5))


@LIMITS.near("R08", "a month to the next hearing and no more", _TWO_HEARINGS)
def _a_month(tape: Tape) -> None:
    held = day_of(tape.last("hearing.held", kind="trial").ms)
    _gap(tape, next(day for back in range(32, 26, -1) if months_after(day := held - timedelta(days=back), 1) >= held))


@LIMITS.near("R08", "the ordinary procedure adjourned twice", _TWO_HEARINGS)
def _adjourned_twice(tape: Tape) -> None:
    _adjourn(tape, 2)


@LIMITS.near("R08", "a short procedure adjourned once", (Plan("simplified"), Plan("small_claims")))
def _adjourned_once(tape: Tape) -> None:
    _adjourn(tape, 1)


@LIMITS.honest("R08", "adjourned four times, all parties agreeing", (*LONG, *SIMPLE))
def _agreed(tape: Tape) -> None:
    _adjourn(tape, 4, consent=True)
