"""Where cases wait, for people and programs: time in each phase by court, cause and procedure, and who waits now.

Charts are drawn here, as SVG: they need no script, and the same figures stand beside them in a table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from balance_chain.core.times import format_ms
from balance_chain.web.pages import language_of
from balance_chain.web.problems import FieldError, ProblemError
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel

from balance_judge_audit import repository_flow
from balance_judge_audit.engine.lawtime import DAY_MS
from balance_judge_audit.flow import Flow
from balance_judge_audit.life.access import Access
from balance_judge_audit.queries import Scope
from balance_judge_audit.repository import Pool
from balance_judge_audit.repository_flow import By, FlowFilter, Spread, Waiting
from balance_judge_audit.site import SITE

GROUPS: Final = 20
LONGEST: Final = 5
WIDTH: Final = 640
ROW: Final = 46
LABEL: Final = 18
Words = Annotated[str | None, Query(max_length=200)]


class PhaseTime(BaseModel):
    """How long stays in a phase lasted, in days; `waiting` have not ended, and wait for `waiting_median` so far."""

    phase: str
    count: int
    first_quartile: float | None
    median: float | None
    third_quartile: float | None
    waiting: int
    waiting_median: float | None


class Group(BaseModel):
    """A court, cause or procedure; the empty one is that of all, or of what nobody has named."""

    name: str
    phases: list[PhaseTime]


class Wait(BaseModel):
    """A case that waits, since when and for how many days of ledger time."""

    phase: str
    caseid: str
    court: str
    since: str
    days: float


class FlowAnswer(BaseModel):
    """Where cases wait, as of ledger time; groups are the largest ones."""

    ledger_time: str
    phases: dict[str, dict[str, str]]
    by: By | None
    groups: list[Group]
    longest: list[Wait]


@dataclass(frozen=True, slots=True)
class Box:
    """One row of the chart: places are in the chart's own units."""

    phase: str
    y: int
    first: float
    median: float
    third: float
    time: PhaseTime


@dataclass(frozen=True, slots=True)
class Chart:
    """Quartiles and medians of each phase on one scale of days."""

    width: int
    height: int
    ticks: Sequence[tuple[float, int]]
    boxes: Sequence[Box]


def add_flow(app: FastAPI, flow: Flow, access: Access, pool: Callable[[], Pool]) -> None:
    """The API and the page."""
    desk = _FlowDesk(flow, access, pool)
    app.get("/v1/flow")(desk.flow)
    app.get("/flow", include_in_schema=False, response_class=HTMLResponse)(desk.page)


