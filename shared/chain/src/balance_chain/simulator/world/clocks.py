"""Deadlines missed and just kept: R01 to R05 and R09 to R13."""

from datetime import date, timedelta
from typing import Any, Final

from balance_chain.simulator import sources
from balance_chain.simulator.casefile import Draft, months_after
from balance_chain.simulator.plans import Plan
from balance_chain.simulator.story import LIMIT_MONTHS
from balance_chain.simulator.world.days import (
    day_of,
    last_day,
    last_working_day,
    next_worked,
    weeks,
    within_hours,
    works,
)
from balance_chain.simulator.world.scenario import (
    ANY,
    APPEALED,
    ENFORCED,
    LONG,
    PANEL,
    SIMPLE,
    SOLE,
    Scenarios,
    Subtlety,
    nothing,
)
from balance_chain.simulator.world.tape import Tape, Unfit, days

CLOCKS: Final = Scenarios()
_LATE: Final = {"blatant": (15, 24), "plain": (4, 9), "subtle": (1, 1)}
_CIVIL: Final = (Plan("ordinary"), Plan("ordinary", collegial=True))
_LIMITED: Final = (
    Plan("ordinary", collegial=True),
    Plan("simplified"),
    Plan("small_claims"),
    Plan("appeal", collegial=True),
    Plan("administrative", collegial=True),
    Plan("administrative_simplified"),
    Plan("administrative_appeal", collegial=True),
    Plan("retrial_review", collegial=True),
)
_SIX_MONTHS: Final = 6


def _late(tape: Tape, draft: Draft, due: date, grade: Subtlety) -> None:
    """The act comes after its last day, and what follows later still."""
    tape.push(draft, within_hours(due + timedelta(days=tape.rng.randint(*_LATE[grade])), tape.rng))


def _on(tape: Tape, draft: Draft, day: date) -> None:
    tape.push(draft, within_hours(day, tape.rng))


def _submit_before(tape: Tape, late: tuple[int, int]) -> None:
    """The case was submitted earlier, so that its acceptance is late by so many days; what followed stays as it is."""
    while not works(day_of(tape.first("case.accepted").ms)):
        tape.shift(tape.drafts, days(7))
    accepted, submitted = tape.first("case.accepted"), tape.last("case.submitted")
    on, day = day_of(accepted.ms), day_of(submitted.ms)
    fitting = [back for back in range(80) if late[0] <= (on - last_day(day - timedelta(days=back), 7)).days <= late[1]]
    if not fitting:
        raise Unfit("a working day")
    tape.shift([each for each in tape.drafts if each.ms < accepted.ms], -days(tape.rng.choice(fitting)))


@CLOCKS.graded("R01", "accepted after the seven days", ANY)
def _filed_late(tape: Tape, grade: Subtlety) -> None:
    _submit_before(tape, (1, 3) if grade == "subtle" else _LATE[grade])


@CLOCKS.near("R01", "accepted on the last of the seven days, moved off a holiday where it is one", ANY)
def _filed_on_the_last_day(tape: Tape) -> None:
    _submit_before(tape, (0, 0))


CLOCKS.honest(
    "R01", "materials asked for and supplied: the days count anew", (Plan("simplified", filing="materials"),)
)(nothing)


def _service(tape: Tape) -> tuple[Draft, date]:
    return tape.first("service.sent", doc="complaint"), last_day(day_of(tape.first("case.accepted").ms), 5)


@CLOCKS.graded("R02", "the complaint sent after the five days", _CIVIL)
def _served_late(tape: Tape, grade: Subtlety) -> None:
    _late(tape, *_service(tape), grade)


@CLOCKS.near("R02", "the complaint sent on the last of the five days", _CIVIL)
def _served_on_the_last_day(tape: Tape) -> None:
    _on(tape, *_service(tape))


@CLOCKS.honest("R02", "a defendant who cannot be found: announced in time, served much later", LONG)
def _announced(tape: Tape) -> None:
    sent, due = _service(tape)
    from_ms = sent.ms + days(1)
    tape.push(sent, sent.ms + days(31))
    suspend(tape, from_ms, 30, "announcement")
    tape.put(
        within_hours(due, tape.rng),
        sources.SERVICE,
        "notice.issued",
        {"kind": "announcement", "channel": "announcement"},
        ("clerk", tape.case.staff.clerk),
    )


