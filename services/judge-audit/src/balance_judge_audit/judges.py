"""A judge's own desk: what falls due in his open cases and how it is counted, and the warnings meant for him alone.

Nobody else reads it, whatever his office: a supervisor hears of a period when it has passed, by an alert.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any, Final, Literal

from balance_chain.core.times import format_ms
from balance_chain.runtime.service import pause
from balance_chain.web.pages import language_of
from balance_chain.web.problems import ProblemError
from fastapi import FastAPI, Header, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel
from sse_starlette import EventSourceResponse, ServerSentEvent

from balance_judge_audit import queries, queries_judges, repository_calendar
from balance_judge_audit.deadlines import Due, running
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.counting import count_days
from balance_judge_audit.engine.courtcalendar import Calendars
from balance_judge_audit.engine.shard import Places
from balance_judge_audit.engine.view import Place
from balance_judge_audit.life.access import KNOCK, Access
from balance_judge_audit.repository import Pool
from balance_judge_audit.settings import ApiSettings
from balance_judge_audit.site import SITE

MOST_CASES: Final = 2000
STREAM_BATCH: Final = 100
PING_SECONDS: Final = 15
PAGE: Final = "/my"
RefPath = Annotated[str, Path(pattern=r"^r_[0-9a-f]{1,64}$", description="The judge's id in the register.")]
Standing = Literal["running", "warned", "overdue"]


class Days(BaseModel):
    """Days one after the other that count alike; `counted` of the period are over at their end."""

    first: str
    last: str
    what: str
    days: int
    counted: int
    confirmed: bool


class RestsOn(BaseModel):
    """An event that moved the clock."""

    role: str
    source: str
    id: str
    type: str
    time: str
    leaf: str


class Deadline(BaseModel):
    """One period that runs. `warned_from`: since then its judge alone is warned; `due`: the first instant after it."""

    rule: str
    clause: str | None
    title: dict[str, str]
    caseid: str
    court: str | None
    state: Standing
    days_left: int
    last_day: str
    due: str
    warned_from: str | None
    basis: list[str]
    numbers: dict[str, str | int]
    counted: list[Days]
    events: list[RestsOn]


class Deadlines(BaseModel):
    """What falls due for one judge, the first to end first, as of ledger time."""

    ref: str
    ledger_time: str | None
    cases: int
    complete: bool
    deadlines: list[Deadline]


class JudgeDesk:
    """The desk of whoever asks, and of nobody else."""

    def __init__(
        self, book: RuleBook, places: Places, access: Access, pool: Callable[[], Pool], settings: ApiSettings
    ) -> None:
        self._book = book
        self._places = places
        self._access = access
        self._pool = pool
        self._settings = settings

    async def own(self, request: Request, ref: str) -> None:
        """Refuses everybody but the judge himself."""
        if self._access.people is None:
            raise ProblemError(403, "Nobody can be told apart here", "name a people file (BALANCE_PEOPLE)")
        person = await self._access.person(request)
        if person is None:
            raise ProblemError(401, "Who are you?", "send a bearer token, or sign in on the page", headers=KNOCK)
        if await self._access.ref(person) != ref:
            raise ProblemError(403, "This desk is its judge's alone", "ask for your own")

    async def deadlines(self, request: Request, ref: RefPath) -> Deadlines:
        """What falls due in the judge's open cases, counted day by day. For himself alone."""
        await self.own(request, ref)
        return await self.due(ref)

    async def due(self, ref: str) -> Deadlines:
        """What falls due, for whoever was let in."""
        found = await queries_judges.cases(self._pool(), ref, MOST_CASES + 1)
        own = found[:MOST_CASES]
        async with self._pool().acquire() as connection:
            calendars = {
                shard: await repository_calendar.load_calendars(connection, shard)
                for shard in sorted({each.shard for each in own})
            }
        # Some thousand cases are some hundred milliseconds of work: not in the loop that answers others.
        shown = await asyncio.to_thread(self._judge, own, calendars)
        latest = max((each.ledger_time for each in own), default=None)
        return Deadlines(
            ref=ref,
            ledger_time=None if latest is None else format_ms(latest),
            cases=len(own),
            complete=len(found) <= MOST_CASES,
            deadlines=shown,
        )

    def _judge(self, own: list[queries_judges.OwnCase], calendars: Mapping[int, Calendars]) -> list[Deadline]:
        found: list[tuple[Due, Place, int]] = []
        for each in own:
            court = each.state.court
            place = calendars[each.shard].place(court, self._places(court, each.caseid))
            dues = running(self._book, each.caseid, each.state, place, each.shard, each.ledger_time)
            found += [(due, place, each.ledger_time) for due in dues]
        found.sort(key=lambda each: (each[0].due, each[0].caseid))
        return [self._deadline(*each) for each in found]

    def _deadline(self, due: Due, place: Place, now: int) -> Deadline:
        rule = self._book.rules[due.rule]
        clause = next((each for each in rule.also if each.name == due.clause), None)
        state: Standing = "running"
        if now >= due.due:
            state = "overdue"
        elif due.warned_from is not None and now >= due.warned_from:
            state = "warned"
        return Deadline(
            rule=due.rule,
            clause=due.clause,
            title={"zh": clause.zh, "en": clause.en} if clause else rule.title,
            caseid=due.caseid,
            court=due.court,
            state=state,
            days_left=due.days_left,
            last_day=due.last_day.isoformat(),
            due=format_ms(due.due),
            warned_from=None if due.warned_from is None else format_ms(due.warned_from),
            basis=[f"{each.law} {each.article}" for each in rule.basis],
            numbers=dict(due.numbers),
            counted=[
                Days(
                    first=each.first.isoformat(),
                    last=each.last.isoformat(),
                    what=each.what,
                    days=each.days,
                    counted=each.counted,
                    confirmed=each.confirmed,
                )
                for each in count_days(due.numbers, place.calendar)
            ],
            events=[
                RestsOn(role=each.role, source=each.source, id=each.id, type=each.type, time=each.time, leaf=each.leaf)
                for each in due.triggers
            ],
        )

    async def page(self, request: Request) -> Response:
        """My deadlines: the desk of whoever is signed in."""
        person = await self._access.person(request)
        ref = await self._access.ref(person) if person else None
        if person is None:
            told = "desk_sign_in" if self._access.people else "desk_no_people"
            return SITE.render(request, "message.html", 401, message=told, may_sign_in=self._access.people is not None)
        if ref is None:
            return SITE.render(request, "message.html", 404, message="desk_unknown", person=person)
        return RedirectResponse(f"/judges/{ref}/deadlines?lang={language_of(request)}", 303)

    async def desk_page(self, request: Request, ref: RefPath) -> HTMLResponse:
        """One judge's desk; for himself alone."""
        try:
            await self.own(request, ref)
        except ProblemError as refused:
            may = self._access.people is not None
            return SITE.render(request, "message.html", refused.status, message="desk_not_yours", may_sign_in=may)
        found = await self.due(ref)
        verifier = self._settings.verifier_url.rstrip("/")
        person = await self._access.person(request)
        return SITE.render(request, "desk.html", desk=found, verifier=verifier, person=person)


