"""Who acts, who looks, who is related to whom: R19, R20, R24 to R27, R29, R30 at night, R36 and R37."""

from typing import Any, Final

from balance_chain.simulator import sources
from balance_chain.simulator.casefile import HOUR_MS, MINUTE_MS, Draft, day_start, local_text, months_after
from balance_chain.simulator.people import Person
from balance_chain.simulator.plans import Plan
from balance_chain.simulator.world.days import day_of
from balance_chain.simulator.world.scenario import ANY, PANEL, SIMPLE, Scenarios, Subtlety
from balance_chain.simulator.world.tape import Tape, days

PEOPLE: Final = Scenarios()
_TOLD_WITHIN: Final = 3
_YEARS_MONTHS: Final = 24


def _change_panel(tape: Tape, told_after: float | None, **said: Any) -> None:
    """A member is replaced between assignment and hearing, and the parties are told so many days later."""
    staff = tape.case.staff
    old, new = staff.judges[2], staff.judges[5]
    held = tape.first("hearing.held")
    ms = held.ms - days(5)
    data: dict[str, Any] = {
        "removed": [dict(old)],
        "added": [dict(new)],
        "members": [dict(staff.judges[0]), dict(staff.judges[1]), dict(new)],
        "reason": "leave",
        "requester": dict(staff.judge),
        "approver": dict(staff.president),
        **said,
    }
    changed = {name: value for name, value in data.items() if value is not None}
    tape.put(ms, sources.CASE, "panel.changed", changed, ("clerk", staff.registrar))
    tape.replace_person(old, new, ms + 1)
    if told_after is not None:
        notice = {"kind": "panel", "channel": "electronic", "recipients": [dict(tape.case.plaintiff)]}
        tape.put(ms + days(told_after), sources.SERVICE, "notice.issued", notice, ("clerk", staff.clerk))


@PEOPLE.positive("R19", "plain", "no reason is stated", PANEL)
def _unstated(tape: Tape) -> None:
    _change_panel(tape, 1, reason="unstated")


@PEOPLE.positive("R19", "plain", "nobody approved it", PANEL)
def _unapproved(tape: Tape) -> None:
    _change_panel(tape, 1, approver=None)


@PEOPLE.positive("R19", "blatant", "the parties are never told", PANEL)
def _never_told(tape: Tape) -> None:
    _change_panel(tape, None)


@PEOPLE.positive("R19", "subtle", "the parties are told an hour after the three days", PANEL)
def _told_late(tape: Tape) -> None:
    _change_panel(tape, _TOLD_WITHIN + 1 / 24)


@PEOPLE.near("R19", "told an hour before the three days are over", PANEL)
def _told_in_time(tape: Tape) -> None:
    _change_panel(tape, _TOLD_WITHIN - 1 / 24)


@PEOPLE.honest("R19", "told at the hearing, which the record of the change says", PANEL)
def _told_already(tape: Tape) -> None:
    _change_panel(tape, None, notified=True)


def _reassign(tape: Tape, *reasons: str) -> None:
    """The judge changes so often, a few days each time, before the first hearing."""
    staff = tape.case.staff
    first = tape.first("hearing.held").ms
    start = tape.first("notice.issued", kind="panel").ms
    room = (first - start) // (len(reasons) + 2)
    for number, reason in enumerate(reasons, start=1):
        old, new = staff.judges[0] if number == 1 else staff.judges[2 + number], staff.judges[3 + number]
        data = {
            "previous": dict(old),
            "judge": dict(new),
            "reason": reason,
            "mode": "random",
            "approver": dict(staff.president),
        }
        ms = start + room * number
        tape.put(ms, sources.CASE, "judge.reassigned", data, ("clerk", staff.registrar))


_SINGLE: Final = (Plan("simplified"), Plan("ordinary"), Plan("administrative_simplified"))


@PEOPLE.graded("R20", "the judge changed twice or more without an excuse", _SINGLE)
def _reassigned(tape: Tape, grade: Subtlety) -> None:
    match grade:
        case "blatant":
            _reassign(tape, "other", "unstated", "other")
        case "plain":
            _reassign(tape, "workload", "other")
        case "subtle":
            _reassign(tape, "unstated", "leave", "workload")