class _FlowDesk:
    def __init__(self, flow: Flow, access: Access, pool: Callable[[], Pool]) -> None:
        self._flow = flow
        self._access = access
        self._pool = pool

    async def flow(
        self,
        request: Request,
        court: Annotated[str | None, Query(max_length=200, description="Code of the court.")] = None,
        cause: Annotated[str | None, Query(max_length=200, description="Cause of action.")] = None,
        procedure: Annotated[str | None, Query(max_length=200, description="Procedure.")] = None,
        by: Annotated[By | None, Query(description="Figures for each court, cause or procedure.")] = None,
        since: Annotated[datetime | None, Query(description="Stays that ended at or after, with offset.")] = None,
        until: Annotated[datetime | None, Query(description="Stays that ended before, with offset.")] = None,
    ) -> FlowAnswer:
        """Time in each phase (median and quartiles), and the cases that wait now, longest first."""
        words = {"court": court, "cause": cause, "procedure": procedure}
        for name, text in words.items():
            if text is not None and "\0" in text:
                raise ProblemError(422, "The request is not valid", errors=(_fault(name, "has a NUL", "leave it out"),))
        scope = await self._access.reader(request)
        courts = _courts(scope, court)
        wanted = FlowFilter(courts, cause, procedure, _ms(since, "since"), _ms(until, "until"))
        return await self._answer(wanted, by, named=scope.about is None)

    async def _answer(self, wanted: FlowFilter, by: By | None, *, named: bool) -> FlowAnswer:
        """The answer; single cases are `named` to those alone who watch over them."""
        pool = self._pool()
        now = await repository_flow.now(pool)
        found: dict[str, dict[str, PhaseTime]] = {}
        for each in await repository_flow.spreads(pool, wanted, by, GROUPS):
            found.setdefault(each.group, {})[each.phase] = _time(each)
        groups = [
            Group(name=name, phases=[times[phase.id] for phase in self._flow.phases if phase.id in times])
            for name, times in found.items()
        ]
        order = {phase.id: place for place, phase in enumerate(self._flow.phases)}
        waits = await repository_flow.longest(pool, wanted, LONGEST) if named else []
        return FlowAnswer(
            ledger_time=format_ms(now),
            phases={phase.id: {"zh": phase.zh, "en": phase.en} for phase in self._flow.phases},
            by=by,
            groups=groups,
            longest=[_wait(each, now) for each in sorted(waits, key=lambda each: order.get(each.phase, len(order)))],
        )

    async def page(
        self, request: Request, court: Words = None, cause: Words = None, procedure: Words = None, by: Words = None
    ) -> Response:
        """The page: one chart over all that was chosen, a table for each group, who waits longest."""
        chosen = {
            name: (word or "").replace("\0", "").strip()
            for name, word in (("court", court), ("cause", cause), ("procedure", procedure))
        }
        person = await self._access.person(request)
        try:
            scope = await self._access.scope(person)
        except ProblemError:
            where = urlencode({"lang": language_of(request), "next": "/flow"})
            return RedirectResponse(f"/sign-in?{where}", 303)
        wanted = FlowFilter(_courts(scope, chosen["court"]), chosen["cause"] or None, chosen["procedure"] or None)
        whole = await self._answer(wanted, None, named=scope.about is None)
        grouped: By = next((name for name in ("cause", "procedure") if name == by), "court")
        return SITE.render(
            request,
            "flow.html",
            whole=whole,
            chart=chart(whole.groups[0].phases if whole.groups else []),
            by=grouped,
            groups=(await self._answer(wanted, grouped, named=False)).groups,
            chosen=chosen,
            choices=await repository_flow.choices(self._pool(), scope.courts),
            person=person,
            may_sign_in=self._access.people is not None,
        )


def _courts(scope: Scope, court: str | None) -> Sequence[str] | None:
    """The courts that are asked for, of those that the reader may see."""
    if not court:
        return scope.courts
    return [court] if scope.courts is None or court in scope.courts else []


def chart(times: Sequence[PhaseTime]) -> Chart | None:
    """The chart of some phases; None where no stay has ended."""
    ended = [each for each in times if each.count and each.third_quartile is not None]
    if not ended:
        return None
    step, most = scale(max(each.third_quartile or 0 for each in ended))

    def place(days: float | None) -> float:
        return round(WIDTH * (days or 0) / most, 1)

    boxes = [
        Box(each.phase, n * ROW, place(each.first_quartile), place(each.median), place(each.third_quartile), each)
        for n, each in enumerate(ended)
    ]
    ticks = [(place(days), days) for days in range(0, most + 1, step)]
    return Chart(WIDTH, len(ended) * ROW, ticks, boxes)


def scale(longest: float) -> tuple[int, int]:
    """A round number of days between two lines, and the last line: at most eight steps that hold the longest."""
    step = next(size * 10**power for power in range(8) for size in (1, 2, 5) if longest <= 8 * size * 10**power)
    return step, step * max(1, -int(-longest // step))


def _time(spread: Spread) -> PhaseTime:
    return PhaseTime(
        phase=spread.phase,
        count=spread.count,
        first_quartile=_days(spread.first_quartile),
        median=_days(spread.median),
        third_quartile=_days(spread.third_quartile),
        waiting=spread.waiting,
        waiting_median=_days(spread.waiting_median),
    )


def _wait(each: Waiting, now: int) -> Wait:
    days = _days(max(0, now - each.started))
    assert days is not None
    return Wait(phase=each.phase, caseid=each.caseid, court=each.court, since=format_ms(each.started), days=days)


def _days(ms: float | None) -> float | None:
    return None if ms is None else round(ms / DAY_MS, 1)


def _ms(moment: datetime | None, name: str) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        fault = _fault(name, "has no offset", "add Z or one like %2B08:00")
        raise ProblemError(422, "The request is not valid", errors=(fault,))
    try:
        return int(moment.timestamp() * 1000)
    except OverflowError:
        fault = _fault(name, "is beyond all calendars", "give a time between the years 2 and 9998")
        raise ProblemError(422, "The request is not valid", errors=(fault,)) from None


def _fault(name: str, problem: str, remedy: str) -> FieldError:
    return FieldError(f"/query/{name}", problem, remedy)