def suspend(tape: Tape, from_ms: int, length: int, ground: str) -> None:
    """The limit does not run for so many days."""
    judge, president = tape.case.staff.judge, tape.case.staff.president
    name = f"KC{tape.case.key}-{len(tape.all('limit.suspended'))}"
    for action, ms in (("start", from_ms), ("resume", from_ms + days(length))):
        said = {"action": action, "ground": ground, "suspension_id": name, "approver": dict(president)}
        tape.put(ms, sources.JUDGE, "limit.suspended", said, ("judge", judge))


def _told(tape: Tape) -> tuple[Draft, date]:
    return tape.first("notice.issued", kind="panel"), last_day(day_of(tape.first("judge.assigned").ms), 3)


@CLOCKS.positive("R03", "blatant", "the parties are never told who judges", ANY)
def _never_told(tape: Tape) -> None:
    tape.drop(tape.all("notice.issued", kind="panel"))


@CLOCKS.positive("R03", "plain", "told who judges more than a week late", ANY)
def _told_late(tape: Tape) -> None:
    notice, due = _told(tape)
    tape.move(notice, within_hours(due + timedelta(days=tape.rng.randint(8, 12)), tape.rng))


@CLOCKS.positive("R03", "subtle", "told who judges a day late", ANY)
def _told_a_day_late(tape: Tape) -> None:
    notice, due = _told(tape)
    tape.move(notice, within_hours(due + timedelta(days=1), tape.rng))


@CLOCKS.near("R03", "told on the third day", ANY)
def _told_on_the_third_day(tape: Tape) -> None:
    notice, due = _told(tape)
    tape.move(notice, within_hours(due, tape.rng))


def _schedule_before(tape: Tape, before: int) -> None:
    """The hearing is put on the calendar so many days before it is held, on the same day for none."""
    held = tape.last("hearing.held", kind="trial")
    scheduled = tape.last("hearing.scheduled", hearing_id=held.data["hearing_id"])
    notice = tape.last("notice.issued", kind="hearing")
    day = day_of(held.ms) - timedelta(days=before)
    ms = held.ms - days(0.06) if before == 0 else within_hours(day, tape.rng)
    tape.move(scheduled, ms)
    tape.move(notice, ms + 60_000)


@CLOCKS.graded("R04", "a hearing in the ordinary procedure on less than three days' notice", LONG)
def _short_notice(tape: Tape, grade: Subtlety) -> None:
    _schedule_before(tape, {"blatant": 0, "plain": 1, "subtle": 2}[grade])


@CLOCKS.near("R04", "exactly three days' notice", LONG)
def _three_days(tape: Tape) -> None:
    _schedule_before(tape, 3)


@CLOCKS.honest("R04", "the simplified procedure may summon at any time", SIMPLE)
def _summoned(tape: Tape) -> None:
    _schedule_before(tape, tape.rng.randint(0, 2))


def _limit(tape: Tape) -> date:
    """The last day of the trial limit."""
    accepted = tape.first("case.accepted")
    procedure, day = accepted.data["procedure"], day_of(accepted.ms)
    if procedure == "administrative_simplified":
        return last_day(day, 45)
    return next_worked(months_after(day, LIMIT_MONTHS[procedure]))


def end_on(tape: Tape, day: date) -> None:
    """The case ends on that day; its last hearing and the deliberation move along, by whole weeks."""
    ends = tape.all("judgment.pronounced") or tape.all("case.closed")
    if not ends:
        raise Unfit("end")
    end = ends[0]
    ms = within_hours(day, tape.rng)
    hearing = tape.last("hearing.held", concluded=True).data["hearing_id"]
    scheduled = tape.all("hearing.scheduled", hearing_id=hearing)
    first = scheduled[0] if scheduled else tape.last("hearing.held", hearing_id=hearing)
    whole = max(0, weeks(ms - end.ms) - days(7))
    tape.shift([each for each in tape.drafts if each.ms >= first.ms], whole)
    ends = tape.all(end.type)
    tape.push(ends[0], ms)


@CLOCKS.graded("R05", "ended after the limit of its procedure", _LIMITED)
def _over_the_limit(tape: Tape, grade: Subtlety) -> None:
    end_on(tape, _limit(tape) + timedelta(days=tape.rng.randint(*_LATE[grade])))