@PEOPLE.near("R20", "changed once without an excuse", _SINGLE)
def _reassigned_once(tape: Tape) -> None:
    _reassign(tape, "workload")


@PEOPLE.honest("R20", "changed three times, for leave, a posting and once for the workload", _SINGLE)
def _on_leave(tape: Tape) -> None:
    _reassign(tape, "leave", "transfer", "workload")


def _own_lawyer(tape: Tape) -> Person:
    """A lawyer who is in no other case, so that a relation concerns this case alone."""
    lawyer = {"id": f"L-own-{tape.case.key}"}
    tape.replace_person(tape.case.lawyer, lawyer, 0)
    return lawyer


def _declare(tape: Tape, ms: int, judge: Person, other: Person, **said: Any) -> None:
    data = {"person": dict(judge), "with": dict(other), "kind": "spouse", **said}
    tape.put(ms, sources.AUDIT, "relation.declared", data, ("judge", judge))


@PEOPLE.positive("R24", "blatant", "the judge had declared to be married to counsel", SIMPLE)
def _married(tape: Tape) -> None:
    lawyer = _own_lawyer(tape)
    _declare(tape, tape.first("counsel.changed").ms - days(0.01), tape.case.staff.judge, lawyer)


@PEOPLE.positive("R24", "plain", "declared while the case goes on, and nobody leaves it", SIMPLE)
def _declared_late(tape: Tape) -> None:
    lawyer = _own_lawyer(tape)
    _declare(tape, tape.first("hearing.held").ms + days(1), tape.case.staff.judge, lawyer, kind="business")


@PEOPLE.positive("R24", "subtle", "a member of the panel is related to the agency that appraises", PANEL[:2])
def _related_agency(tape: Tape) -> None:
    agency = {"id": f"AG-own-{tape.case.key}"}
    submitted = tape.first("evidence.exchanged")
    data = {
        "evidence_id": f"E{tape.case.key}-2",
        "agency": dict(agency),
        "selection": "agreement",
        "stage": "entrusted",
    }
    tape.put(submitted.ms + MINUTE_MS, sources.EVIDENCE, "evidence.appraised", data, ("agency", agency))
    _declare(tape, tape.first("judge.assigned").ms, tape.case.staff.judges[1], agency, kind="relative")


@PEOPLE.positive(
    "R24",
    "subtle",
    "a judge of the first instance sits on the appeal",
    (Plan("ordinary", collegial=True, appealed=True),),
)
def _sat_before(tape: Tape) -> None:
    formed = tape.last("panel.formed", instance="second")
    tape.replace_person(formed.data["members"][2], tape.case.staff.judges[1], formed.ms)


@PEOPLE.near("R24", "the relation had ended a year before", SIMPLE)
def _ended(tape: Tape) -> None:
    lawyer = _own_lawyer(tape)
    until = months_after(day_of(tape.first("case.submitted").ms), -12).isoformat()
    _declare(tape, tape.first("case.submitted").ms, tape.case.staff.judge, lawyer, until=until)


@PEOPLE.near("R24", "the lawyer left before the judge was chosen", SIMPLE)
def _lawyer_left(tape: Tape) -> None:
    lawyer = _own_lawyer(tape)
    assigned = tape.first("judge.assigned")
    left = {"action": "withdrawn", "lawyer": dict(lawyer), "client": dict(tape.case.plaintiff)}
    tape.put(assigned.ms - 20 * MINUTE_MS, sources.PARTY, "counsel.changed", left, ("lawyer", lawyer))
    _declare(tape, assigned.ms - 10 * MINUTE_MS, tape.case.staff.judge, lawyer)


@PEOPLE.near("R24", "a declaration that there is no relation", SIMPLE)
def _none(tape: Tape) -> None:
    lawyer = _own_lawyer(tape)
    _declare(tape, tape.first("case.submitted").ms, tape.case.staff.judge, lawyer, kind="none")


