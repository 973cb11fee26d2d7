"""One trace goes from the HTTP request through Kafka to the block and to the alert, as a collector receives it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from balance_chain.core.topics import ALERTS, EVENTS
from balance_chain.runtime.health import serve_app
from balance_chain.runtime.kafka import PartitionReader
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.telemetry import extract, header
from balance_chain.simulator import generate
from balance_local.demosources import register_demo_sources
from balance_local.stack import Ports, Stack, StackOptions
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from support.ports import free_ports
from support.waiting import wait_until
from support.wholestack import SOURCES

ONLY = frozenset({"gateway", "normaliser", "sealer", "judge-audit"})
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
SEED, CASES = 7, 24
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Span:
    """A span as the collector got it."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: frozenset[tuple[str, str]]


@dataclass
class Collector:
    """What was exported."""

    endpoint: str
    spans: list[Span] = field(default_factory=list)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [
                    Span(
                        attributes["service.name"],
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    )
                    for span in scope.spans
                ]


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """An OTLP/HTTP collector on the loopback address."""
    (port,) = free_ports(1)
    collector, stop = Collector(f"http://127.0.0.1:{port}"), asyncio.Event()

    async def traces(request: Request) -> Response:
        collector.take(await request.body())
        return Response(b"", media_type="application/x-protobuf")

    app = Starlette(routes=[Route("/v1/traces", traces, methods=["POST"])])
    serving = asyncio.create_task(serve_app(app, "127.0.0.1", port, stop))
    try:
        yield collector
    finally:
        stop.set()
        await serving


def an_event_that_is_an_alert_by_itself() -> dict[str, Any]:
    """The simulator's event that was entered long after it happened (rule R36)."""
    made = generate(CASES, SEED)
    (subject,) = [label.subject for label in made.labels if label.expected and label.rule == "R36"]
    return next(each for each in made.events if each["subject"] == subject and each["type"] == "transcript.filed")


async def headers_on(settings: CommonSettings, topic: str, mark: bytes) -> list[tuple[bytes, bytes | None]]:
    """Value and traceparent of the records of a topic that hold `mark`."""
    found: list[tuple[bytes, bytes | None]] = []
    for shard in range(settings.partitions):
        async with PartitionReader(settings, settings.topic(topic), shard) as reader:
            end, read = await reader.end_offset(), 0
            while read < end:
                records = await reader.read(500, 1.0)
                read += len(records)
                found += [(each.value, header(each.headers)) for each in records if mark in each.value]
    return found


async def test_a_trace_goes_from_the_request_to_block_and_alert(
    topics: CommonSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    event = an_event_that_is_an_alert_by_itself()
    async with collecting() as collector:
        for name, value in {
            "BALANCE_KAFKA": topics.kafka,
            "BALANCE_DATABASE": topics.database,
            "BALANCE_GROUP_SESSION_SECONDS": "3",
            "BALANCE_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }.items():
            monkeypatch.setenv(name, value)
        options = StackOptions(
            data=tmp_path / "data",
            partitions=topics.partitions,
            ports=Ports(*free_ports(8)),
            topic_prefix=topics.topic_prefix,
            grace_seconds=1,
            lateness_seconds=1,
        )
        async with Stack(options, register_sources=register_demo_sources) as stack:
            await stack.start(ONLY)
            async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
                answer = await client.post(
                    f"{stack.urls.gateway}/v1/events",
                    content=json.dumps(event).encode(),
                    headers={
                        "Authorization": f"Bearer {SOURCES[event['source']].token}",
                        "Content-Type": "application/cloudevents+json",
                        "traceparent": PARENT,
                    },
                )
            assert answer.status_code == 202, answer.text

            async def alerted() -> list[tuple[bytes, bytes | None]]:
                return await headers_on(topics, ALERTS, b'"R36"')

            ((_, judged),) = await wait_until(alerted, PATIENCE_SECONDS, "the alert is on the topic")
            ((_, carried),) = await headers_on(topics, EVENTS, f'"id":"{event["id"]}"'.encode())

            def linked(name: str) -> list[Span]:
                return [span for span in collector.named(name) if any(trace == TRACE for trace, _ in span.links)]

            await wait_until(
                lambda: collector.named("accept") and all(map(linked, ("normalise", "seal block", "judge"))),
                PATIENCE_SECONDS,
                "every stage has told of the trace",
            )
    # The request is the parent, the record in Kafka carries the request's span, each batch is linked to it.
    accepted = next(span for span in collector.named("accept") if span.trace == TRACE)
    assert accepted.parent == PARENT.split("-")[2]
    context = extract(carried)
    assert context is not None
    assert (f"{context.trace_id:032x}", f"{context.span_id:016x}") == (TRACE, accepted.id)
    for name, service in (
        ("normalise", "intake-normaliser"),
        ("seal block", "sealer"),
        ("judge", "judge-audit-worker"),
    ):
        (span,) = [span for span in linked(name) if (TRACE, accepted.id) in span.links]
        assert service in span.service
    # The alert names the span that judged, which is the one linked to the request.
    raised = extract(judged)
    assert raised is not None
    assert f"{raised.span_id:016x}" in {span.id for span in linked("judge")}
