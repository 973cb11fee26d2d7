"""Whatever is sent, over HTTP or onto the topic: a clear refusal or a sealed reject; nothing dies, nothing stalls."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from balance_chain.core.rawrecord import make_headers, sign_raw
from balance_chain.core.rejects import Reason
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from security.badinput import HTTP_URI, KAFKA_URI, bad_events
from security.fuzzed import CASES, NDJSON, SEED, SINGLE, Tally, check_answer, check_problem, headers, still_well
from security.operations import call_all
from support.waiting import wait_until
from support.wholestack import SOURCES, Whole, whole_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

BATCH = 200
AT_ONCE = 4
SECONDS = 60.0
MEGABYTES = 10 * 1024 * 1024
TALLY = Tally()

HTTP_CASES = CASES // 2
KAFKA_CASES = CASES // 2
SINGLES = min(HTTP_CASES // 4, 10_000)
EXAMPLES = min(max(CASES // 20, 50), 2_000)
READ_SECONDS = SECONDS + CASES / 500
"""The independent reader is a plain one, and reads all again at each look."""
OPERATION_EXAMPLES = min(max(CASES // 300, 6), 200)
"""Of each operation."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(kafka: str, postgres: str) -> AsyncIterator[Whole]:
    async with whole_stack(kafka, postgres, partitions=2) as started:
        yield started
    TALLY.write()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(whole: Whole) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=whole.stack.urls.gateway, timeout=SECONDS, trust_env=False) as made:
        yield made


async def test_damaged_events_one_by_one_are_each_answered(whole: Whole, client: httpx.AsyncClient) -> None:
    bodies = iter(list(itertools.islice(bad_events(SEED), SINGLES)))

    async def send() -> None:
        for body in bodies:
            response = await client.post("/v1/events", content=body, headers=headers())
            check_answer(response)
            TALLY.cases["HTTP, one event"] += 1
            TALLY.outcomes[f"HTTP {response.status_code}"] += 1

    await asyncio.gather(*(send() for _ in range(AT_ONCE)))
    await still_well(whole, 1)


