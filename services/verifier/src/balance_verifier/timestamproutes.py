"""Serves the timestamps over checkpoints: the note that was stamped, and the authority's answer."""

from __future__ import annotations

from typing import Final

import msgspec
from balance_chain.web.problems import ProblemError
from fastapi import FastAPI, Response

from balance_verifier.portal import Portal
from balance_verifier.repository_timestamps import Stamped

SERVED: Final = "/log/timestamps"
_IMMUTABLE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
MAX_SIZE: Final = 2**53


def add_timestamp_routes(app: FastAPI, portal: Portal) -> None:
    """GET of `/log/timestamps` and of each note and answer."""

    @app.get(SERVED, summary="RFC 3161 timestamps over checkpoints, oldest first", tags=["log"])
    async def get_timestamps() -> Response:
        """Check one with `balance-verify --timestamp FILE --tsa-cert PEM`."""
        found = [
            {"size": size, "time": time, "token": f"{SERVED}/{size}.tsr", "note": f"{SERVED}/{size}.note"}
            for size, time in await portal.timestamps.all()
        ]
        return Response(msgspec.json.encode({"timestamps": found}), media_type="application/json")

    @app.get(f"{SERVED}/{{size}}.tsr", summary="An authority's answer (DER)", tags=["log"])
    async def get_token(size: int) -> Response:
        stamped = await _stamped(portal, size)
        return Response(stamped.token, media_type="application/timestamp-reply", headers=_IMMUTABLE)

    @app.get(f"{SERVED}/{{size}}.note", summary="The checkpoint that was stamped, a signed note", tags=["log"])
    async def get_note(size: int) -> Response:
        stamped = await _stamped(portal, size)
        return Response(stamped.note, media_type="text/plain; charset=utf-8", headers=_IMMUTABLE)


async def _stamped(portal: Portal, size: int) -> Stamped:
    stamped = await portal.timestamps.of_size(size) if 0 <= size < MAX_SIZE else None
    if stamped is None:
        raise ProblemError(404, "No such timestamp", f"see {SERVED}")
    return stamped
