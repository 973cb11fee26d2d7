"""The witness's HTTP interface: add-checkpoint and the latest checkpoint as tlog-witness has them, and the evidence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
from balance_chain.runtime.db import BROKEN
from balance_chain.runtime.health import Health
from balance_chain.runtime.logs import get_logger
from balance_chain.web.app import create_app
from balance_chain.web.problems import ProblemError, problem_response
from balance_verify.witness import MAX_REQUEST_BYTES
from fastapi import FastAPI, Request, Response

from balance_verifier.witness.service import Witness

log = get_logger(__name__)

Opening = Callable[[], AbstractAsyncContextManager[Witness]]


def build_app(open_witness: Opening, health: Health) -> FastAPI:
    """The application; the witness is there as long as its lifespan."""
    there: list[Witness] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with open_witness() as witness:
            there.append(witness)
            try:
                yield
            finally:
                there.clear()

    app = create_app("Balance Chain witness 见证", health, lifespan=lifespan)
    for kind in BROKEN:
        app.add_exception_handler(kind, _state_away)

    @app.post("/add-checkpoint", summary="Cosign a checkpoint (C2SP tlog-witness)", tags=["witness"])
    async def add_checkpoint(request: Request) -> Response:
        """200 with the cosignature's line, 409 with the latest size, or 400, 403, 404, 422 with the reason."""
        answer = await there[0].add_checkpoint(await _body(request))
        # As a header: given as a media type, the text types would get a charset added.
        return Response(answer.body, answer.status, headers={"Content-Type": answer.content_type})

    @app.get("/{origin_hash}/checkpoint", summary="The latest checkpoint cosigned of a log", tags=["witness"])
    async def get_checkpoint(origin_hash: str) -> Response:
        """`origin_hash` is the SHA-256 of the log's origin, in lower-case hex."""
        note = await there[0].published(origin_hash)
        if note is None:
            raise ProblemError(404, "No such checkpoint", "no checkpoint of this log was cosigned here (yet)")
        return Response(note, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})

    @app.get("/evidence", summary="Evidence of two histories, oldest first", tags=["evidence"])
    async def get_evidence() -> Response:
        """Each is a file for `balance-chain equivocation show`."""
        found = [
            {"id": id, "origin": origin, "found": at, "file": f"/evidence/{id}"}
            for id, origin, at in await there[0].store.evidence()
        ]
        return Response(msgspec.json.encode({"evidence": found}), media_type="application/json")

    @app.get("/evidence/{id}", summary="One file of evidence", tags=["evidence"])
    async def get_evidence_file(id: str) -> Response:
        data = await there[0].store.evidence_data(id) if "\0" not in id else None
        if data is None:
            raise ProblemError(404, "No such evidence", "see /evidence")
        name = f'attachment; filename="{id}.equivocation.json"'
        return Response(data, media_type="application/json", headers={"Content-Disposition": name})

    return app


async def _body(request: Request) -> bytes:
    """The body, or so much of it that it is seen to be too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_REQUEST_BYTES:
            break
    return bytes(body)


async def _state_away(_: Request, error: Exception) -> Response:
    log.warning("state_away", error=repr(error))
    return problem_response(503, "Not possible now", "the state does not answer", headers={"Retry-After": "2"})
