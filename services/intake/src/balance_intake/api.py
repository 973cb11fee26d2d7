"""The gateway's HTTP interface: events in, receipts out. What decides is in `gateway`; this only speaks HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from balance_chain.core import canonical
from balance_chain.core.catalogue import EventType
from balance_chain.core.events import ledger_id, ledger_source
from balance_chain.core.rejects import REMEDIES, Reason
from balance_chain.core.sources import Source
from balance_chain.runtime.telemetry import TRACEPARENT, extract, tracer
from balance_chain.web.problems import FieldError, ProblemError, problem_response
from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from opentelemetry import trace

from balance_intake import schemas
from balance_intake.deployment import Deployment
from balance_intake.errors import IntakeFull
from balance_intake.gateway import PENDING, REJECTED, Accepted, Gateway, Outcome, ReceiptState, Refused, Unavailable
from balance_intake.model import EventKey
from balance_intake.settings import GatewaySettings

SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
NDJSON: Final = "application/x-ndjson"
PROBLEM_TYPE: Final = "urn:balance:problem:"
"""Before the reason code, in the `type` of problem details."""

_FORBIDDEN: Final = frozenset({Reason.TYPE_NOT_ALLOWED, Reason.COURT_NOT_ALLOWED, Reason.SOURCE_UNKNOWN})
_tracer: Final = tracer("balance_intake.gateway")
_json: Final = msgspec.json.Encoder()
_split: Final = msgspec.json.Decoder(list[msgspec.Raw])
_bearer: Final = HTTPBearer(auto_error=False, description="The source's token, whose digest sources.yaml holds.")


def router(gateway: Gateway, deployment: Deployment, settings: GatewaySettings) -> APIRouter:
    """The routes under /v1."""

    # Async, though nothing is awaited: FastAPI sends a plain function through a thread, which costs more than it does.
    async def few_headers(request: Request) -> None:
        if len(request.headers.raw) > settings.header_count:
            raise ProblemError(431, "Too many headers", f"A request has at most {settings.header_count} headers.")

    routes = APIRouter(prefix="/v1", dependencies=[Depends(few_headers)])
    retry = {"Retry-After": str(settings.retry_after_seconds)}

    async def authenticated(
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Source:
        source = None if credentials is None else deployment.sources.by_token(credentials.credentials)
        if source is None:
            raise ProblemError(
                401, "Who are you?", "Send a registered source's bearer token.", headers={"WWW-Authenticate": "Bearer"}
            )
        return source

    Authenticated = Annotated[Source, Depends(authenticated)]

    @routes.post("/events", responses=schemas.POST_EVENTS, openapi_extra=schemas.EVENTS_BODY, status_code=202)
    async def post_events(request: Request, source: Authenticated) -> Response:
        """Take one CloudEvent, a JSON batch or NDJSON.

        One event: 202 with a new receipt, 200 with the stored one for a repeat, a problem otherwise. A batch: one
        result an event, in order; 207 where some were refused.
        """
        if source.transport != "http":
            raise _problem(403, Reason.SOURCE_TRANSPORT, "This source is registered for Kafka.")
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type not in (SINGLE, BATCH, NDJSON):
            raise ProblemError(415, "Which form?", f"Send {SINGLE}, {BATCH} or {NDJSON}.")
        limit = settings.event_bytes if media_type == SINGLE else settings.batch_bytes
        body = await _body(request, limit)
        values = [body] if media_type == SINGLE else _values(body, media_type)
        parent = extract(request.headers.get(TRACEPARENT))
        context = None if parent is None else trace.set_span_in_context(trace.NonRecordingSpan(parent))
        try:
            if len(values) > settings.batch_events:
                raise ProblemError(
                    413, "Too many events", f"{len(values)} in one request, {settings.batch_events} at most."
                )
            with _tracer.start_as_current_span("accept", context, attributes={"count": len(values)}):
                outcomes = await gateway.accept(values, source)
            return _single(outcomes[0], retry) if media_type == SINGLE else _many(outcomes, retry)
        except IntakeFull as error:
            raise ProblemError(429, "Too many events in flight", str(error), headers=retry) from None

    @routes.get("/receipts/{source_uri:path}/{event_id}", responses=schemas.GET_RECEIPT)
    async def get_receipt(
        source: Authenticated,
        source_uri: Annotated[str, Path(description="URI of the source, percent-encoded.")],
        event_id: Annotated[str, Path(description="Id of the event.")],
    ) -> Response:
        """The receipt of one of the caller's own events and what became of it.

        `pending` until a block holds it; then `sealed`, or `rejected` with the reason; both with a link to the proof.
        `broken` says that the promise was found not kept. Another source's events look absent.
        """
        found = await gateway.receipt(EventKey(source_uri, event_id)) if source_uri == source.uri else None
        if found is None:
            raise ProblemError(404, "No such event", "This source has had no event of that id accepted.")
        answer = schemas.ReceiptAnswer(
            state=found.state,
            receipt=None if found.receipt is None else msgspec.Raw(found.receipt),
            partition=found.partition,
            rawgen=found.rawgen,
            rawpos=found.rawpos,
            reason=found.reason,
            field=found.field,
            remedy=None if found.reason is None else REMEDIES.get(Reason(found.reason)),
            proof=proof_link(settings, EventKey(source_uri, event_id), found),
            broken=found.broken,
        )
        return _answer(200, _json.encode(answer))

    @routes.get("/event-types", responses=schemas.GET_EVENT_TYPES)
    async def event_types() -> Response:
        """Every type of event: its names, phase and producer."""
        return _answer(200, canonical.encode([_summary(kind) for kind in deployment.catalogue.types.values()]))

    @routes.get("/event-types/{type_id}", responses=schemas.GET_EVENT_TYPE)
    async def event_type(type_id: Annotated[str, Path(description="Type of event.")]) -> Response:
        """One type of event with the JSON Schema of its `data` and an example."""
        kind = deployment.catalogue.types.get(type_id)
        if kind is None:
            raise ProblemError(404, "No such type", "GET /v1/event-types lists them.")
        return _answer(200, _json.encode({**_summary(kind), "schema": kind.schema, "example": kind.example}))

    return routes


def proof_link(settings: GatewaySettings, key: EventKey, found: ReceiptState) -> str | None:
    """Where the verifier serves the proof of what was sealed: the event, or the ledger's reject in its place."""
    if found.state == PENDING or found.partition is None or found.rawgen is None or found.rawpos is None:
        return None
    if found.state == REJECTED:
        event_id = ledger_id(found.partition, found.rawgen, found.rawpos)
        key = EventKey(ledger_source(settings.origin), event_id)
    base = settings.verifier_url.rstrip("/")
    return f"{base}/v1/events/{quote(key.source, safe='')}/{quote(key.id, safe='')}/proof"