async def test_damaged_events_in_batches_are_each_answered_by_themselves(
    whole: Whole, client: httpx.AsyncClient
) -> None:
    made = (line for line in bad_events(SEED + 1) if b"\n" not in line and line.strip())
    for size in [BATCH] * ((HTTP_CASES - SINGLES) // BATCH):
        lines = list(itertools.islice(made, size))
        response = await client.post("/v1/events", content=b"\n".join(lines), headers=headers(NDJSON))
        assert response.status_code in (200, 207), response.text[:500]
        results = response.json()
        assert len(results) == size
        for result in results:
            assert result["status"] < 500
            if result["status"] >= 400:
                check_problem(result["problem"], result["status"])
                assert result["problem"]["errors"]
            TALLY.outcomes[f"HTTP {result['status']}"] += 1
        TALLY.cases["HTTP, in batches"] += size
    await still_well(whole, 2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
attributes = st.sampled_from(
    ("specversion", "id", "source", "type", "subject", "time", "sequence", "data", "recordedtime")
)


async def test_any_json_is_answered(whole: Whole) -> None:
    """hypothesis looks for the smallest body that gets anything but a clear answer."""
    url = whole.stack.urls.gateway + "/v1/events"
    base = json.loads(
        next(line for line in bad_events(SEED + 2) if line.startswith(b'{"specversion"') and _is_json(line))
    )

    def search() -> None:
        with httpx.Client(timeout=SECONDS, trust_env=False) as door:

            @settings(
                max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(st.dictionaries(attributes, json_values, max_size=4), st.booleans(), json_values)
            def each(changes: dict[str, object], as_event: bool, other: object) -> None:
                body = json.dumps({**base, **changes} if as_event else other).encode("utf-8", "surrogatepass")
                check_answer(door.post(url, content=body, headers=headers()))
                TALLY.cases["HTTP, any JSON (hypothesis)"] += 1

            each()

    await asyncio.to_thread(search)
    await still_well(whole, 3)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


async def test_requests_that_abuse_http_are_refused_by_name(whole: Whole, client: httpx.AsyncClient) -> None:
    async def status(content: bytes, more: dict[str, str] | None = None, media_type: str = SINGLE) -> int:
        response = await client.post("/v1/events", content=content, headers=headers(media_type) | (more or {}))
        check_answer(response)
        TALLY.cases["HTTP, abuse"] += 1
        return response.status_code

    assert await status(b'{"a":"' + b"x" * MEGABYTES + b'"}') == 413
    assert await status(b"[" * MEGABYTES) == 413
    assert await status(b"x" * 2 * MEGABYTES, media_type=NDJSON) == 413
    assert await status(b"[" * MEGABYTES, media_type="application/cloudevents-batch+json") == 422
    assert await status(b"{}\n" * 10_001, media_type=NDJSON) == 413
    assert await status(b'{"a":' * 5000 + b"1" + b"}" * 5000) == 422
    assert await status(b"") == 422
    assert await status(b"\n\n", media_type=NDJSON) == 422
    assert await status(b"{}", media_type="text/plain") == 415
    assert await status(b"{}", media_type="application/cloudevents+json; charset=utf-16") == 422
    assert await status(b"{}", {f"x-many-{n}": "1" for n in range(100)}) == 431
    assert await status(b"{}", {"traceparent": "x" * 1000}) == 422
    assert await status(b"{}", {"Authorization": "Basic x"}) == 401
    assert await status(b"{}", {"Authorization": "Bearer " + "x" * 8000}) == 401
    await still_well(whole, 4)


RAW_REQUESTS = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \x7f\x01\r\n\r\n",
    b"\x00" * 1000,
)


async def test_bytes_that_are_no_request_end_their_connection_and_nothing_else(whole: Whole) -> None:
    port = whole.stack.options.ports.gateway
    for sent in RAW_REQUESTS:
        answer = await talk(port, sent)
        assert not answer.startswith(b"HTTP/1.1 5"), answer[:200]
        TALLY.cases["HTTP, no request"] += 1
    # A client that goes away in the middle of its body is nobody's fault.
    cut_off = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {headers()['Authorization']}\r\n"
    cut_off += f"Content-Type: {SINGLE}\r\nContent-Length: 1000\r\n\r\n{{"
    for _ in range(3):
        await talk(port, cut_off.encode(), hang_up=True)
        TALLY.cases["HTTP, cut off"] += 1
    await still_well(whole, 5)


async def talk(port: int, sent: bytes, *, hang_up: bool = False) -> bytes:
    """What a server answers to these bytes, until it closes or says no more."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), SECONDS)
    try:
        writer.write(sent)
        await writer.drain()
        if hang_up:
            return b""
        return await asyncio.wait_for(reader.read(4096), 5.0)
    except (TimeoutError, ConnectionError):
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("name", ["gateway", "verifier", "judge_audit"])
async def test_no_operation_fails_whatever_it_is_asked(whole: Whole, name: str) -> None:
    more = headers() if name == "gateway" else {}
    called = await asyncio.to_thread(call_all, getattr(whole.stack.urls, name), more, OPERATION_EXAMPLES)
    assert len(called) >= 4, called
    TALLY.cases["HTTP, operations (schemathesis)"] += sum(called.values())
    await still_well(whole, 10 + len(name))


async def test_questions_that_no_database_can_be_asked_are_answered(whole: Whole) -> None:
    """Found by a long run: a NUL was an internal error."""
    alerts = "/v1/alerts"
    questions = (
        f"{alerts}?subject=%00",
        f"{alerts}?court=a%00",
        f"{alerts}?rule=%00&rule=R01",
        f"{alerts}/%00",
        f"{alerts}?since=0001-01-01T00:00:00%2B14:00",
    )
    async with httpx.AsyncClient(base_url=whole.stack.urls.judge_audit, timeout=SECONDS, trust_env=False) as door:
        for question in questions:
            response = await door.get(question)
            check_answer(response)
            assert response.status_code in (200, 404, 422), question
        assert (await door.get("/?court=%00&rule=%00")).status_code == 200


async def test_whatever_is_on_raw_becomes_an_event_or_a_sealed_reject(whole: Whole) -> None:
    rng = random.Random(SEED)
    source = SOURCES[KAFKA_URI]
    assert source.private_seed is not None
    assert source.public_key is not None
    common = whole.stack.settings
    producer = AIOKafkaProducer(bootstrap_servers=common.kafka, acks="all", max_request_size=4 * 1024 * 1024)
    await producer.start()
    try:
        waiting: list[asyncio.Future[object]] = []
        for value in itertools.islice(bad_events(SEED + 3, KAFKA_URI), KAFKA_CASES):
            made = make_headers(KAFKA_URI, sign_raw(value, source.private_seed, source.public_key))
            if rng.random() < 0.3:
                made = _bad_headers(rng, made)
            key = None if rng.random() < 0.1 else rng.randbytes(rng.randrange(0, 60))
            big = value + b" " * 2_000_000 if rng.random() < 0.0005 else value
            waiting.append(
                await producer.send(
                    common.topic("litigation.raw"), big, key=key, partition=rng.randrange(2), headers=made
                )
            )
            TALLY.cases["Kafka, raw records"] += 1
            if len(waiting) >= 1000:
                await asyncio.wait_for(asyncio.gather(*waiting), SECONDS)
                waiting = []
        await asyncio.wait_for(asyncio.gather(*waiting), SECONDS)
    finally:
        await producer.stop()
    await still_well(whole, 6)
    status = await whole.verified()
    assert status["findings"]["by_code"] == {}
    written = await whole.read(READ_SECONDS)
    assert written.found.raw == written.found.counting_events
    assert set(written.found.rejects) <= {reason.value for reason in Reason}
    for reason, count in written.found.rejects.items():
        TALLY.outcomes[f"sealed reject: {reason}"] += count
    assert len(written.found.rejects) > 10, written.found.rejects


def _bad_headers(rng: random.Random, made: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Headers with one missing, doubled, damaged or not text."""
    which = rng.randrange(5)
    if which == 0:
        return made[1:]
    if which == 1:
        return [*made, *made]
    if which == 2:
        return [(name, rng.randbytes(rng.randrange(0, 80))) for name, _ in made]
    if which == 3:
        return [*made, ("traceparent", rng.randbytes(40)), ("x" * 500, b"\xff" * 2000)]
    return [(made[0][0], rng.choice((HTTP_URI.encode(), b"ledger", b"\xff\xfe", b""))), *made[1:]]


async def test_normaliser_keeps_up_with_the_end_of_raw(whole: Whole) -> None:
    """No stall: what was fuzzed before is behind it."""

    async def caught_up() -> bool:
        written = await whole.read(READ_SECONDS)
        return written.found.raw == written.found.counting_events

    await wait_until(caught_up, READ_SECONDS, "every raw record has its event")
