"""Calls every operation of an OpenAPI document in all the ways schemathesis can think of: no 5xx, and each answer is
one that the document names, or one that any HTTP server may give.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from security.fuzzed import check_answer

SECONDS = 30.0
ENDLESS = "text/event-stream"
USUAL = frozenset({"400", "401", "404", "405", "409", "413", "415", "422", "431"})


def call_all(url: str, headers: Mapping[str, str], examples: int) -> dict[str, int]:
    """How often each operation was called; streams that never end are left out."""
    document: dict[str, Any] = httpx.get(f"{url}/openapi.json", timeout=SECONDS, trust_env=False).json()
    called: dict[str, int] = {}
    with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as client:
        for result in schemathesis.openapi.from_dict(document).get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            responses = document["paths"][operation.path][operation.method.lower()]["responses"]
            if "stream" in operation.path or any(ENDLESS in each.get("content", {}) for each in responses.values()):
                continue
            called[operation.label] = _call(client, operation, USUAL | set(responses), headers, examples)
    return called


def _call(
    client: httpx.Client, operation: Any, known: frozenset[str], headers: Mapping[str, str], examples: int
) -> int:
    count = 0

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy())
    def each(case: schemathesis.Case) -> None:
        nonlocal count
        request = _request(client, case, headers)
        if request is None:
            return
        response = client.send(request)
        count += 1
        check_answer(response)
        assert str(response.status_code) in known, (operation.label, response.status_code)

    each()
    return count


def _request(client: httpx.Client, case: schemathesis.Case, headers: Mapping[str, str]) -> httpx.Request | None:
    """None for what cannot be sent at all."""
    wanted = case.as_transport_kwargs(base_url=str(client.base_url))
    body = wanted.get("data")
    if "json" in wanted:
        body = json.dumps(wanted["json"])
    try:
        return client.build_request(
            wanted["method"],
            wanted["url"],
            params=wanted.get("params"),
            content=body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body,
            headers={str(key): str(value) for key, value in {**(wanted.get("headers") or {}), **headers}.items()},
        )
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError, AttributeError):
        return None
