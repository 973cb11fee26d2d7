"""Raw records as sources and gateway put them onto `litigation.raw`, made before the clock runs.

The events of HTTP sources carry the gateway's keyed BLAKE2b, those of Kafka sources their Ed25519 signature, so the
whole mixture of the simulator comes in without a gateway in the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer
from balance_chain.core.casenumber import parse_subject
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.partition import partition_for
from balance_chain.core.rawrecord import mac_raw, make_headers, sign_raw
from balance_chain.core.topics import RAW
from balance_chain.runtime.settings import CommonSettings
from balance_chain.simulator import Event, generate, registrations

CASES_AT_ONCE = 500
IN_FLIGHT = 2000
_encode = msgspec.json.Encoder(order="sorted").encode


class RawRecord(NamedTuple):
    """A record ready to be sent; `name` is the event's source and id."""

    name: tuple[str, str]
    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def simulated(events: int, seed: int) -> Iterator[Event]:
    """About so many events, in whole seeds, in the order of each source."""
    made = 0
    for each in count(seed):
        found = generate(min(CASES_AT_ONCE, max(1, (events - made) // 20)), each).events
        yield from found
        made += len(found)
        if made >= events:
            return


def records(events: Iterable[Event], settings: CommonSettings) -> Iterator[RawRecord]:
    """Each event as its record."""
    mac = KeyDirectory.load(settings.keys).gateway_mac
    sources = {each.uri: each for each in registrations()}
    for event in events:
        value, uri = _encode(event), str(event["source"])
        source = sources[uri]
        if source.transport == "kafka":
            assert source.private_seed is not None
            assert source.public_key is not None
            authenticator = sign_raw(value, source.private_seed, source.public_key)
        else:
            authenticator = mac_raw(uri, value, mac)
        caseid = parse_subject(event["subject"]).caseid
        yield RawRecord(
            (uri, event["id"]), partition_for(caseid, settings.partitions), caseid.encode(), value,
            make_headers(uri, authenticator),
        )  # fmt: skip


async def publish(settings: CommonSettings, load: Iterable[RawRecord]) -> int:
    """Put all onto raw as fast as it takes them; how many."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", linger_ms=20)
    await producer.start()
    total = 0
    try:
        pending: list[asyncio.Future[object]] = []
        for each in load:
            pending.append(await send(producer, settings, each))
            total += 1
            if len(pending) >= IN_FLIGHT:
                await asyncio.gather(*pending)
                pending.clear()
        await asyncio.gather(*pending)
    finally:
        await producer.stop()
    return total


async def send(producer: AIOKafkaProducer, settings: CommonSettings, record: RawRecord) -> asyncio.Future[object]:
    """Hand one record over; the future is done when the broker has it."""
    sent: asyncio.Future[object] = await producer.send(
        settings.topic(RAW), record.value, key=record.key, partition=record.partition, headers=record.headers
    )
    return sent


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