def add_judges(
    app: FastAPI, desk: JudgeDesk, pool: Callable[[], Pool], settings: ApiSettings, stop: asyncio.Event
) -> None:
    """The API and the pages of a judge's own desk."""
    app.get("/v1/judges/{ref}/deadlines")(desk.deadlines)
    options: dict[str, Any] = {"include_in_schema": False, "response_class": HTMLResponse}
    app.get(PAGE, **options)(desk.page)
    app.get("/judges/{ref}/deadlines", **options)(desk.desk_page)

    @app.get("/v1/judges/{ref}/stream")
    async def warnings(
        request: Request,
        ref: RefPath,
        last_event_id: Annotated[str | None, Header(pattern="^[0-9]{1,18}$", description="Id of the last one.")] = None,
    ) -> EventSourceResponse:
        """Warnings meant for this judge alone, as server-sent events `warning`: from now on, or after
        `Last-Event-ID`. One whose period has passed meanwhile is a warning no longer, and not among them.
        """
        await desk.own(request, ref)

        async def events() -> AsyncIterator[ServerSentEvent]:
            number = int(last_event_id) if last_event_id else await queries.last_number(pool())
            while not stop.is_set() and not await request.is_disconnected():
                found = await queries_judges.warnings_after(pool(), ref, number, STREAM_BATCH)
                for each in found:
                    number = each.number
                    yield ServerSentEvent(data=_told(each.body), event="warning", id=str(number))
                if len(found) < STREAM_BATCH:
                    await pause(stop, settings.stream_poll_seconds)

        return EventSourceResponse(events(), ping=PING_SECONDS)


def _told(body: str) -> str:
    said = json.loads(body)
    names = ("id", "revision", "rule", "version", "state", "subject", "start", "courtcode", "judged", "numbers")
    return json.dumps({name: said[name] for name in names}, ensure_ascii=False)
