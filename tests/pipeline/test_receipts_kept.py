"""A receipt is a promise: its owner sees what became of the event, and a broken promise is a critical alert."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from balance_chain.core.topics import ALERTS
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_verify.receipt import Receipt
from support.intake import (
    HTTP_SOURCE,
    HTTP_TOKEN,
    KAFKA_SOURCE,
    KAFKA_TOKEN,
    an_event,
    as_bytes,
    put_raw,
    shard_of,
    signed,
    write_sources,
)
from support.ports import free_ports
from support.processes import Processes
from support.waiting import wait_until

QUICK = {"receipt_check_seconds": 0.3, "receipt_poll_seconds": 0.1, "receipt_slack_seconds": 1}
SEALING = {"max_wait_ms": 50, "genesis": True, "group_session_seconds": 2}


class Gateway:
    """The gateway as a source sees it."""

    def __init__(self, base: str) -> None:
        self.base = base

    async def post(self, event: dict[str, Any]) -> httpx.Response:
        headers = {"Content-Type": "application/cloudevents+json", "Authorization": f"Bearer {HTTP_TOKEN}"}
        async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
            return await client.post(f"{self.base}/v1/events", content=as_bytes(event), headers=headers)

    async def state(self, event_id: str, source: str = HTTP_SOURCE, token: str = HTTP_TOKEN) -> dict[str, Any]:
        url = f"{self.base}/v1/receipts/{source.replace(':', '%3A')}/{event_id}"
        async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
            answer = await client.get(url, headers={"Authorization": f"Bearer {token}"})
            return dict(answer.json()) if answer.status_code == 200 else {"state": answer.status_code}


async def start_gateway(settings: CommonSettings, processes: Processes, **env: object) -> Gateway:
    (port,) = free_ports(1)
    base = f"http://127.0.0.1:{port}"
    gateway = processes.start(
        "balance-intake", "gateway", settings=settings, ready_url=f"{base}/readyz", env={"port": port, **QUICK, **env}
    )
    await gateway.ready()
    return Gateway(base)


@pytest.fixture
async def ledger(topics: CommonSettings, processes: Processes) -> CommonSettings:
    """Topics with a genesis checkpoint, sources, and a running normaliser."""
    write_sources(topics.sources)
    await processes.run("balance-sealer", "genesis", settings=topics)
    processes.start("balance-intake", "normaliser", "--genesis", settings=topics, env={"group_session_seconds": 2})
    return topics


async def alerts(settings: CommonSettings) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for shard in range(settings.partitions):
        async with PartitionReader(settings, settings.topic(ALERTS), shard) as reader:
            end, read = await reader.end_offset(), 0
            while read < end:
                records = await reader.read(100, 1.0)
                read += len(records)
                found += [json.loads(record.value) for record in records]
    return found


async def test_a_receipt_tells_pending_then_sealed_or_rejected_with_a_link_to_the_proof(
    ledger: CommonSettings, processes: Processes
) -> None:
    gateway = await start_gateway(ledger, processes, verifier_url="https://verifier.example/")
    assert (await gateway.post(an_event())).status_code == 202
    good = as_bytes(an_event(1, source=KAFKA_SOURCE))
    bad = as_bytes(an_event(2, source=KAFKA_SOURCE, data={"amount": "much"}))
    await put_raw(ledger, [(shard_of(ledger), each, signed(each)) for each in (good, bad)])
    assert (await gateway.state("e-1"))["state"] == "pending"
    assert (await gateway.state("e-2", KAFKA_SOURCE, KAFKA_TOKEN))["state"] == 404
    processes.start("balance-sealer", "sealer", settings=ledger, env=SEALING)

    async def sealed() -> bool:
        return (await gateway.state("e-1"))["state"] == "sealed"

    async def rejected() -> bool:
        return (await gateway.state("e-2", KAFKA_SOURCE, KAFKA_TOKEN))["state"] == "rejected"

    await wait_until(sealed, 30)
    await wait_until(rejected, 30)
    told = await gateway.state("e-1")
    assert told["proof"] == f"https://verifier.example/v1/events/{HTTP_SOURCE.replace(':', '%3A')}/e-1/proof"
    assert (await gateway.state("e-1", KAFKA_SOURCE, KAFKA_TOKEN))["state"] == "sealed"
    refused = await gateway.state("e-2", KAFKA_SOURCE, KAFKA_TOKEN)
    assert (refused["reason"], refused["field"], refused["receipt"]) == ("field_invalid", "/data/amount", None)
    assert refused["remedy"]
    assert refused["proof"].endswith(f"/{refused['partition']}-0-{refused['rawpos']}/proof")


async def test_a_receipt_that_is_not_kept_is_a_critical_alert_with_the_receipt_as_evidence(
    ledger: CommonSettings, processes: Processes
) -> None:
    gateway = await start_gateway(ledger, processes, receipt_seconds=20)
    sealer = processes.start("balance-sealer", "sealer", settings=ledger, env=SEALING)
    assert (await gateway.post(an_event(1))).status_code == 202

    async def sealed() -> bool:
        return (await gateway.state("e-1"))["state"] == "sealed"

    await wait_until(sealed, 30)
    sealer.stop()
    hasty = await start_gateway(ledger, processes, receipt_seconds=1)
    answer = await hasty.post(an_event(2))
    receipt = Receipt.parse_signed(answer.content)

    async def told() -> list[dict[str, Any]]:
        return await alerts(ledger)

    (alert,) = await wait_until(told, 30, "the broken promise is told")
    assert (alert["rule"], alert["severity"], alert["state"]) == ("receipt.broken", "C", "open")
    assert alert["subject"] == f"receipts/{HTTP_SOURCE}/e-2"
    assert json.loads(answer.content)["by"] in alert["expected"]
    assert alert["got"].startswith("in no block")
    assert {**alert["evidence"], "s": json.loads(answer.content)["s"]} == json.loads(receipt.encode())
    assert (await hasty.state("e-2"))["broken"]
    # Sealed after all, it stays broken, and nothing is told twice; the other promise was kept.
    sealer.cont()

    async def late() -> bool:
        state = await hasty.state("e-2")
        return state["state"] == "sealed" and state["broken"]

    await wait_until(late, 40)
    assert [each["id"] for each in await alerts(ledger)] == [alert["id"]]
    assert not (await gateway.state("e-1"))["broken"]
