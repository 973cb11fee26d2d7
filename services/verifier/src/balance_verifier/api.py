"""The verifier's HTTP interface: events, proofs, look-ups, blocks, the log's checkpoint and keys, status, findings."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from balance_chain.certificate.render import content_policy, file_name, render_certificate
from balance_chain.core.canonical import NotCanonical, decode_event
from balance_chain.runtime.db import BROKEN
from balance_chain.runtime.health import Health
from balance_chain.runtime.logs import get_logger
from balance_chain.web.app import create_app
from balance_chain.web.pages import language_of
from balance_chain.web.problems import FieldError, ProblemError, problem_response
from balance_verify.errors import VerifyError
from balance_verify.proof import MAX_BUNDLE_BYTES, ProofBundle
from balance_verify.verify import MATCHES, NOT_YET, verify_bundle
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from balance_verifier import answers
from balance_verifier.histories import SERVED
from balance_verifier.historyroutes import add_history_routes
from balance_verifier.pages import add_pages
from balance_verifier.portal import LIST_LIMIT, Portal, place_of, segments
from balance_verifier.proofs import entry_json, proof_of, receipt_step, report_json, state_of
from balance_verifier.queries import FoundEvent
from balance_verifier.settings import ApiSettings
from balance_verifier.tileserving import add_tile_routes
from balance_verifier.timestamproutes import SERVED as STAMPS
from balance_verifier.timestamproutes import add_timestamp_routes

log = get_logger(__name__)

NOT_YET_TYPE = "urn:balance:problem:not-yet"
LAST = ("9999", 2**31 - 1, 2**63 - 1)
FILE_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")

Cursor = Annotated[str | None, Query(description="`next` of the page before", max_length=200)]


def build_app(settings: ApiSettings, health: Health) -> FastAPI:
    """The application; its database pool lives as long as its lifespan."""
    portal = Portal(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with portal.lifespan(health):
            yield

    app = create_app("Balance Chain verifier 核验", health, lifespan=lifespan)
    for kind in BROKEN:
        app.add_exception_handler(kind, _database_away)
    add_pages(app, portal)
    _event_routes(app, portal)
    _block_routes(app, portal)
    _log_routes(app, portal)
    add_tile_routes(app, portal)
    add_history_routes(app, portal)
    add_timestamp_routes(app, portal)
    return app


async def _database_away(_: Request, error: Exception) -> Response:
    log.warning("database", error=repr(error))
    return problem_response(503, "Not possible now", "the database does not answer", headers={"Retry-After": "2"})


def _event_routes(app: FastAPI, portal: Portal) -> None:
    async def event_or_proof(request: Request) -> Response:
        # Whether the last segment is the word or an id is decided on the path as sent: there, names have no slash.
        parts = segments(request, "/v1/events/")
        if len(parts) < 2:
            raise ProblemError(404, "No such event", "the path is /v1/events/{source}/{id}")
        if len(parts) > 2 and parts[-1] == "proof":
            stamped = request.query_params.get("stamped") == "true"
            return await _proof(portal, "/".join(parts[:-2]), parts[-2], stamped=stamped)
        if len(parts) > 2 and parts[-1] == "certificate":
            return await _certificate(portal, request, "/".join(parts[:-2]), parts[-2])
        event = await portal.find("/".join(parts[:-1]), parts[-1])
        return _json(answers.event_json(event, whole=True))

    @app.get("/v1/events/{source:path}/{id}/proof", summary="Proof bundle of an event", tags=["events"])
    async def get_proof(request: Request, source: str, id: str, stamped: bool = False) -> Response:
        """What `balance-verify` checks offline. 409 with result "not yet" until a checkpoint covers the block.

        With `stamped` under the first checkpoint that an authority has stamped; the timestamp is the header Link's.
        """
        return await event_or_proof(request)

    @app.get(
        "/v1/events/{source:path}/{id}/certificate",
        summary="Certificate of an event: its proof in an HTML file that checks itself",
        tags=["events"],
        response_class=HTMLResponse,
    )
    async def get_certificate(request: Request, source: str, id: str, lang: str | None = None) -> Response:
        """存证证明. 409 with result "not yet" until a checkpoint covers the block. `lang`: zh or en."""
        return await event_or_proof(request)

    @app.get("/v1/events/{source:path}/{id}", summary="An event with its state", tags=["events"])
    async def get_event(request: Request, source: str, id: str) -> Response:
        """`state`: received (in the events topic), sealed (in a recomputed block), covered (by a checkpoint)."""
        return await event_or_proof(request)

    @app.get("/v1/digests/{algorithm}/{hex}", summary="Every event that names a file's digest", tags=["events"])
    async def get_digest(algorithm: str, hex: str) -> Response:
        named = "\0" not in algorithm + hex
        found = await portal.queries.events_of_digest(algorithm.lower(), hex.lower(), LIST_LIMIT) if named else []
        if not found:
            raise ProblemError(404, "No such digest", "no event in the ledger names this digest (yet)")
        return _json(
            {"algorithm": algorithm.lower(), "digest": hex.lower(), "events": list(map(answers.event_json, found))}
        )

    @app.get("/v1/cases/{caseid:path}/events", summary="Timeline of a case", tags=["events"])
    async def get_case(request: Request, caseid: str, after: Cursor = None) -> Response:
        """Counting events by the time they happened; `next` where there are more."""
        caseid = "/".join(segments(request, "/v1/cases/")[:-1])
        if "\0" in caseid:
            raise ProblemError(404, "No such case", "no event of this case is in the ledger (yet)")
        limit = portal.settings.verifier_page_size
        found = await portal.queries.events_of_case(caseid, place_of(after), limit + 1)
        if not found and after is None:
            raise ProblemError(404, "No such case", "no event of this case is in the ledger (yet)")
        page = found[:limit]
        more = answers.cursor(page[-1].time, page[-1].shard, page[-1].pos) if len(found) > limit else None
        return _json({"caseid": caseid, "events": list(map(answers.event_json, page)), "next": more})

    @app.post("/v1/verify", summary="Check a proof bundle and explain each step", tags=["events"])
    async def post_verify(request: Request) -> Response:
        """The body is a bundle, or `{"bundle": …, "receipt": …}`. To trust nobody here, run `balance-verify` on it."""
        return _json(await _verify(portal, await _body(request)))


def _block_routes(app: FastAPI, portal: Portal) -> None:
    @app.get("/v1/blocks", summary="Recomputed blocks, newest first", tags=["blocks"])
    async def get_blocks(shard: Annotated[int | None, Query(ge=0, lt=2**31)] = None, after: Cursor = None) -> Response:
        limit = portal.settings.verifier_page_size
        found = await portal.queries.blocks(shard, place_of(after, LAST), limit + 1)
        page = found[:limit]
        more = answers.cursor(page[-1].time, page[-1].shard, page[-1].height) if len(found) > limit else None
        return _json({"blocks": list(map(answers.block_json, page)), "next": more})

    @app.get("/v1/blocks/{shard}/{height}", summary="One block with its entry", tags=["blocks"])
    async def get_block(shard: int, height: int) -> Response:
        inside = 0 <= shard < 2**31 and 0 <= height < 2**63
        found = await portal.queries.block(shard, height) if inside else None
        if found is None:
            raise ProblemError(404, "No such block", "this shard has no recomputed block of this height (yet)")
        block, entry = found
        return _json({**answers.block_json(block), "entry": entry_json(entry)})


def _log_routes(app: FastAPI, portal: Portal) -> None:
    @app.get(
        "/log/checkpoint",
        summary="The latest checkpoint, a signed note",
        tags=["log"],
        response_class=PlainTextResponse,
    )
    async def get_checkpoint() -> Response:
        latest = await portal.queries.checkpoint()
        if latest is None:
            raise ProblemError(404, "No checkpoint yet", "the first one was not verified yet")
        return PlainTextResponse(latest[1], headers={"Cache-Control": "no-cache"})

    @app.get("/log/keys", summary="Public keys and the log sizes between which they hold", tags=["log"])
    async def get_keys() -> Response:
        return _json(answers.keys_json(portal.settings.origin, str(portal.log_key), await portal.key_set()))

    @app.get(
        "/log/keys.note",
        summary="The key set as the log's key signed it, for balance-verify --keys",
        tags=["log"],
        response_class=PlainTextResponse,
    )
    async def get_key_note() -> Response:
        """404 as long as the keys are those of the genesis entry."""
        return PlainTextResponse((await _key_notes(portal))[-1], headers={"Cache-Control": "no-cache"})

    @app.get(
        "/log/keys.notes",
        summary="Every key set, one after another, for who knows an earlier or a later key of the log",
        tags=["log"],
        response_class=PlainTextResponse,
    )
    async def get_key_notes() -> Response:
        """404 as long as the keys are those of the genesis entry."""
        return PlainTextResponse("\n".join(await _key_notes(portal)), headers={"Cache-Control": "no-cache"})

    @app.get("/v1/status", summary="Numbers of each shard and of the log", tags=["status"])
    async def get_status() -> Response:
        shards, log = await portal.queries.status()
        counts = await portal.queries.finding_counts()
        return _json(answers.status_json(portal.settings.origin, shards, log, counts))

    @app.get("/v1/findings", summary="Faults found in the log, newest first", tags=["status"])
    async def get_findings() -> Response:
        found = await portal.queries.findings(LIST_LIMIT)
        return _json({"findings": list(map(answers.finding_json, found))})


async def _key_notes(portal: Portal) -> list[str]:
    notes = await portal.queries.key_notes()
    if not notes:
        raise ProblemError(404, "No key set", "no key has changed: the genesis entry's keys hold")
    return notes


async def _bundle(portal: Portal, source: str, id: str) -> ProofBundle:
    event = await portal.find(source, id)
    bundle = await proof_of(portal.queries, event)
    if bundle is None:
        detail = f"the result is “{NOT_YET}”: the event is {state_of(event)}, and no checkpoint covers it; ask again"
        raise ProblemError(409, NOT_YET, detail, type_=NOT_YET_TYPE, headers={"Retry-After": "2"})
    return bundle


async def _proof(portal: Portal, source: str, id: str, *, stamped: bool) -> Response:
    link = {}
    if stamped:
        event = await portal.find(source, id)
        first = await portal.timestamps.first_over(event.log_index) if event.log_index is not None else None
        bundle = await proof_of(portal.queries, event, first.note) if first else None
        if first is None or bundle is None:
            detail = "no checkpoint that an authority has stamped covers the event yet; ask again later"
            raise ProblemError(409, NOT_YET, detail, type_=NOT_YET_TYPE)
        link = {"Link": f'<{STAMPS}/{first.size}.tsr>; rel="timestamp"'}
    else:
        bundle = await _bundle(portal, source, id)
    return Response(
        bundle.encode(),
        media_type="application/json",
        headers={
            "Content-Disposition": f'attachment; filename="{FILE_UNSAFE.sub("_", id)}.proof.json"',
            "Cache-Control": "no-cache",
            **link,
        },
    )


async def _certificate(portal: Portal, request: Request, source: str, id: str) -> Response:
    bundle = await _bundle(portal, source, id)
    language = language_of(request)
    sealers = await portal.keys("sealer", bundle.log_proof.index)
    log_key = await portal.log_key_of(bundle)
    html = render_certificate(bundle, log_key, policy=portal.policy, sealer_keys=sealers, lang=language)
    return HTMLResponse(
        html,
        headers={
            # Its one script and style are inline, so that the saved file is whole.
            "Content-Security-Policy": f"{content_policy()}; frame-ancestors 'none'",
            "Content-Disposition": f'inline; filename="{file_name(bundle)}.html"',
            "Content-Language": language,
            "Vary": "Accept-Language",
            "Cache-Control": "no-cache",
        },
    )


async def _verify(portal: Portal, body: bytes) -> dict[str, Any]:
    receipt: bytes | None = None
    try:
        if b'"bundle"' in body[:200] or b'"receipt"' in body[:200]:
            parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            body, receipt = bytes(parts["bundle"]), bytes(parts["receipt"]) if "receipt" in parts else None
        bundle = ProofBundle.parse(body)
    except (VerifyError, msgspec.MsgspecError, KeyError, UnicodeError, RecursionError) as error:
        detail = "send the proof file as it was given"
        raise ProblemError(400, "Not a proof bundle", str(error), (FieldError("", str(error), detail),)) from None
    sealers = await portal.keys("sealer", bundle.log_proof.index)
    report = report_json(
        verify_bundle(bundle, await portal.log_key_of(bundle), policy=portal.policy, sealer_keys=sealers)
    )
    if (id := await portal.contradiction(bundle)) is not None:
        report["equivocation"] = f"{SERVED}/{id}"
    if receipt is not None:
        gateways = await portal.keys("gateway", bundle.log_proof.index)
        step = receipt_step(receipt, await _event_in(portal, bundle), gateways)
        report["steps"].append(step)
        report["ok"] = report["ok"] and (step["result"] == MATCHES or not step["needed"])
    return report


async def _event_in(portal: Portal, bundle: ProofBundle) -> FoundEvent | None:
    try:
        event = decode_event(bundle.event)
    except NotCanonical:
        return None
    return await portal.queries.event(event.source, event.id)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BUNDLE_BYTES:
            raise ProblemError(413, "Too large", f"a proof has at most {MAX_BUNDLE_BYTES} bytes")
    return bytes(body)


def _json(value: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
