"""The page for people at `/`: what this service is, its numbers, and look-up of an event, a case or a file digest."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode

import msgspec
from balance_chain.web.pages import Site, language_of
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse

from balance_verifier import answers
from balance_verifier.findings import TITLES
from balance_verifier.portal import LIST_LIMIT, Portal, place_of
from balance_verifier.proofs import state_of
from balance_verifier.queries import FoundEvent
from balance_verifier.texts import TEXTS

SHOWN_FINDINGS: Final = 10

_site: Final = Site("balance_verifier", TEXTS, "verifier.css")

Text = Annotated[str, Query(max_length=2000)]


def add_pages(app: FastAPI, portal: Portal) -> None:
    """Mount the pages and their style sheet."""
    _site.mount(app)

    @app.get("/", include_in_schema=False, response_class=HTMLResponse)
    async def home(request: Request) -> HTMLResponse:
        shards, log = await portal.queries.status()
        status = answers.status_json(portal.settings.origin, shards, log, await portal.queries.finding_counts())
        found = (await portal.queries.findings(SHOWN_FINDINGS)) if status["findings"]["total"] else []
        language = language_of(request)
        titles = {code: both[0 if language == "zh" else 1] for code, both in TITLES.items()}
        return _site.render(request, "home.html", status=status, found=found, titles=titles)

    @app.get("/find", include_in_schema=False, response_class=HTMLResponse)
    async def find(
        request: Request,
        source: Text = "",
        id: Text = "",
        caseid: Text = "",
        algorithm: Text = "",
        digest: Text = "",
        after: Text = "",
    ) -> HTMLResponse:
        language = language_of(request)
        asked = {
            name: text.strip().replace("\0", "")
            for name, text in (("source", source), ("id", id), ("caseid", caseid), ("digest", digest))
        }
        if asked["id"]:
            event = await portal.queries.event(asked["source"], asked["id"])
            return _event_page(request, event)
        if asked["caseid"]:
            limit = portal.settings.verifier_page_size
            place = place_of(after or None)
            events = await portal.queries.events_of_case(asked["caseid"], place, limit + 1)
            more = ""
            if len(events) > limit:
                last = events[limit - 1]
                mark = answers.cursor(last.time, last.shard, last.pos)
                more = "/find?" + urlencode({"lang": language, "caseid": asked["caseid"], "after": mark})
            return _list_page(request, "timeline", asked["caseid"], events[:limit], more)
        if asked["digest"]:
            name = algorithm.strip().lower().replace("\0", "")
            events = await portal.queries.events_of_digest(name, asked["digest"].lower(), LIST_LIMIT)
            return _list_page(request, "digest_events", asked["digest"], events, "")
        return _site.render(request, "message.html", 400, message="empty")


def _event_page(request: Request, event: FoundEvent | None) -> HTMLResponse:
    if event is None:
        return _site.render(request, "message.html", 404, message="none")
    content = msgspec.json.format(event.value, indent=2).decode()
    answer = answers.event_json(event)
    return _site.render(request, "event.html", event=answer, state=f"state_{state_of(event)}", content=content)


def _list_page(request: Request, heading: str, what: str, events: list[FoundEvent], more: str) -> HTMLResponse:
    if not events:
        return _site.render(request, "message.html", 404, message="none")
    rows = [
        (
            answers.event_json(event),
            f"state_{state_of(event)}",
            "/find?" + urlencode({"lang": language_of(request), "source": event.source, "id": event.id}),
        )
        for event in events
    ]
    return _site.render(request, "list.html", heading=heading, what=what, rows=rows, more=more)
