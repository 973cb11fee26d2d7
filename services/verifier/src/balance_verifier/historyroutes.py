"""Serves the files that show two histories of the log, for `balance-chain equivocation show`."""

from __future__ import annotations

import msgspec
from balance_chain.web.problems import ProblemError
from fastapi import FastAPI, Response

from balance_verifier.histories import SERVED
from balance_verifier.portal import Portal


def add_history_routes(app: FastAPI, portal: Portal) -> None:
    """GET of `/log/equivocations` and of each file."""

    @app.get(SERVED, summary="Files that show two histories of the log, oldest first", tags=["log"])
    async def get_equivocations() -> Response:
        """Empty is how it should be."""
        found = [{"id": id, "found": at, "file": f"{SERVED}/{id}"} for id, at in await portal.histories.files()]
        return Response(msgspec.json.encode({"equivocations": found}), media_type="application/json")

    @app.get(f"{SERVED}/{{id}}", summary="One file for `balance-chain equivocation show`", tags=["log"])
    async def get_equivocation(id: str) -> Response:
        data = await portal.histories.file(id) if "\0" not in id else None
        if data is None:
            raise ProblemError(404, "No such file", f"see {SERVED}")
        name = f'attachment; filename="{id}.equivocation.json"'
        return Response(data, media_type="application/json", headers={"Content-Disposition": name})
