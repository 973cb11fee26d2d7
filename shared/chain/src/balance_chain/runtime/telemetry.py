"""Traces from the HTTP request through Kafka headers to block and alert; without a collector they cost nothing."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence

from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from balance_chain.runtime.settings import CommonSettings

TRACEPARENT = "traceparent"
# A batch span links to at most so many of its events: collectors cut off beyond it.
MAX_LINKS = 128

_propagator = TraceContextTextMapPropagator()
_exporting = False


def setup_telemetry(settings: CommonSettings, service: str) -> None:
    """Exports spans by OTLP/HTTP where an endpoint is set; otherwise leaves the no-op tracer in place."""
    global _exporting
    if settings.otlp_endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint.rstrip("/") + "/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _exporting = True


def shutdown_telemetry() -> None:
    """Sends what is left, bounded by the exporter's own limits."""
    if _exporting:
        provider = trace.get_tracer_provider()
        shutdown = getattr(provider, "shutdown", None)
        if shutdown is not None:
            shutdown()


def tracer(name: str) -> Tracer:
    return trace.get_tracer(name)


def inject() -> str | None:
    """The current span as a W3C traceparent; None outside of any."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(TRACEPARENT)


def extract(traceparent: str | bytes | None) -> SpanContext | None:
    """The span that a traceparent names; None for none or a malformed one."""
    if not traceparent:
        return None
    text = traceparent.decode("ascii", "replace") if isinstance(traceparent, bytes) else traceparent
    context = trace.get_current_span(_propagator.extract({TRACEPARENT: text})).get_span_context()
    return context if context.is_valid else None


def header(headers: Iterable[tuple[str, bytes]], name: str = TRACEPARENT) -> bytes | None:
    """The first Kafka header of that name."""
    return next((value for key, value in headers if key == name), None)


def trace_headers() -> tuple[tuple[str, bytes], ...]:
    """Kafka headers that carry the current span on; empty outside of any."""
    value = inject()
    return ((TRACEPARENT, value.encode()),) if value else ()


@contextlib.contextmanager
def batch_span(
    tracer: Tracer, name: str, headers: Iterable[Sequence[tuple[str, bytes]]], **attributes: str | int
) -> Iterator[Span]:
    """A span over a batch of records, linked to the spans that their headers name."""
    if not _exporting:
        yield trace.INVALID_SPAN
        return
    links: list[Link] = []
    for record_headers in headers:
        context = extract(header(record_headers))
        if context is not None:
            links.append(Link(context))
            if len(links) == MAX_LINKS:
                break
    with tracer.start_as_current_span(name, links=links, attributes=attributes) as span:
        yield span
