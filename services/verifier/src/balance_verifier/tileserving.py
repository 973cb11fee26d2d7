"""Serves the log under /log/ exactly as C2SP tlog-tiles has it, from the projection.

Only what the published checkpoint covers is there: a tile that nobody can check yet is a 404. What is served never
changes, so caches may keep it for good.
"""

from __future__ import annotations

import gzip
from typing import Final

from balance_chain.web.problems import ProblemError
from balance_verify.errors import MalformedError
from balance_verify.tiles import ENTRIES, TILE_BITS, TILE_WIDTH, Tile, encode_bundle
from fastapi import FastAPI, Request, Response

from balance_verifier.portal import Portal

IMMUTABLE: Final = "public, max-age=31536000, immutable"
GZIP_LEVEL: Final = 6
_NOT_YET: Final = {"Cache-Control": "no-store"}


def add_tile_routes(app: FastAPI, portal: Portal) -> None:
    """GET and HEAD of `/log/tile/…`."""

    @app.head("/log/tile/{rest:path}", include_in_schema=False)
    @app.get(
        "/log/tile/{rest:path}",
        summary="A tile or entry bundle of the log (C2SP tlog-tiles)",
        tags=["log"],
        response_class=Response,
    )
    async def get_tile(request: Request, rest: str) -> Response:
        """`<L>/<N>[.p/<W>]` or `entries/<N>[.p/<W>]`; 404 for what no published checkpoint covers."""
        try:
            tile = Tile.parse(f"tile/{rest}")
        except MalformedError as error:
            raise ProblemError(404, "No such tile", str(error)) from None
        latest = await portal.queries.checkpoint()
        size = latest[0] if latest else 0
        if tile.needs > size:
            raise ProblemError(
                404, "No such tile", f"it needs {tile.needs} entries, the checkpoint has {size}", headers=_NOT_YET
            )
        headers = {"Cache-Control": IMMUTABLE}
        first = tile.index * TILE_WIDTH
        if tile.level != ENTRIES:
            hashes = await portal.queries.level_hashes(tile.level * TILE_BITS, first, first + tile.width)
            return _whole(tile, len(hashes), b"".join(hashes), headers)
        entries = await portal.queries.log_entries(first, first + tile.width)
        body = encode_bundle(entries)
        headers["Vary"] = "Accept-Encoding"
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            # No time in the header: the same bundle is the same bytes.
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return _whole(tile, len(entries), body, headers)


def _whole(tile: Tile, got: int, body: bytes, headers: dict[str, str]) -> Response:
    """The answer, if the projection has all of the tile."""
    if got != tile.width:
        raise ProblemError(503, "Not possible now", f"the projection has {got} of {tile.width} parts of {tile.path}")
    return Response(body, media_type="application/octet-stream", headers=headers)


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header takes gzip (RFC 9110 section 12.5.3)."""
    weights: dict[str, float] = {}
    for part in header.split(","):
        name, _, parameter = part.partition(";")
        key, _, value = parameter.strip().partition("=")
        try:
            weights[name.strip().lower()] = float(value) if key.strip().lower() == "q" else 1.0
        except ValueError:
            weights[name.strip().lower()] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0
