"""The fuzzed product, and what it may answer: a clear 4xx, an acceptance, or the 503 that is documented."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from balance_chain.simulator import generate
from security.badinput import HTTP_URI, token
from support.needs import REPOSITORY
from support.wholestack import Whole

CASES = int(os.environ.get("BALANCE_FUZZ_CASES", "2000"))
"""Pieces of bad input in all; `make fuzz` sets 200,000."""
SEED = int(os.environ.get("BALANCE_FUZZ_SEED", "1"))
REPORT = REPOSITORY / "build" / "reports" / "fuzz.json"
NDJSON = "application/x-ndjson"
SINGLE = "application/cloudevents+json"


@dataclass
class Tally:
    """What was sent and what came of it."""

    cases: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)

    def write(self) -> None:
        rows = [
            {"name": f"cases: {k}", "value": v, "unit": "", "target": None, "met": True} for k, v in self.cases.items()
        ]
        rows += [
            {"name": f"outcome: {k}", "value": v, "unit": "", "target": None, "met": True}
            for k, v in self.outcomes.items()
        ]
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        total = sum(self.cases.values())
        REPORT.write_text(
            json.dumps({"name": "fuzz", "ok": True, "seed": SEED, "cases": total, "rows": rows}, indent=1) + "\n"
        )


def headers(media_type: str = SINGLE) -> dict[str, str]:
    return {"Authorization": f"Bearer {token()}", "Content-Type": media_type}


def check_problem(body: dict[str, Any], status: int) -> None:
    """Problem details that help: a reason, and each fault with its place and remedy."""
    assert body["status"] == status
    assert body["title"]
    for fault in body.get("errors", ()):
        assert set(fault) == {"pointer", "problem", "remedy"}, fault
        assert fault["problem"]
        assert fault["remedy"]


def check_answer(response: httpx.Response) -> None:
    """Not a 5xx, and where refused a problem."""
    assert response.status_code < 500, (response.status_code, str(response.request.url)[:500], response.text[:500])
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json", response.headers
        check_problem(response.json(), response.status_code)


async def still_well(whole: Whole, number: int) -> None:
    """Nothing died, nothing halts, and a true event is taken and sealed as if nothing had been."""
    events = [each for each in generate(1, 1000 + number).events if each["source"] == HTTP_URI]
    await whole.publish(events)
    await whole.sealed()
    supervisor = whole.stack.supervisor
    assert {name: supervisor.restarts(name) for name in supervisor.pids()} == dict.fromkeys(supervisor.pids(), 0)
    for log in whole.stack.folder.logs.glob("*.log"):
        text = log.read_text(errors="replace")
        assert "Exception in ASGI application" not in text, log.name
        place = text.find("Traceback (most recent call last)")
        assert place < 0, (log.name, text[max(0, place - 500) : place + 3000])