@PEOPLE.honest("R24", "a namesake: the relation is known by name alone", SIMPLE)
def _namesake(tape: Tape) -> None:
    name = {"name": "王伟"}
    _declare(tape, tape.first("case.submitted").ms, tape.case.staff.judge, name)
    tape.replace_person(tape.case.lawyer, {"id": f"L-own-{tape.case.key}"}, 0)


def _request_recusal(tape: Tape, ms: int, target: Person, decided_ms: int | None, result: str = "denied") -> None:
    name = f"HB{tape.case.key}"
    asked = {"target": dict(target), "recusal_id": name, "ground": "relation"}
    tape.put(ms, sources.CASE, "recusal.requested", asked, ("defendant", tape.case.defendant))
    if decided_ms is not None:
        president = tape.case.staff.president
        said = {"result": result, "target": dict(target), "recusal_id": name, "approver": dict(president)}
        tape.put(decided_ms, sources.CASE, "recusal.decided", said, ("approver", president))


@PEOPLE.positive("R25", "blatant", "the request is never decided, and the judge goes on", SIMPLE)
def _undecided(tape: Tape) -> None:
    held = tape.first("hearing.held", kind="trial")
    _request_recusal(tape, held.ms - days(2), tape.case.staff.judge, None)


@PEOPLE.positive("R25", "plain", "the judge holds the hearing a day before the request is decided", SIMPLE)
def _heard(tape: Tape) -> None:
    held = tape.first("hearing.held", kind="trial")
    _request_recusal(tape, held.ms - days(1), tape.case.staff.judge, held.ms + days(0.8))


@PEOPLE.positive("R25", "subtle", "decided, but only after twelve days", (Plan("ordinary"),))
def _decided_late(tape: Tape) -> None:
    answered = tape.first("evidence.exchanged")
    tape.shift([each for each in tape.drafts if each.ms > answered.ms], days(21))
    _request_recusal(tape, answered.ms + days(2), tape.case.staff.judges[6], answered.ms + days(14))


@PEOPLE.near("R25", "decided within two days, then the hearing", SIMPLE)
def _decided(tape: Tape) -> None:
    held = tape.first("hearing.held", kind="trial")
    _request_recusal(tape, held.ms - days(2), tape.case.staff.judge, held.ms - 30 * MINUTE_MS)


@PEOPLE.honest("R25", "an urgent measure while the request is pending", SIMPLE)
def _urgent(tape: Tape) -> None:
    held = tape.first("hearing.held", kind="trial")
    judge = tape.case.staff.judge
    _request_recusal(tape, held.ms - days(2), judge, held.ms - 30 * MINUTE_MS)
    decided = {"result": "granted", "kind": "preservation", "motion_id": f"BQ{tape.case.key}"}
    tape.put(held.ms - days(1), sources.PARTY, "motion.decided", decided, ("judge", judge))


def _former(tape: Tape, months: int, **said: Any) -> None:
    counsel = tape.first("counsel.changed")
    left = months_after(day_of(counsel.ms), -months).isoformat()
    tape.change(counsel, left_office=left, **said)


@PEOPLE.positive("R26", "blatant", "left the bench three months ago", ANY[:6])
def _just_left(tape: Tape) -> None:
    _former(tape, 3, former_court="京0199")


@PEOPLE.positive("R26", "plain", "before the own former court, years later", SIMPLE)
def _own_court(tape: Tape) -> None:
    _former(tape, 60, former_court=tape.case.court)


@PEOPLE.positive("R26", "subtle", "a month short of two years", SIMPLE)
def _nearly_two_years(tape: Tape) -> None:
    _former(tape, _YEARS_MONTHS - 1, former_court="京0199")


@PEOPLE.near("R26", "two years and a month, and another court", SIMPLE)
def _two_years(tape: Tape) -> None:
    _former(tape, _YEARS_MONTHS + 1, former_court="京0199")


@PEOPLE.honest("R26", "a former judge as guardian of a relative", SIMPLE)
def _guardian(tape: Tape) -> None:
    _former(tape, 3, former_court=tape.case.court, guardian=True)