@CLOCKS.near("R05", "ended on the last day of its limit", _LIMITED)
def _on_the_last_day(tape: Tape) -> None:
    end_on(tape, _limit(tape))


@CLOCKS.positive("R05", "subtle", "ended a working day after an extension", (Plan("ordinary", limit="extended"),))
def _over_the_extension(tape: Tape) -> None:
    until = date.fromisoformat(tape.last("limit.extended").data["until"])
    end_on(tape, next_worked(until) + timedelta(days=1))


@CLOCKS.near("R05", "ended on the last day of an extension", (Plan("ordinary", limit="extended"),))
def _within_the_extension(tape: Tape) -> None:
    end_on(tape, date.fromisoformat(tape.last("limit.extended").data["until"]))


CLOCKS.honest("R05", "days of an appraisal excluded", (Plan("ordinary", collegial=True, limit="suspended"),))(nothing)
CLOCKS.honest("R05", "converted to the ordinary procedure", (Plan("simplified", limit="converted"),))(nothing)


def _excluded(ground: str, note: str) -> None:
    @CLOCKS.honest("R05", note, LONG)
    def change(tape: Tape) -> None:
        length = tape.rng.randint(20, 60)
        accepted = tape.first("case.accepted")
        due = months_after(day_of(accepted.ms), LIMIT_MONTHS[accepted.data["procedure"]])
        first = tape.first("evidence.exchanged", "evidence.submitted").ms
        tape.shift([each for each in tape.drafts if each.ms > first], weeks(days(length)))
        suspend(tape, first + days(1), length, ground)
        end_on(tape, due + timedelta(days=length - 1))


_excluded("settlement", "days in which the parties negotiate a settlement excluded")
_excluded("jurisdiction", "days of a dispute on jurisdiction excluded")


def _deliberated(tape: Tape) -> tuple[Draft, date]:
    held = tape.last("hearing.held", kind="trial", concluded=True)
    return tape.after(held.ms, "deliberation.held"), last_working_day(day_of(held.ms), 5)


@CLOCKS.graded("R09", "the panel deliberates after more than five working days", PANEL)
def _slow(tape: Tape, grade: Subtlety) -> None:
    _late(tape, *_deliberated(tape), "plain" if grade == "blatant" else grade)


@CLOCKS.near("R09", "the panel deliberates on the fifth working day", PANEL)
def _fifth_working_day(tape: Tape) -> None:
    _on(tape, *_deliberated(tape))


@CLOCKS.honest("R09", "a hearing that is to be continued starts no clock", PANEL)
def _continued(tape: Tape) -> None:
    held = tape.last("hearing.held", kind="trial", concluded=True)
    earlier = {**held.data, "hearing_id": held.data["hearing_id"] + "a", "concluded": False, "result": "continued"}
    tape.shift([each for each in tape.drafts if each.ms >= held.ms], days(21))
    tape.put(held.ms, sources.HEARING, "hearing.held", earlier, ("judge", tape.case.staff.judge))


def _in_court(tape: Tape) -> tuple[Draft, date]:
    pronounced = tape.first("judgment.pronounced")
    tape.change(pronounced, in_court=True)
    return tape.after(pronounced.ms, "service.sent", doc="judgment"), last_day(day_of(pronounced.ms), 10)


@CLOCKS.graded("R10", "a judgment pronounced in court and sent after more than ten days", (*SOLE, *PANEL))
def _sent_late(tape: Tape, grade: Subtlety) -> None:
    _late(tape, *_in_court(tape), grade)


@CLOCKS.near("R10", "sent on the tenth day", (*SOLE, *PANEL))
def _sent_on_the_tenth_day(tape: Tape) -> None:
    _on(tape, *_in_court(tape))


@CLOCKS.honest("R10", "picked up at the court, and the pick-up recorded as service in person", (*SOLE, *PANEL))
def _picked_up(tape: Tape) -> None:
    sent, due = _in_court(tape)
    _on(tape, tape.change(sent, channel="direct", consent_ref=None), due - timedelta(days=2))


