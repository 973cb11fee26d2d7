"""The page for people at `/`: what this service is, its numbers, and look-up of an event, a case or a file digest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.staticfiles import StaticFiles

from balance_verifier import answers
from balance_verifier.findings import TITLES
from balance_verifier.portal import LIST_LIMIT, Portal, place_of
from balance_verifier.proofs import state_of
from balance_verifier.queries import FoundEvent
from balance_verifier.texts import Language, choose_language, texts

HERE: Final = Path(__file__).parent
SHOWN_FINDINGS: Final = 10

_templates: Final = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

Text = Annotated[str, Query(max_length=2000)]


def add_pages(app: FastAPI, portal: Portal) -> None:
    """Mount the pages and their style sheet."""
    app.mount("/static", StaticFiles(directory=HERE / "static"))

    @app.get("/", include_in_schema=False, response_class=HTMLResponse)
    async def home(request: Request, lang: str | None = None) -> HTMLResponse:
        shards, log = await portal.queries.status()
        status = answers.status_json(portal.settings.origin, shards, log, await portal.queries.finding_counts())
        found = (await portal.queries.findings(SHOWN_FINDINGS)) if status["findings"]["total"] else []
        language = _language(request, lang)
        titles = {code: both[0 if language == "zh" else 1] for code, both in TITLES.items()}
        return _page(request, language, "home.html", status=status, found=found, titles=titles)

    @app.get("/find", include_in_schema=False, response_class=HTMLResponse)
    async def find(
        request: Request,
        lang: str | None = None,
        source: Text = "",
        id: Text = "",
        caseid: Text = "",
        algorithm: Text = "",
        digest: Text = "",
        after: Text = "",
    ) -> HTMLResponse:
        language = _language(request, lang)
        asked = {
            name: text.strip().replace("\0", "")
            for name, text in (("source", source), ("id", id), ("caseid", caseid), ("digest", digest))
        }
        if asked["id"]:
            event = await portal.queries.event(asked["source"], asked["id"])
            return _event_page(request, language, event)
        if asked["caseid"]:
            limit = portal.settings.verifier_page_size
            place = place_of(after or None)
            events = await portal.queries.events_of_case(asked["caseid"], place, limit + 1)
            more = ""
            if len(events) > limit:
                last = events[limit - 1]
                mark = answers.cursor(last.time, last.shard, last.pos)
                more = "/find?" + urlencode({"lang": language, "caseid": asked["caseid"], "after": mark})
            return _list_page(request, language, "timeline", asked["caseid"], events[:limit], more)
        if asked["digest"]:
            name = algorithm.strip().lower().replace("\0", "")
            events = await portal.queries.events_of_digest(name, asked["digest"].lower(), LIST_LIMIT)
            return _list_page(request, language, "digest_events", asked["digest"], events, "")
        return _page(request, language, "message.html", 400, message="empty")


def _language(request: Request, asked: str | None) -> Language:
    return choose_language(asked, request.headers.get("accept-language", ""))


def _event_page(request: Request, language: Language, event: FoundEvent | None) -> HTMLResponse:
    if event is None:
        return _page(request, language, "message.html", 404, message="none")
    content = msgspec.json.format(event.value, indent=2).decode()
    answer = answers.event_json(event)
    return _page(request, language, "event.html", event=answer, state=f"state_{state_of(event)}", content=content)


def _list_page(
    request: Request, language: Language, heading: str, what: str, events: list[FoundEvent], more: str
) -> HTMLResponse:
    if not events:
        return _page(request, language, "message.html", 404, message="none")
    rows = [
        (
            answers.event_json(event),
            f"state_{state_of(event)}",
            "/find?" + urlencode({"lang": language, "source": event.source, "id": event.id}),
        )
        for event in events
    ]
    return _page(request, language, "list.html", heading=heading, what=what, rows=rows, more=more)


def _page(request: Request, language: Language, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    other: Language = "en" if language == "zh" else "zh"
    query = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
    switch = f"{request.url.path}?{urlencode([*query, ('lang', other)])}"
    html = _templates.get_template(template).render(
        t=texts(language), lang=language, other=other, switch=switch, **values
    )
    return HTMLResponse(html, status_code, headers={"Content-Language": language, "Vary": "Accept-Language"})