def _interfered(tape: Tape, routed_hours: float | None, occurred_hours: float = 0.5) -> int:
    """Somebody asks about the case; when it was recorded."""
    ms = tape.first("hearing.held").ms + 2 * HOUR_MS
    judge = tape.case.staff.judge
    occurred = ms - int(occurred_hours * HOUR_MS)
    data = {
        "manner": "plea",
        "occurred": local_text(occurred),
        "recorder": dict(judge),
        "outsider": {"name": "某单位负责人(演示)"},
    }
    if routed_hours is not None:
        data["routed"] = local_text(occurred + int(routed_hours * HOUR_MS))
    tape.put(ms, sources.AUDIT, "interference.recorded", data, ("judge", judge))
    return ms


@PEOPLE.positive("R27", "blatant", "recorded and passed on to nobody", ANY)
def _unrouted(tape: Tape) -> None:
    _interfered(tape, None)


@PEOPLE.positive("R27", "plain", "passed on after four days", ANY)
def _routed_late(tape: Tape) -> None:
    _interfered(tape, 96, occurred_hours=96)


@PEOPLE.positive("R27", "subtle", "acted upon an hour after the 24 hours", ANY)
def _acted_late(tape: Tape) -> None:
    _act(tape, _interfered(tape, None) + 25 * HOUR_MS)


def _act(tape: Tape, ms: int, measure: str = "other") -> None:
    president = tape.case.staff.president
    data = {"measure": measure, "supervisor": dict(president), "target": dict(tape.case.staff.judge)}
    tape.put(ms, sources.AUDIT, "supervision.acted", data, ("approver", president))


@PEOPLE.near("R27", "passed on after 23 hours", ANY)
def _routed(tape: Tape) -> None:
    _interfered(tape, 23, occurred_hours=23)


@PEOPLE.near("R27", "acted upon after 23 hours", ANY)
def _acted(tape: Tape) -> None:
    _act(tape, _interfered(tape, None) + 23 * HOUR_MS)


@PEOPLE.honest("R27", "the president lawfully asks how the case stands", ANY)
def _asked(tape: Tape) -> None:
    _act(tape, tape.first("hearing.held").ms + HOUR_MS, "report")


def _view(tape: Tape, viewer: Person, role: str, ms: int | None = None, **said: Any) -> Draft:
    data: dict[str, Any] = {
        "viewer": dict(viewer),
        "viewer_role": role,
        "action": "view",
        "purpose": "other",
        "count": 1,
        **said,
    }
    at = ms if ms is not None else tape.first("hearing.held").ms + 3 * HOUR_MS
    return tape.put(at, sources.IAM, "access.viewed", data, ("viewer", viewer))


@PEOPLE.positive("R29", "blatant", "a judge who has nothing to do with the case reads the file", ANY)
def _outsider(tape: Tape) -> None:
    _view(tape, {"id": f"J-outside-{tape.rng.randint(1, 40)}"}, "judge")


@PEOPLE.positive("R29", "plain", "a clerk of another division", ANY)
def _other_clerk(tape: Tape) -> None:
    _view(tape, {"id": f"C-outside-{tape.rng.randint(1, 40)}"}, "clerk", purpose="trial")


@PEOPLE.positive("R29", "subtle", "asked for access, was not granted it, and read all the same", ANY)
def _not_granted(tape: Tape) -> None:
    viewer = {"id": f"J-outside-{tape.rng.randint(1, 40)}"}
    ms = tape.first("hearing.held").ms + HOUR_MS
    revoked = {"kind": "revoke", "grantee": dict(viewer), "scope": "case", "approver": dict(tape.case.staff.president)}
    tape.put(ms, sources.IAM, "permission.changed", revoked, ("officer", tape.case.staff.officer))
    _view(tape, viewer, "judge", ms + HOUR_MS)


@PEOPLE.near("R29", "a judge who was granted access", ANY)
def _granted(tape: Tape) -> None:
    viewer = {"id": f"J-outside-{tape.rng.randint(1, 40)}"}
    ms = tape.first("hearing.held").ms + HOUR_MS
    granted = {"kind": "grant", "grantee": dict(viewer), "scope": "case", "approver": dict(tape.case.staff.president)}
    tape.put(ms, sources.IAM, "permission.changed", granted, ("officer", tape.case.staff.officer))
    _view(tape, viewer, "judge", ms + HOUR_MS)