@CLOCKS.near("R10", "not pronounced in court: the ten days do not run", (*SOLE, *PANEL))
def _pronounced_otherwise(tape: Tape) -> None:
    sent = tape.first("service.sent", doc="judgment")
    tape.push(sent, sent.ms + days(20))


def answer_appeal(tape: Tape) -> tuple[Draft, date]:
    """The appellee answers between the appeal and the sending of the file."""
    filed = tape.first("appeal.filed")
    answer: dict[str, Any] = {"kind": "appeal_answer", "digests": tape.case.digest("answer to the appeal")}
    said = tape.put(filed.ms + days(0.5), sources.PARTY, "pleading.filed", answer, ("appellee", tape.case.plaintiff))
    return tape.after(filed.ms, "appeal.transferred"), last_day(day_of(said.ms), 5)


@CLOCKS.graded("R11", "the file sent up more than five days after the answer", APPEALED)
def _file_late(tape: Tape, grade: Subtlety) -> None:
    _late(tape, *answer_appeal(tape), grade)


@CLOCKS.near("R11", "the file sent up on the fifth day", APPEALED)
def _file_on_the_fifth_day(tape: Tape) -> None:
    _on(tape, *answer_appeal(tape))


@CLOCKS.honest("R11", "another appellee answers later: the days count from the last answer", APPEALED)
def _another_answer(tape: Tape) -> None:
    transferred, due = answer_appeal(tape)
    later = within_hours(due - timedelta(days=1), tape.rng)
    _on(tape, transferred, last_day(day_of(later), 5))
    answer: dict[str, Any] = {"kind": "appeal_answer", "digests": tape.case.digest("second answer to the appeal")}
    tape.put(later, sources.PARTY, "pleading.filed", answer, ("appellee", {"name": "另一被上诉人(演示)"}))


def _notice(tape: Tape) -> tuple[Draft, date]:
    return tape.first("notice.issued", kind="enforcement"), last_day(day_of(tape.first("enforcement.filed").ms), 10)


@CLOCKS.graded("R12", "the notice of enforcement after more than ten days", ENFORCED)
def _notice_late(tape: Tape, grade: Subtlety) -> None:
    _late(tape, *_notice(tape), grade)


@CLOCKS.near("R12", "the notice of enforcement on the tenth day", ENFORCED)
def _notice_on_the_tenth_day(tape: Tape) -> None:
    _on(tape, *_notice(tape))


def _enforced(tape: Tape) -> tuple[Draft, date]:
    filed = day_of(tape.first("enforcement.filed").ms)
    return tape.last("case.closed"), next_worked(months_after(filed, _SIX_MONTHS))


@CLOCKS.graded("R12", "not enforced within six months", ENFORCED)
def _not_enforced(tape: Tape, grade: Subtlety) -> None:
    _late(tape, *_enforced(tape), grade)


@CLOCKS.near("R12", "enforced on the last day of six months", ENFORCED)
def _enforced_on_the_last_day(tape: Tape) -> None:
    _on(tape, *_enforced(tape))


@CLOCKS.honest("R12", "the weeks of an auction excluded from the six months", ENFORCED)
def _auctioned(tape: Tape) -> None:
    closed, due = _enforced(tape)
    suspend(tape, tape.first("notice.issued", kind="enforcement").ms + days(3), 45, "other")
    _on(tape, closed, due + timedelta(days=30))


def _money(tape: Tape) -> tuple[Draft, date]:
    return tape.first("payment.released"), last_day(day_of(tape.first("payment.received").ms), 30)


@CLOCKS.graded("R13", "money held for more than thirty days", ENFORCED)
def _money_held(tape: Tape, grade: Subtlety) -> None:
    _late(tape, *_money(tape), grade)


@CLOCKS.near("R13", "money released on the thirtieth day", ENFORCED)
def _money_on_the_thirtieth_day(tape: Tape) -> None:
    _on(tape, *_money(tape))


@CLOCKS.positive("R13", "subtle", "one of two sums released, the other held", ENFORCED)
def _one_sum_held(tape: Tape) -> None:
    received = tape.first("payment.received")
    second = {**received.data, "payment_id": received.data["payment_id"] + "-2"}
    tape.put(
        received.ms + 3_600_000, sources.ENFORCEMENT, "payment.received", second, ("officer", tape.case.staff.officer)
    )
