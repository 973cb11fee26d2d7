"""The plain page: alerts as they come, in Chinese and English, and each alert with its events, numbers and law.

It works without scripts; with them htmx fetches the list anew whenever the stream says that something was said.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from balance_chain.web.pages import language_of
from balance_chain.web.problems import ProblemError
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from balance_judge_audit import queries
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.escalation import LEVELS
from balance_judge_audit.engine.life import STAGES
from balance_judge_audit.life.access import Access
from balance_judge_audit.queries import AlertFilter
from balance_judge_audit.repository import Pool
from balance_judge_audit.shown import shown
from balance_judge_audit.site import SITE

PAGE_SIZE: Final = 25
FILTERS: Final = ("rule", "severity", "state", "stage", "level", "court")


def add_pages(app: FastAPI, book: RuleBook, pool: Callable[[], Pool], access: Access) -> None:
    """The page, its parts and its files."""
    pages = _Pages(book, pool, access)
    SITE.mount(app)
    options: dict[str, Any] = {"include_in_schema": False, "response_class": HTMLResponse}
    app.get("/", **options)(pages.home)
    app.get("/parts/alerts", **options)(pages.part)


class _Pages:
    def __init__(self, book: RuleBook, pool: Callable[[], Pool], access: Access) -> None:
        self._book = book
        self._pool = pool
        self._access = access

    async def home(self, request: Request) -> Response:
        """The whole page."""
        # The number is read before the list: what is said in between is sent again, and nothing is missed.
        number = await queries.last_number(self._pool())
        try:
            found = await self._list(request)
        except ProblemError:
            where = urlencode({"lang": language_of(request), "next": "/"})
            return RedirectResponse(f"/sign-in?{where}", HTTPStatus.SEE_OTHER)
        return SITE.render(request, "alerts.html", number=number, **found)

    async def part(self, request: Request) -> HTMLResponse:
        """The list alone, for htmx."""
        return SITE.render(request, "list.html", **await self._list(request))

    async def _list(self, request: Request) -> dict[str, Any]:
        person = await self._access.person(request)
        scope = await self._access.scope(person)
        query = request.query_params
        chosen = {name: query.get(name, "").replace("\0", "") for name in FILTERS}
        cursor = query.get("cursor", "")
        before = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) <= 18 else None
        wanted = AlertFilter(
            rules=[chosen["rule"]] if chosen["rule"] else None,
            severities=[chosen["severity"]] if chosen["severity"] else None,
            state=chosen["state"] or None,
            court=chosen["court"].strip() or None,
            before=before,
            stages=[chosen["stage"]] if chosen["stage"] else None,
            level=LEVELS.index(chosen["level"]) if chosen["level"] in LEVELS else None,
            scope=scope,
        )
        found = await queries.alerts(self._pool(), wanted, PAGE_SIZE + 1)
        kept = {name: value for name, value in chosen.items() if value}
        language = language_of(request)
        base = {"lang": language, **kept}
        more = {**base, "cursor": found[PAGE_SIZE - 1].number} if len(found) > PAGE_SIZE else None
        totals: dict[str, int] = {}
        for rule, _, count in await queries.counts(self._pool(), scope):
            totals[rule] = totals.get(rule, 0) + count
        rules = list(self._book.rules.values())
        return {
            "alerts": [shown(each) for each in found[:PAGE_SIZE]],
            "chosen": {**chosen, "any": bool(kept)},
            "rules": rules,
            "stages": STAGES,
            "levels": LEVELS,
            "person": person,
            "may_sign_in": self._access.people is not None,
            "titles": {**{rule.id: rule.title for rule in rules}},
            "tally": [
                {"id": rule.id, "title": rule.title, "count": totals[rule.id]} for rule in rules if rule.id in totals
            ],
            "more": "/?" + urlencode(more) if more else None,
            "paged": before is not None,
            "first": "/?" + urlencode(base),
            "fragment": "/parts/alerts?" + urlencode({**base, **({"cursor": before} if before else {})}),
        }
