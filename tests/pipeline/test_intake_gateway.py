"""What a source meets over HTTP: receipts that stand, repeats that change nothing, and a problem for each fault."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from balance_chain.core.canonical import encode
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import RAW
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_verify.receipt import Receipt
from support.intake import (
    HTTP_SOURCE,
    HTTP_TOKEN,
    KAFKA_SOURCE,
    KAFKA_TOKEN,
    NARROW_SOURCE,
    NARROW_TOKEN,
    an_event,
    as_bytes,
    put_raw,
    read_events,
    shard_of,
    signed,
    write_sources,
)
from support.ports import free_ports
from support.processes import Processes, Running
from support.waiting import wait_until

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
NDJSON = "application/x-ndjson"


class Door:
    """The gateway as a client sees it."""

    def __init__(self, client: httpx.AsyncClient, process: Running) -> None:
        self.client = client
        self.process = process

    async def post(self, body: Any, media_type: str = SINGLE, token: str | None = HTTP_TOKEN) -> httpx.Response:
        headers = {"Content-Type": media_type}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        content = body if isinstance(body, bytes) else as_bytes(body)
        return await self.client.post("/v1/events", content=content, headers=headers)

    async def receipt(self, source: str, event_id: str, token: str = HTTP_TOKEN) -> httpx.Response:
        url = f"/v1/receipts/{source.replace(':', '%3A')}/{event_id}"
        return await self.client.get(url, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
async def door(topics: CommonSettings, processes: Processes) -> AsyncIterator[Door]:
    """A running gateway."""
    write_sources(topics.sources)
    (port,) = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    process = processes.start(
        "balance-intake", "gateway", settings=topics, ready_url=f"{base}/readyz", env={"port": port}
    )
    await process.ready()
    async with httpx.AsyncClient(base_url=base, timeout=20, trust_env=False) as client:
        yield Door(client, process)


async def raw_values(settings: CommonSettings) -> list[bytes]:
    """Every value on raw."""
    values: list[bytes] = []
    for shard in range(settings.partitions):
        async with PartitionReader(settings, settings.topic(RAW), shard) as reader:
            end, got = await reader.end_offset(), 0
            while got < end:
                records = await reader.read(1000, 1.0)
                got += len(records)
                values += [record.value for record in records]
    return values


async def test_an_event_gets_a_receipt_that_its_sender_can_check(
    door: Door, topics: CommonSettings, keys: KeyDirectory
) -> None:
    event = an_event()
    answer = await door.post(event)
    assert answer.status_code == 202, answer.text
    receipt = Receipt.parse_signed(answer.content).verify(keys.gateway_vkey)
    assert (receipt.source, receipt.id, receipt.origin) == (HTTP_SOURCE, "e-1", topics.origin)
    assert receipt.digest == hashlib.sha256(encode(event)).hexdigest()
    assert await raw_values(topics) == [as_bytes(event)]
    found = await door.receipt(HTTP_SOURCE, "e-1")
    told = {name: value for name, value in found.json().items() if value is not None}
    assert told == {"state": "pending", "receipt": answer.json(), "broken": False}
    assert (await door.client.get(answer.headers["location"])).status_code == 401


async def test_a_repeat_gets_the_same_receipt_and_other_content_a_conflict(door: Door, topics: CommonSettings) -> None:
    first = await door.post(an_event())
    again = await door.post(json.dumps(an_event(), sort_keys=True, separators=(",", ":")).encode())
    assert (again.status_code, again.content) == (200, first.content)
    other = await door.post(an_event(sequence="2"))
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    assert other.json()["type"].endswith("id_conflict")
    assert len(await raw_values(topics)) == 1


BAD: list[tuple[Any, int, str, str | None]] = [
    (b'{"a":', 422, "not_json", ""),
    (b"\xff", 422, "not_utf8", ""),
    (b"[]", 422, "not_object", ""),
    (as_bytes(an_event()).replace(b'"amount"', b'"cause":"x","amount"'), 422, "duplicate_key", "/data/cause"),
    (as_bytes(an_event()).replace(b"1250000", b"1.5"), 422, "float_number", "/data/amount"),
    (as_bytes(an_event()).replace("信息".encode(), b"\\ud800"), 422, "lone_surrogate", "/data/cause"),
    (b'{"a":"' + b"x" * 2_000_000 + b'"}', 413, "too_large", None),
    (an_event(source="urn:someone:else"), 422, "field_invalid", "/source"),
    (an_event(type="case.invented"), 422, "type_unknown", "/type"),
    (an_event(type="ledger.tick", data={}), 403, "type_not_allowed", "/type"),
    (an_event(id=None), 422, "field_missing", "/id"),
    (an_event(id="has space"), 422, "field_invalid", "/id"),
    (an_event(data={"colour": "red"}), 422, "field_unknown", "/data"),
    (an_event(data={"amount": "much"}), 422, "field_invalid", "/data/amount"),
    (an_event(subject="一个案子"), 422, "subject_invalid", "/subject"),
    (an_event(subject="（2026）京0491民初3827、3828号"), 422, "several_cases", "/subject"),
    (an_event(time="yesterday"), 422, "time_invalid", "/time"),
    (an_event(time="2199-01-01T00:00:00Z"), 422, "time_future", "/time"),
]


async def test_bad_input_is_answered_with_the_field_the_problem_and_the_remedy(
    door: Door, topics: CommonSettings
) -> None:
    for body, status, reason, pointer in BAD:
        answer = await door.post(body)
        assert answer.status_code == status, answer.text
        problem = answer.json()
        assert problem["type"].endswith(reason), problem
        if pointer is not None:
            assert pointer in [error["pointer"] for error in problem["errors"]], problem
            assert all(error["problem"] and error["remedy"] for error in problem["errors"])
    assert await raw_values(topics) == []


async def test_every_fault_of_an_event_is_named_at_once(door: Door) -> None:
    answer = await door.post(an_event(type="case.rejected", time="no", subject="no", data={"x": 1}))
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert {"/time", "/subject", "/data", "/data/reason"} <= set(pointers)


async def test_who_may_send_what(door: Door) -> None:
    assert (await door.post(an_event(), token=None)).status_code == 401
    assert (await door.post(an_event(), token="wrong")).status_code == 401
    assert (await door.post(an_event(), media_type="application/json")).status_code == 415
    assert (await door.post(an_event(source=KAFKA_SOURCE), token=KAFKA_TOKEN)).status_code == 403
    narrow = an_event(source=NARROW_SOURCE)
    assert (await door.post(narrow, token=NARROW_TOKEN)).status_code == 403
    allowed = an_event(source=NARROW_SOURCE, subject="（2026）浙0192民初1号")
    assert (await door.post(allowed, token=NARROW_TOKEN)).status_code == 202
    kind = an_event(
        2, source=NARROW_SOURCE, subject="（2026）浙0192民初1号", type="case.accepted", data={"procedure": "ordinary"}
    )
    assert (await door.post(kind, token=NARROW_TOKEN)).status_code == 403
    assert (await door.receipt(NARROW_SOURCE, "e-1")).status_code == 404
    assert (await door.receipt(NARROW_SOURCE, "e-1", NARROW_TOKEN)).status_code == 200


async def test_one_bad_event_of_a_batch_does_not_spoil_its_neighbours(door: Door, topics: CommonSettings) -> None:
    events = [an_event(1), an_event(2, time="no"), an_event(3), an_event(1), an_event(3, sequence="9")]
    answer = await door.post(events, BATCH)
    assert answer.status_code == 207
    assert [result["status"] for result in answer.json()] == [202, 422, 202, 200, 409]
    assert answer.json()[0]["receipt"] == answer.json()[3]["receipt"]
    assert answer.json()[1]["problem"]["errors"][0]["pointer"] == "/time"
    lines = b"\n".join(json.dumps(event, ensure_ascii=False).encode() for event in events[::2]) + b"\n\nnot json\n"
    again = await door.post(lines, NDJSON)
    assert [result["status"] for result in again.json()] == [200, 200, 409, 422]
    assert len(await raw_values(topics)) == 2
    assert (await door.post(b"[1", BATCH)).status_code == 422
    assert (await door.post(b"\n", NDJSON)).status_code == 422


async def test_a_thousand_lines_are_accepted_at_once_and_normalised(
    door: Door, topics: CommonSettings, processes: Processes
) -> None:
    events = [an_event(n, subject=f"（2026）京0491民初{n}号") for n in range(1, 1001)]
    answer = await door.post(b"\n".join(json.dumps(event).encode() for event in events), NDJSON)
    assert answer.status_code == 200, answer.text[:500]
    assert {result["status"] for result in answer.json()} == {202}
    processes.start("balance-intake", "normaliser", "--genesis", settings=topics)

    async def written() -> bool:
        found = [event for shard in range(topics.partitions) for event in await read_events(topics, shard)]
        return len(found) == 1000 and not any(event.is_rejected for event in found)

    await wait_until(written, 30)
    state = (await door.receipt(HTTP_SOURCE, "e-1")).json()
    assert state["state"] == "pending"
    assert state["partition"] == shard_of(topics, "（2026）京0491民初1号")


async def test_a_kafka_source_fetches_its_receipt(
    door: Door, topics: CommonSettings, processes: Processes, keys: KeyDirectory
) -> None:
    value = as_bytes(an_event(source=KAFKA_SOURCE))
    await put_raw(topics, [(shard_of(topics), value, signed(value))])
    processes.start("balance-intake", "normaliser", "--genesis", settings=topics)

    async def fetched() -> bytes | None:
        answer = await door.receipt(KAFKA_SOURCE, "e-1", KAFKA_TOKEN)
        return json.dumps(answer.json()["receipt"]).encode() if answer.status_code == 200 else None

    first = await wait_until(fetched, 30)
    assert first is not None
    receipt = Receipt.parse_signed(encode(json.loads(first))).verify(keys.gateway_vkey)
    assert receipt.source == KAFKA_SOURCE
    assert await fetched() == first


@pytest.mark.parametrize(("point", "on_raw"), [("gateway.after_reservation", 1), ("gateway.after_raw", 2)])
async def test_a_gateway_killed_before_the_receipt_promised_nothing_and_a_retry_is_accepted(
    topics: CommonSettings, processes: Processes, tmp_path: Path, point: str, on_raw: int
) -> None:
    write_sources(topics.sources)
    (port,) = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    env = {"port": port, "BALANCE_KILL_POINT": point, "BALANCE_KILL_MARKER": tmp_path / "killed"}

    def start() -> Running:
        return processes.start("balance-intake", "gateway", settings=topics, ready_url=f"{base}/readyz", env=env)

    async with httpx.AsyncClient(base_url=base, timeout=20, trust_env=False) as client:
        first = start()
        await first.ready()
        with pytest.raises(httpx.TransportError):
            await Door(client, first).post(an_event())
        assert await first.ended() == -9
        second = start()
        await second.ready()
        answer = await Door(client, second).post(an_event())
        assert answer.status_code == 202, answer.text
        assert (await Door(client, second).post(an_event())).content == answer.content
    assert len(await raw_values(topics)) == on_raw


async def test_a_gateway_without_its_database_says_so_and_goes_on_by_itself(
    topics: CommonSettings, processes: Processes, door: Door
) -> None:
    connection = await asyncpg.connect(topics.database, timeout=10)
    await connection.execute("ALTER TABLE intake.reservation RENAME TO away")
    answer = await door.post(an_event())
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    await connection.execute("ALTER TABLE intake.away RENAME TO reservation")
    await connection.close()
    assert (await door.post(an_event())).status_code == 202


async def test_the_types_and_their_schemas_are_served(door: Door) -> None:
    types = (await door.client.get("/v1/event-types")).json()
    assert "case.submitted" in {kind["id"] for kind in types}
    one = (await door.client.get("/v1/event-types/case.submitted")).json()
    assert one["schema"]["additionalProperties"] is False
    assert (await door.client.get("/v1/event-types/nothing")).status_code == 404
    document = (await door.client.get("/openapi.json")).json()
    assert {"/v1/events", "/v1/receipts/{source_uri}/{event_id}", "/v1/event-types"} <= set(document["paths"])


async def test_a_gateway_with_as_much_in_flight_as_it_may_says_so_and_when_to_ask_again(
    topics: CommonSettings, processes: Processes
) -> None:
    write_sources(topics.sources)
    (port,) = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    process = processes.start(
        "balance-intake",
        "gateway",
        settings=topics,
        ready_url=f"{base}/readyz",
        env={"port": port, "in_flight_events": 3},
    )
    await process.ready()
    async with httpx.AsyncClient(base_url=base, timeout=20, trust_env=False) as client:
        door = Door(client, process)
        refused = await door.post([an_event(number) for number in range(1, 5)], BATCH)
        assert refused.status_code == 429
        assert refused.headers["content-type"].startswith("application/problem+json")
        assert int(refused.headers["Retry-After"]) > 0
        taken = await door.post([an_event(number) for number in range(1, 4)], BATCH)
        assert [each["status"] for each in taken.json()] == [202, 202, 202]
    assert len(await raw_values(topics)) == 3
