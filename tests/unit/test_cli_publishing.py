"""Events are published in order, in batches, patiently but not for ever, and every event has an outcome."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from balance_chain.cli.publishing import PublishRefused, PublishUnavailable, publish_http

URL = "http://gateway.test"
TOKEN = "a-token"

Handler = Callable[[httpx.Request], httpx.Response]


def events(count: int) -> list[dict[str, Any]]:
    return [{"id": f"e{number}", "source": "urn:test:s", "data": {}} for number in range(count)]


def lines(request: httpx.Request) -> list[dict[str, Any]]:
    return [json.loads(line) for line in request.content.splitlines()]


def answer(request: httpx.Request, status: int = 202) -> httpx.Response:
    results = [{"status": status, "receipt": {"id": event["id"]}, "problem": None} for event in lines(request)]
    return httpx.Response(200, json=results)


def client(handler: Handler) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(handler))


async def test_events_go_out_in_order_in_batches_with_the_token() -> None:
    seen: list[httpx.Request] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer(request)

    advanced: list[int] = []
    async with client(gateway) as http:
        report = await publish_http(events(25), URL, TOKEN, batch_events=10, client=http, advance=advanced.append)
    assert [len(lines(request)) for request in seen] == [10, 10, 5] == advanced
    assert [event["id"] for request in seen for event in lines(request)] == [event["id"] for event in events(25)]
    assert {request.headers["authorization"] for request in seen} == {"Bearer a-token"}
    assert {request.headers["content-type"] for request in seen} == {"application/x-ndjson"}
    assert (report.accepted, report.duplicates, report.rejected) == (25, 0, [])
    assert [json.loads(receipt)["id"] for receipt in report.receipts] == [event["id"] for event in events(25)]


async def test_repeats_are_counted_apart_from_new_events() -> None:
    async with client(lambda request: answer(request, 200)) as http:
        report = await publish_http(events(3), URL, TOKEN, client=http)
    assert (report.accepted, report.duplicates) == (0, 3)


async def test_a_refused_event_is_told_with_its_reason_and_stops_no_other() -> None:
    def gateway(request: httpx.Request) -> httpx.Response:
        results: list[dict[str, Any]] = [{"status": 202, "receipt": {}} for _ in lines(request)]
        fault = {"pointer": "/data/amount", "problem": "is not an integer", "remedy": "send fen"}
        problem = {"type": "urn:balance:problem:field_invalid", "title": "The event is not valid", "errors": [fault]}
        results[1] = {"status": 422, "problem": problem}
        return httpx.Response(207, json=results)

    async with client(gateway) as http:
        report = await publish_http(events(3), URL, TOKEN, client=http)
    assert report.accepted == 2
    (rejected,) = report.rejected
    assert (rejected.id, rejected.status, rejected.reason) == ("e1", 422, "field_invalid")
    assert rejected.faults == ("/data/amount: is not an integer",)


@pytest.mark.parametrize("busy", [429, 503])
async def test_a_busy_gateway_is_asked_again_with_the_same_batch(busy: int) -> None:
    bodies: list[bytes] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(busy, headers={"Retry-After": "0"}) if len(bodies) < 3 else answer(request)

    async with client(gateway) as http:
        report = await publish_http(events(2), URL, TOKEN, client=http)
    assert report.accepted == 2
    assert len(bodies) == 3
    assert len(set(bodies)) == 1


async def test_waiting_has_an_end_and_the_report_says_how_far_it_came() -> None:
    calls = 0

    def gateway(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return answer(request) if calls == 1 else httpx.Response(503, headers={"Retry-After": "0"})

    async with client(gateway) as http:
        with pytest.raises(PublishUnavailable) as failed:
            await publish_http(events(4), URL, TOKEN, batch_events=2, attempts=3, client=http)
    assert calls == 4
    assert failed.value.report.accepted == 2
    assert "503" in str(failed.value)


async def test_a_refused_connection_is_unavailable() -> None:
    def gateway(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with client(gateway) as http:
        with pytest.raises(PublishUnavailable, match="cannot be reached"):
            await publish_http(events(1), URL, TOKEN, attempts=1, client=http)


async def test_a_wrong_token_is_refused_at_once() -> None:
    calls = 0

    def gateway(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(401, json={"title": "Who are you?", "detail": "Send a token."})

    async with client(gateway) as http:
        with pytest.raises(PublishRefused, match=r"401 \(Who are you\? Send a token\.\)"):
            await publish_http(events(1), URL, TOKEN, client=http)
    assert calls == 1


async def test_an_answer_that_is_no_list_of_results_is_no_success() -> None:
    async with client(lambda _: httpx.Response(200, text="<html>")) as http:
        with pytest.raises(PublishRefused):
            await publish_http(events(1), URL, TOKEN, client=http)
    async with client(lambda _: httpx.Response(200, json=[])) as http:
        with pytest.raises(PublishRefused):
            await publish_http(events(1), URL, TOKEN, client=http)
