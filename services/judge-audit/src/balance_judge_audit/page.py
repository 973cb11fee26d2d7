"""The plain page: alerts as they come, in Chinese and English, and each alert with its events, numbers and law.

It works without scripts; with them htmx fetches the list anew whenever the stream says that something was said.
"""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.times import format_ms
from balance_chain.web.pages import language_of
from fastapi import FastAPI, Path, Request
from fastapi.responses import HTMLResponse

from balance_judge_audit import queries
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.statement import statement_of
from balance_judge_audit.places import PlaceFinder, rule_at
from balance_judge_audit.queries import AlertFilter, StoredRevision
from balance_judge_audit.repository import Pool
from balance_judge_audit.settings import ApiSettings
from balance_judge_audit.site import SITE

PAGE_SIZE: Final = 25
FILTERS: Final = ("rule", "severity", "state", "court")
_ORDER: Final = {
    name: place
    for place, name in enumerate(
        (
            *("procedure", "start_day", "counted_from", "period", "excluded_days", "extended_until", "last_day"),
            *("late_days", "acts", "count_at_least", "limit"),
            *("first_missing", "last_missing", "missing", "still_missing_from"),
        )
    )
}
"""In what order an alert's numbers are read."""


def add_pages(app: FastAPI, book: RuleBook, pool: Callable[[], Pool], settings: ApiSettings) -> None:
    """The page, its parts and its files."""
    pages = _Pages(book, pool, settings)
    SITE.mount(app)
    options: dict[str, Any] = {"include_in_schema": False, "response_class": HTMLResponse}
    app.get("/", **options)(pages.home)
    app.get("/parts/alerts", **options)(pages.part)
    app.get("/alerts/{alert_id}", **options)(pages.alert)


class _Pages:
    def __init__(self, book: RuleBook, pool: Callable[[], Pool], settings: ApiSettings) -> None:
        self._book = book
        self._pool = pool
        self._settings = settings
        self._places = PlaceFinder(Courts.load(data_dir("catalogue")))

    async def home(self, request: Request) -> HTMLResponse:
        """The whole page."""
        # The number is read before the list: what is said in between is sent again, and nothing is missed.
        number = await queries.last_number(self._pool())
        return SITE.render(request, "alerts.html", number=number, **await self._list(request))

    async def part(self, request: Request) -> HTMLResponse:
        """The list alone, for htmx."""
        return SITE.render(request, "list.html", **await self._list(request))

    async def alert(self, request: Request, alert_id: Annotated[str, Path()]) -> HTMLResponse:
        """One alert."""
        found = await queries.alert(self._pool(), alert_id)
        if found is None:
            return SITE.render(request, "message.html", 404, message="not_found")
        alert = _shown(found)
        revisions = [_shown(each) for each in await queries.revisions(self._pool(), alert_id)]
        rule = rule_at(self._book, self._places, alert["rule"], alert.get("courtcode"), alert["subject"])
        verifier = self._settings.verifier_url.rstrip("/")
        statement = statement_of(rule, [each["numbers"] for each in revisions])
        shown: dict[str, Any] = {"alert": alert, "revisions": revisions, "rule": rule, "statement": statement}
        return SITE.render(request, "alert.html", **shown, verifier=verifier)

    async def _list(self, request: Request) -> dict[str, Any]:
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
        )
        found = await queries.alerts(self._pool(), wanted, PAGE_SIZE + 1)
        kept = {name: value for name, value in chosen.items() if value}
        language = language_of(request)
        base = {"lang": language, **kept}
        more = {**base, "cursor": found[PAGE_SIZE - 1].number} if len(found) > PAGE_SIZE else None
        totals: dict[str, int] = {}
        for rule, _, count in await queries.counts(self._pool()):
            totals[rule] = totals.get(rule, 0) + count
        rules = list(self._book.rules.values())
        return {
            "alerts": [_shown(each) for each in found[:PAGE_SIZE]],
            "chosen": {**chosen, "any": bool(kept)},
            "rules": rules,
            "titles": {**{rule.id: rule.title for rule in rules}},
            "tally": [
                {"id": rule.id, "title": rule.title, "count": totals[rule.id]} for rule in rules if rule.id in totals
            ],
            "more": "/?" + urlencode(more) if more else None,
            "paged": before is not None,
            "first": "/?" + urlencode(base),
            "fragment": "/parts/alerts?" + urlencode({**base, **({"cursor": before} if before else {})}),
        }


def _number(value: str | int, texts: Mapping[str, str]) -> str:
    """A number or word of an alert in the reader's language; a period is a count and a unit."""
    text = str(value)
    count, _, unit = text.partition(" ")
    if count.isdigit() and (name := texts.get("u_" + unit.replace(" ", "_"))):
        return count + name
    return texts.get("v_" + text, text)


SITE.templates.filters["number"] = _number


def _shown(stored: StoredRevision) -> dict[str, Any]:
    content: dict[str, Any] = {**json.loads(stored.body), "raised": format_ms(stored.raised)}
    numbers = content["numbers"]
    content["numbers"] = {name: numbers[name] for name in sorted(numbers, key=lambda name: _ORDER.get(name, 99))}
    return content