async def _body(request: Request, limit: int) -> bytes:
    """The body, refused as soon as it is larger than the limit."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _problem(413, Reason.TOO_LARGE, f"The body has more than {limit} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


def _values(body: bytes, media_type: str) -> list[bytes]:
    """The events of a batch, each as its bytes were sent."""
    if media_type == NDJSON:
        values = [line for line in body.split(b"\n") if line.strip()]
    else:
        try:
            values = [bytes(raw) for raw in _split.decode(body)]
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            raise _problem(422, Reason.NOT_JSON, "The body is not a JSON array of events.") from None
    if not values:
        raise _problem(422, Reason.NOT_JSON, "The body has no event.")
    return values


def _single(outcome: Outcome, retry: dict[str, str]) -> Response:
    match outcome:
        case Accepted():
            location = f"/v1/receipts/{quote(outcome.key.source, safe='')}/{outcome.key.id}"
            return _answer(200 if outcome.repeat else 202, outcome.receipt, {"Location": location})
        case Refused():
            reason = outcome.faults[0].reason
            return problem_response(
                _status(outcome), _title(outcome), errors=_errors(outcome), type_=PROBLEM_TYPE + reason.value
            )
        case Unavailable():
            return problem_response(503, "Not now", str(outcome.problem), headers=retry)


def _many(outcomes: Sequence[Outcome], retry: dict[str, str]) -> Response:
    """One result an event. Where anything could not be promised the whole answer says so: sending all again is safe."""
    for outcome in outcomes:
        if isinstance(outcome, Unavailable):
            return problem_response(503, "Not now", str(outcome.problem), headers=retry)
    results = [_result(outcome) for outcome in outcomes]
    mixed = any(result.status >= 300 for result in results)
    return _answer(207 if mixed else 200, _json.encode(results))


def _result(outcome: Outcome) -> schemas.Result:
    if isinstance(outcome, Accepted):
        return schemas.Result(status=200 if outcome.repeat else 202, receipt=msgspec.Raw(outcome.receipt))
    assert isinstance(outcome, Refused)
    return schemas.Result(
        status=_status(outcome),
        problem=schemas.Problem(
            type=PROBLEM_TYPE + outcome.faults[0].reason.value,
            title=_title(outcome),
            status=_status(outcome),
            errors=[schemas.Fault(error.pointer, error.problem, error.remedy) for error in _errors(outcome)],
        ),
    )


def _status(refused: Refused) -> int:
    reasons = {fault.reason for fault in refused.faults}
    if Reason.ID_CONFLICT in reasons:
        return 409
    if Reason.TOO_LARGE in reasons:
        return 413
    return 403 if reasons <= _FORBIDDEN else 422


def _title(refused: Refused) -> str:
    return {409: "This id has other content", 413: "Too large", 403: "Not allowed"}.get(
        _status(refused), "The event is not valid"
    )


def _errors(refused: Refused) -> tuple[FieldError, ...]:
    return tuple(FieldError(fault.pointer, fault.problem, fault.remedy) for fault in refused.faults)


def _problem(status: int, reason: Reason, detail: str) -> ProblemError:
    return ProblemError(status, reason.value.replace("_", " "), detail, type_=PROBLEM_TYPE + reason.value)


def _summary(kind: EventType) -> dict[str, Any]:
    return {
        "id": kind.id,
        "zh": kind.zh,
        "en": kind.en,
        "phase": kind.phase,
        "producer": kind.producer,
        "version": kind.version,
        "description": kind.description,
    }


def _answer(status: int, body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers=headers, media_type="application/json")
