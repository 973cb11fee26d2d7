"""Every operation of every OpenAPI document, called in all the ways schemathesis can think of: no 5xx, and each answer
is one that the document names.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from security.fuzzed import CASES, Tally, check_answer, headers, still_well
from support.wholestack import Whole, whole_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 30.0
EXAMPLES = min(max(CASES // 250, 6), 200)
"""Of each operation."""
ENDLESS = "text/event-stream"
TALLY = Tally()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(kafka: str, postgres: str) -> AsyncIterator[Whole]:
    async with whole_stack(kafka, postgres, partitions=1) as started:
        yield started


@pytest.mark.parametrize("name", ["gateway", "verifier", "judge_audit"])
async def test_no_operation_fails_whatever_it_is_asked(whole: Whole, name: str) -> None:
    url = getattr(whole.stack.urls, name)
    with_token = headers() if name == "gateway" else {}
    called = await asyncio.to_thread(call_all, url, with_token)
    assert len(called) >= 4, called
    await still_well(whole, 7 + len(name))


def call_all(url: str, with_token: dict[str, str]) -> dict[str, int]:
    """How often each operation was called."""
    document: dict[str, Any] = httpx.get(f"{url}/openapi.json", timeout=SECONDS, trust_env=False).json()
    schema = schemathesis.openapi.from_dict(document)
    called: dict[str, int] = {}
    with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as client:
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            responses = document["paths"][operation.path][operation.method.lower()]["responses"]
            if any(ENDLESS in each.get("content", {}) for each in responses.values()) or "stream" in operation.path:
                continue
            called[operation.label] = 0

            @settings(
                max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
                phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(operation.as_strategy())
            def each(case: schemathesis.Case, label: str = operation.label, documented: Any = responses) -> None:
                kwargs = case.as_transport_kwargs(base_url=url)
                sent = {**(kwargs.get("headers") or {}), **with_token}
                try:
                    request = client.build_request(
                        kwargs["method"],
                        kwargs["url"],
                        params=kwargs.get("params"),
                        content=_body(kwargs),
                        headers={str(key): str(value) for key, value in sent.items()},
                    )
                except (httpx.InvalidURL, UnicodeEncodeError, ValueError):
                    return  # not a request that can be sent
                response = client.send(request)
                called[label] += 1
                check_answer(response)
                known = {*documented, "401", "404", "405", "409", "413", "415", "422", "431"}
                assert str(response.status_code) in known, (label, response.status_code)

            each()
    return called


def _body(kwargs: dict[str, Any]) -> bytes | None:
    data = kwargs.get("data")
    if "json" in kwargs:
        import json

        return json.dumps(kwargs["json"]).encode("utf-8", "surrogatepass")
    return data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data if isinstance(data, bytes) else None