@PEOPLE.near("R29", "a judge of the panel, and the clerk of the case", ANY)
def _insiders(tape: Tape) -> None:
    _view(tape, tape.case.staff.judge, "judge")
    _view(tape, tape.case.staff.clerk, "clerk")


@PEOPLE.honest("R29", "the filing registry at its window", ANY)
def _registry(tape: Tape) -> None:
    _view(tape, {"id": "C-window-01"}, "registry", purpose="request")


def _export(tape: Tape, hour: int, count: int, purpose: str = "other") -> None:
    held = tape.first("hearing.held").ms
    ms = day_start(day_of(held + days(1))) + hour * HOUR_MS + tape.rng.randrange(50) * MINUTE_MS
    viewer = {"id": f"A-night-{tape.rng.randint(1, 90)}"}
    _view(tape, viewer, "archive", ms, action="export", purpose=purpose, count=count)


@PEOPLE.graded("R30", "many records exported at night", ANY)
def _at_night(tape: Tape, grade: Subtlety) -> None:
    _export(tape, {"blatant": 2, "plain": 23, "subtle": 5}[grade], {"blatant": 900, "plain": 60, "subtle": 21}[grade])


@PEOPLE.near("R30", "twenty records at night, and very many by day", ANY)
def _by_day(tape: Tape) -> None:
    _export(tape, 3, 20)
    _export(tape, 15, 4000)


@PEOPLE.honest("R30", "archiving in bulk at night", ANY)
def _archiving(tape: Tape) -> None:
    _export(tape, 1, 500, "archiving")


@PEOPLE.graded("R36", "entered more than three days after it happened", ANY)
def _entered_late(tape: Tape, grade: Subtlety) -> None:
    last = tape.last("transcript.filed")
    tape.entered(last, {"blatant": days(30), "plain": days(6), "subtle": days(3) + 20 * MINUTE_MS}[grade])


@PEOPLE.near("R36", "entered twenty minutes before three days were over", ANY)
def _entered_in_time(tape: Tape) -> None:
    tape.entered(tape.last("transcript.filed"), days(3) - 20 * MINUTE_MS)


@PEOPLE.positive("R37", "blatant", "who asked for the change of judge approved it", _SINGLE)
def _approves_himself(tape: Tape) -> None:
    _reassign(tape, "leave")
    president = tape.case.staff.president
    tape.change(tape.first("judge.reassigned"), requester=dict(president))


@PEOPLE.positive("R37", "plain", "the judge extends his own time", (Plan("ordinary", limit="extended"),))
def _own_time(tape: Tape) -> None:
    judge = tape.case.staff.judge
    tape.change(tape.first("limit.extended"), approver=dict(judge))


@PEOPLE.positive(
    "R37", "subtle", "approver and requester are one, as only the request shows", (Plan("ordinary", limit="extended"),)
)
def _shown_by_the_request(tape: Tape) -> None:
    judge = tape.case.staff.judge
    granted = tape.first("limit.extended")
    tape.change(granted, approver=dict(judge), requester=None)


@PEOPLE.near("R37", "asked for by one and approved by another", _SINGLE)
def _two_people(tape: Tape) -> None:
    _reassign(tape, "leave")
    tape.change(tape.first("judge.reassigned"), requester=dict(tape.case.staff.judge))


@PEOPLE.honest("R37", "the president's own case: the higher court approves", (Plan("ordinary", limit="extended"),))
def _presidents_case(tape: Tape) -> None:
    president = tape.case.staff.president
    tape.replace_person(tape.case.staff.judge, president, 0)
    for each in tape.all("limit.extended"):
        tape.change(each, level="higher_court", approver={"id": "P-higher-01"}, requester=dict(president))
    for each in tape.all("document.reviewed", "payment.released"):
        tape.change(each, reviewer={"id": "P-vice-01"}) if each.type == "document.reviewed" else None
