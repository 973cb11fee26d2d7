"""Registered sources, valid events and raw records, for tests of intake and of what stands behind it."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from aiokafka import AIOKafkaProducer
from balance_chain.core.canonical import check_event
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.partition import partition_for
from balance_chain.core.rawrecord import mac_raw, make_headers, sign_raw
from balance_chain.core.sources import token_digest
from balance_chain.core.topics import EVENTS, RAW
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from nacl.bindings import crypto_sign_seed_keypair

HTTP_SOURCE = "urn:court:bj0491:case-system"
HTTP_TOKEN = "token-of-the-case-system"
KAFKA_SOURCE = "urn:court:bj0491:evidence-platform"
KAFKA_TOKEN = "token-of-the-evidence-platform"
KAFKA_SEED = bytes(range(32))
KAFKA_PUBLIC = crypto_sign_seed_keypair(KAFKA_SEED)[0]
NARROW_SOURCE = "urn:court:hz0192:case-system"
NARROW_TOKEN = "token-of-another-court"
CASE = "（2026）京0491民初123号"


def write_sources(path: Path) -> None:
    """A register of three sources: HTTP for all, Kafka for all, HTTP for one type and one court."""
    sources = [
        {
            "uri": HTTP_SOURCE,
            "transport": "http",
            "token_sha256": token_digest(HTTP_TOKEN),
            "types": ["*"],
            "courts": ["*"],
        },
        {
            "uri": KAFKA_SOURCE,
            "transport": "kafka",
            "token_sha256": token_digest(KAFKA_TOKEN),
            "key": base64.b64encode(KAFKA_PUBLIC).decode(),
            "types": ["*"],
            "courts": ["*"],
        },
        {
            "uri": NARROW_SOURCE,
            "transport": "http",
            "token_sha256": token_digest(NARROW_TOKEN),
            "types": ["case.submitted"],
            "courts": ["浙0192"],
        },
    ]
    path.write_text(yaml.safe_dump({"sources": sources}, allow_unicode=True), encoding="utf-8")


def an_event(number: int = 1, source: str = HTTP_SOURCE, **changes: Any) -> dict[str, Any]:
    """A valid event of a source; changes replace attributes, None leaves one out."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": source,
        "type": "case.submitted",
        "subject": CASE,
        "time": "2026-03-02T09:00:00+08:00",
        "sequence": str(number),
        "data": {
            "actors": [{"role": "plaintiff", "name": "王小明"}],
            "cause": "信息网络买卖合同纠纷",
            "amount": 1_250_000,
            "parties": [{"role": "原告", "name": "王小明"}, {"role": "被告", "name": "某某科技有限公司"}],
        },
        **changes,
    }
    return {name: value for name, value in event.items() if value is not None}


def as_bytes(event: Any) -> bytes:
    """An event as a source may write it: not canonical."""
    return json.dumps(event, ensure_ascii=False, indent=1).encode()


def signed(value: bytes, source: str = KAFKA_SOURCE) -> list[tuple[str, bytes]]:
    """Headers of a Kafka source's record."""
    return make_headers(source, sign_raw(value, KAFKA_SEED, KAFKA_PUBLIC))


def vouched(value: bytes, mac_key: bytes, source: str = HTTP_SOURCE) -> list[tuple[str, bytes]]:
    """Headers of a record that the gateway put on raw."""
    return make_headers(source, mac_raw(source, value, mac_key))


def shard_of(settings: CommonSettings, caseid: str = CASE) -> int:
    """The shard of a case."""
    return partition_for(caseid, settings.partitions)


async def put_raw(settings: CommonSettings, records: Sequence[tuple[int, bytes, list[tuple[str, bytes]]]]) -> None:
    """Put (partition, value, headers) on raw, in order."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", max_request_size=4 * 1024 * 1024)
    await producer.start()
    try:
        sent = [
            await producer.send(settings.topic(RAW), value, partition=partition, headers=headers)
            for partition, value, headers in records
        ]
        for each in sent:
            await each
    finally:
        await producer.stop()


async def read_events(settings: CommonSettings, shard: int) -> list[CanonicalEvent]:
    """Every event of a shard, each of which must be canonical to the byte."""
    events: list[CanonicalEvent] = []
    async with PartitionReader(settings, settings.topic(EVENTS), shard) as reader:
        end = await reader.end_offset()
        while len(events) < end:
            events += [check_event(record.value) for record in await reader.read(end - len(events), 1.0)]
    return events
