"""The service's HTTP interface: alerts with their history, the rule book, the live stream, and how far it all
is.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.times import format_ms
from balance_chain.runtime.db import connect, database_problems
from balance_chain.runtime.health import Health
from balance_chain.runtime.service import pause
from balance_chain.web.app import create_app
from balance_chain.web.problems import FieldError, ProblemError
from fastapi import FastAPI, Header, Path, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from balance_judge_audit import page, queries
from balance_judge_audit.backtest.api import add_backtest
from balance_judge_audit.engine.escalation import LEVELS
from balance_judge_audit.engine.life import Stage
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.statement import statement_of
from balance_judge_audit.explaining import Explainer
from balance_judge_audit.flowpages import add_flow
from balance_judge_audit.judges import JudgeDesk, add_judges
from balance_judge_audit.life.access import Access
from balance_judge_audit.life.acting import Acting
from balance_judge_audit.life.lives import Lives
from balance_judge_audit.life.pages import AlertPages
from balance_judge_audit.life.policy import load_policy, policy_file
from balance_judge_audit.life.routes import add_actions
from balance_judge_audit.loading import load_book, load_phases, load_trial
from balance_judge_audit.places import PlaceFinder, rule_at
from balance_judge_audit.queries import AlertFilter, StoredRevision
from balance_judge_audit.repository import Pool
from balance_judge_audit.rulepages import add_rule_pages
from balance_judge_audit.schemas import Alert, AlertDetail, AlertPage, Revision, ShardStatus, Status
from balance_judge_audit.sending.status import add_sending
from balance_judge_audit.settings import ApiSettings
from balance_judge_audit.wallclock import now_ms

Level = Literal["monitor", "supervisor", "presiding"]
STREAM_BATCH: Final = 100
PING_SECONDS: Final = 15
SUMMARY: Final = "Alerts flag anomalies of process. An alert is no legal opinion and says nothing of anybody's fault."


def build_app(settings: ApiSettings, health: Health, stop: asyncio.Event) -> FastAPI:
    """The application; `stop` ends open streams."""
    book = load_book(settings)
    trial = load_trial(settings)
    shared: dict[str, Pool] = {}

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        shared["pool"] = await connect(settings, settings.audit_schema)
        health.add_check("database", lambda: database_problems(shared["pool"]))
        await access.announce(now_ms())
        try:
            yield
        finally:
            await jobs.close()
            await asyncio.wait_for(shared["pool"].close(), settings.database_timeout_seconds)

    app = create_app("Balance Chain judge-audit 天平链司法监督", health, lifespan=lifespan)
    app.description = SUMMARY

    def pool() -> Pool:
        return shared["pool"]

    places = PlaceFinder(Courts.load(data_dir("catalogue")))
    access = Access(settings, pool)
    acting = Acting(access, load_policy(policy_file(settings.rules)), places, settings.audit_source)
    lives = Lives(settings, access, acting, pool)
    explainer = Explainer(book, places, settings.verifier_url)

    @app.get("/v1/alerts")
    async def list_alerts(
        request: Request,
        rule: Annotated[list[str] | None, Query(description="Rules, e.g. R01.")] = None,
        severity: Annotated[list[Literal["L", "M", "H", "C"]] | None, Query()] = None,
        court: Annotated[str | None, Query(description="Code of the court.")] = None,
        state: Annotated[Literal["open", "cured"] | None, Query()] = None,
        stage: Annotated[list[Stage] | None, Query(description="Where its life stands, e.g. raised.")] = None,
        level: Annotated[
            Literal["monitor", "supervisor", "presiding"] | None, Query(description="Whose turn it is.")
        ] = None,
        subject: Annotated[str | None, Query(description="Case, or URI of a source.")] = None,
        since: Annotated[datetime | None, Query(description="Raised at or after, with offset.")] = None,
        until: Annotated[datetime | None, Query(description="Raised before, with offset.")] = None,
        cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int | None, Query(ge=1, le=1000)] = None,
    ) -> AlertPage:
        """Alerts, the one with the latest revision first."""
        _no_nul(rule=rule, court=court, subject=subject)
        wanted = AlertFilter(
            rules=rule,
            severities=severity,
            court=court,
            state=state,
            subject=subject,
            since=_ms(since, "since"),
            until=_ms(until, "until"),
            before=_cursor(cursor),
            stages=stage,
            level=None if level is None else LEVELS.index(level),
            scope=await access.reader(request),
        )
        most = limit or settings.page_size
        found = await queries.alerts(pool(), wanted, most + 1)
        more = str(found[most - 1].number) if len(found) > most else None
        return AlertPage(alerts=[_alert(each) for each in found[:most]], next=more)

    @app.get("/v1/alerts/{alert_id}")
    async def one_alert(request: Request, alert_id: Annotated[str, Path()]) -> AlertDetail:
        """One alert with its revisions, the events that it rests on, its rule, how it was counted, and its life."""
        person = await access.person(request)
        found = await queries.alert(pool(), alert_id, await access.scope(person))
        if found is None:
            raise ProblemError(404, "No such alert", "GET /v1/alerts lists them.")
        bodies = [each.body for each in await queries.revisions(pool(), alert_id)]
        said = [Revision.model_validate_json(each) for each in bodies]
        alert = _alert(found)
        rule = rule_at(book, places, alert.rule, alert.courtcode, alert.subject)
        return AlertDetail(
            alert=alert,
            revisions=said,
            rule=None if rule is None else _rule(rule),
            statement=statement_of(rule, [each.numbers for each in said]),
            explanation=explainer.explain(bodies),
            life=await lives.answer(alert_id, person),
        )

    add_actions(app, acting, access, pool, settings.audit_source)
    jobs = add_backtest(app, access, settings)

    @app.get("/v1/rules")
    async def list_rules() -> list[dict[str, Any]]:
        """The rule book."""
        return [_rule(rule) for rule in book.rules.values()]

    @app.get("/v1/rules/{rule_id}")
    async def one_rule(rule_id: Annotated[str, Path()]) -> dict[str, Any]:
        """One rule: what it means, its law, parameters and known false alarms."""
        rule = book.rules.get(rule_id)
        if rule is None:
            raise ProblemError(404, "No such rule", "GET /v1/rules lists them.")
        return _rule(rule)

    @app.get("/v1/status")
    async def status() -> Status:
        """How far each shard is applied, and what is still to be judged or sent."""
        grace = int(settings.grace_seconds * 1000)
        positions, left = await queries.shards(pool()), await queries.waiting(pool(), grace)
        alerts: dict[str, dict[str, int]] = {}
        for rule, state, count in await queries.counts(pool()):
            alerts.setdefault(rule, {})[state] = count
        return Status(
            shards=[
                ShardStatus(shard=each["shard"], applied=each["applied"], ledger_time=format_ms(each["ledger_time"]))
                for each in positions
            ],
            alerts=alerts,
            settled=not any(left[name] for name in ("settling", "gaps", "held", "unsent")),
            **left,
        )

    @app.get("/v1/stream")
    async def stream(
        request: Request,
        last_event_id: Annotated[str | None, Header(description="Id of the last event that was received.")] = None,
        after: Annotated[int | None, Query(ge=0, description="The same, for a client that cannot set headers.")] = None,
    ) -> EventSourceResponse:
        """Every revision as it is said, as server-sent events `alert`; from now on, or after `Last-Event-ID`."""
        scope = await access.reader(request)
        start = _cursor(last_event_id) if last_event_id else after

        async def events() -> AsyncIterator[ServerSentEvent]:
            number = await queries.last_number(pool()) if start is None else start
            while not stop.is_set() and not await request.is_disconnected():
                found = await queries.revisions_after(pool(), number, STREAM_BATCH, scope)
                for each in found:
                    number = each.number
                    yield ServerSentEvent(data=_public(each.body), event="alert", id=str(number))
                if len(found) < STREAM_BATCH:
                    await pause(stop, settings.stream_poll_seconds)

        return EventSourceResponse(events(), ping=PING_SECONDS)

    page.add_pages(app, book, pool, access)
    AlertPages(settings, access, acting, lives, explainer, pool).add(app)
    add_judges(app, JudgeDesk(book, places, access, pool, settings), pool, settings, stop)
    add_sending(app, access, pool)
    add_flow(app, load_phases(settings), access, pool)
    add_rule_pages(app, book, trial, access, pool, settings)
    return app


def _alert(stored: StoredRevision) -> Alert:
    level = None if stored.level is None else LEVELS[stored.level]
    more = {"raised": format_ms(stored.raised), "stage": stored.stage, "level": level}
    return Alert.model_validate({**json.loads(stored.body), **more})


def _public(body: str) -> str:
    return Revision.model_validate_json(body).model_dump_json()


def _rule(rule: Rule) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(rule)
    return content


def _ms(moment: datetime | None, name: str) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        fault = FieldError(f"/query/{name}", "has no offset", "add Z or one like %2B08:00")
        raise ProblemError(422, "The request is not valid", errors=(fault,))
    try:
        return int(moment.timestamp() * 1000)
    except OverflowError:
        fault = FieldError(f"/query/{name}", "is beyond all calendars", "give a time between the years 2 and 9998")
        raise ProblemError(422, "The request is not valid", errors=(fault,)) from None


def _no_nul(**texts: str | list[str] | None) -> None:
    """PostgreSQL holds no NUL, so nothing can be found by one."""
    for name, text in texts.items():
        if "\0" in "".join(text or ()):
            fault = FieldError(f"/query/{name}", "has a NUL", "leave it out")
            raise ProblemError(422, "The request is not valid", errors=(fault,))


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        fault = FieldError("/query/cursor", "is no cursor", "send `next` of the page before, as it was")
        raise ProblemError(422, "The request is not valid", errors=(fault,))
    return int(text)
